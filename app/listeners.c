#include "app/listeners.h"

#include "app/addresses.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of who may be a proxy at tcp-proxy-port, where nobody is listed. */
static const char *const private_nets[] = {"127.0.0.0/8",    "10.0.0.0/8", "172.16.0.0/12",
                                           "192.168.0.0/16", "::1",        "fc00::/7"};

static size_t add_port(struct listeners_port *ports, size_t count, int64_t port,
                       bool proxies_only)
{
    for (size_t i = 0; i < count; i++)
        if (ports[i].port == port)
            return count;
    if (port == 0 || count == LISTENERS_PORTS_MAX)
        return count;
    ports[count] = (struct listeners_port){(uint16_t)port, proxies_only};
    return count + 1;
}

size_t listeners_ports(const struct settings *settings,
                       struct listeners_port out[static LISTENERS_PORTS_MAX])
{
    size_t count = 1;

    out[0] = (struct listeners_port){.port = (uint16_t)settings->port};
    if (!settings->no_tcp)
        count = add_port(out, count, settings->listening_port, false);
    if (settings->cert && !settings->no_tls)
        count = add_port(out, count, settings->tls_listening_port, false);
    return add_port(out, count, settings->tcp_proxy_port, true);
}

void listeners_speak(struct listeners *listeners, struct listener_protocol protocol)
{
    if (listeners->protocols < LISTENERS_PROTOCOLS_MAX)
        listeners->protocol[listeners->protocols++] = protocol;
}

/* Those of the settings, then the private ones. */
static int read_proxies(struct listeners *listeners, const struct option_list *list)
{
    listeners->proxies =
        calloc(list->count + ARRAY_LEN(private_nets), sizeof *listeners->proxies);
    if (!listeners->proxies)
        return RC_NOMEM;
    for (size_t i = 0; i < list->count; i++)
        (void)address_net_parse(&listeners->proxies[i], list->item[i]); /* checked when read */
    for (size_t i = 0; i < ARRAY_LEN(private_nets); i++)
        (void)address_net_parse(&listeners->proxies[list->count + i], private_nets[i]);
    return RC_OK;
}

/* Where a port goes, for its addresses. */
struct opening {
    struct listeners *listeners;
    struct loop *loop;
    const struct settings *settings;
    bool proxies_only;
    char *error; /* LISTENERS_ERROR_MAX */
};

static int open_one(const struct opening *o, const struct address *at)
{
    struct listeners *listeners = o->listeners;
    const struct settings *settings = o->settings;
    const size_t listed = settings->proxy_protocol.count;
    const struct listener_options options = {
        .at = *at,
        .max_connections = (uint32_t)settings->max_connections,
        .protocols = listeners->protocol,
        .protocol_count = listeners->protocols,
        .proxies = listeners->proxies,
        .proxy_count = listed || !o->proxies_only ? listed : ARRAY_LEN(private_nets),
        .proxies_only = o->proxies_only,
    };
    char text[ADDRESS_TEXT_MAX];

    const int rc = listener_open(&listeners->listener[listeners->count], o->loop, &options);
    if (rc == RC_OK)
        listeners->count++;
    else
        snprintf(o->error, LISTENERS_ERROR_MAX, "cannot listen on TCP %s: %s",
                 address_format(at, text, sizeof text),
                 rc == RC_SYS ? strerror(errno) : "no memory");
    return rc;
}

/* At every address; where any port will do, all of them have the one that the first got. */
static int open_port(const struct opening *o, uint16_t port)
{
    struct listeners *listeners = o->listeners;
    struct address at[RELAY_ADDRESSES_MAX];
    size_t count = 0;
    int rc = RC_OK;

    addresses_read(&o->settings->listening_ip, at, &count);
    if (count == 0)
        (void)address_parse(&at[count++], "*");
    for (size_t i = 0; rc == RC_OK && i < count; i++) {
        address_set_port(&at[i], port);
        rc = open_one(o, &at[i]);
        if (rc == RC_OK && port == 0) {
            const struct address bound = listener_address(listeners->listener[0]);
            port = address_port(&bound);
        }
    }
    if (rc == RC_OK && !o->proxies_only)
        listeners->port[listeners->ports++] = port;
    return rc;
}

int listeners_open(struct listeners *listeners, struct loop *loop,
                   const struct settings *settings, SSL_CTX *tls,
                   char error[static LISTENERS_ERROR_MAX])
{
    struct opening opening = {listeners, loop, settings, false, error};
    struct listeners_port ports[LISTENERS_PORTS_MAX];
    const size_t count = listeners_ports(settings, ports);

    int rc = read_proxies(listeners, &settings->proxy_protocol);
    for (size_t i = 0; rc == RC_OK && i < count; i++) {
        opening.proxies_only = ports[i].proxies_only;
        rc = open_port(&opening, ports[i].port);
    }
    listeners_set_tls(listeners, tls);
    return rc;
}

void listeners_set_tls(struct listeners *listeners, SSL_CTX *tls)
{
    for (size_t i = 0; i < listeners->count; i++)
        listener_set_tls(listeners->listener[i], tls);
}

uint32_t listeners_connections(const struct listeners *listeners)
{
    uint32_t count = 0;

    for (size_t i = 0; i < listeners->count; i++)
        count += listener_connections(listeners->listener[i]);
    return count;
}

void listeners_stop(struct listeners *listeners)
{
    for (size_t i = 0; i < listeners->count; i++)
        listener_stop(listeners->listener[i]);
}

void listeners_close(struct listeners *listeners)
{
    for (size_t i = 0; i < listeners->count; i++)
        listener_close(listeners->listener[i]);
    listeners->count = 0;
    free(listeners->proxies);
    listeners->proxies = NULL;
}

#include "app/listeners.h"

#include "app/addresses.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t add_port(uint16_t *ports, size_t count, int64_t port)
{
    for (size_t i = 0; i < count; i++)
        if (ports[i] == port)
            return count;
    if (port == 0 || count == LISTENERS_PORTS_MAX)
        return count;
    ports[count] = (uint16_t)port;
    return count + 1;
}

size_t listeners_ports(const struct settings *settings, uint16_t out[static LISTENERS_PORTS_MAX])
{
    size_t count = 1;

    out[0] = (uint16_t)settings->port;
    count = add_port(out, count, settings->listening_port);
    return add_port(out, count, settings->tls_listening_port);
}

void listeners_speak(struct listeners *listeners, struct listener_protocol protocol)
{
    if (listeners->protocols < LISTENERS_PROTOCOLS_MAX)
        listeners->protocol[listeners->protocols++] = protocol;
}

static int read_proxies(struct listeners *listeners, const struct option_list *list)
{
    if (list->count == 0)
        return RC_OK;
    listeners->proxies = calloc(list->count, sizeof *listeners->proxies);
    if (!listeners->proxies)
        return RC_NOMEM;
    for (size_t i = 0; i < list->count; i++)
        (void)address_net_parse(&listeners->proxies[i], list->item[i]); /* checked when read */
    return RC_OK;
}

static int open_one(struct listeners *listeners, struct loop *loop, const struct settings *settings,
                    const struct address *at, char error[static LISTENERS_ERROR_MAX])
{
    const struct listener_options options = {
        .at = *at,
        .max_connections = (uint32_t)settings->max_connections,
        .protocols = listeners->protocol,
        .protocol_count = listeners->protocols,
        .proxies = listeners->proxies,
        .proxy_count = settings->proxy_protocol.count,
    };
    char text[ADDRESS_TEXT_MAX];

    const int rc = listener_open(&listeners->listener[listeners->count], loop, &options);
    if (rc == RC_OK)
        listeners->count++;
    else
        snprintf(error, LISTENERS_ERROR_MAX, "cannot listen on TCP %s: %s",
                 address_format(at, text, sizeof text),
                 rc == RC_SYS ? strerror(errno) : "no memory");
    return rc;
}

/* At every address; where any port will do, all of them have the one that the first got. */
static int open_port(struct listeners *listeners, struct loop *loop,
                     const struct settings *settings, uint16_t port,
                     char error[static LISTENERS_ERROR_MAX])
{
    struct address at[RELAY_ADDRESSES_MAX];
    size_t count = 0;
    int rc = RC_OK;

    addresses_read(&settings->listening_ip, at, &count);
    if (count == 0)
        (void)address_parse(&at[count++], "*");
    for (size_t i = 0; rc == RC_OK && i < count; i++) {
        address_set_port(&at[i], port);
        rc = open_one(listeners, loop, settings, &at[i], error);
        if (rc == RC_OK && port == 0) {
            const struct address bound = listener_address(listeners->listener[0]);
            port = address_port(&bound);
        }
    }
    if (rc == RC_OK)
        listeners->port[listeners->ports++] = port;
    return rc;
}

int listeners_open(struct listeners *listeners, struct loop *loop, const struct settings *settings,
                   SSL_CTX *tls, char error[static LISTENERS_ERROR_MAX])
{
    uint16_t ports[LISTENERS_PORTS_MAX];
    const size_t count = listeners_ports(settings, ports);

    int rc = read_proxies(listeners, &settings->proxy_protocol);
    for (size_t i = 0; rc == RC_OK && i < count; i++)
        rc = open_port(listeners, loop, settings, ports[i], error);
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

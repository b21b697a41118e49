#include "app/turn_uris.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HOST_MAX = 256, URI_MAX = 2 * HOST_MAX + 40 };

/* How a URI names the server. */
struct host {
    char text[HOST_MAX];
    bool is_name; /* that a certificate can speak for */
};

static void set_ip(struct host *out, const struct address *ip)
{
    char text[ADDRESS_TEXT_MAX];

    address_format_ip(ip, text, sizeof text);
    snprintf(out->text, sizeof out->text, ip->sa.sa_family == AF_INET6 ? "[%s]" : "%s", text);
    out->is_name = false;
}

static void set_name(struct host *out, const char *name)
{
    struct address ip;

    if (address_parse(&ip, name) == RC_OK) {
        set_ip(out, &ip);
        return;
    }
    snprintf(out->text, sizeof out->text, "%s", name);
    out->is_name = true;
}

/* The first address of each family; a scope id has no place in a URI. */
static size_t find_hosts(struct host out[static 2], const struct turn_uris_options *options)
{
    static const sa_family_t families[] = {AF_INET, AF_INET6};
    size_t count = 0;

    if (options->server_name && *options->server_name) {
        set_name(&out[0], options->server_name);
        return 1;
    }
    for (size_t f = 0; f < ARRAY_LEN(families); f++) {
        for (size_t i = 0; i < options->ip_count; i++) {
            const struct address *ip = &options->ip[i];

            if (ip->sa.sa_family != families[f] || address_classify(ip) & ADDRESS_LINK_LOCAL)
                continue;
            set_ip(&out[count++], ip);
            break;
        }
    }
    return count;
}

static int add(char *list[static TURN_URIS_MAX], size_t *count, const char *uri)
{
    if (*count == TURN_URIS_MAX)
        return RC_OK;
    for (size_t i = 0; i < *count; i++) {
        if (strcmp(list[i], uri) == 0)
            return RC_OK;
    }
    list[*count] = strdup(uri);
    if (!list[*count])
        return RC_NOMEM;
    ++*count;
    return RC_OK;
}

static int add_service(struct turn_uris *uris, const struct turn_uris_options *options,
                       const struct host *host, const struct turn_service *service)
{
    const bool secure =
        service->transport == TURN_SERVICE_TLS || service->transport == TURN_SERVICE_DTLS;
    const bool datagrams =
        service->transport == TURN_SERVICE_UDP || service->transport == TURN_SERVICE_DTLS;
    char uri[URI_MAX];
    int rc = RC_OK;

    if (secure && !host->is_name)
        return RC_OK;
    if (options->stun && service->transport == TURN_SERVICE_UDP) {
        snprintf(uri, sizeof uri, "stun:%s:%u", host->text, service->port);
        rc = add(uris->stun, &uris->stun_count, uri);
    }
    if (options->turn && rc == RC_OK) {
        snprintf(uri, sizeof uri, "%s:%s:%u?transport=%s", secure ? "turns" : "turn",
                 host->text, service->port, datagrams ? "udp" : "tcp");
        rc = add(uris->turn, &uris->turn_count, uri);
    }
    return rc;
}

int turn_uris_build(struct turn_uris *out, const struct turn_uris_options *options)
{
    struct turn_uris uris = {.stun_count = 0};
    struct host host[2];
    int rc = RC_OK;

    const size_t hosts = find_hosts(host, options);
    for (size_t i = 0; i < options->service_count && rc == RC_OK; i++) {
        for (size_t j = 0; j < hosts && rc == RC_OK; j++)
            rc = add_service(&uris, options, &host[j], &options->service[i]);
    }
    if (rc == RC_OK)
        *out = uris;
    else
        turn_uris_clear(&uris);
    return rc;
}

void turn_uris_clear(struct turn_uris *uris)
{
    for (size_t i = 0; i < uris->stun_count; i++)
        free(uris->stun[i]);
    for (size_t i = 0; i < uris->turn_count; i++)
        free(uris->turn[i]);
    *uris = (struct turn_uris){.stun_count = 0};
}

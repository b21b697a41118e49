#include "app/turn_reach.h"

#include "app/turn_settings.h"
#include "relay/relay.h"

#define SERVICES_MAX (2 + 2 * TURN_REACH_TCP_MAX)

/* As clients see them: what is configured so, else what is listened on, else the machine's. */
static size_t addresses(const struct settings *s, struct address out[RELAY_ADDRESSES_MAX])
{
    struct address private;
    size_t count = 0;

    for (size_t i = 0; i < s->external_ip.count && count < RELAY_ADDRESSES_MAX; i++)
        if (turn_settings_external(s->external_ip.item[i], &out[count], &private) == RC_OK)
            count++;
    if (count > 0)
        return count;
    for (size_t i = 0; i < s->listening_ip.count && count < RELAY_ADDRESSES_MAX; i++)
        if (address_parse(&out[count], s->listening_ip.item[i]) == RC_OK &&
            !address_is_wildcard(&out[count]))
            count++;
    if (count > 0)
        return count;
    const int local = address_local(out, RELAY_ADDRESSES_MAX);
    return local > 0 ? (size_t)local : 0;
}

static size_t services(const struct settings *s, const struct turn_reach *reach,
                       struct turn_service out[SERVICES_MAX])
{
    size_t count = 0;

    if (reach->udp && !reach->udp_is_media && !s->no_udp)
        out[count++] = (struct turn_service){TURN_SERVICE_UDP, reach->udp};
    for (size_t i = 0; i < reach->tcp_count && !s->no_tcp; i++)
        out[count++] = (struct turn_service){TURN_SERVICE_TCP, reach->tcp[i]};
    for (size_t i = 0; i < reach->tcp_count && !s->no_tls && s->cert; i++)
        out[count++] = (struct turn_service){TURN_SERVICE_TLS, reach->tcp[i]};
    return count;
}

int turn_reach_uris(struct turn_uris *out, const struct settings *settings,
                    const struct turn_reach *reach)
{
    struct address ip[RELAY_ADDRESSES_MAX];
    struct turn_service service[SERVICES_MAX];
    const struct turn_uris_options options = {
        .server_name = settings->server_name,
        .ip = ip,
        .ip_count = addresses(settings, ip),
        .service = service,
        .service_count = services(settings, reach, service),
        .stun = !settings->no_stun && !settings->secure_stun,
        .turn = !settings->stun_only,
    };

    return turn_uris_build(out, &options);
}

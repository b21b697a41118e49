#include "app/turn_options.h"

#include "app/turn_settings.h"

#include "config.h"

static void read_relays(struct turn_options *out, const struct settings *s)
{
    struct relay_addresses_options *relays = &out->host.relays;

    for (size_t i = 0; i < s->relay_ip.count && i < RELAY_ADDRESSES_LIMIT; i++)
        if (address_parse(&out->relay_ip[relays->relay_ip_count], s->relay_ip.item[i]) == RC_OK)
            relays->relay_ip_count++;
    for (size_t i = 0; i < s->external_ip.count && i < RELAY_ADDRESSES_LIMIT; i++) {
        struct relay_external *external = &out->external[relays->external_count];

        if (turn_settings_external(s->external_ip.item[i], &external->public,
                                   &external->private) == RC_OK)
            relays->external_count++;
    }
    relays->relay_ip = out->relay_ip;
    relays->external = out->external;
    relays->min_port = (uint16_t)s->min_port;
    relays->max_port = (uint16_t)s->max_port;
}

static void read_server(struct turn_server_options *out, const struct settings *s)
{
    *out = (struct turn_server_options){
        .software = s->no_software_attribute ? NULL : "Meetopia Relay " PACKAGE_VERSION,
        .stun_only = s->stun_only,
        .secure_stun = s->secure_stun,
        .no_stun = s->no_stun,
        .fingerprint = s->fingerprint,
        .mobility = s->mobility,
        .tcp_relay = !s->no_tcp_relay,
        .no_udp_relay = s->no_udp_relay,
        .permission_lifetime = s->permission_lifetime,
        .channel_lifetime = s->channel_lifetime,
        .unauthorized_rate = (uint32_t)s->unauthorized_ratelimit_rps,
        .alternate = turn_settings_alternate(s, AF_INET),
    };
    if (!address_len(&out->alternate))
        out->alternate = turn_settings_alternate(s, AF_INET6);
}

void turn_options_read(struct turn_options *out, const struct settings *settings,
                       const char *secret, const struct relay_options *media)
{
    *out = (struct turn_options){.secret = secret};
    turn_settings_auth(settings, &out->secret, &out->host.auth);
    turn_settings_policy(settings, &out->host.policy);
    read_server(&out->host.server, settings);
    read_relays(out, settings);
    out->host.relay_ports_none = settings->relay_ports == SETTINGS_RELAY_PORTS_NONE;
    out->host.no_udp = settings->no_udp;
    out->host.no_dtls = settings->no_dtls;
    out->host.no_tcp = settings->no_tcp;
    out->host.no_tls = settings->no_tls;
    out->host.media = media;
}

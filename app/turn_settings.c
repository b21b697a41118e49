#include "app/turn_settings.h"

#include <stdio.h>
#include <string.h>

enum { TURN_PORT = 3478 }; /* RFC 8656 section 5 */

void turn_settings_auth(const struct settings *settings, const char *const *made,
                        struct turn_auth_options *out)
{
    const struct option_list *secret = &settings->static_auth_secret;

    *out = (struct turn_auth_options){
        .realm = settings->realm,
        .user = (const char *const *)settings->user.item,
        .user_count = secret->count > 0 ? 0 : settings->user.count,
        .secret = secret->count > 0 ? (const char *const *)secret->item : made,
        .secret_count = secret->count > 0 ? secret->count : 1,
        .separator = settings->rest_api_separator[0],
        .strict_expiry = settings->strict_expiry,
        .stale_nonce = (uint32_t)(settings->stale_nonce / SEC(1)),
        .nonce_secret = settings->stateless_nonce_secret,
    };
}

const char *turn_settings_secret(const struct settings *settings, const char *made)
{
    return settings->static_auth_secret.count > 0 ? settings->static_auth_secret.item[0] : made;
}

void turn_settings_policy(const struct settings *settings, struct turn_policy_options *out)
{
    *out = (struct turn_policy_options){
        .allowed_peer_ip = (const char *const *)settings->allowed_peer_ip.item,
        .denied_peer_ip = (const char *const *)settings->denied_peer_ip.item,
        .allowed_count = settings->allowed_peer_ip.count,
        .denied_count = settings->denied_peer_ip.count,
        .allow_loopback = settings->allow_loopback_peers,
        .relay_ports = settings->relay_ports == SETTINGS_RELAY_PORTS_ANY,
        .min_port = (uint16_t)settings->min_port,
        .max_port = (uint16_t)settings->max_port,
        .user_quota = (uint32_t)settings->user_quota,
        .total_quota = (uint32_t)settings->total_quota,
        .max_bps = (uint64_t)settings->max_bps,
        .bps_capacity = (uint64_t)settings->bps_capacity,
        .lifetime_max = settings->max_allocate_lifetime,
    };
}

int turn_settings_external(const char *text, struct address *public, struct address *private)
{
    char half[ADDRESS_TEXT_MAX];
    struct address there, here = {0};
    const char *slash = strchr(text, '/');

    if (snprintf(half, sizeof half, "%.*s", (int)strcspn(text, "/"), text) >=
            (int)sizeof half ||
        address_parse(&there, half) != RC_OK ||
        (slash && address_parse(&here, slash + 1) != RC_OK))
        return RC_BAD;
    *public = there;
    *private = here;
    return RC_OK;
}

struct address turn_settings_alternate(const struct settings *settings, sa_family_t family)
{
    for (size_t i = 0; i < settings->alternate_server.count; i++) {
        struct address a;

        if (address_parse(&a, settings->alternate_server.item[i]) != RC_OK ||
            a.sa.sa_family != family)
            continue;
        if (address_port(&a) == 0)
            address_set_port(&a, TURN_PORT);
        return a;
    }
    return (struct address){0};
}

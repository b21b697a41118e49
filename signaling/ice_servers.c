#include "signaling/ice_servers.h"

#include "core/hash.h"
#include "signaling/source_limit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static json_t *texts(const char *const *text, size_t count)
{
    json_t *list = json_array();

    for (size_t i = 0; i < count && list; i++) {
        if (json_array_append_new(list, json_string(text[i])) == 0)
            continue;
        json_decref(list);
        list = NULL;
    }
    return list;
}

/* RC_OK when there is something to tell. */
static int ask(const struct ice_servers *servers, const char *user_id,
               struct ice_credentials *out)
{
    *out = (struct ice_credentials){.ttl = 0};
    if (!servers || !servers->credentials)
        return RC_BAD;
    return servers->credentials(servers->arg, user_id, out);
}

/* Takes `server`. */
static bool append(json_t *list, json_t *server)
{
    return server && json_array_append_new(list, server) == 0;
}

json_t *ice_servers_list(const struct ice_servers *servers, const char *user_id)
{
    struct ice_credentials c;
    json_t *list = json_array();
    bool good = list != NULL;

    if (!good || ask(servers, user_id, &c) != RC_OK)
        return list;
    if (c.stun_count > 0)
        good = append(list, json_pack("{s:o}", "urls", texts(c.stun, c.stun_count)));
    if (good && c.turn_count > 0)
        good = append(list, json_pack("{s:o, s:s, s:s}", "urls", texts(c.turn, c.turn_count),
                                      "username", c.username, "credential", c.credential));
    explicit_bzero(&c, sizeof c);
    if (good)
        return list;
    json_decref(list);
    return NULL;
}

int ice_servers_turn(const struct ice_servers *servers, const char *user_id, json_t **out)
{
    struct ice_credentials c;

    if (ask(servers, user_id, &c) != RC_OK || c.turn_count == 0)
        return RC_BAD;
    *out = json_pack("{s:s, s:s, s:I, s:o}", "username", c.username, "credential", c.credential,
                     "ttl", (json_int_t)c.ttl, "uris", texts(c.turn, c.turn_count));
    explicit_bzero(&c, sizeof c);
    return RC_OK;
}

void ice_servers_guest(char out[static ICE_USER_ID_MAX], const struct address *address)
{
    uint8_t key[SOURCE_KEY_BYTES];

    source_key(key, address);
    snprintf(out, ICE_USER_ID_MAX, "guest-%016" PRIx64, hash_bytes(key, sizeof key));
}

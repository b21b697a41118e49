#include "app/turn_handout.h"

#include "app/turn_settings.h"
#include "core/clock.h"
#include "core/random.h"
#include "turn/turn_rest.h"

#include <string.h>

_Static_assert(ICE_USERNAME_MAX > TURN_USERNAME_MAX, "a username fits");
_Static_assert(ICE_CREDENTIAL_MAX > TURN_REST_PASSWORD_MAX, "a password fits");

void turn_handout_init(struct turn_handout *handout, const struct settings *settings,
                       const struct turn_uris *uris)
{
    *handout = (struct turn_handout){.settings = settings, .uris = *uris};
    random_id(handout->made, TURN_MADE_SECRET_LEN);
}

void turn_handout_clear(struct turn_handout *handout)
{
    turn_uris_clear(&handout->uris);
    explicit_bzero(handout->made, sizeof handout->made);
}

int turn_handout_credentials(void *arg, const char *user_id, struct ice_credentials *out)
{
    const struct turn_handout *handout = arg;
    const struct settings *settings = handout->settings;
    const char *secret = turn_settings_secret(settings, handout->made);
    const struct turn_capability capability = {.sfu_only = settings->turn_credential_peers ==
                                                           SETTINGS_PEERS_SFU};
    const uint32_t ttl = (uint32_t)(settings->turn_credential_ttl / SEC(1));
    struct turn_credential credential;

    const int rc =
        turn_rest_make(&credential, (struct span){(const uint8_t *)secret, strlen(secret)},
                       settings->rest_api_separator[0], user_id, &capability, ttl,
                       (int64_t)(clock_wall() / SEC(1)));
    if (rc != RC_OK)
        return rc;
    *out = (struct ice_credentials){.stun = (const char *const *)handout->uris.stun,
                                    .turn = (const char *const *)handout->uris.turn,
                                    .stun_count = handout->uris.stun_count,
                                    .turn_count = handout->uris.turn_count,
                                    .ttl = ttl};
    memcpy(out->username, credential.username, strlen(credential.username) + 1);
    memcpy(out->credential, credential.password, strlen(credential.password) + 1);
    explicit_bzero(&credential, sizeof credential);
    return RC_OK;
}

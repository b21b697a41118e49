/*
 * app/turn_handout.h - gives signaling the credentials that turn/ will take: the arg and
 * function of a struct ice_servers.
 *
 * Control thread. The owner builds it, fills in what changes at SIGHUP, and clears it at the
 * end.
 */
#ifndef APP_TURN_HANDOUT_H
#define APP_TURN_HANDOUT_H

#include "app/settings.h"
#include "app/turn_uris.h"
#include "signaling/ice_servers.h"
#include "turn/turn_auth.h"

#define TURN_MADE_SECRET_LEN 40

struct turn_handout {
    const struct settings *settings; /* borrowed: secret, separator, ttl, peers; read each time,
                                      * so that a reload holds for the next credential */
    struct turn_uris uris;           /* owned */
    char made[TURN_MADE_SECRET_LEN + 1]; /* the secret where none is configured */
};

/* `uris` as by turn_uris_build, taken over. Makes the secret. */
void turn_handout_init(struct turn_handout *handout, const struct settings *settings,
                       const struct turn_uris *uris);
void turn_handout_clear(struct turn_handout *handout);

/* For struct ice_servers; arg is the handout. The user id is the person's public one: revoke by
 * turn_user_id of it. */
int turn_handout_credentials(void *arg, const char *user_id, struct ice_credentials *out);

#endif

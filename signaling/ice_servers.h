/*
 * signaling/ice_servers.h - the STUN and TURN servers that a client is told of: in `session`,
 * in `turn-credentials`, and by /api/v1/ice-servers.
 *
 * The interface that lets signaling know nothing of turn/: app/ fills it in. Control thread
 * only; no call blocks.
 */
#ifndef SIGNALING_ICE_SERVERS_H
#define SIGNALING_ICE_SERVERS_H

#include "core/address.h"
#include "core/base.h"

#include <jansson.h>

#define ICE_USERNAME_MAX 513
#define ICE_CREDENTIAL_MAX 64
#define ICE_USER_ID_MAX 40 /* and its NUL */

/* Answers to one client in one second, of `request-turn-credentials` as of the page. */
#define ICE_SERVERS_PER_SECOND 5

/* What one client gets. */
struct ice_credentials {
    const char *const *stun; /* URIs (RFC 7064); borrowed until the next call */
    const char *const
        *turn; /* URIs (RFC 7065), all good for the credential; borrowed as well */
    size_t stun_count, turn_count;
    char username[ICE_USERNAME_MAX], credential[ICE_CREDENTIAL_MAX];
    uint32_t ttl; /* seconds from now on */
};

struct ice_servers {
    void *arg;
    /* A fresh credential for the user that `user_id` names, who can be revoked by that name.
     * Not RC_OK: there is none to give. NULL: this server has no TURN. */
    int (*credentials)(void *arg, const char *user_id, struct ice_credentials *out);
};

/* RTCIceServer objects: [{urls: […]}, {urls: […], username, credential}]; [] when there is
 * nothing to tell, or `servers` is NULL. The caller's; NULL without memory. */
json_t *ice_servers_list(const struct ice_servers *servers, const char *user_id);
/* {username, credential, ttl, uris}. RC_BAD: this server has no TURN; then *out is untouched.
 * *out is NULL without memory. */
int ice_servers_turn(const struct ice_servers *servers, const char *user_id, json_t **out);

/* The user id of somebody who is known by nothing but an address (IPv6: by its /64): the same
 * as long as the process lives, and it does not tell the address. */
void ice_servers_guest(char out[static ICE_USER_ID_MAX], const struct address *address);

#endif

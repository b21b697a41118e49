/*
 * app/turn_uris.h - the URIs that clients reach this server's STUN and TURN by (RFC 7064, RFC
 * 7065).
 *
 * Pure. Made of what is really listened on; the port is always named. By the server's name
 * where it has one, else by its addresses, one of each family: a client tries every URI, and
 * more of them only make it slower. A certificate speaks for a name, so that turns: needs one.
 */
#ifndef APP_TURN_URIS_H
#define APP_TURN_URIS_H

#include "core/address.h"
#include "core/base.h"

enum turn_service_transport {
    TURN_SERVICE_UDP,
    TURN_SERVICE_TCP,
    TURN_SERVICE_TLS,
    TURN_SERVICE_DTLS
};

/* One port where TURN is spoken, as clients see it. */
struct turn_service {
    enum turn_service_transport transport;
    uint16_t port;
};

/* All borrowed for the call. */
struct turn_uris_options {
    const char *server_name;  /* NULL or "": none; an IP is one without a certificate */
    const struct address *ip; /* as clients see them (external-ip); ports are not looked at */
    size_t ip_count;
    const struct turn_service *service; /* in order of preference: clients get them so */
    size_t service_count;
    bool stun, turn; /* which to name */
};

#define TURN_URIS_MAX 16 /* of each; beyond it none are added */

struct turn_uris {
    char *stun[TURN_URIS_MAX], *turn[TURN_URIS_MAX]; /* owned */
    size_t stun_count, turn_count;
};

/* RC_NOMEM. */
int turn_uris_build(struct turn_uris *out, const struct turn_uris_options *options);
void turn_uris_clear(struct turn_uris *uris);

#endif

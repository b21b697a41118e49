/*
 * app/turn_reach.h - by which addresses and ports clients reach the STUN and TURN server: what the
 * settings say and what was really opened, made into the URIs that are handed out.
 *
 * Reads the machine's addresses where no other is configured. Control thread.
 */
#ifndef APP_TURN_REACH_H
#define APP_TURN_REACH_H

#include "app/settings.h"
#include "app/turn_uris.h"

#define TURN_REACH_TCP_MAX 4

/* What is open, as the sockets have it. */
struct turn_reach {
    uint16_t udp; /* 0: none */
    /* It is a port of media, too. Chromium takes whatever comes from the address of a STUN or TURN server
     * of its list for that server's answers: with such a URI in the list, this server's media would reach
     * it by TCP alone. Nobody needs one: who can reach that port reaches the media itself. */
    bool udp_is_media;
    uint16_t tcp[TURN_REACH_TCP_MAX]; /* in order of preference; each speaks TLS as well */
    size_t tcp_count;
};

/* RC_NOMEM. Nothing is named that the settings switch off; turns: needs a certificate that was
 * configured, since nobody trusts the self-signed one. */
int turn_reach_uris(struct turn_uris *out, const struct settings *settings,
                    const struct turn_reach *reach);

#endif

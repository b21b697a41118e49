/*
 * bench/turn_dialog_lib.h - the requests of one TURN client and what it learns from the replies
 * (RFC 8656; long-term credentials as RFC 8489 section 9.2 has them for those who know only RFC
 * 5389: MD5 and MESSAGE-INTEGRITY, which is what browsers and coturn speak).
 *
 * Sans-IO, plain values. One request at a time is under way.
 */
#ifndef BENCH_TURN_DIALOG_LIB_H
#define BENCH_TURN_DIALOG_LIB_H

#include "core/address.h"
#include "turn/stun_message.h"

#define TURN_ASK_MAX 512   /* bytes of a request */
#define TURN_NONCE_KEPT 64 /* longer nonces end the dialog */

enum turn_ask {
    TURN_ASK_NONCE,      /* Allocate without credentials: 401 is what it wants */
    TURN_ASK_ALLOCATION, /* UDP, IPv4 */
    TURN_ASK_PERMISSION,
    TURN_ASK_CHANNEL,
    TURN_ASK_END, /* Refresh with lifetime 0 */
};

/* A user at one server; the realm, and with it the key, is known after the first 401. */
struct turn_account {
    const char *name, *password; /* borrowed */
    char realm[128];
    struct stun_key key;
    bool known;
};

struct turn_dialog {
    struct turn_account *account; /* borrowed, shared by many */
    uint8_t id[STUN_ID_BYTES];    /* of the request under way */
    enum turn_ask asked;
    uint8_t nonce_len;
    char nonce[TURN_NONCE_KEPT];
    uint16_t channel;       /* that TURN_ASK_CHANNEL binds */
    struct address relayed; /* after TURN_ASK_ALLOCATION */
};

/* A new request, written into `out`; returns its length. `peer` is for permission and channel.
 */
size_t turn_dialog_ask(struct turn_dialog *dialog, enum turn_ask ask,
                       const struct address *peer, uint8_t out[static TURN_ASK_MAX]);

enum turn_verdict {
    TURN_NOT_MINE, /* an older request's, or no reply at all */
    TURN_GRANTED,  /* for TURN_ASK_NONCE: there is a nonce now */
    TURN_ASK_ANEW, /* the nonce was stale: the same again, with the one just learnt */
    TURN_REFUSED,
};
/* *code: the error code of a refusal; 0: what came is not sealed as it must be. */
enum turn_verdict turn_dialog_answer(struct turn_dialog *dialog, struct span datagram,
                                     unsigned *code);

#endif

/*
 * relay/datagram_bio.h - how OpenSSL sees a DTLS session's network: one datagram to read, and
 * an outbox that keeps written datagrams apart until someone sends them.
 *
 * Sans-IO. A plain struct to embed; it must not move while its BIO lives. One thread.
 */
#ifndef RELAY_DATAGRAM_BIO_H
#define RELAY_DATAGRAM_BIO_H

#include "core/base.h"

#include <openssl/bio.h>

#define DATAGRAM_BIO_OUTBOX 6144 /* bytes; two flights of a handshake, or five full datagrams  \
                                  */
#define DATAGRAM_BIO_SEALED 64   /* bytes of what is set aside instead of sent */

struct datagram_bio {
    struct span in;    /* to be read; borrowed; emptied by the read */
    uint8_t *outbox;   /* owned; NULL while empty and trimmed: datagrams behind their lengths */
    size_t outbox_len; /* bytes in use */
    size_t outbox_read; /* of these, bytes taken */
    bool sealing;       /* written datagrams go to `sealed`, not to the outbox */
    uint8_t sealed[DATAGRAM_BIO_SEALED];
    uint8_t sealed_len;
};

/* One per process or context; NULL: no memory. Free it after its BIOs with BIO_meth_free. */
BIO_METHOD *datagram_bio_method(void);
/* A BIO over `state`, which outlives it. NULL: no memory. */
BIO *datagram_bio_open(BIO_METHOD *method, struct datagram_bio *state);

/* Queues a datagram; one that does not fit is lost, as it may be on the wire. */
void datagram_bio_push(struct datagram_bio *state, const uint8_t *data, size_t n);
/* Copies the next datagram out: its length, or 0. One that does not fit `capacity` is lost. */
size_t datagram_bio_take(struct datagram_bio *state, uint8_t *buf, size_t capacity);
/* Room for one more datagram of `n` bytes? */
bool datagram_bio_has_room(const struct datagram_bio *state, size_t n);
/* Frees the outbox if nothing waits in it. */
void datagram_bio_trim(struct datagram_bio *state);
/* Frees the outbox and what is in it. */
void datagram_bio_clear(struct datagram_bio *state);

#endif

/*
 * core/proxy_protocol.h - the header that a TCP proxy puts in front of a connection to say
 * whose it is: PROXY protocol version 2, the binary form (HAProxy's proxy-protocol.txt,
 * section 2.2).
 *
 * Sans-IO, pure, any thread. Whether a header may be there is the caller's to know: the
 * protocol is not to be guessed (section 2), since anybody could write one.
 */
#ifndef CORE_PROXY_PROTOCOL_H
#define CORE_PROXY_PROTOCOL_H

#include "core/address.h"
#include "core/base.h"

#define PROXY_PROTOCOL_FIXED 16 /* signature, version, family, length */
/* Whole header. Addresses take 52 bytes with the fixed part; known extensions (TLS subject,
 * authority, cloud endpoints) a few hundred. Longer ones are refused. */
#define PROXY_PROTOCOL_MAX 1280

struct proxy_header {
    size_t len;      /* of the header: what comes behind it is the client's */
    bool has_client; /* false (LOCAL, or an unspecified or local family): the proxy speaks
                      * for itself, a health check say: the connection's own addresses hold */
    struct address from, to; /* the client, and what it connected to, when has_client */
};

/*
 * RC_OK with *out; RC_AGAIN with *need, the number of bytes from the beginning without which
 * there is no answer (more than bytes.n, at most PROXY_PROTOCOL_MAX); RC_BAD: not a header of
 * version 2, one longer than PROXY_PROTOCOL_MAX, of a datagram, or with an extension that runs
 * past its end or a checksum that is wrong.
 */
int proxy_protocol_parse(struct span bytes, struct proxy_header *out, size_t *need);

#endif

/*
 * core/dtls_record.h - what the headers of DTLS 1.2 records say (RFC 6347 section 4.1), before
 * OpenSSL looks into them.
 *
 * Sans-IO, pure functions.
 */
#ifndef CORE_DTLS_RECORD_H
#define CORE_DTLS_RECORD_H

#include "core/base.h"

#include <openssl/ssl.h>

enum {
    DTLS_RECORD_HEADER = 13,  /* bytes: type, version, epoch, sequence number, length */
    DTLS_GCM_OVERHEAD = 24,   /* explicit nonce and tag (RFC 5288 section 3) */
    DTLS_CHACHA_OVERHEAD = 16 /* tag (RFC 7905 section 2) */
};

/* Does this datagram begin a handshake: is its first record a ClientHello in the clear? By its
 * first bytes alone; OpenSSL judges the rest. */
bool dtls_is_client_hello(struct span datagram);

/*
 * The leading part of the datagram that OpenSSL may see: its records up to the first that is
 * cut off or that claims to be encrypted (epoch over 0) and has no room for `overhead` bytes.
 * Invalid records are to be dropped in silence (RFC 6347 section 4.1.2.7), but OpenSSL before
 * 3.0.22 takes one that is too short for its cipher as the end of the connection: anybody who
 * can forge a source address could end a call with it.
 */
struct span dtls_usable_records(struct span datagram, size_t overhead);

/* What encryption adds to a record of this session, all of whose ciphers are AEAD. Before one is
 * chosen there is nothing to be encrypted, so the larger is as good. */
size_t dtls_record_overhead(const SSL *ssl);

#endif

/*
 * core/stream.h - one TCP connection, plain or inside TLS, read and written without waiting.
 *
 * Glue: sockets and OpenSSL; no event loop. A plain value that whoever holds it owns: it may be
 * given to another thread as long as only one uses it at a time. What a bufferevent cannot do,
 * change its loop, is the reason for it.
 */
#ifndef CORE_STREAM_H
#define CORE_STREAM_H

#include "core/base.h"
#include "core/stream_sample.h"

#include <openssl/ssl.h>

struct stream {
    int fd;   /* owned, non-blocking; -1: none */
    SSL *tls; /* owned; NULL: plain */
};

/* What a call that says RC_AGAIN waits for. TLS may have to read in order to write. */
enum stream_wants { STREAM_WANTS_READ = 1, STREAM_WANTS_WRITE = 2 };

/* Makes the server's end of a TLS connection out of a plain one. RC_NOMEM. */
int stream_begin_tls(struct stream *stream, SSL_CTX *context);
/* RC_OK once the handshake is done; RC_AGAIN with *wants; RC_BAD: it failed. */
int stream_handshake(struct stream *stream, unsigned *wants);

/* Up to n (> 0) bytes: their number, 0 when the other side has ended, RC_AGAIN with *wants, or
 * RC_SYS when the connection broke (a TLS record that is none included). */
long stream_read(struct stream *stream, uint8_t *buf, size_t n, unsigned *wants);
/* The number of bytes taken, fewer than n perhaps, RC_AGAIN with *wants, or RC_SYS. Inside TLS,
 * who was told RC_AGAIN has to come back with the same bytes, and may have more behind them. */
long stream_write(struct stream *stream, const uint8_t *data, size_t n, unsigned *wants);
/* Decrypted bytes that a poll of the descriptor does not know of. */
size_t stream_pending(const struct stream *stream);

/* With close_notify, if it can leave at once. Harmless when there is none. */
void stream_close(struct stream *stream);

/* RC_SYS where this is no TCP connection. */
int stream_sample(const struct stream *stream, struct stream_sample *out);
/* TCP_NODELAY, and TCP_NOTSENT_LOWAT: the kernel takes no more while so much is unsent. */
void stream_set_lowat(const struct stream *stream, uint32_t bytes);

#endif

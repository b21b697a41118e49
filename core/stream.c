#include "core/stream.h"

#include <errno.h>
#include <linux/tcp.h> /* glibc's struct tcp_info ends before the delivery rate */
#include <netinet/in.h>
#include <openssl/err.h>
#include <sys/socket.h>
#include <unistd.h>

int stream_begin_tls(struct stream *stream, SSL_CTX *context)
{
    SSL *tls = SSL_new(context);

    if (!tls || SSL_set_fd(tls, stream->fd) != 1) {
        SSL_free(tls);
        ERR_clear_error();
        return RC_NOMEM;
    }
    /* Browsers close without a close_notify; idle connections must not hold 32 kB of buffers.
     */
    SSL_set_options(tls, SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_set_mode(tls, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                          SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_set_accept_state(tls);
    stream->tls = tls;
    return RC_OK;
}

/* After a call of OpenSSL that did not succeed. */
static long tls_result(const struct stream *stream, int result, unsigned *wants)
{
    const int why = SSL_get_error(stream->tls, result);

    ERR_clear_error();
    switch (why) {
    case SSL_ERROR_WANT_READ:
        *wants = STREAM_WANTS_READ;
        return RC_AGAIN;
    case SSL_ERROR_WANT_WRITE:
        *wants = STREAM_WANTS_WRITE;
        return RC_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    default:
        return RC_SYS;
    }
}

int stream_handshake(struct stream *stream, unsigned *wants)
{
    ERR_clear_error();
    const int result = SSL_do_handshake(stream->tls);
    if (result == 1)
        return RC_OK;
    return tls_result(stream, result, wants) == RC_AGAIN ? RC_AGAIN : RC_BAD;
}

static long plain_result(ssize_t n, unsigned *wants, unsigned wanted)
{
    if (n >= 0)
        return (long)n;
    if (errno != EAGAIN && errno != EINTR)
        return RC_SYS;
    *wants = wanted;
    return RC_AGAIN;
}

long stream_read(struct stream *stream, uint8_t *buf, size_t n, unsigned *wants)
{
    size_t got = 0;

    if (!stream->tls)
        return plain_result(recv(stream->fd, buf, n, MSG_DONTWAIT), wants, STREAM_WANTS_READ);
    ERR_clear_error();
    const int result = SSL_read_ex(stream->tls, buf, n, &got);
    return result == 1 ? (long)got : tls_result(stream, result, wants);
}

long stream_write(struct stream *stream, const uint8_t *data, size_t n, unsigned *wants)
{
    size_t put = 0;

    if (!stream->tls)
        return plain_result(send(stream->fd, data, n, MSG_DONTWAIT | MSG_NOSIGNAL), wants,
                            STREAM_WANTS_WRITE);
    ERR_clear_error();
    const int result = SSL_write_ex(stream->tls, data, n, &put);
    if (result == 1)
        return (long)put;
    const long rc = tls_result(stream, result, wants);
    return rc == 0 ? RC_SYS : rc;
}

size_t stream_pending(const struct stream *stream)
{
    return stream->tls ? (size_t)SSL_pending(stream->tls) : 0;
}

void stream_close(struct stream *stream)
{
    if (stream->tls) {
        if (SSL_is_init_finished(stream->tls))
            (void)SSL_shutdown(stream->tls);
        SSL_free(stream->tls);
        ERR_clear_error();
    }
    if (stream->fd >= 0)
        close(stream->fd);
    *stream = (struct stream){.fd = -1};
}

int stream_sample(const struct stream *stream, struct stream_sample *out)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof info;

    if (getsockopt(stream->fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
        return RC_SYS;
    *out = (struct stream_sample){
        .acked = info.tcpi_bytes_acked,
        .delivery_rate = info.tcpi_delivery_rate * 8,
        .unsent = info.tcpi_notsent_bytes,
        .in_flight =
            (uint32_t)(info.tcpi_bytes_sent - info.tcpi_bytes_retrans - info.tcpi_bytes_acked),
        .rtt = info.tcpi_rtt,
        .rtt_min = info.tcpi_min_rtt == UINT32_MAX ? 0 : info.tcpi_min_rtt,
        .app_limited = info.tcpi_delivery_rate_app_limited,
    };
    return RC_OK;
}

void stream_set_lowat(const struct stream *stream, uint32_t bytes)
{
    const int on = 1;

    (void)setsockopt(stream->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(stream->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, sizeof bytes);
}

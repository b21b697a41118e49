#include "relay/datagram_bio.h"

#include <stdlib.h>
#include <string.h>

enum { LENGTH_LEN = 2 };

void datagram_bio_push(struct datagram_bio *state, const uint8_t *data, size_t n)
{
    if (!datagram_bio_has_room(state, n))
        return;
    if (!state->outbox)
        state->outbox = malloc(DATAGRAM_BIO_OUTBOX);
    if (!state->outbox)
        return;
    store_be16(state->outbox + state->outbox_len, (uint16_t)n);
    memcpy(state->outbox + state->outbox_len + LENGTH_LEN, data, n);
    state->outbox_len += LENGTH_LEN + n;
}

size_t datagram_bio_take(struct datagram_bio *state, uint8_t *buf, size_t capacity)
{
    while (state->outbox_read < state->outbox_len) {
        const uint8_t *entry = state->outbox + state->outbox_read;
        const size_t n = load_be16(entry);

        state->outbox_read += LENGTH_LEN + n;
        if (n > capacity)
            continue;
        memcpy(buf, entry + LENGTH_LEN, n);
        return n;
    }
    state->outbox_len = state->outbox_read = 0;
    return 0;
}

bool datagram_bio_has_room(const struct datagram_bio *state, size_t n)
{
    const size_t room = DATAGRAM_BIO_OUTBOX - state->outbox_len;

    return room > LENGTH_LEN && room - LENGTH_LEN >= n;
}

void datagram_bio_trim(struct datagram_bio *state)
{
    if (state->outbox_len == state->outbox_read)
        datagram_bio_clear(state);
}

void datagram_bio_clear(struct datagram_bio *state)
{
    free(state->outbox);
    state->outbox = NULL;
    state->outbox_len = state->outbox_read = 0;
}

/* --- the BIO ---------------------------------------------------------------------------------
 */

static int bio_read(BIO *bio, char *buf, int size)
{
    struct datagram_bio *state = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    if (state->in.n == 0 || size <= 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    const size_t n = state->in.n < (size_t)size ? state->in.n : (size_t)size;
    memcpy(buf, state->in.p, n);
    state->in = (struct span){0};
    return (int)n;
}

/* A lost datagram is not OpenSSL's business: it always went. */
static int bio_write(BIO *bio, const char *data, int size)
{
    struct datagram_bio *state = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    if (size <= 0)
        return 0;
    if (!state->sealing) {
        datagram_bio_push(state, (const uint8_t *)data, (size_t)size);
    } else if (size <= DATAGRAM_BIO_SEALED) {
        memcpy(state->sealed, data, (size_t)size);
        state->sealed_len = (uint8_t)size;
    }
    return size;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

BIO_METHOD *datagram_bio_method(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "datagram");

    if (!method)
        return NULL;
    BIO_meth_set_read(method, bio_read);
    BIO_meth_set_write(method, bio_write);
    BIO_meth_set_ctrl(method, bio_ctrl);
    return method;
}

BIO *datagram_bio_open(BIO_METHOD *method, struct datagram_bio *state)
{
    BIO *bio = BIO_new(method);

    if (!bio)
        return NULL;
    BIO_set_data(bio, state);
    BIO_set_init(bio, 1);
    return bio;
}

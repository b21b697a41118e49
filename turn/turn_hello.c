#include "turn/turn_hello.h"

#include "core/random.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

enum {
    HANDSHAKE = 22,
    CLIENT_HELLO = 1,
    HELLO_VERIFY_REQUEST = 3,
    MAJOR = 0xfe,
    RECORD_HEADER = 13,  /* type, version (2), epoch (2), sequence number (6), length (2) */
    MESSAGE_HEADER = 12, /* type, length (3), sequence, fragment's offset (3) and length (3) */
    EPOCH_AT = 3,
    RECORD_LENGTH_AT = 11,
    RANDOM_BYTES = 32,
    SESSION_ID_MAX = 32,
};

/* --- reading
 * ---------------------------------------------------------------------------------- */

/* Takes `n` bytes off the front; NULL when there are not so many. */
static const uint8_t *take(struct span *rest, size_t n)
{
    const uint8_t *p = rest->p;

    if (rest->n < n)
        return NULL;
    rest->p += n;
    rest->n -= n;
    return p;
}

/* A vector with one byte of length. */
static bool take_vector(struct span *rest, struct span *out)
{
    const uint8_t *length = take(rest, 1);

    if (!length)
        return false;
    out->n = *length;
    out->p = take(rest, out->n);
    return out->p;
}

/* Section 4.2.1: client_version, random, session_id, cookie. */
static int read_body(struct turn_hello *hello, struct span body)
{
    const uint8_t *version = take(&body, 2);
    struct span session_id;

    hello->random = take(&body, RANDOM_BYTES);
    if (!version || version[0] != MAJOR || !hello->random)
        return RC_BAD;
    if (!take_vector(&body, &session_id) || session_id.n > SESSION_ID_MAX)
        return RC_BAD;
    return take_vector(&body, &hello->cookie) ? RC_OK : RC_BAD;
}

int turn_hello_read(struct turn_hello *out, struct span datagram)
{
    const uint8_t *record = take(&datagram, RECORD_HEADER);
    if (!record || record[0] != HANDSHAKE || record[1] != MAJOR ||
        load_be16(record + EPOCH_AT) != 0)
        return RC_BAD;
    struct span fragment = {datagram.p, load_be16(record + RECORD_LENGTH_AT)};
    if (fragment.n > datagram.n)
        return RC_BAD;

    const uint8_t *message = take(&fragment, MESSAGE_HEADER);
    if (!message || message[0] != CLIENT_HELLO || load_be24(message + 6) != 0)
        return RC_BAD; /* something else, or not its first fragment */
    const size_t length = load_be24(message + 1), here = load_be24(message + 9);
    if (here > fragment.n || here > length)
        return RC_BAD;

    struct turn_hello hello = {
        .sequence = load_be64(record + EPOCH_AT), /* with the epoch, which is 0 */
        .message_seq = load_be16(message + 4),
    };
    if (read_body(&hello, (struct span){fragment.p, here}) != RC_OK)
        return RC_BAD;
    *out = hello;
    return RC_OK;
}

/* --- cookies
 * ---------------------------------------------------------------------------------- */

void turn_cookie_jar_init(struct turn_cookie_jar *jar, usec_t now)
{
    random_bytes(jar->secret, sizeof jar->secret);
    jar->since = now;
}

static void rotate(struct turn_cookie_jar *jar, usec_t now)
{
    if (now - jar->since < TURN_COOKIE_LIFE)
        return;
    if (now - jar->since < 2 * TURN_COOKIE_LIFE)
        memcpy(jar->secret[1], jar->secret[0], TURN_COOKIE_SECRET);
    else
        random_bytes(jar->secret[1], TURN_COOKIE_SECRET);
    random_bytes(jar->secret[0], TURN_COOKIE_SECRET);
    jar->since = now;
}

static uint8_t *put_address(uint8_t *p, const struct address *a)
{
    const bool v6 = a->sa.sa_family == AF_INET6;

    *p++ = v6 ? 6 : 4;
    store_be16(p, address_port(a));
    memcpy(p + 2, v6 ? a->v6.sin6_addr.s6_addr : (const uint8_t *)&a->v4.sin_addr, v6 ? 16 : 4);
    return p + 2 + (v6 ? 16 : 4);
}

static void cookie_of(const uint8_t secret[static TURN_COOKIE_SECRET],
                      const struct address *remote, const struct address *local,
                      const struct turn_hello *hello, uint8_t out[static TURN_COOKIE_BYTES])
{
    uint8_t text[2 * 19 + RANDOM_BYTES], mac[EVP_MAX_MD_SIZE];
    uint8_t *p = put_address(put_address(text, remote), local);

    memcpy(p, hello->random, RANDOM_BYTES);
    p += RANDOM_BYTES;
    if (!HMAC(EVP_sha256(), secret, TURN_COOKIE_SECRET, text, (size_t)(p - text), mac, NULL))
        random_bytes(mac, TURN_COOKIE_BYTES); /* no memory: nobody has this one */
    memcpy(out, mac, TURN_COOKIE_BYTES);
}

void turn_cookie_make(struct turn_cookie_jar *jar, const struct address *remote,
                      const struct address *local, const struct turn_hello *hello, usec_t now,
                      uint8_t out[static TURN_COOKIE_BYTES])
{
    rotate(jar, now);
    cookie_of(jar->secret[0], remote, local, hello, out);
}

bool turn_cookie_check(struct turn_cookie_jar *jar, const struct address *remote,
                       const struct address *local, const struct turn_hello *hello, usec_t now)
{
    uint8_t cookie[TURN_COOKIE_BYTES];

    if (hello->cookie.n != TURN_COOKIE_BYTES)
        return false;
    rotate(jar, now);
    for (size_t i = 0; i < ARRAY_LEN(jar->secret); i++) {
        cookie_of(jar->secret[i], remote, local, hello, cookie);
        if (CRYPTO_memcmp(cookie, hello->cookie.p, sizeof cookie) == 0)
            return true;
    }
    return false;
}

/* Section 4.2.1: both versions are DTLS 1.0's, the record has the sequence number of the
 * ClientHello's, and the message is the first of its side. */
void turn_hello_verify_write(uint8_t out[static TURN_HELLO_VERIFY_BYTES],
                             const struct turn_hello *hello,
                             const uint8_t cookie[static TURN_COOKIE_BYTES])
{
    enum { BODY = 3 + TURN_COOKIE_BYTES, DTLS_1_0 = 0xfeff };
    uint8_t *message = out + RECORD_HEADER, *body = message + MESSAGE_HEADER;

    _Static_assert(RECORD_HEADER + MESSAGE_HEADER + BODY == TURN_HELLO_VERIFY_BYTES,
                   "all of it");
    out[0] = HANDSHAKE;
    store_be16(out + 1, DTLS_1_0);
    store_be64(out + EPOCH_AT, hello->sequence);
    store_be16(out + RECORD_LENGTH_AT, MESSAGE_HEADER + BODY);
    message[0] = HELLO_VERIFY_REQUEST;
    store_be24(message + 1, BODY);
    store_be16(message + 4, 0);
    store_be24(message + 6, 0);
    store_be24(message + 9, BODY);
    store_be16(body, DTLS_1_0);
    body[2] = TURN_COOKIE_BYTES;
    memcpy(body + 3, cookie, TURN_COOKIE_BYTES);
}

#include "turn/turn_nonce.h"

#include "core/base64.h"

#include <openssl/crypto.h>
#include <string.h>

#define COOKIE "obMatJos2"

enum {
    COOKIE_BYTES = sizeof COOKIE - 1,
    FEATURES_CHARS = 4,
    FEATURES_BYTES = 3,
    MAC_BYTES = 12,
    STAMP_BYTES = 4 + MAC_BYTES,
    STAMP_CHARS = 22,
    NONCE_CHARS = COOKIE_BYTES + FEATURES_CHARS + STAMP_CHARS,
    SKEW = 60, /* seconds that the clock of a server with the same secret may be ahead */
};

_Static_assert(NONCE_CHARS < TURN_NONCE_MAX, "and its NUL");

/* Section 9.2: bit 0 is the most significant one of the 24. */
static void pack_features(uint8_t out[static FEATURES_BYTES], unsigned features)
{
    memset(out, 0, FEATURES_BYTES);
    if (features & TURN_FEATURE_ALGORITHMS)
        out[0] |= 0x80;
    if (features & TURN_FEATURE_USERHASH)
        out[0] |= 0x40;
}

static void make_mac(uint8_t out[static MAC_BYTES], const struct stun_key *key,
                     const uint8_t features[static FEATURES_BYTES], uint32_t time,
                     const struct address *client)
{
    uint8_t text[FEATURES_BYTES + 4 + 16] = {0}, mac[STUN_SHA256_BYTES];
    size_t n = FEATURES_BYTES + 4;

    memcpy(text, features, FEATURES_BYTES);
    store_be32(text + FEATURES_BYTES, time);
    if (client->sa.sa_family == AF_INET) {
        memcpy(text + n, &client->v4.sin_addr, 4);
        n += 4;
    } else if (client->sa.sa_family == AF_INET6) {
        memcpy(text + n, &client->v6.sin6_addr, 16);
        n += 16;
    }
    stun_hmac(mac, key, STUN_INTEGRITY_SHA1, (struct span){text, n});
    memcpy(out, mac, MAC_BYTES);
}

size_t turn_nonce_write(char out[static TURN_NONCE_MAX], const struct stun_key *key,
                        unsigned features, const struct address *client, int64_t unix_now)
{
    uint8_t bits[FEATURES_BYTES], stamp[STAMP_BYTES];
    char *at = out;

    pack_features(bits, features);
    store_be32(stamp, (uint32_t)unix_now);
    make_mac(stamp + 4, key, bits, (uint32_t)unix_now, client);
    memcpy(at, COOKIE, COOKIE_BYTES);
    at += COOKIE_BYTES;
    at += base64_encode(at, (struct span){bits, sizeof bits});
    at += base64url_encode(at, (struct span){stamp, sizeof stamp});
    *at = '\0';
    return NONCE_CHARS;
}

/* RC_BAD: not of our form. */
static int unpack(struct span nonce, uint8_t bits[static FEATURES_BYTES],
                  uint8_t stamp[static STAMP_BYTES])
{
    uint8_t decoded[STAMP_BYTES + 3];
    size_t n;

    if (nonce.n != NONCE_CHARS || memcmp(nonce.p, COOKIE, COOKIE_BYTES) != 0)
        return RC_BAD;
    const struct span features = {nonce.p + COOKIE_BYTES, FEATURES_CHARS};
    const struct span rest = {features.p + FEATURES_CHARS, STAMP_CHARS};
    if (base64_decode(decoded, features, &n) != RC_OK || n != FEATURES_BYTES)
        return RC_BAD;
    memcpy(bits, decoded, FEATURES_BYTES);
    if (base64url_decode(decoded, rest, &n) != RC_OK || n != STAMP_BYTES)
        return RC_BAD;
    memcpy(stamp, decoded, STAMP_BYTES);
    return RC_OK;
}

enum turn_nonce_verdict turn_nonce_judge(struct span nonce, const struct stun_key *key,
                                         unsigned features, uint32_t life,
                                         const struct address *client, int64_t unix_now)
{
    uint8_t bits[FEATURES_BYTES], now_bits[FEATURES_BYTES], stamp[STAMP_BYTES], mac[MAC_BYTES];

    if (unpack(nonce, bits, stamp) != RC_OK)
        return TURN_NONCE_FOREIGN;
    const uint32_t time = load_be32(stamp);
    make_mac(mac, key, bits, time, client);
    if (CRYPTO_memcmp(mac, stamp + 4, MAC_BYTES) != 0)
        return TURN_NONCE_FOREIGN;

    pack_features(now_bits, features);
    if (memcmp(bits, now_bits, FEATURES_BYTES) != 0)
        return TURN_NONCE_STALE;
    const int64_t age = (int32_t)((uint32_t)unix_now - time); /* on the circle of 32 bits */
    if (life != 0 && (age < -SKEW || age >= life))
        return TURN_NONCE_STALE;
    return TURN_NONCE_OK;
}

#include "turn/turn_rest.h"

#include "core/base64.h"
#include "turn/turn_capability.h"
#include "turn/turn_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    EXPIRY_DIGITS_MAX = 18,   /* fits an int64_t */
    USERNAME_BYTES_MAX = 508, /* RFC 8489 section 14.3: "less than 509 bytes" */
};

int turn_rest_parse(struct turn_rest_name *out, struct span username, char separator)
{
    struct turn_rest_name name = {0};
    size_t digits = 0;

    while (digits < username.n && username.p[digits] >= '0' && username.p[digits] <= '9') {
        if (digits == EXPIRY_DIGITS_MAX)
            return RC_BAD;
        name.expires = name.expires * 10 + (username.p[digits++] - '0');
    }
    if (name.expires == 0)
        return RC_BAD;
    if (digits < username.n) {
        if (username.p[digits] != (uint8_t)separator || digits + 1 == username.n)
            return RC_BAD;
        name.userid = (struct span){username.p + digits + 1, username.n - digits - 1};
    }
    *out = name;
    return RC_OK;
}

void turn_rest_password(char out[static TURN_REST_PASSWORD_MAX], const struct stun_key *secret,
                        struct span username)
{
    uint8_t mac[STUN_SHA256_BYTES];

    const size_t n = stun_hmac(mac, secret, STUN_INTEGRITY_SHA1, username);
    const size_t characters = base64_encode(out, (struct span){mac, n});
    out[characters] = '\0';
    explicit_bzero(mac, sizeof mac);
}

int turn_rest_make(struct turn_credential *out, struct span secret, char separator,
                   const char *userid, const struct turn_capability *capability, uint32_t ttl,
                   int64_t unix_now)
{
    const struct span id = {(const uint8_t *)userid, strlen(userid)};
    char suffix[TURN_CAPABILITY_SUFFIX_MAX] = "";
    struct turn_credential credential = {.expires = unix_now + ttl};
    struct turn_capability none;
    struct span name;
    struct stun_key key;

    if (ttl == 0 || credential.expires <= 0 || !turn_text_ok(id, USERNAME_BYTES_MAX) ||
        turn_capability_read(id, &name, &none) != RC_OK || name.n != id.n)
        return RC_BAD;
    if (capability && turn_capability_write(suffix, capability) != RC_OK)
        return RC_FULL;
    const int n = snprintf(credential.username, sizeof credential.username, "%" PRId64 "%c%s%s",
                           credential.expires, separator, userid, suffix);
    if (n < 0 || n > USERNAME_BYTES_MAX)
        return RC_FULL;

    stun_key_raw(&key, secret.p, secret.n);
    turn_rest_password(credential.password, &key,
                       (struct span){(const uint8_t *)credential.username, (size_t)n});
    explicit_bzero(&key, sizeof key);
    *out = credential;
    explicit_bzero(&credential, sizeof credential);
    return RC_OK;
}

#include "turn/turn_users.h"

#include "core/table.h"
#include "turn/turn_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PASSWORD_MAX = 512, KEYS = 2 };

struct static_user {
    uint8_t id[TURN_USER_ID];
    uint8_t hash[STUN_SHA256_BYTES]; /* USERHASH */
    struct stun_key key[KEYS];       /* MD5, SHA-256 */
    bool has[KEYS];
    UT_hash_handle by_name, by_hash;
    size_t name_bytes;
    char name[];
};

struct turn_users {
    struct static_user *by_name, *by_hash; /* owned; the same users twice */
    size_t count, with[KEYS];
};

static size_t index_of(enum stun_password_algorithm algorithm)
{
    return algorithm == STUN_PASSWORD_MD5 ? 0 : 1;
}

static struct span span_of(const char *text)
{
    return (struct span){(const uint8_t *)text, strlen(text)};
}

/* --- one line ------------------------------------------------------------------------------
 */

static int nibble(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* The bytes of "0x…"; 0: it is no key. */
static size_t read_key(const char *text, uint8_t out[static STUN_SHA256_BYTES])
{
    const size_t n = strlen(text);

    if (n != 2 + 32 && n != 2 + 64)
        return 0;
    for (size_t i = 2; i < n; i += 2) {
        const int high = nibble(text[i]), low = nibble(text[i + 1]);
        if (high < 0 || low < 0)
            return 0;
        out[i / 2 - 1] = (uint8_t)(high << 4 | low);
    }
    return n / 2 - 1;
}

/* coturn tells by "0x": what begins so is a key and not a password. */
static bool set_hex_key(struct static_user *user, const char *text)
{
    uint8_t key[STUN_SHA256_BYTES];

    const size_t n = read_key(text, key);
    if (n == 0)
        return false;
    const size_t which = n == 16 ? 0 : 1;
    stun_key_raw(&user->key[which], key, n);
    user->has[which] = true;
    explicit_bzero(key, sizeof key);
    return true;
}

static bool set_password(struct static_user *user, const char *realm, const char *password)
{
    const struct span name = {(const uint8_t *)user->name, user->name_bytes};

    if (!turn_text_ok(span_of(password), PASSWORD_MAX))
        return false;
    stun_key_long_term(&user->key[0], STUN_PASSWORD_MD5, name, span_of(realm),
                       span_of(password));
    stun_key_long_term(&user->key[1], STUN_PASSWORD_SHA256, name, span_of(realm),
                       span_of(password));
    user->has[0] = user->has[1] = true;
    return true;
}

static void free_user(struct static_user *user)
{
    explicit_bzero(user->key, sizeof user->key);
    free(user);
}

static int read_user(struct static_user **out, const char *realm, const char *text, char *error,
                     size_t error_size)
{
    const char *colon = strchr(text, ':');
    const struct span name = {(const uint8_t *)text, colon ? (size_t)(colon - text) : 0};

    if (!colon || !turn_text_ok(name, TURN_USERNAME_MAX - 4)) {
        snprintf(error, error_size, "user: %s",
                 colon ? "the name is empty, too long or no text"
                       : "it has the form NAME:PASSWORD");
        return RC_BAD;
    }
    struct static_user *user = calloc(1, sizeof *user + name.n + 1);
    if (!user) {
        snprintf(error, error_size, "no memory");
        return RC_NOMEM;
    }
    memcpy(user->name, text, name.n);
    user->name_bytes = name.n;
    turn_user_id(user->id, name);
    stun_userhash(user->hash, name, span_of(realm));

    const bool is_key = strncmp(colon + 1, "0x", 2) == 0;
    if (is_key ? set_hex_key(user, colon + 1) : set_password(user, realm, colon + 1)) {
        *out = user;
        return RC_OK;
    }
    snprintf(error, error_size, "user: %s of \"%s\" %s", is_key ? "the key" : "the password",
             user->name,
             is_key ? "is not 0x and 32 or 64 hex digits" : "is empty, too long or no text");
    free_user(user);
    return RC_BAD;
}

/* --- all of them ---------------------------------------------------------------------------
 */

static void take_out(struct turn_users *users, struct static_user *user)
{
    HASH_DELETE(by_name, users->by_name, user);
    HASH_DELETE(by_hash, users->by_hash, user);
    for (size_t i = 0; i < KEYS; i++)
        users->with[i] -= user->has[i];
    users->count--;
    free_user(user);
}

static void put_in(struct turn_users *users, struct static_user *user)
{
    struct static_user *same;

    HASH_FIND(by_name, users->by_name, user->name, user->name_bytes, same);
    if (same)
        take_out(users, same);
    HASH_ADD_KEYPTR(by_name, users->by_name, user->name, user->name_bytes, user);
    HASH_ADD_KEYPTR(by_hash, users->by_hash, user->hash, sizeof user->hash, user);
    for (size_t i = 0; i < KEYS; i++)
        users->with[i] += user->has[i];
    users->count++;
}

int turn_users_build(struct turn_users **out, const char *realm, const char *const *user,
                     size_t count, char *error, size_t error_size)
{
    struct turn_users *users = calloc(1, sizeof *users);
    int rc = RC_OK;

    if (!users) {
        snprintf(error, error_size, "no memory");
        return RC_NOMEM;
    }
    if (count > TURN_USERS_MAX) {
        snprintf(error, error_size, "user: more than %d users", TURN_USERS_MAX);
        rc = RC_BAD;
    }
    for (size_t i = 0; i < count && rc == RC_OK; i++) {
        struct static_user *one;

        rc = read_user(&one, realm, user[i], error, error_size);
        if (rc == RC_OK)
            put_in(users, one);
    }
    if (rc == RC_OK)
        *out = users;
    else
        turn_users_free(users);
    return rc;
}

void turn_users_free(struct turn_users *users)
{
    if (!users)
        return;
    while (users->by_name)
        take_out(users, users->by_name);
    free(users);
}

int turn_users_find(const struct turn_users *users, struct span username, struct span userhash,
                    enum stun_password_algorithm algorithm, struct turn_user *out)
{
    struct static_user *user;
    const size_t which = index_of(algorithm);

    if (username.p)
        HASH_FIND(by_name, users->by_name, username.p, username.n, user);
    else if (userhash.p && userhash.n == STUN_SHA256_BYTES)
        HASH_FIND(by_hash, users->by_hash, userhash.p, userhash.n, user);
    else
        user = NULL;
    if (!user || !user->has[which])
        return RC_BAD;
    *out = (struct turn_user){.key = user->key[which]};
    memcpy(out->id, user->id, sizeof out->id);
    return RC_OK;
}

size_t turn_users_count(const struct turn_users *users)
{
    return users->count;
}

bool turn_users_all_have(const struct turn_users *users, enum stun_password_algorithm algorithm)
{
    return users->with[index_of(algorithm)] == users->count;
}

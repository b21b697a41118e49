#include "tests/t.h"
#include "turn/turn_users.h"

static const struct span NOTHING = {NULL, 0};

static struct span of(const char *text)
{
    return (struct span){(const uint8_t *)text, strlen(text)};
}

/* The key that a digest of openssl's makes. */
static struct stun_key key_of(const char *hex)
{
    uint8_t bytes[32];
    struct stun_key key;

    for (size_t i = 0; hex[2 * i]; i++) {
        unsigned byte;
        T_EQ(sscanf(hex + 2 * i, "%2x", &byte), 1);
        bytes[i] = (uint8_t)byte;
    }
    stun_key_raw(&key, bytes, strlen(hex) / 2);
    return key;
}

/* printf ninefingers:north.gov:youhavetoberealistic | openssl dgst -md5, and -sha256 */
#define MD5_HEX "bc807ee29df3c9ffa736523fb2c4e8ee"
#define SHA256_HEX "5f5d3d9418276cb0a5d16b0c336ec875c0b6f1d6a65d8aed1f91dd073b800f95"

static struct turn_users *make(const char *const *user, size_t count)
{
    struct turn_users *users;
    char error[128];

    T_EQ(turn_users_build(&users, "north.gov", user, count, error, sizeof error), RC_OK);
    return users;
}

static void a_password_makes_the_key_of_each_algorithm(void)
{
    static const char *const list[] = {"ninefingers:youhavetoberealistic"};
    const struct stun_key md5 = key_of(MD5_HEX), sha256 = key_of(SHA256_HEX);
    struct turn_users *users = make(list, 1);
    struct turn_user user;
    uint8_t id[TURN_USER_ID];

    T_EQ(turn_users_find(users, of("ninefingers"), NOTHING, STUN_PASSWORD_MD5, &user), RC_OK);
    T_MEM(&user.key, &md5, sizeof md5);
    turn_user_id(id, of("ninefingers"));
    T_MEM(user.id, id, sizeof id);
    T_EQ(user.expires, 0);
    T_EQ(turn_users_find(users, of("ninefingers"), NOTHING, STUN_PASSWORD_SHA256, &user),
         RC_OK);
    T_MEM(&user.key, &sha256, sizeof sha256);
    T_OK(turn_users_all_have(users, STUN_PASSWORD_MD5));
    T_OK(turn_users_all_have(users, STUN_PASSWORD_SHA256));
    turn_users_free(users);
}

static void a_hex_key_is_a_key_of_its_algorithm_alone(void)
{
    static const char *const list[] = {"ninefingers:0x" MD5_HEX, "eight:0x" SHA256_HEX,
                                       "seven:0XABC"};
    const struct stun_key md5 = key_of(MD5_HEX), sha256 = key_of(SHA256_HEX);
    struct turn_users *users = make(list, 3);
    struct turn_user user;

    T_EQ(turn_users_find(users, of("ninefingers"), NOTHING, STUN_PASSWORD_MD5, &user), RC_OK);
    T_MEM(&user.key, &md5, sizeof md5);
    T_EQ(turn_users_find(users, of("ninefingers"), NOTHING, STUN_PASSWORD_SHA256, &user),
         RC_BAD);
    T_EQ(turn_users_find(users, of("eight"), NOTHING, STUN_PASSWORD_SHA256, &user), RC_OK);
    T_MEM(&user.key, &sha256, sizeof sha256);
    T_EQ(turn_users_find(users, of("eight"), NOTHING, STUN_PASSWORD_MD5, &user), RC_BAD);
    T_EQ(turn_users_find(users, of("seven"), NOTHING, STUN_PASSWORD_MD5, &user), RC_OK);
    T_OK(!turn_users_all_have(users, STUN_PASSWORD_MD5));
    T_OK(!turn_users_all_have(users, STUN_PASSWORD_SHA256));
    turn_users_free(users);
}

static void a_userhash_finds_who_a_name_would(void)
{
    /* printf ninefingers:north.gov | openssl dgst -sha256 */
    static const uint8_t hash[] = {0x4d, 0xc5, 0xd8, 0xa3, 0x9a, 0xde, 0xa3, 0xbc,
                                   0x31, 0x32, 0xda, 0xb0, 0xcc, 0xab, 0x13, 0x6d,
                                   0x85, 0x51, 0x15, 0x88, 0x34, 0x2c, 0xbf, 0x54,
                                   0xd2, 0x7d, 0x47, 0x13, 0xed, 0x96, 0x47, 0x28};
    static const char *const list[] = {"other:pass", "ninefingers:youhavetoberealistic"};
    struct turn_users *users = make(list, 2);
    struct turn_user by_hash, by_name;

    T_EQ(turn_users_find(users, NOTHING, (struct span){hash, 32}, STUN_PASSWORD_MD5, &by_hash),
         RC_OK);
    T_EQ(turn_users_find(users, of("ninefingers"), NOTHING, STUN_PASSWORD_MD5, &by_name),
         RC_OK);
    T_MEM(by_hash.id, by_name.id, TURN_USER_ID);
    T_EQ(turn_users_find(users, NOTHING, (struct span){hash, 31}, STUN_PASSWORD_MD5, &by_hash),
         RC_BAD);
    T_EQ(turn_users_find(users, NOTHING, NOTHING, STUN_PASSWORD_MD5, &by_hash), RC_BAD);
    T_EQ(turn_users_find(users, of(""), NOTHING, STUN_PASSWORD_MD5, &by_hash), RC_BAD);
    T_EQ(turn_users_find(users, of("nobody"), NOTHING, STUN_PASSWORD_MD5, &by_hash), RC_BAD);
    turn_users_free(users);
}

static void the_last_line_of_a_name_counts(void)
{
    static const char *const list[] = {"ann:0x" MD5_HEX, "bob:b", "ann:new", "ann:newer"};
    static const char *const newer[] = {"ann:newer"};
    struct turn_users *users = make(list, 4), *other = make(newer, 1);
    struct turn_user a, b;

    T_EQ(turn_users_count(users), 2);
    T_EQ(turn_users_find(users, of("ann"), NOTHING, STUN_PASSWORD_SHA256, &a), RC_OK);
    T_EQ(turn_users_find(other, of("ann"), NOTHING, STUN_PASSWORD_SHA256, &b), RC_OK);
    T_MEM(&a.key, &b.key, sizeof a.key);
    T_OK(turn_users_all_have(users, STUN_PASSWORD_SHA256));
    turn_users_free(users);
    turn_users_free(other);
}

static void a_password_may_have_colons_and_spaces(void)
{
    static const char *const list[] = {"ann:a:b c:", "\xc3\xa4:\xe2\x82\xac"};
    struct turn_users *users = make(list, 2);

    T_EQ(turn_users_count(users), 2);
    turn_users_free(users);
}

/* clang-format off */
static const struct {
    const char *user, *error;
} wrong[] = {
    {"ann", "user: it has the form NAME:PASSWORD"},
    {"", "user: it has the form NAME:PASSWORD"},
    {":secret", "user: the name is empty, too long or no text"},
    {"a\nn:secret", "user: the name is empty, too long or no text"},
    {"ann:", "user: the password of \"ann\" is empty, too long or no text"},
    {"ann:sec\x01ret", "user: the password of \"ann\" is empty, too long or no text"},
    {"ann:\xff", "user: the password of \"ann\" is empty, too long or no text"},
    {"ann:0x", "user: the key of \"ann\" is not 0x and 32 or 64 hex digits"},
    {"ann:0x" MD5_HEX "0", "user: the key of \"ann\" is not 0x and 32 or 64 hex digits"},
    {"ann:0xgg807ee29df3c9ffa736523fb2c4e8ee", "user: the key of \"ann\" is not 0x and 32 or 64 hex digits"},
};
/* clang-format on */

static void what_cannot_be_a_user_is_named_without_its_password(void)
{
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        const char *const list[] = {"bob:fine", wrong[i].user};
        struct turn_users *users = NULL;
        char error[128] = "";

        T_EQ(turn_users_build(&users, "north.gov", list, 2, error, sizeof error), RC_BAD);
        T_OK(!users);
        T_STR(error, wrong[i].error);
    }
    turn_users_free(NULL);
}

static const struct t_case cases[] = {
    T_CASE(a_password_makes_the_key_of_each_algorithm),
    T_CASE(a_hex_key_is_a_key_of_its_algorithm_alone),
    T_CASE(a_userhash_finds_who_a_name_would),
    T_CASE(the_last_line_of_a_name_counts),
    T_CASE(a_password_may_have_colons_and_spaces),
    T_CASE(what_cannot_be_a_user_is_named_without_its_password),
};
T_MAIN(cases)

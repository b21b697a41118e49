#include "tests/t.h"
#include "turn/turn_auth.h"
#include "turn/turn_rest.h"

#include <pthread.h>
#include <stdatomic.h>

static const int64_t NOW = 1699999000; /* a thousand seconds before the credentials below end */
static const int64_t EXPIRY = 1700000000;
static const struct span NOTHING = {NULL, 0};

static struct span of(const char *text)
{
    return (struct span){(const uint8_t *)text, strlen(text)};
}

static const char *const two_secrets[] = {"north", "south"};
static const char *const two_users[] = {"ann:secret", "bob:0xbc807ee29df3c9ffa736523fb2c4e8ee"};

static struct turn_auth_options timed(void)
{
    return (struct turn_auth_options){
        .realm = "north.gov", .secret = two_secrets, .secret_count = 2, .stale_nonce = 600};
}

static struct turn_auth *make(const struct turn_auth_options *options)
{
    struct turn_auth *auth;
    char error[128];

    T_EQ(turn_auth_create(&auth, options, error, sizeof error), RC_OK);
    return auth;
}

static int find(struct turn_auth *auth, const char *name, int64_t now, struct turn_user *out)
{
    return turn_auth_find(auth, of(name), NOTHING, STUN_PASSWORD_MD5, now, out);
}

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

/* For S of north and south, with P the password of turn_rest_test.c:
 * printf 1700000000:ninefingers:north.gov:P | openssl dgst -md5, and -sha256 */
static void each_secret_has_its_key_for_each_algorithm(void)
{
    static const struct {
        enum stun_password_algorithm algorithm;
        const char *first, *second;
    } rows[] = {
        {STUN_PASSWORD_MD5, "c477af8d6a92b1ef6ba20d0353429488",
         "ea7bce8e77bf0bf1932ba48773a752f0"},
        {STUN_PASSWORD_SHA256,
         "b186866411a50581d5214c287c2b1427380fa5070263c8429542f503a1cb3416",
         "0e9c9df62ce01e6df5085cdcb6b29e90828d41d048c0e962c25ad039156adcf3"},
    };
    const struct turn_auth_options options = timed();
    struct turn_auth *auth = make(&options);
    const struct span name = of("1700000000:ninefingers");
    struct turn_user user;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct stun_key first = key_of(rows[i].first), second = key_of(rows[i].second);

        T_EQ(turn_auth_find(auth, name, NOTHING, rows[i].algorithm, NOW, &user), RC_OK);
        T_MEM(&user.key, &first, sizeof first);
        T_EQ(user.expires, EXPIRY);
        T_EQ(turn_auth_find_next(auth, name, rows[i].algorithm, &user), RC_OK);
        T_MEM(&user.key, &second, sizeof second);
        T_EQ(user.expires, EXPIRY);
        T_EQ(turn_auth_find_next(auth, name, rows[i].algorithm, &user), RC_BAD);
    }
    turn_auth_free(auth);
}

static void expiry_is_told_apart_unless_it_is_strict(void)
{
    struct turn_auth_options options = timed();
    struct turn_auth *auth = make(&options);
    struct turn_user user;
    uint64_t seen = 0;
    char error[64];

    T_EQ(find(auth, "1700000000:ann", EXPIRY - 1, &user), RC_OK);
    T_EQ(find(auth, "1700000000:ann", EXPIRY, &user), RC_AGAIN);
    T_EQ(user.expires, EXPIRY);
    T_OK(turn_auth_still_welcome(auth, user.id, user.expires, EXPIRY + 1000, &seen));

    options.strict_expiry = true;
    T_EQ(turn_auth_reload(auth, &options, error, sizeof error), RC_OK);
    T_EQ(find(auth, "1700000000:ann", EXPIRY - 1, &user), RC_OK);
    T_EQ(find(auth, "1700000000:ann", EXPIRY, &user), RC_BAD);
    T_OK(turn_auth_still_welcome(auth, user.id, user.expires, EXPIRY - 1, &seen));
    T_OK(!turn_auth_still_welcome(auth, user.id, user.expires, EXPIRY, &seen));
    T_OK(turn_auth_still_welcome(auth, user.id, 0, EXPIRY, &seen)); /* a static user's */
    turn_auth_free(auth);
}

static void the_id_is_of_the_user_and_not_of_the_credential(void)
{
    const struct turn_auth_options options = timed();
    struct turn_auth *auth = make(&options);
    struct turn_user a, b, bare;
    uint8_t id[TURN_USER_ID];

    T_EQ(find(auth, "1700000000:ann", NOW, &a), RC_OK);
    T_EQ(find(auth, "1800000000:ann~cap=cD1zZnU7Yj04MDAwO249Mg", NOW, &b), RC_OK);
    T_MEM(a.id, b.id, TURN_USER_ID);
    turn_user_id(id, of("ann"));
    T_MEM(a.id, id, TURN_USER_ID);
    T_EQ(a.capability.max_allocations, 0);
    T_EQ(b.capability.max_allocations, 2);
    T_EQ(b.capability.max_bytes_second, 1000);
    T_OK(b.capability.sfu_only);
    T_EQ(find(auth, "1700000000", NOW, &bare), RC_OK);
    turn_user_id(id, of("1700000000"));
    T_MEM(bare.id, id, TURN_USER_ID);
    turn_auth_free(auth);
}

static void what_is_no_name_of_anybody_is_refused(void)
{
    static const char *const names[] = {"",
                                        "ann",
                                        "0:ann",
                                        "x1:ann",
                                        "1700000000:",
                                        "1700000000:a\nb",
                                        "1700000000:\xff",
                                        "1700000000:ann~cap=",
                                        "1700000000:~cap=cD1zZnU"};
    struct turn_auth_options options = timed();
    struct turn_auth *auth = make(&options);
    struct turn_user user = {.expires = 77};
    uint8_t hash[32] = {0};
    char error[64], long_name[700];

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        T_EQ(find(auth, names[i], NOW, &user), RC_BAD);
    memset(long_name, '1', sizeof long_name);
    memcpy(long_name, "1700000000:", 11);
    long_name[TURN_USERNAME_MAX + 1] = '\0';
    T_EQ(find(auth, long_name, NOW, &user), RC_BAD);
    T_EQ(turn_auth_find(auth, NOTHING, (struct span){hash, 32}, STUN_PASSWORD_MD5, NOW, &user),
         RC_BAD);
    T_EQ(turn_auth_find(auth, NOTHING, NOTHING, STUN_PASSWORD_MD5, NOW, &user), RC_BAD);
    options.secret_count = 0;
    T_EQ(turn_auth_reload(auth, &options, error, sizeof error), RC_OK);
    T_EQ(find(auth, "1700000000:ann", NOW, &user), RC_BAD);
    T_EQ(user.expires, 77);
    turn_auth_free(auth);
}

static void static_users_and_secrets_may_stand_side_by_side(void)
{
    struct turn_auth_options options = timed();
    struct turn_user user;

    options.user = two_users;
    options.user_count = 2;
    struct turn_auth *auth = make(&options);
    T_EQ(find(auth, "ann", NOW, &user), RC_OK);
    T_EQ(user.expires, 0);
    T_EQ(turn_auth_find_next(auth, of("ann"), STUN_PASSWORD_MD5, &user), RC_BAD);
    T_EQ(find(auth, "bob", NOW, &user), RC_OK);
    T_EQ(turn_auth_find(auth, of("bob"), NOTHING, STUN_PASSWORD_SHA256, NOW, &user), RC_BAD);
    T_EQ(find(auth, "1700000000:ann", NOW, &user), RC_OK);
    turn_auth_free(auth);
}

static void features_are_what_every_user_can_do(void)
{
    static const struct {
        size_t users, secrets;
        unsigned features;
    } rows[] = {
        {0, 0, TURN_FEATURE_ALGORITHMS},
        {0, 2, TURN_FEATURE_ALGORITHMS},
        {1, 0, TURN_FEATURE_ALGORITHMS | TURN_FEATURE_USERHASH},
        {1, 2, TURN_FEATURE_ALGORITHMS},
        {2, 0, TURN_FEATURE_USERHASH}, /* the second has a bare MD5 key */
        {2, 2, 0},
    };
    struct address client;
    char nonce[TURN_NONCE_MAX], error[64];

    T_EQ(address_parse(&client, "192.0.2.1:1000"), RC_OK);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct turn_auth_options options = timed();
        options.user = two_users;
        options.user_count = rows[i].users;
        options.secret_count = rows[i].secrets;
        struct turn_auth *auth = make(&options);
        T_EQ(turn_auth_features(auth), rows[i].features);
        turn_nonce_make(auth, &client, NOW, nonce);
        T_EQ(turn_nonce_check(auth, of(nonce), &client, NOW + 599), TURN_NONCE_OK);
        T_EQ(turn_nonce_check(auth, of(nonce), &client, NOW + 600), TURN_NONCE_STALE);
        options.stale_nonce = 0;
        T_EQ(turn_auth_reload(auth, &options, error, sizeof error), RC_OK);
        T_EQ(turn_nonce_check(auth, of(nonce), &client, NOW + 600), TURN_NONCE_OK);
        turn_auth_free(auth);
    }
}

static void servers_with_one_nonce_secret_know_each_others_nonces(void)
{
    struct turn_auth_options options = timed();
    struct address client;
    char nonce[TURN_NONCE_MAX];

    T_EQ(address_parse(&client, "192.0.2.1:1000"), RC_OK);
    struct turn_auth *alone = make(&options);
    options.nonce_secret = "shared";
    struct turn_auth *one = make(&options), *two = make(&options);
    turn_nonce_make(one, &client, NOW, nonce);
    T_EQ(turn_nonce_check(two, of(nonce), &client, NOW), TURN_NONCE_OK);
    T_EQ(turn_nonce_check(alone, of(nonce), &client, NOW), TURN_NONCE_FOREIGN);
    turn_auth_free(alone);
    turn_auth_free(one);
    turn_auth_free(two);
}

static void who_is_revoked_is_found_no_more_and_welcome_no_more(void)
{
    const struct turn_auth_options options = timed();
    struct turn_auth *auth = make(&options);
    struct turn_user ann, bob;
    uint64_t seen_ann = 0, seen_bob = 0;

    T_EQ(find(auth, "1700000000:ann", NOW, &ann), RC_OK);
    T_EQ(find(auth, "1700000000:bob", NOW, &bob), RC_OK);
    T_OK(turn_auth_still_welcome(auth, ann.id, EXPIRY, NOW, &seen_ann));
    T_EQ(turn_auth_revoke(auth, ann.id, EXPIRY, NOW), RC_OK);
    T_EQ(find(auth, "1700000000:ann", NOW, &ann), RC_BAD);
    T_EQ(find(auth, "1699999999:ann~cap=cD1zZnU", NOW, &ann), RC_BAD);
    T_EQ(find(auth, "1700000000:bob", NOW, &bob), RC_OK);
    T_OK(!turn_auth_still_welcome(auth, ann.id, EXPIRY, NOW, &seen_ann));
    T_OK(!turn_auth_still_welcome(auth, ann.id, EXPIRY, NOW, &seen_ann)); /* and again */
    T_OK(turn_auth_still_welcome(auth, bob.id, EXPIRY, NOW, &seen_bob));
    T_EQ(seen_bob, 1); /* the next time without a lock */
    turn_auth_pardon(auth, ann.id);
    T_EQ(find(auth, "1700000000:ann", NOW, &ann), RC_OK);
    T_OK(turn_auth_still_welcome(auth, ann.id, EXPIRY, NOW, &seen_ann));
    turn_auth_free(auth);
}

static void a_made_credential_is_one_that_is_found(void)
{
    const struct turn_auth_options options = timed();
    const struct turn_capability capability = {.sfu_only = true, .max_allocations = 3};
    struct turn_auth *auth = make(&options);
    struct turn_credential credential;
    struct turn_user user;
    struct stun_key key;

    T_EQ(turn_rest_make(&credential, of("north"), ':', "ann", &capability, 600, NOW), RC_OK);
    T_EQ(find(auth, credential.username, NOW + 599, &user), RC_OK);
    stun_key_long_term(&key, STUN_PASSWORD_MD5, of(credential.username), of("north.gov"),
                       of(credential.password));
    T_MEM(&key, &user.key, sizeof key);
    T_EQ(user.capability.max_allocations, 3);
    T_EQ(find(auth, credential.username, NOW + 600, &user), RC_AGAIN);
    turn_auth_free(auth);
}

static void options_that_cannot_be_are_refused_and_a_reload_changes_nothing(void)
{
    static const char *const nine[] = {"1", "2", "3", "4", "5", "6", "7", "8", "9"};
    static const char *const empty[] = {""}, *const wrong[] = {"ann"};
    struct turn_auth_options options = timed(), bad;
    struct turn_auth *auth = NULL;
    struct turn_user user;
    char error[128] = "";

    bad = options;
    bad.realm = "";
    T_EQ(turn_auth_create(&auth, &bad, error, sizeof error), RC_BAD);
    bad.realm = NULL;
    T_EQ(turn_auth_create(&auth, &bad, error, sizeof error), RC_BAD);
    bad = options;
    bad.separator = '7';
    T_EQ(turn_auth_create(&auth, &bad, error, sizeof error), RC_BAD);
    T_OK(!auth);

    auth = make(&options);
    bad = options;
    bad.secret = nine;
    bad.secret_count = 9;
    T_EQ(turn_auth_reload(auth, &bad, error, sizeof error), RC_BAD);
    T_STR(error, "static-auth-secret: more than 8 secrets");
    bad.secret = empty;
    bad.secret_count = 1;
    T_EQ(turn_auth_reload(auth, &bad, error, sizeof error), RC_BAD);
    bad = options;
    bad.user = wrong;
    bad.user_count = 1;
    T_EQ(turn_auth_reload(auth, &bad, error, sizeof error), RC_BAD);
    T_EQ(find(auth, "1700000000:ann", NOW, &user), RC_OK);
    T_STR(turn_auth_realm(auth), "north.gov");
    turn_auth_free(auth);
    turn_auth_free(NULL);
}

/* --- threads ------------------------------------------------------------------------------ */

static struct turn_auth *shared;
static atomic_bool done;

static void *look(void *arg)
{
    struct address client;
    struct turn_user user;
    uint64_t seen = 0;
    size_t *found = arg;
    char nonce[TURN_NONCE_MAX];

    (void)address_parse(&client, "192.0.2.1:1000");
    while (!atomic_load(&done)) {
        *found += find(shared, "1700000000:ann", NOW, &user) == RC_OK;
        (void)turn_auth_find_next(shared, of("1700000000:ann"), STUN_PASSWORD_MD5, &user);
        (void)turn_auth_still_welcome(shared, user.id, EXPIRY, NOW, &seen);
        turn_nonce_make(shared, &client, NOW, nonce);
        (void)turn_nonce_check(shared, of(nonce), &client, NOW);
    }
    return NULL;
}

static void threads_may_look_while_users_are_revoked_and_secrets_change(void)
{
    struct turn_auth_options options = timed();
    size_t found[2] = {0, 0};
    pthread_t thread[2];
    struct turn_user user;
    uint8_t id[TURN_USER_ID];
    char error[128];

    shared = make(&options);
    atomic_store(&done, false);
    for (size_t i = 0; i < ARRAY_LEN(thread); i++)
        T_EQ(pthread_create(&thread[i], NULL, look, &found[i]), 0);
    turn_user_id(id, of("ann"));
    for (int i = 0; i < 300; i++) {
        options.strict_expiry = i % 2;
        options.secret_count = 1 + (size_t)i % 2;
        (void)turn_auth_reload(shared, &options, error, sizeof error);
        (void)turn_auth_revoke(shared, id, EXPIRY, NOW);
        if (i % 3 == 0)
            turn_auth_pardon(shared, id);
    }
    (void)turn_auth_revoke(shared, id, EXPIRY, NOW);
    atomic_store(&done, true);
    for (size_t i = 0; i < ARRAY_LEN(thread); i++)
        pthread_join(thread[i], NULL);
    T_EQ(find(shared, "1700000000:ann", NOW, &user), RC_BAD);
    turn_auth_free(shared);
}

static const struct t_case cases[] = {
    T_CASE(each_secret_has_its_key_for_each_algorithm),
    T_CASE(expiry_is_told_apart_unless_it_is_strict),
    T_CASE(the_id_is_of_the_user_and_not_of_the_credential),
    T_CASE(what_is_no_name_of_anybody_is_refused),
    T_CASE(static_users_and_secrets_may_stand_side_by_side),
    T_CASE(features_are_what_every_user_can_do),
    T_CASE(servers_with_one_nonce_secret_know_each_others_nonces),
    T_CASE(who_is_revoked_is_found_no_more_and_welcome_no_more),
    T_CASE(a_made_credential_is_one_that_is_found),
    T_CASE(options_that_cannot_be_are_refused_and_a_reload_changes_nothing),
    T_CASE(threads_may_look_while_users_are_revoked_and_secrets_change),
};
T_MAIN(cases)

#include "tests/t.h"
#include "app/turn_handout.h"
#include "app/turn_settings.h"
#include "core/clock.h"

static struct settings settings;
static struct turn_handout handout;

static void start(const char *const *flags)
{
    static const struct turn_service services[] = {{TURN_SERVICE_UDP, 3478},
                                                   {TURN_SERVICE_TCP, 3003}};
    static char *const nothing[] = {NULL};
    char *argv[16] = {"meetopia-relay"}, error[OPTIONS_ERROR_MAX];
    struct turn_uris uris;
    int argc = 1;

    for (; flags[argc - 1]; argc++)
        argv[argc] = (char *)(uintptr_t)flags[argc - 1];
    T_EQ(settings_load(&settings, argc, argv, (char **)(uintptr_t)nothing, error), RC_OK);
    const struct turn_uris_options options = {.server_name = "a.example",
                                              .service = services,
                                              .service_count = ARRAY_LEN(services),
                                              .stun = true,
                                              .turn = true};
    T_EQ(turn_uris_build(&uris, &options), RC_OK);
    turn_handout_init(&handout, &settings, &uris);
}

#define START(...) start((const char *const[]){__VA_ARGS__, NULL})

static void end(void)
{
    turn_handout_clear(&handout);
    settings_clear(&settings);
}

static struct span of(const char *text)
{
    return (struct span){(const uint8_t *)text, strlen(text)};
}

/* Finds who the credential is of, with the key that its password makes. */
static void check(const struct ice_credentials *c, const char *user_id, struct turn_user *user)
{
    const char *made = handout.made;
    const struct span nothing = {NULL, 0};
    struct turn_auth_options options;
    struct turn_auth *auth;
    struct stun_key key;
    uint8_t id[TURN_USER_ID];
    char error[128];
    const int64_t now = (int64_t)(clock_wall() / SEC(1));

    turn_settings_auth(&settings, &made, &options);
    T_EQ(turn_auth_create(&auth, &options, error, sizeof error), RC_OK);
    T_EQ(turn_auth_find(auth, of(c->username), nothing, STUN_PASSWORD_MD5, now, user), RC_OK);
    stun_key_long_term(&key, STUN_PASSWORD_MD5, of(c->username), of(turn_auth_realm(auth)),
                       of(c->credential));
    T_MEM(&key, &user->key, sizeof key);
    turn_user_id(id, of(user_id));
    T_MEM(user->id, id, sizeof id);
    T_EQ(turn_auth_find(auth, of(c->username), nothing, STUN_PASSWORD_MD5, now + c->ttl + 1,
                        user),
         RC_AGAIN);
    turn_auth_free(auth);
}

static void what_is_handed_out_is_taken(void)
{
    struct ice_credentials c;
    struct turn_user user;

    START("--static-auth-secret=north", "--static-auth-secret=south",
          "--turn-credential-ttl=600", "--realm=r");
    T_EQ(turn_handout_credentials(&handout, "Abc_-0123456789abcde", &c), RC_OK);
    check(&c, "Abc_-0123456789abcde", &user);
    T_OK(user.capability.sfu_only);
    T_EQ(c.ttl, 600);
    T_EQ(c.turn_count, 2);
    T_STR(c.turn[1], "turn:a.example:3003?transport=tcp");
    T_EQ(c.stun_count, 1);
    end();
}

static void without_a_secret_one_is_made(void)
{
    struct ice_credentials c;
    struct turn_user user;

    START("--user=ann:secret", "--turn-credential-peers=any", "--rest-api-separator=|");
    T_EQ(strlen(handout.made), TURN_MADE_SECRET_LEN);
    T_EQ(turn_handout_credentials(&handout, "somebody", &c), RC_OK);
    T_OK(strstr(c.username, "|somebody"));
    check(&c, "somebody", &user);
    T_OK(!user.capability.sfu_only);
    end();
}

static void a_user_id_that_cannot_be_gets_nothing(void)
{
    struct ice_credentials c;

    START("--realm=r");
    T_OK(turn_handout_credentials(&handout, "", &c) != RC_OK);
    T_OK(turn_handout_credentials(&handout, "a~cap=x", &c) != RC_OK);
    end();
}

static const struct t_case cases[] = {
    T_CASE(what_is_handed_out_is_taken),
    T_CASE(without_a_secret_one_is_made),
    T_CASE(a_user_id_that_cannot_be_gets_nothing),
};
T_MAIN(cases)

#include "tests/t.h"
#include "app/turn_settings.h"

static struct settings settings;

/* Flags, NULL-terminated. */
static void load(const char *const *flags)
{
    static char *const nothing[] = {NULL};
    char *argv[32] = {"meetopia-relay"}, error[OPTIONS_ERROR_MAX];
    int argc = 1;

    for (; flags[argc - 1]; argc++)
        argv[argc] = (char *)(uintptr_t)flags[argc - 1];
    T_EQ(settings_load(&settings, argc, argv, (char **)(uintptr_t)nothing, error), RC_OK);
}

#define LOAD(...) load((const char *const[]){__VA_ARGS__, NULL})

static void what_is_configured_is_what_turn_is_told(void)
{
    struct turn_auth_options auth;
    struct turn_policy_options policy;
    const char *made = "made";

    LOAD("--realm=r.example", "--user=ann:a,b", "--user=bob:c", "--strict-expiry",
         "--stale-nonce=60", "--rest-api-separator=|", "--stateless-nonce-secret=n",
         "--allowed-peer-ip=10.0.0.1", "--denied-peer-ip=8.0.0.0/8,9.0.0.0-9.0.0.9",
         "--allow-loopback-peers", "--min-port=5000", "--max-port=6000", "--user-quota=3",
         "--total-quota=30", "--max-bps=1000", "--bps-capacity=9000", "--relay-ports=none",
         "--max-allocate-lifetime=700");
    turn_settings_auth(&settings, &made, &auth);
    T_STR(auth.realm, "r.example");
    T_EQ(auth.user_count, 2);
    T_STR(auth.user[0], "ann:a,b");
    T_EQ(auth.secret_count, 1);
    T_STR(auth.secret[0], "made");
    T_STR(turn_settings_secret(&settings, made), "made");
    T_EQ(auth.separator, '|');
    T_OK(auth.strict_expiry);
    T_EQ(auth.stale_nonce, 60);
    T_STR(auth.nonce_secret, "n");
    turn_settings_policy(&settings, &policy);
    T_EQ(policy.allowed_count, 1);
    T_EQ(policy.denied_count, 2);
    T_STR(policy.denied_peer_ip[1], "9.0.0.0-9.0.0.9");
    T_OK(policy.allow_loopback && !policy.relay_ports);
    T_EQ(policy.min_port, 5000);
    T_EQ(policy.max_port, 6000);
    T_EQ(policy.user_quota, 3);
    T_EQ(policy.total_quota, 30);
    T_EQ(policy.max_bps, 1000);
    T_EQ(policy.bps_capacity, 9000);
    T_EQ(policy.lifetime_max, SEC(700));
    settings_clear(&settings);
}

static void a_secret_turns_users_off(void)
{
    struct turn_auth_options auth;
    const char *made = "made";

    LOAD("--user=ann:a", "--static-auth-secret=north", "--static-auth-secret=south,1");
    T_EQ(settings.notes.count, 1);
    turn_settings_auth(&settings, &made, &auth);
    T_EQ(auth.user_count, 0);
    T_EQ(auth.secret_count, 2);
    T_STR(auth.secret[1], "south,1");
    T_STR(turn_settings_secret(&settings, made), "north");
    settings_clear(&settings);
}

static void the_options_that_are_made_can_be_used(void)
{
    struct turn_auth_options auth_options;
    struct turn_policy_options policy_options;
    struct turn_auth *auth;
    struct turn_policy *policy;
    const char *made = "made";
    char error[128];

    LOAD("--log-level=error");
    turn_settings_auth(&settings, &made, &auth_options);
    turn_settings_policy(&settings, &policy_options);
    T_EQ(turn_auth_create(&auth, &auth_options, error, sizeof error), RC_OK);
    T_EQ(turn_policy_create(&policy, &policy_options, error, sizeof error), RC_OK);
    T_STR(turn_auth_realm(auth), "meetopia");
    turn_auth_free(auth);
    turn_policy_free(policy);
    settings_clear(&settings);
}

static void an_external_ip_has_one_half_or_two(void)
{
    struct address public, private;
    char text[ADDRESS_TEXT_MAX];

    T_EQ(turn_settings_external("198.51.100.1", &public, &private), RC_OK);
    T_STR(address_format_ip(&public, text, sizeof text), "198.51.100.1");
    T_EQ(private.sa.sa_family, AF_UNSPEC);
    T_EQ(turn_settings_external("2001:db8::1/fd00::1", &public, &private), RC_OK);
    T_STR(address_format_ip(&private, text, sizeof text), "fd00::1");
    T_EQ(turn_settings_external("198.51.100.1/", &public, &private), RC_BAD);
    T_EQ(turn_settings_external("x/10.0.0.1", &public, &private), RC_BAD);
}

static void the_first_alternate_server_of_a_family_counts(void)
{
    char text[ADDRESS_TEXT_MAX];

    LOAD("--alternate-server=192.0.2.1",
         "--alternate-server=192.0.2.2:5000,[2001:db8::1]:5001");
    struct address a = turn_settings_alternate(&settings, AF_INET);
    T_STR(address_format(&a, text, sizeof text), "192.0.2.1:3478");
    a = turn_settings_alternate(&settings, AF_INET6);
    T_STR(address_format(&a, text, sizeof text), "[2001:db8::1]:5001");
    settings_clear(&settings);
    LOAD("--log-level=error");
    T_EQ(turn_settings_alternate(&settings, AF_INET).sa.sa_family, AF_UNSPEC);
    settings_clear(&settings);
}

static const struct t_case cases[] = {
    T_CASE(what_is_configured_is_what_turn_is_told),
    T_CASE(a_secret_turns_users_off),
    T_CASE(the_options_that_are_made_can_be_used),
    T_CASE(an_external_ip_has_one_half_or_two),
    T_CASE(the_first_alternate_server_of_a_family_counts),
};
T_MAIN(cases)

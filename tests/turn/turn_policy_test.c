#include "tests/t.h"

#include "turn/turn_policy.h"
#include <pthread.h>
#include <stdatomic.h>

static struct address parsed(const char *text)
{
    struct address a;

    T_EQ(address_parse(&a, text), RC_OK);
    return a;
}

static struct turn_policy *make(const struct turn_policy_options *options)
{
    struct turn_policy *policy;
    char error[128];

    T_EQ(turn_policy_create(&policy, options, error, sizeof error), RC_OK);
    return policy;
}

/* What the tables below start from: media on 198.41.0.4:3478 and its private side, one more
 * address of our own. */
static struct address media[2], own[3];

static struct turn_policy_options usual(void)
{
    media[0] = parsed("198.41.0.4:3478");
    media[1] = parsed("10.1.0.4:3478");
    own[0] = parsed("198.41.0.4");
    own[1] = parsed("10.1.0.4");
    own[2] = parsed("2a00:1::5");
    return (struct turn_policy_options){.media = media,
                                        .media_count = ARRAY_LEN(media),
                                        .own = own,
                                        .own_count = ARRAY_LEN(own),
                                        .relay_ports = true,
                                        .min_port = 50000,
                                        .max_port = 50999};
}

enum {
    NO = TURN_PEER_DENIED,
    YES = TURN_PEER_RELAY,
    SFU = TURN_PEER_SFU,
    PORT = TURN_PEER_BY_PORT
};

struct row {
    const char *peer; /* with a port */
    int permission, data;
};

static void check_rows(const struct turn_policy *policy,
                       const struct turn_capability *capability, const struct row *rows,
                       size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct address peer = parsed(rows[i].peer);
        struct address ip = peer;

        printf("#   %s\n", rows[i].peer);
        address_set_port(&ip, 0);
        T_EQ(turn_policy_permission(policy, capability, &ip), rows[i].permission);
        T_EQ(turn_policy_permission(policy, capability, &peer), rows[i].permission);
        T_EQ(turn_policy_peer(policy, capability, &peer), rows[i].data);
    }
}

/* clang-format off */
static const struct row defaults[] = {
    {"8.8.8.8:53", YES, YES},
    {"[2606:4700::1]:53", YES, YES},
    {"127.0.0.1:80", NO, NO},
    {"127.255.255.254:80", NO, NO},
    {"[::1]:80", NO, NO},
    {"0.0.0.0:80", NO, NO},
    {"0.1.2.3:80", NO, NO},
    {"[::]:80", NO, NO},
    {"10.0.0.1:80", NO, NO},
    {"172.16.0.1:80", NO, NO},
    {"172.32.0.1:80", YES, YES},
    {"192.168.1.1:80", NO, NO},
    {"100.64.0.1:80", NO, NO},
    {"169.254.169.254:80", NO, NO}, /* where clouds keep their secrets */
    {"224.0.0.1:80", NO, NO},
    {"239.255.255.250:1900", NO, NO},
    {"240.0.0.1:80", NO, NO},
    {"255.255.255.255:80", NO, NO},
    {"192.0.2.1:80", NO, NO},
    {"198.18.0.1:80", NO, NO},
    {"192.88.99.1:80", NO, NO},
    {"[fc00::1]:80", NO, NO},
    {"[fdff::1]:80", NO, NO},
    {"[fe80::1%1]:80", NO, NO},
    {"[fec0::1]:80", NO, NO},
    {"[ff02::1]:80", NO, NO},
    {"[2001:db8::1]:80", NO, NO},
    {"[100::1]:80", NO, NO},
    /* v4-mapped */
    {"[::ffff:127.0.0.1]:80", NO, NO},
    {"[::ffff:10.0.0.1]:80", NO, NO},
    {"[::ffff:8.8.8.8]:80", YES, YES},
    /* IPv4-compatible, NAT64, 6to4, Teredo */
    {"[::127.0.0.1]:80", NO, NO},
    {"[::8.8.8.8]:80", NO, NO},
    {"[64:ff9b::127.0.0.1]:80", NO, NO},
    {"[64:ff9b::10.0.0.1]:80", NO, NO},
    {"[64:ff9b::169.254.169.254]:80", NO, NO},
    {"[64:ff9b::224.0.0.1]:80", NO, NO},
    {"[64:ff9b::198.41.0.4]:3478", NO, NO},
    {"[64:ff9b::198.41.0.4]:50001", NO, NO},
    {"[64:ff9b::8.8.8.8]:80", YES, YES},
    {"[64:ff9b:1::8.8.8.8]:80", NO, NO},
    {"[2002:7f00:1::]:80", NO, NO},
    {"[2002:808:808::1]:80", NO, NO},
    {"[2001::80ff:fffe]:80", NO, NO},
    /* our own */
    {"198.41.0.4:3478", PORT, SFU},
    {"198.41.0.4:50000", PORT, YES},
    {"198.41.0.4:50999", PORT, YES},
    {"198.41.0.4:51000", PORT, NO},
    {"198.41.0.4:22", PORT, NO},
    {"10.1.0.4:3478", PORT, SFU},
    {"10.1.0.4:50500", PORT, YES},
    {"10.1.0.4:22", PORT, NO},
    {"[2a00:1::5]:22", PORT, NO},
    {"[2a00:1::5]:50000", PORT, YES},
    {"[2a00:1::6]:22", YES, YES},
};

static const struct row with_lists[] = {
    {"10.0.0.1:80", YES, YES},     /* allowed, although private */
    {"10.0.0.2:80", NO, NO},       /* denied inside what is not allowed */
    {"9.9.9.9:80", NO, NO},        /* denied, although public */
    {"9.9.9.10:80", YES, YES},     /* in both: allowed wins */
    {"127.0.0.1:80", NO, NO},      /* in the list of the allowed, but loopback */
    {"224.0.0.5:80", NO, NO},      /* never */
    {"0.0.0.0:80", NO, NO},
    {"[64:ff9b::9.9.9.9]:80", NO, NO},
    {"[64:ff9b::9.9.9.10]:80", YES, YES},
    {"[2002:a00:1::1]:80", YES, YES}, /* 10.0.0.1 by 6to4: both forms allowed */
    {"[2002:a00:2::1]:80", NO, NO},
    {"[2002:7f00:1::1]:80", NO, NO},
    {"198.41.0.4:22", PORT, NO},
    {"[2a00:1::5]:22", YES, YES},  /* our own, allowed by name: every port */
    {"[2a00:1::5]:50000", YES, YES},
    {"10.1.0.4:3478", PORT, SFU},  /* denied, but media is ours to give */
    {"10.1.0.4:50001", PORT, NO},
    {"[2606:4700::2:0]:80", NO, NO},
    {"[2606:4700::2:100]:80", YES, YES},
};
/* clang-format on */

static void by_default_only_public_peers_are_relayed_to(void)
{
    const struct turn_policy_options options = usual();
    struct turn_policy *policy = make(&options);

    check_rows(policy, NULL, defaults, ARRAY_LEN(defaults));
    turn_policy_free(policy);
}

static const char *const some_allowed[] = {"10.0.0.1", "9.9.9.10",  "127.0.0.1", "224.0.0.0/4",
                                           "0.0.0.0",  "2002::/16", "2a00:1::5"};
static const char *const some_denied[] = {"10.0.0.0/8", "9.9.9.0-9.9.9.255",
                                          "2606:4700::1:ff00-2606:4700::2:ff"};

static void lists_work_as_coturn_has_them(void)
{
    struct turn_policy_options options = usual();

    options.allowed_peer_ip = some_allowed;
    options.allowed_count = ARRAY_LEN(some_allowed);
    options.denied_peer_ip = some_denied;
    options.denied_count = ARRAY_LEN(some_denied);
    struct turn_policy *policy = make(&options);
    check_rows(policy, NULL, with_lists, ARRAY_LEN(with_lists));
    turn_policy_free(policy);
}

static void loopback_peers_are_an_option(void)
{
    static const char *const denied[] = {"127.0.0.2"};
    static const struct row rows[] = {
        {"127.0.0.1:80", YES, YES}, {"127.0.0.2:80", NO, NO}, {"[::1]:80", YES, YES},
        {"[::2]:80", NO, NO},       {"10.0.0.1:80", NO, NO},  {"[::127.0.0.1]:80", NO, NO},
    };
    struct turn_policy_options options = usual();

    own[0] = parsed("127.0.0.1"); /* where tests run, it is our own address as well */
    options.allow_loopback = true;
    options.denied_peer_ip = denied;
    options.denied_count = ARRAY_LEN(denied);
    struct turn_policy *policy = make(&options);
    check_rows(policy, NULL, rows, ARRAY_LEN(rows));
    turn_policy_free(policy);
}

static void without_relay_ports_there_is_only_this_servers_media(void)
{
    static const struct row rows[] = {
        {"8.8.8.8:53", NO, NO},
        {"198.41.0.4:3478", PORT, SFU},
        {"198.41.0.4:50000", PORT, NO},
        {"[2a00:1::5]:50000", NO, NO},
    };
    struct turn_policy_options options = usual();

    options.relay_ports = false;
    struct turn_policy *policy = make(&options);
    check_rows(policy, NULL, rows, ARRAY_LEN(rows));
    turn_policy_free(policy);
}

static void a_capability_narrows_and_never_widens(void)
{
    static const struct row sfu_rows[] = {
        {"8.8.8.8:53", NO, NO},
        {"198.41.0.4:3478", PORT, SFU},
        {"198.41.0.4:50000", PORT, NO},
    };
    static const struct row net_rows[] = {
        {"8.8.8.8:53", YES, YES},          {"8.8.9.8:53", NO, NO},
        {"192.168.0.1:53", NO, NO},        {"198.41.0.4:3478", NO, NO},
        {"[64:ff9b::8.8.8.8]:53", NO, NO},
    };
    const struct turn_capability sfu = {.sfu_only = true};
    struct turn_capability nets = {.net_count = 2};
    const struct turn_policy_options options = usual();
    struct turn_policy *policy = make(&options);

    T_EQ(address_net_parse(&nets.net[0], "8.8.8.0/24"), RC_OK);
    T_EQ(address_net_parse(&nets.net[1], "192.168.0.0/16"), RC_OK);
    check_rows(policy, &sfu, sfu_rows, ARRAY_LEN(sfu_rows));
    check_rows(policy, &nets, net_rows, ARRAY_LEN(net_rows));
    turn_policy_free(policy);
}

static void a_peer_without_a_port_gets_no_data(void)
{
    const struct turn_policy_options options = usual();
    struct turn_policy *policy = make(&options);
    const struct address peer = parsed("8.8.8.8"), none = {0};

    T_EQ(turn_policy_permission(policy, NULL, &peer), YES);
    T_EQ(turn_policy_peer(policy, NULL, &peer), NO);
    T_EQ(turn_policy_permission(policy, NULL, &none), NO);
    T_EQ(turn_policy_peer(policy, NULL, &none), NO);
    turn_policy_free(policy);
}

static void a_reload_replaces_the_lists_or_changes_nothing(void)
{
    static const char *const denied[] = {"8.8.8.8", "2a00:1::5"}, *const wrong[] = {
                                                                      "8.8.8.8.8"};
    const struct address peer = parsed("8.8.8.8:53"), relay = parsed("[2a00:1::5]:50000");
    struct turn_policy_options options = usual();
    struct turn_policy *policy = make(&options);
    char error[128] = "";

    T_EQ(turn_policy_peer(policy, NULL, &peer), YES);
    T_EQ(turn_policy_peer(policy, NULL, &relay), YES);
    options.denied_peer_ip = denied;
    options.denied_count = ARRAY_LEN(denied);
    T_EQ(turn_policy_reload(policy, &options, error, sizeof error), RC_OK);
    T_EQ(turn_policy_peer(policy, NULL, &peer), NO);
    T_EQ(turn_policy_peer(policy, NULL, &relay), NO);
    options.denied_peer_ip = wrong;
    options.denied_count = ARRAY_LEN(wrong);
    T_EQ(turn_policy_reload(policy, &options, error, sizeof error), RC_BAD);
    T_STR(error, "denied-peer-ip: \"8.8.8.8.8\" is no IP address, range a-b or network");
    T_EQ(turn_policy_peer(policy, NULL, &peer), NO);
    options.denied_count = 0;
    T_EQ(turn_policy_reload(policy, &options, error, sizeof error), RC_OK);
    T_EQ(turn_policy_peer(policy, NULL, &peer), YES);
    T_EQ(turn_policy_peer(policy, NULL, &relay), YES);
    turn_policy_free(policy);
}

static void what_cannot_be_used_is_refused_at_creation(void)
{
    static const char *const wrong[] = {"10.0.0.1", "10.0.0.2-10.0.0.1"};
    struct turn_policy_options options = usual();
    struct turn_policy *policy = NULL;
    char error[128] = "";

    options.allowed_peer_ip = wrong;
    options.allowed_count = ARRAY_LEN(wrong);
    T_EQ(turn_policy_create(&policy, &options, error, sizeof error), RC_BAD);
    T_OK(strstr(error, "allowed-peer-ip: \"10.0.0.2-10.0.0.1\""));
    options = usual();
    options.own_count = TURN_POLICY_ADDRESSES_MAX + 1;
    T_EQ(turn_policy_create(&policy, &options, error, sizeof error), RC_BAD);
    T_OK(!policy);
    turn_policy_free(NULL);
}

static void lifetimes_stay_between_default_and_maximum(void)
{
    static const struct {
        usec_t lifetime_default, lifetime_max;
        bool asked;
        uint32_t seconds;
        usec_t granted;
    } rows[] = {
        {0, 0, false, 0, SEC(600)},
        {0, 0, true, 1, SEC(600)},
        {0, 0, true, 600, SEC(600)},
        {0, 0, true, 1800, SEC(1800)},
        {0, 0, true, 3600, SEC(3600)},
        {0, 0, true, UINT32_MAX, SEC(3600)},
        {SEC(60), SEC(120), true, 90, SEC(90)},
        {0, SEC(120), false, 0, SEC(120)}, /* a maximum under the default */
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct turn_policy_options options = usual();
        options.lifetime_default = rows[i].lifetime_default;
        options.lifetime_max = rows[i].lifetime_max;
        struct turn_policy *policy = make(&options);
        T_EQ(turn_policy_lifetime(policy, rows[i].asked, rows[i].seconds), rows[i].granted);
        turn_policy_free(policy);
    }
}

static struct turn_policy *shared;
static atomic_bool done;

static void *ask(void *arg)
{
    const struct address peers[] = {*(const struct address *)arg, own[0], media[0]};

    while (!atomic_load(&done)) {
        for (size_t i = 0; i < ARRAY_LEN(peers); i++) {
            (void)turn_policy_permission(shared, NULL, &peers[i]);
            (void)turn_policy_peer(shared, NULL, &peers[i]);
        }
        (void)turn_policy_lifetime(shared, true, 1000);
    }
    return NULL;
}

static void threads_may_ask_while_the_lists_are_replaced(void)
{
    static const char *const denied[] = {"8.8.8.0/24", "198.41.0.4"};
    struct turn_policy_options options = usual();
    struct address peer = parsed("8.8.8.8:53");
    pthread_t thread[2];
    char error[128];

    shared = make(&options);
    atomic_store(&done, false);
    for (size_t i = 0; i < ARRAY_LEN(thread); i++)
        T_EQ(pthread_create(&thread[i], NULL, ask, &peer), 0);
    options.denied_peer_ip = denied;
    for (size_t i = 0; i < 300; i++) {
        options.denied_count = i % 3;
        (void)turn_policy_reload(shared, &options, error, sizeof error);
    }
    atomic_store(&done, true);
    for (size_t i = 0; i < ARRAY_LEN(thread); i++)
        pthread_join(thread[i], NULL);
    T_EQ(turn_policy_peer(shared, NULL, &peer), NO);
    turn_policy_free(shared);
}

static const struct t_case cases[] = {
    T_CASE(by_default_only_public_peers_are_relayed_to),
    T_CASE(lists_work_as_coturn_has_them),
    T_CASE(loopback_peers_are_an_option),
    T_CASE(without_relay_ports_there_is_only_this_servers_media),
    T_CASE(a_capability_narrows_and_never_widens),
    T_CASE(a_peer_without_a_port_gets_no_data),
    T_CASE(a_reload_replaces_the_lists_or_changes_nothing),
    T_CASE(what_cannot_be_used_is_refused_at_creation),
    T_CASE(lifetimes_stay_between_default_and_maximum),
    T_CASE(threads_may_ask_while_the_lists_are_replaced),
};
T_MAIN(cases)

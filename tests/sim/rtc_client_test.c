/* The synthetic client against our ICE session and DTLS server: what a peer connection does. */
#include "tests/sim/rtc_client_lib.h"

#include "relay/ice.h"
#include "tests/sim/virtual_clock_lib.h"
#include "tests/t.h"

static const usec_t T0 = SEC(1000); /* the test owns time */
static const struct address NO_ADDRESS;
#define LATENCY MSEC(10)

/* The server's half of a peer connection, as small as it can be. */
struct peer {
    struct ice_agent *agent;
    struct ice_session ice;
    struct ice_output out;
    struct dtls_session *dtls;
    struct address client; /* where the client sends from */
};

static struct certificate *certificate[2];
static struct dtls_context *context[2];
static struct peer peer;
static struct rtc_client *client;
static uint64_t seed = 0x9e3779b97f4a7c15u;

static bool lost(unsigned percent)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (seed >> 20) % 100 < percent;
}

static struct span text(const char *s)
{
    return (struct span){(const uint8_t *)s, strlen(s)};
}

static void connect_client(usec_t now)
{
    const struct rtc_client_remote remote = {
        .ufrag = peer.ice.local.ufrag,
        .pwd = peer.ice.local.pwd,
        .fingerprint = *certificate_fingerprint(certificate[0]),
    };

    rtc_client_connect(client, &remote, now);
}

static void begin(bool aggressive, enum dtls_role role)
{
    for (int i = 0; i < 2; i++) {
        if (certificate[i])
            continue;
        T_EQ(certificate_create(&certificate[i]), RC_OK);
        T_EQ(dtls_context_create(&context[i], certificate[i]), RC_OK);
    }
    virtual_clock_set(T0);
    rtc_client_free(client);
    dtls_session_free(peer.dtls);
    if (!peer.agent)
        T_EQ(ice_agent_create(&peer.agent), RC_OK);

    const struct rtc_client_options options = {
        .context = context[1], .role = role, .aggressive = aggressive};
    T_EQ(rtc_client_create(&client, &options), RC_OK);
    T_EQ(ice_session_init(&peer.ice, text(rtc_client_ufrag(client)),
                          text(rtc_client_pwd(client)), T0),
         RC_OK);
    const struct dtls_options server = {
        .role = role == DTLS_CLIENT ? DTLS_SERVER : DTLS_CLIENT,
        .expected = *certificate_fingerprint(certificate[1]),
        .srtp_required = true,
    };
    T_EQ(dtls_session_create(&peer.dtls, context[0], &server, T0), RC_OK);
    T_EQ(address_parse(&peer.client, "192.0.2.1:4000"), RC_OK);
    connect_client(T0);
}

static void deliver_to_peer(struct span datagram, usec_t now)
{
    char ufrag[ICE_UFRAG_LEN + 1];

    if (datagram.p[0] >= 20) {
        if (ice_accepts(&peer.ice, &peer.client))
            (void)dtls_input(peer.dtls, datagram, now);
        return;
    }
    T_EQ(ice_message_ufrag(datagram, ufrag), RC_OK);
    T_EQ(ice_input(peer.agent, &peer.ice, datagram, &peer.client, &NO_ADDRESS, now, &peer.out),
         REFUSAL_NONE);
    if (peer.out.reply_len)
        T_OK(rtc_client_input(client, (struct span){peer.out.reply, peer.out.reply_len}, now));
}

/* One exchange; the latency is in the step of time. */
static void exchange(usec_t now, unsigned loss)
{
    uint8_t buf[2048];
    size_t n;

    while ((n = rtc_client_poll(client, buf, sizeof buf)) > 0) {
        if (!lost(loss))
            deliver_to_peer((struct span){buf, n}, now);
    }
    while (ice_selected(&peer.ice) && (n = dtls_poll(peer.dtls, buf, sizeof buf)) > 0) {
        if (!lost(loss))
            T_OK(rtc_client_input(client, (struct span){buf, n}, now));
    }
}

static usec_t run(usec_t from, usec_t until, unsigned loss)
{
    usec_t now = from;

    for (; now < until; now += LATENCY) {
        virtual_clock_set(now);
        if (rtc_client_deadline(client) <= now)
            rtc_client_tick(client, now);
        if (dtls_deadline(peer.dtls) <= now)
            (void)dtls_tick(peer.dtls, now);
        if (ice_deadline(&peer.ice) <= now)
            ice_tick(&peer.ice, now, &peer.out);
        exchange(now, loss);
        if (rtc_client_connected(client) && dtls_state(peer.dtls) == DTLS_CONNECTED)
            break;
    }
    return now;
}

static void expect_connected(void)
{
    struct dtls_keys ours, theirs;

    T_OK(rtc_client_connected(client));
    T_EQ(peer.ice.state, ICE_CONNECTED);
    T_EQ(dtls_keys(peer.dtls, &ours), RC_OK);
    T_EQ(dtls_keys(rtc_client_dtls(client), &theirs), RC_OK);
    T_MEM(ours.ours.key, theirs.theirs.key, ours.ours.key_len);
    T_OK(address_equal(rtc_client_mapped(client), &peer.client));
}

static void a_client_connects_in_a_few_round_trips(void)
{
    begin(false, DTLS_CLIENT);
    T_OK(run(T0, T0 + SEC(1), 0) < T0 + MSEC(200));
    expect_connected();
}

static void an_aggressive_client_connects(void)
{
    begin(true, DTLS_CLIENT);
    (void)run(T0, T0 + SEC(1), 0);
    expect_connected();
}

static void a_client_that_waits_for_our_client_hello_connects(void)
{
    begin(false, DTLS_SERVER);
    (void)run(T0, T0 + SEC(3), 0);
    expect_connected();
}

static void clients_connect_over_a_link_that_loses_a_fifth(void)
{
    for (int round = 0; round < 30; round++) {
        begin(round % 2, round % 3 ? DTLS_CLIENT : DTLS_SERVER);
        (void)run(T0, T0 + SEC(25), 20);
        expect_connected();
    }
}

static void a_restart_goes_on_with_the_same_dtls(void)
{
    begin(false, DTLS_CLIENT);
    usec_t now = run(T0, T0 + SEC(1), 0);
    expect_connected();

    rtc_client_new_credentials(client);
    T_EQ(ice_session_restart(&peer.ice, text(rtc_client_ufrag(client)),
                             text(rtc_client_pwd(client)), now, &peer.out),
         RC_OK);
    T_EQ(address_parse(&peer.client, "198.51.100.7:9"), RC_OK);
    connect_client(now);
    T_OK(!rtc_client_connected(client));
    (void)run(now, now + SEC(1), 0);
    expect_connected();
    T_OK(address_equal(&ice_selected(&peer.ice)->remote, &peer.client));
}

static const struct t_case cases[] = {
    T_CASE(a_client_connects_in_a_few_round_trips),
    T_CASE(an_aggressive_client_connects),
    T_CASE(a_client_that_waits_for_our_client_hello_connects),
    T_CASE(clients_connect_over_a_link_that_loses_a_fifth),
    T_CASE(a_restart_goes_on_with_the_same_dtls),
};
T_MAIN(cases)

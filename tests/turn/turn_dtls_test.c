#include "turn/turn_dtls.h"

#include "core/refusal.h"
#include "core/tls.h"
#include "tests/t.h"
#include "tests/turn/dtls_client_lib.h"

#include <malloc.h>
#include <openssl/x509.h>

static const usec_t T0 = SEC(1000); /* the test owns time */

static struct dtls_net net;
static SSL_CTX *first, *second; /* certificates */
static struct {
    size_t messages, gone, flushed;
    struct turn_client last;
    bool everybody_has_an_allocation;
    bool close_inside;
    uint64_t seed;
    unsigned lose;
} server;

/* Echoes, with a head of its own. */
static int on_message(void *arg, const struct turn_client *from, struct span message,
                      usec_t now)
{
    T_OK(arg == &net);
    T_EQ(now, net.now);
    T_EQ(from->transport, TURN_DTLS);
    server.messages++;
    server.last = *from;
    if (server.close_inside)
        turn_dtls_close_client(net.dtls, from, now);
    else
        turn_dtls_to_client(net.dtls, from, SPAN_LITERAL("re: "), message, 1);
    return RC_OK;
}

static void on_flush(void *arg, usec_t now)
{
    (void)arg;
    (void)now;
    server.flushed++;
}

static void on_gone(void *arg, const struct turn_client *client, usec_t now)
{
    T_OK(arg == &net);
    T_EQ(now, net.now);
    server.gone++;
    server.last = *client;
}

static bool has_allocation(void *arg, const struct turn_client *client)
{
    (void)arg;
    (void)client;
    return server.everybody_has_an_allocation;
}

static void begin(struct turn_dtls_options options)
{
    char error[TLS_ERROR_MAX];

    if (!first) {
        T_EQ(tls_context_self_signed(&first, NULL, 0, error), RC_OK);
        T_EQ(tls_context_self_signed(&second, NULL, 0, error), RC_OK);
    }
    memset(&server, 0, sizeof server);
    dtls_net_open(&net, T0);
    options.timers = net.timers;
    options.user = (struct turn_dtls_user){
        &net, dtls_net_send, on_message, on_flush, on_gone, has_allocation,
    };
    T_EQ(turn_dtls_create(&net.dtls, &options, first, T0), RC_OK);
}

static void end(void)
{
    turn_dtls_free(net.dtls);
    dtls_net_close(&net);
}

static struct dtls_client *connected_client(unsigned slot, unsigned host, unsigned port)
{
    struct dtls_client *client = dtls_net_client(&net, slot, host, port);

    dtls_net_settle(&net);
    T_OK(client->connected);
    return client;
}

static void is_answered(struct dtls_client *client)
{
    const size_t before = client->received;

    dtls_client_say(&net, client, SPAN_LITERAL("hello"));
    T_EQ(client->received, before + 1);
    T_EQ(client->last_n, 10);
    T_MEM(client->last, "re: hello\0", 10);
}

static void a_client_shakes_hands_and_is_answered(void)
{
    begin((struct turn_dtls_options){0});
    struct dtls_client *client = connected_client(0, 1, 1000);

    T_EQ(turn_dtls_sessions(net.dtls), 1);
    T_EQ(counter_get(&turn_dtls_stats(net.dtls)->half_open), 0);
    T_EQ(counter_get(&turn_dtls_stats(net.dtls)->handshakes), 1);
    is_answered(client);
    is_answered(client);
    T_EQ(server.flushed, 2);
    T_OK(address_equal(&server.last.remote, &client->address));
    T_OK(address_equal(&server.last.local, &net.server));
    T_OK(server.last.connection > 0);
    T_OK(turn_dtls_knows(net.dtls, &client->address, &net.server));
    end();
}

static void a_first_client_hello_makes_no_state_and_a_short_answer(void)
{
    uint8_t hello[2048];

    begin((struct turn_dtls_options){0});
    struct dtls_client *client = dtls_net_client(&net, 0, 1, 1000);
    const size_t n = datagram_bio_take(&client->bio, hello, sizeof hello);
    T_OK(n > 100);
    dtls_net_inject(&net, &client->address, (struct span){hello, n});
    T_EQ(turn_dtls_sessions(net.dtls), 0);
    T_EQ(client->inbox_n, 1);
    T_OK(client->inbox[0].n < n);
    T_EQ(timers_count(net.timers), 0);
    end();
}

static void a_hundred_thousand_forged_hellos_leave_memory_where_it_was(void)
{
    uint8_t hello[2048];
    struct address from;

    begin((struct turn_dtls_options){0});
    struct dtls_client *client = dtls_net_client(&net, 0, 1, 1000);
    const size_t n = datagram_bio_take(&client->bio, hello, sizeof hello);
    T_EQ(address_parse(&from, "203.0.113.1:1"), RC_OK);
    dtls_net_inject(&net, &from, (struct span){hello, n});
    const size_t before = mallinfo2().uordblks;
    for (uint32_t i = 0; i < 100000; i++) {
        from.v4.sin_addr.s_addr = i * 2654435761u;
        turn_dtls_input(net.dtls, &from, &net.server, (struct span){hello, n}, net.now);
    }
    T_OK(mallinfo2().uordblks <= before);
    T_EQ(turn_dtls_sessions(net.dtls), 0);
    T_EQ(net.strays, 100001);
    end();
}

static void a_cookie_does_not_open_another_address(void)
{
    uint8_t hello[2048];
    struct address thief;

    begin((struct turn_dtls_options){0});
    struct dtls_client *client = dtls_net_client(&net, 0, 1, 1000);
    size_t n = datagram_bio_take(&client->bio, hello, sizeof hello);
    dtls_net_inject(&net, &client->address, (struct span){hello, n});
    /* The client reads the cookie; what it says then comes from somebody else. */
    client->bio.in = (struct span){client->inbox[0].bytes, client->inbox[0].n};
    client->inbox_n = 0;
    (void)SSL_connect(client->ssl);
    n = datagram_bio_take(&client->bio, hello, sizeof hello);
    T_OK(n > 0);
    T_EQ(address_parse(&thief, "203.0.113.1:1"), RC_OK);
    dtls_net_inject(&net, &thief, (struct span){hello, n});
    T_EQ(turn_dtls_sessions(net.dtls), 0);
    T_EQ(net.strays, 1);
    T_EQ(net.stray_n, 48); /* a cookie of its own, if it were there */
    dtls_net_inject(&net, &client->address, (struct span){hello, n});
    T_EQ(turn_dtls_sessions(net.dtls), 1);
    end();
}

static bool loses_one(unsigned nth)
{
    return nth == server.lose;
}

static void whichever_datagram_of_the_handshake_is_lost_it_completes(void)
{
    for (unsigned nth = 0; nth < 8; nth++) {
        begin((struct turn_dtls_options){0});
        server.lose = nth;
        net.lost = loses_one;
        struct dtls_client *client = dtls_net_client(&net, 0, 1, 1000);
        dtls_net_run(&net, T0 + SEC(5));
        T_OK(client->connected);
        net.lost = NULL;
        is_answered(client);
        end();
    }
}

static bool loses_a_third(unsigned nth)
{
    (void)nth;
    server.seed ^= server.seed << 13;
    server.seed ^= server.seed >> 7;
    server.seed ^= server.seed << 17;
    return (server.seed >> 20) % 3 == 0;
}

static void with_a_third_lost_most_handshakes_complete_in_time(void)
{
    unsigned completed = 0;

    for (uint64_t seed = 1; seed <= 20; seed++) {
        begin((struct turn_dtls_options){0});
        server.seed = seed * 0x9e3779b97f4a7c15u;
        net.lost = loses_a_third;
        struct dtls_client *client = dtls_net_client(&net, 0, 1, 1000);
        dtls_net_run(&net, T0 + SEC(14));
        net.lost = NULL;
        if (client->connected && turn_dtls_sessions(net.dtls) == 1) {
            is_answered(client);
            completed++;
        }
        end();
    }
    T_OK(completed >= 15);
}

static void a_client_that_begins_anew_replaces_itself(void)
{
    begin((struct turn_dtls_options){0});
    struct dtls_client *client = connected_client(0, 1, 1000);
    is_answered(client);
    const uint64_t old = server.last.connection;
    client = connected_client(0, 1, 1000); /* the same address, another handshake */
    T_EQ(server.gone, 1);
    T_EQ(server.last.connection, old);
    T_EQ(turn_dtls_sessions(net.dtls), 1);
    is_answered(client);
    T_OK(server.last.connection != old);
    end();
}

static void a_forged_hello_does_not_disturb_the_session_of_its_address(void)
{
    uint8_t hello[2048];

    begin((struct turn_dtls_options){0});
    struct dtls_client *client = connected_client(0, 1, 1000);
    struct dtls_client *other = dtls_net_client(&net, 1, 2, 2000);
    const size_t n = datagram_bio_take(&other->bio, hello, sizeof hello);
    dtls_net_inject(&net, &client->address, (struct span){hello, n});
    dtls_net_settle(&net);
    T_EQ(turn_dtls_sessions(net.dtls), 1);
    T_EQ(server.gone, 0);
    is_answered(client);
    end();
}

static void a_repeated_hello_with_its_cookie_changes_nothing(void)
{
    uint8_t hello[2048];

    begin((struct turn_dtls_options){0});
    struct dtls_client *client = dtls_net_client(&net, 0, 1, 1000);
    size_t n = datagram_bio_take(&client->bio, hello, sizeof hello);
    dtls_net_inject(&net, &client->address, (struct span){hello, n});
    client->bio.in = (struct span){client->inbox[0].bytes, client->inbox[0].n};
    client->inbox_n = 0;
    (void)SSL_connect(client->ssl);
    n = datagram_bio_take(&client->bio, hello, sizeof hello);
    dtls_net_inject(&net, &client->address, (struct span){hello, n});
    dtls_net_inject(&net, &client->address, (struct span){hello, n});
    T_EQ(turn_dtls_sessions(net.dtls), 1);
    dtls_net_settle(&net);
    T_OK(client->connected);
    dtls_net_inject(&net, &client->address, (struct span){hello, n});
    T_EQ(server.gone, 0);
    is_answered(client);
    end();
}

/* Its first fragment has the cookie, which is all that the exchange needs. */
static void a_hello_in_fragments_is_put_together(void)
{
    const uint64_t before = refusal_total(REFUSAL_DTLS_UNEXPECTED);
    uint8_t protocols[400];

    begin((struct turn_dtls_options){0});
    for (size_t i = 0; i < sizeof protocols; i++)
        protocols[i] = i % 100 == 0 ? 99 : 'a';
    T_EQ(SSL_CTX_set_alpn_protos(net.context, protocols, sizeof protocols), 0);
    net.client_mtu = 300;
    struct dtls_client *client = connected_client(0, 1, 1000);
    T_OK(refusal_total(REFUSAL_DTLS_UNEXPECTED) >
         before); /* the rest of the one without cookie */
    is_answered(client);
    end();
}

/* Sends its hello with the cookie, and is never heard of again. */
static void leave_half_open(unsigned slot, unsigned host, unsigned port)
{
    struct dtls_client *client = dtls_net_client(&net, slot, host, port);

    for (int flight = 0; flight < 2; flight++) {
        uint8_t hello[2048];
        const size_t n = datagram_bio_take(&client->bio, hello, sizeof hello);
        dtls_net_inject(&net, &client->address, (struct span){hello, n});
        if (flight == 0) {
            client->bio.in = (struct span){client->inbox[0].bytes, client->inbox[0].n};
            (void)SSL_connect(client->ssl);
        }
    }
    SSL_free(client->ssl);
    client->ssl = NULL;
}

static void half_open_sessions_are_bounded_and_end(void)
{
    const uint64_t too_many = refusal_total(REFUSAL_DTLS_TOO_MANY),
                   late = refusal_total(REFUSAL_DTLS_TIMEOUT);

    begin((struct turn_dtls_options){.max_half_open = 2});
    for (unsigned i = 0; i < 3; i++)
        leave_half_open(i, 1 + i, 1000);
    T_EQ(turn_dtls_sessions(net.dtls), 2);
    T_EQ(refusal_total(REFUSAL_DTLS_TOO_MANY) - too_many, 1);
    T_EQ(counter_get(&turn_dtls_stats(net.dtls)->half_open), 2);
    dtls_net_run(&net, T0 + TURN_DTLS_HANDSHAKE_TIME - 1);
    T_EQ(turn_dtls_sessions(net.dtls), 2);
    dtls_net_run(&net, T0 + TURN_DTLS_HANDSHAKE_TIME);
    T_EQ(turn_dtls_sessions(net.dtls), 0);
    T_EQ(counter_get(&turn_dtls_stats(net.dtls)->half_open), 0);
    T_EQ(refusal_total(REFUSAL_DTLS_TIMEOUT) - late, 2);
    T_EQ(server.gone, 0); /* the server never heard of them */
    T_OK(net.strays > 6); /* the flights were repeated meanwhile */
    end();
}

static void no_source_has_all_that_may_be_half_open(void)
{
    const uint64_t before = refusal_total(REFUSAL_IP_LIMIT);

    begin((struct turn_dtls_options){.max_half_open_per_source = 2});
    connected_client(0, 1, 1000);
    connected_client(1, 1, 1001);
    leave_half_open(2, 1, 1002);
    leave_half_open(3, 1, 1003);
    struct dtls_client *late = dtls_net_client(&net, 4, 1, 1004);
    dtls_net_settle(&net);
    T_OK(!late->connected);
    T_EQ(refusal_total(REFUSAL_IP_LIMIT) - before, 1);
    T_EQ(turn_dtls_sessions(net.dtls), 4);
    connected_client(5, 2, 1000); /* somebody else */
    dtls_net_run(&net, T0 + TURN_DTLS_HANDSHAKE_TIME + TURN_DTLS_TIMER_MAX);
    T_OK(late->connected); /* those have gone, and it asked again */
    T_EQ(turn_dtls_sessions(net.dtls), 4);
    end();
}

static void each_source_has_so_many_sessions_and_no_more(void)
{
    const uint64_t before = refusal_total(REFUSAL_IP_LIMIT);

    begin((struct turn_dtls_options){.max_per_source = 2});
    struct dtls_client *a = connected_client(0, 1, 1000);
    connected_client(1, 1, 1001);
    struct dtls_client *c = dtls_net_client(&net, 2, 1, 1002);
    dtls_net_settle(&net);
    T_OK(!c->connected);
    T_EQ(refusal_total(REFUSAL_IP_LIMIT) - before, 1);
    connected_client(3, 2, 1000); /* somebody else */
    dtls_client_leave(&net, a);
    connected_client(2, 1, 1003);
    T_EQ(turn_dtls_sessions(net.dtls), 3);
    end();
}

static void there_are_so_many_sessions_and_no_more(void)
{
    begin((struct turn_dtls_options){.max_sessions = 1});
    connected_client(0, 1, 1000);
    struct dtls_client *late = dtls_net_client(&net, 1, 2, 1000);
    dtls_net_settle(&net);
    T_OK(!late->connected);
    T_EQ(turn_dtls_sessions(net.dtls), 1);
    end();
}

static void who_has_no_allocation_in_time_is_closed(void)
{
    const uint64_t before = refusal_total(REFUSAL_REQUEST_TIMEOUT);

    begin((struct turn_dtls_options){0});
    struct dtls_client *client = connected_client(0, 1, 1000);
    server.everybody_has_an_allocation = true;
    dtls_net_run(&net, T0 + 3 * TURN_DTLS_IDLE);
    T_EQ(turn_dtls_sessions(net.dtls), 1);
    is_answered(client);
    server.everybody_has_an_allocation = false;
    dtls_net_run(&net, T0 + 4 * TURN_DTLS_IDLE);
    T_EQ(turn_dtls_sessions(net.dtls), 0);
    T_EQ(server.gone, 1);
    T_OK(client->closed);
    T_EQ(refusal_total(REFUSAL_REQUEST_TIMEOUT) - before, 1);
    end();
}

static void the_server_closes_a_session_with_a_word(void)
{
    begin((struct turn_dtls_options){0});
    struct dtls_client *client = connected_client(0, 1, 1000);
    is_answered(client);
    const struct turn_client who = server.last;
    turn_dtls_close_client(net.dtls, &who, net.now);
    dtls_net_settle(&net);
    T_OK(client->closed);
    T_EQ(server.gone, 0); /* it knows */
    T_EQ(turn_dtls_sessions(net.dtls), 0);
    turn_dtls_close_client(net.dtls, &who, net.now);
    turn_dtls_to_client(net.dtls, &who, SPAN_LITERAL("lost"), (struct span){NULL, 0}, 0);
    end();
}

static void a_session_may_be_closed_while_its_message_is_handled(void)
{
    begin((struct turn_dtls_options){0});
    struct dtls_client *client = connected_client(0, 1, 1000);
    server.close_inside = true;
    dtls_client_say(&net, client, SPAN_LITERAL("bye"));
    T_OK(client->closed);
    T_EQ(server.messages, 1);
    T_EQ(turn_dtls_sessions(net.dtls), 0);
    end();
}

static void a_client_that_says_goodbye_is_gone(void)
{
    begin((struct turn_dtls_options){0});
    struct dtls_client *client = connected_client(0, 1, 1000);
    dtls_client_leave(&net, client);
    T_EQ(server.gone, 1);
    T_EQ(turn_dtls_sessions(net.dtls), 0);
    T_EQ(timers_count(net.timers), 0);
    end();
}

static void an_answer_to_an_old_session_does_not_reach_the_new_one(void)
{
    begin((struct turn_dtls_options){0});
    struct dtls_client *client = connected_client(0, 1, 1000);
    is_answered(client);
    const struct turn_client old = server.last;
    client = connected_client(0, 1, 1000);
    turn_dtls_to_client(net.dtls, &old, SPAN_LITERAL("secret"), (struct span){NULL, 0}, 0);
    dtls_net_settle(&net);
    T_EQ(client->received, 0);
    end();
}

static void forged_datagrams_do_not_end_a_session(void)
{
    static const struct span rows[] = {
        /* An alert in the clear; one that claims to be encrypted and is too short for it; one
         * that is long enough and wrong; a record that is cut off; one without a body. */
        {(const uint8_t *)"\x15\xfe\xfd\0\0\0\0\0\0\0\x09\0\2\2\x28", 15},
        {(const uint8_t *)"\x15\xfe\xfd\0\1\0\0\0\0\0\x09\0\2\2\x28", 15},
        {(const uint8_t *)"\x17\xfe\xfd\0\1\0\0\0\0\0\x09\0\x17"
                          "abcdefghijklmnopqrstuvw",
         36},
        {(const uint8_t *)"\x17\xfe\xfd\0\1\0\0\0\0\0\x0a\0\x1c"
                          "abcdefghijklmnopqrstuvwxyzab",
         41},
        {(const uint8_t *)"\x17\xfe\xfd\0\1\0\0\0\0\0\x0b\0\xff"
                          "abc",
         16},
        {(const uint8_t *)"\x17\xfe\xfd\0\1\0\0\0\0\0\x0c\0\0", 13},
        {(const uint8_t *)"\x16", 1},
        {(const uint8_t *)"\x3f\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 14},
    };

    begin((struct turn_dtls_options){0});
    struct dtls_client *client = connected_client(0, 1, 1000);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        dtls_net_inject(&net, &client->address, rows[i]);
        T_EQ(server.gone, 0);
        is_answered(client);
    }
    T_EQ(server.messages, ARRAY_LEN(rows));
    end();
}

static void a_datagram_of_a_stranger_is_counted_and_nothing_else(void)
{
    const uint64_t before = refusal_total(REFUSAL_DTLS_UNEXPECTED);
    struct address from;

    begin((struct turn_dtls_options){0});
    T_EQ(address_parse(&from, "203.0.113.1:1"), RC_OK);
    dtls_net_inject(&net, &from, SPAN_LITERAL("\x17\xfe\xfd\0\1\0\0\0\0\0\x0c\0\0"));
    dtls_net_inject(&net, &from, SPAN_LITERAL(""));
    T_EQ(refusal_total(REFUSAL_DTLS_UNEXPECTED) - before, 2);
    T_EQ(net.strays, 0);
    end();
}

static bool has_certificate_of(const struct dtls_client *client, SSL_CTX *context)
{
    X509 *theirs = SSL_get1_peer_certificate(client->ssl);
    const bool same = X509_cmp(theirs, SSL_CTX_get0_certificate(context)) == 0;

    X509_free(theirs);
    return same;
}

static void a_new_certificate_is_for_new_sessions(void)
{
    begin((struct turn_dtls_options){0});
    SSL_CTX *empty = SSL_CTX_new(TLS_server_method());
    struct dtls_client *old = connected_client(0, 1, 1000);
    T_OK(has_certificate_of(old, first));
    T_EQ(turn_dtls_certificate(net.dtls, empty), RC_BAD); /* what was goes on */
    T_EQ(turn_dtls_certificate(net.dtls, second), RC_OK);
    struct dtls_client *new = connected_client(1, 2, 1000);
    T_OK(has_certificate_of(new, second));
    is_answered(old);
    is_answered(new);
    SSL_CTX_free(empty);
    end();
}

static void a_message_that_is_too_long_is_counted_and_not_sent(void)
{
    static uint8_t data[TURN_DTLS_MESSAGE_MAX + 1];

    begin((struct turn_dtls_options){0});
    struct dtls_client *client = connected_client(0, 1, 1000);
    is_answered(client);
    turn_dtls_to_client(net.dtls, &server.last, (struct span){NULL, 0},
                        (struct span){data, sizeof data}, 0);
    dtls_net_settle(&net);
    T_EQ(client->received, 1);
    T_EQ(counter_get(&turn_dtls_stats(net.dtls)->dropped_oversize), 1);
    turn_dtls_to_client(net.dtls, &server.last, (struct span){NULL, 0},
                        (struct span){data, sizeof data - 1}, 0);
    dtls_net_settle(&net);
    T_EQ(client->received, 2);
    T_EQ(client->last_n, TURN_DTLS_MESSAGE_MAX);
    end();
}

static const struct t_case cases[] = {
    T_CASE(a_client_shakes_hands_and_is_answered),
    T_CASE(a_first_client_hello_makes_no_state_and_a_short_answer),
    T_CASE(a_hundred_thousand_forged_hellos_leave_memory_where_it_was),
    T_CASE(a_cookie_does_not_open_another_address),
    T_CASE(whichever_datagram_of_the_handshake_is_lost_it_completes),
    T_CASE(with_a_third_lost_most_handshakes_complete_in_time),
    T_CASE(a_client_that_begins_anew_replaces_itself),
    T_CASE(a_forged_hello_does_not_disturb_the_session_of_its_address),
    T_CASE(a_repeated_hello_with_its_cookie_changes_nothing),
    T_CASE(a_hello_in_fragments_is_put_together),
    T_CASE(half_open_sessions_are_bounded_and_end),
    T_CASE(no_source_has_all_that_may_be_half_open),
    T_CASE(each_source_has_so_many_sessions_and_no_more),
    T_CASE(there_are_so_many_sessions_and_no_more),
    T_CASE(who_has_no_allocation_in_time_is_closed),
    T_CASE(the_server_closes_a_session_with_a_word),
    T_CASE(a_session_may_be_closed_while_its_message_is_handled),
    T_CASE(a_client_that_says_goodbye_is_gone),
    T_CASE(an_answer_to_an_old_session_does_not_reach_the_new_one),
    T_CASE(forged_datagrams_do_not_end_a_session),
    T_CASE(a_datagram_of_a_stranger_is_counted_and_nothing_else),
    T_CASE(a_new_certificate_is_for_new_sessions),
    T_CASE(a_message_that_is_too_long_is_counted_and_not_sent),
};

int main(int argc, char **argv)
{
    const int rc = t_run(cases, ARRAY_LEN(cases), argc, argv);

    SSL_CTX_free(first);
    SSL_CTX_free(second);
    return rc;
}

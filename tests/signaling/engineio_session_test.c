#include "core/refusal.h"
#include "tests/signaling/fake_wire.h"
#include "tests/t.h"

#define OPEN_POLLING                                                                           \
    "0{\"sid\":\"ABCDEFGHIJKLMNOPQRST\",\"upgrades\":[\"websocket\"],\"pingInterval\":25000,"  \
    "\"pingTimeout\":120000,\"maxPayload\":1000000}"
#define OPEN_WEBSOCKET                                                                         \
    "0{\"sid\":\"ABCDEFGHIJKLMNOPQRST\",\"upgrades\":[],\"pingInterval\":25000,"               \
    "\"pingTimeout\":120000,\"maxPayload\":1000000}|"

/* A polling session whose open packet has been fetched. */
static void open_polling(struct fake *fake, int protocol)
{
    struct fake_request get;

    fake_open(fake, protocol, NULL);
    fake_get(fake, &get);
    T_EQ(get.status, 200);
}

static void the_first_poll_gets_the_open_packet(void)
{
    struct fake fake = {0};
    struct fake_request get;

    fake_open(&fake, 4, NULL);
    fake_get(&fake, &get);
    T_EQ(get.status, 200);
    T_STR(get.body, OPEN_POLLING);
    T_STR(get.type, "text/plain; charset=UTF-8");
    fake_close(&fake);
}

static void a_websocket_gets_the_open_packet(void)
{
    struct fake fake = {0};
    struct fake_socket socket = {0};

    fake_open(&fake, 4, &socket);
    T_STR(socket.sent, OPEN_WEBSOCKET);
    fake_close(&fake);
    T_OK(socket.closed);
}

static void a_poll_waits_for_a_message(void)
{
    struct fake fake = {0};
    struct fake_request get;

    open_polling(&fake, 4);
    fake_get(&fake, &get);
    T_EQ(get.status, 0);
    T_EQ(fake_send(&fake, "hello"), RC_OK);
    T_EQ(get.status, 200);
    T_STR(get.body, "4hello");
    fake_close(&fake);
}

static void messages_wait_for_a_poll(void)
{
    struct fake fake = {0};
    struct fake_request get;

    open_polling(&fake, 4);
    T_EQ(fake_send(&fake, "one"), RC_OK);
    T_EQ(fake_send(&fake, "two"), RC_OK);
    T_EQ(eio_session_backlog(&fake.session), 8);
    fake_get(&fake, &get);
    T_STR(get.body, "4one\x1e"
                    "4two");
    T_EQ(eio_session_backlog(&fake.session), 0);
    fake_close(&fake);
}

static void the_answers_to_one_post_come_in_one_payload(void)
{
    struct fake fake = {.echo = true};
    struct fake_request get, post;

    open_polling(&fake, 4);
    fake_get(&fake, &get);
    fake_post(&fake, &post,
              "4a\x1e"
              "4b\x1e"
              "bAQID");
    T_EQ(post.status, 200);
    T_STR(post.body, "ok");
    T_STR(get.body, "4a\x1e"
                    "4b\x1e"
                    "bAQID");
    fake_close(&fake);
}

static void revision_3_speaks_in_lengths(void)
{
    struct fake fake = {.echo = true};
    struct fake_request get, post;

    open_polling(&fake, 3);
    fake_post(&fake, &post, "6:4hello1:2");
    T_STR(post.body, "ok");
    fake_get(&fake, &get);
    T_STR(get.body, "6:4hello1:3");
    fake_close(&fake);
}

static void a_malformed_post_closes_the_session(void)
{
    static const char *const bad[] = {"abc", "", "2", "0{}", "5", "4\xff", "bA*==", "4a\x1e"};

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct fake fake = {0};
        struct fake_request get, post;

        printf("    %s\n", bad[i]);
        open_polling(&fake, 4);
        fake_get(&fake, &get);
        fake_post(&fake, &post, bad[i]);
        T_EQ(post.status, 400);
        T_STR(post.body, "{\"code\":3,\"message\":\"Bad request\"}");
        T_STR(get.body, "1");
        T_EQ(fake.why, EIO_CLOSE_BAD_PACKET);
        fake_close(&fake);
    }
}

static void two_polls_at_once_close_the_session(void)
{
    struct fake fake = {0};
    struct fake_request first, second;

    open_polling(&fake, 4);
    fake_get(&fake, &first);
    fake_get(&fake, &second);
    T_EQ(first.status, 200);
    T_STR(first.body, "1");
    T_EQ(second.status, 400);
    T_EQ(fake.why, EIO_CLOSE_OVERLAP);
    T_EQ(fake.gone, 1);
    fake_close(&fake);
}

static void a_poll_that_goes_away_closes_the_session(void)
{
    struct fake fake = {0};
    struct fake_request get;

    open_polling(&fake, 4);
    fake_get(&fake, &get);
    eio_session_poll_gone(&fake.session);
    T_EQ(fake.why, EIO_CLOSE_TRANSPORT);
    T_EQ(fake.gone, 1);
    fake_close(&fake);
}

static void a_client_may_say_close(void)
{
    struct fake fake = {0};
    struct fake_request get, post;

    open_polling(&fake, 4);
    fake_get(&fake, &get);
    fake_post(&fake, &post, "1");
    T_STR(post.body, "ok");
    T_STR(get.body, "6");
    T_EQ(fake.why, EIO_CLOSE_CLIENT);
    fake_close(&fake);
}

static void what_was_sent_before_a_close_is_still_fetched(void)
{
    struct fake fake = {0};
    struct fake_request get;

    open_polling(&fake, 4);
    T_EQ(fake_send(&fake, "bye"), RC_OK);
    eio_session_end(&fake.session, EIO_CLOSE_SERVER, fake.now);
    T_EQ(fake.closed, 1);
    T_EQ(fake.gone, 0);
    T_EQ(fake_send(&fake, "more"), RC_BAD);
    fake_get(&fake, &get);
    T_STR(get.body, "4bye"); /* alone: clients act on a close before the messages beside it */
    T_EQ(fake.gone, 0);
    fake_get(&fake, &get);
    T_STR(get.body, "1");
    T_EQ(fake.gone, 1);
    fake_close(&fake);
}

static void a_closed_session_does_not_linger_for_ever(void)
{
    struct fake fake = {0};

    open_polling(&fake, 4);
    eio_session_end(&fake.session, EIO_CLOSE_SHUTDOWN, fake.now);
    fake_pass(&fake, EIO_LINGER - 1);
    T_EQ(fake.gone, 0);
    fake_pass(&fake, 1);
    T_EQ(fake.gone, 1);
    fake_close(&fake);
}

static void the_server_pings_and_the_client_must_answer(void)
{
    struct fake fake = {0};
    struct fake_socket socket = {0};
    const uint64_t before = refusal_total(REFUSAL_EIO_PING_TIMEOUT);

    fake_open(&fake, 4, &socket);
    fake_pass(&fake, SEC(25) - 1);
    T_STR(socket.sent, OPEN_WEBSOCKET);
    fake_pass(&fake, 1);
    T_STR(socket.sent, OPEN_WEBSOCKET "2|");
    fake_pass(&fake, SEC(120) - 1);
    fake_text(&fake, &socket, "3");
    fake_pass(&fake, SEC(25));
    T_STR(socket.sent, OPEN_WEBSOCKET "2|2|");
    fake_pass(&fake, SEC(120) - 1);
    T_OK(!socket.closed);
    fake_pass(&fake, 1);
    T_OK(socket.closed);
    T_EQ(fake.why, EIO_CLOSE_PING_TIMEOUT);
    T_EQ(refusal_total(REFUSAL_EIO_PING_TIMEOUT), before + 1);
    fake_close(&fake);
}

static void a_ping_ends_a_poll(void)
{
    struct fake fake = {0};
    struct fake_request get;

    open_polling(&fake, 4);
    fake_get(&fake, &get);
    fake_pass(&fake, SEC(25));
    T_STR(get.body, "2");
    fake_close(&fake);
}

static void in_revision_3_the_client_pings(void)
{
    struct fake fake = {0};
    struct fake_socket socket = {0};

    fake_open(&fake, 3, &socket);
    fake_pass(&fake, SEC(145) - 1);
    fake_text(&fake, &socket, "2");
    T_STR(socket.sent, OPEN_WEBSOCKET "3|");
    fake_pass(&fake, SEC(145) - 1);
    T_OK(!socket.closed);
    fake_pass(&fake, 1);
    T_EQ(fake.why, EIO_CLOSE_PING_TIMEOUT);
    fake_close(&fake);
}

static void heartbeats_the_wrong_way_are_malformed(void)
{
    static const char *const wrong[] = {[3] = "3", [4] = "2"};

    for (int protocol = 3; protocol <= 4; protocol++) {
        struct fake fake = {0};
        struct fake_socket socket = {0};

        fake_open(&fake, protocol, &socket);
        fake_text(&fake, &socket, wrong[protocol]);
        T_OK(socket.closed);
        T_EQ(fake.why, EIO_CLOSE_BAD_PACKET);
        fake_close(&fake);
    }
}

static void an_upgrade_moves_the_session_to_the_socket(void)
{
    struct fake fake = {.echo = true};
    struct fake_request get;
    struct fake_socket socket = {0};

    open_polling(&fake, 4);
    fake_get(&fake, &get);
    T_OK(eio_session_upgradable(&fake.session));
    T_EQ(eio_session_probe(&fake.session, &socket, fake.now), RC_OK);
    T_OK(!eio_session_upgradable(&fake.session));
    T_EQ(get.status, 0);

    fake_text(&fake, &socket, "2probe");
    T_STR(socket.sent, "3probe|");
    T_STR(get.body, "6"); /* a noop ends the poll */
    fake_get(&fake, &get);
    T_STR(get.body, "6"); /* and any other until the upgrade */

    T_EQ(fake_send(&fake, "early"), RC_OK);
    T_EQ(eio_session_transport(&fake.session), EIO_POLLING);
    fake_text(&fake, &socket, "5");
    T_EQ(eio_session_transport(&fake.session), EIO_WEBSOCKET);
    T_STR(socket.sent, "3probe|4early|");
    fake_text(&fake, &socket, "4hello");
    T_STR(socket.sent, "3probe|4early|4hello|");

    fake_get(&fake, &get);
    T_EQ(get.status, 400); /* polls belong to nobody any more */
    T_OK(!eio_session_upgradable(&fake.session));
    T_EQ(fake.closed, 0);
    fake_close(&fake);
}

static void a_probe_that_errs_leaves_the_session_polling(void)
{
    static const char *const wrong[] = {"5",       "4hello", "2", "2prob",
                                        "2probes", "3probe", "x", ""};

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct fake fake = {0};
        struct fake_socket socket = {0};
        struct fake_request get;

        printf("    %s\n", wrong[i]);
        open_polling(&fake, 4);
        T_EQ(eio_session_probe(&fake.session, &socket, fake.now), RC_OK);
        fake_text(&fake, &socket, wrong[i]);
        T_OK(socket.closed);
        T_OK(eio_session_upgradable(&fake.session));
        fake_get(&fake, &get);
        T_EQ(fake_send(&fake, "still here"), RC_OK);
        T_STR(get.body, "4still here");
        fake_close(&fake);
    }
}

static void a_probe_that_does_nothing_is_closed(void)
{
    struct fake fake = {0};
    struct fake_socket socket = {0};

    open_polling(&fake, 4);
    T_EQ(eio_session_probe(&fake.session, &socket, fake.now), RC_OK);
    fake_pass(&fake, SEC(30) - 1);
    T_OK(!socket.closed);
    fake_pass(&fake, 1);
    T_OK(socket.closed);
    T_EQ(fake.closed, 0);
    fake_close(&fake);
}

static void a_probe_that_vanishes_leaves_the_session_polling(void)
{
    struct fake fake = {0};
    struct fake_socket socket = {0};

    open_polling(&fake, 4);
    T_EQ(eio_session_probe(&fake.session, &socket, fake.now), RC_OK);
    eio_session_socket_gone(&fake.session, &socket, EIO_CLOSE_TRANSPORT);
    T_OK(eio_session_upgradable(&fake.session));
    T_OK(!socket.closed);
    fake_close(&fake);
}

static void a_session_that_ends_takes_its_probe_along(void)
{
    struct fake fake = {0};
    struct fake_socket socket = {0};
    struct fake_request post;

    open_polling(&fake, 4);
    T_EQ(eio_session_probe(&fake.session, &socket, fake.now), RC_OK);
    fake_post(&fake, &post, "1");
    T_OK(socket.closed);
    fake_close(&fake);
}

/* The client has stopped polling and hears nothing but the probe. */
static void an_end_in_the_middle_of_an_upgrade_is_told_on_the_socket(void)
{
    struct fake fake = {0};
    struct fake_socket socket = {0};

    open_polling(&fake, 4);
    T_EQ(eio_session_probe(&fake.session, &socket, fake.now), RC_OK);
    fake_text(&fake, &socket, "2probe");
    T_EQ(fake_send(&fake, "bye"), RC_OK);
    eio_session_end(&fake.session, EIO_CLOSE_SHUTDOWN, fake.now);
    T_EQ(fake.closed, 1);
    T_OK(!socket.closed);
    fake_text(&fake, &socket, "5");
    T_STR(socket.sent, "3probe|4bye|");
    T_OK(socket.closed);
    T_EQ(fake.gone, 1);
    fake_close(&fake);
}

static void a_socket_that_vanishes_ends_the_session(void)
{
    struct fake fake = {0};
    struct fake_socket socket = {0};

    fake_open(&fake, 4, &socket);
    eio_session_socket_gone(&fake.session, &socket, EIO_CLOSE_TRANSPORT);
    T_EQ(fake.why, EIO_CLOSE_TRANSPORT);
    T_OK(!socket.closed);
    fake_close(&fake);
}

static void a_client_that_never_polls_is_closed_at_the_limit(void)
{
    struct fake fake = {.host.options = {.queue_messages = 3}};
    const uint64_t before = refusal_total(REFUSAL_SLOW_READER);

    open_polling(&fake, 4);
    for (int i = 0; i < 3; i++)
        T_EQ(fake_send(&fake, "x"), RC_OK);
    T_EQ(fake_send(&fake, "x"), RC_FULL);
    T_EQ(fake.closed, 0); /* not from inside */
    T_EQ(fake_send(&fake, "x"), RC_BAD);
    fake_pass(&fake, 1);
    T_EQ(fake.why, EIO_CLOSE_SLOW_READER);
    T_EQ(fake.gone, 1);
    T_EQ(refusal_total(REFUSAL_SLOW_READER), before + 1);
    fake_close(&fake);
}

static void bytes_that_wait_are_limited_too(void)
{
    struct fake fake = {.host.options = {.queue_bytes = 200}};

    open_polling(&fake, 4);
    T_EQ(fake_send(&fake, OPEN_WEBSOCKET), RC_OK);
    T_EQ(fake_send(&fake, OPEN_WEBSOCKET), RC_FULL);
    fake_pass(&fake, 1);
    T_EQ(fake.why, EIO_CLOSE_SLOW_READER);
    fake_close(&fake);
}

static void a_flood_is_closed_and_counted(void)
{
    struct fake fake = {.host.options = {.packets_per_second = 100}};
    struct fake_socket socket = {0};
    const uint64_t before = refusal_total(REFUSAL_RATE_LIMIT);

    fake_open(&fake, 4, &socket);
    for (int i = 0; i < 100; i++)
        fake_text(&fake, &socket, "4");
    fake_pass(&fake, SEC(1));
    for (int i = 0; i < 100; i++)
        fake_text(&fake, &socket, "4");
    T_OK(!socket.closed);
    fake_text(&fake, &socket, "4");
    T_OK(socket.closed);
    T_EQ(fake.why, EIO_CLOSE_FLOOD);
    T_EQ(refusal_total(REFUSAL_RATE_LIMIT), before + 1);
    fake_close(&fake);
}

static void end_now(struct fake *fake)
{
    eio_session_end(&fake->session, EIO_CLOSE_SERVER, fake->now);
}

static void a_handler_may_end_the_session_it_is_called_for(void)
{
    struct fake fake = {.on_message = end_now}, other = {.on_message = end_now};
    struct fake_request get, post;
    struct fake_socket socket = {0};

    open_polling(&fake, 4);
    fake_get(&fake, &get);
    fake_post(&fake, &post,
              "4a\x1e"
              "4b");
    T_STR(fake.messages, "a|");
    T_STR(post.body, "ok");
    T_STR(get.body, "1");
    fake_close(&fake);

    fake_open(&other, 4, &socket);
    fake_text(&other, &socket, "4a");
    T_OK(socket.closed);
    fake_close(&other);
}

static void send_to_self(struct fake *fake)
{
    (void)fake_send(fake, "x");
}

static void a_socket_that_refuses_is_left_to_close_itself(void)
{
    struct fake fake = {.on_message = send_to_self};
    struct fake_socket socket = {0};

    fake_open(&fake, 4, &socket);
    socket.refuses = true;
    T_EQ(fake_send(&fake, "x"), RC_FULL);
    fake_text(&fake, &socket, "4a");
    T_EQ(fake.closed, 0);
    eio_session_socket_gone(&fake.session, &socket, EIO_CLOSE_SLOW_READER);
    T_EQ(fake.why, EIO_CLOSE_SLOW_READER);
    fake_close(&fake);
}

static void octets_are_for_revision_3(void)
{
    static const uint8_t octets[] = {0, 2, 0xff, '4', 'a', 1, 3, 0xff, 4, 1, 2};
    struct fake v3 = {.echo = true}, v4 = {0};
    struct fake_request get, post = {0}, refused = {0};
    const struct span body = {octets, sizeof octets};

    open_polling(&v3, 3);
    eio_session_post(&v3.session, &post, body, true, v3.now);
    T_STR(post.body, "ok");
    fake_get(&v3, &get);
    T_STR(get.type, "application/octet-stream");
    T_EQ(get.n, sizeof octets);
    T_MEM(get.body, octets, sizeof octets);
    fake_close(&v3);

    open_polling(&v4, 4);
    eio_session_post(&v4.session, &refused, body, true, v4.now);
    T_EQ(refused.status, 400);
    fake_close(&v4);
}

static const struct t_case cases[] = {
    T_CASE(the_first_poll_gets_the_open_packet),
    T_CASE(a_websocket_gets_the_open_packet),
    T_CASE(a_poll_waits_for_a_message),
    T_CASE(messages_wait_for_a_poll),
    T_CASE(the_answers_to_one_post_come_in_one_payload),
    T_CASE(revision_3_speaks_in_lengths),
    T_CASE(a_malformed_post_closes_the_session),
    T_CASE(two_polls_at_once_close_the_session),
    T_CASE(a_poll_that_goes_away_closes_the_session),
    T_CASE(a_client_may_say_close),
    T_CASE(what_was_sent_before_a_close_is_still_fetched),
    T_CASE(a_closed_session_does_not_linger_for_ever),
    T_CASE(the_server_pings_and_the_client_must_answer),
    T_CASE(a_ping_ends_a_poll),
    T_CASE(in_revision_3_the_client_pings),
    T_CASE(heartbeats_the_wrong_way_are_malformed),
    T_CASE(an_upgrade_moves_the_session_to_the_socket),
    T_CASE(a_probe_that_errs_leaves_the_session_polling),
    T_CASE(a_probe_that_does_nothing_is_closed),
    T_CASE(a_probe_that_vanishes_leaves_the_session_polling),
    T_CASE(a_session_that_ends_takes_its_probe_along),
    T_CASE(an_end_in_the_middle_of_an_upgrade_is_told_on_the_socket),
    T_CASE(a_socket_that_vanishes_ends_the_session),
    T_CASE(a_client_that_never_polls_is_closed_at_the_limit),
    T_CASE(bytes_that_wait_are_limited_too),
    T_CASE(a_flood_is_closed_and_counted),
    T_CASE(a_handler_may_end_the_session_it_is_called_for),
    T_CASE(a_socket_that_refuses_is_left_to_close_itself),
    T_CASE(octets_are_for_revision_3),
};
T_MAIN(cases)

#include "relay/ice_tcp.h"

#include "core/clock.h"
#include "relay/ice.h"
#include "tests/relay/live_call_lib.h"
#include "tests/relay/stun_builder_lib.h"
#include "tests/t.h"

#include <fcntl.h>
#include <unistd.h>

static struct live_world *world;

static void begin(enum live_transport transport, unsigned workers)
{
    alarm(120); /* a case that hangs is a case that fails */
    world = live_begin(&(struct live_options){.transport = transport, .workers = workers});
}

static bool reports_are_there(void)
{
    return world->guest[0].qualities > 0 && world->guest[1].qualities > 0;
}

static bool nobody_is_connected(void)
{
    return listener_connections(world->listener) == 0;
}

static void two_guests_meet(void)
{
    live_add();
    live_add();
    T_OK(live_until(live_all_connected, LIVE_PATIENCE));
    live_link(0, 1);
    live_start_media();
    live_expect_media(0, 1);
}

/* --- media -----------------------------------------------------------------------------------
 */

static void meet_over(enum live_transport transport, unsigned workers)
{
    begin(transport, workers);
    two_guests_meet();
    T_EQ(listener_connections(world->listener), 2);
    T_OK(live_until(reports_are_there, LIVE_PATIENCE));
    T_EQ(world->guest[0].path, RELAY_PATH_TCP);
    T_EQ(world->guest[1].path, RELAY_PATH_TCP);
    live_close(0); /* the client is told, and its connection is closed */
    live_close(1);
    T_OK(live_until(nobody_is_connected, LIVE_PATIENCE));
    live_run(MSEC(20));
    T_OK(world->guest[0].hung_up);
    T_OK(media_client_heard(world->guest[0].client)->bye.count > 0);
    T_OK(media_client_heard(world->guest[0].client)->closed);
    live_end();
}

static void two_clients_meet_over_tcp(void)
{
    meet_over(LIVE_TCP, 1);
}

static void two_clients_meet_inside_tls(void)
{
    meet_over(LIVE_TLS, 1);
}

static void each_connection_goes_to_the_worker_of_its_session(void)
{
    meet_over(LIVE_TCP, 2);
}

static void tcp_tls_and_udp_meet_each_other(void)
{
    begin(LIVE_TCP, 1);
    live_add();
    world->transport = LIVE_UDP;
    live_add();
    live_add();
    world->transport = LIVE_TLS;
    live_add();
    T_OK(live_until(live_all_connected, LIVE_PATIENCE));
    live_link(0, 1);
    live_link(2, 3);
    live_start_media();
    live_expect_media(0, 1);
    live_expect_media(2, 3);
    live_end();
}

static void a_client_whose_connection_broke_comes_back_by_another(void)
{
    begin(LIVE_TCP, 1);
    two_guests_meet();
    live_reconnect(0);
    live_expect_media(0, 1);
    T_EQ(world->guest[0].failed, 0);
    T_EQ(listener_connections(world->listener), 2);
    live_end();
}

static void a_relay_that_stops_says_goodbye_over_tcp(void)
{
    begin(LIVE_TLS, 1);
    two_guests_meet();
    live_stop_relay();
    live_run(MSEC(50));
    T_OK(media_client_heard(world->guest[0].client)->bye.count > 0);
    T_OK(world->guest[1].hung_up);
    T_EQ(listener_connections(world->listener), 0);
    live_end();
}

/* --- strangers -------------------------------------------------------------------------------
 */

static int dial(void)
{
    const struct address to = listener_address(world->listener);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    T_OK(fd >= 0);
    T_EQ(connect(fd, &to.sa, address_len(&to)), 0);
    T_EQ(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

static struct {
    int fd;
} stranger;

static bool stranger_is_out(void)
{
    char c;

    return recv(stranger.fd, &c, 1, MSG_DONTWAIT) == 0;
}

static void say_frame(const struct stun_builder *builder)
{
    uint8_t frame[1500];

    store_be16(frame, (uint16_t)builder->n);
    memcpy(frame + 2, builder->bytes, builder->n);
    T_EQ(send(stranger.fd, frame, builder->n + 2, MSG_NOSIGNAL), (long long)builder->n + 2);
}

/* A check for this session; `pwd` NULL: without integrity. */
static void build_check(struct stun_builder *builder, const char *ufrag, const char *pwd)
{
    char username[64];

    snprintf(username, sizeof username, "%s:abcd", ufrag);
    stun_builder_begin(builder, STUN_BINDING_REQUEST, (const uint8_t *)"transaction1");
    stun_builder_append(builder, 0x0006, username, strlen(username));
    if (pwd)
        stun_builder_integrity(builder, pwd);
    stun_builder_fingerprint(builder);
}

static void expect_out(enum refusal why, const char *ufrag, const char *pwd)
{
    const uint64_t before = refusal_total(why);
    struct stun_builder builder;

    stranger.fd = dial();
    build_check(&builder, ufrag, pwd);
    say_frame(&builder);
    T_OK(live_until(stranger_is_out, LIVE_PATIENCE));
    T_EQ(refusal_total(why) - before, 1);
    close(stranger.fd);
    T_OK(live_until(nobody_is_connected, LIVE_PATIENCE));
}

static void who_names_no_live_session_is_closed_at_once(void)
{
    begin(LIVE_UDP, 1);
    live_add();
    expect_out(REFUSAL_STUN_UNKNOWN_USER, "aaaabbbb", "ccccccccccccccccccccccc");
    expect_out(REFUSAL_STUN_MALFORMED, "short", "ccccccccccccccccccccccc");
    live_end();
}

/* Our ufrag of the guest's session: the first part of the USERNAME of a check that it sent. */
static void overhear(unsigned guest, char ufrag[static ICE_UFRAG_LEN + 1])
{
    const struct live_datagram *check = &world->guest[guest].sent[DATAGRAM_STUN];

    T_EQ(ice_message_ufrag((struct span){check->bytes, check->len}, ufrag), RC_OK);
}

static void who_names_a_session_and_cannot_prove_it_is_closed_at_once(void)
{
    char ufrag[ICE_UFRAG_LEN + 1];

    begin(LIVE_UDP, 1);
    live_add();
    T_OK(live_until(live_all_connected, LIVE_PATIENCE));
    overhear(0, ufrag);
    expect_out(REFUSAL_STUN_UNAUTHORIZED, ufrag, "ccccccccccccccccccccccc");
    expect_out(REFUSAL_STUN_UNAUTHORIZED, ufrag, NULL);
    live_end();
}

static void a_check_that_was_overheard_opens_no_path_over_tcp(void)
{
    const uint64_t before = refusal_total(REFUSAL_STUN_REPLAY);
    struct stun_builder copy;

    begin(LIVE_UDP, 1);
    live_add();
    T_OK(live_until(live_all_connected, LIVE_PATIENCE));
    const struct live_datagram *check = &world->guest[0].sent[DATAGRAM_STUN];
    copy.n = check->len;
    memcpy(copy.bytes, check->bytes, check->len);
    stranger.fd = dial();
    say_frame(&copy);
    T_OK(live_until(stranger_is_out, LIVE_PATIENCE));
    T_EQ(refusal_total(REFUSAL_STUN_REPLAY) - before, 1);
    close(stranger.fd);
    live_end();
}

static void frames_that_make_no_sense_end_a_connection_and_not_the_session(void)
{
    const uint64_t before = refusal_total(REFUSAL_STREAM_FRAME);
    unsigned wants;

    begin(LIVE_TCP, 1);
    two_guests_meet();
    T_EQ(stream_write(&world->guest[0].stream, (const uint8_t *)"\xff\xff", 2, &wants), 2);
    world->guest[0].mute = true;
    for (usec_t end = clock_now() + SEC(5); !world->guest[0].hung_up && clock_now() < end;)
        live_run(MSEC(5));
    T_OK(world->guest[0].hung_up);
    T_EQ(refusal_total(REFUSAL_STREAM_FRAME) - before, 1);
    T_EQ(world->guest[0].failed, 0);
    world->guest[0].mute = false;
    live_reconnect(0);
    live_expect_media(0, 1);
    live_end();
}

static void connections_of_one_address_are_limited(void)
{
    const uint64_t before = refusal_total(REFUSAL_STREAM_LIMIT);

    alarm(120);
    world = live_begin(&(struct live_options){.transport = LIVE_TCP, .max_streams_per_ip = 2});
    two_guests_meet();
    live_add();
    for (usec_t end = clock_now() + SEC(5); !world->guest[2].hung_up && clock_now() < end;)
        live_run(MSEC(5));
    T_OK(world->guest[2].hung_up);
    T_OK(refusal_total(REFUSAL_STREAM_LIMIT) > before);
    live_close(0); /* and there is room again */
    live_run(MSEC(100));
    live_reconnect(2);
    T_OK(live_until(live_all_connected, LIVE_PATIENCE));
    live_end();
}

static const struct t_case cases[] = {
    T_CASE(two_clients_meet_over_tcp),
    T_CASE(two_clients_meet_inside_tls),
    T_CASE(each_connection_goes_to_the_worker_of_its_session),
    T_CASE(tcp_tls_and_udp_meet_each_other),
    T_CASE(a_client_whose_connection_broke_comes_back_by_another),
    T_CASE(a_relay_that_stops_says_goodbye_over_tcp),
    T_CASE(who_names_no_live_session_is_closed_at_once),
    T_CASE(who_names_a_session_and_cannot_prove_it_is_closed_at_once),
    T_CASE(a_check_that_was_overheard_opens_no_path_over_tcp),
    T_CASE(frames_that_make_no_sense_end_a_connection_and_not_the_session),
    T_CASE(connections_of_one_address_are_limited),
};
T_MAIN(cases)

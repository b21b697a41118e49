/* The relay with its threads and sockets: links across workers, ends in the middle of it all.
 */
#include "relay/worker.h"

#include "core/clock.h"
#include "tests/relay/live_call_lib.h"
#include "tests/t.h"

static struct live_world *world;

static void begin_with_guests(unsigned workers, unsigned guests)
{
    const struct live_options options = {.workers = workers};

    world = live_begin(&options);
    for (unsigned i = 0; i < guests; i++)
        (void)live_add();
    T_OK(live_until(live_all_connected, LIVE_PATIENCE));
    live_start_media();
}

/* No client may have seen anything that it should not. */
static void expect_no_flaw(void)
{
    for (unsigned i = 0; i < world->guests; i++) {
        const struct live_guest *guest = &world->guest[i];

        if (!guest->client)
            continue;
        const struct media_client_heard *heard = media_client_heard(guest->client);
        T_EQ(heard->unauthentic, 0);
        T_EQ(heard->malformed, 0);
        T_EQ(heard->unknown_ssrc, 0);
        T_EQ(guest->failed, 0);
        T_OK(guest->connected <= 1);
        T_EQ(media_client_video_in(guest->client)->broken, 0);
    }
}

/* --- pairs
 * --------------------------------------------------------------------------------------- */

static void see_each_other(unsigned workers)
{
    begin_with_guests(workers, 4);
    T_EQ(relay_peer_count(world->relay), 4);
    live_link(0, 1); /* with three workers, neighbours are on different ones */
    live_link(2, 3);
    live_expect_media(0, 1);
    live_expect_media(2, 3);
    expect_no_flaw();
    live_end();
}

static void two_pairs_on_one_worker_see_each_other(void)
{
    see_each_other(1);
}

static void two_pairs_on_three_workers_see_each_other(void)
{
    see_each_other(3);
}

static bool nothing_comes(unsigned guest)
{
    live_run(MSEC(150)); /* what is on its way */
    const uint64_t video = live_video_packets(guest), audio = live_audio_packets(guest);
    live_run(MSEC(200));
    return live_video_packets(guest) == video && live_audio_packets(guest) == audio;
}

static void unlinking_ends_it(unsigned workers)
{
    begin_with_guests(workers, 2);
    live_link(0, 1);
    live_expect_media(0, 1);
    live_unlink(0, 1);
    T_OK(nothing_comes(0));
    T_OK(nothing_comes(1));
    live_link(1, 0);
    live_expect_media(0, 1);
    expect_no_flaw();
    live_end();
}

static void an_unlinked_pair_gets_nothing_until_it_is_linked_again(void)
{
    unlinking_ends_it(1);
    unlinking_ends_it(3);
}

/* Everybody has everybody else for a few milliseconds: links end before they have begun. */
static void change_partners_fast(unsigned workers)
{
    enum { GUESTS = 6 };

    begin_with_guests(workers, GUESTS);
    for (unsigned round = 0; round < 30; round++) {
        const unsigned shift = round % 3;

        for (unsigned i = 0; i < GUESTS / 2; i++)
            live_link(i, GUESTS / 2 + (i + shift) % 3);
        live_run(MSEC(round % 4 * 3));
        for (unsigned i = 0; i < GUESTS / 2; i++)
            live_unlink(i, GUESTS / 2 + (i + shift) % 3);
    }
    for (unsigned i = 0; i < GUESTS / 2; i++)
        live_link(i, GUESTS / 2 + i);
    for (unsigned i = 0; i < GUESTS / 2; i++)
        live_expect_media(i, GUESTS / 2 + i);
    expect_no_flaw();
    live_end();
}

static void people_who_change_partners_faster_than_media_end_up_with_the_last(void)
{
    change_partners_fast(1);
    change_partners_fast(3);
}

/* --- ends
 * ------------------------------------------------------------------------------------------ */

static bool last_heard_bye(void)
{
    return media_client_heard(world->guest[2].client)->bye.count > 0 &&
           media_client_heard(world->guest[2].client)->closed;
}

static void close_while_packets_fly(unsigned workers)
{
    begin_with_guests(workers, 4);
    live_link(0, 1);
    live_link(2, 3);
    live_expect_media(2, 3);
    live_close(2); /* still linked, still sending */
    live_expect_media(0, 1);
    T_OK(live_until(last_heard_bye, LIVE_PATIENCE));
    T_EQ(world->guest[3].failed, 0);
    T_EQ(relay_peer_count(world->relay), 3);
    T_OK(nothing_comes(3));

    const unsigned fresh = live_add(); /* for the one who was left */
    T_OK(live_until(live_all_connected, LIVE_PATIENCE));
    live_start_media();
    live_link(fresh, 3);
    live_expect_media(fresh, 3);
    expect_no_flaw();
    live_end();
}

static void a_peer_that_is_closed_in_the_middle_disturbs_nobody_else(void)
{
    close_while_packets_fly(1);
    close_while_packets_fly(3);
}

static void replace_while_linked(unsigned workers)
{
    const struct live_options options = {.workers = workers, .max_peers = 2};

    world = live_begin(&options);
    (void)live_add();
    (void)live_add();
    live_link(0, 1);
    T_OK(live_until(live_all_connected, LIVE_PATIENCE));
    live_start_media();
    live_expect_media(0, 1);
    live_replace(0); /* at the limit of peers, too */
    T_OK(live_until(live_all_connected, LIVE_PATIENCE));
    live_start_media();
    live_expect_media(0, 1);
    T_EQ(relay_peer_count(world->relay), 2);
    expect_no_flaw();
    live_end();
}

static void a_fresh_peer_connection_takes_over_the_partner(void)
{
    replace_while_linked(1);
    replace_while_linked(3);
}

static bool all_heard_the_end(void)
{
    for (unsigned i = 0; i < world->guests; i++)
        if (!media_client_heard(world->guest[i].client)->closed)
            return false;
    return true;
}

static void stop_while_all_talk(unsigned workers)
{
    begin_with_guests(workers, 4);
    live_link(0, 1);
    live_link(2, 3);
    live_expect_media(0, 1);
    live_stop_relay();
    T_OK(live_until(all_heard_the_end, SEC(5)));
    expect_no_flaw();
    live_run(MSEC(50)); /* the control thread lives on: nothing of the relay comes any more */
    live_end();
}

static void a_relay_that_stops_says_goodbye_to_everybody(void)
{
    stop_while_all_talk(1);
    stop_while_all_talk(3);
}

static void a_relay_can_stop_in_the_middle_of_handshakes(void)
{
    for (unsigned round = 0; round < 8; round++) {
        const struct live_options options = {.workers = 1 + round % 3};

        world = live_begin(&options);
        for (unsigned i = 0; i < 4; i++)
            (void)live_add();
        live_link(0, 1);
        live_run(MSEC(round * 3));
        live_stop_relay();
        live_run(MSEC(5));
        live_end();
    }
}

/* --- mailboxes that are full
 * -------------------------------------------------------------------------- */

static void a_control_thread_that_is_behind_still_hears_of_everybody(void)
{
    const struct live_options options = {.workers = 3, .control_mailbox = 2};

    world = live_begin(&options);
    for (unsigned i = 0; i < 12; i++)
        (void)live_add();
    T_OK(live_until(live_all_connected, LIVE_PATIENCE));
    expect_no_flaw();
    live_end();
}

/* A worker alone, with a mailbox for two commands. */
struct lonely {
    struct loop *control;
    struct worker *worker;
    struct certificate *certificate;
    struct dtls_context *dtls;
    unsigned failed;
};

static void on_lonely_event(void *arg, uint64_t peer, const struct media_event *event)
{
    struct lonely *lonely = arg;
    (void)peer;

    lonely->failed += event->kind == MEDIA_EVENT_FAILED;
}

static void start_lonely(struct lonely *lonely, uint32_t max_peers)
{
    struct address listen, failed;

    *lonely = (struct lonely){.failed = 0};
    T_EQ(loop_create(&lonely->control, "control", 0), RC_OK);
    T_EQ(certificate_create(&lonely->certificate), RC_OK);
    T_EQ(dtls_context_create(&lonely->dtls, lonely->certificate), RC_OK);
    T_EQ(address_parse(&listen, "127.0.0.1"), RC_OK);
    const struct worker_options options = {
        .listen = &listen,
        .listen_count = 1,
        .mailbox_capacity = 2,
        .media = {.dtls = lonely->dtls, .max_peers = max_peers, .max_handshakes = 1},
        .control = lonely->control,
        .event = on_lonely_event,
        .arg = lonely,
    };
    T_EQ(worker_start(&lonely->worker, &options, &failed), RC_OK);
}

static void stop_lonely(struct lonely *lonely)
{
    worker_free(lonely->worker);
    dtls_context_free(lonely->dtls);
    certificate_free(lonely->certificate);
    loop_free(lonely->control);
}

static const struct media_peer_options *numbered(uint64_t id)
{
    static struct media_peer_options options;
    static const char ufrag[] = "ufrg", pwd[] = "0123456789012345678901";

    options = (struct media_peer_options){.id = id};
    T_EQ(ice_session_init(&options.ice, (struct span){(const uint8_t *)ufrag, 4},
                          (struct span){(const uint8_t *)pwd, 22}, clock_now()),
         RC_OK);
    return &options;
}

/* As a caller would that is told to come back later. */
static void open_until_taken(struct lonely *lonely, uint64_t id)
{
    while (worker_open(lonely->worker, numbered(id)) != RC_OK) {
        const struct timespec pause = {.tv_nsec = 1000000};
        nanosleep(&pause, NULL);
    }
}

static void turn_until(const struct lonely *lonely, unsigned failed)
{
    const usec_t end = clock_now() + LIVE_PATIENCE;

    while (lonely->failed < failed && clock_now() < end)
        loop_turn(lonely->control);
    T_EQ(lonely->failed, failed);
}

/* What waits must be ahead of what comes: each id is opened again right after its end, which
 * fails when the end got lost or came late. */
static void a_full_mailbox_loses_no_end(void)
{
    enum { PEERS = 200, ROUNDS = 5 };
    struct lonely lonely;

    start_lonely(&lonely, PEERS);
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (uint64_t id = 1; id <= PEERS; id++)
            open_until_taken(&lonely, id);
        for (uint64_t id = 1; id <= PEERS; id++) {
            T_EQ(worker_link(lonely.worker, id, id % PEERS + 1), RC_OK);
            T_EQ(worker_unlink(lonely.worker, id, id % PEERS + 1), RC_OK);
            T_EQ(worker_close(lonely.worker, id), RC_OK);
        }
        const struct timespec pause = {.tv_nsec = 20000000};
        nanosleep(&pause, NULL);
        for (int i = 0; i < 200; i++) /* the backlog's timer runs here */
            (void)worker_close(lonely.worker, 0);
    }
    /* All places are free: one more than there are fails once, and for that reason alone. */
    for (uint64_t id = 1; id <= PEERS + 1; id++)
        open_until_taken(&lonely, id);
    turn_until(&lonely, 1);
    stop_lonely(&lonely);
}

static void a_worker_is_freed_with_its_events_undelivered(void)
{
    struct lonely lonely;

    start_lonely(&lonely, 1);
    for (uint64_t id = 1; id <= 50; id++)
        open_until_taken(&lonely, id);
    worker_free(lonely.worker);
    lonely.worker = NULL;
    loop_stop(lonely.control);
    loop_run(lonely.control);
    T_EQ(lonely.failed, 0);
    stop_lonely(&lonely);
}

static const struct t_case cases[] = {
    T_CASE(two_pairs_on_one_worker_see_each_other),
    T_CASE(two_pairs_on_three_workers_see_each_other),
    T_CASE(an_unlinked_pair_gets_nothing_until_it_is_linked_again),
    T_CASE(people_who_change_partners_faster_than_media_end_up_with_the_last),
    T_CASE(a_peer_that_is_closed_in_the_middle_disturbs_nobody_else),
    T_CASE(a_fresh_peer_connection_takes_over_the_partner),
    T_CASE(a_relay_that_stops_says_goodbye_to_everybody),
    T_CASE(a_relay_can_stop_in_the_middle_of_handshakes),
    T_CASE(a_control_thread_that_is_behind_still_hears_of_everybody),
    T_CASE(a_full_mailbox_loses_no_end),
    T_CASE(a_worker_is_freed_with_its_events_undelivered),
};
T_MAIN(cases)

/* One peer alone, looked into: what the calls of tests/sim cannot see. */
#include "relay/peer.h"

#include "tests/t.h"

#define T0 SEC(1000)

static struct timers *timers;
static struct srtp_engine *engine;
static struct media *media;

static void ignore_send(void *arg, const struct address *to, const struct address *local,
                        const uint8_t *data, size_t len)
{
    (void)arg, (void)to, (void)local, (void)data, (void)len;
}

static void ignore_flush(void *arg)
{
    (void)arg;
}

static void ignore_event(void *arg, uint64_t peer, const struct media_event *event)
{
    (void)arg, (void)peer, (void)event;
}

static struct peer *begin(void)
{
    const struct media_output output = {
        .sink = {NULL, ignore_send, ignore_flush},
        .event = ignore_event,
    };
    const struct span ufrag = SPAN_LITERAL("abcd"),
                      pwd = SPAN_LITERAL("0123456789012345678901");
    struct media_peer_options options = {.id = 1, .cname = "cname"};
    struct peer *peer;

    T_EQ(timers_create(&timers), RC_OK);
    T_EQ(srtp_engine_create(&engine, SRTP_ENGINE_AUTO), RC_OK);
    const struct media_options of_media = {.srtp = engine, .timers = timers, .max_peers = 1};
    T_EQ(media_create(&media, &of_media, &output), RC_OK);
    T_EQ(ice_session_init(&options.ice, ufrag, pwd, T0), RC_OK);
    options.negotiated.data.present = true;
    T_EQ(peer_create(&peer, media, &options, T0), RC_OK);
    return peer;
}

static void end(struct peer *peer)
{
    media_flush(media, T0);
    peer_free(peer, T0);
    media_free(media);
    timers_free(timers);
    srtp_engine_free(engine);
}

static void a_peer_with_data_alone_is_not_woken_for_reports_that_it_cannot_send(void)
{
    struct peer *peer = begin();

    peer->state = PEER_CONNECTED; /* without SRTP keys: no profile was agreed */
    rtcp_schedule_init(&peer->schedule, 0, T0);
    rtcp_schedule_set_remb(&peer->schedule, 1000000);
    peer_rtcp_poll(peer, T0 + SEC(2));
    T_OK(peer_rtcp_deadline(peer) > T0 + SEC(2));
    peer->state = PEER_CONNECTING;
    end(peer);
}

static const struct t_case cases[] = {
    T_CASE(a_peer_with_data_alone_is_not_woken_for_reports_that_it_cannot_send),
};
T_MAIN(cases)

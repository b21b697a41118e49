/* One peer alone, looked into: what the calls of tests/sim cannot see. */
#include "relay/peer.h"

#include "tests/t.h"

#define T0 SEC(1000)

static struct timers *timers;
static struct srtp_engine *engine;
static struct media *media;
static struct certificate *certificate; /* made once, as is the next */
static struct dtls_context *dtls;

static uint8_t sent[OUTBOX_PACKET_MAX + SRTP_OVERHEAD_MAX];
static size_t sent_len;

static void on_send(void *arg, const struct address *to, const struct address *local,
                    const uint8_t *data, size_t len)
{
    (void)arg, (void)to, (void)local;
    T_OK(len <= sizeof sent);
    memcpy(sent, data, len);
    sent_len = len;
}

static void ignore_flush(void *arg)
{
    (void)arg;
}

static void ignore_event(void *arg, uint64_t peer, const struct media_event *event)
{
    (void)arg, (void)peer, (void)event;
}

static unsigned told[MEDIA_REMOTE_CAPACITY + 1];

static void count_told(void *arg, unsigned worker, uint64_t to, const struct media_remote *what)
{
    (void)arg, (void)worker, (void)to;
    told[what->kind]++;
}

static struct peer *begin(void)
{
    const struct media_output output = {
        .sink = {NULL, on_send, ignore_flush},
        .event = ignore_event,
        .remote = count_told,
    };
    const struct span ufrag = SPAN_LITERAL("abcd"),
                      pwd = SPAN_LITERAL("0123456789012345678901");
    struct media_peer_options options = {.id = 1, .cname = "cname"};
    struct peer *peer;

    T_EQ(timers_create(&timers), RC_OK);
    T_EQ(srtp_engine_create(&engine, SRTP_ENGINE_AUTO), RC_OK);
    if (!dtls) {
        T_EQ(certificate_create(&certificate), RC_OK);
        T_EQ(dtls_context_create(&dtls, certificate), RC_OK);
    }
    const struct media_options of_media = {
        .dtls = dtls,
        .srtp = engine,
        .timers = timers,
        .max_peers = 1,
        .max_handshakes = 1,
    };
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

static struct srtp_context *make_srtp(enum srtp_direction direction)
{
    const struct span key = SPAN_LITERAL("0123456789abcdef"),
                      salt = SPAN_LITERAL("0123456789ab");
    struct srtp_context *context;

    T_EQ(srtp_context_create(&context, engine, SRTP_PROFILE_AEAD_AES_128_GCM, direction, key,
                             salt),
         RC_OK);
    return context;
}

static void a_report_names_both_streams_and_says_that_they_belong_together(void)
{
    struct peer *peer = begin();
    struct srtp_context *inbound = make_srtp(SRTP_INBOUND);
    struct track_out *tracks[] = {&peer->video_out, &peer->audio_out};
    unsigned reports = 0, names = 0;
    struct rtcp_packet packet;

    peer->srtp_out = peer->route.srtp = make_srtp(SRTP_OUTBOUND);
    T_EQ(address_parse(&peer->route.remote, "192.0.2.1:5000"), RC_OK);
    rtcp_schedule_init(&peer->schedule, 0, T0);
    track_out_watch(tracks[0], &peer->video_in);
    track_out_watch(tracks[1], &peer->audio_in);
    for (unsigned i = 0; i < 2; i++) {
        tracks[i]->ssrc = tracks[i]->report.ssrc = 21 + i;
        tracks[i]->rewriter.state = REWRITER_RUNNING;
        sender_report_packet(&tracks[i]->report, 0, 100, T0);
    }
    peer_rtcp_poll(peer, T0 + SEC(1));
    media_flush(media, T0 + SEC(1));

    struct srtp_packet srtp = {inbound, sent, sent_len, sizeof sent, REFUSAL_NONE};
    srtp_engine_unprotect_rtcp(engine, &srtp, 1);
    T_EQ(srtp.refusal, REFUSAL_NONE);
    struct span rest = {sent, srtp.len};
    T_EQ(rtcp_validate(rest), RC_OK);
    while (rtcp_next(&rest, &packet)) {
        reports += packet.kind == RTCP_SR;
        if (packet.kind == RTCP_SDES)
            T_EQ(load_be32(packet.body.p), 21 + names++);
    }
    T_EQ(reports, 2);
    T_EQ(names, 2);
    srtp_context_free(inbound);
    end(peer);
}

static void a_flood_of_news_is_one_message_to_another_worker(void)
{
    struct peer *peer = begin();
    uint8_t flood[1200];
    struct rtcp_writer writer;
    struct rtcp_sr sr = {.ssrc = 7, .ntp = UINT64_C(1) << 40};
    const uint32_t watched = 1;

    peer->srtp_out = make_srtp(SRTP_OUTBOUND);
    peer->state = PEER_CONNECTED;
    peer->video_in.ssrc = 7;
    rtcp_schedule_init(&peer->schedule, 0, T0 + SEC(10));
    peer_link_remote(peer, 1, 2);
    media_flush(media, T0);

    rtcp_writer_init(&writer, flood, sizeof flood);
    for (unsigned i = 0; i < 20; i++) {
        sr.ntp++;
        (void)rtcp_write_sr(&writer, &sr, NULL, 0);
        (void)rtcp_write_remb(&writer, 5, 500000 + 1000 * i, &watched, 1);
    }
    memset(told, 0, sizeof told);
    peer_rtcp(peer, (struct span){flood, writer.len}, T0);
    peer_rtcp_poll(peer, T0);
    T_EQ(told[MEDIA_REMOTE_CAPACITY], 1);
    T_EQ(told[MEDIA_REMOTE_REPORT], 1);
    peer->state = PEER_CONNECTING;
    end(peer);
}

static void a_peer_that_failed_is_sent_nothing_more(void)
{
    struct peer *peer = begin();

    T_EQ(address_parse(&peer->route.remote, "192.0.2.1:5000"), RC_OK);
    media_flush(media, T0);
    timers_run(timers, T0 + SEC(31)); /* no check ever came */
    T_EQ(peer->state, PEER_FAILED);
    T_EQ(peer->route.remote.sa.sa_family, AF_UNSPEC);
    end(peer);
}

static void a_client_that_checks_and_never_begins_dtls_is_given_up(void)
{
    struct peer *peer = begin();

    T_EQ(address_parse(&peer->ice.path[0].remote, "192.0.2.1:5000"), RC_OK);
    peer->ice.path[0].last_alive = T0 + SEC(100);
    peer->ice.path_count = 1;
    peer->ice.selected = 0;
    peer->ice.state = ICE_CONNECTED;
    media_mark_dirty(media, peer);
    media_flush(media, T0);
    timers_run(timers, T0 + SEC(59));
    T_EQ(peer->state, PEER_CONNECTING);
    media_flush(media, T0 + SEC(59));
    timers_run(timers, T0 + SEC(61));
    T_EQ(peer->state, PEER_FAILED);
    end(peer);
}

static void a_peer_that_failed_begins_no_handshake(void)
{
    const struct sdp_negotiated negotiated = {.ice_ufrag = "efgh",
                                              .ice_pwd = "0123456789012345678901"};
    struct ice_credentials ours;
    struct peer *peer = begin();

    ice_credentials_make(&ours);
    T_EQ(address_parse(&peer->ice.path[0].remote, "192.0.2.1:5000"), RC_OK);
    peer->ice.path[0].last_alive = T0;
    peer->ice.path_count = 1;
    peer->ice.selected = 0;
    peer->dtls_client = true;
    peer->state = PEER_FAILED;
    peer_restart_ice(peer, &negotiated, &ours, T0);
    media_remove_ufrag(media, peer, peer->ice.local.ufrag);
    T_OK(!peer->dtls);
    end(peer);
}

static const struct t_case cases[] = {
    T_CASE(a_peer_that_failed_begins_no_handshake),
    T_CASE(a_client_that_checks_and_never_begins_dtls_is_given_up),
    T_CASE(a_report_names_both_streams_and_says_that_they_belong_together),
    T_CASE(a_flood_of_news_is_one_message_to_another_worker),
    T_CASE(a_peer_that_failed_is_sent_nothing_more),
    T_CASE(a_peer_with_data_alone_is_not_woken_for_reports_that_it_cannot_send),
};
T_MAIN(cases)

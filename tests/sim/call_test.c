/* Whole calls: synthetic clients, real media cores, a bad network, virtual time. */
#include "tests/sim/call_lib.h"
#include "tests/t.h"

static struct call *call;

static struct stream_receiver *video_of(unsigned index)
{
    return media_client_video_in(call->client[index].client);
}

static struct stream_receiver *audio_of(unsigned index)
{
    return media_client_audio_in(call->client[index].client);
}

static const struct media_client_heard *heard_by(unsigned index)
{
    return media_client_heard(call->client[index].client);
}

static void begin(const struct call_options *options, unsigned clients)
{
    call = call_begin(options);
    for (unsigned i = 0; i < clients; i++)
        (void)call_add(options && options->workers ? i % options->workers : 0, NULL);
}

static void begin_call(void)
{
    begin(NULL, 2);
    (void)call_connect();
    call_link(0, 1);
    call_start_all();
}

static void expect_flawless(const struct stream_receiver *stream)
{
    const char *flaw = stream_receiver_flaw(stream);

    if (flaw)
        printf("# %s stream %x: %s\n", stream->media == MEDIA_VIDEO ? "video" : "audio",
               stream->ssrc, flaw);
    T_OK(!flaw);
    T_EQ(stream->broken, 0);
}

static void expect_all_flawless(void)
{
    for (unsigned i = 0; i < call->clients; i++) {
        expect_flawless(video_of(i));
        expect_flawless(audio_of(i));
        if (!call->client[i].down.duplicate)
            T_EQ(heard_by(i)->unauthentic, 0);
        T_EQ(heard_by(i)->malformed, 0);
        T_EQ(heard_by(i)->unknown_ssrc, 0);
    }
}

/* --- the ordinary call --- */

static void two_clients_see_and_hear_each_other(void)
{
    begin_call();
    call_run(SEC(10));
    for (unsigned i = 0; i < 2; i++) {
        T_OK(stream_receiver_length(video_of(i)) > 10 * 30 * 3);
        T_OK(stream_receiver_length(audio_of(i)) > 480);
        T_EQ(stream_receiver_missing(video_of(i), call->now), 0);
        T_EQ(stream_receiver_missing(audio_of(i), call->now), 0);
        T_EQ(video_of(i)->duplicates, 0);
        T_OK(stream_receiver_at(video_of(i), 0)->stamp.key_frame);
        T_EQ(stream_receiver_at(video_of(i), 0)->stamp.index, 0);
        T_EQ(call_events(i, MEDIA_EVENT_CONNECTED), 1);
        T_EQ(call_events(i, MEDIA_EVENT_FAILED), 0);
        T_OK(call_events(i, MEDIA_EVENT_QUALITY) >= 1);
    }
    expect_all_flawless();
}

static void offers_of_two_dialects_understand_each_other(void)
{
    call = call_begin(NULL);
    for (unsigned i = 0; i < 2; i++)
        (void)call_add(0, &(struct media_client_options){.video = CODEC_VP8, .dialect = i});
    (void)call_connect();
    call_link(0, 1);
    call_start_all();
    call_run(SEC(3));
    for (unsigned i = 0; i < 2; i++) {
        T_OK(stream_receiver_length(video_of(i)) > 200);
        T_OK(heard_by(i)->feedback.count > 20);
    }
    expect_all_flawless();
}

static void a_client_that_waits_for_our_client_hello_takes_part(void)
{
    call = call_begin(NULL);
    (void)call_add(0, &(struct media_client_options){.video = CODEC_VP8, .passive = true});
    (void)call_add(0, NULL);
    (void)call_connect();
    call_link(0, 1);
    call_start_all();
    call_run(SEC(2));
    T_OK(stream_receiver_length(video_of(0)) > 150);
    T_OK(stream_receiver_length(video_of(1)) > 150);
    expect_all_flawless();
}

static void ssrcs_that_no_offer_announced_are_learnt(void)
{
    call = call_begin(NULL);
    for (unsigned i = 0; i < 2; i++)
        (void)call_add(0, &(struct media_client_options){.video = CODEC_VP8, .no_ssrc = true});
    (void)call_connect();
    call_link(0, 1);
    call_paths(&(struct call_path){.loss = 30});
    call_start_all();
    call_run(SEC(5));
    for (unsigned i = 0; i < 2; i++) {
        T_OK(stream_receiver_length(video_of(i)) > 400);
        T_EQ(stream_receiver_missing(video_of(i), call->now - SEC(1)), 0);
        T_OK(video_of(i)->recovered > 0);
    }
    expect_all_flawless();
}

static void media_of_somebody_without_a_partner_goes_nowhere(void)
{
    begin(NULL, 2);
    (void)call_connect();
    call_start_all();
    call_run(SEC(2));
    T_EQ(video_of(0)->packets + video_of(1)->packets, 0);
    T_OK(counter_get(&media_stats(call->media[0])->unlinked) > 300);
    T_EQ(heard_by(0)->pli.count, 0);
    /* It did arrive: no loss is reported, and the sender's estimate has something to go by. */
    T_EQ(heard_by(0)->video_block.cumulative_lost, 0);
    T_OK(heard_by(0)->feedback_received > 150);
}

static void nobody_is_asked_for_key_frames_that_nobody_watches(void)
{
    begin(NULL, 1);
    (void)call_connect();
    call_start_all();
    call_run(SEC(1));
    call->client[0].up = (struct call_path){.loss = 1000};
    call_run(SEC(1));
    call->client[0].up = (struct call_path){0};
    call_run(SEC(2));
    T_EQ(heard_by(0)->pli.count, 0);
}

static void only_what_leaves_counts_as_forwarded(void)
{
    begin(NULL, 2);
    call->client[1].gone = true; /* never connects */
    call_run(SEC(1));
    call_link(0, 1);
    call_start_all();
    call_run(SEC(2));
    T_EQ(counter_get(&media_stats(call->media[0])->rtp_forwarded), 0);
}

/* --- a change of partner --- */

static void a_change_of_partner_is_one_stream_that_goes_on_with_a_key_frame(void)
{
    begin(NULL, 3);
    (void)call_connect();
    call_link(0, 1);
    call_start_all();
    call_run(SEC(3));
    const usec_t then = call->now;
    call_link(0, 2);
    call_run(SEC(3));

    const usec_t first = stream_receiver_first_of(video_of(0), 3);
    T_OK(first > then);
    T_OK(first < then + MSEC(80)); /* a PLI there, the next frame back */
    T_OK(stream_receiver_first_of(audio_of(0), 3) < then + MSEC(80));
    T_EQ(stream_receiver_missing(video_of(0), call->now), 0);
    T_EQ(stream_receiver_missing(audio_of(0), call->now), 0);
    T_EQ(stream_receiver_first_of(video_of(1), 3), 0); /* who was left sees nobody */
    expect_all_flawless();
}

static void twenty_changes_of_partner_in_a_bad_network_are_one_stream(void)
{
    begin(NULL, 4);
    (void)call_connect();
    call_paths(&(struct call_path){
        .delay = MSEC(30), .jitter = MSEC(15), .loss = 20, .duplicate = 10});
    call_start_all();
    for (unsigned i = 0; i < 20; i++) {
        call_link(0, 1 + i % 3);
        call_run(MSEC(700) + MSEC(137) * (i % 4));
    }
    call_run(SEC(1));
    for (unsigned i = 1; i < 4; i++)
        T_OK(stream_receiver_first_of(video_of(0), i + 1) > 0);
    T_OK(stream_receiver_length(video_of(0)) > 1500);
    expect_all_flawless();
}

static void the_same_partner_again_goes_on_too(void)
{
    begin_call();
    call_run(SEC(2));
    for (unsigned i = 0; i < 5; i++) {
        call_unlink(0, 1);
        call_run(MSEC(300));
        call_link(0, 1);
        call_run(SEC(1));
    }
    T_EQ(stream_receiver_missing(video_of(0), call->now), 0);
    T_EQ(stream_receiver_missing(video_of(1), call->now), 0);
    expect_all_flawless();
}

static void a_sender_whose_sequence_numbers_wrap_is_followed(void)
{
    call = call_begin(NULL);
    for (unsigned i = 0; i < 2; i++)
        (void)call_add(0,
                       &(struct media_client_options){.video = CODEC_VP8, .first_seq = 65500});
    (void)call_connect();
    call_link(0, 1);
    call_paths(&(struct call_path){.loss = 20, .jitter = MSEC(5)});
    call_start_all();
    call_run(SEC(10));
    for (unsigned i = 0; i < 2; i++) {
        T_OK(stream_receiver_length(video_of(i)) > 1000);
        T_EQ(stream_receiver_missing(video_of(i), call->now - SEC(1)), 0);
    }
    expect_all_flawless();
}

/* --- loss --- */

static void expect_recovered(unsigned per_mille_lost)
{
    for (unsigned i = 0; i < 2; i++) {
        const uint32_t length = stream_receiver_length(video_of(i));
        const uint32_t missing = stream_receiver_missing(video_of(i), call->now - SEC(1));

        T_OK(length > 2000);
        if (missing * 1000 > length * per_mille_lost)
            printf("# %u of %u are missing\n", missing, length);
        T_OK(missing * 1000 <= length * per_mille_lost);
        T_OK(video_of(i)->recovered > 0);
    }
    expect_all_flawless();
}

static void five_percent_loss_both_ways_is_repaired(void)
{
    begin_call();
    call_paths(&(struct call_path){.delay = MSEC(20), .loss = 50});
    call_run(SEC(30));
    expect_recovered(1);
    const struct media_stats *stats = media_stats(call->media[0]);
    T_OK(counter_get(&stats->nack_asked) > 0);
    T_OK(counter_get(&stats->recovered) > 0);
    T_OK(counter_get(&stats->retransmitted) > 0);
}

static void five_percent_loss_on_a_long_path_is_repaired(void)
{
    begin_call();
    call_paths(&(struct call_path){.delay = MSEC(75), .jitter = MSEC(10), .loss = 50});
    call_run(SEC(30));
    expect_recovered(1);
}

static void reordering_and_duplicates_do_no_harm(void)
{
    begin_call();
    call_paths(&(struct call_path){.jitter = MSEC(40), .duplicate = 100});
    call_run(SEC(10));
    for (unsigned i = 0; i < 2; i++) {
        T_OK(stream_receiver_length(video_of(i)) > 1000);
        T_EQ(stream_receiver_missing(video_of(i), call->now - SEC(1)), 0);
        /* What the network doubled is not doubled again. */
        T_OK(media_client_heard(call->client[i].client)->unauthentic < 400);
        expect_flawless(video_of(i));
        expect_flawless(audio_of(i));
    }
}

static void thirty_percent_loss_keeps_the_stream_whole_in_form(void)
{
    begin_call();
    call_paths(&(struct call_path){.loss = 300, .jitter = MSEC(5)});
    call_run(SEC(20));
    for (unsigned i = 0; i < 2; i++)
        T_OK(stream_receiver_length(video_of(i)) > 1000);
    expect_all_flawless();
}

static void a_receiver_without_rtx_gets_its_stream_without_repair(void)
{
    call = call_begin(NULL);
    (void)call_add(0, &(struct media_client_options){.video = CODEC_VP8, .no_rtx = true});
    (void)call_add(0, NULL);
    (void)call_connect();
    call_link(0, 1);
    call_start_all();
    call_paths(&(struct call_path){.loss = 20});
    call_run(SEC(5));
    T_EQ(video_of(0)->recovered, 0);
    T_OK(stream_receiver_length(video_of(0)) > 400);
    expect_all_flawless();
}

static void a_dead_stretch_of_the_path_ends_in_a_key_frame(void)
{
    begin_call();
    call_run(SEC(3));
    call_paths(&(struct call_path){.loss = 1000});
    call_run(SEC(3));
    call_paths(&(struct call_path){.loss = 0});
    const usec_t then = call->now;
    call_run(SEC(5));
    for (unsigned i = 0; i < 2; i++) {
        const struct stream_record *record;
        usec_t key = 0;

        for (uint32_t k = 0; (record = stream_receiver_at(video_of(i), k)); k++)
            if (!key && record->received && record->arrived > then && record->stamp.key_frame)
                key = record->arrived;
        T_OK(key > 0);
        T_OK(key < then + SEC(1));
        T_EQ(call_events(i, MEDIA_EVENT_FAILED), 0);
    }
    expect_all_flawless();
}

/* --- what is said about it --- */

static void key_frame_requests_are_coalesced(void)
{
    begin_call();
    call_run(SEC(2));
    const unsigned before = heard_by(1)->pli.count;
    for (unsigned i = 0; i < 100; i++) {
        media_client_ask_key_frame(call->client[0].client, call->now);
        call_run(MSEC(30));
    }
    const unsigned asked = heard_by(1)->pli.count - before;
    T_OK(asked >= 5 && asked <= 7); /* 3 s */
    const struct media_client_times *pli = &heard_by(1)->pli;
    for (unsigned i = before + 1; i < pli->count; i++)
        T_OK(pli->at[i] - pli->at[i - 1] >= MSEC(499));
}

static void arrivals_are_reported_every_100_ms(void)
{
    begin_call();
    call_run(SEC(3));
    const unsigned before = heard_by(0)->feedback.count;
    call_run(SEC(5));
    const unsigned messages = heard_by(0)->feedback.count - before;
    T_OK(messages >= 45 && messages <= 55);
    T_EQ(heard_by(0)->feedback_lost, 0);
    const uint32_t sent = media_client_video_out(call->client[0].client)->packets +
                          media_client_audio_out(call->client[0].client)->packets;
    T_OK(heard_by(0)->feedback_received + 30 > sent);
    T_OK(heard_by(0)->feedback_received <= sent);
}

static void reports_tell_loss_and_round_trip(void)
{
    begin_call();
    call->client[0].up = (struct call_path){.delay = MSEC(40), .loss = 100};
    call->client[0].down = (struct call_path){.delay = MSEC(40)};
    call_run(SEC(20));

    const struct media_client_heard *heard = heard_by(0);
    T_OK(heard->rtt > MSEC(78) && heard->rtt < MSEC(90));
    const double lost = heard->video_block.cumulative_lost;
    const double sent = media_client_video_out(call->client[0].client)->packets;
    T_OK(lost > sent * 0.06 && lost < sent * 0.14);
    const double sound_lost = heard->audio_block.cumulative_lost;
    T_OK(sound_lost > 1000 * 0.06 && sound_lost < 1000 * 0.14);
    /* A second apart, two datagrams with one report each at most. */
    T_OK(heard->sr.count >= 30 && heard->sr.count <= 45);

    const struct media_event *event = call_last_event(0, MEDIA_EVENT_QUALITY);
    T_OK(event);
    T_OK(event->quality.rtt > MSEC(78) && event->quality.rtt < MSEC(90));
    T_OK(event->quality.up_loss > 0.02f && event->quality.up_loss < 0.25f);
    T_OK(event->quality.down_loss < 0.02f);
    T_OK(event->quality.up_bitrate > 700000 && event->quality.up_bitrate < 1300000);
    T_OK(event->quality.down_bitrate > 400000 && event->quality.down_bitrate < 1400000);
}

static void sender_reports_follow_the_stream_over_a_change_of_partner(void)
{
    begin(NULL, 3);
    (void)call_connect();
    call_link(0, 1);
    call_start_all();
    for (unsigned round = 0; round < 4; round++) {
        call_run(SEC(4));
        const struct media_client_heard *heard = heard_by(0);
        const struct stream_record *newest =
            stream_receiver_at(video_of(0), stream_receiver_length(video_of(0)) - 1);

        /* The report's RTP clock is that of the packets: within a frame or two of the newest.
         */
        const uint32_t since = rtp_ticks(call->now - heard->video_sr_at, 90000);
        const int32_t off = (int32_t)(heard->video_sr.timestamp + since - newest->timestamp);
        T_OK(off > -9000 && off < 9000);
        T_OK(heard->video_sr.packets <= video_of(0)->packets);
        T_OK(heard->video_sr.packets + 150 > video_of(0)->packets);
        call_link(0, 1 + (round + 1) % 2);
    }
}

static void sound_and_picture_stay_together_over_a_change_of_partner(void)
{
    begin(NULL, 3);
    (void)call_connect();
    call_link(0, 1);
    call_start_all();
    call_run(SEC(5));
    call_link(0, 2);
    call_run(SEC(5));

    /* Capture times by the last two reports: frames made at one time must have one NTP time. */
    const struct stream_record *video =
        stream_receiver_at(video_of(0), stream_receiver_length(video_of(0)) - 1);
    const struct stream_record *sound =
        stream_receiver_at(audio_of(0), stream_receiver_length(audio_of(0)) - 1);
    uint64_t video_ntp, sound_ntp;
    T_OK(receive_stats_ntp(&video_of(0)->stats, video->timestamp, &video_ntp));
    T_OK(receive_stats_ntp(&audio_of(0)->stats, sound->timestamp, &sound_ntp));
    const int64_t by_reports = (int64_t)(video_ntp - sound_ntp) * 1000 / ((int64_t)1 << 32);
    const int64_t real = ((int64_t)video->stamp.sent - (int64_t)sound->stamp.sent) / 1000;
    T_OK(by_reports - real < 15 && real - by_reports < 15);
}

static void remb_follows_a_bottleneck_of_the_receiver(void)
{
    const struct media_client_options adapting = {
        .video = CODEC_VP8, .adapts = true, .video_bitrate = 1500000};

    call = call_begin(NULL);
    (void)call_add(0, &adapting);
    (void)call_add(0, &adapting);
    (void)call_connect();
    call_link(0, 1);
    call_start_all();
    call_run(SEC(8));
    T_OK(heard_by(0)->remb_bitrate == 0 || heard_by(0)->remb_bitrate > 1200000);

    call->client[1].down = (struct call_path){.bitrate = 600000};
    call_run(SEC(15));
    T_OK(heard_by(0)->remb_bitrate > 250000);
    T_OK(heard_by(0)->remb_bitrate < 800000);
    /* It does not pump: what arrives is most of what fits. */
    const uint64_t before = video_of(1)->bytes;
    call_run(SEC(10));
    const uint64_t rate = (video_of(1)->bytes - before) * 8 / 10;
    T_OK(rate > 300000);
    /* The other direction is another path. */
    T_OK(heard_by(1)->remb_bitrate == 0 || heard_by(1)->remb_bitrate > 1000000);

    call->client[1].down = (struct call_path){.bitrate = 0};
    call_run(SEC(30));
    T_OK(heard_by(0)->remb_bitrate > 1000000);
}

static void loss_on_the_senders_way_up_does_not_lower_the_cap(void)
{
    begin_call();
    call->client[0].up = (struct call_path){.loss = 100};
    call_run(SEC(20));
    T_OK(heard_by(0)->remb_bitrate == 0 || heard_by(0)->remb_bitrate > 900000);
}

static void the_operators_limit_is_told_to_senders(void)
{
    begin(&(struct call_options){.max_bitrate = 700000}, 2);
    (void)call_connect();
    call_link(0, 1);
    call_start_all();
    call_run(SEC(5));
    for (unsigned i = 0; i < 2; i++) {
        T_OK(heard_by(i)->remb_bitrate > 500000);
        T_OK(heard_by(i)->remb_bitrate <= 700000);
    }
}

/* --- addresses --- */

static void a_client_that_roams_is_followed(void)
{
    begin_call();
    call_run(SEC(3));
    T_EQ(address_parse(&call->client[0].address, "198.51.100.9:7777"), RC_OK);
    const uint64_t before = video_of(0)->packets;
    call_run(SEC(5)); /* the next check comes from there within 2.5 s */
    T_OK(video_of(0)->packets > before + 200);
    T_OK(stream_receiver_length(video_of(1)) > 600);
    T_EQ(call_events(0, MEDIA_EVENT_FAILED), 0);
    expect_all_flawless();
}

static void an_ice_restart_goes_on_with_the_same_streams(void)
{
    begin_call();
    call_run(SEC(3));
    T_EQ(address_parse(&call->client[0].address, "198.51.100.9:7777"), RC_OK);
    call_renegotiate(0, true);
    const usec_t then = call->now;
    call_run(SEC(1));
    const uint64_t before = video_of(0)->packets;
    T_OK(before > 300);
    call_run(SEC(3));
    T_OK(video_of(0)->packets > before + 300);
    T_EQ(call_events(0, MEDIA_EVENT_CONNECTED), 1);
    T_EQ(call_events(0, MEDIA_EVENT_FAILED), 0);
    T_OK(call->client[0].last_up > then);
    /* Old credentials retire; the connection lives on without them. */
    call_run(SEC(60));
    T_EQ(call_events(0, MEDIA_EVENT_FAILED), 0);
    expect_all_flawless();
}

static void a_renegotiation_disturbs_nothing(void)
{
    begin_call();
    call_run(SEC(2));
    call_renegotiate(0, false);
    call_run(SEC(2));
    call_renegotiate(1, false);
    call_run(SEC(2));
    for (unsigned i = 0; i < 2; i++) {
        T_EQ(stream_receiver_missing(video_of(i), call->now), 0);
        T_EQ(stream_receiver_missing(audio_of(i), call->now), 0);
    }
    expect_all_flawless();
}

static void a_client_that_vanishes_is_given_up_after_30_s(void)
{
    begin_call();
    call_run(SEC(5));
    call->client[0].gone = true;
    const usec_t then = call->now;
    call_run(SEC(28));
    T_EQ(call_events(0, MEDIA_EVENT_FAILED), 0);
    call_run(SEC(6));
    const struct media_event *event = call_last_event(0, MEDIA_EVENT_FAILED);
    T_OK(event);
    T_EQ(event->why, REFUSAL_ICE_CONSENT_EXPIRED);
    for (unsigned i = 0; i < call->client[0].event_count; i++)
        if (call->client[0].event[i].kind == MEDIA_EVENT_FAILED)
            T_OK(call->client[0].event_at[i] > then + SEC(29));
    T_EQ(call_events(0, MEDIA_EVENT_FAILED), 1);
    T_EQ(call_events(1, MEDIA_EVENT_FAILED), 0);
    /* Nothing is sent to it any more, and its partner is served on. */
    const uint64_t sent = call->client[0].lost_down + call->client[0].delivered_down;
    call_run(SEC(2));
    T_EQ(call->client[0].lost_down + call->client[0].delivered_down, sent);
    T_OK(media_client_connected(call->client[1].client));
}

static void a_client_that_never_comes_is_given_up(void)
{
    begin(NULL, 1);
    call->client[0].gone = true;
    call_run(SEC(40));
    T_EQ(call_events(0, MEDIA_EVENT_FAILED), 1);
    T_EQ(call_last_event(0, MEDIA_EVENT_FAILED)->why, REFUSAL_ICE_TIMEOUT);
}

static void clients_connect_through_heavy_loss(void)
{
    for (uint64_t seed = 1; seed <= 10; seed++) {
        begin(&(struct call_options){.seed = seed * 7919}, 2);
        call_paths(&(struct call_path){.loss = 200, .jitter = MSEC(20)});
        (void)call_connect();
        call_link(0, 1);
        call_start_all();
        call_run(SEC(3));
        T_OK(stream_receiver_length(video_of(0)) > 100);
        T_OK(stream_receiver_length(video_of(1)) > 100);
        expect_all_flawless();
    }
}

/* --- the end --- */

static void a_closed_peer_is_told_and_its_partner_is_left_in_peace(void)
{
    begin_call();
    call_run(SEC(3));
    media_peer_close(call->media[0], call->client[0].peer, call->now);
    media_flush(call->media[0], call->now);
    call_run(SEC(3));
    T_OK(heard_by(0)->bye.count == 1);
    T_EQ(call_events(1, MEDIA_EVENT_FAILED), 0);
    T_EQ(heard_by(1)->bye.count, 0);
    T_OK(counter_get(&media_stats(call->media[0])->unlinked) > 100);
    expect_flawless(video_of(1));
}

static void a_partner_that_closes_can_be_replaced(void)
{
    begin(NULL, 3);
    (void)call_connect();
    call_link(0, 1);
    call_start_all();
    call_run(SEC(2));
    media_peer_close(call->media[0], call->client[1].peer, call->now);
    call_run(MSEC(500));
    call_link(0, 2);
    call_run(SEC(2));
    T_OK(stream_receiver_first_of(video_of(0), 3) > 0);
    T_EQ(stream_receiver_missing(video_of(0), call->now), 0);
    expect_flawless(video_of(0));
    expect_flawless(audio_of(0));
}

/* --- hostile packets --- */

static void forged_and_replayed_packets_change_nothing(void)
{
    uint8_t packet[2048];
    struct address elsewhere;

    begin_call();
    call_run(SEC(2));
    T_EQ(address_parse(&elsewhere, "203.0.113.66:666"), RC_OK);
    for (unsigned i = 0; i < 300; i++) {
        const size_t n = call_last_srtp(0, packet, sizeof packet);

        call_run(MSEC(12));              /* it has arrived */
        call_inject(0, NULL, packet, n); /* replayed */
        call_inject(0, &elsewhere, packet, n);
        packet[n / 2] ^= 0x40;
        call_inject(0, NULL, packet, n); /* forged */
        store_be16(packet + 2, (uint16_t)(load_be16(packet + 2) + 0x4000));
        call_inject(0, NULL, packet, n);
        call_run(MSEC(3));
    }
    call_run(SEC(1));
    T_EQ(stream_receiver_missing(video_of(1), call->now), 0);
    T_EQ(stream_receiver_missing(audio_of(1), call->now), 0);
    T_EQ(video_of(1)->duplicates, 0);
    T_EQ(heard_by(0)->video_block.cumulative_lost, 0);
    T_EQ(call_events(0, MEDIA_EVENT_FAILED), 0);
    T_OK(refusal_total(REFUSAL_SRTP_REPLAY) > 200);
    T_OK(refusal_total(REFUSAL_SRTP_AUTH) > 200);
    T_OK(refusal_total(REFUSAL_DATAGRAM_NO_PEER) > 200);
    expect_all_flawless();
}

static void garbage_of_every_first_byte_is_survived(void)
{
    uint8_t packet[256];

    begin_call();
    call_run(SEC(1));
    for (unsigned first = 0; first < 256; first++) {
        for (size_t n = 0; n < sizeof packet; n += 17) {
            for (size_t i = 0; i < sizeof packet; i++)
                packet[i] = (uint8_t)(first * 31 + i * 7);
            packet[0] = (uint8_t)first;
            call_inject(0, NULL, packet, n);
        }
        call_run(MSEC(3));
    }
    call_run(SEC(2));
    T_EQ(call_events(0, MEDIA_EVENT_FAILED), 0);
    T_EQ(stream_receiver_missing(video_of(1), call->now), 0);
    expect_all_flawless();
}

static void a_client_cannot_take_the_address_of_another_that_is_heard(void)
{
    begin(NULL, 3);
    (void)call_connect();
    call_link(0, 1);
    call_start_all();
    call_run(SEC(3));
    call->client[2].address = call->client[0].address; /* forged */
    call_run(SEC(8));                                  /* three checks from there */
    T_EQ(stream_receiver_missing(video_of(1), call->now), 0);
    T_EQ(stream_receiver_missing(audio_of(1), call->now), 0);
    T_OK(stream_receiver_length(video_of(1)) > 1000);
    expect_flawless(video_of(1));
}

static void an_address_that_fell_silent_goes_to_who_has_it_now(void)
{
    begin(NULL, 3);
    (void)call_connect();
    call_link(2, 1);
    call_start_all();
    call_run(SEC(2));
    call->client[0].gone = true;
    call_run(SEC(5));
    call->client[2].address = call->client[0].address;
    T_EQ(address_parse(&call->client[0].address, "198.51.100.1:9"), RC_OK);
    call_run(SEC(6));
    const uint64_t before = video_of(1)->packets;
    call_run(SEC(2));
    T_OK(video_of(1)->packets > before + 150);
}

/* --- codecs --- */

static void red_of_another_numbering_is_stripped(void)
{
    call = call_begin(NULL);
    for (unsigned i = 0; i < 2; i++)
        (void)call_add(
            0, &(struct media_client_options){.video = CODEC_VP8, .red = true, .dialect = i});
    (void)call_connect();
    call_link(0, 1);
    call_start_all();
    call_run(SEC(3));
    for (unsigned i = 0; i < 2; i++) {
        const struct stream_record *record = stream_receiver_at(audio_of(i), 100);
        T_OK(record && record->received);
        T_EQ(record->payload_type, audio_of(i)->payload_type);
    }
    expect_all_flawless();
}

static void red_reaches_a_receiver_that_has_it(void)
{
    const struct media_client_options red = {.video = CODEC_VP8, .red = true};

    call = call_begin(NULL);
    (void)call_add(0, &red);
    (void)call_add(0, &red);
    (void)call_connect();
    call_link(0, 1);
    call_start_all();
    call_run(SEC(3));
    const struct stream_record *record = stream_receiver_at(audio_of(1), 100);
    T_OK(record && record->received);
    T_EQ(record->payload_type, audio_of(1)->red_payload_type);
    expect_all_flawless();
}

static void red_is_stripped_for_a_receiver_without_it(void)
{
    call = call_begin(NULL);
    (void)call_add(0, &(struct media_client_options){.video = CODEC_VP8, .red = true});
    (void)call_add(0, NULL);
    (void)call_connect();
    call_link(0, 1);
    call_start_all();
    call_run(SEC(3));
    const struct stream_record *record = stream_receiver_at(audio_of(1), 100);
    T_OK(record && record->received);
    T_EQ(record->payload_type, audio_of(1)->payload_type);
    T_EQ(stream_receiver_missing(audio_of(1), call->now), 0);
    T_OK(stream_receiver_length(audio_of(0)) > 100); /* plain Opus the other way */
    expect_all_flawless();
}

static void h264_is_forwarded(void)
{
    call = call_begin(NULL);
    for (unsigned i = 0; i < 3; i++)
        (void)call_add(0, &(struct media_client_options){.video = CODEC_H264});
    (void)call_connect();
    call_link(0, 1);
    call_paths(&(struct call_path){.loss = 30});
    call_start_all();
    call_run(SEC(5));
    call_link(0, 2);
    call_run(SEC(5));
    T_OK(stream_receiver_length(video_of(0)) > 1000);
    T_OK(stream_receiver_first_of(video_of(0), 3) > 0);
    T_EQ(stream_receiver_missing(video_of(0), call->now - SEC(1)), 0);
    expect_all_flawless();
}

static void a_video_codec_that_the_partner_lacks_is_not_sent_and_sound_goes_on(void)
{
    call = call_begin(NULL);
    (void)call_add(0, &(struct media_client_options){.video = CODEC_VP8});
    (void)call_add(0, &(struct media_client_options){.video = CODEC_H264});
    (void)call_connect();
    call_link(0, 1);
    call_start_all();
    call_run(SEC(3));
    for (unsigned i = 0; i < 2; i++) {
        T_EQ(video_of(i)->packets, 0);
        T_OK(stream_receiver_length(audio_of(i)) > 140);
    }
    T_OK(counter_get(&media_stats(call->media[0])->codec_mismatch) > 300);
    expect_all_flawless();
}

static void a_client_with_sound_alone_takes_part(void)
{
    call = call_begin(NULL);
    (void)call_add(0, &(struct media_client_options){.video = CODEC_NONE});
    (void)call_add(0, NULL);
    (void)call_connect();
    call_link(0, 1);
    call_start_all();
    call_run(SEC(3));
    T_OK(stream_receiver_length(audio_of(0)) > 140);
    T_OK(stream_receiver_length(audio_of(1)) > 140);
    T_EQ(video_of(0)->packets + video_of(1)->packets, 0);
    T_OK(heard_by(1)->pli.count <= 2); /* nobody wants its picture */
    expect_all_flawless();
}

static void clients_without_transport_feedback_and_nack_take_part(void)
{
    const struct media_client_options old = {
        .video = CODEC_VP8, .no_transport_cc = true, .no_nack = true, .no_rtx = true};

    call = call_begin(NULL);
    (void)call_add(0, &old);
    (void)call_add(0, &old);
    (void)call_connect();
    call_link(0, 1);
    call_paths(&(struct call_path){.loss = 20});
    call_start_all();
    call_run(SEC(5));
    for (unsigned i = 0; i < 2; i++) {
        T_OK(stream_receiver_length(video_of(i)) > 400);
        T_EQ(heard_by(i)->feedback.count, 0);
        T_EQ(heard_by(i)->nacked, 0);
    }
    expect_all_flawless();
}

/* --- two workers --- */

static void begin_remote(unsigned clients)
{
    begin(&(struct call_options){.workers = 2}, clients);
    (void)call_connect();
    call_link(0, 1);
    call_start_all();
}

static void partners_on_two_workers_see_and_hear_each_other(void)
{
    begin_remote(2);
    call_run(SEC(10));
    for (unsigned i = 0; i < 2; i++) {
        T_OK(stream_receiver_length(video_of(i)) > 1000);
        T_OK(stream_receiver_length(audio_of(i)) > 480);
        T_EQ(stream_receiver_missing(video_of(i), call->now), 0);
        T_EQ(stream_receiver_missing(audio_of(i), call->now), 0);
        T_EQ(video_of(i)->duplicates, 0);
        T_OK(heard_by(i)->sr.count > 10);
    }
    expect_all_flawless();
}

static void loss_between_two_workers_is_repaired(void)
{
    begin_remote(2);
    call_paths(&(struct call_path){.delay = MSEC(20), .loss = 50});
    call_run(SEC(30));
    expect_recovered(1);
}

static void a_change_of_partner_across_workers_is_one_stream(void)
{
    begin_remote(4); /* 0 and 2 on one worker, 1 and 3 on the other */
    call_paths(&(struct call_path){.jitter = MSEC(5), .loss = 10});
    for (unsigned i = 0; i < 12; i++) {
        const unsigned next = 1 + (i + 1) % 3;

        call_run(SEC(1));
        const usec_t then = call->now;
        call_unlink(0, 1 + i % 3);
        call_link(0, next);
        call_run(MSEC(800)); /* a lost request is repeated after 500 ms */
        const struct stream_record *record =
            stream_receiver_at(video_of(0), stream_receiver_length(video_of(0)) - 1);
        T_EQ(record->stamp.sender, next + 1);
        T_OK(record->arrived > then);
    }
    call_run(SEC(1));
    expect_all_flawless();
}

static void requests_across_workers_are_coalesced(void)
{
    begin_remote(2);
    call_run(SEC(2));
    const unsigned before = heard_by(1)->pli.count;
    for (unsigned i = 0; i < 100; i++) {
        media_client_ask_key_frame(call->client[0].client, call->now);
        call_run(MSEC(30));
    }
    const unsigned asked = heard_by(1)->pli.count - before;
    T_OK(asked >= 4 && asked <= 7);
}

static void a_bottleneck_is_told_across_workers(void)
{
    const struct media_client_options adapting = {
        .video = CODEC_VP8, .adapts = true, .video_bitrate = 1500000};

    call = call_begin(&(struct call_options){.workers = 2});
    (void)call_add(0, &adapting);
    (void)call_add(1, &adapting);
    (void)call_connect();
    call_link(0, 1);
    call_start_all();
    call_run(SEC(5));
    call->client[1].down = (struct call_path){.bitrate = 600000};
    call_run(SEC(15));
    T_OK(heard_by(0)->remb_bitrate > 250000);
    T_OK(heard_by(0)->remb_bitrate < 800000);
}

static void a_partner_on_another_worker_may_close(void)
{
    begin_remote(4);
    call_run(SEC(2));
    media_peer_close(call->media[1], call->client[1].peer, call->now);
    call_run(MSEC(100));
    media_unlink_remote(call->media[0], call->client[0].peer, call->client[1].peer, call->now);
    call_run(MSEC(100));
    call_link(0, 2);
    call_run(SEC(2));
    T_OK(stream_receiver_first_of(video_of(0), 3) > 0);
    T_EQ(call_events(0, MEDIA_EVENT_FAILED), 0);
    expect_flawless(video_of(0));
}

/* --- long calls --- */

/* Sequence numbers wrap after nine minutes, picture ids after eighteen. */
static void twenty_minutes_are_one_stream(void)
{
    call = call_begin(NULL);
    for (unsigned i = 0; i < 2; i++)
        (void)call_add(
            0, &(struct media_client_options){.video = CODEC_VP8, .records = 160000});
    (void)call_connect();
    call_link(0, 1);
    call_paths(&(struct call_path){.jitter = MSEC(5), .loss = 10});
    call_start_all();
    call_run(SEC(20 * 60));
    for (unsigned i = 0; i < 2; i++) {
        T_OK(stream_receiver_length(video_of(i)) > 140000);
        T_OK(stream_receiver_length(audio_of(i)) > 59000);
        T_OK(stream_receiver_missing(video_of(i), call->now - SEC(1)) <= 3);
        T_EQ(call_events(i, MEDIA_EVENT_FAILED), 0);
    }
    expect_all_flawless();
}

static const struct t_case cases[] = {
    T_CASE(two_clients_see_and_hear_each_other),
    T_CASE(offers_of_two_dialects_understand_each_other),
    T_CASE(a_client_that_waits_for_our_client_hello_takes_part),
    T_CASE(ssrcs_that_no_offer_announced_are_learnt),
    T_CASE(media_of_somebody_without_a_partner_goes_nowhere),
    T_CASE(a_change_of_partner_is_one_stream_that_goes_on_with_a_key_frame),
    T_CASE(twenty_changes_of_partner_in_a_bad_network_are_one_stream),
    T_CASE(the_same_partner_again_goes_on_too),
    T_CASE(a_sender_whose_sequence_numbers_wrap_is_followed),
    T_CASE(five_percent_loss_both_ways_is_repaired),
    T_CASE(five_percent_loss_on_a_long_path_is_repaired),
    T_CASE(reordering_and_duplicates_do_no_harm),
    T_CASE(thirty_percent_loss_keeps_the_stream_whole_in_form),
    T_CASE(a_receiver_without_rtx_gets_its_stream_without_repair),
    T_CASE(a_dead_stretch_of_the_path_ends_in_a_key_frame),
    T_CASE(key_frame_requests_are_coalesced),
    T_CASE(arrivals_are_reported_every_100_ms),
    T_CASE(reports_tell_loss_and_round_trip),
    T_CASE(sender_reports_follow_the_stream_over_a_change_of_partner),
    T_CASE(sound_and_picture_stay_together_over_a_change_of_partner),
    T_CASE(remb_follows_a_bottleneck_of_the_receiver),
    T_CASE(loss_on_the_senders_way_up_does_not_lower_the_cap),
    T_CASE(the_operators_limit_is_told_to_senders),
    T_CASE(a_client_that_roams_is_followed),
    T_CASE(an_ice_restart_goes_on_with_the_same_streams),
    T_CASE(a_renegotiation_disturbs_nothing),
    T_CASE(a_client_that_vanishes_is_given_up_after_30_s),
    T_CASE(a_client_cannot_take_the_address_of_another_that_is_heard),
    T_CASE(an_address_that_fell_silent_goes_to_who_has_it_now),
    T_CASE(red_of_another_numbering_is_stripped),
    T_CASE(nobody_is_asked_for_key_frames_that_nobody_watches),
    T_CASE(only_what_leaves_counts_as_forwarded),
    T_CASE(a_client_that_never_comes_is_given_up),
    T_CASE(clients_connect_through_heavy_loss),
    T_CASE(a_closed_peer_is_told_and_its_partner_is_left_in_peace),
    T_CASE(a_partner_that_closes_can_be_replaced),
    T_CASE(forged_and_replayed_packets_change_nothing),
    T_CASE(garbage_of_every_first_byte_is_survived),
    T_CASE(red_reaches_a_receiver_that_has_it),
    T_CASE(red_is_stripped_for_a_receiver_without_it),
    T_CASE(h264_is_forwarded),
    T_CASE(a_video_codec_that_the_partner_lacks_is_not_sent_and_sound_goes_on),
    T_CASE(a_client_with_sound_alone_takes_part),
    T_CASE(clients_without_transport_feedback_and_nack_take_part),
    T_CASE(partners_on_two_workers_see_and_hear_each_other),
    T_CASE(loss_between_two_workers_is_repaired),
    T_CASE(a_change_of_partner_across_workers_is_one_stream),
    T_CASE(requests_across_workers_are_coalesced),
    T_CASE(a_bottleneck_is_told_across_workers),
    T_CASE(a_partner_on_another_worker_may_close),
    T_CASE(twenty_minutes_are_one_stream),
};
T_MAIN(cases)

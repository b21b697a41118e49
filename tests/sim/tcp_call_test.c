/* Calls in which a client comes over TCP by a line that is too slow for what its partner sends.
 */
#include "tests/t.h"
#include "tests/sim/call_lib.h"

#define SLOW 500000u

static struct call *call;

static void begin(const struct call_options *options, const struct media_client_options *client)
{
    call = call_begin(options);
    (void)call_add(0, client);
    (void)call_add(options->workers > 1 ? 1 : 0, client);
    (void)call_connect();
    call_link(0, 1);
    call_start_all();
}

static const struct media_client_options obedient = {
    .video = CODEC_VP8, .adapts = true, .video_bitrate = 1200000};
static const struct media_client_options stubborn = {.video = CODEC_VP8,
                                                     .video_bitrate = 1200000};

static struct stream_receiver *video(void)
{
    return media_client_video_in(call->client[1].client);
}

static struct stream_receiver *audio(void)
{
    return media_client_audio_in(call->client[1].client);
}

struct seen {
    uint32_t packets;
    usec_t delay_max, delay_mean;
    unsigned key_frames;
};

/* Of what arrived since `from`. */
static struct seen look(const struct stream_receiver *r, usec_t from)
{
    struct seen seen = {0};
    usec_t sum = 0;

    for (uint32_t i = 0; i < stream_receiver_length(r); i++) {
        const struct stream_record *record = stream_receiver_at(r, i);

        if (!record->received || record->arrived < from)
            continue;
        const usec_t delay = record->arrived - record->stamp.sent;
        seen.packets++;
        sum += delay;
        seen.key_frames += record->stamp.key_frame && record->stamp.index == 0;
        seen.delay_max = delay > seen.delay_max ? delay : seen.delay_max;
    }
    seen.delay_mean = seen.packets ? sum / seen.packets : 0;
    return seen;
}

static void report(const char *what, const struct seen *seen)
{
    printf("# %s: %u packets, delay %llu ms, %llu ms at most, %u key frames\n", what,
           seen->packets, (unsigned long long)seen->delay_mean / 1000,
           (unsigned long long)seen->delay_max / 1000, seen->key_frames);
}

static void report_all(usec_t from)
{
    const struct seen sound = look(audio(), from), picture = look(video(), from);
    const struct media_client_heard *heard = media_client_heard(call->client[0].client);

    report("sound", &sound);
    report("picture", &picture);
    printf("# remb %llu, asked for %u key frames, %llu frames dropped\n",
           (unsigned long long)heard->remb_bitrate, heard->pli.count,
           (unsigned long long)counter_get(&call->legs.frames_dropped));
}

static void expect_sound_whole_and_young(usec_t from)
{
    const struct seen sound = look(audio(), from);

    T_EQ(stream_receiver_missing(audio(), call->now - SEC(1)), 0);
    T_EQ(audio()->recovered, 0);
    T_OK(sound.packets > 0 && sound.delay_max < MSEC(300));
    T_OK(stream_receiver_flaw(audio()) == NULL);
}

/* Frames that were left out have left no gap, and each picture begins with a key frame. */
static void expect_pictures_without_a_gap(void)
{
    T_EQ(stream_receiver_missing(video(), call->now - SEC(1)), 0);
    T_EQ(video()->recovered, 0);
    T_OK(stream_receiver_flaw(video()) == NULL);
}

static void a_line_with_room_is_as_good_as_udp(void)
{
    begin(&(struct call_options){.tcp = 3}, &obedient);
    call_run(SEC(10));
    const usec_t from = call->now;
    call_run(SEC(5));
    report_all(from);
    T_EQ(counter_get(&call->legs.frames_dropped), 0);
    T_OK(look(video(), from).delay_max < MSEC(60));
    expect_sound_whole_and_young(from);
    expect_pictures_without_a_gap();
    T_OK(call_last_event(1, MEDIA_EVENT_QUALITY)->quality.path == RELAY_PATH_TCP);
    call_end();
}

static void slow_down(void)
{
    call_run(SEC(5));
    call->client[1].down = (struct call_path){.bitrate = SLOW, .delay = MSEC(20)};
}

static void a_sender_slows_down_to_what_the_leg_drains(unsigned workers)
{
    begin(&(struct call_options){.tcp = 2, .workers = workers}, &obedient);
    slow_down();
    const usec_t from = call->now;
    const unsigned asked = media_client_heard(call->client[0].client)->pli.count;
    call_run(SEC(20));
    report_all(from);
    expect_sound_whole_and_young(from);
    expect_pictures_without_a_gap();
    T_OK(counter_get(&call->legs.gates_shut) > 0);
    T_OK(media_client_heard(call->client[0].client)->pli.count > asked);

    /* At rest: most of the line is used, and nothing waits. */
    const usec_t later = call->now;
    call_run(SEC(20));
    report_all(later);
    const struct seen picture = look(video(), later);
    T_OK(picture.delay_max < MSEC(300));
    T_OK(picture.delay_mean < MSEC(120));
    const uint64_t remb = media_client_heard(call->client[0].client)->remb_bitrate;
    T_OK(remb > 250000 && remb < SLOW);
    T_OK(media_client_heard(call->client[1].client)->remb_bitrate == 0 ||
         media_client_heard(call->client[1].client)->remb_bitrate > 1000000);
    call_end();
}

static void the_sender_is_told_to_slow_down(void)
{
    a_sender_slows_down_to_what_the_leg_drains(1);
}

static void a_sender_on_another_worker_is_told_too(void)
{
    a_sender_slows_down_to_what_the_leg_drains(2);
}

static void a_sender_that_does_not_listen_costs_pictures_and_no_sound(void)
{
    begin(&(struct call_options){.tcp = 2}, &stubborn);
    slow_down();
    const usec_t from = call->now;
    call_run(SEC(30));
    report_all(from);
    expect_sound_whole_and_young(from);
    expect_pictures_without_a_gap();
    T_OK(look(video(), from).key_frames >= 10); /* now and then a picture all the same */
    call_end();
}

static void a_line_that_gets_its_room_back_is_used_again(void)
{
    begin(&(struct call_options){.tcp = 2}, &obedient);
    slow_down();
    call_run(SEC(15));
    call->client[1].down = (struct call_path){.delay = MSEC(20)};
    call_run(SEC(20));
    report_all(call->now - SEC(5));
    const uint64_t remb = media_client_heard(call->client[0].client)->remb_bitrate;
    T_OK(remb == 0 || remb > 1000000);
    expect_pictures_without_a_gap();
    call_end();
}

/* What a thread with TURN clients over TLS says of one of them. */
static void say_of_leg(bool full, uint64_t cap)
{
    const struct relay_leg leg = {
        .path = RELAY_PATH_TURN_TLS, .elsewhere = true, .full = full, .cap = cap};

    media_leg_report(call->media[0], &call->client[1].address, &leg);
    call_run(MSEC(1));
}

static void a_leg_of_another_thread_is_heeded_by_what_is_said_of_it(void)
{
    begin(&(struct call_options){.workers = 1}, &obedient);
    call_run(SEC(5));
    const struct media_client_heard *heard = media_client_heard(call->client[0].client);
    say_of_leg(true, 400000);
    const unsigned asked = heard->pli.count;
    call_run(MSEC(100)); /* what is under way */
    const uint64_t before = video()->packets, sound = audio()->packets;
    call_run(SEC(2));
    T_EQ(video()->packets, before);
    T_OK(audio()->packets >= sound + 95);
    T_EQ(heard->pli.count, asked);
    T_OK(heard->remb_bitrate > 300000 && heard->remb_bitrate <= 400000);

    say_of_leg(false, 400000);
    call_run(SEC(2));
    T_OK(video()->packets > before + 50);
    T_OK(heard->pli.count > asked);
    expect_pictures_without_a_gap();
    call_run(SEC(5));
    T_OK(call_last_event(1, MEDIA_EVENT_QUALITY)->quality.path == RELAY_PATH_TURN_TLS);
    call_end();
}

static const struct t_case cases[] = {
    T_CASE(a_line_with_room_is_as_good_as_udp),
    T_CASE(the_sender_is_told_to_slow_down),
    T_CASE(a_sender_on_another_worker_is_told_too),
    T_CASE(a_sender_that_does_not_listen_costs_pictures_and_no_sound),
    T_CASE(a_line_that_gets_its_room_back_is_used_again),
    T_CASE(a_leg_of_another_thread_is_heeded_by_what_is_said_of_it),
};
T_MAIN(cases)

/*
 * A client that reads its TCP connection at 500 kbit/s, and a partner who would send more than
 * twice as much: through the kernel's real TCP. What is exact is tested in virtual time
 * (tests/sim); here it is that the kernel's numbers are read right.
 */
#include "relay/worker.h"
#include "tests/relay/live_call_lib.h"
#include "tests/t.h"

#include <unistd.h>

#define SLOW 500000u

static struct live_world *world;

struct seen {
    uint32_t packets, late; /* late: older than 300 ms */
    usec_t delay_mean;
};

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
        seen.late += delay > MSEC(300);
        sum += delay;
    }
    seen.delay_mean = seen.packets ? sum / seen.packets : 0;
    return seen;
}

static void report(const char *what, const struct seen *seen)
{
    printf("# %s: %u packets, delay %llu ms, %u late\n", what, seen->packets,
           (unsigned long long)seen->delay_mean / 1000, seen->late);
}

static void
a_slow_reader_hears_everything_and_its_partner_slows_down(enum live_transport transport)
{
    alarm(120);
    world = live_begin(&(struct live_options){
        .transport = transport, .video_bitrate = 1200000, .adapts = true, .records = 20000});
    live_add();
    live_add();
    T_OK(live_until(live_all_connected, LIVE_PATIENCE));
    live_link(0, 1);
    live_start_media();
    live_run(SEC(2));
    live_throttle(1, SLOW);
    live_run(SEC(5)); /* until the sender has heard of it */
    const usec_t from = loop_now(world->control);
    live_run(SEC(8));

    const struct stream_receiver *sound = media_client_audio_in(world->guest[1].client);
    const struct stream_receiver *picture = media_client_video_in(world->guest[1].client);
    const struct media_client_heard *heard = media_client_heard(world->guest[0].client);
    const struct seen audio = look(sound, from), video = look(picture, from);
    report("sound", &audio);
    report("picture", &video);
    printf("# remb %llu, asked for %u key frames\n", (unsigned long long)heard->remb_bitrate,
           heard->pli.count);

    T_EQ(stream_receiver_missing(sound, loop_now(world->control) - SEC(1)), 0);
    T_OK(audio.packets > 200);
    T_OK(audio.delay_mean < MSEC(200) && audio.late < audio.packets / 20);
    T_EQ(stream_receiver_missing(picture, loop_now(world->control) - SEC(1)), 0);
    T_OK(video.packets > 100 && video.delay_mean < MSEC(300));
    T_OK(heard->remb_bitrate > 150000 && heard->remb_bitrate < 650000);
    live_end();
}

static void over_tcp(void)
{
    a_slow_reader_hears_everything_and_its_partner_slows_down(LIVE_TCP);
}

static void inside_tls(void)
{
    a_slow_reader_hears_everything_and_its_partner_slows_down(LIVE_TLS);
}

static const struct t_case cases[] = {
    {"a_slow_reader_hears_everything_and_its_partner_slows_down", over_tcp},
    {"a_slow_reader_inside_tls_hears_everything_too", inside_tls},
};
T_MAIN(cases)

#include "core/stream_leg.h"

#include "tests/t.h"

/*
 * A leg, a kernel, a network and two senders in virtual time. The kernel sends what it is given
 * as far as its window allows; the network is a bottleneck with a queue that never drops; what
 * arrives is looked at packet by packet. Millisecond steps.
 */

enum { AUDIO_SSRC = 1, VIDEO_SSRC = 2, WIRE_MAX = 4 << 20, FRAMES_MAX = 4096, PAYLOAD = 1100 };

struct packet {
    uint32_t ssrc;
    usec_t sent;
    uint32_t number; /* of audio: counts; of video: the frame */
    bool last, key;
};

static struct {
    /* what the test asks for */
    uint64_t bitrate;               /* of the bottleneck */
    uint32_t window;                /* of the kernel; bytes in flight */
    usec_t trip;                    /* one way, without any queue */
    uint64_t video;                 /* bit/s; */
    bool obeys;                     /* the sender sends no more than the cap */
    bool owner_asks;                /* as the relay does; else as a TURN server */
    usec_t stall_from, stall_until; /* the bottleneck passes nothing */

    usec_t now;
    struct stream_leg *leg;
    struct stream_legs stats;
    /* the kernel and the network: bytes given, sent into the network, through the bottleneck */
    uint64_t given, sent, through, acked;
    double credit;
    uint8_t wire[WIRE_MAX]; /* all bytes ever written, in a ring */
    uint64_t parsed;
    struct {
        uint64_t through;
        usec_t at;
    } passed[65536]; /* ring: when which byte had passed the bottleneck */
    uint64_t pass_first, pass_next;
    uint64_t ack_first;

    /* the senders */
    uint32_t audio_number, frame_number;
    usec_t audio_due, video_due, key_due;
    bool needs_key, admitted;
    unsigned keys_asked;
    /* the receiver */
    uint32_t audio_next, audio_lost;
    usec_t audio_delay_max, video_delay_max, video_delay_late; /* late: in the second half */
    uint32_t frames, keys, frames_late, frames_broken;
    uint32_t last_frame;
    usec_t half;
    usec_t cap_at_end;
} w;

static void begin(void)
{
    memset(&w, 0, sizeof w);
    w.bitrate = 500000;
    w.window = 1 << 20;
    w.trip = MSEC(20);
    w.video = 1200000;
    w.owner_asks = true;
    w.now = SEC(1);
    stream_legs_init(&w.stats);
    T_EQ(stream_leg_create(&w.leg, &w.stats), RC_OK);
}

static void end(void)
{
    stream_leg_free(w.leg);
}

/* --- the senders --- */

static int put(const struct packet *packet, size_t len, uint32_t timestamp)
{
    uint8_t head[2], bytes[1500] = {0x80, (uint8_t)(packet->ssrc == AUDIO_SSRC ? 111 : 96)};
    const struct packet_parts parts = {{head, 2}, {bytes, len}, 0};

    if (packet->last && packet->ssrc == VIDEO_SSRC)
        bytes[1] |= 0x80;
    store_be16(head, (uint16_t)len);
    store_be32(bytes + 4, timestamp);
    store_be32(bytes + 8, packet->ssrc);
    memcpy(bytes + 12, packet, sizeof *packet);
    return stream_leg_put(w.leg, &parts, w.now);
}

static void send_audio(void)
{
    const struct packet packet = {.ssrc = AUDIO_SSRC, .sent = w.now, .number = w.audio_number};

    T_EQ(put(&packet, 12 + 100, 960 * w.audio_number), RC_OK);
    w.audio_number++;
    w.audio_due += MSEC(20);
}

static size_t frame_bytes(bool key)
{
    uint64_t rate = w.video;
    const uint64_t cap = stream_leg_cap(w.leg);

    if (w.obeys && cap)
        rate = cap > 50000 + 50000 ? cap - 50000 : 50000;
    if (rate > w.video)
        rate = w.video;
    return (size_t)(rate / 8 / 30) * (key ? 4 : 1);
}

/* As relay/track_out does: who was shut out waits for a key frame, and asks once the gate is
 * open. */
static bool may_go(bool key)
{
    if (!w.owner_asks)
        return true;
    if (!stream_leg_admits(w.leg, w.now)) {
        w.needs_key = true;
        return false;
    }
    if (w.needs_key && !key) {
        if (!w.key_due) {
            w.keys_asked++;
            w.key_due = w.now + MSEC(60);
        }
        return false;
    }
    w.needs_key = false;
    return true;
}

static void send_video(void)
{
    const bool key = w.frame_number == 0 || (w.key_due && w.now >= w.key_due);
    const uint32_t number = w.frame_number++;

    w.video_due += 33333;
    if (key)
        w.key_due = 0;
    if (!may_go(key))
        return;
    for (size_t left = frame_bytes(key); left;) {
        const size_t n = left < PAYLOAD ? left : PAYLOAD;
        const struct packet packet = {
            .ssrc = VIDEO_SSRC, .sent = w.now, .number = number, .last = left == n, .key = key};

        left -= n;
        (void)put(&packet, n < 60 ? 60 : n, 3000 * number);
    }
}

/* --- the kernel --- */

/* Slow start without an end: what it holds, the network has. */
static uint64_t window(void)
{
    const uint64_t open = 14600 + w.acked;

    return w.acked + (open < w.window ? open : w.window);
}

static void send_on(void)
{
    const uint64_t most = window();

    if (w.sent < most)
        w.sent = w.given < most ? w.given : most;
}

static struct stream_sample sample(void)
{
    return (struct stream_sample){
        .acked = w.acked,
        .unsent = (uint32_t)(w.given - w.sent),
        .in_flight = (uint32_t)(w.sent - w.acked),
        .rtt = 2 * w.trip + (w.sent - w.through) * SEC(8) / w.bitrate,
        .rtt_min = 2 * w.trip,
    };
}

static void write_out(void)
{
    for (int i = 0; i < 100 && stream_leg_waits(w.leg); i++) {
        const struct stream_sample s = sample();

        stream_leg_sample(w.leg, &s, w.now);
        const struct span bytes = stream_leg_next(w.leg, w.now);
        if (bytes.n == 0)
            return;
        for (size_t k = 0; k < bytes.n; k++)
            w.wire[(w.given + k) % WIRE_MAX] = bytes.p[k];
        w.given += bytes.n;
        T_EQ(stream_leg_took(w.leg, bytes.n), RC_OK);
        send_on();
    }
}

/* --- the network and the receiver --- */

static void see_frame(const struct packet *packet, usec_t at)
{
    const usec_t delay = at - packet->sent;

    if (!packet->last)
        return;
    w.frames++;
    w.keys += packet->key;
    if (packet->number != w.last_frame + 1 && !packet->key)
        w.frames_broken++;
    w.last_frame = packet->number;
    if (delay > w.video_delay_max)
        w.video_delay_max = delay;
    if (at > w.half) {
        w.frames_late++;
        if (delay > w.video_delay_late)
            w.video_delay_late = delay;
    }
}

static void see(const struct packet *packet, usec_t at)
{
    if (packet->ssrc == VIDEO_SSRC) {
        see_frame(packet, at);
        return;
    }
    w.audio_lost += packet->number - w.audio_next;
    w.audio_next = packet->number + 1;
    if (at - packet->sent > w.audio_delay_max)
        w.audio_delay_max = at - packet->sent;
}

static void receive(uint64_t upto, usec_t at)
{
    for (;;) {
        uint8_t bytes[1502];
        struct packet packet;

        if (upto - w.parsed < 2)
            return;
        for (size_t i = 0; i < 2; i++)
            bytes[i] = w.wire[(w.parsed + i) % WIRE_MAX];
        const size_t len = load_be16(bytes);
        T_OK(len >= 12 + sizeof packet && len <= 1500);
        if (upto - w.parsed < 2 + len)
            return;
        for (size_t i = 0; i < len; i++)
            bytes[i] = w.wire[(w.parsed + 2 + i) % WIRE_MAX];
        memcpy(&packet, bytes + 12, sizeof packet);
        w.parsed += 2 + len;
        see(&packet, at);
    }
}

static void network(void)
{
    const bool stalled = w.now >= w.stall_from && w.now < w.stall_until;

    send_on();
    w.credit += stalled ? 0 : (double)w.bitrate / 8000;
    if (w.sent - w.through < (uint64_t)w.credit)
        w.credit = (double)(w.sent - w.through); /* an idle line saves nothing */
    w.through += (uint64_t)w.credit;
    w.credit -= (double)(uint64_t)w.credit;
    w.passed[w.pass_next % ARRAY_LEN(w.passed)].through = w.through;
    w.passed[w.pass_next++ % ARRAY_LEN(w.passed)].at = w.now;
    while (w.pass_first < w.pass_next &&
           w.passed[w.pass_first % ARRAY_LEN(w.passed)].at + w.trip <= w.now)
        receive(w.passed[w.pass_first++ % ARRAY_LEN(w.passed)].through, w.now);
    while (w.ack_first < w.pass_next &&
           w.passed[w.ack_first % ARRAY_LEN(w.passed)].at + 2 * w.trip <= w.now)
        w.acked = w.passed[w.ack_first++ % ARRAY_LEN(w.passed)].through;
}

static void run(usec_t duration)
{
    const usec_t until = w.now + duration;

    w.half = w.now + duration / 2;
    w.audio_due = w.video_due = w.now;
    while (w.now < until) {
        bool wrote = false;

        if (w.now >= w.audio_due) {
            send_audio();
            wrote = true;
        }
        if (w.video && w.now >= w.video_due) {
            send_video();
            wrote = true;
        }
        if (wrote || (w.now / 1000) % 5 == 0)
            write_out();
        network();
        w.now += 1000;
    }
    w.cap_at_end = stream_leg_cap(w.leg);
}

static void report(void)
{
    printf("# sound: %u lost, delay %llu ms; pictures: %u frames (%u key, %u asked for), delay "
           "%llu ms "
           "and %llu ms later on; dropped %llu, gates %llu, stale %llu; cap %llu\n",
           w.audio_lost, (unsigned long long)w.audio_delay_max / 1000, w.frames, w.keys,
           w.keys_asked, (unsigned long long)w.video_delay_max / 1000,
           (unsigned long long)w.video_delay_late / 1000,
           (unsigned long long)counter_get(&w.stats.frames_dropped),
           (unsigned long long)counter_get(&w.stats.gates_shut),
           (unsigned long long)counter_get(&w.stats.packets_stale),
           (unsigned long long)w.cap_at_end);
}

/* --- scenarios --- */

static void a_line_with_room_delays_nothing_and_knows_no_cap(void)
{
    begin();
    w.bitrate = 10000000;
    run(SEC(10));
    report();
    T_EQ(w.audio_lost, 0);
    T_OK(w.audio_delay_max <= w.trip + MSEC(30));
    T_OK(w.video_delay_max <= w.trip + MSEC(100));
    T_EQ(counter_get(&w.stats.frames_dropped), 0);
    T_EQ(w.cap_at_end, 0);
    T_EQ(w.keys_asked, 0);
    T_OK(w.frames >= 298);
    end();
}

static void too_much_video_for_the_line_leaves_sound_whole_and_young(void)
{
    begin(); /* 500 kbit/s, a sender of 1.2 Mbit/s that does not care */
    run(SEC(20));
    report();
    T_EQ(w.audio_lost, 0);
    T_OK(w.audio_delay_max < MSEC(200));
    T_OK(w.keys_asked > 0);
    T_OK(w.keys > 10); /* there is a picture now and then all the same */
    T_EQ(w.frames_broken, 0);
    T_OK(counter_get(&w.stats.gates_shut) > 0);
    T_OK(w.cap_at_end > 350000 && w.cap_at_end < 500000);
    end();
}

static void a_sender_that_keeps_to_the_cap_comes_to_rest(void)
{
    begin();
    w.obeys = true;
    run(SEC(30));
    report();
    T_EQ(w.audio_lost, 0);
    T_OK(w.audio_delay_max < MSEC(200));
    T_OK(w.video_delay_late < MSEC(300));
    T_OK(w.frames_late > 15 * 30 * 8 / 10); /* nearly every frame of the second half */
    T_EQ(w.frames_broken, 0);
    T_OK(w.keys_asked > 0 && w.keys_asked < 15);
    end();
}

static void the_same_where_the_kernel_holds_back_and_not_the_network(void)
{
    begin();
    w.window = 6000; /* twice what the line carries in a round trip */
    w.obeys = true;
    run(SEC(30));
    report();
    T_EQ(w.audio_lost, 0);
    T_OK(w.audio_delay_max < MSEC(200));
    T_OK(w.video_delay_late < MSEC(300));
    T_OK(w.frames_late > 15 * 30 * 8 / 10);
    T_EQ(w.frames_broken, 0);
    end();
}

static void a_carrier_that_cannot_read_packets_keeps_sound_whole_too(void)
{
    begin();
    w.owner_asks = false;
    run(SEC(20));
    report();
    T_EQ(w.audio_lost, 0);
    T_OK(w.audio_delay_max < MSEC(250));
    T_OK(counter_get(&w.stats.frames_dropped) > 100);
    T_OK(w.frames > 60);
    end();
}

static void a_line_that_gets_faster_is_found_out(void)
{
    begin();
    w.obeys = true;
    run(SEC(15));
    const uint64_t before = w.cap_at_end;
    w.bitrate = 5000000;
    run(SEC(20));
    report();
    T_OK(w.cap_at_end == 0 || w.cap_at_end > 2 * before);
    end();
}

static void what_a_stall_made_late_is_not_sent(void)
{
    begin();
    w.bitrate = 3000000;
    w.stall_from = SEC(6);
    w.stall_until = SEC(8);
    run(SEC(15));
    report();
    /* What the kernel had is late, and so is what came just before the end of the stall. */
    T_OK(w.audio_lost > 50 && w.audio_lost < 2 * 50);
    T_OK(counter_get(&w.stats.packets_stale) > 0);
    T_OK(w.keys_asked >= 1);
    T_OK(w.frames_late > 6 * 30);
    T_OK(w.video_delay_late < MSEC(200));
    end();
}

static void a_leg_that_does_not_move_at_all_is_bounded(void)
{
    begin();
    w.stall_from = 0;
    w.stall_until = USEC_NEVER;
    w.owner_asks = false;
    w.video = 20000000;
    const struct packet packet = {.ssrc = 77};
    for (int i = 0; i < 3000; i++) /* control of any size */
        (void)put(&packet, 1200, (uint32_t)i);
    T_OK(counter_get(&w.stats.packets_overflow) > 0);
    T_OK(stream_leg_waits(w.leg));
    end();
}

static void what_was_not_taken_comes_first_again(void)
{
    uint8_t message[300], seen[4096];
    const struct packet_parts parts = {SPAN_LITERAL("ab"), {message, sizeof message}, 2};
    size_t n = 0;

    begin();
    for (size_t i = 0; i < sizeof message; i++)
        message[i] = (uint8_t)(i % 64);
    for (int i = 0; i < 4; i++)
        T_EQ(stream_leg_put(w.leg, &parts, w.now), RC_OK);
    for (unsigned round = 0; stream_leg_waits(w.leg); round++) {
        const struct stream_sample s = {.acked = n};
        stream_leg_sample(w.leg, &s, w.now++);
        const struct span bytes = stream_leg_next(w.leg, w.now);
        const size_t taken = round % 3 == 0 ? 0 : bytes.n < 71 ? bytes.n : 71;

        T_OK(bytes.n > 0 && n + taken <= sizeof seen);
        memcpy(seen + n, bytes.p, taken);
        n += taken;
        T_EQ(stream_leg_took(w.leg, taken), RC_OK);
    }
    T_EQ(n, 4 * 304);
    for (size_t i = 0; i < n; i += 304) {
        T_MEM(seen + i, "ab", 2);
        T_MEM(seen + i + 2, message, sizeof message);
        T_EQ(seen[i + 302] | seen[i + 303], 0);
    }
    end();
}

static const struct t_case cases[] = {
    T_CASE(a_line_with_room_delays_nothing_and_knows_no_cap),
    T_CASE(too_much_video_for_the_line_leaves_sound_whole_and_young),
    T_CASE(a_sender_that_keeps_to_the_cap_comes_to_rest),
    T_CASE(the_same_where_the_kernel_holds_back_and_not_the_network),
    T_CASE(a_carrier_that_cannot_read_packets_keeps_sound_whole_too),
    T_CASE(a_line_that_gets_faster_is_found_out),
    T_CASE(what_a_stall_made_late_is_not_sent),
    T_CASE(a_leg_that_does_not_move_at_all_is_bounded),
    T_CASE(what_was_not_taken_comes_first_again),
};
T_MAIN(cases)

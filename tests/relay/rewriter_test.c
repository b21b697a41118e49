#include "relay/rewriter.h"
#include "tests/t.h"

#define ALICE 0xa11ce
#define BOB 0xb0b

static const struct rewriter_options options = {.clock_rate = 90000,
                                                .first_seq = 100,
                                                .first_timestamp = 5000,
                                                .first_picture_id = 0x7fff,
                                                .first_frame_number = 9,
                                                .first_tl0 = 255};
static const usec_t T0 = SEC(1000);

static struct rewriter running(uint32_t ssrc)
{
    struct rewriter rewriter;

    rewriter_init(&rewriter, &options);
    rewriter_switch(&rewriter, ssrc);
    return rewriter;
}

static struct rewriter_input packet(uint32_t ssrc, uint16_t seq, uint32_t timestamp)
{
    return (struct rewriter_input){
        .ssrc = ssrc, .seq = seq, .timestamp = timestamp, .key_frame = true};
}

/* The outgoing sequence number of an incoming packet, or a negative result. */
static int map(struct rewriter *rewriter, uint32_t ssrc, uint16_t seq)
{
    const struct rewriter_input in = packet(ssrc, seq, 3000u * seq);
    struct rewriter_output out;
    const int rc = rewriter_map(rewriter, &in, T0, &out);
    return rc == RC_OK ? out.seq : rc;
}

static void a_stream_begins_where_it_was_told_to(void)
{
    struct rewriter rewriter = running(ALICE);
    const struct rewriter_input in = packet(ALICE, 40000, 77);
    struct rewriter_output out;

    T_EQ(rewriter_map(&rewriter, &in, T0, &out), RC_OK);
    T_EQ(out.seq, 100);
    T_EQ(out.index, 100);
    T_EQ(out.timestamp, 5000);
    T_OK(out.first && out.newest && !out.repeated);
    T_EQ(map(&rewriter, ALICE, 40001), 101);
}

static void nothing_leaves_before_the_first_key_frame(void)
{
    struct rewriter rewriter = running(ALICE);
    struct rewriter_input in = packet(ALICE, 7, 0);
    struct rewriter_output out = {.seq = 0xdead};

    in.key_frame = false;
    T_EQ(rewriter_map(&rewriter, &in, T0, &out), RC_AGAIN);
    T_EQ(out.seq, 0xdead);
    T_OK(rewriter_waits_for_key_frame(&rewriter));
    T_EQ(map(&rewriter, ALICE, 8), 100); /* and what was dropped before leaves no gap */
    T_OK(!rewriter_waits_for_key_frame(&rewriter));
    T_EQ(map(&rewriter, ALICE, 7), RC_BAD); /* nor does it come later */
}

static void late_and_lost_packets_keep_their_place(void)
{
    struct rewriter rewriter = running(ALICE);

    T_EQ(map(&rewriter, ALICE, 65534), 100);
    T_EQ(map(&rewriter, ALICE, 1), 103);
    T_EQ(map(&rewriter, ALICE, 0), 102);
    T_EQ(map(&rewriter, ALICE, 65535), 101);
    T_EQ(map(&rewriter, ALICE, 2), 104);
}

static void a_repeated_packet_maps_to_its_place_and_is_marked(void)
{
    struct rewriter rewriter = running(ALICE);
    const struct rewriter_input in = packet(ALICE, 10, 0);
    struct rewriter_output out;

    T_EQ(rewriter_map(&rewriter, &in, T0, &out), RC_OK);
    T_OK(!out.repeated);
    T_EQ(map(&rewriter, ALICE, 11), 101);
    T_EQ(rewriter_map(&rewriter, &in, T0, &out), RC_OK);
    T_EQ(out.seq, 100);
    T_OK(out.repeated && !out.newest && !out.first);
}

static void what_lies_behind_the_window_is_refused(void)
{
    struct rewriter rewriter = running(ALICE);

    T_EQ(map(&rewriter, ALICE, 0), 100);
    T_EQ(map(&rewriter, ALICE, REWRITER_WINDOW), 100 + REWRITER_WINDOW);
    T_EQ(map(&rewriter, ALICE, 1), 101);
    T_EQ(map(&rewriter, ALICE, 0), RC_BAD);
}

static void a_new_source_goes_on_at_the_next_number(void)
{
    struct rewriter rewriter = running(ALICE);
    struct rewriter_input in = packet(BOB, 9000, 123456);
    struct rewriter_output out;

    map(&rewriter, ALICE, 10);
    map(&rewriter, ALICE, 12);
    rewriter_switch(&rewriter, BOB);
    T_EQ(map(&rewriter, ALICE, 11), RC_BAD);

    const uint32_t last = rewriter.last_timestamp;
    T_EQ(rewriter_map(&rewriter, &in, T0 + MSEC(500), &out), RC_OK);
    T_EQ(out.seq, 103);
    T_EQ(out.timestamp, last + 45000); /* half a second at 90 kHz */
    T_OK(out.first);
    T_EQ(map(&rewriter, BOB, 8999), RC_BAD); /* older than the switch */
    T_EQ(map(&rewriter, ALICE, 11), RC_BAD);

    in = packet(BOB, 9001, 123456 + 3000);
    T_EQ(rewriter_map(&rewriter, &in, T0 + MSEC(533), &out), RC_OK);
    T_EQ(out.timestamp, last + 48000);
}

static void two_sources_never_share_a_timestamp(void)
{
    struct rewriter rewriter = running(ALICE);
    const struct rewriter_input first = packet(ALICE, 1, 1), second = packet(BOB, 1, 1);
    struct rewriter_output a, b;

    T_EQ(rewriter_map(&rewriter, &first, T0, &a), RC_OK);
    rewriter_switch(&rewriter, BOB);
    T_EQ(rewriter_map(&rewriter, &second, T0, &b), RC_OK);
    T_EQ(b.timestamp, a.timestamp + 1);
}

static void dropped_packets_leave_no_gap(void)
{
    struct rewriter rewriter = running(ALICE);

    T_EQ(map(&rewriter, ALICE, 10), 100);
    T_OK(rewriter_drop(&rewriter, ALICE, 11));
    T_OK(rewriter_drop(&rewriter, ALICE, 12));
    T_OK(rewriter_drop(&rewriter, ALICE, 12));
    T_EQ(map(&rewriter, ALICE, 14), 102); /* 13 is on its way */
    T_EQ(map(&rewriter, ALICE, 13), 101);
    T_EQ(map(&rewriter, ALICE, 11), RC_BAD);
    T_EQ(map(&rewriter, ALICE, 10), 100);
}

static void drops_out_of_order_close_over_too(void)
{
    struct rewriter rewriter = running(ALICE);

    T_EQ(map(&rewriter, ALICE, 10), 100);
    T_OK(rewriter_drop(&rewriter, ALICE, 13));
    T_OK(rewriter_drop(&rewriter, ALICE, 12));
    T_EQ(map(&rewriter, ALICE, 14), 102);
    T_EQ(map(&rewriter, ALICE, 11), 101);
}

static void a_drop_that_comes_too_late_is_told(void)
{
    struct rewriter rewriter = running(ALICE);

    T_EQ(map(&rewriter, ALICE, 10), 100);
    T_EQ(map(&rewriter, ALICE, 12), 102);
    T_OK(!rewriter_drop(&rewriter, ALICE, 11));
    T_EQ(map(&rewriter, ALICE, 11), 101);
    T_OK(rewriter_drop(&rewriter, BOB, 13)); /* another source's packets go for free */
    T_EQ(map(&rewriter, ALICE, 13), 103);
}

static void many_drops_forget_only_the_oldest_places(void)
{
    struct rewriter rewriter = running(ALICE);

    T_EQ(map(&rewriter, ALICE, 0), 100);
    for (uint16_t i = 1; i <= 2 * REWRITER_RANGES; i++) {
        T_OK(rewriter_drop(&rewriter, ALICE, (uint16_t)(3 * i)));
        T_EQ(map(&rewriter, ALICE, (uint16_t)(3 * i + 1)), 100 + 2 * i + 1);
    }
    T_EQ(map(&rewriter, ALICE, 6 * REWRITER_RANGES - 1), 100 + 4 * REWRITER_RANGES);
    T_EQ(map(&rewriter, ALICE, 2), RC_BAD);
}

static void a_source_that_jumps_restarts_when_confirmed(void)
{
    struct rewriter rewriter = running(ALICE);
    const uint8_t epoch = rewriter.epoch;

    T_EQ(map(&rewriter, ALICE, 10), 100);
    T_EQ(map(&rewriter, ALICE, 20000), RC_BAD);
    T_EQ(map(&rewriter, ALICE, 11), 101); /* a stray: nothing happened */
    T_EQ(map(&rewriter, ALICE, 20000), RC_BAD);
    T_EQ(map(&rewriter, ALICE, 20001), 102);
    T_EQ(map(&rewriter, ALICE, 12), RC_BAD);
    T_EQ(rewriter.epoch, epoch + 1);
    T_EQ(map(&rewriter, ALICE, 20002), 103);
}

static void a_long_outage_is_survived_in_both_directions(void)
{
    for (uint32_t jump = 3001; jump < 61000; jump += 1000) {
        struct rewriter rewriter = running(ALICE);

        T_EQ(map(&rewriter, ALICE, 0), 100);
        T_EQ(map(&rewriter, ALICE, (uint16_t)jump), RC_BAD);
        T_EQ(map(&rewriter, ALICE, (uint16_t)(jump + 1)), 101);
    }
}

static struct rewriter_output picture(struct rewriter *rewriter, uint32_t ssrc, uint16_t seq,
                                      uint8_t bits, uint16_t id, uint8_t tl0)
{
    struct rewriter_input in = packet(ssrc, seq, 0);
    struct rewriter_output out = {0};

    in.picture =
        (struct picture_numbers){.id_bits = bits, .id = id, .has_tl0 = true, .tl0 = tl0};
    in.has_frame_number = true;
    in.frame_number = id;
    T_EQ(rewriter_map(rewriter, &in, T0, &out), RC_OK);
    return out;
}

static void picture_numbers_go_on_over_a_switch(void)
{
    struct rewriter rewriter = running(ALICE);
    struct rewriter_output out = picture(&rewriter, ALICE, 1, 15, 700, 3);

    T_EQ(out.picture_id, 0x7fff);
    T_EQ(out.tl0, 255);
    T_EQ(out.frame_number, 9);
    out = picture(&rewriter, ALICE, 3, 15, 702, 4);
    T_EQ(out.picture_id, 1);
    T_EQ(out.tl0, 0);
    out = picture(&rewriter, ALICE, 2, 15, 701, 3);
    T_EQ(out.picture_id, 0);
    T_EQ(out.frame_number, 10);

    rewriter_switch(&rewriter, BOB);
    out = picture(&rewriter, BOB, 500, 15, 20, 90);
    T_EQ(out.picture_id, 2); /* the newest was 1, though 0 came last */
    T_EQ(out.tl0, 1);
    T_EQ(out.frame_number, 12);
    out = picture(&rewriter, BOB, 501, 15, 21, 91);
    T_EQ(out.picture_id, 3);
}

static void narrow_picture_ids_stay_narrow(void)
{
    struct rewriter rewriter = running(ALICE);

    T_EQ(picture(&rewriter, ALICE, 1, 7, 126, 0).picture_id, 127);
    T_EQ(picture(&rewriter, ALICE, 2, 7, 127, 0).picture_id, 0);
    T_EQ(picture(&rewriter, ALICE, 3, 7, 0, 0).picture_id, 1);
}

static void reports_map_the_source_timestamp(void)
{
    struct rewriter rewriter = running(ALICE);
    uint32_t out;

    T_OK(!rewriter_timestamp(&rewriter, ALICE, 0, &out));
    T_EQ(map(&rewriter, ALICE, 1), 100); /* timestamp 3000 becomes 5000 */
    T_OK(rewriter_timestamp(&rewriter, ALICE, 3600, &out));
    T_EQ(out, 5600);
    T_OK(!rewriter_timestamp(&rewriter, BOB, 3600, &out));
    rewriter_stop(&rewriter);
    T_OK(!rewriter_timestamp(&rewriter, ALICE, 3600, &out));
    T_EQ(map(&rewriter, ALICE, 2), RC_BAD);
}

static const struct t_case cases[] = {
    T_CASE(a_stream_begins_where_it_was_told_to),
    T_CASE(nothing_leaves_before_the_first_key_frame),
    T_CASE(late_and_lost_packets_keep_their_place),
    T_CASE(a_repeated_packet_maps_to_its_place_and_is_marked),
    T_CASE(what_lies_behind_the_window_is_refused),
    T_CASE(a_new_source_goes_on_at_the_next_number),
    T_CASE(two_sources_never_share_a_timestamp),
    T_CASE(dropped_packets_leave_no_gap),
    T_CASE(drops_out_of_order_close_over_too),
    T_CASE(a_drop_that_comes_too_late_is_told),
    T_CASE(many_drops_forget_only_the_oldest_places),
    T_CASE(a_source_that_jumps_restarts_when_confirmed),
    T_CASE(a_long_outage_is_survived_in_both_directions),
    T_CASE(picture_numbers_go_on_over_a_switch),
    T_CASE(narrow_picture_ids_stay_narrow),
    T_CASE(reports_map_the_source_timestamp),
};
T_MAIN(cases)

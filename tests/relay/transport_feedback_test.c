#include "tests/t.h"
#include "relay/transport_feedback.h"

#define TICKS(n) ((usec_t)(n)*250u)
#define T0 TICKS(1000 * 256) /* a whole base time: 1000 = 0x3e8 */

static uint8_t buf[1200];
static struct rtcp_writer writer;
static struct arrival_log arrivals;

static void setup(size_t max)
{
    rtcp_writer_init(&writer, buf, max);
    memset(buf, 0xee, sizeof buf);
    arrival_log_init(&arrivals);
}

static bool write_message(usec_t now)
{
    return arrival_log_write(&arrivals, &writer, 0x11223344, 0xaabbccdd, now);
}

/* Reads the message that begins the datagram and takes it off. */
static struct transport_feedback read_message(struct span *rest)
{
    struct rtcp_packet packet;
    struct transport_feedback feedback;

    T_OK(rtcp_next(rest, &packet));
    T_EQ(packet.kind, RTCP_TRANSPORT_FEEDBACK);
    T_EQ(transport_feedback_parse(&packet, &feedback), RC_OK);
    return feedback;
}

static struct transport_feedback read_only_message(void)
{
    struct span rest = {buf, writer.len};
    const struct transport_feedback feedback = read_message(&rest);

    T_EQ(rest.n, 0);
    return feedback;
}

#define T_NEXT(feedback, wanted_seq, wanted_ticks)                                             \
    do {                                                                                       \
        struct packet_result t_result;                                                         \
        T_OK(transport_feedback_next(feedback, &t_result));                                    \
        T_EQ(t_result.seq, wanted_seq);                                                        \
        T_OK(t_result.received);                                                               \
        T_EQ(t_result.arrival, (uint32_t)(T0 / 250) + (uint32_t)(wanted_ticks));               \
    } while (0)
#define T_NEXT_MISSING(feedback, wanted_seq)                                                   \
    do {                                                                                       \
        struct packet_result t_result;                                                         \
        T_OK(transport_feedback_next(feedback, &t_result));                                    \
        T_EQ(t_result.seq, wanted_seq);                                                        \
        T_OK(!t_result.received);                                                              \
    } while (0)
#define T_END(feedback)                                                                        \
    do {                                                                                       \
        struct packet_result t_result;                                                         \
        T_OK(!transport_feedback_next(feedback, &t_result));                                   \
    } while (0)

/* A message as deployed senders make it: one packet, a run of one, one byte of padding. */
static void one_packet_is_a_run_of_one(void)
{
    static const char wire[] = "\xaf\xcd\x00\x05\xfa\x17\xfa\x17\x43\x03\x2f\xa0"
                               "\x00\x99\x00\x01\x3d\xe8\x02\x17\x20\x01\x94\x01";
    const usec_t arrived = TICKS((usec_t)0x3de802 * 256 + 0x94);

    setup(sizeof buf);
    arrivals.count = 0x17;
    arrival_log_packet(&arrivals, 0x99, arrived);
    T_OK(arrival_log_write(&arrivals, &writer, 0xfa17fa17, 0x43032fa0, arrived + MSEC(100)));
    T_EQ(writer.len, sizeof wire - 1);
    T_MEM(buf, wire, sizeof wire - 1);

    struct transport_feedback feedback = read_only_message();
    struct packet_result result;
    T_EQ(feedback.sender_ssrc, 0xfa17fa17);
    T_EQ(feedback.media_ssrc, 0x43032fa0);
    T_EQ(feedback.count, 0x17);
    T_OK(transport_feedback_next(&feedback, &result));
    T_EQ(result.seq, 0x99);
    T_EQ(result.arrival, 0x3de80294);
}

#define HEAD(len, base, count)                                                                 \
    "\x8f\xcd\x00" len "\x11\x22\x33\x44\xaa\xbb\xcc\xdd" base count "\x00\x03\xe8\x00"
#define PADDED_HEAD(len, base, count)                                                          \
    "\xaf\xcd\x00" len "\x11\x22\x33\x44\xaa\xbb\xcc\xdd" base count "\x00\x03\xe8\x00"

static void check_wire(const char *wire, size_t len)
{
    T_OK(write_message(T0 + MSEC(100)));
    T_EQ(writer.len, len);
    T_MEM(buf, wire, len);
    T_EQ(buf[len], 0xee);
}
#define T_WIRE(literal) check_wire(literal, sizeof(literal) - 1)

static void a_run_is_one_chunk(void)
{
    setup(sizeof buf);
    for (unsigned i = 0; i < 20; i++)
        arrival_log_packet(&arrivals, (uint16_t)i, T0 + TICKS(4 * i));
    T_WIRE(PADDED_HEAD("\x0a", "\x00\x00", "\x00\x14") "\x20\x14"
                                                       "\x00\x04\x04\x04\x04\x04\x04\x04\x04"
                                                       "\x04\x04\x04\x04\x04\x04\x04\x04\x04"
                                                       "\x04\x04\x00\x02");
}

static void single_losses_are_a_vector_of_one_bit(void)
{
    setup(sizeof buf);
    arrival_log_packet(&arrivals, 100, T0);
    arrival_log_packet(&arrivals, 102, T0 + TICKS(1));
    arrival_log_packet(&arrivals, 103, T0 + TICKS(2));
    /* 1011 0000000000 */
    T_WIRE(PADDED_HEAD("\x06", "\x00\x64", "\x00\x04") "\xac\x00"
                                                       "\x00\x01\x01\x00\x00\x03");
}

static void long_and_negative_deltas_are_a_vector_of_two_bits(void)
{
    setup(sizeof buf);
    arrival_log_packet(&arrivals, 0xffff, T0);
    arrival_log_packet(&arrivals, 0, T0 + TICKS(256));
    arrival_log_packet(&arrivals, 1, T0 + TICKS(255));
    /* small, large, large, and four symbols that are not counted */
    T_WIRE(PADDED_HEAD("\x06", "\xff\xff", "\x00\x03") "\xda\x00"
                                                       "\x00\x01\x00\xff\xff\x01");
}

static void a_long_loss_is_a_run(void)
{
    setup(sizeof buf);
    arrival_log_packet(&arrivals, 0, T0);
    arrival_log_packet(&arrivals, 101, T0 + TICKS(10));
    /* A vector: one received, thirteen lost; a run of 87 lost; a run of one received. */
    T_WIRE(HEAD("\x06", "\x00\x00", "\x00\x66") "\xa0\x00"
                                                "\x00\x57\x20\x01"
                                                "\x00\x0a");
}

static void nothing_is_due_before_something_arrives(void)
{
    setup(sizeof buf);
    T_OK(arrival_log_deadline(&arrivals) == USEC_NEVER);
    T_OK(!write_message(T0));
    T_EQ(writer.len, 0);
}

static void messages_are_100_ms_apart(void)
{
    setup(sizeof buf);
    arrival_log_packet(&arrivals, 1, T0);
    T_OK(arrival_log_deadline(&arrivals) == T0 + MSEC(100));
    arrival_log_packet(&arrivals, 2, T0 + MSEC(50));
    T_OK(arrival_log_deadline(&arrivals) == T0 + MSEC(100));
    T_OK(write_message(T0 + MSEC(100)));
    T_OK(arrival_log_deadline(&arrivals) == USEC_NEVER);
    arrival_log_packet(&arrivals, 3, T0 + MSEC(130));
    T_OK(arrival_log_deadline(&arrivals) == T0 + MSEC(200));
}

static void a_burst_does_not_wait(void)
{
    setup(sizeof buf);
    for (unsigned i = 0; i <= TRANSPORT_FEEDBACK_WINDOW / 2; i++)
        arrival_log_packet(&arrivals, (uint16_t)i, T0 + i);
    T_OK(arrival_log_deadline(&arrivals) <= T0 + TRANSPORT_FEEDBACK_WINDOW);
}

static void losses_between_messages_are_told(void)
{
    setup(sizeof buf);
    arrival_log_packet(&arrivals, 10, T0);
    T_OK(write_message(T0 + MSEC(100)));
    rtcp_writer_init(&writer, buf, sizeof buf);
    arrival_log_packet(&arrivals, 13, T0 + TICKS(800));
    T_OK(write_message(T0 + MSEC(200)));

    struct transport_feedback feedback = read_only_message();
    T_EQ(feedback.count, 1);
    T_NEXT_MISSING(&feedback, 11);
    T_NEXT_MISSING(&feedback, 12);
    T_NEXT(&feedback, 13, 800);
    T_END(&feedback);
}

static void a_late_packet_is_told_by_the_next_message(void)
{
    setup(sizeof buf);
    arrival_log_packet(&arrivals, 10, T0);
    arrival_log_packet(&arrivals, 12, T0 + TICKS(5));
    T_OK(write_message(T0 + MSEC(100)));
    rtcp_writer_init(&writer, buf, sizeof buf);
    arrival_log_packet(&arrivals, 11, T0 + TICKS(600));
    T_OK(write_message(T0 + MSEC(200)));

    struct transport_feedback feedback = read_only_message();
    T_NEXT(&feedback, 11, 600);
    T_NEXT(&feedback, 12, 5);
    T_END(&feedback);
}

static void a_duplicate_is_not_told(void)
{
    setup(sizeof buf);
    arrival_log_packet(&arrivals, 10, T0);
    T_OK(write_message(T0 + MSEC(100)));
    arrival_log_packet(&arrivals, 10, T0 + MSEC(120));
    T_OK(arrival_log_deadline(&arrivals) == USEC_NEVER);
}

static void a_packet_from_before_the_window_is_ignored(void)
{
    setup(sizeof buf);
    arrival_log_packet(&arrivals, 1000, T0);
    arrival_log_packet(&arrivals, 1000 - TRANSPORT_FEEDBACK_WINDOW, T0 + 1);
    T_OK(write_message(T0 + MSEC(100)));
    T_EQ(read_only_message().base_seq, 1000);
}

static void a_gap_larger_than_the_window_is_cut(void)
{
    setup(sizeof buf);
    arrival_log_packet(&arrivals, 10, T0);
    arrival_log_packet(&arrivals, 20010, T0 + TICKS(1));
    T_OK(write_message(T0 + MSEC(100)));

    struct transport_feedback feedback = read_only_message();
    T_EQ(feedback.base_seq, 20010 - TRANSPORT_FEEDBACK_WINDOW + 1);
    T_EQ(feedback.status_count, TRANSPORT_FEEDBACK_WINDOW);
}

static void a_pause_of_more_than_eight_seconds_takes_two_messages(void)
{
    setup(sizeof buf);
    arrival_log_packet(&arrivals, 1, T0);
    arrival_log_packet(&arrivals, 2, T0 + TICKS(40000));
    T_OK(write_message(T0 + SEC(11)));
    T_OK(write_message(T0 + SEC(11)));
    T_OK(!write_message(T0 + SEC(11)));

    struct span rest = {buf, writer.len};
    struct transport_feedback first = read_message(&rest), second = read_message(&rest);
    T_EQ(rest.n, 0);
    T_NEXT(&first, 1, 0);
    T_END(&first);
    T_NEXT(&second, 2, 40000);
    T_END(&second);
    T_EQ(second.count, 1);
}

static void a_small_datagram_takes_more_messages(void)
{
    unsigned told = 0, messages = 0;

    setup(TRANSPORT_FEEDBACK_ROOM);
    for (unsigned i = 0; i < 402; i++) {
        if (i % 3 != 1)
            arrival_log_packet(&arrivals, (uint16_t)(65500 + i), T0 + TICKS(300 * i));
    }
    while (arrival_log_deadline(&arrivals) != USEC_NEVER) {
        struct packet_result result;

        rtcp_writer_init(&writer, buf, TRANSPORT_FEEDBACK_ROOM);
        T_OK(write_message(T0 + SEC(2)));
        T_OK(writer.len <= TRANSPORT_FEEDBACK_ROOM);
        struct transport_feedback feedback = read_only_message();
        T_EQ(feedback.count, messages++);
        while (transport_feedback_next(&feedback, &result)) {
            T_EQ(result.seq, (uint16_t)(65500 + told));
            T_EQ(result.received, told % 3 != 1);
            if (result.received)
                T_EQ(result.arrival, (uint32_t)(T0 / 250) + 300 * told);
            told++;
        }
    }
    T_EQ(told, 402);
    T_OK(messages > 1);
}

static void a_loss_of_a_whole_window_fits_the_least_room(void)
{
    setup(TRANSPORT_FEEDBACK_ROOM);
    arrival_log_packet(&arrivals, 0, T0);
    T_OK(write_message(T0 + MSEC(100)));
    arrival_log_packet(&arrivals, TRANSPORT_FEEDBACK_WINDOW, T0 + MSEC(150));
    T_OK(!write_message(T0 + MSEC(200)));
    rtcp_writer_init(&writer, buf, TRANSPORT_FEEDBACK_ROOM);
    T_OK(write_message(T0 + MSEC(200)));
    T_EQ(read_only_message().status_count, TRANSPORT_FEEDBACK_WINDOW);
}

static void the_clock_may_wrap(void)
{
    const usec_t wrap = TICKS((usec_t)1 << 32);
    struct packet_result a, b;

    setup(sizeof buf);
    arrival_log_packet(&arrivals, 1, wrap - TICKS(10));
    arrival_log_packet(&arrivals, 2, wrap + TICKS(10));
    T_OK(write_message(wrap + MSEC(100)));
    struct transport_feedback feedback = read_only_message();
    T_OK(transport_feedback_next(&feedback, &a));
    T_OK(transport_feedback_next(&feedback, &b));
    T_EQ((int32_t)(b.arrival - a.arrival), 20);
}

#define BYTES(literal)                                                                         \
    {                                                                                          \
        (const uint8_t *)(literal), sizeof(literal) - 1                                        \
    }
#define BODY(count) "\x11\x22\x33\x44\xaa\xbb\xcc\xdd\x00\x01" count "\x00\x03\xe8\x00"

/* clang-format off */
static const struct {
    const char *what;
    struct span body;
    int rc;
} rows[] = {
    {"a run of received packets",       BYTES(BODY("\x00\x02") "\x20\x02\x01\x01"), RC_OK},
    {"zeros behind the deltas",         BYTES(BODY("\x00\x02") "\x20\x02\x01\x01\x00\x00"), RC_OK},
    {"a run longer than the count",     BYTES(BODY("\x00\x02") "\x20\x09\x01\x01"), RC_OK},
    {"as much loss as is allowed",      BYTES(BODY("\x10\x00") "\x10\x00"), RC_OK},
    {"more loss than is allowed",       BYTES(BODY("\x10\x01") "\x10\x01"), RC_BAD},
    {"no packets",                      BYTES(BODY("\x00\x00") "\x20\x02\x01\x01"), RC_BAD},
    {"no chunks",                       BYTES(BODY("\x00\x01")), RC_BAD},
    {"fewer chunks than packets",       BYTES(BODY("\x00\x10") "\x80\x00"), RC_BAD},
    {"a run of nothing",                BYTES(BODY("\x00\x01") "\x20\x00\x20\x01\x01"), RC_BAD},
    {"the reserved symbol in a run",    BYTES(BODY("\x00\x01") "\x60\x01\x01\x01\x01"), RC_BAD},
    {"the reserved symbol in a vector", BYTES(BODY("\x00\x01") "\xf0\x00\x01\x01\x01"), RC_BAD},
    {"it is not read beyond the count", BYTES(BODY("\x00\x01") "\xdc\x00\x01\x01\x01"), RC_OK},
    {"a small delta missing",           BYTES(BODY("\x00\x02") "\x20\x02\x01"), RC_BAD},
    {"half a large delta",              BYTES(BODY("\x00\x01") "\x40\x01\x01"), RC_BAD},
    {"no fixed part",                   BYTES("\x11\x22\x33\x44\xaa\xbb\xcc\xdd\x00\x01"), RC_BAD},
};
/* clang-format on */

static void messages_are_checked_as_a_whole(void)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct rtcp_packet packet = {.body = rows[i].body};
        struct transport_feedback feedback = {.count = 99};

        printf("#   %s\n", rows[i].what);
        T_EQ(transport_feedback_parse(&packet, &feedback), rows[i].rc);
        T_EQ(feedback.count, rows[i].rc == RC_OK ? 0 : 99);
    }
}

static const struct t_case cases[] = {
    T_CASE(one_packet_is_a_run_of_one),
    T_CASE(a_run_is_one_chunk),
    T_CASE(single_losses_are_a_vector_of_one_bit),
    T_CASE(long_and_negative_deltas_are_a_vector_of_two_bits),
    T_CASE(a_long_loss_is_a_run),
    T_CASE(nothing_is_due_before_something_arrives),
    T_CASE(messages_are_100_ms_apart),
    T_CASE(a_burst_does_not_wait),
    T_CASE(losses_between_messages_are_told),
    T_CASE(a_late_packet_is_told_by_the_next_message),
    T_CASE(a_duplicate_is_not_told),
    T_CASE(a_packet_from_before_the_window_is_ignored),
    T_CASE(a_gap_larger_than_the_window_is_cut),
    T_CASE(a_pause_of_more_than_eight_seconds_takes_two_messages),
    T_CASE(a_small_datagram_takes_more_messages),
    T_CASE(a_loss_of_a_whole_window_fits_the_least_room),
    T_CASE(the_clock_may_wrap),
    T_CASE(messages_are_checked_as_a_whole),
};
T_MAIN(cases)

#include "turn/leg_queue.h"

#include "tests/t.h"

enum { LIMIT = 4000, OVERHEAD = 16 /* what a record costs on top */ };

static const usec_t T0 = SEC(1000); /* the test owns time */
static struct leg_queue queue;

static void begin(void)
{
    leg_queue_clear(&queue);
    leg_queue_init(&queue, LIMIT, MSEC(100));
}

static int put(enum leg_kind kind, char letter, size_t n, usec_t now)
{
    uint8_t bytes[2 * LIMIT + 32 * 1024];

    memset(bytes, letter, n);
    const struct leg_message message = {.kind = kind, .data = {bytes, n}};
    return leg_queue_put(&queue, &message, now);
}

/* The first letter of what comes next, 0 when nothing does. */
static char take(usec_t now)
{
    struct span message;

    if (!leg_queue_front(&queue, now, &message))
        return 0;
    const char letter = (char)message.p[0];
    for (size_t i = 0; i < message.n; i++)
        T_EQ(message.p[i], (uint8_t)letter);
    leg_queue_pop(&queue);
    return letter;
}

static void messages_come_out_whole_and_in_order(void)
{
    struct span out;

    begin();
    const struct leg_message message = {
        .kind = LEG_DATA,
        .head = SPAN_LITERAL("head"),
        .data = SPAN_LITERAL("data!"),
        .tail = 3,
    };
    T_EQ(leg_message_bytes(&message), 12);
    T_EQ(leg_queue_put(&queue, &message, T0), RC_OK);
    T_EQ(put(LEG_REPLY, 'b', 20, T0 + 1), RC_OK);
    T_EQ(queue.bytes, 32);
    T_OK(leg_queue_front(&queue, T0, &out));
    T_EQ(out.n, 12);
    T_MEM(out.p, "headdata!\0\0\0", 12);
    leg_queue_pop(&queue);
    T_EQ(take(T0 + 1), 'b');
    T_EQ(take(T0 + 1), 0);
    T_OK(!queue.memory); /* nothing is held when nothing waits */
}

static void data_over_the_limit_is_dropped_whole_and_counted(void)
{
    begin();
    T_EQ(put(LEG_DATA, 'a', LIMIT - OVERHEAD - OVERHEAD - 1, T0), RC_OK);
    T_EQ(put(LEG_DATA, 'b', 2, T0), RC_FULL);
    T_EQ(queue.dropped_full, 1);
    T_EQ(put(LEG_DATA, 'c', 1, T0), RC_OK);
    T_EQ(take(T0), 'a');
    T_EQ(take(T0), 'c');
    T_EQ(take(T0), 0);
}

static void a_reply_fits_where_data_does_not(void)
{
    begin();
    while (put(LEG_DATA, 'a', 500, T0) == RC_OK)
        continue;
    T_EQ(put(LEG_REPLY, 'b', 500, T0), RC_OK);
    T_EQ(put(LEG_REPLY, 'b', LEG_QUEUE_RESERVE, T0), RC_FULL);
    T_EQ(queue.dropped_full, 1); /* a reply is no data */
}

static void data_that_waited_too_long_is_not_sent(void)
{
    begin();
    T_EQ(put(LEG_DATA, 'a', 10, T0), RC_OK);
    T_EQ(put(LEG_DATA, 'b', 10, T0 + MSEC(50)), RC_OK);
    T_EQ(leg_queue_delay(&queue, T0 + MSEC(60)), MSEC(60));
    T_EQ(take(T0 + MSEC(100) + 1), 'b');
    T_EQ(queue.dropped_late, 1);
    T_EQ(leg_queue_delay(&queue, T0 + MSEC(101)), 0);
}

static void data_that_waited_exactly_that_long_is_sent(void)
{
    begin();
    T_EQ(put(LEG_DATA, 'a', 10, T0), RC_OK);
    T_EQ(take(T0 + MSEC(100)), 'a');
}

static void what_is_too_old_makes_room_for_what_is_new(void)
{
    begin();
    while (put(LEG_DATA, 'a', 500, T0) == RC_OK)
        continue;
    T_EQ(put(LEG_DATA, 'b', 500, T0 + MSEC(101)), RC_OK);
    T_EQ(take(T0 + MSEC(101)), 'b');
    T_EQ(take(T0 + MSEC(101)), 0);
}

static void a_reply_waits_as_long_as_it_takes(void)
{
    begin();
    T_EQ(put(LEG_DATA, 'a', 10, T0), RC_OK);
    T_EQ(put(LEG_REPLY, 'b', 10, T0), RC_OK);
    T_EQ(put(LEG_DATA, 'c', 10, T0), RC_OK);
    T_EQ(take(T0 + SEC(60)), 'b');
    T_EQ(take(T0 + SEC(60)), 0);
    T_EQ(queue.dropped_late, 2);
}

static void dropping_data_keeps_the_replies_in_order(void)
{
    begin();
    T_EQ(put(LEG_DATA, 'a', 100, T0), RC_OK);
    T_EQ(put(LEG_REPLY, 'b', 10, T0), RC_OK);
    T_EQ(put(LEG_DATA, 'c', 100, T0), RC_OK);
    T_EQ(put(LEG_REPLY, 'd', 30, T0), RC_OK);
    leg_queue_drop_data(&queue);
    T_EQ(queue.bytes, 40);
    T_EQ(take(T0), 'b');
    T_EQ(take(T0), 'd');
    T_EQ(take(T0), 0);
    T_EQ(put(LEG_DATA, 'a', 100, T0), RC_OK);
    leg_queue_drop_data(&queue);
    T_OK(!queue.memory);
}

static void messages_of_no_bytes_do_not_wait_without_limit(void)
{
    begin();
    int count = 0;
    while (put(LEG_DATA, 'a', 0, T0) == RC_OK)
        count++;
    T_EQ(count, LIMIT / OVERHEAD);
}

/* Any sizes, in and out at random: the order holds over every wrap. */
static void a_long_run_keeps_order_and_limit(void)
{
    uint64_t seed = 0x9e3779b97f4a7c15u;
    uint8_t in = 0, out = 0;
    size_t inside = 0;

    begin();
    for (int i = 0; i < 100000; i++) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        const size_t n = 1 + (seed >> 20) % 1300;
        if (seed % 3 > 0 && put(LEG_DATA, (char)in, n, T0) == RC_OK) {
            in++;
            inside++;
        } else if (inside > 0) {
            T_EQ((uint8_t)take(T0), out);
            out++;
            inside--;
        }
        T_OK(queue.bytes <= LIMIT);
    }
    T_OK(queue.dropped_full > 0);
}

static const struct t_case cases[] = {
    T_CASE(messages_come_out_whole_and_in_order),
    T_CASE(data_over_the_limit_is_dropped_whole_and_counted),
    T_CASE(a_reply_fits_where_data_does_not),
    T_CASE(data_that_waited_too_long_is_not_sent),
    T_CASE(data_that_waited_exactly_that_long_is_sent),
    T_CASE(what_is_too_old_makes_room_for_what_is_new),
    T_CASE(a_reply_waits_as_long_as_it_takes),
    T_CASE(dropping_data_keeps_the_replies_in_order),
    T_CASE(messages_of_no_bytes_do_not_wait_without_limit),
    T_CASE(a_long_run_keeps_order_and_limit),
};

int main(int argc, char **argv)
{
    const int rc = t_run(cases, ARRAY_LEN(cases), argc, argv);

    leg_queue_clear(&queue);
    return rc;
}

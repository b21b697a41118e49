#include "core/packet_fifo.h"

#include "tests/t.h"

static int put(struct packet_fifo *fifo, uint32_t tag, size_t n)
{
    static uint8_t bytes[4096];
    const struct packet_parts parts = {
        .head = SPAN_LITERAL("ab"), .data = {bytes, n}, .tail = 2};
    const struct packet_note note = {.when = 1000 + tag, .tag = tag};

    memset(bytes, (int)tag, sizeof bytes);
    return packet_fifo_put(fifo, &parts, &note);
}

static void expect(struct packet_fifo *fifo, uint32_t tag, size_t n)
{
    struct packet_item item;

    T_OK(packet_fifo_first(fifo, &item));
    T_EQ(item.note.tag, tag);
    T_EQ(item.note.when, 1000 + tag);
    T_EQ(item.bytes.n, n + 4);
    T_MEM(item.bytes.p, "ab", 2);
    for (size_t i = 0; i < n; i++)
        T_EQ(item.bytes.p[2 + i], (uint8_t)tag);
    T_EQ(item.bytes.p[n + 2] | item.bytes.p[n + 3], 0);
    packet_fifo_pop(fifo);
}

static void packets_leave_in_the_order_in_which_they_came(void)
{
    struct packet_fifo fifo;
    struct packet_item item;

    packet_fifo_init(&fifo, 65536);
    T_OK(!packet_fifo_first(&fifo, &item));
    for (uint32_t i = 0; i < 5; i++)
        T_EQ(put(&fifo, i, 10 * i + 1), RC_OK);
    T_EQ(fifo.count, 5);
    T_EQ(fifo.bytes, 105 + 20);
    for (uint32_t i = 0; i < 5; i++)
        expect(&fifo, i, 10 * i + 1);
    T_EQ(fifo.count, 0);
    T_EQ(fifo.bytes, 0);
    packet_fifo_clear(&fifo);
}

static void it_goes_round_without_growing(void)
{
    struct packet_fifo fifo;

    packet_fifo_init(&fifo, 1 << 20);
    for (uint32_t i = 0; i < 3; i++)
        T_EQ(put(&fifo, i, 1200), RC_OK);
    for (uint32_t i = 3; i < 1000; i++) {
        T_EQ(put(&fifo, i, 1200), RC_OK);
        expect(&fifo, i - 3, 1200);
    }
    T_EQ(fifo.size, 8192);
    packet_fifo_clear(&fifo);
}

static void it_grows_to_its_limit_and_gives_the_memory_back(void)
{
    struct packet_fifo fifo;
    uint32_t n = 0;

    packet_fifo_init(&fifo, 100000);
    while (put(&fifo, n, 1200) == RC_OK)
        n++;
    T_EQ(put(&fifo, n, 1200), RC_FULL);
    T_OK(n * 1232 <= 100000 && n * 1232 > 98000);
    T_OK(fifo.size >= 98000);
    for (uint32_t i = 0; i < n; i++)
        expect(&fifo, i, 1200);
    T_EQ(fifo.size, 0);
    T_EQ(put(&fifo, 7, 5), RC_OK);
    expect(&fifo, 7, 5);
    T_EQ(fifo.size, PACKET_FIFO_SMALL); /* a small one is kept */
    packet_fifo_clear(&fifo);
}

static void random_use_matches_a_plain_list(void)
{
    struct packet_fifo fifo;
    size_t sizes[4096], head = 0, tail = 0;
    uint32_t random = 1;

    packet_fifo_init(&fifo, 40000);
    for (int i = 0; i < 4000; i++) {
        random = random * 1664525u + 1013904223u;
        if (random >> 31) {
            const size_t n = (random >> 8) % 1500;
            if (put(&fifo, (uint32_t)(tail & 0xff), n) == RC_OK)
                sizes[tail++] = n;
        } else if (head < tail) {
            expect(&fifo, (uint32_t)(head & 0xff), sizes[head]);
            head++;
        }
        T_EQ(fifo.count, tail - head);
    }
    packet_fifo_clear(&fifo);
}

static const struct t_case cases[] = {
    T_CASE(packets_leave_in_the_order_in_which_they_came),
    T_CASE(it_goes_round_without_growing),
    T_CASE(it_grows_to_its_limit_and_gives_the_memory_back),
    T_CASE(random_use_matches_a_plain_list),
};
T_MAIN(cases)

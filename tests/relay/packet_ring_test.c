#include "relay/packet_ring.h"
#include "tests/t.h"

static const usec_t T0 = SEC(1000);
static const struct packet_ring_options options = {
    .bytes_max = 64 * 1024, .packets_max = 128, .keep = MSEC(500)};

static struct packet_ring empty(void)
{
    struct packet_ring ring;

    packet_ring_init(&ring, &options);
    return ring;
}

/* A packet whose every byte tells its number. */
static int put(struct packet_ring *ring, uint16_t seq, size_t len, usec_t now)
{
    uint8_t packet[PACKET_RING_PACKET_LEN_MAX + 1];

    memset(packet, seq & 0xff, sizeof packet);
    return packet_ring_put(ring, seq, (struct span){packet, len}, now);
}

static bool has(const struct packet_ring *ring, uint16_t seq, usec_t now)
{
    struct packet_ring_entry entry;

    if (!packet_ring_get(ring, seq, now, &entry))
        return false;
    for (size_t i = 0; i < entry.packet.n; i++)
        T_EQ(entry.packet.p[i], seq & 0xff);
    return true;
}

static void what_was_put_is_found_with_its_time(void)
{
    struct packet_ring ring = empty();
    struct packet_ring_entry entry;

    T_EQ(put(&ring, 65535, 1200, T0), RC_OK);
    T_EQ(put(&ring, 0, 1, T0 + 1), RC_OK);
    T_OK(packet_ring_get(&ring, 65535, T0 + 2, &entry));
    T_EQ(entry.packet.n, 1200);
    T_EQ(entry.arrived, T0);
    T_OK(has(&ring, 0, T0 + 2));
    T_OK(!has(&ring, 1, T0 + 2));
    T_OK(!has(&ring, 127, T0 + 2)); /* another number of the same slot */
    packet_ring_free(&ring);
}

static void an_empty_ring_takes_no_memory_and_finds_nothing(void)
{
    struct packet_ring ring = empty();

    T_EQ(packet_ring_memory(&ring), 0);
    T_OK(!has(&ring, 0, T0));
    packet_ring_tick(&ring, T0);
    packet_ring_clear(&ring);
    packet_ring_free(&ring);
    packet_ring_free(&ring);
}

static void packets_are_forgotten_exactly_at_their_age(void)
{
    struct packet_ring ring = empty();

    T_EQ(put(&ring, 1, 100, T0), RC_OK);
    T_OK(has(&ring, 1, T0 + MSEC(500) - 1));
    T_OK(!has(&ring, 1, T0 + MSEC(500)));
    packet_ring_set_keep(&ring, SEC(1));
    T_OK(has(&ring, 1, T0 + MSEC(500)));
    packet_ring_free(&ring);
}

static void a_packet_is_kept_once(void)
{
    struct packet_ring ring = empty();

    T_EQ(put(&ring, 1, 100, T0), RC_OK);
    T_EQ(put(&ring, 1, 100, T0), RC_BAD);
    T_EQ(put(&ring, 1, 100, T0 + MSEC(500)), RC_OK); /* the first is forgotten */
    packet_ring_free(&ring);
}

static void lengths_have_a_limit(void)
{
    struct packet_ring ring = empty();

    T_EQ(put(&ring, 1, 0, T0), RC_BAD);
    T_EQ(put(&ring, 2, PACKET_RING_PACKET_LEN_MAX, T0), RC_OK);
    T_EQ(put(&ring, 3, PACKET_RING_PACKET_LEN_MAX + 1, T0), RC_BAD);
    packet_ring_free(&ring);
}

static void at_its_byte_limit_the_oldest_go(void)
{
    struct packet_ring ring = empty();

    for (uint16_t seq = 0; seq < 100; seq++) {
        T_EQ(put(&ring, seq, 1000, T0), RC_OK);
        T_OK(packet_ring_memory(&ring) <= 64 * 1024 + 128 * 18);
    }
    T_OK(has(&ring, 99, T0));
    T_OK(has(&ring, 40, T0)); /* 63 of 1024 bytes, less what the wrap leaves over */
    T_OK(!has(&ring, 30, T0));
    packet_ring_free(&ring);
}

static void at_its_packet_limit_the_oldest_go(void)
{
    struct packet_ring ring = empty();

    for (uint16_t seq = 0; seq < 300; seq++)
        T_EQ(put(&ring, seq, 10, T0), RC_OK);
    T_OK(has(&ring, 299, T0));
    T_OK(has(&ring, 172, T0));
    T_OK(!has(&ring, 171, T0));
    packet_ring_free(&ring);
}

static void a_late_packet_does_not_evict_a_newer_one(void)
{
    struct packet_ring ring = empty();

    T_EQ(put(&ring, 1000, 10, T0), RC_OK);
    T_EQ(put(&ring, 1000 - 128, 10, T0), RC_BAD);
    T_EQ(put(&ring, 999, 10, T0), RC_OK);
    T_OK(has(&ring, 1000, T0));
    T_OK(has(&ring, 999, T0));
    packet_ring_free(&ring);
}

static void memory_follows_use(void)
{
    struct packet_ring ring = empty();
    usec_t now = T0;

    for (uint16_t seq = 0; seq < 1000; seq++, now += MSEC(20)) /* 50 packets/s of 80 bytes */
        T_EQ(put(&ring, seq, 80, now), RC_OK);
    T_OK(packet_ring_memory(&ring) <= 4096 + 32 * 18);
    T_OK(has(&ring, 999, now));
    T_OK(has(&ring, 980, now));

    for (uint16_t seq = 1000; seq < 2000; seq++, now += MSEC(10)) /* 100 packets/s of 1000 */
        T_EQ(put(&ring, seq, 1000, now), RC_OK);
    T_OK(packet_ring_memory(&ring) > 50 * 1000);
    T_OK(has(&ring, 1951, now));

    packet_ring_tick(&ring, now);
    T_OK(packet_ring_memory(&ring) > 50 * 1000); /* it was needed */
    packet_ring_tick(&ring, now + SEC(1));
    T_OK(packet_ring_memory(&ring) > 50 * 1000 * 3 / 4); /* and may be again soon */
    for (uint16_t seq = 2000; seq < 2600; seq++, now += MSEC(50)) {
        T_EQ(put(&ring, seq, 80, now + SEC(1)), RC_OK);
        if (seq % 20 == 0)
            packet_ring_tick(&ring, now + SEC(1));
    }
    T_OK(packet_ring_memory(&ring) <= 4096 + 128 * 18);
    T_OK(has(&ring, 2599, now + SEC(1)));

    packet_ring_tick(&ring, now + SEC(3));
    packet_ring_tick(&ring, now + SEC(4));
    T_EQ(packet_ring_memory(&ring), 0);
    T_EQ(put(&ring, 3000, 80, now + SEC(4)), RC_OK);
    packet_ring_free(&ring);
}

/* `keep` follows a round-trip time that swings. */
static void memory_does_not_follow_a_swing_of_what_is_kept(void)
{
    struct packet_ring ring = empty();
    usec_t now = T0;
    uint16_t seq = 0;
    size_t before = 0;

    for (unsigned second = 0; second < 40; second++) {
        packet_ring_set_keep(&ring, second % 2 ? MSEC(300) : MSEC(100));
        for (unsigned i = 0; i < 100; i++, now += MSEC(10))
            T_EQ(put(&ring, seq++, 1000, now), RC_OK);
        packet_ring_tick(&ring, now);
        if (second > 5)
            T_EQ(packet_ring_memory(&ring), before);
        before = packet_ring_memory(&ring);
    }
    packet_ring_free(&ring);
}

static void a_restarted_sender_begins_with_an_empty_ring(void)
{
    struct packet_ring ring = empty();

    T_EQ(put(&ring, 30000, 100, T0), RC_OK);
    packet_ring_clear(&ring);
    T_OK(!has(&ring, 30000, T0));
    T_EQ(put(&ring, 5, 100, T0), RC_OK);
    T_OK(has(&ring, 5, T0));
    packet_ring_free(&ring);
}

static const struct t_case cases[] = {
    T_CASE(what_was_put_is_found_with_its_time),
    T_CASE(an_empty_ring_takes_no_memory_and_finds_nothing),
    T_CASE(packets_are_forgotten_exactly_at_their_age),
    T_CASE(a_packet_is_kept_once),
    T_CASE(lengths_have_a_limit),
    T_CASE(at_its_byte_limit_the_oldest_go),
    T_CASE(at_its_packet_limit_the_oldest_go),
    T_CASE(a_late_packet_does_not_evict_a_newer_one),
    T_CASE(memory_follows_use),
    T_CASE(memory_does_not_follow_a_swing_of_what_is_kept),
    T_CASE(a_restarted_sender_begins_with_an_empty_ring),
};
T_MAIN(cases)

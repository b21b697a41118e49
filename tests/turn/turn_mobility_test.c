#include "turn/turn_mobility.h"

#include "tests/t.h"
#include "turn/turn_server.h"

static struct turn_ticket_key key;

static void a_ticket_says_what_was_written(void)
{
    const struct turn_ticket in = {7, 0x123456789abcu, 42};
    uint8_t bytes[TURN_TICKET_BYTES];
    struct turn_ticket ticket;

    turn_ticket_key_make(&key);
    turn_ticket_write(bytes, &key, &in);
    T_EQ(turn_ticket_read(&ticket, &key, (struct span){bytes, sizeof bytes}), RC_OK);
    T_EQ(ticket.worker, 7);
    T_EQ(ticket.allocation, 0x123456789abcu);
    T_EQ(ticket.sequence, 42);
}

static void no_bit_of_it_can_be_changed(void)
{
    const struct turn_ticket in = {1, 2, 3};
    uint8_t bytes[TURN_TICKET_BYTES];
    struct turn_ticket ticket;

    turn_ticket_key_make(&key);
    turn_ticket_write(bytes, &key, &in);
    for (size_t i = 0; i < 8 * sizeof bytes; i++) {
        bytes[i / 8] ^= (uint8_t)(1 << i % 8);
        T_EQ(turn_ticket_read(&ticket, &key, (struct span){bytes, sizeof bytes}), RC_BAD);
        bytes[i / 8] ^= (uint8_t)(1 << i % 8);
    }
    for (size_t n = 0; n < sizeof bytes; n++)
        T_EQ(turn_ticket_read(&ticket, &key, (struct span){bytes, n}), RC_BAD);
}

static void another_key_does_not_open_it(void)
{
    const struct turn_ticket in = {1, 2, 3};
    uint8_t bytes[TURN_TICKET_BYTES];
    struct turn_ticket ticket;

    turn_ticket_key_make(&key);
    turn_ticket_write(bytes, &key, &in);
    turn_ticket_key_make(&key);
    T_EQ(turn_ticket_read(&ticket, &key, (struct span){bytes, sizeof bytes}), RC_BAD);
}

static int worker_of(uint16_t method, const uint8_t *ticket, size_t n)
{
    static const uint8_t id[STUN_ID_BYTES] = "transaction";
    uint8_t buffer[256];
    struct stun_builder b;

    stun_begin(&b, buffer, sizeof buffer, STUN_REQUEST, method, id);
    if (n)
        stun_put(&b, STUN_ATTR_MOBILITY_TICKET, ticket, n);
    return turn_ticket_worker((struct span){buffer, stun_finish(&b, false)});
}

static void a_refresh_with_a_ticket_says_which_thread_it_wants(void)
{
    const struct turn_ticket in = {9, 2, 3};
    uint8_t bytes[TURN_TICKET_BYTES];

    turn_ticket_key_make(&key);
    turn_ticket_write(bytes, &key, &in);
    T_EQ(worker_of(STUN_REFRESH, bytes, sizeof bytes), 9);
    T_EQ(worker_of(STUN_REFRESH, bytes, 12), -1);
    T_EQ(worker_of(STUN_REFRESH, NULL, 0), -1);
    T_EQ(worker_of(STUN_ALLOCATE, bytes, sizeof bytes), -1);
    T_EQ(turn_ticket_worker((struct span){bytes, 0}), -1);
    T_EQ(turn_ticket_worker(SPAN_LITERAL("\x40\x00\x00\x10 channel data, 16")), -1);
}

static const struct t_case cases[] = {
    T_CASE(a_ticket_says_what_was_written),
    T_CASE(no_bit_of_it_can_be_changed),
    T_CASE(another_key_does_not_open_it),
    T_CASE(a_refresh_with_a_ticket_says_which_thread_it_wants),
};
T_MAIN(cases)

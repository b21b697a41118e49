#include "relay/handshake_queue.h"
#include "tests/t.h"

#define T0 SEC(1000)

static struct handshake_queue queue;
static struct handshake handshake[4], *evicted;

static void begin(uint32_t max, unsigned count)
{
    handshake_queue_init(&queue, max);
    for (unsigned i = 0; i < 4; i++)
        handshake[i] = (struct handshake){.queued = false};
    for (unsigned i = 0; i < count; i++) {
        T_EQ(handshake_queue_add(&queue, &handshake[i], T0 + MSEC(i), &evicted), RC_OK);
        T_OK(!evicted);
    }
}

static void there_are_no_more_places_than_the_maximum(void)
{
    begin(3, 3);
    T_EQ(handshake_queue_add(&queue, &handshake[3], T0 + SEC(1), &evicted), RC_FULL);
    T_OK(!evicted);
    T_OK(!handshake[3].queued);
    T_EQ(queue.count, 3);
}

static void a_handshake_that_is_over_makes_room(void)
{
    for (unsigned leaves = 0; leaves < 3; leaves++) {
        begin(3, 3);
        handshake_queue_remove(&queue, &handshake[leaves]);
        handshake_queue_remove(&queue, &handshake[leaves]);
        T_EQ(queue.count, 2);
        T_EQ(handshake_queue_add(&queue, &handshake[3], T0 + SEC(1), &evicted), RC_OK);
        T_OK(!evicted);
        T_OK(queue.last == &handshake[3]);
        T_EQ(queue.count, 3);
    }
}

static void the_oldest_gives_way_once_it_has_had_its_time(void)
{
    begin(3, 3);
    T_EQ(handshake_queue_add(&queue, &handshake[3], T0 + HANDSHAKE_PATIENCE - 1, &evicted),
         RC_FULL);
    T_EQ(handshake_queue_add(&queue, &handshake[3], T0 + HANDSHAKE_PATIENCE, &evicted), RC_OK);
    T_OK(evicted == &handshake[0]);
    T_OK(!handshake[0].queued);
    T_OK(queue.first == &handshake[1]);
    T_EQ(queue.count, 3);
    T_EQ(handshake_queue_add(&queue, &handshake[0], T0 + HANDSHAKE_PATIENCE, &evicted),
         RC_FULL);
}

static void a_queue_of_no_places_takes_nobody(void)
{
    begin(0, 0);
    T_EQ(handshake_queue_add(&queue, &handshake[0], T0 + SEC(99), &evicted), RC_FULL);
    handshake_queue_remove(&queue, &handshake[0]);
    T_EQ(queue.count, 0);
}

static const struct t_case cases[] = {
    T_CASE(there_are_no_more_places_than_the_maximum),
    T_CASE(a_handshake_that_is_over_makes_room),
    T_CASE(the_oldest_gives_way_once_it_has_had_its_time),
    T_CASE(a_queue_of_no_places_takes_nobody),
};
T_MAIN(cases)

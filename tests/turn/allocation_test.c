/*
 * What an allocation costs, and that the tables find it whatever else is in them.
 */
#include "turn/allocation.h"

#include "tests/t.h"
#include "tests/turn/turn_world_lib.h"

#include <malloc.h>

static struct turn_world w;

enum { MANY = 10000, BYTES_MAX = 1500 };

static void init_client(struct tester *client, unsigned i, const char *nonce)
{
    tester_init(client, &w, "192.0.2.1:1");
    client->tuple.remote.v4.sin_addr.s_addr = htonl(0xc0000000u + i / 50000);
    address_set_port(&client->tuple.remote, (uint16_t)(1000 + i % 50000));
    if (nonce)
        strcpy(client->nonce, nonce);
}

/* Relays of the world are few; synthetic addresses are as many as there are ports. */
static void begin(void)
{
    turn_world_init(&w);
    w.options.relay_ports_none = true;
    w.options.synthetic_v4 = turn_address(WORLD_RELAY_IP);
    turn_world_open(&w);
    w.quiet = true;
}

static void fill(unsigned count)
{
    struct tester first;

    w.quiet = false;
    init_client(&first, 0, NULL);
    tester_learn_nonce(&first);
    w.quiet = true;
    for (unsigned i = 0; i < count; i++) {
        struct tester client;

        init_client(&client, i, first.nonce);
        tester_allocate(&client);
        tester_bind(&client, 0x4000, WORLD_MEDIA);
    }
    T_EQ(turn_server_allocations(w.server), count);
}

/* All of it: the allocation, one permission, one channel, its places in the tables, in the heap
 * of timers and in the table of quotas, and what malloc adds. */
static void an_allocation_with_a_channel_takes_less_than_1500_bytes(void)
{
    begin();
    fill(1);
    const size_t before = mallinfo2().uordblks;
    fill(MANY);
    const size_t each = (mallinfo2().uordblks - before) / (MANY - 1);
    printf("# %zu bytes each, of them %zu in struct turn_allocation\n", each,
           sizeof(struct turn_allocation));
#ifndef __SANITIZE_ADDRESS__
    T_OK(before > 0);
    T_OK(each <= BYTES_MAX);
#endif
    turn_world_close(&w);
}

static void memory_is_given_back(void)
{
    begin();
    fill(MANY);
    turn_world_wait(&w, SEC(600));
    T_EQ(turn_server_allocations(w.server), 0);
    const size_t once = mallinfo2().uordblks;
    fill(MANY);
    turn_world_wait(&w, SEC(600));
    T_EQ(turn_server_allocations(w.server), 0);
    T_OK(mallinfo2().uordblks <= once);
    turn_world_close(&w);
}

static void each_is_found_among_many(void)
{
    struct tester client;

    begin();
    fill(MANY);
    w.quiet = false;
    for (unsigned i = 0; i < MANY; i++) {
        init_client(&client, i * 7919 % MANY, NULL);
        tester_channel_send(&client, 0x4000, "x");
        T_EQ(w.to_media_count, i + 1);
        const struct turn_allocation *a = turn_server_find_relayed(w.server, &w.peer.relayed);
        T_OK(address_equal(&turn_allocation_client(a)->remote, &client.tuple.remote));
    }
    init_client(&client, MANY, NULL);
    tester_channel_send(&client, 0x4000, "x");
    T_EQ(w.to_media_count, MANY);
    turn_world_close(&w);
}

static const struct t_case cases[] = {
    T_CASE(an_allocation_with_a_channel_takes_less_than_1500_bytes),
    T_CASE(memory_is_given_back),
    T_CASE(each_is_found_among_many),
};
T_MAIN(cases)

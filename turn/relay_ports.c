#include "turn/relay_ports.h"

#include "core/random.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

/* What is free of a pair, an even port and the odd one above it: its state is a mask. */
enum { EVEN = 1, ODD = 2, BOTH = EVEN | ODD, STATES = 4 };

/* The pairs lie in one array, grouped by state: BOTH, ODD, EVEN, none. A pair changes its group
 * by changing places with the first or last of it, so a free port of any kind is found by its
 * place. */
enum { GROUPS = 4 };
static const uint8_t group_of[STATES] = {[BOTH] = 0, [ODD] = 1, [EVEN] = 2, [0] = 3};

enum { BIND_TRIES = 16 }; /* ports that other programs have are met by chance alone */

/* Random numbers are made many at a time. */
enum { RANDOM_STOCK = 64 };

struct relay_ports {
    pthread_mutex_t lock;
    uint32_t pair_count;
    uint16_t base;              /* the even port of pair 0 */
    uint32_t start[GROUPS + 1]; /* where each group begins in `order` */
    uint16_t *order, *place;    /* owned: pairs by place, places by pair */
    uint8_t *free_mask;         /* owned: by pair */
    uint16_t first, last;
    uint32_t stock[RANDOM_STOCK], stock_left;
};

/* --- groups --------------------------------------------------------------------------------
 */

static void swap_places(struct relay_ports *ports, uint32_t a, uint32_t b)
{
    const uint16_t first = ports->order[a], second = ports->order[b];

    ports->order[a] = second;
    ports->order[b] = first;
    ports->place[second] = (uint16_t)a;
    ports->place[first] = (uint16_t)b;
}

/* Moves the pair across the groups between its old state and the new one. */
static void set_free(struct relay_ports *ports, uint32_t pair, uint8_t mask)
{
    const uint8_t to = group_of[mask];

    for (uint8_t at = group_of[ports->free_mask[pair]]; at < to; at++)
        swap_places(ports, ports->place[pair], --ports->start[at + 1]);
    for (uint8_t at = group_of[ports->free_mask[pair]]; at > to; at--)
        swap_places(ports, ports->place[pair], ports->start[at]++);
    ports->free_mask[pair] = mask;
}

static uint32_t in_group(const struct relay_ports *ports, uint8_t mask)
{
    const uint8_t group = group_of[mask];

    return ports->start[group + 1] - ports->start[group];
}

static uint16_t nth_of_group(const struct relay_ports *ports, uint8_t mask, uint32_t n)
{
    return ports->order[ports->start[group_of[mask]] + n];
}

/* --- choosing --------------------------------------------------------------------------------
 */

/* Below `n`, without a bias that matters: n is at most 2^16. */
static uint32_t random_below(struct relay_ports *ports, uint32_t n)
{
    if (ports->stock_left == 0) {
        random_bytes(ports->stock, sizeof ports->stock);
        ports->stock_left = RANDOM_STOCK;
    }
    return (uint32_t)((uint64_t)ports->stock[--ports->stock_left] * n >> 32);
}

static uint16_t take_ports(struct relay_ports *ports, uint32_t pair, uint8_t mask)
{
    set_free(ports, pair, ports->free_mask[pair] & (uint8_t)~mask);
    return (uint16_t)(ports->base + 2 * pair + (mask == ODD));
}

/* Each free port is as likely as any other. */
static uint16_t take_any(struct relay_ports *ports)
{
    const uint32_t both = in_group(ports, BOTH), odd = in_group(ports, ODD);
    const uint32_t total = 2 * both + odd + in_group(ports, EVEN);

    if (total == 0)
        return 0;
    uint32_t n = random_below(ports, total);
    if (n < 2 * both)
        return take_ports(ports, nth_of_group(ports, BOTH, n / 2), n % 2 ? ODD : EVEN);
    n -= 2 * both;
    return n < odd ? take_ports(ports, nth_of_group(ports, ODD, n), ODD)
                   : take_ports(ports, nth_of_group(ports, EVEN, n - odd), EVEN);
}

static uint16_t take_even(struct relay_ports *ports)
{
    const uint32_t both = in_group(ports, BOTH), total = both + in_group(ports, EVEN);

    if (total == 0)
        return 0;
    const uint32_t n = random_below(ports, total);
    return take_ports(
        ports, n < both ? nth_of_group(ports, BOTH, n) : nth_of_group(ports, EVEN, n - both),
        EVEN);
}

static uint16_t take_pair(struct relay_ports *ports)
{
    const uint32_t both = in_group(ports, BOTH);

    if (both == 0)
        return 0;
    return take_ports(ports, nth_of_group(ports, BOTH, random_below(ports, both)), BOTH);
}

uint16_t relay_ports_take(struct relay_ports *ports, enum relay_ports_wish wish)
{
    pthread_mutex_lock(&ports->lock);
    const uint16_t port = wish == RELAY_PORTS_ANY    ? take_any(ports)
                          : wish == RELAY_PORTS_EVEN ? take_even(ports)
                                                     : take_pair(ports);
    pthread_mutex_unlock(&ports->lock);
    return port;
}

void relay_ports_give(struct relay_ports *ports, uint16_t port)
{
    const uint32_t pair = (uint32_t)(port - ports->base) / 2;
    const uint8_t mask = port % 2 ? ODD : EVEN;

    assert(port >= ports->first && port <= ports->last && "a port of this pool");
    pthread_mutex_lock(&ports->lock);
    assert(!(ports->free_mask[pair] & mask) && "a port that was taken");
    set_free(ports, pair, ports->free_mask[pair] | mask);
    pthread_mutex_unlock(&ports->lock);
}

static void give_all(struct relay_ports *ports, enum relay_ports_wish wish,
                     const uint16_t *tried, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        relay_ports_give(ports, tried[i]);
        if (wish == RELAY_PORTS_PAIR)
            relay_ports_give(ports, (uint16_t)(tried[i] + 1));
    }
}

/* Ports that another program has stay taken until one is found: none is tried twice. */
int relay_ports_bind(struct relay_ports *ports, enum relay_ports_wish wish,
                     relay_ports_bind_fn *bind, void *arg)
{
    uint16_t tried[BIND_TRIES];
    unsigned count = 0;
    int rc = RC_AGAIN;

    while (rc == RC_AGAIN && count < BIND_TRIES) {
        const uint16_t port = relay_ports_take(ports, wish);

        if (port == 0)
            break;
        rc = bind(arg, port);
        if (rc != RC_OK)
            tried[count++] = port;
    }
    const int saved = errno;
    give_all(ports, wish, tried, count);
    errno = saved;
    return rc == RC_AGAIN ? RC_FULL : rc;
}

uint32_t relay_ports_left(struct relay_ports *ports)
{
    pthread_mutex_lock(&ports->lock);
    const uint32_t left =
        2 * in_group(ports, BOTH) + in_group(ports, ODD) + in_group(ports, EVEN);
    pthread_mutex_unlock(&ports->lock);
    return left;
}

/* --- life
 * -------------------------------------------------------------------------------------- */

static int build(struct relay_ports *ports, uint16_t first, uint16_t last)
{
    ports->first = first;
    ports->last = last;
    ports->base = first & 0xfffe;
    ports->pair_count = (uint32_t)(last - ports->base) / 2 + 1;
    ports->order = calloc(ports->pair_count, sizeof *ports->order);
    ports->place = calloc(ports->pair_count, sizeof *ports->place);
    ports->free_mask = calloc(ports->pair_count, 1);
    if (!ports->order || !ports->place || !ports->free_mask)
        return RC_NOMEM;

    for (uint32_t i = 0; i < ports->pair_count; i++)
        ports->order[i] = ports->place[i] = (uint16_t)i;
    ports->start[GROUPS] =
        ports->pair_count; /* none is free yet: the last group has them all */
    for (uint32_t i = 0; i < ports->pair_count; i++) {
        const uint32_t even = ports->base + 2 * i;

        set_free(ports, i,
                 (uint8_t)((even >= first ? EVEN : 0) | (even + 1 <= last ? ODD : 0)));
    }
    return RC_OK;
}

int relay_ports_create(struct relay_ports **out, uint16_t first, uint16_t last)
{
    if (first == 0 || first > last)
        return RC_BAD;
    struct relay_ports *ports = calloc(1, sizeof *ports);
    if (!ports)
        return RC_NOMEM;
    pthread_mutex_init(&ports->lock, NULL);
    const int rc = build(ports, first, last);
    if (rc != RC_OK) {
        relay_ports_free(ports);
        return rc;
    }
    *out = ports;
    return RC_OK;
}

void relay_ports_free(struct relay_ports *ports)
{
    if (!ports)
        return;
    pthread_mutex_destroy(&ports->lock);
    free(ports->order);
    free(ports->place);
    free(ports->free_mask);
    free(ports);
}

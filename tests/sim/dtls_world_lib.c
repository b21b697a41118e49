#include "tests/sim/dtls_world_lib.h"

#include "tests/sim/virtual_clock_lib.h"

#include <stdlib.h>
#include <string.h>

static void session_input(void *self, struct span datagram, usec_t now)
{
    (void)dtls_input(self, datagram, now);
}

static size_t session_poll(void *self, uint8_t *buf, size_t capacity)
{
    return dtls_poll(self, buf, capacity);
}

static usec_t session_deadline(void *self)
{
    return dtls_deadline(self);
}

static void session_tick(void *self, usec_t now)
{
    (void)dtls_tick(self, now);
}

struct dtls_world_end dtls_world_session(struct dtls_session *session)
{
    return (struct dtls_world_end){session, session_input, session_poll, session_deadline,
                                   session_tick};
}

static void launch(struct dtls_world *world, unsigned to, usec_t due, const uint8_t *data,
                   size_t n)
{
    for (size_t i = 0; i < DTLS_WORLD_IN_FLIGHT; i++) {
        if (world->flight[i].due)
            continue;
        world->flight[i].due = due;
        world->flight[i].to = to;
        world->flight[i].order = world->order++;
        world->flight[i].n = n;
        memcpy(world->flight[i].bytes, data, n);
        return;
    }
    abort(); /* a storm: that would be a bug of the ends */
}

static void collect(struct dtls_world *world)
{
    uint8_t buf[2048];
    size_t n;

    for (unsigned from = 0; from < 2; from++) {
        while ((n = world->end[from].poll(world->end[from].self, buf, sizeof buf)) > 0) {
            const unsigned nth = world->sent[from]++;
            const struct dtls_fate fate =
                world->fate ? world->fate(from, nth, buf, n) : (struct dtls_fate){.copies = 1};

            for (unsigned copy = 0; copy < fate.copies; copy++)
                launch(world, !from, world->now + DTLS_WORLD_LATENCY + fate.extra, buf, n);
        }
    }
}

/* The next arrival; -1: nothing under way. */
static int next_arrival(const struct dtls_world *world)
{
    int next = -1;

    for (int i = 0; i < DTLS_WORLD_IN_FLIGHT; i++) {
        if (!world->flight[i].due)
            continue;
        if (next < 0 || world->flight[i].due < world->flight[next].due ||
            (world->flight[i].due == world->flight[next].due &&
             world->flight[i].order < world->flight[next].order))
            next = i;
    }
    return next;
}

static void set_now(struct dtls_world *world, usec_t now)
{
    if (now > world->now)
        world->now = now;
    virtual_clock_set(world->now);
}

void dtls_world_run(struct dtls_world *world, usec_t until)
{
    virtual_clock_set(world->now);
    for (;;) {
        collect(world);
        const int arrival = next_arrival(world);
        usec_t due = arrival < 0 ? USEC_NEVER : world->flight[arrival].due;
        int who = -1;

        for (int i = 0; i < 2; i++) {
            const usec_t deadline = world->end[i].deadline(world->end[i].self);
            if (deadline < due) {
                due = deadline;
                who = i;
            }
        }
        if (due > until || due == USEC_NEVER)
            break;
        set_now(world, due);
        if (who >= 0) {
            world->end[who].tick(world->end[who].self, world->now);
            continue;
        }
        world->flight[arrival].due = 0;
        const unsigned to = world->flight[arrival].to;
        world->end[to].input(
            world->end[to].self,
            (struct span){world->flight[arrival].bytes, world->flight[arrival].n}, world->now);
    }
    if (until != USEC_NEVER)
        set_now(world, until);
}

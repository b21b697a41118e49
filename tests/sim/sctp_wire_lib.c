#include "tests/sim/sctp_wire_lib.h"

#include "tests/sim/virtual_clock_lib.h"

#include <stdlib.h>
#include <string.h>

#define STEP MSEC(10)

struct wire_packet {
    struct wire_packet *next;
    uint64_t to;
    size_t n;
    uint8_t bytes[];
};

struct sctp_wire {
    struct sctp_stack *stack;
    struct sctp_wire_end end[SCTP_WIRE_ENDS];
    struct wire_packet *first, **last;
    usec_t now;
    unsigned lose, packets;
    size_t longest;
    uint32_t dice;
};

static bool is_lost(struct sctp_wire *wire)
{
    if (wire->lose == 0)
        return false;
    wire->dice = wire->dice * 1664525u + 1013904223u;
    return (wire->dice >> 16) % wire->lose == 0;
}

static void on_packet(void *arg, uint64_t id, struct span packet)
{
    struct sctp_wire *wire = arg;
    struct wire_packet *copy;

    wire->packets++;
    if (packet.n > wire->longest)
        wire->longest = packet.n;
    if (is_lost(wire))
        return;
    copy = malloc(sizeof *copy + packet.n);
    if (!copy)
        abort();
    copy->next = NULL;
    copy->to = id ^ 1;
    copy->n = packet.n;
    memcpy(copy->bytes, packet.p, packet.n);
    *wire->last = copy;
    wire->last = &copy->next;
}

struct sctp_wire *sctp_wire_create(void)
{
    struct sctp_wire *wire = calloc(1, sizeof *wire);

    if (!wire)
        abort();
    wire->last = &wire->first;
    wire->now = SEC(1000);
    virtual_clock_set(wire->now); /* usrsctp measures round trips by it */
    wire->dice = 1;
    if (sctp_stack_create(&wire->stack, &(struct sctp_output){wire, on_packet}) != RC_OK)
        abort();
    sctp_stack_tick(wire->stack, wire->now);
    return wire;
}

static struct wire_packet *take(struct sctp_wire *wire)
{
    struct wire_packet *packet = wire->first;

    if (packet)
        wire->first = packet->next;
    if (!wire->first)
        wire->last = &wire->first;
    return packet;
}

void sctp_wire_free(struct sctp_wire *wire)
{
    struct wire_packet *packet;

    sctp_stack_free(wire->stack);
    while ((packet = take(wire)))
        free(packet);
    free(wire);
}

struct sctp_stack *sctp_wire_stack(struct sctp_wire *wire)
{
    return wire->stack;
}

usec_t sctp_wire_now(const struct sctp_wire *wire)
{
    return wire->now;
}

void sctp_wire_attach(struct sctp_wire *wire, uint64_t id, const struct sctp_wire_end *end)
{
    wire->end[id % SCTP_WIRE_ENDS] = *end;
}

void sctp_wire_detach(struct sctp_wire *wire, uint64_t id)
{
    wire->end[id % SCTP_WIRE_ENDS] = (struct sctp_wire_end){.work = NULL};
}

void sctp_wire_lose(struct sctp_wire *wire, unsigned nth)
{
    wire->lose = nth;
}

static void work(struct sctp_wire *wire)
{
    for (size_t i = 0; i < SCTP_WIRE_ENDS; i++)
        if (wire->end[i].work)
            wire->end[i].work(wire->end[i].arg);
}

static void hand_over(struct sctp_wire *wire)
{
    struct wire_packet *packet;

    while ((packet = take(wire))) {
        const struct sctp_wire_end *end = &wire->end[packet->to % SCTP_WIRE_ENDS];

        if (end->input)
            end->input(end->arg, (struct span){packet->bytes, packet->n});
        if (end->work)
            end->work(end->arg);
        free(packet);
    }
}

void sctp_wire_run(struct sctp_wire *wire, usec_t duration)
{
    const usec_t until = wire->now + duration;

    for (;;) {
        do {
            hand_over(wire);
            work(wire);
        } while (wire->first);
        if (wire->now >= until)
            return;
        wire->now += STEP;
        virtual_clock_set(wire->now);
        sctp_stack_tick(wire->stack, wire->now);
    }
}

size_t sctp_wire_longest(const struct sctp_wire *wire)
{
    return wire->longest;
}

unsigned sctp_wire_packets(const struct sctp_wire *wire)
{
    return wire->packets;
}

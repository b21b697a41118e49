/*
 * Fuzzes the rewriter as a structure: the input is a program of packets (in order, lost,
 * reordered, repeated), drops, switches and passing time.
 *
 * Properties: no outgoing index is given to two packets; without loss on the way in, the
 * outgoing sequence has no hole, whatever was dropped or switched; the order of a source's
 * packets is the order of their indices; time never goes back over a switch.
 */
#include "relay/rewriter.h"

#include <stdlib.h>
#include <string.h>

#define MUST(cond) ((cond) ? (void)0 : abort())
#define STEPS_MAX 4096
#define REMEMBERED 4096 /* more than the rewriter's window */
#define FIRST_SEQ 60000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One packet that was mapped. */
struct sent {
    uint64_t index; /* 0: none */
    uint32_t run;
    int64_t position; /* within the source, as its sender counts */
};

struct world {
    struct rewriter rewriter;
    struct sent sent[REMEMBERED]; /* by index */
    uint32_t source;
    uint32_t run;     /* counts first packets */
    int64_t start;    /* sender's number of the first packet of this run */
    int64_t position; /* sender's next number */
    uint64_t highest, distinct;
    bool running, lossy;
    usec_t now;
};

static struct sent *sent_at(struct world *world, uint64_t index)
{
    return &world->sent[index % REMEMBERED];
}

static struct rewriter_input input(const struct world *world, int64_t position)
{
    return (struct rewriter_input){
        .ssrc = world->source,
        .seq = (uint16_t)position,
        .timestamp = (uint32_t)(position * 3000),
        .key_frame = position % 8 == 0,
        .picture = {.id_bits = 15, .id = position & 0x7fff, .has_tl0 = true},
    };
}

/* A source, or one that jumped too far to be the same run, goes on at the next index. */
static void starts(struct world *world, int64_t position, const struct rewriter_output *out,
                   uint32_t last_timestamp)
{
    MUST(!world->running || world->lossy);
    MUST(out->index == (world->run ? world->highest + 1 : FIRST_SEQ));
    if (world->run)
        MUST((int32_t)(out->timestamp - last_timestamp) > 0);
    if (position + 1 != world->position) /* what lies between has passed already */
        world->lossy = true;
    world->running = true;
    world->run++;
    world->start = position;
}

/* The nearest index below that was used is that of an earlier packet or another run. */
static void is_in_order(struct world *world, int64_t position, uint64_t index)
{
    for (uint64_t i = index - 1; i >= FIRST_SEQ && index - i < 50; i--) {
        const struct sent *other = sent_at(world, i);

        if (other->index != i)
            continue;
        MUST(other->run != world->run || other->position < position);
        return;
    }
}

static void send(struct world *world, int64_t position)
{
    const struct rewriter_input in = input(world, position);
    const uint32_t last_timestamp = world->rewriter.last_timestamp;
    struct rewriter_output out;

    const int rc = rewriter_map(&world->rewriter, &in, world->now, &out);
    if (rc != RC_OK) {
        MUST(rc == RC_BAD || rc == RC_AGAIN);
        MUST(rc != RC_AGAIN || !in.key_frame);
        return;
    }
    MUST(out.index >= FIRST_SEQ && (uint16_t)out.index == out.seq);
    if (out.first)
        starts(world, position, &out, last_timestamp);
    MUST(position >= world->start);
    MUST(out.newest == (out.index > world->highest));

    struct sent *sent = sent_at(world, out.index);
    MUST(out.repeated == (sent->index == out.index));
    if (out.repeated)
        MUST(sent->run == world->run && sent->position == position);
    else
        world->distinct++;
    *sent = (struct sent){out.index, world->run, position};
    if (out.newest)
        world->highest = out.index;
    is_in_order(world, position, out.index);
}

/* When every packet of each source came, nothing is missing on the way out. */
static void has_no_hole(const struct world *world)
{
    if (!world->lossy && world->run)
        MUST(world->distinct == world->highest - FIRST_SEQ + 1);
}

static void drop(struct world *world, int64_t position)
{
    const bool newest = position >= world->position;

    const bool dropped = rewriter_drop(&world->rewriter, world->source, (uint16_t)position);
    MUST(dropped || !newest || !world->running);
}

static void step(struct world *world, const uint8_t *op)
{
    switch (op[0] % 8) {
    case 0:
    case 1:
    case 2:
        send(world, world->position++);
        break;
    case 3: /* late or repeated */
        send(world, world->position - 1 - op[1] % 200);
        break;
    case 4: /* lost, or overtaken by those that follow */
        world->position += op[1];
        world->lossy = world->lossy || (op[1] > 0 && world->running);
        break;
    case 5:
        drop(world, world->position);
        world->position++;
        break;
    case 6:
        if (op[1] % 4) {
            drop(world, world->position - 1 - op[1] % 20);
            break;
        }
        world->source++;
        world->position = op[1] * 1000 + 65536;
        world->running = false;
        rewriter_switch(&world->rewriter, world->source);
        break;
    default:
        world->now += op[1] * 1000u;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world world;
    const struct rewriter_options options = {
        .clock_rate = 90000, .first_seq = FIRST_SEQ, .first_timestamp = 0xfffffff0};

    memset(&world, 0, sizeof world);
    world.now = SEC(1);
    world.source = 1;
    world.position = 65536 + 65500;
    rewriter_init(&world.rewriter, &options);
    rewriter_switch(&world.rewriter, world.source);
    for (unsigned i = 0; i < STEPS_MAX && size >= 2; i++, data += 2, size -= 2)
        step(&world, data);
    has_no_hole(&world);
    return 0;
}

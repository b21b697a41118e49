#include "relay/rewriter.h"

#include "relay/rtp.h"

#include <string.h>

static void push_range(struct rewriter *rewriter, struct rewriter_range range)
{
    rewriter->range_newest = (uint16_t)((rewriter->range_newest + 1) % REWRITER_RANGES);
    rewriter->range[rewriter->range_newest] = range;
    if (rewriter->range_count < REWRITER_RANGES)
        rewriter->range_count++;
}

/* The range that an incoming number lies in; NULL before the oldest that we remember. */
static const struct rewriter_range *find_range(const struct rewriter *rewriter, int64_t in)
{
    for (unsigned back = 0; back < rewriter->range_count; back++) {
        const unsigned at = (rewriter->range_newest + REWRITER_RANGES - back) % REWRITER_RANGES;
        if (in >= rewriter->range[at].from)
            return &rewriter->range[at];
    }
    return NULL;
}

/* The extended number nearest to the newest that we have seen. */
static int64_t unwrap(const struct rewriter *rewriter, uint16_t seq)
{
    return rewriter->highest_in + (int16_t)(uint16_t)(seq - (uint16_t)rewriter->highest_in);
}

void rewriter_init(struct rewriter *rewriter, const struct rewriter_options *options)
{
    *rewriter = (struct rewriter){
        .options = *options,
        .highest_out = (int64_t)options->first_seq - 1,
        .picture.last = (uint16_t)(options->first_picture_id - 1),
        .frame.last = (uint16_t)(options->first_frame_number - 1),
        .tl0.last = (uint16_t)(options->first_tl0 - 1),
    };
}

static void wait_for_start(struct rewriter *rewriter, uint32_t ssrc)
{
    rewriter->state = REWRITER_WAITING;
    rewriter->ssrc = ssrc;
    rewriter->epoch++;
    rewriter->restart_expected = false;
}

void rewriter_switch(struct rewriter *rewriter, uint32_t ssrc)
{
    wait_for_start(rewriter, ssrc);
}

void rewriter_stop(struct rewriter *rewriter)
{
    if (rewriter->state != REWRITER_IDLE)
        rewriter->epoch++;
    rewriter->state = REWRITER_IDLE;
}

bool rewriter_waits_for_key_frame(const struct rewriter *rewriter)
{
    return rewriter->state == REWRITER_WAITING;
}

/* The timestamp at which a new source goes on: as much later as time has passed, one tick at
 * least, so that two frames never share one. */
static uint32_t next_timestamp(const struct rewriter *rewriter, usec_t now)
{
    if (!rewriter->started)
        return rewriter->options.first_timestamp;
    const usec_t elapsed = now > rewriter->last_time ? now - rewriter->last_time : 0;
    const uint32_t ticks = rtp_ticks(elapsed, rewriter->options.clock_rate);
    return rewriter->last_timestamp + (ticks ? ticks : 1);
}

/* The first packet of a source takes the next place of the stream. */
static void start(struct rewriter *rewriter, const struct rewriter_input *in, usec_t now)
{
    rewriter->state = REWRITER_RUNNING;
    rewriter->highest_in = rewriter->highest_mapped = (int64_t)in->seq - 1;
    rewriter->range_count = 0;
    push_range(rewriter, (struct rewriter_range){
                             .from = in->seq,
                             .offset = rewriter->highest_out + 1 - (int64_t)in->seq,
                         });
    rewriter->timestamp_offset = next_timestamp(rewriter, now) - in->timestamp;
    rewriter->picture.placed = rewriter->tl0.placed = rewriter->frame.placed = false;
    rewriter->started = true;
}

/* Outgoing value of a counter of `mask` + 1 values; the first of a source goes on from the last
 * of the one before. */
static uint16_t place(struct rewriter_counter *counter, uint16_t value, uint16_t mask,
                      bool newest)
{
    if (!counter->placed) {
        counter->placed = true;
        counter->offset = (uint16_t)(counter->last + 1 - value);
    }
    const uint16_t out = (uint16_t)(value + counter->offset) & mask;
    if (newest)
        counter->last = out;
    return out;
}

static void place_picture(struct rewriter *rewriter, const struct rewriter_input *in,
                          struct rewriter_output *out)
{
    const struct picture_numbers *picture = &in->picture;

    if (picture->id_bits) {
        const uint16_t mask = picture->id_bits == 15 ? 0x7fff : 0x7f;
        out->picture_id = place(&rewriter->picture, picture->id, mask, out->newest);
    }
    if (picture->has_tl0)
        out->tl0 = (uint8_t)place(&rewriter->tl0, picture->tl0, 0xff, out->newest);
    if (in->has_frame_number)
        out->frame_number = place(&rewriter->frame, in->frame_number, 0xffff, out->newest);
}

/* Moves the window of mapped indices up to a new highest. */
static void advance(struct rewriter *rewriter, int64_t highest)
{
    if (highest - rewriter->highest_out >= REWRITER_WINDOW) {
        memset(rewriter->mapped, 0, sizeof rewriter->mapped);
        rewriter->highest_out = highest;
    }
    while (rewriter->highest_out < highest) {
        const unsigned bit = (unsigned)++rewriter->highest_out & (REWRITER_WINDOW - 1);
        rewriter->mapped[bit / 64] &= ~(UINT64_C(1) << bit % 64);
    }
}

/* Marks an index as mapped; true when it was already. */
static bool mark(struct rewriter *rewriter, int64_t index)
{
    const unsigned bit = (unsigned)index & (REWRITER_WINDOW - 1);
    const uint64_t mask = UINT64_C(1) << bit % 64;
    const bool was = rewriter->mapped[bit / 64] & mask;

    rewriter->mapped[bit / 64] |= mask;
    return was;
}

/* More than we take for loss or for lateness. */
static bool out_of_window(const struct rewriter *rewriter, uint16_t seq)
{
    const int64_t ahead = unwrap(rewriter, seq) - rewriter->highest_in;
    return ahead > REWRITER_DROPOUT_MAX || ahead < -REWRITER_LATE_MAX;
}

/*
 * RFC 3550, appendix A.1: two packets in a row that are far away are a source that went on
 * elsewhere, or a very long outage. It then starts anew, for video at a key frame. True while
 * the packet must not be mapped.
 */
static bool jumps(struct rewriter *rewriter, uint16_t seq)
{
    if (!out_of_window(rewriter, seq)) {
        rewriter->restart_expected = false;
        return false;
    }
    if (rewriter->restart_expected && seq == rewriter->restart_seq) {
        wait_for_start(rewriter, rewriter->ssrc);
        return false;
    }
    rewriter->restart_expected = true;
    rewriter->restart_seq = (uint16_t)(seq + 1);
    return true;
}

int rewriter_map(struct rewriter *rewriter, const struct rewriter_input *in, usec_t now,
                 struct rewriter_output *out)
{
    struct rewriter_output result = {0};

    if (rewriter->state == REWRITER_IDLE || in->ssrc != rewriter->ssrc)
        return RC_BAD;
    if (rewriter->state == REWRITER_RUNNING && jumps(rewriter, in->seq))
        return RC_BAD;
    if (rewriter->state == REWRITER_WAITING) {
        if (!in->key_frame)
            return RC_AGAIN;
        start(rewriter, in, now);
        result.first = true;
    }

    const int64_t seq = unwrap(rewriter, in->seq);
    const struct rewriter_range *range = find_range(rewriter, seq);
    if (!range || seq - range->from < range->hole)
        return RC_BAD;

    const int64_t index = seq + range->offset;
    if (rewriter->highest_out - index >= REWRITER_WINDOW)
        return RC_BAD;
    result.newest = seq > rewriter->highest_mapped;
    result.index = (uint64_t)index;
    result.seq = (uint16_t)index;
    result.timestamp = in->timestamp + rewriter->timestamp_offset;
    place_picture(rewriter, in, &result);
    if (result.newest) {
        rewriter->highest_mapped = seq;
        advance(rewriter, index);
        rewriter->last_timestamp = result.timestamp;
        rewriter->last_time = now;
    }
    if (seq > rewriter->highest_in)
        rewriter->highest_in = seq;
    result.repeated = mark(rewriter, index);
    *out = result;
    return RC_OK;
}

bool rewriter_drop(struct rewriter *rewriter, uint32_t ssrc, uint16_t seq)
{
    if (rewriter->state != REWRITER_RUNNING || ssrc != rewriter->ssrc)
        return true;
    if (out_of_window(rewriter, seq))
        return true; /* as rewriter_map would refuse it */

    const int64_t in = unwrap(rewriter, seq);
    struct rewriter_range *newest = &rewriter->range[rewriter->range_newest];
    const int64_t after_hole = newest->from + newest->hole;
    const struct rewriter_range *range = find_range(rewriter, in);
    if (!range || in - range->from < range->hole)
        return true; /* from before the start, or dropped already */
    if (in <= rewriter->highest_mapped)
        return false;

    /* Nothing at or behind it has left, so what follows can move up by one. */
    if (newest->hole > 0 && in == after_hole) {
        newest->hole++;
        newest->offset--;
    } else if (newest->hole > 0 && in == newest->from - 1) {
        newest->from--;
        newest->hole++;
        newest->offset--;
    } else if (in > rewriter->highest_in) {
        push_range(rewriter, (struct rewriter_range){in, newest->offset - 1, 1});
    } else {
        return false;
    }
    if (in > rewriter->highest_in)
        rewriter->highest_in = in;
    return true;
}

bool rewriter_timestamp(const struct rewriter *rewriter, uint32_t ssrc, uint32_t timestamp,
                        uint32_t *out)
{
    if (rewriter->state != REWRITER_RUNNING || ssrc != rewriter->ssrc)
        return false;
    *out = timestamp + rewriter->timestamp_offset;
    return true;
}

#include "relay/nack_generator.h"

#include <string.h>

enum {
    /* Further behind nobody waits, whatever the clock says; also keeps the list well within
     * half of the circle, so that its order is one. */
    BEHIND_MAX = 8192,
};
#define RTT_UNKNOWN MSEC(100)
#define RTT_MAX SEC(1) /* a claim of more must not silence us */

static const struct nack_limits video_limits = {
    .list = NACK_LIST_MAX,
    .tries = 10,
    .age = SEC(1),
    .interval = MSEC(20),
};
/* A decoder conceals 20 ms of sound; a packet later than its jitter buffer is of no use. */
static const struct nack_limits audio_limits = {
    .list = 32,
    .tries = 3,
    .age = MSEC(200),
    .interval = MSEC(20),
};

void nack_generator_init(struct nack_generator *n, enum media_kind kind)
{
    memset(n, 0, sizeof *n);
    n->video = kind == MEDIA_VIDEO;
    n->limits = n->video ? video_limits : audio_limits;
    n->due = USEC_NEVER;
}

void nack_generator_reset(struct nack_generator *n)
{
    n->started = false;
    n->count = 0;
    n->due = USEC_NEVER;
    n->key_frame_needed = false;
}

/* Takes `count` entries out, from place `at` on. */
static void take_out(struct nack_generator *n, size_t at, size_t count)
{
    n->count = (uint16_t)(n->count - count);
    memmove(n->missing + at, n->missing + at + count, (n->count - at) * sizeof *n->missing);
    if (n->count == 0)
        n->due = USEC_NEVER;
}

static void give_up(struct nack_generator *n, size_t packets)
{
    n->given_up += packets;
    if (packets && n->video)
        n->key_frame_needed = true;
}

static void give_up_oldest(struct nack_generator *n, size_t count)
{
    take_out(n, 0, count);
    give_up(n, count);
}

/* Makes room for `gap` more. Returns how many of them, the newest, are to be asked for. */
static size_t make_room(struct nack_generator *n, size_t gap)
{
    if (n->count + gap <= n->limits.list)
        return gap;
    if (n->video) {
        /* Too much for a picture to be repaired: only a key frame helps, ask for nothing else.
         */
        give_up_oldest(n, n->count);
        give_up(n, gap);
        return 0;
    }
    const size_t wanted = gap < n->limits.list ? gap : n->limits.list;
    give_up_oldest(n, n->count + wanted - n->limits.list);
    give_up(n, gap - wanted);
    return wanted;
}

static void add_missing(struct nack_generator *n, uint16_t before, size_t gap, usec_t now)
{
    const size_t wanted = make_room(n, gap);

    for (size_t i = wanted; i > 0; i--)
        n->missing[n->count++] = (struct nack_entry){
            .found = now,
            .seq = (uint16_t)(before - i),
        };
    if (wanted)
        n->due = now;
}

/* The place of the first entry that is not before `seq`. */
static size_t lower_bound(const struct nack_generator *n, uint16_t seq)
{
    const uint16_t behind = (uint16_t)(n->highest - seq);
    size_t low = 0, high = n->count;

    while (low < high) {
        const size_t middle = (low + high) / 2;
        if ((uint16_t)(n->highest - n->missing[middle].seq) > behind)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool remove_missing(struct nack_generator *n, uint16_t seq)
{
    const size_t at = lower_bound(n, seq);

    if (at == n->count || n->missing[at].seq != seq)
        return false;
    take_out(n, at, 1);
    n->recovered++;
    return true;
}

bool nack_generator_packet(struct nack_generator *n, uint16_t seq, usec_t now)
{
    if (!n->started) {
        n->started = true;
        n->highest = seq;
        return false;
    }
    if (!seq16_after(seq, n->highest))
        return remove_missing(n, seq);

    const size_t gap = (uint16_t)(seq - n->highest) - 1u;
    n->highest = seq;
    if (n->count && (uint16_t)(seq - n->missing[0].seq) > BEHIND_MAX)
        give_up_oldest(n, lower_bound(n, (uint16_t)(seq - BEHIND_MAX)));
    if (gap)
        add_missing(n, seq, gap, now);
    return false;
}

void nack_generator_key_frame(struct nack_generator *n, uint16_t seq)
{
    if (!n->started || seq16_after(seq, n->highest))
        return;
    take_out(n, 0, lower_bound(n, seq));
    if (n->count == 0)
        n->key_frame_needed = false; /* this is the one */
}

static bool is_useless(const struct nack_generator *n, const struct nack_entry *entry,
                       usec_t now)
{
    if (now - entry->found >= n->limits.age)
        return true;
    return entry->tries >= n->limits.tries && now >= entry->found + entry->wait;
}

/* When something is to be done about an entry: ask again, or give it up. */
static usec_t entry_due(const struct nack_generator *n, const struct nack_entry *entry)
{
    const usec_t ask = entry->found + entry->wait, end = entry->found + n->limits.age;

    return ask < end ? ask : end;
}

size_t nack_generator_poll(struct nack_generator *n, usec_t now, usec_t rtt, uint16_t *out,
                           size_t max)
{
    size_t asked = 0, kept = 0, useless = 0;

    if (now < n->due)
        return 0;
    if (rtt == 0)
        rtt = RTT_UNKNOWN;
    if (rtt > RTT_MAX)
        rtt = RTT_MAX;
    const usec_t wait = rtt > n->limits.interval ? rtt : n->limits.interval;

    n->due = USEC_NEVER;
    for (size_t i = 0; i < n->count; i++) {
        struct nack_entry *entry = &n->missing[i];

        if (is_useless(n, entry, now)) {
            useless++;
            continue;
        }
        if (entry->found + entry->wait <= now && asked < max) {
            out[asked++] = entry->seq;
            entry->tries++;
            entry->wait = (uint32_t)(now - entry->found + wait);
        }
        if (entry_due(n, entry) < n->due)
            n->due = entry_due(n, entry);
        n->missing[kept++] = *entry;
    }
    n->count = (uint16_t)kept;
    n->asked += asked;
    give_up(n, useless);
    return asked;
}

usec_t nack_generator_deadline(const struct nack_generator *n)
{
    return n->due;
}

bool nack_generator_take_key_frame_needed(struct nack_generator *n)
{
    const bool needed = n->key_frame_needed;

    n->key_frame_needed = false;
    return needed;
}

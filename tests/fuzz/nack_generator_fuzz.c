/*
 * Fuzzes relay/nack_generator as a structure: the input is a script of packets, key frames,
 * polls and restarts. It must never ask for what came, never ask for one packet more often than
 * its limit allows, keep its list in order and within its bounds, and never ask to be woken for
 * nothing.
 */
#include "relay/nack_generator.h"

#include <stdlib.h>
#include <string.h>

#define MUST(cond) ((cond) ? (void)0 : abort()) /* active in every build, unlike assert */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool came[0x10000];

static void check_list(const struct nack_generator *n)
{
    MUST(n->count <= n->limits.list && n->limits.list <= NACK_LIST_MAX);
    MUST((n->count == 0) == (n->due == USEC_NEVER));
    for (size_t i = 0; i < n->count; i++) {
        const uint16_t seq = n->missing[i].seq;

        MUST(seq16_after(n->highest, seq));
        MUST(n->missing[i].tries <= n->limits.tries);
        MUST(!came[seq]);
        if (i > 0)
            MUST(seq16_after(seq, n->missing[i - 1].seq));
    }
}

static void take_packet(struct nack_generator *n, uint16_t seq, usec_t now)
{
    const uint16_t behind = (uint16_t)(n->highest - seq);
    const bool was_started = n->started;
    const uint16_t before = n->highest;
    const bool recovered = nack_generator_packet(n, seq, now);

    MUST(!recovered || (was_started && behind < 0x8000 && !came[seq]));
    if (!was_started)
        memset(came, 0, sizeof came);
    /* The numbers between are new ones, whatever came under them a wrap ago. */
    else if (seq16_after(seq, before))
        for (uint16_t s = (uint16_t)(before + 1); s != seq; s++)
            came[s] = false;
    came[seq] = true;
}

static void poll_all(struct nack_generator *n, usec_t now, usec_t rtt, size_t max)
{
    uint16_t asked[NACK_LIST_MAX];
    const size_t count = nack_generator_poll(n, now, rtt, asked, max);

    MUST(count <= max);
    for (size_t i = 0; i < count; i++) {
        MUST(!came[asked[i]]);
        if (i > 0)
            MUST(seq16_after(asked[i], asked[i - 1]));
    }
    if (max == NACK_LIST_MAX)
        MUST(nack_generator_deadline(n) > now);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nack_generator nack;
    usec_t now = SEC(1000);

    if (size == 0)
        return 0;
    nack_generator_init(&nack, data[0] & 1 ? MEDIA_AUDIO : MEDIA_VIDEO);
    memset(came, 0, sizeof came);
    for (data++, size--; size >= 2; data += 2, size -= 2) {
        const uint8_t value = data[1];

        switch (data[0] % 8) {
        case 0: /* in order */
            take_packet(&nack, (uint16_t)(nack.highest + 1), now);
            break;
        case 1: /* ahead */
            take_packet(&nack, (uint16_t)(nack.highest + value), now);
            break;
        case 2: /* far ahead or behind */
            take_packet(&nack, (uint16_t)(nack.highest + value * 257), now);
            break;
        case 3: /* late */
            take_packet(&nack, (uint16_t)(nack.highest - value), now);
            break;
        case 4:
            nack_generator_key_frame(&nack, (uint16_t)(nack.highest - value % 64));
            break;
        case 5:
            now += (usec_t)value * 1000;
            poll_all(&nack, now, (usec_t)(value % 16) * 20000, NACK_LIST_MAX);
            break;
        case 6:
            poll_all(&nack, now, MSEC(50), value % NACK_LIST_MAX);
            break;
        default:
            if (value == 0)
                nack_generator_reset(&nack);
            else
                (void)nack_generator_take_key_frame_needed(&nack);
            break;
        }
        check_list(&nack);
    }

    /* Whatever happened, time ends it. */
    for (int i = 0; nack_generator_deadline(&nack) != USEC_NEVER; i++) {
        MUST(i < 2 * NACK_LIST_MAX * 10);
        if (nack_generator_deadline(&nack) > now)
            now = nack_generator_deadline(&nack);
        poll_all(&nack, now, MSEC(50), NACK_LIST_MAX);
    }
    MUST(nack.count == 0);
    return 0;
}

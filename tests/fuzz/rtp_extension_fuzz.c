/*
 * Fuzzes reading and rewriting of header extensions. The input is the profile (2 bytes), a salt
 * for the ids (1 byte), and the words. Whatever came in, what goes out is well-formed, holds
 * each element once, and rewriting it again for the same ids changes nothing.
 */
#include "relay/rtp_extension.h"

#include <stdlib.h>
#include <string.h>

#define MUST(cond) ((cond) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned count_elements(const struct rtp_view *view)
{
    struct rtp_extension_iterator it;
    struct rtp_extension element;
    unsigned count = 0;

    rtp_extension_begin(&it, view);
    while (rtp_extension_next(&it, &element)) {
        MUST(element.id != 0);
        MUST(element.data.p >= view->extension.p);
        MUST(element.data.p + element.data.n <= view->extension.p + view->extension.n);
        count++;
    }
    MUST(count <= view->extension.n);
    return count;
}

static struct rtp_view view_of_block(const uint8_t *block, size_t n)
{
    MUST(n % 4 == 0 && n > RTP_EXTENSION_HEADER_LEN);
    MUST(RTP_EXTENSION_HEADER_LEN + 4u * load_be16(block + 2) == n);
    return (struct rtp_view){
        .extension_profile = load_be16(block),
        .extension = {block + RTP_EXTENSION_HEADER_LEN, n - RTP_EXTENSION_HEADER_LEN},
    };
}

static void fill_maps(struct rtp_extension_map *from, struct rtp_extension_map *to,
                      uint8_t salt)
{
    for (unsigned kind = 1; kind < RTP_EXTENSION_COUNT; kind++) {
        (void)rtp_extension_map_set(from, kind + (salt & 7), kind);
        if (salt & 0x80 && kind == 3)
            continue; /* one that the receiver doesn't have */
        (void)rtp_extension_map_set(to, 1 + (kind * 7 + salt) % (salt & 0x40 ? 200 : 14), kind);
    }
}

/* The kinds that pass must carry the first value that came in. */
static void values_survive(const struct rtp_view *in, const struct rtp_view *out,
                           const struct rtp_extension_map *from,
                           const struct rtp_extension_map *to)
{
    for (unsigned kind = 1; kind < RTP_EXTENSION_COUNT; kind++) {
        const bool passes = rtp_extension_info(kind)->policy == RTP_EXTENSION_PASS;
        struct span before, after;

        const bool came = rtp_extension_find(in, from, kind, &before);
        const bool left = rtp_extension_find(out, to, kind, &after);
        if (!passes)
            continue;
        MUST(left == (came && to->id_of[kind] != 0));
        if (left)
            MUST(before.n == after.n && memcmp(before.p, after.p, after.n) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    const struct rtp_view view = {.extension_profile = load_be16(data),
                                  .extension = {data + 3, size - 3}};
    const struct rtp_extension_fresh fresh = {.mid = SPAN_LITERAL("0"),
                                              .has_abs_send_time = true,
                                              .abs_send_time = 0xffffffff,
                                              .has_transport_sequence = true,
                                              .transport_sequence = 0xffff};
    struct rtp_extension_map from = {0}, to = {0};
    uint8_t *out = malloc(RTP_EXTENSION_BLOCK_MAX);
    uint8_t again[RTP_EXTENSION_BLOCK_MAX];

    MUST(out);
    fill_maps(&from, &to, data[2]);
    count_elements(&view);

    const int len =
        rtp_extension_rewrite(&view, &from, &to, &fresh, out, RTP_EXTENSION_BLOCK_MAX);
    if (len > 0) {
        const struct rtp_view written = view_of_block(out, (size_t)len);

        MUST(count_elements(&written) < RTP_EXTENSION_COUNT);
        values_survive(&view, &written, &from, &to);
        MUST(rtp_extension_rewrite(&view, &from, &to, &fresh, again, (size_t)len - 1) ==
             RC_FULL);
        MUST(rtp_extension_rewrite(&written, &to, &to, &fresh, again, sizeof again) == len);
        MUST(memcmp(out, again, (size_t)len) == 0);
    } else {
        MUST(len == 0 || len == RC_FULL);
    }
    free(out);
    return 0;
}

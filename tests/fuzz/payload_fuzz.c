/*
 * Fuzzes the payload formats. The first byte chooses the codec (low bits) and the marker (high
 * bit). A picture number that is written is the one that is read back, and no other byte
 * changes.
 */
#include "relay/payload.h"
#include "relay/red.h"

#include <stdlib.h>
#include <string.h>

#define MUST(cond) ((cond) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void rewrites_only_its_numbers(enum codec_id codec, struct span payload,
                                      const struct payload_info *info)
{
    const struct picture_numbers *picture = &info->picture;
    const uint16_t id = picture->id ^ 0xffff;
    const uint8_t tl0 = picture->tl0 ^ 0xff;
    uint8_t *copy = malloc(payload.n);
    struct payload_info after;

    MUST(copy);
    memcpy(copy, payload.p, payload.n);
    payload_write_picture(copy, picture, id, tl0);
    MUST(payload_inspect(codec, (struct span){copy, payload.n}, info->frame_end, &after) ==
         RC_OK);
    MUST(after.picture.id_bits == picture->id_bits && after.picture.id_at == picture->id_at);
    MUST(after.picture.has_tl0 == picture->has_tl0 && after.picture.tl0_at == picture->tl0_at);
    MUST(after.key_frame == info->key_frame && after.frame_start == info->frame_start);
    if (picture->id_bits) {
        const uint16_t mask = picture->id_bits == 15 ? 0x7fff : 0x7f;
        MUST(after.picture.id == (id & mask));
    }
    if (picture->has_tl0)
        MUST(after.picture.tl0 == tl0);

    payload_write_picture(copy, picture, picture->id, picture->tl0);
    MUST(memcmp(copy, payload.p, payload.n) == 0);
    free(copy);
}

static void red_blocks_lie_behind_each_other(struct span payload)
{
    struct red_block blocks[RED_BLOCKS_MAX], primary;
    size_t count;

    const int rc = red_parse(payload, blocks, &count);
    MUST(red_primary(payload, &primary) == rc);
    if (rc != RC_OK)
        return;
    MUST(count > 0 && count <= RED_BLOCKS_MAX);
    MUST(blocks[0].data.p == payload.p + 4 * (count - 1) + 1);
    for (size_t i = 1; i < count; i++)
        MUST(blocks[i].data.p == blocks[i - 1].data.p + blocks[i - 1].data.n);
    MUST(primary.data.p == blocks[count - 1].data.p);
    MUST(primary.data.p + primary.data.n == payload.p + payload.n);
    MUST(primary.timestamp_offset == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    const enum codec_id codec = (data[0] & 0x7f) % CODEC_COUNT;
    const bool marker = data[0] & 0x80;
    const struct span payload = {data + 1, size - 1};
    struct payload_info info;

    red_blocks_lie_behind_each_other(payload);
    if (payload_inspect(codec, payload, marker, &info) != RC_OK)
        return 0;
    MUST(payload.n > 0);
    MUST(!info.key_frame || info.frame_start);
    if (codec != CODEC_OPUS && codec != CODEC_RED)
        MUST(info.frame_end == marker);
    if (info.picture.id_bits)
        MUST(info.picture.id_at + (info.picture.id_bits == 15 ? 1u : 0u) < payload.n);
    if (info.picture.has_tl0)
        MUST(info.picture.tl0_at < payload.n);
    rewrites_only_its_numbers(codec, payload, &info);
    return 0;
}

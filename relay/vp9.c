#include "relay/vp9.h"

#define REFERENCES_MAX 3 /* P_DIFFs of a picture in flexible mode */

/* A cursor that goes bad at the end instead of past it. */
struct cursor {
    struct span payload;
    size_t at;
    bool bad;
};

static uint8_t next(struct cursor *cursor)
{
    if (cursor->at >= cursor->payload.n) {
        cursor->bad = true;
        return 0;
    }
    return cursor->payload.p[cursor->at++];
}

static void read_picture_id(struct cursor *cursor, struct picture_numbers *picture)
{
    picture->id_at = (uint8_t)cursor->at;
    picture->id = next(cursor);
    picture->id_bits = 7;
    if (picture->id & 0x80) {
        picture->id_bits = 15;
        picture->id = (uint16_t)((picture->id & 0x7f) << 8 | next(cursor));
    }
}

/* Scalability structure: | N_S | Y | G |-|-|-|, N_S + 1 sizes, a picture group. */
static void read_structure(struct cursor *cursor, struct payload_info *info)
{
    const uint8_t head = next(cursor);
    const unsigned layers = (head >> 5) + 1u;

    for (unsigned i = 0; head & 0x10 && i < layers; i++) {
        const uint8_t width = next(cursor);
        info->width = (uint16_t)(width << 8 | next(cursor)); /* the last layer is the largest */
        const uint8_t height = next(cursor);
        info->height = (uint16_t)(height << 8 | next(cursor));
    }
    if (!(head & 0x08))
        return;
    for (unsigned pictures = next(cursor); pictures > 0 && !cursor->bad; pictures--) {
        for (unsigned references = next(cursor) >> 2 & 0x03; references > 0; references--)
            next(cursor);
    }
}

/*
 * RFC 9628, section 4.2.
 *
 *      0 1 2 3 4 5 6 7
 *     +-+-+-+-+-+-+-+-+
 *     |I|P|L|F|B|E|V|Z| (REQUIRED)
 * I:  |M| PICTURE ID  | (REQUIRED when I), 15 bits when M is set
 * L:  | TID |U| SID |D| (CONDITIONALLY RECOMMENDED)
 *     |   TL0PICIDX   | (CONDITIONALLY REQUIRED: L without F)
 * F:  | P_DIFF      |N| (CONDITIONALLY REQUIRED: F and P), up to 3 times
 * V:  | SS            |
 */
int vp9_inspect(struct span payload, bool marker, struct payload_info *out)
{
    struct payload_info info = {.frame_end = marker};
    struct cursor cursor = {.payload = payload};
    const uint8_t head = next(&cursor);
    const bool predicted = head & 0x40, layered = head & 0x20, flexible = head & 0x10;
    unsigned spatial_id = 0;

    if (head & 0x80)
        read_picture_id(&cursor, &info.picture);
    if (layered) {
        const uint8_t layer = next(&cursor);

        info.has_temporal_id = true;
        info.temporal_id = layer >> 5;
        spatial_id = layer >> 1 & 0x07;
        if (!flexible) {
            info.picture.has_tl0 = true;
            info.picture.tl0_at = (uint8_t)cursor.at;
            info.picture.tl0 = next(&cursor);
        }
    }
    if (flexible && predicted) {
        for (unsigned i = 0; next(&cursor) & 0x01; i++) {
            if (i == REFERENCES_MAX - 1) /* "N" on the third: more than the format has */
                return RC_BAD;
        }
    }
    if (head & 0x02)
        read_structure(&cursor, &info);
    if (cursor.bad || cursor.at >= payload.n)
        return RC_BAD;

    info.frame_start = head & 0x08 && spatial_id == 0;
    info.key_frame = info.frame_start && !predicted;
    if (!info.key_frame)
        info.width = info.height = 0;
    *out = info;
    return RC_OK;
}

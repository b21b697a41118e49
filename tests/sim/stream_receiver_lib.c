#include "tests/sim/stream_receiver_lib.h"

#include "relay/rtx.h"

#include <stdlib.h>
#include <string.h>

#define KEY_FRAME_NEAR 64
#define MARGIN 64 /* so many packets may have overtaken the first */

int stream_receiver_init(struct stream_receiver *r, enum media_kind media, uint32_t capacity)
{
    memset(r, 0, sizeof *r);
    r->media = media;
    r->capacity = capacity;
    nack_generator_init(&r->nack, media);
    if (!capacity)
        return RC_OK;
    r->record = calloc(capacity, sizeof *r->record);
    return r->record ? RC_OK : RC_NOMEM;
}

void stream_receiver_free(struct stream_receiver *r)
{
    free(r->record);
    r->record = NULL;
}

void stream_receiver_expect(struct stream_receiver *r, uint32_t ssrc, uint32_t rtx_ssrc)
{
    r->ssrc = ssrc;
    r->rtx_ssrc = rtx_ssrc;
    receive_stats_init(&r->stats, ssrc, r->media == MEDIA_VIDEO ? 90000 : 48000);
}

static uint32_t extend(struct stream_receiver *r, uint16_t seq)
{
    if (!r->started) {
        r->started = true;
        r->highest = r->lowest = 65536u + seq;
        r->first = r->lowest - MARGIN;
        return r->lowest;
    }
    const int16_t step = (int16_t)(seq - (uint16_t)r->highest);
    const uint32_t extended = (uint32_t)((int32_t)r->highest + step);

    if ((int32_t)(extended - r->highest) > 0)
        r->highest = extended;
    if ((int32_t)(extended - r->lowest) < 0 && extended - r->first < MARGIN)
        r->lowest = extended;
    return extended;
}

/* NULL: before the first, or no notes are kept. */
static struct stream_record *place_of(const struct stream_receiver *r, uint32_t extended)
{
    const uint32_t place = extended - r->first;

    return r->record && place < r->capacity ? &r->record[place] : NULL;
}

static void note(struct stream_receiver *r, const struct rtp_view *view, bool recovered,
                 usec_t now)
{
    struct stream_record *record = place_of(r, extend(r, view->seq));
    const bool red = r->red_payload_type && view->payload_type == r->red_payload_type;
    struct stream_stamp stamp;

    if (!red && view->payload_type != r->payload_type) {
        r->wrong_type++;
        return;
    }
    if (stream_stamp_read(red ? CODEC_RED : r->codec, view->payload, &stamp) != RC_OK) {
        r->broken++;
        return;
    }
    r->packets++;
    r->bytes += view->payload.n;
    if (r->on_packet)
        r->on_packet(r->arg, &stamp, recovered, now);
    if (!record)
        return;
    if (record->received) {
        r->duplicates++;
        return;
    }
    r->recovered += recovered;
    *record = (struct stream_record){
        .received = true,
        .recovered = recovered,
        .marker = view->marker,
        .payload_type = view->payload_type,
        .timestamp = view->timestamp,
        .arrived = now,
        .stamp = stamp,
    };
    if (stamp.key_frame && stamp.index == 0 && r->nack_wanted)
        nack_generator_key_frame(&r->nack, view->seq);
}

void stream_receiver_packet(struct stream_receiver *r, uint8_t *data, size_t len, usec_t now)
{
    struct rtp_view view;
    struct span bytes = {data, len};

    if (rtp_parse(bytes, &view) != RC_OK) {
        r->broken++;
        return;
    }
    const bool rtx = r->rtx_ssrc && view.ssrc == r->rtx_ssrc;
    if (rtx) {
        if (view.payload_type != r->rtx_payload_type)
            r->wrong_type++;
        if (rtx_decapsulate(data, len, r->ssrc, r->payload_type, &bytes) != RC_OK ||
            rtp_parse(bytes, &view) != RC_OK)
            return;
    } else {
        (void)receive_stats_packet(&r->stats, view.seq, view.timestamp, view.payload.n, now);
    }
    if (r->nack_wanted)
        nack_generator_packet(&r->nack, view.seq, now);
    note(r, &view, rtx, now);
}

const struct stream_record *stream_receiver_at(const struct stream_receiver *r, uint32_t place)
{
    return place < stream_receiver_length(r) ? place_of(r, r->lowest + place) : NULL;
}

uint32_t stream_receiver_length(const struct stream_receiver *r)
{
    return r->started ? r->highest - r->lowest + 1 : 0;
}

/* What was lost shortly before a key frame is of no use any more, and not asked for. */
static bool key_frame_follows(const struct stream_receiver *r, uint32_t place)
{
    for (uint32_t i = place + 1; i < place + KEY_FRAME_NEAR; i++) {
        const struct stream_record *record = stream_receiver_at(r, i);

        if (record && record->received && record->stamp.key_frame && record->stamp.index == 0)
            return true;
    }
    return false;
}

uint32_t stream_receiver_missing(const struct stream_receiver *r, usec_t until)
{
    const struct stream_record *record;
    uint32_t missing = 0, run = 0;

    for (uint32_t i = 0; (record = stream_receiver_at(r, i)); i++) {
        if (!record->received) {
            run += !key_frame_follows(r, i);
            continue;
        }
        if (record->arrived > until)
            break;
        missing += run;
        run = 0;
    }
    return missing;
}

static const char *flaw_between(const struct stream_receiver *r, const struct stream_record *a,
                                const struct stream_record *b, bool hole)
{
    const struct stream_stamp *from = &a->stamp, *to = &b->stamp;
    const bool video = r->media == MEDIA_VIDEO;

    /* The key frame that was under way at a pause may come again, whole, after it. */
    const bool again = to->key_frame && to->index == 0 && b->timestamp != a->timestamp;

    if (from->sender == to->sender && from->frame == to->frame && !again) {
        if (a->timestamp != b->timestamp)
            return "one frame with two timestamps";
        if (from->picture_id != to->picture_id || from->tl0 != to->tl0)
            return "one frame with two picture ids";
        if (to->index <= from->index || (!hole && to->index != from->index + 1))
            return "packets of a frame out of order";
        return NULL;
    }
    if ((int32_t)(b->timestamp - a->timestamp) <= 0)
        return "a timestamp that does not advance";
    if (b->timestamp - a->timestamp > 90000 * 60)
        return "a timestamp that jumps";
    if (hole)
        return NULL;
    if (video && to->index != 0)
        return "a frame without its beginning";
    if (video && r->codec == CODEC_VP8 && to->picture_id != ((from->picture_id + 1) & 0x7fff))
        return "a picture id that does not go on";
    if (video && r->codec == CODEC_VP8 && (uint8_t)(to->tl0 - from->tl0) > 1)
        return "a TL0PICIDX that jumps";
    if (from->sender != to->sender)
        return video && !to->key_frame ? "another sender without a key frame" : NULL;
    /* A pause: the relay was told to show somebody else, or nobody. */
    if (video ? to->key_frame : b->marker)
        return NULL;
    if (to->frame != from->frame + 1)
        return "a frame left out without a gap in the sequence numbers";
    return NULL;
}

const char *stream_receiver_flaw(const struct stream_receiver *r)
{
    const struct stream_record *before = NULL, *record;
    bool hole = false;

    if (r->broken)
        return "a payload that is not as it was sent";
    if (r->wrong_type)
        return "a payload type that was not agreed";
    for (uint32_t i = 0; (record = stream_receiver_at(r, i)); i++) {
        if (!record->received) {
            hole = true;
            continue;
        }
        const char *flaw = before ? flaw_between(r, before, record, hole) : NULL;
        if (flaw)
            return flaw;
        before = record;
        hole = false;
    }
    return NULL;
}

usec_t stream_receiver_first_of(const struct stream_receiver *r, uint32_t sender)
{
    const struct stream_record *record;

    for (uint32_t i = 0; (record = stream_receiver_at(r, i)); i++)
        if (record->received && record->stamp.sender == sender &&
            (r->media == MEDIA_AUDIO || (record->stamp.key_frame && record->stamp.index == 0)))
            return record->arrived;
    return 0;
}

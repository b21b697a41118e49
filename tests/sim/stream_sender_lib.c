#include "tests/sim/stream_sender_lib.h"

#include "relay/rtx.h"
#include "tests/sim/stream_stamp_lib.h"

#include <string.h>

#define LATE_FRAMES 3
#define KEY_FRAME_FACTOR 4 /* a key frame is so many times as large as the others */
#define KEPT ((struct packet_ring_options){128 * 1024, 512, SEC(1)})
#define RED_OFFSET 960 /* ticks: one frame of 20 ms before */

void stream_sender_init(struct stream_sender *s, const struct stream_sender_options *options,
                        uint16_t *transport_seq)
{
    const struct packet_ring_options kept = KEPT;

    memset(s, 0, sizeof *s);
    s->options = *options;
    s->transport_seq = transport_seq;
    s->due = USEC_NEVER;
    s->seq = options->first_seq;
    s->rtx_seq = (uint16_t)~options->first_seq & 0x7fff;
    s->picture_id = (uint16_t)(options->ssrc & 0x7fff);
    s->tl0 = (uint8_t)options->ssrc;
    packet_ring_init(&s->kept, &kept);
}

void stream_sender_free(struct stream_sender *s)
{
    packet_ring_free(&s->kept);
}

void stream_sender_start(struct stream_sender *s, usec_t now)
{
    if (s->due != USEC_NEVER)
        return;
    if (!s->began)
        s->began = now;
    s->due = now;
    s->key_frame_wanted = true;
}

void stream_sender_stop(struct stream_sender *s)
{
    s->due = USEC_NEVER;
}

static bool is_video(const struct stream_sender *s)
{
    return s->options.codec != CODEC_OPUS;
}

uint32_t stream_sender_clock(const struct stream_sender *s, usec_t now)
{
    return s->options.first_timestamp + rtp_ticks(now - s->began, is_video(s) ? 90000 : 48000);
}

/* One-byte form; ids of the dialects are all under 15. Returns the length of the block. */
static size_t write_extensions(struct stream_sender *s, usec_t now, uint8_t *out)
{
    const uint8_t *id = s->options.extensions.id_of;
    size_t at = RTP_EXTENSION_HEADER_LEN;

    if (id[RTP_EXTENSION_ABS_SEND_TIME]) {
        out[at] = (uint8_t)(id[RTP_EXTENSION_ABS_SEND_TIME] << 4 | 2);
        store_be24(out + at + 1, rtp_abs_send_time(now));
        at += 4;
    }
    if (id[RTP_EXTENSION_TRANSPORT_WIDE_CC]) {
        out[at] = (uint8_t)(id[RTP_EXTENSION_TRANSPORT_WIDE_CC] << 4 | 1);
        store_be16(out + at + 1, (*s->transport_seq)++);
        at += 3;
    }
    if (id[RTP_EXTENSION_AUDIO_LEVEL]) {
        out[at] = (uint8_t)(id[RTP_EXTENSION_AUDIO_LEVEL] << 4);
        out[at + 1] = s->options.audio_level;
        at += 2;
    }
    if (at == RTP_EXTENSION_HEADER_LEN)
        return 0;
    while (at % 4)
        out[at++] = 0;
    store_be16(out, RTP_EXTENSION_ONE_BYTE);
    store_be16(out + 2, (uint16_t)(at / 4 - 1));
    return at;
}

/* RFC 2198: the frame before and this one. */
static size_t write_red(const struct stream_sender *s, const struct stream_stamp *stamp,
                        size_t len, uint8_t *out)
{
    const struct stream_stamp before = {
        .sender = stamp->sender, .frame = stamp->frame - 1, .count = 1};

    store_be32(out, 0x80000000u | (uint32_t)s->options.payload_type << 24 | RED_OFFSET << 10 |
                        (uint32_t)len);
    out[4] = s->options.payload_type;
    stream_stamp_write(CODEC_OPUS, &before, out + 5, len);
    stream_stamp_write(CODEC_OPUS, stamp, out + 5 + len, len);
    return 5 + 2 * len;
}

static void send_packet(struct stream_sender *s, const struct stream_stamp *stamp, size_t len,
                        stream_emit_fn *emit, void *arg)
{
    const bool red = s->options.red_payload_type != 0;
    uint8_t packet[RTP_PACKET_MAX];
    const size_t block = write_extensions(s, stamp->sent, packet + RTP_HEADER_LEN);
    const struct rtp_header header = {
        .marker = is_video(s) && stamp->index + 1 == stamp->count,
        .extended = block > 0,
        .payload_type = red ? s->options.red_payload_type : s->options.payload_type,
        .seq = s->seq,
        .timestamp = s->timestamp,
        .ssrc = s->options.ssrc,
    };
    uint8_t *payload = packet + rtp_write_header(packet, &header) + block;

    if (red)
        len = write_red(s, stamp, len, payload);
    else
        stream_stamp_write(s->options.codec, stamp, payload, len);
    const size_t total = (size_t)(payload - packet) + len;

    if (s->options.rtx_ssrc)
        (void)packet_ring_put(&s->kept, s->seq, (struct span){packet, total}, stamp->sent);
    s->seq++;
    s->packets++;
    s->octets += (uint32_t)len;
    emit(arg, packet, total);
}

void stream_sender_frame(struct stream_sender *s, usec_t now, stream_emit_fn *emit, void *arg)
{
    const struct stream_sender_options *o = &s->options;
    const bool key = is_video(s) && s->key_frame_wanted;
    size_t bytes = (size_t)((uint64_t)o->bitrate * o->interval / 8 / SEC(1));
    struct stream_stamp stamp = {
        .sender = o->sender, .frame = s->frame, .sent = now, .key_frame = key};

    if (key) {
        bytes *= KEY_FRAME_FACTOR;
        s->key_frames++;
        s->key_frame_wanted = false;
    }
    if (now > s->due + LATE_FRAMES * o->interval)
        s->due = now; /* a camera does not make up for what its owner has slept through */
    s->timestamp = stream_sender_clock(s, s->due);
    if (is_video(s) && s->frame % 2 == 0)
        s->tl0++;
    s->picture_id = (s->picture_id + 1) & 0x7fff;
    stamp.picture_id = s->picture_id;
    stamp.tl0 = s->tl0;
    stamp.count = (uint16_t)((bytes + o->payload_max - 1) / o->payload_max);
    if (key && o->codec == CODEC_H264 && stamp.count < 2)
        stamp.count = 2;
    size_t len = bytes / stamp.count;
    if (len < STREAM_STAMP_PAYLOAD_MIN)
        len = STREAM_STAMP_PAYLOAD_MIN;
    for (; stamp.index < stamp.count; stamp.index++)
        send_packet(s, &stamp, len, emit, arg);
    s->frame++;
    s->due += o->interval;
}

/* Its arrival is reported under a number of its own. */
static void renumber(struct stream_sender *s, uint8_t *packet, size_t len)
{
    struct rtp_view view;
    struct span data;

    if (rtp_parse((struct span){packet, len}, &view) == RC_OK &&
        rtp_extension_find(&view, &s->options.extensions, RTP_EXTENSION_TRANSPORT_WIDE_CC,
                           &data))
        store_be16(packet + (data.p - packet), (*s->transport_seq)++);
}

void stream_sender_resend(struct stream_sender *s, uint16_t seq, usec_t now,
                          stream_emit_fn *emit, void *arg)
{
    const struct rtx_stream stream = {s->options.rtx_ssrc, s->options.rtx_payload_type,
                                      s->rtx_seq};
    struct packet_ring_entry entry;
    uint8_t packet[RTP_PACKET_MAX];

    if (!packet_ring_get(&s->kept, seq, now, &entry)) {
        s->unknown++;
        return;
    }
    const int len = rtx_encapsulate(entry.packet, &stream, packet, sizeof packet);
    if (len <= 0)
        return;
    s->rtx_seq++;
    s->resent++;
    renumber(s, packet, (size_t)len);
    emit(arg, packet, (size_t)len);
}

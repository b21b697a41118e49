#include "core/rtp_glance.h"

#define SOUND_MAX 700 /* bytes of a packet with its header and tag */
#define SHARED_MIN                                                                             \
    200 /* a telephone event (RFC 4733) repeats its timestamp, and is a few bytes */
#define JUDGED_MIN 8 /* packets before marks are a sign */

bool rtp_glance(struct span packet, struct rtp_glance *out)
{
    if (packet.n < 12 || packet.p[0] >> 6 != 2)
        return false;
    /* RFC 5761, section 4: RTCP's packet types 192 to 223 are these with the marker bit. */
    const uint8_t payload_type = packet.p[1] & 0x7f;
    if (payload_type >= 64 && payload_type < 96)
        return false;
    *out = (struct rtp_glance){
        .marker = packet.p[1] & 0x80,
        .payload_type = payload_type,
        .seq = load_be16(packet.p + 2),
        .timestamp = load_be32(packet.p + 4),
        .ssrc = load_be32(packet.p + 8),
    };
    return true;
}

static struct rtp_stream *find(struct rtp_streams *streams, uint32_t ssrc)
{
    struct rtp_stream *oldest = &streams->stream[0];

    streams->clock++;
    for (size_t i = 0; i < RTP_STREAMS_MAX; i++) {
        struct rtp_stream *stream = &streams->stream[i];

        if (stream->used && stream->ssrc == ssrc) {
            stream->used = streams->clock;
            return stream;
        }
        /* What the owner knows goes last. */
        if (stream->known == oldest->known ? stream->used < oldest->used : oldest->known)
            oldest = stream;
    }
    *oldest = (struct rtp_stream){.ssrc = ssrc, .used = streams->clock};
    return oldest;
}

void rtp_streams_know(struct rtp_streams *streams, uint32_t ssrc, bool picture)
{
    struct rtp_stream *stream = find(streams, ssrc);

    stream->known = true;
    stream->picture = picture;
}

static void judge(struct rtp_stream *stream, const struct rtp_glance *glance, size_t len,
                  bool fresh)
{
    if (stream->known || stream->picture)
        return;
    stream->packets++;
    if (glance->marker)
        stream->marked++;
    if (!fresh && len > SHARED_MIN)
        stream->shared++;
    stream->picture = len > SOUND_MAX || stream->shared > 1 ||
                      (stream->packets >= JUDGED_MIN && stream->marked > stream->packets / 2);
    if (stream->packets >= 4 * JUDGED_MIN) { /* what it does now counts more */
        stream->packets /= 2;
        stream->marked /= 2;
        stream->shared /= 2;
    }
}

struct rtp_stream *rtp_streams_look(struct rtp_streams *streams,
                                    const struct rtp_glance *glance, size_t len, bool *fresh)
{
    struct rtp_stream *stream = find(streams, glance->ssrc);

    *fresh = !stream->started || stream->timestamp != glance->timestamp;
    judge(stream, glance, len, *fresh);
    stream->started = true;
    stream->timestamp = glance->timestamp;
    return stream;
}

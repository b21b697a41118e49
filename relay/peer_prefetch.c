/*
 * relay/peer_prefetch.c - asks the processor for what the packets of a peer will touch.
 *
 * With hundreds of peers, what is known of one has left the caches by the time its next frame
 * comes, and every structure on the way of a packet would be waited for in turn: half of the
 * time that the relay spent on a packet. Asked for ahead, they come side by side while the
 * packets of the batch are deciphered. Nothing here changes what happens, and nothing breaks
 * when a structure grows: then a line of it is waited for.
 */
#include "relay/peer.h"

#define CACHE_LINE 64

static void prefetch(const void *from, size_t n)
{
    for (size_t at = 0; at < n; at += CACHE_LINE)
        __builtin_prefetch((const char *)from + at, 1);
}

static void prefetch_until(const void *from, const void *to)
{
    prefetch(from, (size_t)((const char *)to - (const char *)from));
}

void peer_prefetch_first(const struct peer *peer)
{
    prefetch_until(peer, &peer->ice);
}

/* Video: what is large is a frame, and sound has one packet at a time. */
void peer_prefetch(const struct peer *peer)
{
    const struct track_in *in = &peer->video_in;

    __builtin_prefetch(peer->srtp_in);
    __builtin_prefetch(peer->dtls);
    if (peer->partner)
        peer_prefetch_first(peer->partner);
    prefetch_until(in, &in->nack.missing[1]); /* the list is mostly empty */
    prefetch_until(&in->key_frame, in + 1);
    prefetch_until(&peer->arrivals, &peer->arrivals.arrival[1]);
    prefetch_until(&peer->ice.path[0], &peer->ice.path[1]);
}

void peer_prefetch_partner(const struct peer *peer)
{
    const struct peer *to = peer->partner;

    srtp_context_prefetch(peer->srtp_in);
    if (!to)
        return;
    const struct track_out *out = &to->video_out;
    if (to->srtp_out)
        __builtin_prefetch(to->srtp_out);
    prefetch_until(out, &out->rewriter.range[1]);
    prefetch_until(&out->rewriter.mapped, out + 1);
    prefetch(&to->leg, sizeof to->leg);
    prefetch(&to->route, sizeof to->route);
    __builtin_prefetch(&to->sent.next);
}

void peer_prefetch_more(const struct peer *peer)
{
    const struct peer *to = peer->partner;

    packet_ring_prefetch(&peer->video_in.ring);
    if (!to)
        return;
    if (to->srtp_out)
        srtp_context_prefetch(to->srtp_out);
    sent_packets_prefetch(&to->sent);
    sent_history_prefetch(&to->video_out.history,
                          (uint16_t)(to->video_out.rewriter.highest_out + 1));
}

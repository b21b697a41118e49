/*
 * relay/stream_frame.h - packets in a stream: RFC 4571's frames, a length of 16 bits before
 * each, as ICE over TCP has them (RFC 6544, section 10.1). And the first of them, by which the
 * TCP port tells such a connection from all others.
 *
 * Sans-IO, pure, any thread.
 */
#ifndef RELAY_STREAM_FRAME_H
#define RELAY_STREAM_FRAME_H

#include "core/base.h"
#include "core/listener.h"

#define STREAM_FRAME_HEAD 2
/* A packet that no datagram of ours could be: the stream speaks of something else. */
#define STREAM_FRAME_MAX 2048

/* Takes the next packet off `rest`. RC_OK; RC_AGAIN: there is no whole one; RC_BAD: longer than
 * STREAM_FRAME_MAX, and there is no way to find the next one. A frame without a packet, which
 * RFC 4571 allows, is passed over. */
int stream_frame_next(struct span *rest, struct span *packet);

/* Are these a frame with a STUN Binding request of RFC 8489 in it, and nothing else that the
 * port speaks? Yes once the whole of it is there, so that its USERNAME can be read. STUN
 * without a frame (TURN over TCP) differs: where that has its length, this has the type 1,
 * which is no multiple of four; where that has its type, this has a length of 20 and more. */
enum recognition stream_frame_recognise(const uint8_t *first, size_t n);

#endif

/*
 * signaling/message_codec.h - permessage-deflate (RFC 7692) without context takeover: every
 * message is inflated and deflated on its own, so one codec serves all connections of a thread.
 *
 * Sans-IO. One thread. About 300 kB, plus an output buffer each way that shrinks back.
 */
#ifndef SIGNALING_MESSAGE_CODEC_H
#define SIGNALING_MESSAGE_CODEC_H

#include "core/base.h"

struct message_codec;

int message_codec_create(struct message_codec **out); /* RC_NOMEM */
void message_codec_free(struct message_codec *deflate);

/* Inflates one message (section 7.2.2: without its last four bytes 00 00 ff ff). *out is
 * borrowed until the next message_inflate. RC_BAD: it is not DEFLATE data; RC_FULL: more than
 * `max` bytes would come out - never more than that is inflated; RC_NOMEM. */
int message_inflate(struct message_codec *deflate, struct span in, size_t max,
                    struct span *out);

/* Deflates one message (section 7.2.1). *out is borrowed until the next message_deflate.
 * RC_AGAIN: it does not get shorter, send it as it is; RC_NOMEM. */
int message_deflate(struct message_codec *deflate, struct span in, struct span *out);

/* Looks for an offer that we can take in one Sec-WebSocket-Extensions field. The answer's value
 * (a static string), or NULL: none. We accept only what needs no window of its own size. */
const char *deflate_negotiate(const char *offers);

#endif

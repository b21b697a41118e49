/*
 * relay/vp8.h - the VP8 payload descriptor (RFC 7741, section 4.2) and the head of a key frame
 * (RFC 6386, section 9.1). Sans-IO, any thread.
 */
#ifndef RELAY_VP8_H
#define RELAY_VP8_H

#include "relay/payload.h"

/* As payload_inspect. */
int vp8_inspect(struct span payload, bool marker, struct payload_info *out);

#endif

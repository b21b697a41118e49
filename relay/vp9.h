/*
 * relay/vp9.h - the VP9 payload descriptor (RFC 9628, section 4.2). Sans-IO, any thread.
 */
#ifndef RELAY_VP9_H
#define RELAY_VP9_H

#include "relay/payload.h"

/* As payload_inspect. A key frame starts at a packet that begins a frame of spatial layer 0 and
 * is not inter-picture predicted. */
int vp9_inspect(struct span payload, bool marker, struct payload_info *out);

#endif

/*
 * relay/av1.h - the aggregation header of the AV1 RTP payload format 1.0, section 4.4. Sans-IO,
 * any thread.
 */
#ifndef RELAY_AV1_H
#define RELAY_AV1_H

#include "relay/payload.h"

/* As payload_inspect. The N bit marks the first packet of a coded video sequence: a key frame.
 */
int av1_inspect(struct span payload, bool marker, struct payload_info *out);

#endif

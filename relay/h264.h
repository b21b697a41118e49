/*
 * relay/h264.h - H264 payloads of packetization-mode 1 (RFC 6184): single NAL units, STAP-A and
 * FU-A. Sans-IO, any thread.
 */
#ifndef RELAY_H264_H
#define RELAY_H264_H

#include "relay/payload.h"

/*
 * As payload_inspect. The key frame of a stream that a newcomer can decode starts with its
 * sequence parameter set: a packet that holds an SPS is the start, be it alone, in a STAP-A or
 * with the IDR slice. An IDR without SPS before it in band is not a start: browsers' decoders
 * refuse it.
 */
int h264_inspect(struct span payload, bool marker, struct payload_info *out);

#endif

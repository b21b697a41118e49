#include "relay/av1.h"

/*
 * Section 4.4:  |Z|Y| W |N|-|-|-|
 * Z: the first OBU element continues one of the packet before. Y: the last goes on in the next.
 * N: the first packet of a coded video sequence; "if N equals 1 then Z must equal 0".
 */
int av1_inspect(struct span payload, bool marker, struct payload_info *out)
{
    if (payload.n < 2)
        return RC_BAD;
    const uint8_t head = payload.p[0];
    const bool continues = head & 0x80, sequence_start = head & 0x08;

    if (sequence_start && continues)
        return RC_BAD;
    *out = (struct payload_info){
        .key_frame = sequence_start,
        .frame_start = sequence_start,
        .frame_end = marker,
    };
    return RC_OK;
}

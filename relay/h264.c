#include "relay/h264.h"

/* RFC 6184, table 1, and the NAL unit types of H.264. */
enum {
    NAL_SLICE_FIRST = 1,
    NAL_SPS = 7,
    NAL_SINGLE_LAST = 23,
    NAL_STAP_A = 24,
    NAL_FU_A = 28,
};

#define FU_START 0x80
#define FU_END 0x40
#define NAL_TYPE(byte) ((byte)&0x1f)

/* Section 5.7.1: 16 bits of size before each NAL unit. */
static bool read_stap_a(struct span rest, struct payload_info *info)
{
    if (rest.n == 0)
        return false;
    while (rest.n > 0) {
        if (rest.n < 3)
            return false;
        const size_t len = load_be16(rest.p);
        if (len == 0 || rest.n - 2 < len)
            return false;
        if (NAL_TYPE(rest.p[2]) == NAL_SPS)
            info->key_frame = true;
        rest = (struct span){rest.p + 2 + len, rest.n - 2 - len};
    }
    return true;
}

/* Section 5.8: FU indicator, FU header |S|E|R|type|. S and E "MUST NOT both be set". */
static bool read_fu_a(struct span payload, struct payload_info *info)
{
    if (payload.n < 3)
        return false;
    const uint8_t header = payload.p[1];
    if ((header & FU_START) && (header & FU_END))
        return false;
    info->key_frame = (header & FU_START) && NAL_TYPE(header) == NAL_SPS;
    return true;
}

int h264_inspect(struct span payload, bool marker, struct payload_info *out)
{
    struct payload_info info = {.frame_end = marker};

    if (payload.n == 0)
        return RC_BAD;
    const unsigned type = NAL_TYPE(payload.p[0]);

    if (type == NAL_STAP_A) {
        if (!read_stap_a((struct span){payload.p + 1, payload.n - 1}, &info))
            return RC_BAD;
    } else if (type == NAL_FU_A) {
        if (!read_fu_a(payload, &info))
            return RC_BAD;
    } else if (type >= NAL_SLICE_FIRST && type <= NAL_SINGLE_LAST) {
        info.key_frame = type == NAL_SPS;
    } else {
        return RC_BAD; /* STAP-B, MTAP and FU-B belong to packetization-mode 2 */
    }
    info.frame_start = info.key_frame;
    *out = info;
    return RC_OK;
}

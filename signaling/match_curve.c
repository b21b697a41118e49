#include "signaling/match_curve.h"

const struct match_curve match_curve_default = {
    .point = {{0, 95}, {SEC(2), 85}, {SEC(3), 60}, {SEC(4), 0}},
    .count = 4,
};

bool match_curve_valid(const struct match_curve *curve)
{
    if (curve->count == 0 || curve->count > MATCH_CURVE_POINTS_MAX ||
        curve->point[0].waited != 0 || curve->point[0].share > 100)
        return false;
    for (uint32_t i = 1; i < curve->count; i++)
        if (curve->point[i].waited <= curve->point[i - 1].waited ||
            curve->point[i].share > curve->point[i - 1].share)
            return false;
    return true;
}

usec_t match_curve_end(const struct match_curve *curve)
{
    return curve->point[curve->count - 1].waited;
}

uint32_t match_curve_share(const struct match_curve *curve, usec_t waited)
{
    for (uint32_t i = 1; i < curve->count; i++) {
        const usec_t from = curve->point[i - 1].waited, to = curve->point[i].waited;
        const uint32_t high = curve->point[i - 1].share, low = curve->point[i].share;

        if (waited < to)
            return high - (uint32_t)((high - low) * (waited - from) / (to - from));
    }
    return 0;
}

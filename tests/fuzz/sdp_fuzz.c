/*
 * Fuzzes offers: parse, answer, and answer again as a later offer of the same session. Two
 * offers in one input stand apart by a line "=". Every answer must be one that a browser could
 * take: sdp_lib_fault() says what that means.
 */
#include "tests/relay/sdp_lib.h"

#include <stdlib.h>
#include <string.h>

#define MUST(cond) ((cond) ? (void)0 : abort()) /* active in every build, unlike assert */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct sdp_offer offer;

static void must_stay(const struct sdp_negotiated *before, const struct sdp_negotiated *after)
{
    MUST(after->dtls_client == before->dtls_client);
    MUST(after->mline_count >= before->mline_count);
    MUST(after->answer_version == before->answer_version + 1);
    for (uint8_t i = 0; i < before->mline_count; i++)
        if (before->mline[i].accepted && after->mline[i].accepted)
            MUST(strcmp(before->mline[i].mid, after->mline[i].mid) == 0);
}

/* Returns whether it was answered. */
static bool answer(struct span text, const struct sdp_local *local,
                   const struct sdp_negotiated *previous, struct sdp_negotiated *out)
{
    enum refusal why;
    char *written = NULL;

    if (sdp_offer_parse((const char *)text.p, text.n, &offer, &why) != RC_OK) {
        MUST(why == REFUSAL_SDP_MALFORMED || why == REFUSAL_SDP_TOO_LARGE);
        return false;
    }
    if (previous && sdp_change_kind(previous, &offer) == SDP_NEW_SESSION)
        previous = NULL;
    if (sdp_answer_write(&offer, local, previous, out, &written, &why) != RC_OK) {
        MUST(why != REFUSAL_NONE && !written);
        return false;
    }
    MUST(!sdp_lib_fault(&offer, local, out, written));
    MUST(sdp_change_kind(out, &offer) == SDP_RENEGOTIATION);
    if (previous)
        must_stay(previous, out);
    free(written);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct sdp_local local = sdp_lib_local();
    struct sdp_negotiated first, second, again;
    const uint8_t *mark = size ? memmem(data, size, "\n=\n", 3) : NULL;
    const size_t n = mark ? (size_t)(mark - data) + 1 : size;
    const struct span one = {data, n};

    const bool answered = answer(one, &local, NULL, &first);
    if (answered) /* the same offer again is always fine, and changes nothing */
        MUST(answer(one, &local, &first, &again) &&
             again.video.payload_type[again.video.codec] ==
                 first.video.payload_type[first.video.codec]);
    if (mark)
        (void)answer((struct span){mark + 3, size - n - 2}, &local, answered ? &first : NULL,
                     &second);
    return 0;
}

/*
 * relay/sdp_answer.h - writes our answer: ICE-lite, one BUNDLE, one transport (RFC 3264, RFC
 * 8829 section 5.3, RFC 9143 section 7.3).
 *
 * Sans-IO, any thread. Decides with sdp_negotiate, then writes what was decided.
 */
#ifndef RELAY_SDP_ANSWER_H
#define RELAY_SDP_ANSWER_H

#include "relay/sdp_negotiated.h"

/*
 * Answers `offer`. previous: NULL for a new session, else what the running one has (see
 * sdp_negotiate). RC_OK with *out and *answer_text (malloc'ed, NUL-terminated, CRLF lines; the
 * caller frees it); RC_BAD with *why; RC_NOMEM with *why SERVER_FULL. Outputs are written on
 * success only. out and previous may be the same object. Callers count: refuse(*why).
 */
int sdp_answer_write(const struct sdp_offer *offer, const struct sdp_local *local,
                     const struct sdp_negotiated *previous, struct sdp_negotiated *out,
                     char **answer_text, enum refusal *why);

#endif

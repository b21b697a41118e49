/*
 * relay/sdp_text.h - cutting lines of text into tokens and numbers, for SDP and candidates.
 *
 * Sans-IO, borrows everything, any thread. Nothing here reads past its span.
 */
#ifndef RELAY_SDP_TEXT_H
#define RELAY_SDP_TEXT_H

#include "core/base.h"

/* Cuts the next line off *rest, without its CRLF or LF. False when nothing is left. */
bool sdp_text_line(struct span *rest, struct span *line);

/* Cuts the next run of non-spaces off *rest. False when there is none. */
bool sdp_text_token(struct span *rest, struct span *token);

/* Cuts *rest at the first `separator` and drops that. Without one, all of *rest is `before`. */
void sdp_text_cut(struct span *rest, char separator, struct span *before);

bool sdp_text_equal(struct span a, struct span b);
bool sdp_text_is(struct span text, const char *word);
bool sdp_text_is_nocase(struct span text, const char *word); /* ASCII */

/* Decimal digits and nothing else, at most `max`. */
bool sdp_text_number(struct span text, uint64_t max, uint64_t *value);

/* One hexadecimal digit, or -1. */
int sdp_text_hex(uint8_t c);

/* RFC 8866, section 9: one or more token characters. */
bool sdp_text_is_token(struct span text);
/* One or more visible ASCII characters. */
bool sdp_text_is_visible(struct span text);

/* Copies with a NUL behind it. False, and an empty string, when it does not fit. */
bool sdp_text_copy(struct span text, char *buf, size_t size);

#endif

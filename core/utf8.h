/*
 * core/utf8.h - UTF-8 as RFC 3629 defines it: no overlong forms, no surrogates, nothing above
 * U+10FFFF. Sans-IO, any thread.
 */
#ifndef CORE_UTF8_H
#define CORE_UTF8_H

#include "core/base.h"

/* Length (1 to 4) of the well-formed character at the start of `text`, and the character itself
 * in `out`; 0 when there is none (empty, cut off or malformed). */
size_t utf8_next(struct span text, uint32_t *out);
bool utf8_valid(struct span text);
/* How many characters (code points) it has; RC_BAD when it is not UTF-8. */
int64_t utf8_count(struct span text);

#endif

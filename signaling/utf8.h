/*
 * signaling/utf8.h - is this UTF-8 (RFC 3629)? No surrogates, no overlong forms, nothing over
 * U+10FFFF. Sans-IO, any thread.
 */
#ifndef SIGNALING_UTF8_H
#define SIGNALING_UTF8_H

#include "core/base.h"

bool utf8_valid(struct span text);
/* Number of code points; RC_BAD when it is not UTF-8. */
int utf8_length(struct span text);

#endif

/*
 * signaling/utf16.h - how long text is as JavaScript counts: in UTF-16 code units. Engine.IO 3
 * measures its packets that way. Sans-IO, any thread.
 */
#ifndef SIGNALING_UTF16_H
#define SIGNALING_UTF16_H

#include "core/base.h"

/* Code units of valid UTF-8: what String.length says. */
size_t utf16_length(struct span text);

/* How many bytes the first `units` code units of `text` take. RC_BAD when the text is shorter
 * or malformed, or a surrogate pair would be cut in half. */
int utf16_prefix(struct span text, size_t units, size_t *bytes);

#endif

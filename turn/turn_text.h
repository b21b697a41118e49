/*
 * turn/turn_text.h - which user names, realms and passwords can be (RFC 8489 section 9.2:
 * prepared with RFC 8265's OpaqueString profile).
 *
 * Sans-IO, any thread. What of the profile is checked and what is not: turn/turn_auth.h.
 */
#ifndef TURN_TURN_TEXT_H
#define TURN_TURN_TEXT_H

#include "core/base.h"

/* Not empty, at most `max` bytes, UTF-8, and no control character (C0, DEL, C1). */
bool turn_text_ok(struct span text, size_t max);

#endif

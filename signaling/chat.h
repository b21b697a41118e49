/*
 * signaling/chat.h - what may be said: the rules for the text of a chat message.
 *
 * Sans-IO, pure. Markup is passed through as text: the page escapes.
 */
#ifndef SIGNALING_CHAT_H
#define SIGNALING_CHAT_H

#include "core/base.h"
#include "core/refusal.h"

#define CHAT_TEXT_MAX 500 /* code points */
#define CHAT_ID_MAX 64    /* bytes of a client's own message id */

/* REFUSAL_NONE, CHAT_EMPTY (nothing that can be seen), CHAT_TOO_LONG, or CHAT_BAD_TEXT (not
 * UTF-8, or a control character other than tab and line feed). Looks at no more than
 * CHAT_TEXT_MAX + 1 code points, however long the text is. */
enum refusal chat_check_text(const char *text, size_t n);

/* A client's message id: 1 to CHAT_ID_MAX printable ASCII characters. */
bool chat_check_id(const char *id);

#endif

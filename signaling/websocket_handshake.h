/*
 * signaling/websocket_handshake.h - the opening handshake, server side (RFC 6455 section 4.2).
 * Sans-IO, any thread.
 */
#ifndef SIGNALING_WEBSOCKET_HANDSHAKE_H
#define SIGNALING_WEBSOCKET_HANDSHAKE_H

#include "core/base.h"

#define WEBSOCKET_ACCEPT_MAX 29 /* base64 of a SHA-1 and a NUL */

/* Is it the base64 form of 16 bytes? */
bool websocket_key_valid(const char *key);
/* Sec-WebSocket-Accept for a valid key. */
void websocket_key_accept(const char *key, char accept[static WEBSOCKET_ACCEPT_MAX]);

#endif

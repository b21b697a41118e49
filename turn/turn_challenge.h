/*
 * turn/turn_challenge.h - the long-term credential mechanism at the server (RFC 8489
 * section 9.2.4): is a request from who it says, and if not, what it must bring.
 *
 * Internal to turn/; one thread. Makes no state. Answers to strangers are counted per source
 * (turn/turn_limiter.h) and are small: an error code, realm, nonce and password algorithms.
 */
#ifndef TURN_TURN_CHALLENGE_H
#define TURN_TURN_CHALLENGE_H

#include "turn/turn_reply.h"

/* True: request->form is sealed, request->key is the key, and request->user is there when it
 * was not the allocation's own. False: it was answered (400, 401, 438) or, beyond the limit,
 * not. */
bool turn_authenticate(struct turn_request *request);
/* RFC 8656 section 5: is it the user who made the allocation? Then what it authenticated with
 * is remembered. False: 441. */
bool turn_is_owner(struct turn_request *request);
/* An error to somebody who has not authenticated, within the limit. */
void turn_refuse_stranger(struct turn_request *request, unsigned code);

#endif

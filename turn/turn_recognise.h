/*
 * turn/turn_recognise.h - is this the beginning of TURN over a stream (RFC 8656 section 3.1)?
 * For the table of core/listener.h, before and after TLS.
 *
 * Pure, any thread.
 */
#ifndef TURN_TURN_RECOGNISE_H
#define TURN_TURN_RECOGNISE_H

#include "core/listener.h"

/* A request that authenticates is a few hundred bytes long. */
#define TURN_FIRST_MESSAGE_MAX 2048

/*
 * A client can but begin with a STUN request: class request, one of the first 128 methods, a
 * length that is a multiple of four and small, the cookie. ChannelData is not taken for one:
 * there is no channel yet, and "GE" of an HTTP request would be the number of one.
 *
 * Nobody else's first bytes get through: HTTP begins with a letter, TLS with 0x16, the PROXY
 * protocol with 0x0D or 'P'; and an RFC 4571 frame around an ICE check (RFC 6544) has that
 * check's type, 0x0001, where we have a length.
 */
enum recognition turn_recognise(const uint8_t *first, size_t n);

#endif

/*
 * relay/stream_address.h - the far end of a TCP connection as an address, so that a path over
 * TCP (RFC 6544) is a path like any other: it is found, selected and sent to by its address.
 *
 * Such an address holds the client's IP and port and the number of the connection, which makes
 * it another one than any that a datagram can come from: IPv6 with the number and 2^31 as its
 * scope, IPv4 in v4-mapped form. No interface has so high a number, and no struct address from
 * the network is v4-mapped (core/address.h). It must not get to a socket.
 *
 * Pure, any thread.
 */
#ifndef RELAY_STREAM_ADDRESS_H
#define RELAY_STREAM_ADDRESS_H

#include "core/address.h"
#include "core/base.h"

#define STREAM_NUMBER_MAX 0x7fffffffu

/* `peer`: an ordinary address; `number`: 1 to STREAM_NUMBER_MAX. */
struct address stream_address_make(const struct address *peer, uint32_t number);
/* 0: it is an ordinary address. */
uint32_t stream_address_number(const struct address *a);
/* The client's IP and port; an ordinary address as it is. */
struct address stream_address_peer(const struct address *a);

#endif

/*
 * signaling/forwarded.h - who the client is behind proxies that we trust (X-Forwarded-For,
 * X-Forwarded-Proto). Sans-IO, any thread.
 */
#ifndef SIGNALING_FORWARDED_H
#define SIGNALING_FORWARDED_H

#include "core/address.h"
#include "signaling/http_head.h"

struct forwarded {
    struct address from;
    bool tls;
};

/* Starts from what the socket says. While the address is that of a trusted proxy, the next
 * address of X-Forwarded-For counts, from the right; an entry that is no address ends the walk.
 * Fields of anybody else are ignored. The port is kept only when nobody forwarded. */
struct forwarded forwarded_resolve(const struct http_head *head, const struct address *from,
                                   bool tls, const struct address_net *trusted, size_t count);

#endif

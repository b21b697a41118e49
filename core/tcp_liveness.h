/*
 * core/tcp_liveness.h - how soon the kernel gives up a TCP connection whose far end is not
 * there any more (RFC 9293 sections 3.8.3 and 3.8.4, RFC 5482). Left alone it repeats what is
 * not acknowledged for a quarter of an hour, and says nothing at all for ever.
 *
 * Glue: socket options. Any thread.
 */
#ifndef CORE_TCP_LIVENESS_H
#define CORE_TCP_LIVENESS_H

#include "core/base.h"

/* The connection ends with ETIMEDOUT once something has waited for `patience`, a second or more,
 * to be acknowledged; or for a far end that lives but does not read to open its window. With
 * `ask`, one that is silent is asked after half of that whether it is there (keep-alive), and
 * ends at the same time; phones are woken by it, so not where something else finds out. A kernel
 * that does not know an option goes without it. */
void tcp_liveness_set(int fd, usec_t patience, bool ask);

#endif

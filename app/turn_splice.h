/*
 * app/turn_splice.h - the splice: clients of the TURN server whose peer is this server's own
 * media, and the media's answers to them, inside the process. No relay port, no socket, no
 * system call.
 *
 * Every thread that has clients or media is an end. On one end, a datagram is a pointer that is
 * handed on; between two it is copied into a chunk, and a chunk is one message. Each end
 * belongs to its thread; what they share is fixed once, but for the list of ends.
 */
#ifndef APP_TURN_SPLICE_H
#define APP_TURN_SPLICE_H

#include "core/loop.h"
#include "core/metrics.h"
#include "relay/relay.h"
#include "turn/turn_worker.h"

#define SPLICE_ENDS_MAX (RELAY_WORKERS_MAX + 1) /* the workers, and the control thread */

struct turn_splice; /* all ends */
struct splice_end;

/* `port[i]` is the port of worker i's media. RC_NOMEM. */
int turn_splice_create(struct turn_splice **out, const uint16_t *port, unsigned workers);
/* No thread of an end runs any more. NULL is fine. */
void turn_splice_free(struct turn_splice *splice);

/* Opens the end of worker `index` (its media is `media`), or of the control thread: index is
 * the number of workers, media NULL. RC_NOMEM. */
int splice_end_open(struct splice_end **out, struct turn_splice *splice, unsigned index,
                    struct loop *loop, struct worker *media);
/* The end's clients; before anything comes. */
void splice_end_serve(struct splice_end *end, struct turn_worker *turn);
/* Nothing comes out of it any more; on its thread. The memory stays until turn_splice_free. */
void splice_end_close(struct splice_end *end);

/* For turn_worker: from clients to media. */
struct turn_media splice_end_media(struct splice_end *end);
/* For media_guest: from media to clients, and after each wakeup. */
bool splice_end_take(struct splice_end *end, const struct address *to,
                     const struct address *local, struct span data, usec_t now);
void splice_end_flush(struct splice_end *end, usec_t now);
/* What carries packets to a client whose relayed address this is. */
void splice_end_leg(struct splice_end *end, const struct address *to, struct relay_leg *out);
/* From the thread of a client over a stream, to the media of all others: how its leg is doing.
 */
void splice_end_report(struct splice_end *end, const struct address *relayed,
                       const struct relay_leg *leg);

/* Of all ends: chunks that were too many for the end that they were for. */
struct counter *turn_splice_lost(struct turn_splice *splice);

#endif

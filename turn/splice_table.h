/*
 * turn/splice_table.h - the relayed addresses whose clients talk to this server's own media,
 * and which thread of the server has each: what the media sends there goes to that thread and
 * to no socket.
 *
 * Sans-IO, one thread: that of the media. Entries come with the first datagram of a client and
 * go when it has been silent. A stale one does no harm: its thread knows nobody by that
 * address.
 */
#ifndef TURN_SPLICE_TABLE_H
#define TURN_SPLICE_TABLE_H

#include "core/address.h"
#include "core/base.h"

#define SPLICE_SILENCE                                                                         \
    SEC(60)              /* ICE says something every few seconds, and consent ends after 30 */
#define SPLICE_MAX 65536 /* entries; more clients are not spliced */

struct splice_table;

int splice_table_create(struct splice_table **out); /* RC_NOMEM */
void splice_table_free(struct splice_table *table); /* NULL is fine */

/* `relayed` is at thread `origin` from now on. RC_NOMEM; RC_FULL: SPLICE_MAX others are here.
 */
int splice_table_note(struct splice_table *table, const struct address *relayed,
                      unsigned origin, usec_t now);
/* Called for every packet of the media: quick for addresses that cannot be here. The origin,
 * -1: not here. */
int splice_table_find(struct splice_table *table, const struct address *to);
void splice_table_forget(struct splice_table *table, const struct address *relayed);
/* Forgets who was silent for SPLICE_SILENCE. Now and then. */
void splice_table_sweep(struct splice_table *table, usec_t now);
size_t splice_table_count(const struct splice_table *table);

#endif

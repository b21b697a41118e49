/*
 * relay/srtp_stream.h - what SRTP remembers of each SSRC: packet index (rollover counter and
 * sequence number, RFC 3711, 3.3.1) and replay windows (3.3.2).
 *
 * A table belongs to one context and one thread. Sans-IO.
 *
 * A replay window is a ring of bits as in RFC 6479: sliding clears whole words and shifts
 * nothing. One word more than the window is kept, so that the oldest word may be partly stale.
 */
#ifndef RELAY_SRTP_STREAM_H
#define RELAY_SRTP_STREAM_H

#include "relay/srtp.h"

#define SRTP_INDEX_MAX ((UINT64_C(1) << 48) - 1) /* RFC 3711, 9.2: then the key is used up */
#define SRTCP_INDEX_MAX 0x7fffffffu

struct srtp_stream {
    uint32_t ssrc;
    uint32_t rtcp_highest;    /* inbound: highest index seen; outbound: the last one used */
    uint64_t highest;         /* highest RTP index that authenticated (or was sent) */
    uint64_t pending_highest; /* the same if all that the batch holds should authenticate */
    uint64_t used_at;         /* the table's tick of the last packet */
    uint64_t window[SRTP_REPLAY_WINDOW / 64 + 1];
    uint64_t rtcp_window[SRTCP_REPLAY_WINDOW / 64 + 1];
};

struct srtp_stream_table {
    struct srtp_stream *slot; /* owned */
    uint32_t count, capacity, limit;
    uint32_t last; /* where the last search ended: packets come in runs */
    uint64_t tick;
};

/* Room for a few SSRCs; grows to `limit`. RC_NOMEM. */
int srtp_stream_table_init(struct srtp_stream_table *table, uint32_t limit);
void srtp_stream_table_free(struct srtp_stream_table *table);

/* NULL when unknown. The pointer holds until the next srtp_stream_table_add. */
struct srtp_stream *srtp_stream_table_find(struct srtp_stream_table *table, uint32_t ssrc);
/* A stream that has seen nothing. NULL when the table is full or there is no memory. */
struct srtp_stream *srtp_stream_table_add(struct srtp_stream_table *table, uint32_t ssrc);
/* Gives the slot of the stream unused for longest to `ssrc`; *old is whose it was. */
struct srtp_stream *srtp_stream_table_recycle(struct srtp_stream_table *table, uint32_t ssrc,
                                              uint32_t *old);

/* The index on the 48-bit line that is nearest to `highest` and ends in seq (RFC 3711, appendix
 * A). Never below rollover counter 0; may exceed SRTP_INDEX_MAX by one round. */
uint64_t srtp_index_estimate(uint64_t highest, uint16_t seq);

/* Would a packet with this index be news? */
bool srtp_stream_is_fresh(const struct srtp_stream *stream, uint64_t index);
bool srtp_stream_is_fresh_rtcp(const struct srtp_stream *stream, uint32_t index);
/* Remembers a fresh index. */
void srtp_stream_mark(struct srtp_stream *stream, uint64_t index);
void srtp_stream_mark_rtcp(struct srtp_stream *stream, uint32_t index);

#endif

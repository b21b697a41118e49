/*
 * relay/rewriter.h - one continuous outgoing RTP stream out of a sequence of incoming ones (RFC
 * 3550, section 5.1): sequence number, timestamp, and the picture numbers of the codec.
 *
 * Each outgoing track has one. When its source changes (a new partner, or the partner's new
 * track), the sequence goes on at the last number plus one, the timestamp advances by the time
 * that passed, and picture numbers go on. Late and reordered packets of the source map to their
 * own place; those from before the switch are refused; packets dropped on purpose leave no gap.
 *
 * Sans-IO, no heap: plain value of 1.1 kB, embed it. One worker. Every call is O(1): the
 * list of dropped ranges is searched from the newest, REWRITER_RANGES at most.
 *
 * After the first packet of a new video source was mapped (`first` in the output), packets
 * behind it that arrived before it were refused as not yet decodable: offer them again from the
 * packet ring, in order, and their places fill.
 */
#ifndef RELAY_REWRITER_H
#define RELAY_REWRITER_H

#include "core/base.h"
#include "relay/payload.h"

/* How far behind the newest a packet can still be placed. A power of two. */
#define REWRITER_WINDOW 1024
/* Runs of dropped packets that late packets can still be placed around. */
#define REWRITER_RANGES 32
/* RFC 3550, appendix A.1 (MAX_DROPOUT): a jump ahead of more is a restart of the source, once
 * the next packet confirms it. */
#define REWRITER_DROPOUT_MAX 3000
/* A packet further behind the newest is refused: nobody waits for it. */
#define REWRITER_LATE_MAX 4096

struct rewriter_options {
    uint32_t clock_rate; /* of timestamps, Hz */
    uint16_t first_seq;  /* random (RFC 3550); keep it under 2^15 as RFC 3711 asks */
    uint32_t first_timestamp;
    uint16_t first_picture_id, first_frame_number;
    uint8_t first_tl0;
};

/* One incoming packet. */
struct rewriter_input {
    uint32_t ssrc;
    uint16_t seq;
    uint32_t timestamp;
    bool key_frame;                 /* a decoder can start here; audio: always true */
    struct picture_numbers picture; /* all zero when the codec has none */
    bool has_frame_number;          /* dependency descriptor */
    uint16_t frame_number;
};

/* What the outgoing packet carries. */
struct rewriter_output {
    uint64_t index; /* extended sequence number: seq is its low 16 bits. Never repeats for two
                       different incoming packets */
    uint16_t seq;
    uint32_t timestamp;
    uint16_t picture_id; /* in the width of the input; 0 when it had none */
    uint8_t tl0;
    uint16_t frame_number;
    bool first;  /* of a source: audio sets the marker bit */
    bool newest; /* nothing later of this stream was mapped before */
    /* This packet was mapped before. It may leave once more inside RTX, never again under this
     * index: one nonce of AES-GCM must not protect two texts (RFC 7714, section 8.1). */
    bool repeated;
};

/* Incoming numbers [from, from + hole) were dropped on purpose; those behind, up to the next
 * range, leave as number + offset. */
struct rewriter_range {
    int64_t from;
    int64_t offset;
    uint32_t hole;
};

enum rewriter_state { REWRITER_IDLE, REWRITER_WAITING, REWRITER_RUNNING };

/* Numbers that the codec counts by itself and that must go on over a change of source. */
struct rewriter_counter {
    bool placed;     /* `offset` is that of the present source */
    uint16_t offset; /* outgoing minus incoming */
    uint16_t last;   /* outgoing, of the newest packet */
};

/* Fields are for reading by tests; `epoch` also by whoever keeps a sent_history. */
struct rewriter {
    struct rewriter_options options;
    enum rewriter_state state;
    uint32_t ssrc;
    uint8_t epoch; /* counts sources and their restarts, modulo 256 */
    bool started;  /* anything was ever sent */
    bool restart_expected;
    uint16_t restart_seq;
    uint16_t range_count, range_newest; /* ring of ranges */
    int64_t highest_in;                 /* extended, mapped or dropped */
    int64_t highest_mapped;             /* extended incoming */
    int64_t highest_out;
    uint32_t timestamp_offset; /* outgoing minus incoming */
    uint32_t last_timestamp;   /* outgoing, of the newest packet */
    usec_t last_time;          /* when that came */
    struct rewriter_counter picture, tl0, frame;
    struct rewriter_range range[REWRITER_RANGES];
    uint64_t mapped[REWRITER_WINDOW / 64]; /* bit by outgoing index: it was mapped */
};

void rewriter_init(struct rewriter *rewriter, const struct rewriter_options *options);

/* From now on packets of `ssrc` are mapped, beginning with one at which a decoder can start.
 * Also right when the same source restarts. */
void rewriter_switch(struct rewriter *rewriter, uint32_t ssrc);
/* Nothing is mapped until the next switch. */
void rewriter_stop(struct rewriter *rewriter);
/* A source is set and its first key frame has not come: worth asking for one. */
bool rewriter_waits_for_key_frame(const struct rewriter *rewriter);

/*
 * Maps one incoming packet. The same packet given twice maps to the same place, and is then
 * marked as repeated.
 * RC_OK; RC_AGAIN: not yet decodable (no key frame since the switch), drop it; RC_BAD: not of
 * this source, from before the switch, dropped on purpose before, or too late to be placed. On
 * failure *out is untouched.
 */
int rewriter_map(struct rewriter *rewriter, const struct rewriter_input *in, usec_t now,
                 struct rewriter_output *out);

/*
 * Tells that the packet `seq` of the source will not be forwarded (padding only, a layer that
 * is left out), so that the stream closes over it. True: drop it. False: later packets have
 * already left, their receiver sees a gap here: forward it if a NACK for it would hurt.
 */
bool rewriter_drop(struct rewriter *rewriter, uint32_t ssrc, uint16_t seq);

/* The outgoing timestamp for one of the current source: for sender reports. False unless
 * running.*/
bool rewriter_timestamp(const struct rewriter *rewriter, uint32_t ssrc, uint32_t timestamp,
                        uint32_t *out);

#endif

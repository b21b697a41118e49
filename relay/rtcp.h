/*
 * relay/rtcp.h - RTCP packets, read and written: RFC 3550 section 6 (SR, RR, SDES, BYE),
 * RFC 4585 (generic NACK, PLI), RFC 5104 (FIR), draft-alvestrand-rmcat-remb-03 (REMB). Compound
 * and reduced-size (RFC 5506) datagrams. The body of transport-wide feedback is read and
 * written by relay/transport_feedback.
 *
 * Sans-IO, no malloc; every iterator moves forward over a span, so work is bounded by the bytes
 * received. Parsed structs are values; spans in them live as long as the datagram. Any thread.
 */
#ifndef RELAY_RTCP_H
#define RELAY_RTCP_H

#include "core/base.h"

#define RTCP_HEADER_LEN 4
#define RTCP_BLOCKS_MAX 31 /* report blocks of one packet: the count has 5 bits */
#define RTCP_CNAME_MAX 255 /* section 6.5: the length has 8 bits */

/* Packet types. */
enum rtcp_type {
    RTCP_TYPE_SR = 200,
    RTCP_TYPE_RR = 201,
    RTCP_TYPE_SDES = 202,
    RTCP_TYPE_BYE = 203,
    RTCP_TYPE_APP = 204,
    RTCP_TYPE_RTPFB = 205, /* transport layer feedback, RFC 4585 section 6.2 */
    RTCP_TYPE_PSFB = 206,  /* payload-specific feedback, section 6.3 */
    RTCP_TYPE_XR = 207,
};

/* Feedback message types (FMT). */
enum rtcp_format {
    RTCP_RTPFB_NACK = 1,
    RTCP_RTPFB_TRANSPORT = 15, /* transport-wide congestion control */
    RTCP_PSFB_PLI = 1,
    RTCP_PSFB_FIR = 4,
    RTCP_PSFB_APPLICATION = 15, /* REMB, by its identifier */
};

/* What a packet is, so that a reader writes one switch. */
enum rtcp_kind {
    RTCP_OTHER = 0, /* APP, XR, and whatever we do not speak: skip it */
    RTCP_SR,
    RTCP_RR,
    RTCP_SDES,
    RTCP_BYE,
    RTCP_NACK,
    RTCP_TRANSPORT_FEEDBACK,
    RTCP_PLI,
    RTCP_FIR,
    RTCP_REMB,
};

/* One packet of a datagram. */
struct rtcp_packet {
    enum rtcp_kind kind;
    uint8_t type;     /* enum rtcp_type, or what else the peer sent */
    uint8_t count;    /* the 5 bits behind version and padding: RC, SC or FMT */
    struct span body; /* behind the header, without padding */
};

/* Seen by a receiver of one source (section 6.4.1). Times in units of 1/65536 s. */
struct rtcp_report_block {
    uint32_t ssrc;
    uint8_t fraction_lost;   /* of 256, since the last report */
    int32_t cumulative_lost; /* 24 bits signed */
    uint32_t highest_seq;    /* extended */
    uint32_t jitter;         /* in RTP timestamp units */
    uint32_t lsr;            /* middle of the last SR's NTP time; 0: none */
    uint32_t dlsr;           /* delay since it */
};
#define RTCP_REPORT_BLOCK_LEN 24

struct rtcp_sr {
    uint32_t ssrc;
    uint64_t ntp;
    uint32_t timestamp; /* the RTP clock at that time */
    uint32_t packets;
    uint32_t octets;    /* of payload */
    struct span blocks; /* for rtcp_next_block; not read by the builder */
};

struct rtcp_rr {
    uint32_t ssrc;
    struct span blocks;
};

struct rtcp_sdes_chunk {
    uint32_t ssrc;
    struct span cname; /* not terminated; empty when the chunk has none */
};

struct rtcp_bye {
    struct span sources; /* for rtcp_next_ssrc */
    struct span reason;  /* text of the peer's choosing, not terminated; may be empty */
};

/* RTPFB and PSFB, RFC 4585 section 6.1. */
struct rtcp_feedback {
    uint32_t sender_ssrc;
    uint32_t media_ssrc;
    struct span fci; /* feedback control information: what is asked */
};

struct rtcp_fir {
    uint32_t ssrc; /* the media stream that is asked */
    uint8_t seq;   /* the same number again is a repetition, not a new request */
};

struct rtcp_remb {
    uint32_t sender_ssrc;
    uint64_t bitrate;    /* bit/s; saturated at UINT64_MAX */
    struct span sources; /* for rtcp_next_ssrc */
};

/* --- reading -------------------------------------------------------------------------------
 */

/*
 * RFC 3550 appendix A.2, as RFC 5506 relaxes it: version 2 everywhere, packet types of the RTCP
 * range, lengths that add up to the datagram exactly, padding that fits. Padding is accepted on
 * every packet, not only the last, since transport feedback is padded by its senders wherever
 * it stands. RC_BAD: drop the whole datagram.
 */
int rtcp_validate(struct span datagram);

/* Takes the next packet off `rest`; false at the end or at the first malformed packet. */
bool rtcp_next(struct span *rest, struct rtcp_packet *out);

/* Each is for a packet of its kind and returns RC_BAD when the body is too short for it, with
 * *out untouched. */
int rtcp_parse_sr(const struct rtcp_packet *packet, struct rtcp_sr *out);
int rtcp_parse_rr(const struct rtcp_packet *packet, struct rtcp_rr *out);
int rtcp_parse_bye(const struct rtcp_packet *packet, struct rtcp_bye *out);
int rtcp_parse_feedback(const struct rtcp_packet *packet, struct rtcp_feedback *out);
int rtcp_parse_remb(const struct rtcp_packet *packet, struct rtcp_remb *out);

/* Iterators: false at the end. */
bool rtcp_next_block(struct span *blocks, struct rtcp_report_block *out);
/* `chunks`: the body of an SDES packet. False also at the first malformed chunk. */
bool rtcp_next_sdes(struct span *chunks, struct rtcp_sdes_chunk *out);
bool rtcp_next_ssrc(struct span *sources, uint32_t *out);
bool rtcp_next_fir(struct span *fci, struct rtcp_fir *out);
/* The sequence numbers of a NACK, in the order in which they were asked. At most `max` are
 * written, so a packet full of bit masks cannot ask for more work than the caller grants. */
size_t rtcp_nack_seqs(struct span fci, uint16_t *out, size_t max);

/* --- writing -------------------------------------------------------------------------------
 */

/* Appends packets to a buffer of the caller's. `max` is the most that the datagram may have:
 * the path MTU without IP, UDP and SRTCP. */
struct rtcp_writer {
    uint8_t *buf; /* borrowed */
    size_t len;
    size_t max;
};

void rtcp_writer_init(struct rtcp_writer *writer, uint8_t *buf, size_t max);

/* Header and room for `body_len` bytes (a multiple of 4), which the caller fills. NULL: it does
 * not fit, nothing changed. */
uint8_t *rtcp_write_packet(struct rtcp_writer *writer, uint8_t count, uint8_t type,
                           size_t body_len);

/* Each appends one packet, or returns RC_FULL and appends nothing. RC_BAD: more blocks or
 * sources than the packet's count can say. */
int rtcp_write_sr(struct rtcp_writer *writer, const struct rtcp_sr *sr,
                  const struct rtcp_report_block *blocks, size_t count);
int rtcp_write_rr(struct rtcp_writer *writer, uint32_t sender_ssrc,
                  const struct rtcp_report_block *blocks, size_t count);
int rtcp_write_cname(struct rtcp_writer *writer, uint32_t ssrc, struct span cname);
int rtcp_write_bye(struct rtcp_writer *writer, const uint32_t *sources, size_t count);
int rtcp_write_pli(struct rtcp_writer *writer, uint32_t sender_ssrc, uint32_t media_ssrc);
int rtcp_write_fir(struct rtcp_writer *writer, uint32_t sender_ssrc,
                   const struct rtcp_fir *fir);
/* The bitrate is rounded down to 18 significant bits. */
int rtcp_write_remb(struct rtcp_writer *writer, uint32_t sender_ssrc, uint64_t bitrate,
                    const uint32_t *sources, size_t count);
/* Packs `seqs` (ascending on the 16-bit circle) into PID and BLP. Returns how many of them are
 * in the packet: those that fit, in order; 0 when not even one does and nothing was written. */
size_t rtcp_write_nack(struct rtcp_writer *writer, uint32_t sender_ssrc, uint32_t media_ssrc,
                       const uint16_t *seqs, size_t count);

#endif

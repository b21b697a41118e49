/*
 * relay/transport_feedback.h - RTCP transport-wide congestion control feedback
 * (draft-holmer-rmcat-transport-wide-cc-extensions-01, section 3.1), written for a client that
 * sends to us and read from a client that we send to.
 *
 * Sans-IO, no malloc. Plain values of one peer, owned by its worker.
 *
 * Arrival times are counted in ticks of 250 us, modulo 2^32 (12 days): the unit of the deltas.
 * The 24-bit base time counts 256 of them, so both wrap at the same point, and the difference
 * of two ticks as int32_t is always the time between.
 */
#ifndef RELAY_TRANSPORT_FEEDBACK_H
#define RELAY_TRANSPORT_FEEDBACK_H

#include "core/base.h"
#include "relay/rtcp.h"

#define TRANSPORT_FEEDBACK_INTERVAL MSEC(100)
/* Packets between the first that was not reported and the newest: 100 ms at 5000 packets/s.
 * What is further behind the newest is never reported. */
#define TRANSPORT_FEEDBACK_WINDOW 512
/* Bytes that hold a message about at least one packet, however many were lost before it. */
#define TRANSPORT_FEEDBACK_ROOM 172
/* Packets that one message may speak of; more is refused, since 16 bytes could ask us to look
 * at 65535. Ten seconds of loss at 400 packets/s. */
#define TRANSPORT_FEEDBACK_STATUS_MAX 4096

/* --- receiver of media: what arrived and when ------------------------------------------------
 */

struct arrival_log {
    bool started;
    bool pending;     /* something arrived that was not reported */
    uint8_t count;    /* of feedback messages, for the receiver to see lost ones */
    uint64_t next;    /* first transport-wide sequence number (unwrapped) not yet reported */
    uint64_t highest; /* newest that arrived */
    usec_t due;
    usec_t reported;                                 /* last message */
    uint32_t arrival[TRANSPORT_FEEDBACK_WINDOW];     /* ticks, by sequence number */
    uint8_t received[TRANSPORT_FEEDBACK_WINDOW / 8]; /* bit by sequence number */
};

void arrival_log_init(struct arrival_log *log);
/* Every packet with a transport-wide sequence number, as it comes in, RTX and padding included.
 * A late packet, older than the last message, is reported by the next one with all behind it.
 */
void arrival_log_packet(struct arrival_log *log, uint16_t seq, usec_t arrived);
/* When the next message is due; USEC_NEVER while nothing new has arrived. */
usec_t arrival_log_deadline(const struct arrival_log *log);
/* Appends one message and returns true, or returns false when all is reported or less than
 * TRANSPORT_FEEDBACK_ROOM is left. A long list takes more than one message: call again, with an
 * empty writer when that is what it takes, until the deadline is USEC_NEVER. media_ssrc: any
 * stream of the sender's. */
bool arrival_log_write(struct arrival_log *log, struct rtcp_writer *writer,
                       uint32_t sender_ssrc, uint32_t media_ssrc, usec_t now);

/* --- sender of media: what the other side says
 * ------------------------------------------------- */

struct transport_feedback {
    uint32_t sender_ssrc;
    uint32_t media_ssrc;
    uint16_t base_seq;
    uint16_t status_count;
    uint8_t count; /* of the message; a gap is a lost one */
    uint32_t base; /* ticks */
    /* Where the iteration stands; private. */
    struct span chunks, deltas;
    uint16_t chunk, run, told;
    uint32_t clock;
};

struct packet_result {
    uint16_t seq;
    bool received;
    uint32_t arrival; /* ticks of the receiver's clock; 0 when not received */
};

/* Checks the whole message, so that the iteration cannot fail. RC_BAD, with *out untouched. */
int transport_feedback_parse(const struct rtcp_packet *packet, struct transport_feedback *out);
/* status_count results, in order of sequence number; then false. */
bool transport_feedback_next(struct transport_feedback *feedback, struct packet_result *out);

#endif

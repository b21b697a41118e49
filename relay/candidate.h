/*
 * relay/candidate.h - one ICE candidate as text and as a value (RFC 8839, section 5.1).
 *
 * Sans-IO, plain value, any thread. We are ICE-lite: candidates of a client are checked for
 * form and counted, never probed; our own are host candidates of the shared ports.
 */
#ifndef RELAY_CANDIDATE_H
#define RELAY_CANDIDATE_H

#include "core/address.h"
#include "core/base.h"

#define CANDIDATE_TEXT_MAX 512      /* longest line that we read; browsers' stay below 200 */
#define CANDIDATE_FOUNDATION_MAX 32 /* section 5.1: 1*32ice-char */

enum candidate_type {
    CANDIDATE_HOST,
    CANDIDATE_SERVER_REFLEXIVE, /* "srflx" */
    CANDIDATE_PEER_REFLEXIVE,   /* "prflx" */
    CANDIDATE_RELAYED,          /* "relay" */
    CANDIDATE_OTHER_TYPE,       /* section 5.1 leaves room for more; of no use to us */
};

enum candidate_transport {
    CANDIDATE_UDP,
    CANDIDATE_TCP_ACTIVE, /* RFC 6544, section 4.5: tcptype active */
    CANDIDATE_TCP_PASSIVE,
    CANDIDATE_TCP_SO,
    CANDIDATE_OTHER_TRANSPORT, /* likewise */
};

struct candidate {
    char foundation[CANDIDATE_FOUNDATION_MAX + 1];
    uint16_t component; /* 1 RTP (and all that is multiplexed with it), 2 RTCP */
    enum candidate_transport transport;
    uint32_t priority;
    struct address address; /* AF_UNSPEC when the line has a host name, as in mDNS (x.local) */
    enum candidate_type type;
    struct address related; /* raddr and rport; AF_UNSPEC when there is none */
};

/*
 * Reads the `candidate` member of an RTCIceCandidateInit, or the value of an SDP attribute:
 * "candidate:1 1 udp 2130706431 192.0.2.1 3478 typ host …", with or without "a=" before it and
 * a line end behind it. Unknown extensions are skipped. RC_BAD when malformed, RC_FULL when
 * over CANDIDATE_TEXT_MAX. *out is written on success only.
 */
int candidate_parse(const char *text, size_t n, struct candidate *out);

/* Is this the end-of-candidates mark of the WebRTC API: "", or "a=end-of-candidates" (which
 * some clients send as text)? */
bool candidate_is_end(const char *text, size_t n);

/*
 * A host candidate, component 1. `index` is the place in our list, 0 most preferred (below
 * 65536): it makes the local preference and the foundation. RFC 8445, section 5.1.2.1.
 */
void candidate_make_host(struct candidate *out, enum candidate_transport transport,
                         const struct address *address, unsigned index);

/* Writes "candidate:…" without "a=" and line end. Returns the length, RC_FULL when it does not
 * fit in `size`, or RC_BAD for a type or transport that has no name here. */
int candidate_format(const struct candidate *candidate, char *buf, size_t size);

#endif

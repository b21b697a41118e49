/*
 * relay/ice.h - one client's ICE session, ours the lite and controlled side (RFC 8445, RFC
 * 8839), with consent as in RFC 7675.
 *
 * The client sends checks, we answer them. A check with the right integrity makes its source a
 * *path*; media and DTLS may come from the remote address of any path and go to the selected
 * one. Which is selected is the client's choice (USE-CANDIDATE): see ice_input.
 *
 * Messages are validated by libnice's STUN engine, behind stun_scan's guards.
 *
 * A remote address may be the end of a TCP connection (relay/stream_address.h): a path over TCP is
 * a path like any other, but for its end, which is seen at once.
 *
 * Sans-IO: no sockets, no clock; callers pass `now`. A session is a plain struct to embed,
 * about 2.5 kB, nothing to free. An agent is 13 kB, one per thread, shared by all its sessions.
 */
#ifndef RELAY_ICE_H
#define RELAY_ICE_H

#include "core/address.h"
#include "core/base.h"
#include "core/refusal.h"
#include "relay/stun.h"

#define ICE_UFRAG_LEN 8          /* of ours; the alphabet has 64 letters */
#define ICE_PWD_LEN 24           /* 144 bits; RFC 8445 section 5.3 wants 128 */
#define ICE_REMOTE_UFRAG_MAX 256 /* RFC 8839 section 5.4: 4 to 256 characters */
#define ICE_REMOTE_PWD_MAX 256   /* 22 to 256 */
/* Paths of a session. A client with Wi-Fi and mobile, v4 and v6, has four; two more for a
 * server with two addresses, and four over TCP. The one that was silent longest makes room. */
#define ICE_PATHS_MAX 10
#define ICE_CONNECT_TIMEOUT SEC(30) /* from creation or restart to the first nomination */
#define ICE_CONSENT_TIMEOUT SEC(30) /* RFC 7675 section 5.1 */
/* A nominated path stays selected against a nominated one of lower priority for as long as the
 * client keeps nominating it: longer than the 2.5 s between the browsers' checks. */
#define ICE_NOMINATION_HOLD SEC(3)
/* Replies are at most request-sized plus a few; libnice aborts when a reply does not fit. */
#define ICE_REPLY_MAX 1280

/* Checks that are remembered, so that who overhears one cannot send it again from elsewhere and
 * turn the media there: over a minute of a browser's checks on one path. */
#define ICE_SEEN_MAX 32

struct ice_agent; /* opaque: libnice's StunAgent; belongs to one thread */

int ice_agent_create(struct ice_agent **out); /* RC_NOMEM */
void ice_agent_free(struct ice_agent *agent); /* NULL is fine */

enum ice_state {
    ICE_NEW,       /* no check yet */
    ICE_CHECKING,  /* a path is valid and selected, none is nominated: DTLS may begin */
    ICE_CONNECTED, /* a path is nominated */
    ICE_FAILED,    /* timed out; ice_session_restart begins again */
};

struct ice_credentials {
    char ufrag[ICE_UFRAG_LEN + 1]; /* "": none */
    char pwd[ICE_PWD_LEN + 1];
};

/* What the last check on a path, of this generation of credentials, said. */
enum ice_nomination { ICE_PATH_UNCHECKED, ICE_PATH_PLAIN, ICE_PATH_NOMINATED };

struct ice_path {
    struct address remote;
    struct address local; /* as the UDP port told it: port 0, or AF_UNSPEC */
    uint32_t priority;    /* of the last check's PRIORITY */
    usec_t last_check;    /* last authenticated check */
    usec_t last_alive;    /* that, or a later ice_alive */
    usec_t nominated_at;  /* last check with USE-CANDIDATE of this generation; 0: none */
    enum ice_nomination nomination;
    bool lost; /* its TCP connection is closed */
};

/* A check by its transaction id, and where it came from. */
struct ice_seen {
    uint64_t id;   /* of the 96 bits: enough to tell the client's own apart */
    uint32_t from; /* address_hash */
};

struct ice_session {
    enum ice_state state;
    enum refusal why; /* once ICE_FAILED */
    struct ice_credentials local;
    struct ice_credentials
        previous; /* of before an ICE restart, valid until `previous_until` */
    usec_t previous_until;
    char remote_ufrag[ICE_REMOTE_UFRAG_MAX + 1];
    char
        remote_pwd[ICE_REMOTE_PWD_MAX + 1]; /* for checks of our own; a lite agent makes none */
    usec_t started;                         /* creation, or restart of a failed session */
    struct ice_path path[ICE_PATHS_MAX];    /* the first path_count are in use, in no order */
    uint8_t path_count;
    int8_t selected; /* index into path, -1: none */
    uint8_t seen_next;
    struct ice_seen seen[ICE_SEEN_MAX]; /* ring; id 0: free */
};

enum ice_event {
    ICE_EVENT_PATH = 1 << 0,      /* the selected path is another one, or its addresses are */
    ICE_EVENT_CONNECTED = 1 << 1, /* state became ICE_CONNECTED */
    ICE_EVENT_FAILED = 1 << 2,    /* state became ICE_FAILED; session->why */
    ICE_EVENT_ADDRESS_ADDED = 1 << 3,   /* `added` may send media from now on */
    ICE_EVENT_ADDRESS_REMOVED = 1 << 4, /* those of `removed` may no longer */
    ICE_EVENT_UFRAG_RETIRED = 1 << 5,   /* `retired_ufrag` is no longer an answer to anything */
};

/* What ice_input, ice_tick and ice_session_restart have to say. They fill it anew each time. */
struct ice_output {
    unsigned events;
    size_t reply_len; /* 0: nothing to send; else to `from`, from `local` */
    struct address added;
    struct address removed[ICE_PATHS_MAX]; /* never one that another path still has */
    uint8_t removed_count;
    char retired_ufrag[ICE_UFRAG_LEN + 1];
    uint8_t reply[ICE_REPLY_MAX];
};

/* Makes credentials of our own and takes the client's from its offer. RC_BAD when theirs are
 * not of RFC 8839's lengths and alphabet. */
int ice_session_init(struct ice_session *session, struct span remote_ufrag,
                     struct span remote_pwd, usec_t now);

/* ICE restart (RFC 8445 section 9): new credentials for both; the old ones are answered until
 * the first nomination with the new ones, for ICE_CONSENT_TIMEOUT at most. The selected path
 * stays until then, so media goes on. RC_BAD as above, and nothing has changed.
 *
 * Chromium checks from its new ports before our answer is there, with our old ufrag and its new
 * one, and stays with a pair that it found like this. So such checks count as any other, and
 * our old credentials live for as long as they are used by these. */
int ice_session_restart(struct ice_session *session, struct span remote_ufrag,
                        struct span remote_pwd, usec_t now, struct ice_output *out);

/* Fresh ones of ours, for an answer that is written before the session knows of it. */
void ice_credentials_make(struct ice_credentials *out);
/* Right after ice_session_init or ice_session_restart: these are ours instead of those that it
 * made. */
void ice_session_use(struct ice_session *session, const struct ice_credentials *local);

/* Finds our ufrag in a Binding request's USERNAME, for the lookup table, validating nothing but
 * the form. RC_BAD: no check for any session here; stun_binding_reply says what else it is. */
int ice_message_ufrag(struct span datagram, char out[static ICE_UFRAG_LEN + 1]);

/*
 * A STUN datagram whose ufrag is this session's. REFUSAL_NONE: it was a check with the right
 * integrity, and out->reply is its answer (a success, 487 or 420). Otherwise dropped and
 * counted: STUN_MALFORMED, STUN_UNKNOWN_USER, STUN_UNAUTHORIZED, or STUN_REPLAY when it came
 * from another address before and this one is no path; out then holds no event and no reply.
 *
 * Nomination. The first valid path is selected, so that DTLS need not wait. A nominating check
 * moves the selection to its path when none was nominated so far; when its path was plain
 * before (the client changed its mind: regular nomination); when its priority is higher, or
 * equal from another remote address (aggressive nomination; a NAT that changed its mapping); or
 * when the selected path was not nominated for ICE_NOMINATION_HOLD (a client that moved to a
 * worse network).
 *
 * `from` and `local` as the UDP port gave them. No slack behind the datagram is needed.
 */
enum refusal ice_input(struct ice_agent *agent, struct ice_session *session,
                       struct span datagram, const struct address *from,
                       const struct address *local, usec_t now, struct ice_output *out);

/* An authenticated SRTP packet or DTLS record came from `from`. A lite agent makes no checks,
 * so what arrives authenticated is all it has to see that the client still wants to hear from
 * us. Cheap; once per peer and wakeup is enough. */
void ice_alive(struct ice_session *session, const struct address *from, usec_t now);

/* The TCP connection of these paths is closed. Others take over; where there is none, it stays, lost,
 * until the client comes by another or its consent runs out. */
void ice_lost(struct ice_session *session, const struct address *remote, struct ice_output *out);

/* When ice_tick wants to be called. Moves with every check: let the timer fire and ask again.
 */
usec_t ice_deadline(const struct ice_session *session);
/* Forgets silent paths and old credentials. When nothing is left, ICE_EVENT_FAILED, with
 * session->why ICE_TIMEOUT (never nominated) or ICE_CONSENT_EXPIRED, already counted. */
void ice_tick(struct ice_session *session, usec_t now, struct ice_output *out);

/* Where to send; NULL when no path is valid. Points into the session: until the next call. */
const struct ice_path *ice_selected(const struct ice_session *session);
/* May this address send media and DTLS? */
bool ice_accepts(const struct ice_session *session, const struct address *from);

#endif

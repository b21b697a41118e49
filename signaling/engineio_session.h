/*
 * signaling/engineio_session.h - one Engine.IO session: transports, upgrade, heartbeat, limits.
 *
 *   open ──► closing ──► closed          closing: a polling client has yet to be told
 *
 * Revision 4: the server pings, `ping_timeout` for the pong. Revision 3: the client pings at
 * least every ping_interval + ping_timeout. A WebSocket that names the session is a probe: it
 * sends "2probe", is answered "3probe", polls are ended with a noop, "5" makes it the
 * transport.
 *
 * Sans-IO: requests and sockets are opaque handles that `struct eio_wire` acts on; timers are
 * those of a struct timers; callers pass `now`. Owner: whoever calls eio_session_open embeds or
 * allocates the session and gives its memory back some time after `gone`, but not from inside
 * it. One thread. Any function may be called from inside `message` and `closed`.
 */
#ifndef SIGNALING_ENGINEIO_SESSION_H
#define SIGNALING_ENGINEIO_SESSION_H

#include "core/address.h"
#include "core/base.h"
#include "core/table.h"
#include "core/timer.h"
#include "signaling/engineio.h"
#include "signaling/engineio_queue.h"

#define EIO_LINGER                                                                             \
    SEC(30) /* a polling client that was closed may still fetch its last packets */

/* What a session does to its connections. None of these calls back into the session. */
struct eio_wire {
    /* Answers an HTTP request; the handle is dead afterwards. */
    void (*respond)(void *request, int status, const char *type, struct span body);
    /* Sends a WebSocket message. RC_OK, or why the socket takes no more (closed follows). */
    int (*send)(void *socket, bool binary, struct span frame);
    /* Ends a WebSocket; the session hears no more of it. */
    void (*close)(void *socket, enum eio_close why);
    size_t (*buffered)(const void *socket); /* bytes not yet with the kernel */
};

/* What all sessions of a server share. */
struct eio_host {
    const struct eio_wire *wire;
    struct eio_options options; /* no zeros left */
    struct timers *timers;
    struct eio_stats stats;
    void (*message)(struct eio_session *session, struct span data, bool binary);
    void (*closed)(struct eio_session *session, enum eio_close why);
    /* Nothing refers to the session any more. */
    void (*gone)(struct eio_session *session);
};

enum eio_state { EIO_OPEN, EIO_CLOSING, EIO_CLOSED };

struct eio_session {
    struct eio_host *host;
    void *user;
    void *poll;              /* GET that waits for packets, or NULL */
    void *socket;            /* the WebSocket, or NULL while polling */
    struct eio_probe *probe; /* owned; NULL unless an upgrade is under way */
    struct timer timer;      /* ping, timeout, linger or doom, by state */
    struct eio_queue queue;  /* for the next poll */
    usec_t rate_since;       /* begin of the second that rate_count belongs to */
    uint32_t rate_count;
    enum eio_state state;
    uint8_t protocol; /* 4 or 3 */
    bool base64;
    bool awaiting_pong;
    bool corked; /* packets gather: the poll is answered when the cork is drawn */
    bool doomed; /* a limit was hit while sending: the timer will close it */
    char sid[EIO_SID_LENGTH + 1];
    struct address from;
    char *handshake;               /* engineio.c's: query and kept headers */
    struct eio_session *next_dead; /* engineio.c's */
    UT_hash_handle table;          /* engineio.c's, by sid */
};

/* Begins a session. `session` is zeroed but for host, user, protocol, base64, sid and what
 * belongs to the owner. With `socket` it is on WebSocket; without, eio_session_poll should
 * follow at once. The open packet is queued or sent; eio_session_uncork lets it out. RC_NOMEM.
 */
int eio_session_open(struct eio_session *session, void *socket, usec_t now);
void eio_session_uncork(struct eio_session *session);

/* A GET. The session answers it, now or later. */
void eio_session_poll(struct eio_session *session, void *request);
/* The client of the GET that waits went away. */
void eio_session_poll_gone(struct eio_session *session);
/* A POST, complete; it is answered before this returns. octets: its Content-Type is
 * application/octet-stream. */
void eio_session_post(struct eio_session *session, void *request, struct span body, bool octets,
                      usec_t now);

/* May a WebSocket probe this session? */
bool eio_session_upgradable(const struct eio_session *session);
/* A WebSocket that names this session, which is upgradable. RC_NOMEM: close it. */
int eio_session_probe(struct eio_session *session, void *socket, usec_t now);
/* A message of the socket in use or of the probe. */
void eio_session_frame(struct eio_session *session, void *socket, bool binary, struct span data,
                       usec_t now);
/* The socket is gone by itself. why: EIO_CLOSE_TRANSPORT or EIO_CLOSE_SLOW_READER. */
void eio_session_socket_gone(struct eio_session *session, void *socket, enum eio_close why);

/* Ends it from our side. A polling client may still fetch what was sent before, for EIO_LINGER.
 */
void eio_session_end(struct eio_session *session, enum eio_close why, usec_t now);

/* Closes at once, without a word to a client that is not listening. For the end of the server.
 */
void eio_session_drop(struct eio_session *session, enum eio_close why);

#endif

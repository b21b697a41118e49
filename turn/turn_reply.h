/*
 * turn/turn_reply.h - one STUN request on its way through the server, and its answer.
 *
 * Internal to turn/; lives for one call; one thread. An answer carries what RFC 8489 wants of
 * it: integrity of the kind that the client used when it authenticated, FINGERPRINT when the
 * request had one, SOFTWARE for Allocate and Refresh.
 */
#ifndef TURN_TURN_REPLY_H
#define TURN_TURN_REPLY_H

#include "turn/stun_message.h"
#include "turn/turn_state.h"

/* What an answer takes from its request; kept where the answer comes later (Connect). */
struct reply_form {
    uint16_t method;
    uint8_t id[STUN_ID_BYTES];
    bool fingerprint;
    bool sealed; /* with integrity */
    enum stun_integrity integrity;
};

struct turn_request {
    struct turn_server *server;
    const struct turn_client *from;
    const struct stun_message *message;
    /* Whose the request is about: by its 5-tuple, else by its mobility ticket or CONNECTION-ID.
     * NULL: nobody's. */
    struct turn_allocation *allocation;
    bool by_tuple;
    usec_t now;
    int64_t unix_now;
    struct reply_form form; /* sealed once it has authenticated */
    struct stun_key key;    /* once it has authenticated */
    enum stun_password_algorithm algorithm;
    /* Of a request that authenticated by other means than the allocation's key. Last, because
     * it is large and not cleared. */
    bool has_user;
    struct turn_user user;
};

/* Largest answer: every attribute, a REALM of 763 bytes among them. */
#define TURN_REPLY_MAX 1280

struct turn_reply {
    struct stun_builder builder;
    uint8_t buffer[TURN_REPLY_MAX];
};

void reply_begin(struct turn_reply *reply, const struct reply_form *form,
                 enum stun_class class);
/* Seals and sends. `key` may be NULL when the form is not sealed. */
void reply_send(struct turn_reply *reply, struct turn_server *server,
                const struct reply_form *form, const struct stun_key *key,
                const struct turn_client *to);

/* A success response without attributes of its own. */
void turn_accept(const struct turn_request *request);
/* An error response; 420 names the unknown attributes, 300 the alternate server. */
void turn_refuse(const struct turn_request *request, unsigned code);

#endif

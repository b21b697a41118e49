/*
 * tests/sim/sctp_client_lib.h - the smallest SCTP client that a data channel needs (RFC 9260,
 * RFC 6525, RFC 3758): what a browser is to the server, without the server's library.
 *
 * It connects, sends and receives messages, sends again what is not acknowledged, resets
 * streams. It takes packets in order only and waits for the rest to come again; it has no
 * congestion control. Sans-IO; one thread.
 */
#ifndef TESTS_SIM_SCTP_CLIENT_LIB_H
#define TESTS_SIM_SCTP_CLIENT_LIB_H

#include "core/base.h"

#define SCTP_CLIENT_PORT 5000
#define SCTP_CLIENT_FRAGMENT 1000

struct sctp_client;

struct sctp_client_message {
    uint16_t stream;
    uint32_t ppid;
    bool unordered;
    struct span data;
};

struct sctp_client_output {
    void *arg;
    void (*packet)(void *arg, struct span packet);
    void (*message)(void *arg, const struct sctp_client_message *message);
    /* The server has ended its half of a stream. */
    void (*reset)(void *arg, uint16_t stream);
};

struct sctp_client *sctp_client_create(const struct sctp_client_output *output, uint32_t seed);
void sctp_client_free(struct sctp_client *client);

void sctp_client_connect(struct sctp_client *client);
bool sctp_client_up(const struct sctp_client *client);
/* An ABORT came, or was sent. */
bool sctp_client_aborted(const struct sctp_client *client);
void sctp_client_input(struct sctp_client *client, struct span packet);
/* Sends again whatever is not acknowledged. */
void sctp_client_tick(struct sctp_client *client);

void sctp_client_send(struct sctp_client *client, const struct sctp_client_message *message);
/* A DATA_CHANNEL_OPEN, ordered and reliable unless the type says otherwise. */
void sctp_client_open(struct sctp_client *client, uint16_t stream, uint8_t channel_type,
                      uint32_t parameter, const char *label);
/* Ends our half of a stream. */
void sctp_client_reset(struct sctp_client *client, uint16_t stream);
void sctp_client_abort(struct sctp_client *client);
/* Fragments that were sent or wait, and are not acknowledged. */
unsigned sctp_client_pending(const struct sctp_client *client);
/* Nothing is acknowledged any more, and nothing taken: a client that hangs. */
void sctp_client_freeze(struct sctp_client *client, bool frozen);

/* These chunks behind a right header: to say anything at all. */
void sctp_client_send_chunks(struct sctp_client *client, struct span chunks);

#endif

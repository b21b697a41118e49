/*
 * tests/app/turn_client_lib.h - a TURN client with one allocation and one channel, over UDP or
 * TCP, and the server's own TURN with one user, for tests whose other headers are libnice's:
 * nothing of turn/ is included here, because the names collide.
 *
 * Sockets do not block; the test's loop turns meanwhile.
 */
#ifndef TESTS_APP_TURN_CLIENT_LIB_H
#define TESTS_APP_TURN_CLIENT_LIB_H

#include "core/address.h"
#include "core/listener.h"
#include "relay/relay.h"

struct turn_client_lib;

struct turn_client_lib *turn_client_open(const struct address *server, bool tcp);
void turn_client_close(struct turn_client_lib *client);

enum turn_client_ask {
    TURN_CLIENT_NONCE,
    TURN_CLIENT_ALLOCATE,
    TURN_CLIENT_PERMIT,
    TURN_CLIENT_BIND, /* the channel that turn_client_send uses */
    TURN_CLIENT_END,
};
void turn_client_ask(struct turn_client_lib *client, enum turn_client_ask what,
                     const struct address *peer);
/* False: not yet. *code: 0, or the error's. */
bool turn_client_answer(const struct turn_client_lib *client, unsigned *code);
struct address turn_client_relayed(const struct turn_client_lib *client);

/* ChannelData. */
void turn_client_send(const struct turn_client_lib *client, const uint8_t *data, size_t len);
/* Takes all that has come; what is ChannelData goes to `data`, with room behind it. */
void turn_client_read(struct turn_client_lib *client,
                      void (*data)(void *arg, uint8_t *bytes, size_t n), void *arg);

/* The server's: fills in media->guest. Ends the program when it cannot. */
struct turn_host *turn_client_host(struct loop *control, struct relay_options *media,
                                   bool relay_ports_none);
struct listener_protocol turn_client_host_streams(struct turn_host *host);
uint64_t turn_client_host_allocations(const struct turn_host *host); /* of all threads */
int turn_client_host_revoke(struct turn_host *host, const char *user);
void turn_client_host_stop(struct turn_host *host); /* before relay_stop */
void turn_client_host_free(struct turn_host *host); /* after it */

#endif

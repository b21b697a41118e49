/*
 * tests/turn/turn_world_lib.h - the server core in a world of the test's own: time is a number,
 * relays and peers are entries of a table, clients build their requests as they like, and
 * everything that the server says is kept to be looked at.
 */
#ifndef TESTS_TURN_TURN_WORLD_LIB_H
#define TESTS_TURN_TURN_WORLD_LIB_H

#include "turn/turn_policy.h"
#include "turn/turn_server.h"

#define WORLD_REALM "example.org"
#define WORLD_MEDIA "203.0.113.9:3478" /* this server's own media */
#define WORLD_MEDIA6 "[2001:db8:9::9]:3478"
#define WORLD_RELAY_IP "203.0.113.9"
#define WORLD_RELAY_IP6 "2001:db8:9::9"
#define WORLD_PEER "198.51.100.7:7000"
#define WORLD_PEER6 "[2001:db8:7::7]:7000"
#define WORLD_RELAY_PORT 50000 /* of the first */
#define WORLD_RELAYS 4096
#define WORLD_SENT 16

struct turn_relay {
    bool open, reserved, tcp;
    sa_family_t family;
    uint16_t port;
    struct turn_allocation *owner;
    unsigned times_opened;
};

/* The last things that were said, newest last. */
struct world_sent {
    struct turn_client to;
    uint8_t bytes[2048]; /* head, data and tail */
    size_t n, head, tail;
};

struct world_datagram {
    struct turn_relay *relay; /* NULL: spliced */
    struct address relayed;   /* when spliced */
    struct address peer;
    uint8_t bytes[2048];
    size_t n;
    unsigned flags;
    const uint8_t *data; /* where it lay: inside what was handed in */
};

struct world_tcp {
    uint32_t id;
    struct address peer;
    bool bound, closed;
    struct turn_client data_connection;
};

struct turn_world {
    struct turn_server *server;
    struct turn_auth *auth;
    struct turn_policy *policy;
    struct timers *timers;
    struct turn_server_options options;
    struct turn_policy_options policy_options;
    struct turn_auth_options auth_options;
    usec_t now;
    int64_t unix_now;

    struct turn_relay relay[WORLD_RELAYS];
    unsigned relay_limit; /* how many can be open; 0: as many as there are */
    unsigned relays_open;
    unsigned media_only; /* how many were asked for without a socket */
    bool no_v4, no_v6; /* relay_open answers RC_BAD */
    int relay_failure; /* not 0: what relay_open answers */

    unsigned sent_count; /* all that was sent to clients */
    struct world_sent sent[WORLD_SENT];
    unsigned to_peer_count, to_media_count;
    struct world_datagram peer; /* the last to a peer or to the media */
    unsigned tcp_count;
    struct world_tcp tcp[32];
    int connect_failure;  /* not 0: what peer_connect answers */
    bool connect_at_once; /* turn_server_peer_connected within peer_connect */
    unsigned client_closes;
    struct turn_client closed_client;
    bool quiet; /* keep counts alone, for floods */
    /* Called for each datagram to a peer or to the media, with the relay that it belongs to. */
    void (*watch)(struct turn_world *world, const struct turn_relay *relay,
                  const struct address *peer);
};

/* Sets the options as most tests want them: static users alice:wonder and bob:builder, peers of
 * TEST-NET allowed, media at WORLD_MEDIA. Change them, then turn_world_open. */
void turn_world_init(struct turn_world *world);
void turn_world_open(struct turn_world *world);
/* What turn_world_open gives to the server; until the next call. */
const struct turn_output *turn_world_output(struct turn_world *world);
/* Ends the server and checks that nothing is left open. */
void turn_world_close(struct turn_world *world);
/* Moves time on, ringing what is due in between. */
void turn_world_wait(struct turn_world *world, usec_t time);
unsigned turn_world_count_open(const struct turn_world *world);

/* --- clients
 * ----------------------------------------------------------------------------------- */

struct tester {
    struct turn_world *world;
    struct turn_client tuple;
    const char *username, *password;
    char name[64], secret_word[32]; /* theirs after tester_use_secret */
    bool userhash;
    bool anonymous;                         /* requests without credentials */
    enum stun_password_algorithm algorithm; /* 0: names none, MD5 */
    enum stun_integrity integrity;
    char nonce[128];
    uint8_t id[STUN_ID_BYTES]; /* of the next request; counted up after each */
    bool keep_id;              /* it is not: retransmissions */
    bool fingerprint;
    /* What the test may do to a request before it is sealed, or after (forgeries). */
    const uint8_t *algorithms; /* PASSWORD-ALGORITHMS instead of what the server sent */
    size_t algorithms_n;
    bool no_algorithms;
};

/* "192.0.2.1:4000" speaking to 203.0.113.9:3478 by UDP, as alice. */
void tester_init(struct tester *client, struct turn_world *world, const char *address);
/* The same as a stream: `connection` is its number. */
void tester_init_stream(struct tester *client, struct turn_world *world, const char *address,
                        enum turn_transport transport, uint64_t connection);

struct tester_request {
    struct stun_builder builder;
    uint8_t buffer[2048];
    struct tester *client;
};

void tester_begin(struct tester_request *request, struct tester *client,
                  enum stun_method method);
/* Credentials, integrity, FINGERPRINT; hands it in. Returns the error code of the answer, 0 for
 * a success, -1 when nothing was answered. */
int tester_exchange(struct tester_request *request);
/* The bytes as tester_exchange would hand them in, for those who want to spoil them. */
size_t tester_seal(struct tester_request *request);
int tester_input(struct tester *client, struct span bytes);

/* The last answer to anybody. False: there is none, or it is no STUN message. */
bool turn_world_answer(const struct turn_world *world, struct stun_message *out);
const struct world_sent *turn_world_last(const struct turn_world *world);

/* Whole transactions: first the challenge if there is no nonce yet. Returned as by
 * tester_exchange. */
int tester_allocate(struct tester *client);
int tester_refresh(struct tester *client, int lifetime); /* -1: no LIFETIME */
int tester_permit(struct tester *client, const char *peer);
int tester_bind(struct tester *client, uint16_t channel, const char *peer);
void tester_send(struct tester *client, const char *peer, const char *data);
void tester_channel_send(struct tester *client, uint16_t channel, const char *data);
/* From now on with a time-limited credential. */
void tester_use_secret(struct tester *client, const char *secret, int64_t expires,
                       const char *user);
/* Learns nonce from a challenge to an anonymous request. */
void tester_learn_nonce(struct tester *client);

/* --- peers
 * --------------------------------------------------------------------------------------- */

/* Of the only allocation of `client`, found by the relay table. */
struct turn_relay *tester_relay(const struct tester *client);
/* A datagram from `peer` to the client's relay. */
void tester_peer_sends(struct tester *client, const char *peer, const char *data);

struct address turn_address(const char *text);

#endif

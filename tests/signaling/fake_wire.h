/*
 * tests/signaling/fake_wire.h - an Engine.IO session with nothing behind it: requests and
 * sockets that only remember what was done to them, time that is a variable.
 */
#ifndef TESTS_SIGNALING_FAKE_WIRE_H
#define TESTS_SIGNALING_FAKE_WIRE_H

#include "signaling/engineio_session.h"

#define FAKE_TEXT_MAX 4096

struct fake_request {
    int status; /* 0: not answered */
    char type[40];
    char body[FAKE_TEXT_MAX];
    size_t n;
};

struct fake_socket {
    char sent[FAKE_TEXT_MAX]; /* every frame and a '|' */
    size_t n;
    bool refuses; /* answers sends with RC_FULL */
    bool closed;
    enum eio_close why;
};

struct fake {
    struct eio_host host;
    struct eio_session session;
    char messages[FAKE_TEXT_MAX]; /* every message and a '|' */
    size_t n;
    int closed, gone; /* how often */
    enum eio_close why;
    bool echo;                             /* every message is sent back */
    void (*on_message)(struct fake *fake); /* or NULL */
    usec_t now;
};

/* Opens a session. With socket NULL it polls. */
void fake_open(struct fake *fake, int protocol, struct fake_socket *socket);
/* Passes time and runs timers. */
void fake_pass(struct fake *fake, usec_t time);
/* Checks the session's books: nothing lost, nothing twice. */
void fake_check(const struct fake *fake);
void fake_close(struct fake *fake);

void fake_get(struct fake *fake, struct fake_request *request);
void fake_post(struct fake *fake, struct fake_request *request, const char *body);
void fake_text(struct fake *fake, struct fake_socket *socket, const char *text);
int fake_send(struct fake *fake, const char *text);

#endif

/*
 * tests/signaling/web_lib.h - a loop, an HTTP server on it and clients at the other end of
 * bufferevent pairs: no sockets, no ports, no sleeping.
 */
#ifndef TESTS_SIGNALING_WEB_LIB_H
#define TESTS_SIGNALING_WEB_LIB_H

#include "signaling/http.h"

struct web {
    struct loop *loop;
    struct http_server *server;
};

void web_open(struct web *web, const struct http_options *options);
void web_close(struct web *web);
/* Turns the loop until nothing more happens. */
void web_settle(struct web *web);
/* Lets that much time pass for the timers. */
void web_pass(struct web *web, usec_t time);

struct web_client {
    struct web *web;
    struct bufferevent *bev;
    bool ended; /* the server closed the connection */
    char *text; /* what was received and not taken yet, NUL behind it */
    size_t n;
};

/* A connection from 192.0.2.1:4000. */
struct web_client *web_connect(struct web *web);
struct web_client *web_connect_from(struct web *web, const char *from);
void web_send(struct web_client *client, const void *bytes, size_t n);
void web_say(struct web_client *client, const char *text);
/* Closes the client's side. */
void web_hang_up(struct web_client *client);
/* Stops and resumes reading. */
void web_read(struct web_client *client, bool on);
/* Forgets what was received. */
void web_take(struct web_client *client, size_t n);
void web_free(struct web_client *client);

/* A masked frame (mask 1 2 3 4) into out, which has room; `first` is the first byte. */
size_t web_frame(uint8_t *out, uint8_t first, const void *payload, size_t n);
void web_send_frame(struct web_client *client, uint8_t first, const void *payload, size_t n);
/* Says the opening handshake for `path`; extra: further fields, each with its CRLF. */
void web_say_upgrade(struct web_client *client, const char *path, const char *extra);

#endif

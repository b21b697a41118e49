/*
 * app/listeners.h - the TCP ports of the server: each of them speaks everything that the server
 * speaks over TCP, plain and inside TLS, at each address.
 *
 * Glue. Control thread. Plain value, zero before it is opened.
 */
#ifndef APP_LISTENERS_H
#define APP_LISTENERS_H

#include "app/settings.h"
#include "core/listener.h"
#include "relay/relay.h"

#define LISTENERS_PORTS_MAX RELAY_TCP_PORTS_MAX
#define LISTENERS_MAX (LISTENERS_PORTS_MAX * RELAY_ADDRESSES_MAX)
#define LISTENERS_PROTOCOLS_MAX 4
#define LISTENERS_ERROR_MAX 512

struct listeners {
    struct listener_protocol protocol[LISTENERS_PROTOCOLS_MAX];
    size_t protocols;
    struct address_net *proxies; /* owned */
    struct listener *listener[LISTENERS_MAX];
    size_t count;
    /* Those that were opened for clients, each once; the first is the page's. */
    uint16_t port[LISTENERS_PORTS_MAX];
    size_t ports;
};

/* A port of the settings. */
struct listeners_port {
    uint16_t port;
    bool proxies_only; /* tcp-proxy-port: of no use to clients */
};

/* Before listeners_open. The first of several that recognise a connection gets it. */
void listeners_speak(struct listeners *listeners, struct listener_protocol protocol);
/* Opens every port of `settings` at every address. RC_SYS, RC_NOMEM with a sentence in `error`;
 * what was opened is closed by listeners_close. */
int listeners_open(struct listeners *listeners, struct loop *loop,
                   const struct settings *settings, SSL_CTX *tls,
                   char error[static LISTENERS_ERROR_MAX]);
/* New connections use it; running ones keep theirs. */
void listeners_set_tls(struct listeners *listeners, SSL_CTX *tls);
uint32_t listeners_connections(const struct listeners *listeners);
void listeners_stop(struct listeners *listeners);
void listeners_close(struct listeners *listeners);

/* The ports that these settings name, each once, the page's first. 0 there: any free one;
 * elsewhere: none. */
size_t listeners_ports(const struct settings *settings,
                       struct listeners_port out[static LISTENERS_PORTS_MAX]);

#endif

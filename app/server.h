/*
 * app/server.h - the wiring: the only place where signaling, relay and core meet.
 *
 * Control thread.
 */
#ifndef APP_SERVER_H
#define APP_SERVER_H

#include "app/settings.h"
#include "core/base.h"
#include "core/loop.h"

struct server;

#define SERVER_ERROR_MAX 640

/* Opens every port and starts the workers. On failure `error` says what and where. `settings`
 * is borrowed; what it holds may change before server_reload. */
int server_start(struct server **out, struct loop *loop, const struct settings *settings,
                 char error[static SERVER_ERROR_MAX]);
/* Says which addresses to open, on standard output. */
void server_announce(const struct server *server);
/* Applies what SIGHUP may change; running connections stay. Errors are logged. */
void server_reload(struct server *server);
/* Tells clients, closes them, and stops the loop when they are gone or after shutdown-grace. */
void server_shutdown(struct server *server);
void server_free(struct server *server); /* NULL is fine */

/* What only a start would find out, without opening a port: certificate, key and page can be
 * read, origins are origins. RC_BAD, RC_SYS, RC_FULL with `error`. For --check-config. */
int server_check(const struct settings *settings, char error[static SERVER_ERROR_MAX]);

#endif

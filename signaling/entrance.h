/*
 * signaling/entrance.h - where Socket.IO clients become users: the lobby on the namespace "/".
 *
 * Glue between socketio.h and lobby.h: reads the handshake, hands events on, and is the lobby's
 * way to clients and to the time. Control thread. Owns its lobby; has to be freed after the
 * Socket.IO server, which tells it of everybody who leaves.
 */
#ifndef SIGNALING_ENTRANCE_H
#define SIGNALING_ENTRANCE_H

#include "core/loop.h"
#include "signaling/lobby.h"
#include "signaling/socketio.h"

struct entrance;

/* RC_NOMEM, or RC_BAD when the namespace "/" is taken. */
int entrance_create(struct entrance **out, struct loop *loop, struct sio_server *server,
                    const struct lobby_options *options);
void entrance_free(struct entrance *entrance); /* NULL is fine */
struct lobby *entrance_lobby(struct entrance *entrance);

#endif

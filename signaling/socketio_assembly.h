/*
 * signaling/socketio_assembly.h - a Socket.IO packet whose attachments are still on their way.
 *
 * Sans-IO. Owner: the client that it came from, one at a time. One thread.
 */
#ifndef SIGNALING_SOCKETIO_ASSEMBLY_H
#define SIGNALING_SOCKETIO_ASSEMBLY_H

#include "core/base.h"
#include "signaling/socketio.h"
#include "signaling/socketio_packet.h"

struct sio_assembly {
    struct sio_packet packet;                    /* json owned; namespace points into `name` */
    struct span attachment[SIO_ATTACHMENTS_MAX]; /* owned bytes */
    uint32_t count;                              /* that have come */
    size_t bytes;                                /* of all of them */
    uint8_t name[SIO_NAMESPACE_NAME_MAX];
};

/* Takes over packet->json, also on failure. NULL: no memory. */
struct sio_assembly *sio_assembly_create(const struct sio_packet *packet);
void sio_assembly_free(struct sio_assembly *assembly); /* NULL is fine */

/* Have all attachments come? */
bool sio_assembly_complete(const struct sio_assembly *assembly);
/* Copies the next attachment; not when complete. RC_OK, RC_NOMEM, or RC_FULL when all together
 * would have more than max_bytes. */
int sio_assembly_add(struct sio_assembly *assembly, struct span bytes, size_t max_bytes);

#endif

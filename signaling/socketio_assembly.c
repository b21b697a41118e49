#include "signaling/socketio_assembly.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct sio_assembly *sio_assembly_create(const struct sio_packet *packet)
{
    struct sio_assembly *const assembly = calloc(1, sizeof *assembly);

    if (!assembly) {
        json_decref(packet->json);
        return NULL;
    }
    assert(packet->namespace.n <= sizeof assembly->name);
    assembly->packet = *packet;
    memcpy(assembly->name, packet->namespace.p, packet->namespace.n);
    assembly->packet.namespace.p = assembly->name;
    return assembly;
}

void sio_assembly_free(struct sio_assembly *assembly)
{
    if (!assembly)
        return;
    for (uint32_t i = 0; i < assembly->count; i++)
        free((void *)(uintptr_t)assembly->attachment[i].p);
    json_decref(assembly->packet.json);
    free(assembly);
}

bool sio_assembly_complete(const struct sio_assembly *assembly)
{
    return assembly->count == assembly->packet.attachments;
}

int sio_assembly_add(struct sio_assembly *assembly, struct span bytes, size_t max_bytes)
{
    assert(!sio_assembly_complete(assembly));
    if (bytes.n > max_bytes || assembly->bytes > max_bytes - bytes.n)
        return RC_FULL;

    uint8_t *const copy = malloc(bytes.n > 0 ? bytes.n : 1);
    if (!copy)
        return RC_NOMEM;
    if (bytes.n > 0)
        memcpy(copy, bytes.p, bytes.n);
    assembly->attachment[assembly->count++] = (struct span){copy, bytes.n};
    assembly->bytes += bytes.n;
    return RC_OK;
}

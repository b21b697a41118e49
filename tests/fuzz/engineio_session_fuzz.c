/*
 * Fuzzes an Engine.IO session with whatever a client may do: polls, posts with arbitrary
 * payloads, probes, frames, sockets that vanish, time that passes. The input is a list of
 * steps, each a byte for what, a byte for how much, and as many bytes. fake_check and the fake
 * wire hold the properties: every request is answered at most once, nothing is written to a
 * socket that was let go, `closed` and `gone` come once, counters and timers add up.
 */
#include "tests/signaling/fake_wire.h"

#include <stdlib.h>
#include <string.h>

#define MUST(cond) ((cond) ? (void)0 : abort())

enum { REQUESTS_MAX = 64, SOCKETS_MAX = 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
    struct fake fake;
    struct fake_request *request[REQUESTS_MAX]; /* every one lives to the end */
    size_t request_count;
    struct fake_socket *socket[SOCKETS_MAX];
    size_t socket_count;
};

static struct fake_request *new_request(struct world *world)
{
    if (world->request_count == REQUESTS_MAX)
        return NULL;
    struct fake_request *const request = calloc(1, sizeof *request);
    MUST(request);
    world->request[world->request_count++] = request;
    return request;
}

static struct fake_socket *new_socket(struct world *world)
{
    if (world->socket_count == SOCKETS_MAX)
        return NULL;
    struct fake_socket *const socket = calloc(1, sizeof *socket);
    MUST(socket);
    world->socket[world->socket_count++] = socket;
    return socket;
}

/* The newest socket that the session still has anything to do with. */
static struct fake_socket *live_socket(struct world *world)
{
    struct fake_socket *const socket =
        world->socket_count > 0 ? world->socket[world->socket_count - 1] : NULL;

    return socket && !socket->closed ? socket : NULL;
}

static void get(struct world *world)
{
    struct fake_request *const request = new_request(world);

    if (request)
        eio_session_poll(&world->fake.session, request);
}

static void post(struct world *world, struct span body, bool octets)
{
    struct fake_request *const request = new_request(world);

    if (!request)
        return;
    eio_session_post(&world->fake.session, request, body, octets, world->fake.now);
    MUST(request->status != 0);
}

static void probe(struct world *world)
{
    struct fake_socket *const socket =
        eio_session_upgradable(&world->fake.session) ? new_socket(world) : NULL;

    if (socket)
        MUST(eio_session_probe(&world->fake.session, socket, world->fake.now) == RC_OK);
}

static void vanish(struct world *world, struct fake_socket *socket)
{
    eio_session_socket_gone(&world->fake.session, socket, EIO_CLOSE_TRANSPORT);
    socket->closed = true; /* from now on nobody may write to it */
}

static void step(struct world *world, uint8_t what, struct span bytes)
{
    struct fake *const fake = &world->fake;
    struct fake_socket *const socket = live_socket(world);

    switch (what % 12) {
    case 0:
        get(world);
        break;
    case 1:
    case 2:
        post(world, bytes, what % 12 == 2);
        break;
    case 3:
        probe(world);
        break;
    case 4:
    case 5:
        if (socket)
            eio_session_frame(&fake->session, socket, what % 12 == 5, bytes, fake->now);
        break;
    case 6:
        if (socket)
            vanish(world, socket);
        break;
    case 7:
        if (fake->session.poll)
            eio_session_poll_gone(&fake->session);
        break;
    case 8:
        fake_pass(fake, MSEC(10) * (bytes.n > 0 ? bytes.p[0] * bytes.p[0] : 0));
        break;
    case 9:
        (void)fake_send(fake, "from the server");
        break;
    case 10:
        if (socket)
            socket->refuses = !socket->refuses;
        break;
    case 11:
        if (bytes.n == 3)
            eio_session_end(&fake->session, EIO_CLOSE_SERVER, fake->now);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world world = {.fake.echo = true};

    if (size < 2)
        return 0;
    world.fake.host.options =
        (struct eio_options){.queue_messages = 8, .queue_bytes = 400, .packets_per_second = 50};
    fake_open(&world.fake, data[0] & 1 ? 4 : 3, data[0] & 2 ? new_socket(&world) : NULL);
    world.fake.session.base64 = data[0] & 4;
    data++;
    size--;

    while (size >= 2) {
        const size_t n = data[1] < size - 2 ? data[1] : size - 2;
        step(&world, data[0], (struct span){data + 2, n});
        fake_check(&world.fake);
        data += 2 + n;
        size -= 2 + n;
    }
    fake_close(&world.fake);
    for (size_t i = 0; i < world.request_count; i++)
        free(world.request[i]);
    for (size_t i = 0; i < world.socket_count; i++)
        free(world.socket[i]);
    return 0;
}

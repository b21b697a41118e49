#include "signaling/entrance.h"

#include "signaling/network_hint.h"
#include "signaling/user_quality.h"

#include <stdlib.h>
#include <string.h>

#define USER_ID_MAX 128 /* bytes of the id that a client gives itself */

struct entrance {
    struct lobby *lobby; /* owned */
    struct loop *loop;   /* borrowed */
    struct sio_namespace *namespace;
    /* Admitted by `authorize`, awaits `connected`, which follows at once unless memory is out.
     */
    struct user *entering;
};

/* --- the lobby's way out ------------------------------------------------------------------ */

static usec_t host_now(void *arg)
{
    const struct entrance *entrance = arg;

    return loop_now(entrance->loop);
}

/* A socket that cannot take it is closed by the Socket.IO server, from the loop. */
static void host_emit(void *arg, void *socket, const char *event, json_t *payload)
{
    (void)arg;
    (void)sio_emit(socket, event, payload);
}

static void host_ack(void *arg, void *socket, int64_t ack_id, json_t *payload)
{
    (void)arg;
    (void)sio_ack(socket, ack_id, payload);
}

/* --- coming in ---------------------------------------------------------------------------- */

static bool is_plain(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || (unsigned char)*text > 0x7e)
            return false;
    return true;
}

/* False: it is there, and not printable ASCII of at most `max` bytes. "" when it is not there.
 */
static bool read_word(const struct sio_handshake *handshake, const char *name, char *out,
                      size_t max)
{
    char text[512];

    out[0] = '\0';
    if (!sio_handshake_query(handshake, name, text, sizeof text))
        return true;
    if (strlen(text) > max || !is_plain(text))
        return false;
    memcpy(out, text, strlen(text) + 1);
    return true;
}

/* Nothing that cannot be read is a reason to refuse anybody. */
static uint32_t read_hint(const struct sio_handshake *handshake)
{
    char latency[NETWORK_HINT_MAX + 1] = "", info[NETWORK_HINT_MAX + 1] = "";

    if (!sio_handshake_query(handshake, "latency", latency, sizeof latency))
        latency[0] = '\0';
    if (!sio_handshake_query(handshake, "networkInfo", info, sizeof info))
        info[0] = '\0';
    return network_hint_rtt(latency, info);
}

/* What somebody admitted before never came to: its socket was not made. */
static void forget_entering(struct entrance *entrance)
{
    if (entrance->entering)
        lobby_remove(entrance->entering, "never connected");
    entrance->entering = NULL;
}

static enum refusal on_authorize(void *arg, const struct sio_handshake *handshake, void **out)
{
    struct entrance *entrance = arg;
    char id[USER_ID_MAX + 1], region[USER_REGION_MAX + 1];

    forget_entering(entrance);
    if (!read_word(handshake, "userId", id, USER_ID_MAX) ||
        !read_word(handshake, "region", region, USER_REGION_MAX))
        return REFUSAL_BAD_PAYLOAD;
    const enum refusal why = lobby_admit(entrance->lobby, sio_handshake_address(handshake),
                                         region, &entrance->entering);
    if (why == REFUSAL_NONE)
        user_quality_hint(entrance->entering, read_hint(handshake));
    *out = entrance->entering;
    return why;
}

static void on_connected(void *arg, struct sio_socket *socket)
{
    struct entrance *entrance = arg;

    entrance->entering = NULL;
    lobby_welcome(sio_user(socket), socket);
}

static void on_event(void *arg, struct sio_socket *socket, const struct sio_event *event)
{
    (void)arg;
    lobby_event(sio_user(socket), event);
}

/* The partner need not know how: a lost network, a closed page and a flood look the same. */
static void on_disconnected(void *arg, struct sio_socket *socket, const char *reason)
{
    (void)arg;
    (void)reason;
    lobby_remove(sio_user(socket), "disconnected");
}

static const struct sio_handlers handlers = {
    .authorize = on_authorize,
    .connected = on_connected,
    .event = on_event,
    .disconnected = on_disconnected,
};

/* --- life --------------------------------------------------------------------------------- */

int entrance_create(struct entrance **out, struct loop *loop, struct sio_server *server,
                    const struct lobby_options *options)
{
    struct entrance *entrance = calloc(1, sizeof *entrance);

    if (!entrance)
        return RC_NOMEM;
    entrance->loop = loop;
    const struct lobby_host host = {
        .arg = entrance,
        .timers = loop_timers(loop),
        .now = host_now,
        .emit = host_emit,
        .ack = host_ack,
    };
    int rc = lobby_create(&entrance->lobby, &host, options);
    if (rc == RC_OK)
        rc = sio_namespace_create(&entrance->namespace, server, "/", &handlers, entrance);
    if (rc != RC_OK) {
        entrance_free(entrance);
        return rc;
    }
    *out = entrance;
    return RC_OK;
}

void entrance_free(struct entrance *entrance)
{
    if (!entrance)
        return;
    forget_entering(entrance);
    lobby_free(entrance->lobby);
    free(entrance);
}

struct lobby *entrance_lobby(struct entrance *entrance)
{
    return entrance->lobby;
}

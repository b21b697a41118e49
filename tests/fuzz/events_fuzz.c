/*
 * What clients say to the lobby, by chance: a few people, arbitrary JSON as arguments of every
 * event, media that comes and goes, time that passes. After each step the books are checked
 * (world_check).
 *
 * The input is a list of lines. The first byte of a line says who (its three low bits) and
 * what: 'A'-'H' says the event whose number (of the table below) is the next byte, arguments:
 * the rest 'I'-'P' the same with an ack      'a'-'h' comes or goes      'i'-'p' loses its media
 *   '0'-'7' its path is measured      anything else: time passes
 */
#include "signaling/user_media.h"
#include "tests/signaling/lobby_world_lib.h"

#include "core/log.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const events[] = {
    "find-match",
    "find-user",
    "find-next-user",
    "cancel-match",
    "leave-chat",
    "peer-left",
    "offer",
    "call-user",
    "ice-candidate",
    "chat-message",
    "typing-start",
    "typing-stop",
    "stream-state-change",
    "connection-status",
    "vibe-tap",
    "mark-messages-read",
    "ping",
    "report-quality",
    "report-error",
    "restore-connection",
    "request-turn-credentials",
    "reconnect-attempt",
    "report-user",
    "no-such-event",
};

/* "$0" to "$7" in a text means the name that the client has for its partner, so that the fuzzer
 * can say names that mean somebody. */
static void put_names(json_t *value, const struct world *world)
{
    const char *key;
    size_t i;
    json_t *member;

    if (json_is_string(value) && json_string_length(value) == 2 &&
        json_string_value(value)[0] == '$') {
        const struct client *client = &world->client[json_string_value(value)[1] & 7];
        if (client->user)
            json_string_set(value, client->user->partner_alias);
    }
    json_object_foreach(value, key, member) put_names(member, world);
    json_array_foreach(value, i, member) put_names(member, world);
}

static void say(struct client *client, const uint8_t *line, size_t n, int64_t ack_id)
{
    json_error_t error;
    json_t *args = json_loadb((const char *)line + 1, n - 1, 0, &error);

    if (json_is_object(args) || !args)
        args = args ? json_pack("[o]", args) : json_array();
    put_names(args, client->world);
    world_call(client, events[*line % ARRAY_LEN(events)], args, ack_id);
}

static void step(struct world *world, const uint8_t *line, size_t n)
{
    const uint8_t what = *line;
    struct client *client = &world->client[what & 7];

    if (what >= 'a' && what <= 'h') {
        if (client->user)
            world_leave(client);
        else
            (void)world_join(world, "192.0.2.1", NULL);
    } else if (!client->user) {
        (void)world_join(world, "192.0.2.1", NULL);
    } else if (what >= 'A' && what <= 'P' && n >= 2) {
        say(client, line + 1, n - 1, what <= 'H' ? SIO_NO_ACK : 7);
    } else if (what >= 'i' && what <= 'p') {
        if (client->user->media)
            user_media_listener.state(client->user, MEDIA_FAILED,
                                      n > 1 ? REFUSAL_ICE_TIMEOUT : REFUSAL_NONE);
    } else if (what >= '0' && what <= '7') {
        user_media_listener.quality(client->user,
                                    &(struct media_quality){.rtt = (uint32_t)n * 50000});
    } else {
        world_pass(world, MSEC(100) * n);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world world;

    log_set_level(LOG_LEVEL_WARN);
    world_open(&world, 8, 1000);
    while (size > 0) {
        const uint8_t *end = memchr(data, '\n', size);
        const size_t n = end ? (size_t)(end - data) : size;

        if (n > 0)
            step(&world, data, n);
        world_check(&world);
        data += end ? n + 1 : n;
        size -= end ? n + 1 : n;
    }
    world_close(&world);
    return 0;
}

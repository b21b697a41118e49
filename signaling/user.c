#include "signaling/user.h"

#include "core/log.h"
#include "signaling/lobby.h"

const char *user_state_name(enum user_state state)
{
    static const char *const names[USER_STATE_COUNT] = {
        [USER_CONNECTED] = "connected",
        [USER_WAITING] = "waiting",
        [USER_MATCHED] = "matched",
        [USER_GONE] = "disconnected",
    };
    return names[state];
}

/* Which states may follow which: everything else is a mistake of ours. */
static bool is_edge(enum user_state from, enum user_state to)
{
    static const unsigned edges[USER_STATE_COUNT] = {
        [USER_CONNECTED] = 1u << USER_WAITING | 1u << USER_GONE,
        [USER_WAITING] = 1u << USER_CONNECTED | 1u << USER_MATCHED | 1u << USER_GONE,
        [USER_MATCHED] = 1u << USER_CONNECTED | 1u << USER_GONE,
    };
    return edges[from] >> to & 1;
}

void user_set_state(struct user *user, enum user_state state)
{
    struct lobby_stats *stats = lobby_stats(user->lobby);

    if (!is_edge(user->state, state)) {
        log_error("lobby", "user %s: no edge from %s to %s", user->id,
                  user_state_name(user->state), user_state_name(state));
        return;
    }
    log_debug("lobby", "user %s: %s -> %s", user->id, user_state_name(user->state),
              user_state_name(state));
    counter_set(&stats->users[user->state], counter_get(&stats->users[user->state]) - 1);
    if (state != USER_GONE)
        counter_add(&stats->users[state], 1);
    user->state = state;
}

void user_tell_state(struct user *user)
{
    user_emit(user, "connection-status",
              json_pack("{s:s}", "status", user_state_name(user->state)));
}

/* False: there is nothing to send, and it is counted. */
static bool is_sendable(const struct user *user, json_t *payload)
{
    if (!payload)
        counter_add(&lobby_stats(user->lobby)->unsendable, 1);
    return payload != NULL;
}

void user_emit(struct user *user, const char *event, json_t *payload)
{
    const struct lobby_host *host = lobby_host(user->lobby);

    if (!is_sendable(user, payload))
        return;
    if (user->state == USER_GONE || !user->socket)
        json_decref(payload);
    else
        host->emit(host->arg, user->socket, event, payload);
}

void user_ack(struct user *user, const struct sio_event *event, json_t *payload)
{
    const struct lobby_host *host = lobby_host(user->lobby);

    if (!is_sendable(user, payload))
        return;
    if (event->ack_id == SIO_NO_ACK || user->state == USER_GONE)
        json_decref(payload);
    else
        host->ack(host->arg, user->socket, event->ack_id, payload);
}

void user_refuse(struct user *user, const struct sio_event *event, enum refusal why)
{
    refuse(why);
    if (event->ack_id != SIO_NO_ACK)
        user_ack(user, event,
                 json_pack("{s:b, s:s, s:s, s:s, s:s}", "ok", 0, "status", "error", "code",
                           refusal_code(why), "message", refusal_text(why), "event",
                           event->name));
    else
        user_emit(user, "error",
                  json_pack("{s:s, s:s, s:s}", "code", refusal_code(why), "message",
                            refusal_text(why), "event", event->name));
}

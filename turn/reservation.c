#include "turn/reservation.h"

#include "core/random.h"

#include <stdlib.h>
#include <string.h>

struct reservation {
    struct reservation *next;
    struct reservations *set; /* borrowed */
    struct turn_relay *relay; /* the glue's, to be closed by us */
    struct timer timer;
    uint64_t token;
    uint8_t user[TURN_USER_ID];
};

void reservations_init(struct reservations *set, struct timers *timers,
                       const struct turn_output *out)
{
    *set = (struct reservations){.timers = timers, .out = out};
}

/* Unlinks and frees; the relay is whoever calls'. */
static struct turn_relay *forget(struct reservation *gone)
{
    struct reservations *set = gone->set;
    struct turn_relay *relay = gone->relay;
    struct reservation **at = &set->list;

    while (*at != gone)
        at = &(*at)->next;
    *at = gone->next;
    set->count--;
    timers_clear(set->timers, &gone->timer);
    free(gone);
    return relay;
}

static void close_one(struct reservation *gone)
{
    const struct turn_output *out = gone->set->out;

    out->relay_close(out->arg, forget(gone));
}

static void on_timer(struct timer *timer, void *arg, usec_t now)
{
    (void)timer;
    (void)now;
    close_one(arg);
}

static struct reservation *find(const struct reservations *set, uint64_t token,
                                const uint8_t user[static TURN_USER_ID])
{
    struct reservation *at = set->list;

    while (at && (at->token != token || memcmp(at->user, user, TURN_USER_ID) != 0))
        at = at->next;
    return at;
}

int reservation_keep(struct reservations *set, struct turn_relay *relay,
                     const uint8_t user[static TURN_USER_ID], usec_t now, uint64_t *token)
{
    if (set->count == RESERVATIONS_MAX)
        return RC_FULL;
    struct reservation *new = calloc(1, sizeof *new);
    if (!new)
        return RC_NOMEM;
    timer_init(&new->timer, on_timer, new);
    if (timers_set(set->timers, &new->timer, now + RESERVATION_LIFETIME) != RC_OK) {
        free(new);
        return RC_NOMEM;
    }
    new->set = set;
    new->relay = relay;
    memcpy(new->user, user, TURN_USER_ID);
    do {
        new->token = random_u64();
    } while (new->token == 0);
    new->next = set->list;
    set->list = new;
    set->count++;
    *token = new->token;
    return RC_OK;
}

bool reservation_exists(const struct reservations *set, uint64_t token,
                        const uint8_t user[static TURN_USER_ID])
{
    return find(set, token, user) != NULL;
}

struct turn_relay *reservation_take(struct reservations *set, uint64_t token,
                                    const uint8_t user[static TURN_USER_ID])
{
    struct reservation *found = find(set, token, user);

    return found ? forget(found) : NULL;
}

void reservations_end_user(struct reservations *set, const uint8_t user[static TURN_USER_ID])
{
    for (struct reservation *at = set->list, *next; at; at = next) {
        next = at->next;
        if (memcmp(at->user, user, TURN_USER_ID) == 0)
            close_one(at);
    }
}

void reservations_free(struct reservations *set)
{
    while (set->list)
        close_one(set->list);
}

#include "turn/reservation.h"

#include "tests/t.h"

#include <string.h>

static unsigned closed;
static struct turn_relay *last_closed;
static struct timers *timers;
static struct reservations set;
static const uint8_t alice[TURN_USER_ID] = "alice", bob[TURN_USER_ID] = "bob";

static void relay_close(void *arg, struct turn_relay *relay)
{
    (void)arg;
    closed++;
    last_closed = relay;
}

static const struct turn_output out = {.relay_close = relay_close};

static void begin(void)
{
    closed = 0;
    T_EQ(timers_create(&timers), RC_OK);
    reservations_init(&set, timers, &out);
}

static void end(void)
{
    reservations_free(&set);
    T_EQ(timers_count(timers), 0);
    timers_free(timers);
}

/* Never looked into by the set. */
static struct turn_relay *relay_number(uintptr_t i)
{
    return (struct turn_relay *)(i * 64);
}

static uint64_t keep(uintptr_t i, const uint8_t *user, usec_t now)
{
    uint64_t token = 0;

    T_EQ(reservation_keep(&set, relay_number(i), user, now, &token), RC_OK);
    T_OK(token != 0);
    return token;
}

static void a_token_gives_its_relay_once(void)
{
    begin();
    const uint64_t first = keep(1, alice, 0), second = keep(2, alice, 0);
    T_OK(first != second);
    T_OK(reservation_exists(&set, first, alice));
    T_OK(reservation_take(&set, first, alice) == relay_number(1));
    T_OK(!reservation_exists(&set, first, alice));
    T_OK(reservation_take(&set, first, alice) == NULL);
    T_OK(reservation_take(&set, second, alice) == relay_number(2));
    T_EQ(closed, 0);
    end();
}

static void it_is_kept_for_thirty_seconds(void)
{
    begin();
    const uint64_t token = keep(1, alice, SEC(10));
    timers_run(timers, SEC(40) - 1);
    T_OK(reservation_exists(&set, token, alice));
    timers_run(timers, SEC(40));
    T_OK(!reservation_exists(&set, token, alice));
    T_EQ(closed, 1);
    T_OK(last_closed == relay_number(1));
    end();
}

static void another_user_cannot_take_it(void)
{
    begin();
    const uint64_t token = keep(1, alice, 0);
    T_OK(!reservation_exists(&set, token, bob));
    T_OK(reservation_take(&set, token, bob) == NULL);
    T_OK(reservation_exists(&set, token, alice));
    end();
    T_EQ(closed, 1);
}

static void they_end_with_their_user(void)
{
    begin();
    const uint64_t kept = keep(1, bob, 0);
    keep(2, alice, 0);
    keep(3, alice, 0);
    reservations_end_user(&set, alice);
    T_EQ(closed, 2);
    T_OK(reservation_exists(&set, kept, bob));
    end();
}

static void there_is_a_limit(void)
{
    uint64_t token;

    begin();
    for (uintptr_t i = 1; i <= RESERVATIONS_MAX; i++)
        keep(i, alice, 0);
    T_EQ(reservation_keep(&set, relay_number(9999), alice, 0, &token), RC_FULL);
    T_EQ(closed, 0); /* that one is still the caller's */
    end();
    T_EQ(closed, RESERVATIONS_MAX);
}

static const struct t_case cases[] = {
    T_CASE(a_token_gives_its_relay_once),
    T_CASE(it_is_kept_for_thirty_seconds),
    T_CASE(another_user_cannot_take_it),
    T_CASE(they_end_with_their_user),
    T_CASE(there_is_a_limit),
};
T_MAIN(cases)

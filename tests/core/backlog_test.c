#include "core/backlog.h"
#include "tests/t.h"

#include <stdint.h>

static struct loop *own, *other;
static struct backlog *backlog;
static unsigned received, out_of_order, discards;

static void deliver(void *target, void *payload, usec_t now)
{
    (void)target;
    (void)now;
    out_of_order += (uintptr_t)payload != received;
    received++;
}

static void discard(void *payload)
{
    (void)payload;
    discards++;
}

static void open_both(uint32_t mailbox, uint32_t max)
{
    received = out_of_order = discards = 0;
    T_EQ(loop_create(&own, "own", 16), RC_OK);
    T_EQ(loop_create(&other, "other", mailbox), RC_OK);
    T_EQ(backlog_create(&backlog, own, other, max), RC_OK);
}

static void close_both(void)
{
    backlog_free(backlog);
    loop_free(own);
    loop_free(other);
}

static struct loop_message letter(uintptr_t number)
{
    return (struct loop_message){deliver, discard, &received, (void *)number};
}

/* Everything that the other loop has, then ours until the retry has run. */
static void let_both_run(void)
{
    loop_stop(other);
    loop_run(other);
    if (backlog_waiting(backlog))
        loop_turn(own);
}

static void what_a_full_mailbox_refuses_arrives_later_and_in_order(void)
{
    open_both(4, 0);
    for (uintptr_t i = 0; i < 50; i++) {
        const struct loop_message message = letter(i);

        T_EQ(backlog_post(backlog, &message), RC_OK);
    }
    T_EQ(backlog_waiting(backlog), 46);
    for (int turns = 0; received < 50 && turns < 100; turns++)
        let_both_run();
    T_EQ(received, 50);
    T_EQ(out_of_order, 0);
    T_EQ(backlog_waiting(backlog), 0);
    close_both();
}

static void later_messages_do_not_overtake_those_that_wait(void)
{
    open_both(2, 0);
    for (uintptr_t i = 0; i < 3; i++) {
        const struct loop_message message = letter(i);

        T_EQ(backlog_post(backlog, &message), RC_OK);
    }
    loop_stop(other);
    loop_run(other); /* there is room again, but the retry has not run */
    for (uintptr_t i = 3; i < 5; i++) {
        const struct loop_message message = letter(i);

        T_EQ(backlog_post(backlog, &message), RC_OK);
    }
    for (int turns = 0; received < 5 && turns < 100; turns++)
        let_both_run();
    T_EQ(received, 5);
    T_EQ(out_of_order, 0);
    close_both();
}

static void what_may_be_lost_is_refused_rather_than_kept(void)
{
    const struct loop_message message = letter(0);

    open_both(2, 0);
    T_EQ(backlog_offer(backlog, &message), RC_OK);
    T_EQ(backlog_offer(backlog, &message), RC_OK);
    T_EQ(backlog_offer(backlog, &message), RC_FULL);
    T_EQ(backlog_waiting(backlog), 0);
    T_EQ(backlog_post(backlog, &message), RC_OK);
    T_EQ(backlog_offer(backlog, &message), RC_FULL);
    close_both();
}

static void a_backlog_has_a_limit(void)
{
    const struct loop_message message = letter(0);

    open_both(2, 3);
    for (int i = 0; i < 5; i++)
        T_EQ(backlog_post(backlog, &message), RC_OK);
    T_EQ(backlog_post(backlog, &message), RC_FULL);
    T_EQ(discards, 0);
    close_both();
    T_EQ(discards, 5); /* of the mailbox and of the backlog */
}

static const struct t_case cases[] = {
    T_CASE(what_a_full_mailbox_refuses_arrives_later_and_in_order),
    T_CASE(later_messages_do_not_overtake_those_that_wait),
    T_CASE(what_may_be_lost_is_refused_rather_than_kept),
    T_CASE(a_backlog_has_a_limit),
};
T_MAIN(cases)

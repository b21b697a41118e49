#include "core/mailbox.h"
#include "tests/t.h"

/* Several threads at once: tests/core/loop_test.c. */

static int discarded;

static void discard(void *payload)
{
    discarded += payload != NULL;
}

static struct mailbox *open_mailbox(uint32_t capacity)
{
    struct mailbox *mailbox = NULL;

    T_EQ(mailbox_create(&mailbox, capacity), RC_OK);
    return mailbox;
}

static int put(struct mailbox *mailbox, uintptr_t number)
{
    return mailbox_put(mailbox,
                       &(struct loop_message){.payload = (void *)number, .discard = discard});
}

static void messages_come_out_in_order_over_many_rounds(void)
{
    struct mailbox *mailbox = open_mailbox(8);
    struct loop_message message;
    uintptr_t in = 1, out = 1;

    for (int round = 0; round < 1000; round++) {
        for (int i = 0; i < 1 + round % 8; i++)
            T_EQ(put(mailbox, in++), RC_OK);
        while (mailbox_take(mailbox, &message))
            T_EQ((uintptr_t)message.payload, out++);
        T_EQ(in, out);
    }
    T_EQ(mailbox_put_count(mailbox), in - 1);
    T_EQ(mailbox_taken_count(mailbox), in - 1);
    mailbox_free(mailbox);
}

static void the_capacity_is_rounded_up_and_holds(void)
{
    struct mailbox *mailbox = open_mailbox(5);
    struct loop_message message;

    for (uintptr_t i = 1; i <= 8; i++)
        T_EQ(put(mailbox, i), RC_OK);
    T_EQ(put(mailbox, 9), RC_FULL);
    T_OK(mailbox_take(mailbox, &message));
    T_EQ(put(mailbox, 9), RC_OK);
    T_EQ(put(mailbox, 10), RC_FULL);
    mailbox_free(mailbox);
}

static void what_is_never_taken_is_discarded(void)
{
    struct mailbox *mailbox = open_mailbox(0);

    discarded = 0;
    T_EQ(put(mailbox, 1), RC_OK);
    T_EQ(put(mailbox, 2), RC_OK);
    mailbox_free(mailbox);
    T_EQ(discarded, 2);
    mailbox_free(NULL);
}

static void an_absurd_capacity_is_refused(void)
{
    struct mailbox *mailbox = NULL;

    T_EQ(mailbox_create(&mailbox, UINT32_MAX), RC_BAD);
    T_OK(mailbox == NULL);
}

static const struct t_case cases[] = {
    T_CASE(messages_come_out_in_order_over_many_rounds),
    T_CASE(the_capacity_is_rounded_up_and_holds),
    T_CASE(what_is_never_taken_is_discarded),
    T_CASE(an_absurd_capacity_is_refused),
};
T_MAIN(cases)

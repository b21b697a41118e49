#include "core/clock.h"
#include "core/loop.h"
#include "tests/t.h"

#include <pthread.h>

static struct loop *open_loop(uint32_t capacity)
{
    struct loop *loop = NULL;

    T_EQ(loop_create(&loop, "test", capacity), RC_OK);
    return loop;
}

/* --- messages ---------------------------------------------------------------------------- */

static void add_one(void *target, void *payload, usec_t now)
{
    int *count = target;

    (void)payload;
    (*count) += now > 0;
}

static void messages_posted_before_stop_are_delivered(void)
{
    struct loop *loop = open_loop(64);
    int count = 0;
    const struct loop_message message = {.deliver = add_one, .target = &count};

    for (int i = 0; i < 50; i++)
        T_EQ(loop_post(loop, &message), RC_OK);
    loop_stop(loop);
    loop_run(loop);
    T_EQ(count, 50);
    T_EQ(counter_get(&loop_stats(loop)->messages), 50);
    loop_free(loop);
}

static int discards;

static void count_discard(void *payload)
{
    (void)payload;
    discards++;
}

static void a_full_mailbox_refuses_and_the_rest_is_discarded(void)
{
    struct loop *loop = open_loop(4);
    int count = 0;
    const struct loop_message message = {
        .deliver = add_one, .discard = count_discard, .target = &count};

    discards = 0;
    for (int i = 0; i < 4; i++)
        T_EQ(loop_post(loop, &message), RC_OK);
    T_EQ(loop_post(loop, &message), RC_FULL);
    T_EQ(counter_get(&loop_stats(loop)->mailbox_full), 1);
    loop_free(loop);
    T_EQ(count, 0);
    T_EQ(discards, 4);
}

static void what_waits_for_a_target_that_goes_away_is_discarded(void)
{
    struct loop *loop = open_loop(4);
    int stays = 0, goes = 0;
    const struct loop_message to_stays = {
        .deliver = add_one, .discard = count_discard, .target = &stays};
    const struct loop_message to_goes = {
        .deliver = add_one, .discard = count_discard, .target = &goes};

    discards = 0;
    T_EQ(loop_post(loop, &to_goes), RC_OK);
    T_EQ(loop_post(loop, &to_stays), RC_OK);
    T_EQ(loop_post(loop, &to_goes), RC_OK);
    loop_forget(loop, &goes);
    T_EQ(discards, 2);
    T_EQ(loop_post(loop, &to_stays), RC_OK);
    loop_stop(loop);
    loop_run(loop);
    T_EQ(goes, 0);
    T_EQ(stays, 2);
    T_EQ(discards, 2);
    T_EQ(counter_get(&loop_stats(loop)->messages), 2);
    loop_free(loop);
}

static void a_stopped_loop_can_run_again(void)
{
    struct loop *loop = open_loop(4);
    int count = 0;
    const struct loop_message message = {.deliver = add_one, .target = &count};

    for (int i = 1; i <= 3; i++) {
        T_EQ(loop_post(loop, &message), RC_OK);
        loop_stop(loop);
        loop_run(loop);
        T_EQ(count, i);
    }
    loop_free(loop);
}

enum { SENDERS = 4, LETTERS = 20000 };

struct reader {
    struct loop *loop;
    unsigned next[SENDERS]; /* the letter that must come next from each */
    unsigned received, out_of_order;
};

struct sender {
    struct reader *reader;
    unsigned id;
};

static void read_letter(void *target, void *payload, usec_t now)
{
    struct reader *reader = target;
    const uintptr_t letter = (uintptr_t)payload;
    const unsigned id = (unsigned)(letter % SENDERS);
    (void)now;

    if (letter / SENDERS != reader->next[id]++)
        reader->out_of_order++;
    if (++reader->received == SENDERS * LETTERS)
        loop_stop(reader->loop);
}

static void *send_letters(void *arg)
{
    const struct sender *sender = arg;

    for (uintptr_t i = 0; i < LETTERS;) {
        const struct loop_message message = {.deliver = read_letter,
                                             .target = sender->reader,
                                             .payload = (void *)(i * SENDERS + sender->id)};
        if (loop_post(sender->reader->loop, &message) == RC_OK)
            i++;
        else
            sched_yield();
    }
    return NULL;
}

static void every_message_of_several_threads_arrives_once_and_in_order(void)
{
    struct reader reader = {.loop = open_loop(256)};
    struct sender senders[SENDERS];
    pthread_t threads[SENDERS];

    for (unsigned i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){&reader, i};
        T_EQ(pthread_create(&threads[i], NULL, send_letters, &senders[i]), 0);
    }
    loop_run(reader.loop);
    for (unsigned i = 0; i < SENDERS; i++)
        pthread_join(threads[i], NULL);
    T_EQ(reader.received, SENDERS * LETTERS);
    T_EQ(reader.out_of_order, 0);
    loop_free(reader.loop);
}

static void *stop_it(void *arg)
{
    loop_stop(arg);
    return NULL;
}

static void another_thread_can_stop_a_sleeping_loop(void)
{
    struct loop *loop = open_loop(4);
    pthread_t thread;

    T_EQ(pthread_create(&thread, NULL, stop_it, loop), 0);
    loop_run(loop);
    pthread_join(thread, NULL);
    loop_free(loop);
}

/* --- timers ------------------------------------------------------------------------------ */

struct alarm {
    struct loop *loop;
    struct timer timer;
    usec_t due, rang;
};

static void on_ring(struct timer *timer, void *arg, usec_t now)
{
    struct alarm *alarm = arg;

    (void)timer;
    alarm->rang = now;
    loop_stop(alarm->loop);
}

static void a_timer_wakes_the_loop_when_it_is_due_and_not_before(void)
{
    struct alarm alarm = {.loop = open_loop(4)};

    alarm.due = clock_now() + MSEC(20);
    timer_init(&alarm.timer, on_ring, &alarm);
    T_EQ(timers_set(loop_timers(alarm.loop), &alarm.timer, alarm.due), RC_OK);
    loop_run(alarm.loop);
    T_OK(alarm.rang >= alarm.due);
    loop_free(alarm.loop);
}

static void push_back(struct timer *timer, void *arg, usec_t now)
{
    struct alarm *alarm = arg;
    (void)timer;
    (void)now;

    timers_set(loop_timers(alarm->loop), &alarm->timer, alarm->due);
}

static void a_timer_that_is_pushed_back_rings_at_the_later_time(void)
{
    struct alarm alarm = {.loop = open_loop(4)};
    struct timers *timers = loop_timers(alarm.loop);
    struct timer pusher;
    const usec_t now = clock_now();

    alarm.due = now + MSEC(20);
    timer_init(&alarm.timer, on_ring, &alarm);
    timer_init(&pusher, push_back, &alarm);
    T_EQ(timers_set(timers, &alarm.timer, now + MSEC(10)), RC_OK);
    T_EQ(timers_set(timers, &pusher, now + MSEC(1)), RC_OK);
    loop_run(alarm.loop);
    T_OK(alarm.rang >= alarm.due);
    loop_free(alarm.loop);
}

/* --- deferred calls ---------------------------------------------------------------------- */

struct order {
    struct loop *loop;
    char text[8];
    size_t n;
};

static void note_c(void *arg)
{
    struct order *order = arg;
    order->text[order->n++] = 'c';
}

static void note_a(void *arg)
{
    struct order *order = arg;
    order->text[order->n++] = 'a';
    loop_defer(order->loop, note_c, order);
}

static void note_b(void *arg)
{
    struct order *order = arg;
    order->text[order->n++] = 'b';
}

static void deferred_calls_run_in_order_at_the_end_of_one_turn(void)
{
    struct order order = {.loop = open_loop(4)};

    T_EQ(loop_defer(order.loop, note_a, &order), RC_OK);
    T_EQ(loop_defer(order.loop, note_b, &order), RC_OK);
    T_EQ(order.n, 0);
    loop_turn(order.loop); /* does not wait: there is something to do */
    T_STR(order.text, "abc");
    loop_free(order.loop);
}

static void what_is_deferred_runs_when_the_loop_is_freed(void)
{
    struct order order = {.loop = open_loop(4)};

    for (int i = 0; i < 3; i++)
        T_EQ(loop_defer(order.loop, note_b, &order), RC_OK);
    loop_free(order.loop);
    T_STR(order.text, "bbb");
}

static void count_up(void *arg)
{
    (*(int *)arg)++;
}

static void thousands_may_be_deferred(void)
{
    struct loop *loop = open_loop(4);
    int count = 0;

    for (int i = 0; i < 5000; i++)
        T_EQ(loop_defer(loop, count_up, &count), RC_OK);
    loop_turn(loop);
    T_EQ(count, 5000);
    loop_free(loop);
}

/* --- stalls ------------------------------------------------------------------------------ */

static void a_handler_that_holds_the_loop_is_counted_once(void)
{
    struct loop *loop = open_loop(4);

    loop_enter(loop, "quick");
    loop_leave(loop);
    T_EQ(counter_get(&loop_stats(loop)->stalls), 0);

    loop_enter(loop, "slow");
    loop_enter(loop, "inner");
    for (const usec_t start = clock_now(); clock_now() - start <= 2 * LOOP_STALL;)
        continue;
    loop_leave(loop);
    loop_leave(loop);
    T_EQ(counter_get(&loop_stats(loop)->stalls), 1);
    loop_free(loop);
}

/* --- pace --- */

static usec_t thread_cpu(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (usec_t)t.tv_sec * SEC(1) + (usec_t)t.tv_nsec / 1000;
}

struct worker {
    struct loop *loop;
    struct timer timer;
    usec_t work; /* of CPU, each time */
};

static void work(struct timer *timer, void *arg, usec_t now)
{
    struct worker *worker = arg;
    const usec_t until = thread_cpu() + worker->work;

    while (thread_cpu() < until)
        continue;
    T_EQ(timers_set(loop_timers(worker->loop), timer, now + MSEC(1)), RC_OK);
}

/* The longest run of turns at least `apart` from each other, in a second of work. */
static unsigned paced_turns(usec_t work_each, usec_t apart)
{
    struct worker worker = {.loop = open_loop(64), .work = work_each};
    unsigned run = 0, longest = 0;

    timer_init(&worker.timer, work, &worker);
    loop_set_pace(worker.loop, MSEC(20));
    T_EQ(timers_set(loop_timers(worker.loop), &worker.timer, clock_now()), RC_OK);
    const usec_t end = clock_now() + SEC(1);
    for (usec_t last = clock_now(); last < end;) {
        loop_turn(worker.loop);
        const usec_t now = clock_now();
        run = now - last >= apart ? run + 1 : 0;
        longest = run > longest ? run : longest;
        last = now;
    }
    timers_clear(loop_timers(worker.loop), &worker.timer);
    loop_free(worker.loop);
    return longest;
}

static void a_loaded_loop_keeps_its_pace(void)
{
    T_OK(paced_turns(MSEC(10), MSEC(18)) >= 5);
}

static void a_loop_with_little_to_do_does_not_wait(void)
{
    T_OK(paced_turns(20, MSEC(18)) < 5); /* a busy machine makes some of its own */
}

static const struct t_case cases[] = {
    T_CASE(messages_posted_before_stop_are_delivered),
    T_CASE(a_full_mailbox_refuses_and_the_rest_is_discarded),
    T_CASE(what_waits_for_a_target_that_goes_away_is_discarded),
    T_CASE(a_stopped_loop_can_run_again),
    T_CASE(every_message_of_several_threads_arrives_once_and_in_order),
    T_CASE(another_thread_can_stop_a_sleeping_loop),
    T_CASE(a_timer_wakes_the_loop_when_it_is_due_and_not_before),
    T_CASE(a_timer_that_is_pushed_back_rings_at_the_later_time),
    T_CASE(deferred_calls_run_in_order_at_the_end_of_one_turn),
    T_CASE(what_is_deferred_runs_when_the_loop_is_freed),
    T_CASE(thousands_may_be_deferred),
    T_CASE(a_handler_that_holds_the_loop_is_counted_once),
    T_CASE(a_loaded_loop_keeps_its_pace),
    T_CASE(a_loop_with_little_to_do_does_not_wait),
};
T_MAIN(cases)

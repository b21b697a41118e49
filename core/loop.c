#include "core/loop.h"

#include "core/clock.h"
#include "core/log.h"

#include <event2/event.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum {
    MESSAGES_PER_TURN = 1024, /* so that a flood of messages cannot starve the sockets */
    DEFERRED_FIRST = 1024,
};

#define STALL_LOG_INTERVAL SEC(1)

struct deferred {
    void (*fn)(void *arg);
    void *arg; /* borrowed */
};

#define PACE_WINDOW MSEC(100)
#define PACE_ENTER 20 /* percent of a processor */
#define PACE_LEAVE 8

/* Fewer, larger turns under load. */
struct pace {
    usec_t interval; /* 0: none */
    bool kept;
    usec_t window, cpu; /* when the window began, and the thread's CPU time then */
};

struct loop {
    const char *name;        /* borrowed */
    struct event_base *base; /* owned */
    struct timers *timers;   /* owned */
    usec_t now;              /* 0: not read in this turn yet */

    struct mailbox *mailbox; /* owned */
    struct event *mail;      /* owned, on mail_fd */
    int mail_fd;             /* owned: eventfd */
    _Atomic bool mail_told;  /* mail_fd was written and not read since */
    _Atomic bool stopping;

    struct event *alarm; /* owned, on alarm_fd */
    int alarm_fd;        /* owned: timerfd */
    usec_t alarm_at;     /* what it is set to, USEC_NEVER when it is not */

    struct deferred *deferred; /* owned */
    size_t deferred_count, deferred_capacity;

    const char *handler; /* the one that is running, NULL between them */
    unsigned depth;
    usec_t handler_since, stall_log_next;
    struct pace pace;
    struct loop_stats stats;
};

/* --- time -------------------------------------------------------------------------------- */

usec_t loop_now(struct loop *loop)
{
    if (loop->now == 0)
        loop->now = clock_now();
    return loop->now;
}

static void count_stall(struct loop *loop, const char *handler, usec_t took, usec_t now)
{
    counter_add(&loop->stats.stalls, 1);
    if (now < loop->stall_log_next)
        return;
    loop->stall_log_next = now + STALL_LOG_INTERVAL;
    log_warn("loop", "%s: %s held the loop for %llu ms", loop->name, handler,
             (unsigned long long)(took / MSEC(1)));
}

void loop_enter(struct loop *loop, const char *handler_name)
{
    if (loop->depth++ > 0)
        return;
    loop->handler = handler_name;
    /* The first handler of a turn starts with the turn: one clock read for both. */
    loop->handler_since = loop->now ? clock_now() : loop_now(loop);
}

void loop_leave(struct loop *loop)
{
    if (--loop->depth > 0)
        return;
    const usec_t end = clock_now();
    const usec_t took = end - loop->handler_since;
    if (took > LOOP_STALL)
        count_stall(loop, loop->handler, took, end);
    loop->handler = NULL;
}

/* The timerfd is moved only when it would ring too late: a timer that keeps being pushed back,
 * as idle deadlines do, costs one idle wakeup and not a system call each time. */
static void set_alarm(struct loop *loop)
{
    const usec_t next = timers_next(loop->timers);

    if (next >= loop->alarm_at)
        return;
    /* A time of zero would disarm it; clock_now is CLOCK_MONOTONIC plus one. */
    const usec_t at = next > 2 ? next - 1 : 1;
    const struct itimerspec spec = {
        .it_value = {.tv_sec = (time_t)(at / SEC(1)), .tv_nsec = (long)(at % SEC(1)) * 1000},
    };
    timerfd_settime(loop->alarm_fd, TFD_TIMER_ABSTIME, &spec, NULL);
    loop->alarm_at = next;
}

static void on_alarm(evutil_socket_t fd, short what, void *arg)
{
    struct loop *loop = arg;
    uint64_t expirations;
    (void)what;

    if (read(fd, &expirations, sizeof expirations) > 0)
        loop->alarm_at = USEC_NEVER; /* the timers themselves run at the end of the turn */
}

/* --- mailbox ----------------------------------------------------------------------------- */

static void ring(struct loop *loop)
{
    const uint64_t one = 1;

    if (atomic_exchange(&loop->mail_told, true))
        return;
    while (write(loop->mail_fd, &one, sizeof one) < 0)
        sched_yield(); /* EINTR only: one pending ring can never fill the counter */
}

int loop_post(struct loop *loop, const struct loop_message *message)
{
    const int rc = mailbox_put(loop->mailbox, message);

    if (rc == RC_OK)
        ring(loop);
    else
        counter_add_shared(&loop->stats.mailbox_full, 1);
    return rc;
}

void loop_forget(struct loop *loop, const void *target)
{
    mailbox_forget(loop->mailbox, target);
}

void loop_stop(struct loop *loop)
{
    atomic_store(&loop->stopping, true);
    ring(loop);
}

static bool deliver_one(struct loop *loop)
{
    struct loop_message message;

    if (!mailbox_take(loop->mailbox, &message))
        return false;
    if (!message.deliver) /* forgotten meanwhile */
        return true;
    counter_add(&loop->stats.messages, 1);
    message.deliver(message.target, message.payload, loop_now(loop));
    return true;
}

static void on_mail(evutil_socket_t fd, short what, void *arg)
{
    struct loop *loop = arg;
    uint64_t rings;
    int delivered = 0;
    (void)what;

    loop_enter(loop, "mailbox");
    if (read(fd, &rings, sizeof rings) < 0)
        rings = 0; /* rung by nobody: look all the same */
    /* Before looking: who posts from here on rings again. An exchange and not a store, so that
     * what was posted by those who found it rung already is seen. */
    atomic_exchange(&loop->mail_told, false);
    while (delivered < MESSAGES_PER_TURN && deliver_one(loop))
        delivered++;
    if (delivered == MESSAGES_PER_TURN)
        ring(loop);
    loop_leave(loop);
}

/* What was posted before loop_stop is delivered. What comes later stays for the next run. */
static void deliver_rest(struct loop *loop)
{
    const uint64_t until = mailbox_put_count(loop->mailbox);

    while ((int64_t)(until - mailbox_taken_count(loop->mailbox)) > 0) {
        if (!deliver_one(loop))
            sched_yield(); /* a post by another thread is half done */
    }
}

/* --- deferred calls ---------------------------------------------------------------------- */

int loop_defer(struct loop *loop, void (*fn)(void *arg), void *arg)
{
    if (loop->deferred_count == loop->deferred_capacity) {
        const size_t capacity = loop->deferred_capacity * 2;
        struct deferred *grown = realloc(loop->deferred, capacity * sizeof *grown);

        if (!grown)
            return RC_NOMEM;
        loop->deferred = grown;
        loop->deferred_capacity = capacity;
    }
    loop->deferred[loop->deferred_count++] = (struct deferred){fn, arg};
    return RC_OK;
}

static void run_deferred(struct loop *loop)
{
    if (loop->deferred_count == 0)
        return;
    loop_enter(loop, "deferred");
    for (size_t i = 0; i < loop->deferred_count; i++) {
        const struct deferred one = loop->deferred[i]; /* the array may move while it runs */

        one.fn(one.arg);
    }
    loop->deferred_count = 0;
    loop_leave(loop);
}

/* --- turns ------------------------------------------------------------------------------- */

static void run_timers(struct loop *loop)
{
    const usec_t next = timers_next(loop->timers);

    if (next == USEC_NEVER || next > loop_now(loop))
        return;
    loop_enter(loop, "timers");
    timers_run(loop->timers, loop_now(loop));
    loop_leave(loop);
}

/* How much of the last window this thread was on a processor decides whether to keep the pace.
 */
static void look_at_load(struct pace *pace, usec_t now)
{
    struct timespec t;

    if (now < pace->window + PACE_WINDOW)
        return;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    const usec_t cpu = (usec_t)t.tv_sec * SEC(1) + (usec_t)t.tv_nsec / 1000;
    const usec_t share = (cpu - pace->cpu) * 100 / (now - pace->window);
    pace->kept = share > (pace->kept ? PACE_LEAVE : PACE_ENTER);
    pace->cpu = cpu;
    pace->window = now;
}

/* `began`: when the turn did. */
static void finish_turn(struct loop *loop, usec_t began)
{
    struct pace *pace = &loop->pace;
    const usec_t now = clock_now(), next = began + pace->interval;

    if (loop->now)
        counter_add(&loop->stats.busy_usec, now - loop->now);
    if (!pace->interval)
        return;
    look_at_load(pace, now);
    if (pace->kept && now < next && loop->deferred_count == 0) {
        const struct timespec rest = {0, (long)(next - now) * 1000};

        (void)nanosleep(&rest, NULL);
    }
}

/* With a pace, a timer that is due before the next turn is over needs no alarm, which costs
 * three system calls: the turn doesn't wait. */
static bool is_timer_near(const struct loop *loop, usec_t now)
{
    return loop->pace.kept && timers_next(loop->timers) <= now + loop->pace.interval;
}

void loop_set_pace(struct loop *loop, usec_t interval)
{
    loop->pace.interval = interval;
}

bool loop_keeps_pace(const struct loop *loop)
{
    return loop->pace.interval && loop->pace.kept;
}

void loop_turn(struct loop *loop)
{
    const usec_t began = loop->pace.kept ? clock_now() : 0;
    const bool near = is_timer_near(loop, began);

    if (!near)
        set_alarm(loop);
    loop->now = 0; /* somebody may have asked between two turns */
    event_base_loop(loop->base, loop->deferred_count || near ? EVLOOP_NONBLOCK : EVLOOP_ONCE);
    run_timers(loop);
    run_deferred(loop);

    counter_add(&loop->stats.turns, 1);
    if (loop->now || near)
        finish_turn(loop, loop->now ? loop->now : began);
    loop->now = 0;
}

void loop_run(struct loop *loop)
{
    while (!atomic_load(&loop->stopping))
        loop_turn(loop);
    deliver_rest(loop);
    run_deferred(loop);
    atomic_store(&loop->stopping, false);
}

struct event_base *loop_base(struct loop *loop)
{
    return loop->base;
}

struct timers *loop_timers(struct loop *loop)
{
    return loop->timers;
}

const char *loop_name(const struct loop *loop)
{
    return loop->name;
}

struct loop_stats *loop_stats(struct loop *loop)
{
    return &loop->stats;
}

/* --- life -------------------------------------------------------------------------------- */

static struct event_base *new_base(void)
{
    struct event_config *config = event_config_new();
    struct event_base *base = NULL;

    if (!config)
        return NULL;
    if (event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK) == 0)
        base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

static struct event *watch(struct loop *loop, int fd, event_callback_fn fn)
{
    struct event *event = event_new(loop->base, fd, EV_READ | EV_PERSIST, fn, loop);

    if (event && event_add(event, NULL) < 0) {
        event_free(event);
        return NULL;
    }
    return event;
}

static int build(struct loop *loop, uint32_t mailbox_capacity)
{
    loop->mail_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    loop->alarm_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (loop->mail_fd < 0 || loop->alarm_fd < 0)
        return RC_SYS;

    const int rc = mailbox_create(&loop->mailbox,
                                  mailbox_capacity ? mailbox_capacity : LOOP_MAILBOX_DEFAULT);
    if (rc != RC_OK)
        return rc;
    loop->base = new_base();
    loop->deferred = calloc(DEFERRED_FIRST, sizeof *loop->deferred);
    loop->deferred_capacity = DEFERRED_FIRST;
    if (!loop->base || !loop->deferred || timers_create(&loop->timers) != RC_OK)
        return RC_NOMEM;
    loop->mail = watch(loop, loop->mail_fd, on_mail);
    loop->alarm = watch(loop, loop->alarm_fd, on_alarm);
    return loop->mail && loop->alarm ? RC_OK : RC_NOMEM;
}

int loop_create(struct loop **out, const char *name, uint32_t mailbox_capacity)
{
    struct loop *loop = calloc(1, sizeof *loop);

    if (!loop)
        return RC_NOMEM;
    loop->name = name;
    loop->mail_fd = loop->alarm_fd = -1;
    loop->alarm_at = USEC_NEVER;
    signal(SIGPIPE, SIG_IGN);

    const int rc = build(loop, mailbox_capacity);
    if (rc != RC_OK) {
        loop_free(loop);
        return rc;
    }
    *out = loop;
    return RC_OK;
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    run_deferred(loop);
    mailbox_free(loop->mailbox);
    timers_free(loop->timers);
    free(loop->deferred);
    if (loop->mail)
        event_free(loop->mail);
    if (loop->alarm)
        event_free(loop->alarm);
    if (loop->base)
        event_base_free(loop->base);
    if (loop->mail_fd >= 0)
        close(loop->mail_fd);
    if (loop->alarm_fd >= 0)
        close(loop->alarm_fd);
    free(loop);
}

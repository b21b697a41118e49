#include "app/turn_splice.h"

#include "turn/splice_chunk.h"
#include "turn/splice_table.h"

#include <stdatomic.h>
#include <stdlib.h>

enum {
    CHUNKS_WAITING_MAX = 64, /* at one end, 4 MB: what is behind by more loses datagrams */
    DIRECTIONS = 2,          /* to clients, to media */
};

#define SWEEP_INTERVAL SEC(20)

struct splice_end {
    struct turn_splice *splice; /* borrowed */
    unsigned index;
    struct loop *loop;            /* borrowed */
    struct worker *media;         /* borrowed; NULL: no media on this thread */
    struct turn_worker *turn;     /* borrowed; NULL: no clients, or not any more */
    struct splice_table *clients; /* owned: by relayed address, of the clients of our media */
    struct timer sweep;
    _Atomic unsigned chunks_waiting; /* that others have posted to us */
    bool has_chunks;
    struct splice_chunk
        *chunk[SPLICE_ENDS_MAX][DIRECTIONS]; /* owned; NULL: nothing to hand over */
    size_t count;
    struct udp_datagram batch[UDP_DELIVER_MAX]; /* for our media */
};

struct turn_splice {
    unsigned workers;
    uint16_t port[RELAY_WORKERS_MAX];
    struct counter lost;
    /* Owned. Set and cleared by their threads, read by all. */
    _Atomic(struct splice_end *) end[SPLICE_ENDS_MAX];
    struct splice_end *made[SPLICE_ENDS_MAX];
};

/* --- to another end
 * ----------------------------------------------------------------------------- */

static void to_our_media(struct splice_end *end, const struct splice_datagram *datagram);
static void flush_media(struct splice_end *end, usec_t now);

static void take_chunk(struct splice_end *end, struct splice_chunk *chunk, usec_t now)
{
    struct splice_datagram datagram;

    for (size_t at = 0; splice_chunk_next(chunk, &at, &datagram);) {
        if (!chunk->to_media) {
            if (end->turn)
                (void)turn_worker_from_media(end->turn, &datagram.relayed, &datagram.peer,
                                             (struct span){datagram.data, datagram.len}, now);
            continue;
        }
        if (end->count == UDP_DELIVER_MAX)
            flush_media(end, now);
        if (splice_table_note(end->clients, &datagram.relayed, chunk->origin, now) == RC_OK)
            to_our_media(end, &datagram);
    }
}

/* On the thread of the end. */
static void deliver_chunk(void *target, void *payload, usec_t now)
{
    struct splice_end *end = target;
    struct splice_chunk *chunk = payload;

    atomic_fetch_sub_explicit(&end->chunks_waiting, 1, memory_order_relaxed);
    if (atomic_load(&end->splice->end[end->index])) /* else it was closed meanwhile */
        take_chunk(end, chunk, now);
    flush_media(end, now);
    if (end->media)
        worker_flush(end->media); /* what goes to clients by UDP still points into the chunk */
    free(chunk);
}

static void post(struct splice_end *end, unsigned index, int direction)
{
    struct splice_end *other = atomic_load(&end->splice->end[index]);
    struct splice_chunk *chunk = end->chunk[index][direction];
    const struct loop_message message = {deliver_chunk, free, other, chunk};

    end->chunk[index][direction] = NULL;
    if (other && atomic_fetch_add_explicit(&other->chunks_waiting, 1, memory_order_relaxed) <
                     CHUNKS_WAITING_MAX) {
        if (loop_post(other->loop, &message) == RC_OK)
            return;
    }
    if (other)
        atomic_fetch_sub_explicit(&other->chunks_waiting, 1, memory_order_relaxed);
    counter_add_shared(&end->splice->lost, 1);
    free(chunk);
}

static void post_all(void *arg)
{
    struct splice_end *end = arg;

    if (!end->has_chunks)
        return;
    end->has_chunks = false;
    for (unsigned i = 0; i <= end->splice->workers; i++)
        for (int direction = 0; direction < DIRECTIONS; direction++)
            if (end->chunk[i][direction])
                post(end, i, direction);
}

static struct splice_chunk *chunk_for(struct splice_end *end, unsigned index, int direction)
{
    struct splice_chunk **chunk = &end->chunk[index][direction];

    if (*chunk || !(*chunk = malloc(sizeof **chunk)))
        return *chunk;
    (*chunk)->origin = end->index;
    (*chunk)->to_media = direction;
    (*chunk)->len = 0;
    if (!end->has_chunks) /* whoever makes datagrams without a flush behind them */
        (void)loop_defer(end->loop, post_all, end);
    end->has_chunks = true;
    return *chunk;
}

static void hand_over(struct splice_end *end, unsigned index, bool to_media,
                      const struct address *relayed, const struct address *peer,
                      struct span data)
{
    struct splice_chunk *chunk = chunk_for(end, index, to_media);

    if (chunk && splice_chunk_add(chunk, relayed, peer, data) == RC_FULL) {
        post(end, index, to_media);
        chunk = chunk_for(end, index, to_media);
        if (chunk)
            (void)splice_chunk_add(chunk, relayed, peer, data);
    }
}

/* --- to media
 * ------------------------------------------------------------------------------------ */

static void to_our_media(struct splice_end *end, const struct splice_datagram *datagram)
{
    struct udp_datagram *slot = &end->batch[end->count++];

    *slot =
        (struct udp_datagram){datagram->data, datagram->len, datagram->relayed, datagram->peer};
    address_set_port(&slot->local, 0);
}

static void flush_media(struct splice_end *end, usec_t now)
{
    if (end->count == 0)
        return;
    const size_t count = end->count;
    end->count = 0;
    worker_splice(end->media, end->batch, count, now);
}

static int worker_of_port(const struct turn_splice *splice, uint16_t port)
{
    for (unsigned i = 0; i < splice->workers; i++)
        if (splice->port[i] == port)
            return (int)i;
    return -1;
}

/* It lies in a buffer of ours that came in: the media may write there (SRTP is opened in
 * place). */
static uint8_t *writable(const uint8_t *p)
{
    union {
        const uint8_t *in;
        uint8_t *out;
    } pointer = {p};

    return pointer.out;
}

static void on_send(void *arg, const struct address *relayed, const struct address *peer,
                    struct span data, usec_t now)
{
    struct splice_end *end = arg;
    const int worker = worker_of_port(end->splice, address_port(peer));

    if (worker < 0)
        return;
    if ((unsigned)worker != end->index) {
        hand_over(end, (unsigned)worker, true, relayed, peer, data);
        return;
    }
    if (end->count == UDP_DELIVER_MAX)
        flush_media(end, now);
    if (splice_table_note(end->clients, relayed, end->index, now) == RC_OK)
        to_our_media(end, &(struct splice_datagram){*relayed, *peer, writable(data.p), data.n});
}

static void on_flush(void *arg, usec_t now)
{
    struct splice_end *end = arg;

    flush_media(end, now);
    post_all(end);
}

struct turn_media splice_end_media(struct splice_end *end)
{
    return (struct turn_media){end, on_send, on_flush};
}

/* --- to clients
 * ---------------------------------------------------------------------------------- */

bool splice_end_take(struct splice_end *end, const struct address *to,
                     const struct address *local, struct span data, usec_t now)
{
    const int origin = splice_table_find(end->clients, to);
    struct address peer = *local;

    if (origin < 0)
        return false;
    address_set_port(&peer, end->splice->port[end->index]);
    if ((unsigned)origin != end->index)
        hand_over(end, (unsigned)origin, false, to, &peer, data);
    else if (end->turn && !turn_worker_from_media(end->turn, to, &peer, data, now))
        splice_table_forget(end->clients, to);
    return true;
}

void splice_end_flush(struct splice_end *end, usec_t now)
{
    on_flush(end, now);
}

/* --- legs of clients over streams
 * ----------------------------------------------------------------------------------------- */

void splice_end_leg(struct splice_end *end, const struct address *to, struct relay_leg *out)
{
    const int origin = splice_table_find(end->clients, to);

    if (origin < 0)
        return;
    /* The control thread has those over TCP and TLS; which, and how they are doing, is
     * reported. */
    out->elsewhere = (unsigned)origin == end->splice->workers;
    out->path = out->elsewhere ? RELAY_PATH_TURN_TCP : RELAY_PATH_TURN_UDP;
}

struct leg_news {
    struct address relayed;
    struct relay_leg leg;
};

static void deliver_news(void *target, void *payload, usec_t now)
{
    struct splice_end *end = target;
    const struct leg_news *news = payload;
    (void)now;

    if (atomic_load(&end->splice->end[end->index]))
        worker_leg_report(end->media, &news->relayed, &news->leg);
    free(payload);
}

/* Which of them has the client's peer is not known here; the others don't know the address. */
void splice_end_report(struct splice_end *end, const struct address *relayed,
                       const struct relay_leg *leg)
{
    for (unsigned i = 0; i < end->splice->workers; i++) {
        struct splice_end *other = atomic_load(&end->splice->end[i]);
        struct leg_news *news = other ? malloc(sizeof *news) : NULL;
        const struct loop_message message = {deliver_news, free, other, news};

        if (!news)
            continue;
        *news = (struct leg_news){*relayed, *leg};
        if (loop_post(other->loop, &message) != RC_OK)
            free(news); /* it is said again in a second */
    }
}

/* --- life
 * ----------------------------------------------------------------------------------------- */

static void on_sweep(struct timer *timer, void *arg, usec_t now)
{
    struct splice_end *end = arg;

    splice_table_sweep(end->clients, now);
    (void)timers_set(loop_timers(end->loop), timer, now + SWEEP_INTERVAL);
}

int splice_end_open(struct splice_end **out, struct turn_splice *splice, unsigned index,
                    struct loop *loop, struct worker *media)
{
    struct splice_end *end = calloc(1, sizeof *end);

    if (!end)
        return RC_NOMEM;
    end->splice = splice;
    end->index = index;
    end->loop = loop;
    end->media = media;
    timer_init(&end->sweep, on_sweep, end);
    if (splice_table_create(&end->clients) != RC_OK ||
        (media && timers_set(loop_timers(loop), &end->sweep, SWEEP_INTERVAL) != RC_OK)) {
        splice_table_free(end->clients);
        free(end);
        return RC_NOMEM;
    }
    splice->made[index] = end;
    atomic_store(&splice->end[index], end);
    *out = end;
    return RC_OK;
}

void splice_end_serve(struct splice_end *end, struct turn_worker *turn)
{
    end->turn = turn;
}

void splice_end_close(struct splice_end *end)
{
    if (!end)
        return;
    post_all(end); /* the media's last words */
    atomic_store(&end->splice->end[end->index], NULL);
    timers_clear(loop_timers(end->loop), &end->sweep);
    end->turn = NULL;
    if (!end->media)
        loop_forget(end->loop, end);
}

int turn_splice_create(struct turn_splice **out, const uint16_t *port, unsigned workers)
{
    struct turn_splice *splice = calloc(1, sizeof *splice);

    if (!splice)
        return RC_NOMEM;
    splice->workers = workers;
    for (unsigned i = 0; i < workers; i++)
        splice->port[i] = port[i];
    *out = splice;
    return RC_OK;
}

void turn_splice_free(struct turn_splice *splice)
{
    if (!splice)
        return;
    for (unsigned i = 0; i < SPLICE_ENDS_MAX; i++) {
        struct splice_end *end = splice->made[i];

        for (unsigned k = 0; end && k < SPLICE_ENDS_MAX; k++)
            for (int direction = 0; direction < DIRECTIONS; direction++)
                free(end->chunk[k][direction]);
        if (end)
            splice_table_free(end->clients);
        free(end);
    }
    free(splice);
}

struct counter *turn_splice_lost(struct turn_splice *splice)
{
    return &splice->lost;
}

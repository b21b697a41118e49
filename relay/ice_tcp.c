#include "relay/ice_tcp.h"

#include "core/count_by_ip.h"
#include "core/refusal.h"
#include "core/stream.h"
#include "relay/ice.h"
#include "relay/stream_frame.h"
#include "relay/worker.h"

#include <stdlib.h>
#include <sys/queue.h>

/* What must be set right when a connection that was given away ends. */
struct ticket {
    TAILQ_ENTRY(ticket) link;
    struct listener *listener; /* borrowed; waits for us */
    struct address from;
};

struct ice_tcp {
    struct ice_tcp_options options;
    struct count_by_ip counts;
    TAILQ_HEAD(, ticket) tickets;
    uint32_t count;
};

int ice_tcp_create(struct ice_tcp **out, const struct ice_tcp_options *options)
{
    struct ice_tcp *tcp = calloc(1, sizeof *tcp);

    if (!tcp)
        return RC_NOMEM;
    tcp->options = *options;
    TAILQ_INIT(&tcp->tickets);
    *out = tcp;
    return RC_OK;
}

void ice_tcp_set_limit(struct ice_tcp *tcp, uint32_t max_per_ip)
{
    tcp->options.max_per_ip = max_per_ip;
}

static void tear(struct ice_tcp *tcp, struct ticket *ticket)
{
    count_by_ip_remove(&tcp->counts, &ticket->from);
    TAILQ_REMOVE(&tcp->tickets, ticket, link);
    tcp->count--;
    free(ticket);
}

uint32_t ice_tcp_connections(const struct ice_tcp *tcp)
{
    return tcp->count;
}

void ice_tcp_closed(struct ice_tcp *tcp, void *arg)
{
    struct ticket *ticket = arg;
    struct listener *listener = ticket->listener;

    tear(tcp, ticket);
    listener_forget(listener);
}

void ice_tcp_free(struct ice_tcp *tcp)
{
    struct ticket *ticket;

    if (!tcp)
        return;
    while ((ticket = TAILQ_FIRST(&tcp->tickets)))
        ice_tcp_closed(tcp, ticket);
    free(tcp);
}

static struct ticket *write_ticket(struct ice_tcp *tcp, struct listener *listener,
                                   const struct address *from)
{
    struct ticket *ticket = malloc(sizeof *ticket);

    if (!ticket || count_by_ip_add(&tcp->counts, from) != RC_OK) {
        free(ticket);
        return NULL;
    }
    *ticket = (struct ticket){.listener = listener, .from = *from};
    TAILQ_INSERT_TAIL(&tcp->tickets, ticket, link);
    tcp->count++;
    return ticket;
}

/* Whose is it? With the reason when it is nobody's. */
static enum refusal find_worker(const struct ice_tcp *tcp, const struct address *from,
                                struct span first, struct worker **out)
{
    const struct ice_tcp_options *o = &tcp->options;
    char ufrag[ICE_UFRAG_LEN + 1];
    struct span check;

    if (stream_frame_next(&first, &check) != RC_OK || ice_message_ufrag(check, ufrag) != RC_OK)
        return REFUSAL_STUN_MALFORMED;
    *out = o->find(o->arg, ufrag);
    if (!*out)
        return REFUSAL_STUN_UNKNOWN_USER;
    if (o->max_per_ip && count_by_ip_get(&tcp->counts, from) >= o->max_per_ip)
        return REFUSAL_STREAM_LIMIT;
    return REFUSAL_NONE;
}

/* RC_OK: it is the worker's from now on. */
static int give(struct ice_tcp *tcp, struct worker *worker, struct listener *listener,
                struct ice_stream_arrival arrival)
{
    struct ticket *ticket = write_ticket(tcp, listener, &arrival.peer);

    if (!ticket)
        return RC_NOMEM;
    arrival.ticket = ticket;
    const int rc = worker_take(worker, &arrival);
    if (rc != RC_OK)
        tear(tcp, ticket);
    return rc;
}

static void take(void *arg, struct listener *listener, const struct stream *stream,
                 const struct address *from, struct span first)
{
    const struct ice_stream_arrival arrival = {
        .stream = *stream, .peer = *from, .first = first};
    struct stream refused = *stream;
    struct worker *worker = NULL;

    enum refusal why = find_worker(arg, from, first, &worker);
    if (why == REFUSAL_NONE && give(arg, worker, listener, arrival) == RC_OK)
        return;
    refuse(why == REFUSAL_NONE ? REFUSAL_SERVER_FULL : why);
    stream_close(&refused);
    listener_forget(listener);
}

struct listener_protocol ice_tcp_protocol(struct ice_tcp *tcp)
{
    return (struct listener_protocol){
        .name = "ice-tcp", .recognise = stream_frame_recognise, .take = take, .arg = tcp};
}

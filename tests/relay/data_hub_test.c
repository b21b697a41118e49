/*
 * The hub's thread: packets from several threads, commands from one, packets back.
 */
#include "core/refusal.h"
#include "relay/data_hub.h"
#include "relay/sctp_association.h"
#include "tests/sim/sctp_client_lib.h"
#include "tests/t.h"

#include <pthread.h>
#include <time.h>

#define CLIENTS 8
#define PATIENCE 20 /* seconds until a case is given up */

struct packet {
    struct packet *next;
    uint64_t peer;
    size_t n;
    uint8_t bytes[];
};

struct person {
    uint64_t id;
    struct sctp_client *client;
    unsigned messages, opens, acks, resets;
    uint16_t open_stream;
};

static struct loop *control;
static struct data_hub *hub;
static struct person people[CLIENTS + 1];

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t arrived = PTHREAD_COND_INITIALIZER;
static struct packet *first, **last = &first;
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER; /* who holds it stops the hub */

/* --- the hub's world ---------------------------------------------------------------------- */

/* On the hub's thread. */
static void on_send(void *arg, unsigned worker, uint64_t peer, struct span bytes)
{
    struct packet *packet = malloc(sizeof *packet + bytes.n);
    (void)arg;
    (void)worker;

    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    *packet = (struct packet){.peer = peer, .n = bytes.n};
    memcpy(packet->bytes, bytes.p, bytes.n);
    pthread_mutex_lock(&lock);
    *last = packet;
    last = &packet->next;
    pthread_cond_signal(&arrived);
    pthread_mutex_unlock(&lock);
}

static struct packet *take(const struct timespec *deadline)
{
    struct packet *packet = NULL;

    pthread_mutex_lock(&lock);
    while (!first && pthread_cond_timedwait(&arrived, &lock, deadline) == 0)
        continue;
    packet = first;
    if (packet)
        first = packet->next;
    if (!first)
        last = &first;
    pthread_mutex_unlock(&lock);
    return packet;
}

/* Hands packets to the clients until `done`; fails when nothing comes for long. */
static void run_until(bool (*done)(void))
{
    struct timespec deadline;

    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += PATIENCE;
    while (!done()) {
        struct packet *packet = take(&deadline);

        T_OK(packet != NULL);
        sctp_client_input(people[packet->peer].client, (struct span){packet->bytes, packet->n});
        free(packet);
    }
}

static void to_hub(void *arg, struct span packet)
{
    const struct person *person = arg;

    (void)data_hub_packet(hub, person->id, packet);
}

static void on_message(void *arg, const struct sctp_client_message *m)
{
    struct person *person = arg;

    if (m->ppid != 50) {
        person->messages++;
    } else if (m->data.p[0] == 2) {
        person->acks++;
    } else {
        person->opens++;
        person->open_stream = m->stream;
        sctp_client_send(person->client, &(struct sctp_client_message){m->stream, 50, false,
                                                                       SPAN_LITERAL("\x02")});
    }
}

static void on_reset(void *arg, uint16_t stream)
{
    struct person *person = arg;

    person->resets++;
    sctp_client_reset(person->client, stream);
}

static struct person *arrives(uint64_t id)
{
    struct person *person = &people[id];
    const struct sctp_client_output output = {person, to_hub, on_message, on_reset};
    const struct data_switch_peer peer = {
        .id = id,
        .data = {.present = true,
                 .remote_sctp_port = SCTP_CLIENT_PORT,
                 .local_sctp_port = SCTP_CLIENT_PORT,
                 .max_message_size = SCTP_MESSAGE_MAX,
                 .local_max_message_size = SCTP_MESSAGE_MAX},
    };

    *person = (struct person){.id = id};
    person->client = sctp_client_create(&output, (uint32_t)id * 99);
    T_EQ(data_hub_open(hub, &peer), RC_OK);
    return person;
}

static void begin(void)
{
    T_EQ(loop_create(&control, "control", 64), RC_OK);
    T_EQ(data_hub_start(&hub, &(struct data_hub_options){control, on_send, NULL}), RC_OK);
}

static void finish(void)
{
    struct packet *packet;

    data_hub_free(hub);
    loop_free(control);
    for (size_t i = 0; i <= CLIENTS; i++) {
        sctp_client_free(people[i].client);
        people[i].client = NULL;
    }
    while ((packet = first)) {
        first = packet->next;
        free(packet);
    }
    last = &first;
}

/* --- the cases ---------------------------------------------------------------------------- */

static bool first_two_are_acknowledged(void)
{
    return people[1].acks == 1 && people[2].acks == 1;
}

static bool mirror_is_there(void)
{
    return people[2].opens == 1;
}

static bool second_has_heard(void)
{
    return people[2].messages == 1;
}

static bool mirror_is_gone(void)
{
    return people[2].resets == 1;
}

static void two_clients_are_linked_and_parted(void)
{
    begin();
    struct person *a = arrives(1), *b = arrives(2);
    sctp_client_connect(a->client);
    sctp_client_connect(b->client);
    sctp_client_open(a->client, 0, 0, 0, "chat");
    sctp_client_open(b->client, 0, 0, 0, "other");
    run_until(first_two_are_acknowledged);
    T_EQ(data_hub_link(hub, 1, 2), RC_OK);
    run_until(mirror_is_there);
    sctp_client_send(a->client,
                     &(struct sctp_client_message){0, 51, false, SPAN_LITERAL("hello")});
    run_until(second_has_heard);
    T_EQ(data_hub_unlink(hub, 1, 2), RC_OK);
    run_until(mirror_is_gone);
    T_EQ(counter_get(&data_hub_stats(hub)->link.messages), 1);
    T_EQ(data_hub_close(hub, 1), RC_OK);
    T_EQ(data_hub_close(hub, 1), RC_OK);
    T_EQ(data_hub_link(hub, 1, 2), RC_OK);
    finish();
}

static bool all_are_acknowledged(void)
{
    for (size_t i = 1; i <= CLIENTS; i++)
        if (people[i].acks == 0)
            return false;
    return true;
}

static void *post_junk(void *arg)
{
    const uint64_t id = *(const uint64_t *)arg;

    for (unsigned i = 0; i < 2000; i++)
        (void)data_hub_packet(hub, id, SPAN_LITERAL("nothing that SCTP knows"));
    return NULL;
}

static void packets_of_many_threads_come_through(void)
{
    static const uint64_t ids[] = {1, 2, 77};
    pthread_t threads[ARRAY_LEN(ids)];

    begin();
    for (uint64_t i = 1; i <= CLIENTS; i++) {
        sctp_client_connect(arrives(i)->client);
        sctp_client_open(people[i].client, 0, 0, 0, "chat");
    }
    run_until(all_are_acknowledged);
    for (uint64_t i = 1; i < CLIENTS; i += 2)
        T_EQ(data_hub_link(hub, i, i + 1), RC_OK);
    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        T_EQ(pthread_create(&threads[i], NULL, post_junk, (void *)(uintptr_t)&ids[i]), 0);
    for (unsigned i = 0; i < 50; i++)
        for (size_t j = 3; j <= CLIENTS; j++)
            (void)data_hub_packet(hub, j, SPAN_LITERAL("junk as well"));
    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        pthread_join(threads[i], NULL);
    sctp_client_send(people[1].client,
                     &(struct sctp_client_message){0, 51, false, SPAN_LITERAL("hello")});
    while (data_hub_packet(hub, 1, SPAN_LITERAL("")) == RC_FULL)
        continue; /* there is room for one client's packets again, so the flood is over */
    sctp_client_tick(people[1].client);
    run_until(second_has_heard);
    finish();
}

static bool first_is_up(void)
{
    return sctp_client_up(people[1].client);
}

static void one_who_floods_a_busy_hub_is_refused_and_others_are_not(void)
{
    const uint64_t before = refusal_total(REFUSAL_DATA_OVERLOAD);
    unsigned taken = 0;

    begin();
    struct person *a = arrives(1);
    (void)arrives(2);
    sctp_client_connect(a->client);
    run_until(first_is_up);

    pthread_mutex_lock(&gate);
    sctp_client_open(a->client, 0, 0, 0, "chat"); /* its ACK stops the hub at the gate */
    for (unsigned i = 0; i < 2 * DATA_HUB_QUEUE_PER_PEER; i++)
        taken += data_hub_packet(hub, 1, SPAN_LITERAL("flood")) == RC_OK;
    const int other = data_hub_packet(hub, 2, SPAN_LITERAL("one"));
    pthread_mutex_unlock(&gate);
    T_OK(taken <= DATA_HUB_QUEUE_PER_PEER + 2);
    T_OK(taken >= DATA_HUB_QUEUE_PER_PEER - 2);
    T_EQ(refusal_total(REFUSAL_DATA_OVERLOAD), before + 2 * DATA_HUB_QUEUE_PER_PEER - taken);
    T_EQ(other, RC_OK);
    finish();
}

static void there_is_one_hub_in_a_process(void)
{
    struct data_hub *second = NULL;

    begin();
    T_EQ(data_hub_start(&second, &(struct data_hub_options){control, on_send, NULL}), RC_FULL);
    T_OK(second == NULL);
    finish();
    begin();
    finish();
}

static const struct t_case cases[] = {
    T_CASE(two_clients_are_linked_and_parted),
    T_CASE(packets_of_many_threads_come_through),
    T_CASE(one_who_floods_a_busy_hub_is_refused_and_others_are_not),
    T_CASE(there_is_one_hub_in_a_process),
};
T_MAIN(cases)

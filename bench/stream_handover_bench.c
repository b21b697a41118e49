/*
 * What it costs that media over TCP and TLS is written by the worker that has it, or handed to
 * the thread that made the TLS handshake: CPU of both threads per packet, and how long a packet
 * takes until it is written. Frames of five packets of 1100 bytes, 1000 frames a second, over
 * loopback.
 */
#include "core/clock.h"
#include "core/loop.h"
#include "core/stream_pump.h"
#include "core/tls.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PACKET = 1100, FRAME = 5, FRAMES = 3000 };
#define INTERVAL MSEC(1)
#define MUST(cond)                                                                             \
    ((cond) ? (void)0 : (fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond), abort()))

enum way { DIRECT, BY_FRAME, BY_PACKET };

struct frame {
    usec_t made;
    size_t count;
    uint8_t bytes[FRAME][PACKET];
};

static struct {
    enum way way;
    struct loop *worker, *control;
    struct stream stream;
    struct stream_legs legs;
    struct stream_leg *leg;
    uint32_t lowat;
    struct timer tick;
    usec_t due;
    unsigned frames;
    _Atomic unsigned written; /* packets */
    uint64_t waited;          /* microseconds of all packets, until they were written */
    double worker_cpu, control_cpu;
} w;

static double thread_cpu(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static void put(const uint8_t *packet, usec_t now)
{
    uint8_t head[2];
    const struct packet_parts parts = {{head, 2}, {packet, PACKET}, 0};

    store_be16(head, PACKET);
    (void)stream_leg_put(w.leg, &parts, now); /* on a busy machine there may be no room */
}

static void write_out(usec_t made, size_t count)
{
    MUST(stream_pump(&w.stream, w.leg, &w.lowat, clock_now()) != STREAM_PUMP_BROKEN);
    w.waited += (clock_now() - made) * count;
    w.written += (unsigned)count;
}

static void deliver(void *target, void *payload, usec_t now)
{
    struct frame *frame = payload;
    (void)target;

    for (size_t i = 0; i < frame->count; i++)
        put(frame->bytes[i], now);
    write_out(frame->made, frame->count);
    free(frame);
}

static void hand_over(uint8_t packet[static PACKET], usec_t now, size_t frames, size_t each)
{
    for (size_t i = 0; i < frames; i++) {
        struct frame *frame = malloc(sizeof *frame);
        const struct loop_message message = {deliver, free, NULL, frame};

        MUST(frame);
        frame->made = now;
        frame->count = each;
        for (size_t k = 0; k < each; k++)
            memcpy(frame->bytes[k], packet, PACKET);
        MUST(loop_post(w.control, &message) == RC_OK);
    }
}

static void on_tick(struct timer *timer, void *arg, usec_t now)
{
    static uint8_t packet[PACKET] = {0x80, 96};
    const usec_t made = clock_now();
    (void)arg;

    if (w.frames++ == FRAMES) {
        w.worker_cpu = thread_cpu();
        loop_stop(w.worker);
        return;
    }
    store_be32(packet + 4, w.frames);
    switch (w.way) {
    case DIRECT:
        for (int i = 0; i < FRAME; i++)
            put(packet, now);
        write_out(made, FRAME);
        break;
    case BY_FRAME:
        hand_over(packet, made, 1, FRAME);
        break;
    case BY_PACKET:
        hand_over(packet, made, FRAME, 1);
        break;
    }
    w.due += INTERVAL;
    MUST(timers_set(loop_timers(w.worker), timer, w.due) == RC_OK);
}

static void *run_worker(void *arg)
{
    (void)arg;
    loop_run(w.worker);
    return NULL;
}

static void stop_control(void *target, void *payload, usec_t now)
{
    (void)target;
    (void)payload;
    (void)now;
    w.control_cpu = thread_cpu();
    loop_stop(w.control);
}

static void *run_control(void *arg)
{
    (void)arg;
    loop_run(w.control);
    return NULL;
}

/* The client: reads all of it, its time is not counted. */
static void *run_reader(void *arg)
{
    struct stream *client = arg;
    static uint8_t bytes[65536];

    for (;;) {
        const ssize_t n = client->tls ? SSL_read(client->tls, bytes, sizeof bytes)
                                      : recv(client->fd, bytes, sizeof bytes, 0);
        if (n <= 0)
            return NULL;
    }
}

/* A connection over loopback, both ends in this process; TLS if `context` is given. */
static void connect_both(struct stream *client, SSL_CTX *context)
{
    struct address at;
    socklen_t len = sizeof at;
    const int listening = socket(AF_INET, SOCK_STREAM, 0);

    MUST(address_parse(&at, "127.0.0.1") == RC_OK);
    MUST(bind(listening, &at.sa, address_len(&at)) == 0 && listen(listening, 1) == 0);
    MUST(getsockname(listening, &at.sa, &len) == 0);
    *client = (struct stream){.fd = socket(AF_INET, SOCK_STREAM, 0)};
    MUST(connect(client->fd, &at.sa, len) == 0);
    w.stream = (struct stream){.fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK)};
    MUST(w.stream.fd >= 0);
    close(listening);
    if (!context)
        return;
    SSL_CTX *theirs = SSL_CTX_new(TLS_client_method());
    MUST(theirs && stream_begin_tls(&w.stream, context) == RC_OK);
    client->tls = SSL_new(theirs);
    SSL_CTX_free(theirs);
    MUST(client->tls && SSL_set_fd(client->tls, client->fd) == 1);
    SSL_set_connect_state(client->tls);
    pthread_t thread; /* the client's half of the handshake blocks */
    unsigned wants;
    int rc;

    MUST(pthread_create(&thread, NULL, run_reader, client) == 0);
    while ((rc = stream_handshake(&w.stream, &wants)) == RC_AGAIN)
        usleep(1000);
    MUST(rc == RC_OK);
    pthread_detach(thread);
}

static void measure(const char *name, enum way way, SSL_CTX *context)
{
    struct stream client;
    pthread_t worker, control, reader;

    memset(&w, 0, sizeof w);
    w.way = way;
    MUST(loop_create(&w.worker, "worker", 0) == RC_OK);
    MUST(loop_create(&w.control, "control", 0) == RC_OK);
    stream_legs_init(&w.legs);
    MUST(stream_leg_create(&w.leg, &w.legs) == RC_OK);
    stream_leg_know(w.leg, 0, STREAM_LEG_ADMITTED);
    connect_both(&client, context);
    if (!context)
        MUST(pthread_create(&reader, NULL, run_reader, &client) == 0);
    w.due = clock_now() + INTERVAL;
    timer_init(&w.tick, on_tick, NULL);
    MUST(timers_set(loop_timers(w.worker), &w.tick, w.due) == RC_OK);
    MUST(pthread_create(&worker, NULL, run_worker, NULL) == 0);
    MUST(pthread_create(&control, NULL, run_control, NULL) == 0);
    pthread_join(worker, NULL);
    MUST(loop_post(w.control, &(struct loop_message){stop_control, NULL, NULL, NULL}) == RC_OK);
    pthread_join(control, NULL);

    const unsigned packets = w.written ? w.written : 1;
    printf("%-5s %-28s %6.2f us of CPU a packet, written after %4.0f us\n",
           context ? "TLS" : "plain", name, (w.worker_cpu + w.control_cpu) / packets,
           (double)w.waited / packets);
    fflush(stdout);
    stream_close(&w.stream);
    if (!context)
        pthread_join(reader, NULL);
    else
        usleep(50000); /* the reader has seen the end */
    stream_close(&client);
    stream_leg_free(w.leg);
    loop_free(w.worker);
    loop_free(w.control);
}

int main(void)
{
    char error[TLS_ERROR_MAX];
    SSL_CTX *context;

    MUST(tls_context_self_signed(&context, NULL, 0, error) == RC_OK);
    for (int tls = 0; tls < 2; tls++) {
        SSL_CTX *const with = tls ? context : NULL;

        measure("written by the worker", DIRECT, with);
        measure("handed over by the frame", BY_FRAME, with);
        measure("handed over by the packet", BY_PACKET, with);
    }
    SSL_CTX_free(context);
    return EXIT_SUCCESS;
}

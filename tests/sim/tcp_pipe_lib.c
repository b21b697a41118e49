#include "tests/sim/tcp_pipe_lib.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FRAME_HEAD 2
#define SLACK 32
#define MUST(cond)                                                                             \
    ((cond) ? (void)0 : (printf("# %s:%d: %s\n", __FILE__, __LINE__, #cond), abort()))

static struct tcp_pipe_write *at(struct tcp_pipe *pipe, uint64_t count)
{
    return &pipe->write[count % TCP_PIPE_WRITES_MAX];
}

void tcp_pipe_clear(struct tcp_pipe *pipe)
{
    for (; pipe->first_arriving < pipe->end; pipe->first_arriving++)
        free(at(pipe, pipe->first_arriving)->bytes);
    pipe->first_passing = pipe->first_acking = pipe->end;
}

void tcp_pipe_write(struct tcp_pipe *pipe, struct span bytes, usec_t now)
{
    struct tcp_pipe_write *write = at(pipe, pipe->end);
    const usec_t begin = pipe->free > now ? pipe->free : now;

    MUST(pipe->end - pipe->first_acking < TCP_PIPE_WRITES_MAX);
    *write = (struct tcp_pipe_write){.len = bytes.n, .bytes = malloc(bytes.n)};
    MUST(write->bytes);
    memcpy(write->bytes, bytes.p, bytes.n);
    pipe->free = pipe->bitrate ? begin + bytes.n * 8 * SEC(1) / pipe->bitrate : begin;
    write->passes = pipe->free;
    pipe->written += bytes.n;
    pipe->end++;
}

/* Whole packets go to the receiver, who may change them in place. */
static void arrive(struct tcp_pipe *pipe, const struct tcp_pipe_write *write)
{
    for (size_t done = 0; done < write->len;) {
        size_t n = sizeof pipe->rest - pipe->have;

        n = write->len - done < n ? write->len - done : n;
        memcpy(pipe->rest + pipe->have, write->bytes + done, n);
        pipe->have += n;
        done += n;
        while (pipe->have >= FRAME_HEAD) {
            uint8_t packet[2048 + SLACK];
            const size_t len = load_be16(pipe->rest);

            MUST(len <= 2048);
            if (pipe->have < FRAME_HEAD + len)
                break;
            memcpy(packet, pipe->rest + FRAME_HEAD, len);
            pipe->have -= FRAME_HEAD + len;
            memmove(pipe->rest, pipe->rest + FRAME_HEAD + len, pipe->have);
            pipe->deliver(pipe->arg, packet, len);
        }
    }
}

void tcp_pipe_run(struct tcp_pipe *pipe, usec_t now)
{
    for (; pipe->first_passing < pipe->end && at(pipe, pipe->first_passing)->passes <= now;
         pipe->first_passing++)
        pipe->passed += at(pipe, pipe->first_passing)->len;
    while (pipe->first_arriving < pipe->end &&
           at(pipe, pipe->first_arriving)->passes + pipe->delay <= now) {
        struct tcp_pipe_write *write = at(pipe, pipe->first_arriving++);

        arrive(pipe, write);
        free(write->bytes);
    }
    for (; pipe->first_acking < pipe->first_arriving &&
           at(pipe, pipe->first_acking)->passes + 2 * pipe->delay <= now;
         pipe->first_acking++)
        pipe->acked += at(pipe, pipe->first_acking)->len;
}

usec_t tcp_pipe_deadline(const struct tcp_pipe *pipe)
{
    const struct tcp_pipe_write *ring = pipe->write;
    usec_t due = USEC_NEVER;

    if (pipe->first_arriving < pipe->end)
        due = ring[pipe->first_arriving % TCP_PIPE_WRITES_MAX].passes + pipe->delay;
    if (pipe->first_acking < pipe->end) {
        const usec_t ack =
            ring[pipe->first_acking % TCP_PIPE_WRITES_MAX].passes + 2 * pipe->delay;
        due = ack < due ? ack : due;
    }
    return due;
}

struct stream_sample tcp_pipe_sample(const struct tcp_pipe *pipe, usec_t now)
{
    const usec_t trip = 2 * pipe->delay;

    return (struct stream_sample){
        .acked = pipe->acked,
        .in_flight = (uint32_t)(pipe->written - pipe->acked),
        .rtt_min = trip,
        .rtt = trip + (pipe->free > now ? pipe->free - now : 0),
    };
}

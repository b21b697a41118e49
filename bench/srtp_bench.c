/*
 * What SRTP costs: CPU microseconds per packet for each engine, profile and batch size, both
 * ways, and the memory of a context. Packets carry 1160 bytes of payload and belong to 50
 * peers.
 *
 *     build/bench/srtp_bench [packets per figure]
 */
#include "relay/srtp.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    PEERS = 50,
    PAYLOAD = 1160,
    RING =
        1600, /* packets protected at a go, then unprotected: a multiple of every batch size */
    ROOM = 1280,
    DEFAULT_PACKETS = 48000,
};

static const size_t batch_sizes[] = {1, 4, 8, 32};
static const enum srtp_engine_kind kinds[] = {SRTP_ENGINE_IPSEC_MB, SRTP_ENGINE_LIBSRTP};

struct bench {
    struct srtp_engine *engine;
    struct srtp_context *out[PEERS], *in[PEERS];
    uint16_t seq[PEERS];
    struct srtp_packet packets[RING];
    uint8_t (*rooms)[ROOM];
};

struct cost {
    double protect, unprotect;
};

static double cpu_us(void)
{
    struct timespec at;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &at);
    return (double)at.tv_sec * 1e6 + (double)at.tv_nsec / 1e3;
}

static struct srtp_context *context_of(struct srtp_engine *engine,
                                       const struct srtp_profile_info *profile,
                                       enum srtp_direction direction, uint8_t peer)
{
    static const uint8_t salt[SRTP_SALT_MAX] = {3};
    uint8_t key[SRTP_KEY_MAX] = {peer, 1, 2};
    struct srtp_context *context = NULL;

    if (srtp_context_create(&context, engine, profile->profile, direction,
                            (struct span){key, profile->key_len},
                            (struct span){salt, profile->salt_len}) != RC_OK)
        abort();
    return context;
}

/* The heap that one context takes before it has seen a packet. */
static size_t context_size(struct bench *bench, const struct srtp_profile_info *profile)
{
    srtp_context_free(context_of(bench->engine, profile, SRTP_INBOUND, 0)); /* lazy set-up */
    const size_t before = mallinfo2().uordblks;

    for (uint8_t i = 0; i < PEERS; i++) {
        bench->out[i] = context_of(bench->engine, profile, SRTP_OUTBOUND, i);
        bench->in[i] = context_of(bench->engine, profile, SRTP_INBOUND, i);
    }
    return (mallinfo2().uordblks - before) / (2 * PEERS);
}

static void free_contexts(struct bench *bench)
{
    for (size_t i = 0; i < PEERS; i++) {
        srtp_context_free(bench->out[i]);
        srtp_context_free(bench->in[i]);
    }
}

/* Runs of five packets for one peer, as video frames arrive. */
static void compose(struct bench *bench)
{
    for (size_t i = 0; i < RING; i++) {
        const size_t peer = i / 5 % PEERS;
        uint8_t *p = bench->rooms[i];

        memset(p, 0x55, 12 + PAYLOAD);
        p[0] = 0x80;
        p[1] = 96;
        store_be16(p + 2, bench->seq[peer]++);
        store_be32(p + 8, 0x1000 + (uint32_t)peer);
        bench->packets[i] = (struct srtp_packet){
            .context = bench->out[peer], .data = p, .len = 12 + PAYLOAD, .capacity = ROOM};
    }
}

static void must_be_accepted(const struct bench *bench)
{
    for (size_t i = 0; i < RING; i++) {
        if (bench->packets[i].refusal != REFUSAL_NONE) {
            fprintf(stderr, "refused: %s\n", refusal_code(bench->packets[i].refusal));
            exit(EXIT_FAILURE);
        }
    }
}

static struct cost measure(struct bench *bench, size_t batch, size_t rounds)
{
    struct cost cost = {0};

    for (size_t round = 0; round < rounds; round++) {
        compose(bench);
        const double start = cpu_us();
        for (size_t i = 0; i < RING; i += batch)
            srtp_engine_protect(bench->engine, &bench->packets[i], batch);
        cost.protect += cpu_us() - start;
        must_be_accepted(bench);

        for (size_t i = 0; i < RING; i++)
            bench->packets[i].context = bench->in[i / 5 % PEERS];
        const double middle = cpu_us();
        for (size_t i = 0; i < RING; i += batch)
            srtp_engine_unprotect(bench->engine, &bench->packets[i], batch);
        cost.unprotect += cpu_us() - middle;
        must_be_accepted(bench);
    }
    cost.protect /= (double)(rounds * RING);
    cost.unprotect /= (double)(rounds * RING);
    return cost;
}

static void print_row(struct bench *bench, const struct srtp_profile_info *profile,
                      size_t rounds)
{
    const size_t size = context_size(bench, profile);

    memset(bench->seq, 0, sizeof bench->seq);
    printf("%-9s %-23s", srtp_engine_name(bench->engine), profile->name + strlen("SRTP_"));
    measure(bench, 32, 1); /* warms caches; every SSRC is known from here on */
    for (size_t i = 0; i < ARRAY_LEN(batch_sizes); i++) {
        const struct cost cost = measure(bench, batch_sizes[i], rounds);
        printf("  %5.2f %5.2f", cost.protect, cost.unprotect);
    }
    printf("  %6zu\n", size);
    free_contexts(bench);
}

int main(int argc, char **argv)
{
    const size_t packets = argc > 1 ? strtoul(argv[1], NULL, 10) : DEFAULT_PACKETS;
    const size_t rounds = packets / RING ? packets / RING : 1;
    struct bench *bench = calloc(1, sizeof *bench);

    if (!bench || !(bench->rooms = calloc(RING, sizeof *bench->rooms)))
        return EXIT_FAILURE;
    printf("CPU us per packet of %d bytes: protect, unprotect; bytes per context\n",
           12 + PAYLOAD);
    printf("%-9s %-23s", "engine", "profile");
    for (size_t i = 0; i < ARRAY_LEN(batch_sizes); i++)
        printf("  batches of %2zu", batch_sizes[i]);
    printf("  memory\n");
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        if (srtp_engine_create(&bench->engine, kinds[k]) != RC_OK)
            return EXIT_FAILURE;
        for (size_t i = 0; i < SRTP_PROFILE_COUNT; i++)
            print_row(bench, &srtp_profiles[i], rounds);
        srtp_engine_free(bench->engine);
    }
    free(bench->rooms);
    free(bench);
    return EXIT_SUCCESS;
}

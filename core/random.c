#include "core/random.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>

/* RAND_bytes takes an int; nobody asks for more at once. */
#define CHUNK_MAX ((size_t)1 << 20)

void random_bytes(void *out, size_t n)
{
    uint8_t *p = out;

    while (n > 0) {
        const size_t part = n < CHUNK_MAX ? n : CHUNK_MAX;

        if (RAND_bytes(p, (int)part) != 1) {
            fputs("meetopia-relay: the system has no randomness, stopping\n", stderr);
            abort();
        }
        p += part;
        n -= part;
    }
}

uint32_t random_u32(void)
{
    uint32_t v;

    random_bytes(&v, sizeof v);
    return v;
}

uint64_t random_u64(void)
{
    uint64_t v;

    random_bytes(&v, sizeof v);
    return v;
}

/* 64 letters: six bits of a random byte pick one without bias. */
static void random_letters(char *buf, size_t n, const char letters[static 64])
{
    random_bytes(buf, n);
    for (size_t i = 0; i < n; i++)
        buf[i] = letters[(uint8_t)buf[i] & 63];
    buf[n] = '\0';
}

#define ALPHANUMERIC "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

void random_ice_chars(char *buf, size_t n)
{
    random_letters(buf, n, ALPHANUMERIC "+/");
}

void random_id(char *buf, size_t n)
{
    random_letters(buf, n, ALPHANUMERIC "-_");
}

/*
 * Fuzzes the small parsers of header fields: CORS rules and origins, X-Forwarded-For, query
 * parameters, chunked bodies. The first byte chooses, a NUL separates two texts.
 */
#include "signaling/chunked.h"
#include "signaling/cors.h"
#include "signaling/forwarded.h"
#include "signaling/query.h"

#include <stdlib.h>
#include <string.h>

#define MUST(cond) ((cond) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_cors(const char *rule, const char *origin)
{
    static const char *const local[] = {"https://*.example.org", "app.example.org:81"};
    struct cors *cors;

    if (cors_create(&cors, &rule, 1, NULL) == RC_OK) {
        (void)cors_check(cors, origin, rule);
        (void)cors_check(cors, rule, origin);
        cors_free(cors);
    }
    if (cors_create(&cors, local, 2, NULL) != RC_OK)
        abort();
    /* Whoever is let in names a host that ends so. */
    if (cors_check(cors, origin, NULL) == CORS_ALLOWED)
        MUST(strcasestr(origin, ".example.org") && !strpbrk(origin, "@?#\\ \r\n\t,"));
    cors_free(cors);
}

static void fuzz_forwarded(const char *first, const char *second)
{
    struct address_net trusted;
    struct address from;
    struct http_head head = {.field_count = 2};

    address_net_parse(&trusted, "10.0.0.0/8");
    address_parse(&from, "10.0.0.1:5");
    head.field[0].name = head.field[1].name = "X-Forwarded-For";
    head.field[0].value = first;
    head.field[1].value = second;
    const struct forwarded out = forwarded_resolve(&head, &from, false, &trusted, 1);
    MUST(address_len(&out.from) > 0);
}

static void fuzz_query(const char *query, const char *name)
{
    char buf[16];
    const int n = query_get(query, name, buf, sizeof buf);

    MUST(n < (int)sizeof buf);
    MUST(strlen(buf) == (size_t)(n < 0 ? 0 : n));
    if (n != 0)
        MUST(query_has(query, name));
}

/* The body of `in` in pieces; the length, or an error. */
static int decode(struct span in, size_t piece, uint8_t *body)
{
    struct chunked chunked = {0};
    size_t length = 0;

    for (size_t at = 0; at < in.n && !chunked_done(&chunked);) {
        const size_t n = in.n - at < piece ? in.n - at : piece;
        struct span data;
        const int used = chunked_input(&chunked, (struct span){in.p + at, n}, &data);

        if (used < 0)
            return used;
        MUST(used > 0 && (size_t)used <= n && data.n <= (size_t)used);
        if (data.n > 0)
            memcpy(body + length, data.p, data.n);
        length += data.n;
        at += (size_t)used;
    }
    return chunked_done(&chunked) ? (int)length : RC_AGAIN;
}

static void fuzz_chunked(struct span in)
{
    uint8_t *whole = malloc(in.n + 1), *cut = malloc(in.n + 1);

    if (!whole || !cut)
        abort();
    const int n = decode(in, in.n, whole);
    MUST(decode(in, 1, cut) == n);
    MUST(n <= 0 || memcmp(whole, cut, (size_t)n) == 0);
    free(whole);
    free(cut);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 4096)
        return 0;
    const uint8_t choice = data[0] % 4;
    if (choice == 3) {
        fuzz_chunked((struct span){data + 1, size - 1});
        return 0;
    }
    char *first = strndup((const char *)data + 1, size - 1);
    if (!first)
        abort();
    const size_t skip = strlen(first) + 2;
    char *second =
        strndup(skip < size ? (const char *)data + skip : "", skip < size ? size - skip : 0);
    if (!second)
        abort();
    if (choice == 0)
        fuzz_cors(first, second);
    else if (choice == 1)
        fuzz_forwarded(first, second);
    else
        fuzz_query(first, second);
    free(first);
    free(second);
    return 0;
}

/* Fuzzes proxy_protocol_parse(): what is read lies inside, and the answer does not depend on
 * how the bytes came in pieces. */
#include "core/proxy_protocol.h"

#include <stdlib.h>
#include <string.h>

#define MUST(cond) ((cond) ? (void)0 : abort()) /* active in every build, unlike assert */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An exact copy, so that the sanitizer sees the first byte past the end. */
static int parse(const uint8_t *data, size_t n, struct proxy_header *out, size_t *need)
{
    uint8_t *exact = malloc(n ? n : 1);

    MUST(exact);
    memcpy(exact, data, n);
    const int rc = proxy_protocol_parse((struct span){exact, n}, out, need);
    free(exact);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proxy_header whole = {.len = 1}, part;
    size_t need = 0, n = 1;

    if (size == 0)
        return 0;
    const int rc = parse(data, size, &whole, &need);
    MUST(rc == RC_OK || whole.len == 1);
    MUST(rc != RC_OK || (whole.len >= PROXY_PROTOCOL_FIXED && whole.len <= size));
    MUST(rc != RC_AGAIN || (need > size && need <= PROXY_PROTOCOL_MAX));
    if (rc == RC_OK && whole.has_client)
        MUST(address_len(&whole.from) > 0 && address_len(&whole.to) > 0);

    for (int rounds = 0; rounds < 4; rounds++) {
        const int piece = parse(data, n, &part, &need);
        if (piece != RC_AGAIN) {
            MUST(piece == rc);
            MUST(piece != RC_OK ||
                 (part.len == whole.len && part.has_client == whole.has_client));
            return 0;
        }
        MUST(need > n);
        if (need > size) {
            MUST(rc == RC_AGAIN || rc == RC_BAD);
            return 0;
        }
        n = need;
    }
    abort(); /* two steps are enough */
}

/* Fuzzes candidate_parse(): what it reads, it writes, and reads back the same. */
#include "relay/candidate.h"

#include <stdlib.h>
#include <string.h>

#define MUST(cond) ((cond) ? (void)0 : abort()) /* active in every build, unlike assert */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct candidate first, second;
    char text[CANDIDATE_TEXT_MAX];

    (void)candidate_is_end((const char *)data, size);
    if (candidate_parse((const char *)data, size, &first) != RC_OK)
        return 0;
    MUST(first.component >= 1 && first.component <= 256);
    MUST(strlen(first.foundation) >= 1);

    const int n = candidate_format(&first, text, sizeof text);
    if (first.type == CANDIDATE_OTHER_TYPE || first.transport == CANDIDATE_OTHER_TRANSPORT) {
        MUST(n == RC_BAD);
        return 0;
    }
    if (address_len(&first.address) == 0)
        return 0; /* a host name, which we don't keep */
    MUST(n > 0 && candidate_parse(text, (size_t)n, &second) == RC_OK);
    MUST(strcmp(first.foundation, second.foundation) == 0);
    MUST(first.priority == second.priority && first.transport == second.transport);
    MUST(address_equal(&first.address, &second.address));
    MUST(address_len(&first.related) == 0 || address_equal(&first.related, &second.related));
    return 0;
}

/* Fuzzes dcep_parse(): no name leaves the message, and what was read can be written and read.
 */
#include "core/utf8.h"
#include "relay/dcep.h"

#include <stdlib.h>
#include <string.h>

#define MUST(cond) ((cond) ? (void)0 : abort()) /* active in every build, unlike assert */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool same(struct span a, struct span b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dcep_message m, again;
    uint8_t buf[DCEP_MESSAGE_MAX];

    if (dcep_parse((struct span){data, size}, &m) != RC_OK)
        return 0;
    if (m.type == DCEP_ACK) {
        MUST(size == DCEP_ACK_LENGTH);
        return 0;
    }
    const struct dcep_open *open = &m.open;
    MUST(m.type == DCEP_OPEN);
    MUST(open->label.p == data + DCEP_OPEN_LENGTH);
    MUST(open->protocol.p == open->label.p + open->label.n);
    MUST(open->protocol.p + open->protocol.n == data + size);
    MUST(open->label.n <= DCEP_NAME_MAX && open->protocol.n <= DCEP_NAME_MAX);
    MUST(utf8_valid(open->label) && utf8_valid(open->protocol));

    MUST(dcep_write_open(buf, sizeof buf, open) == size);
    MUST(dcep_parse((struct span){buf, size}, &again) == RC_OK);
    MUST(again.open.delivery.unordered == open->delivery.unordered);
    MUST(again.open.delivery.reliability == open->delivery.reliability);
    MUST(again.open.delivery.limit == open->delivery.limit);
    MUST(again.open.priority == open->priority);
    MUST(same(again.open.label, open->label) && same(again.open.protocol, open->protocol));
    return 0;
}

/*
 * Fuzzes stun_scan(), ice_message_ufrag() and stun_binding_reply(): no span escapes, an answer
 * is itself well-formed, and never much longer than the question.
 *
 * The first byte's lowest bit asks for a right header length and a right FINGERPRINT behind the
 * rest, so that the checksum is no wall.
 */
#include "relay/ice.h"
#include "tests/relay/stun_builder_lib.h"

#include <stdlib.h>
#include <string.h>

#define MUST(cond) ((cond) ? (void)0 : abort()) /* active in every build, unlike assert */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool inside(struct span inner, struct span outer)
{
    if (!inner.p || inner.n == 0)
        return true;
    if (inner.p < outer.p || inner.n > outer.n)
        return false;
    return (size_t)(inner.p - outer.p) <= outer.n - inner.n;
}

static void check(struct span datagram)
{
    struct stun_budget budget = {0};
    struct stun_view view = {.type = 0xdead}, answer;
    struct address from;
    uint8_t reply[STUN_BINDING_REPLY_MAX];
    char ufrag[ICE_UFRAG_LEN + 1];
    size_t len = 99;

    const int rc = stun_scan(datagram, &view);
    MUST(rc == RC_OK || view.type == 0xdead);
    if (rc == RC_OK) {
        MUST(datagram.n >= STUN_HEADER_LEN && datagram.n <= STUN_MESSAGE_MAX);
        MUST(inside(view.username, datagram) && view.username.n <= STUN_USERNAME_MAX);
        MUST(inside((struct span){view.id, 12}, datagram));
        MUST(view.unknown_count <= STUN_UNKNOWN_MAX);
    }
    if (ice_message_ufrag(datagram, ufrag) == RC_OK)
        MUST(rc == RC_OK && strlen(ufrag) == ICE_UFRAG_LEN);

    MUST(address_parse(&from, datagram.n % 2 ? "192.0.2.1:1" : "[2001:db8::1]:1") == RC_OK);
    const enum refusal why = stun_binding_reply(&budget, datagram, &from, SEC(1), reply, &len);
    MUST(len <= sizeof reply && len <= datagram.n + 32);
    MUST(why == REFUSAL_NONE || len == 0);
    if (len > 0) {
        MUST(rc == RC_OK && stun_scan((struct span){reply, len}, &answer) == RC_OK);
        MUST(answer.has_fingerprint && memcmp(answer.id, view.id, 12) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct stun_builder builder;

    if (size < 1)
        return 0;
    if (!(data[0] & 1)) {
        check((struct span){data + 1, size - 1});
        return 0;
    }
    /* The rest is type, transaction id and attributes. */
    if (size < 15 || size > 1500)
        return 0;
    stun_builder_begin(&builder, load_be16(data + 1), data + 3);
    memcpy(builder.bytes + builder.n, data + 15, size - 15);
    builder.n += (size - 15) & ~(size_t)3;
    stun_builder_fingerprint(&builder);

    /* An exact copy, so that the sanitizer sees the first byte past the end. */
    uint8_t *exact = malloc(builder.n);
    MUST(exact);
    memcpy(exact, builder.bytes, builder.n);
    check((struct span){exact, builder.n});
    free(exact);
    return 0;
}

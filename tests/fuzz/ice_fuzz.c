/*
 * Fuzzes an ICE session: checks with attributes of the fuzzer's choice but, when it likes, with
 * the right user, integrity and fingerprint; restarts, silence, media and time in between.
 *
 * Input: steps of a kind byte, an argument byte and, for messages, a length byte and that many
 * bytes of attributes (or of datagram).
 */
#include "relay/ice.h"
#include "tests/relay/stun_builder_lib.h"

#include <stdlib.h>
#include <string.h>

#define MUST(cond) ((cond) ? (void)0 : abort()) /* active in every build, unlike assert */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ADDRESSES = 16 };

enum step {
    STEP_CHECK,     /* of the present credentials */
    STEP_OLD_CHECK, /* of the previous ones */
    STEP_RAW,       /* any datagram */
    STEP_RESTART,
    STEP_ALIVE,
    STEP_TIME,
    STEP_COUNT,
};

static struct ice_agent *agent;
static struct ice_session session;
static struct ice_output out;
static usec_t now;
static unsigned generation;
/* What the lookup table of an owner would hold, by the events alone. */
static bool table[ADDRESSES];

static struct address address_of(unsigned i)
{
    struct address a;
    static const char *const host[] = {"192.0.2.1:1", "[2001:db8::1]:1"};

    MUST(address_parse(&a, host[i % 2]) == RC_OK);
    address_set_port(&a, (uint16_t)(1000 + i % ADDRESSES));
    return a;
}

/* Random credentials would make runs differ. */
static void fix_credentials(void)
{
    memcpy(session.local.ufrag, "ufrag000", ICE_UFRAG_LEN);
    session.local.ufrag[7] = (char)('0' + generation++ % 10);
    memset(session.local.pwd, 'p', ICE_PWD_LEN);
}

static unsigned index_of(const struct address *a)
{
    return (unsigned)(address_port(a) - 1000) % ADDRESSES;
}

static void follow_events(void)
{
    MUST(out.removed_count <= ICE_PATHS_MAX);
    MUST(!(out.events & ICE_EVENT_ADDRESS_REMOVED) == !out.removed_count);
    for (unsigned i = 0; i < out.removed_count; i++) {
        MUST(table[index_of(&out.removed[i])]);
        table[index_of(&out.removed[i])] = false;
    }
    if (out.events & ICE_EVENT_ADDRESS_ADDED) {
        MUST(!table[index_of(&out.added)]);
        table[index_of(&out.added)] = true;
    }
}

static void check_session(void)
{
    MUST(session.path_count <= ICE_PATHS_MAX);
    MUST(session.selected >= -1 && session.selected < session.path_count);
    MUST((session.state == ICE_FAILED) == (session.why != REFUSAL_NONE));
    MUST(session.state != ICE_CONNECTED || ice_selected(&session));
    MUST(session.state != ICE_FAILED || session.path_count == 0);
    MUST(out.reply_len <= ICE_REPLY_MAX);
    for (unsigned i = 0; i < ADDRESSES; i++) {
        const struct address a = address_of(i);
        MUST(ice_accepts(&session, &a) == table[i]);
    }
}

static void input(struct span datagram, unsigned argument)
{
    const struct address from = address_of(argument & 15);
    const struct address local[2] = {{.sa = {.sa_family = AF_UNSPEC}}, address_of(3)};
    uint8_t *exact = malloc(datagram.n + 1);
    struct stun_view view;

    MUST(exact);
    memcpy(exact, datagram.p, datagram.n);
    const enum refusal why = ice_input(agent, &session, (struct span){exact, datagram.n}, &from,
                                       &local[argument >> 4 & 1], now, &out);
    free(exact);
    if (why) {
        MUST(out.events == 0 && out.reply_len == 0);
        return;
    }
    MUST(out.reply_len > 0);
    MUST(stun_scan((struct span){out.reply, out.reply_len}, &view) == RC_OK);
    MUST(view.has_fingerprint && view.has_integrity);
}

static void check_message(const struct ice_credentials *credentials, unsigned argument,
                          struct span attributes)
{
    static struct stun_builder builder;
    char username[32];

    stun_builder_begin(&builder, STUN_BINDING_REQUEST, (const uint8_t *)"transaction1");
    memcpy(builder.bytes + builder.n, attributes.p, attributes.n & ~(size_t)3);
    builder.n += attributes.n & ~(size_t)3;
    if (!(argument & 0x80)) {
        memcpy(username, credentials->ufrag, ICE_UFRAG_LEN);
        memcpy(username + ICE_UFRAG_LEN, ":abcd", 5);
        stun_builder_append(&builder, 0x0006, username, ICE_UFRAG_LEN + 5);
    }
    if (argument & 0x20)
        stun_builder_append(&builder, 0x0025, NULL, 0);
    stun_builder_integrity(&builder, credentials->pwd);
    if (!(argument & 0x40))
        stun_builder_fingerprint(&builder);
    input(stun_builder_span(&builder), argument);
}

static void tick(void)
{
    while (ice_deadline(&session) <= now) {
        const usec_t due = ice_deadline(&session);

        ice_tick(&session, due, &out);
        MUST(ice_deadline(&session) > due); /* else the loop of a server would spin */
        MUST(!out.reply_len);
        follow_events();
    }
    out.events = 0;
    out.removed_count = 0;
}

static void restart(void)
{
    MUST(ice_session_restart(&session, SPAN_LITERAL("efgh"),
                             SPAN_LITERAL("bbbbbbbbbbbbbbbbbbbbbb"), now, &out) == RC_OK);
    fix_credentials();
}

static void do_step(enum step step, uint8_t argument, struct span bytes)
{
    const struct address from = address_of(argument & 15);

    out.events = 0;
    out.removed_count = 0;
    switch (step) {
    case STEP_CHECK:
        check_message(&session.local, argument, bytes);
        break;
    case STEP_OLD_CHECK:
        if (session.previous.ufrag[0])
            check_message(&session.previous, argument, bytes);
        break;
    case STEP_RAW:
        input(bytes, argument);
        break;
    case STEP_RESTART:
        restart();
        break;
    case STEP_ALIVE:
        ice_alive(&session, &from, now);
        break;
    case STEP_TIME:
    case STEP_COUNT:
        now += argument * MSEC(100);
        tick();
        break;
    }
    follow_events();
    check_session();
}

static void begin(void)
{
    if (!agent)
        MUST(ice_agent_create(&agent) == RC_OK);
    now = SEC(1000);
    generation = 0;
    memset(table, 0, sizeof table);
    MUST(ice_session_init(&session, SPAN_LITERAL("abcd"),
                          SPAN_LITERAL("aaaaaaaaaaaaaaaaaaaaaa"), now) == RC_OK);
    fix_credentials();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span rest = {data, size};

    begin();
    while (rest.n >= 3) {
        const enum step step = rest.p[0] % STEP_COUNT;
        const uint8_t argument = rest.p[1];
        size_t n = step <= STEP_RAW ? rest.p[2] : 0;

        rest.p += 3;
        rest.n -= 3;
        if (n > rest.n)
            n = rest.n;
        do_step(step, argument, (struct span){rest.p, n});
        rest.p += n;
        rest.n -= n;
    }
    return 0;
}

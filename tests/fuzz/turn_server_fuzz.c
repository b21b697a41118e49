/*
 * Fuzzes the TURN server as a state machine: requests of the fuzzer's choice, authenticated or
 * not, of six clients on four transports; data both ways, peers' connections, streams that end,
 * and time.
 *
 * Input: steps of a kind byte, a client byte and as many more as the kind wants.
 *
 * What must hold: nothing goes to a peer without a permission that holds; each allocation has
 * one relay or two and each open relay is an allocation's or reserved; one message in is at
 * most one message out, an indication or ChannelData none; strangers' answers are short; in the
 * end nothing is left open (turn_world_close).
 */
#include "tests/turn/turn_world_lib.h"

#include <stdlib.h>
#include <string.h>

#define MUST(cond) ((cond) ? (void)0 : abort()) /* active in every build, unlike assert */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CLIENTS = 6, PEERS = 8, NOTES = 256, STRANGERS_ANSWER_MAX = 180 };

enum step {
    STEP_REQUEST, /* authenticated */
    STEP_FORGED, /* wrong password, another user, no credentials, an old nonce, a spoilt byte */
    STEP_RAW,    /* any bytes */
    STEP_SEND,
    STEP_CHANNEL,
    STEP_FROM_PEER,
    STEP_ICMP,
    STEP_TIME,
    STEP_TCP,
    STEP_GONE,
    STEP_END_USER,
    STEP_FAULTS,
    STEP_COUNT,
};

static const char *const peers[PEERS] = {
    WORLD_PEER,  "198.51.100.7:7001", "198.51.100.8:7000", WORLD_PEER6,
    WORLD_MEDIA, WORLD_MEDIA6,        "203.0.113.9:50001", "10.0.0.1:22",
};

/* What was granted, as the answers say. */
struct note {
    const struct turn_relay *relay;
    unsigned times_opened;
    struct address ip;
    usec_t expires;
};

static struct turn_world w;
static struct tester clients[CLIENTS];
static struct note notes[NOTES];
static unsigned note_count;
static uint8_t ticket[64], token[8];
static size_t ticket_n;

static bool forging, bidding_down;

static struct span input;

static uint8_t next_byte(void)
{
    if (input.n == 0)
        return 0;
    input.n--;
    return *input.p++;
}

static struct span next_bytes(size_t n)
{
    const struct span bytes = {input.p, n < input.n ? n : input.n};

    input.p += bytes.n;
    input.n -= bytes.n;
    return bytes;
}

/* --- properties
 * -------------------------------------------------------------------------------- */

static void watch(struct turn_world *world, const struct turn_relay *relay,
                  const struct address *peer)
{
    bool granted = false;

    if (w.options.relay_ports_none) { /* the media, and by a synthetic address */
        const struct address media = turn_address(WORLD_MEDIA);
        MUST(relay == NULL && address_equal(peer, &media));
        return;
    }

    for (unsigned i = 0; i < note_count && i < NOTES; i++) {
        const struct note *note = &notes[i];
        granted |= note->relay == relay && note->times_opened == relay->times_opened &&
                   address_equal_ip(&note->ip, peer) && world->now < note->expires;
    }
    MUST(granted || note_count > NOTES);
}

static void note_grant(const struct tester *client, const struct address *peer)
{
    const struct turn_allocation *a = turn_server_find_client(w.server, &client->tuple);

    for (unsigned i = 0; i < 64; i++) {
        const struct turn_relay *relay = &w.relay[i];

        if (!relay->open || relay->owner != a || relay->family != peer->sa.sa_family)
            continue;
        if (note_count < NOTES)
            notes[note_count] =
                (struct note){relay, relay->times_opened, *peer, w.now + SEC(300)};
        note_count++;
    }
}

static void check_world(void)
{
    const struct turn_allocation *owners[64];
    unsigned count = 0, reserved = 0;

    MUST(turn_policy_allocations(w.policy) == turn_server_allocations(w.server));
    MUST(timers_next(w.timers) > w.now);
    if (w.options.relay_ports_none) {
        MUST(w.relays_open == 0);
        return;
    }

    for (unsigned i = 0; i < 64; i++) {
        const struct turn_relay *relay = &w.relay[i];
        unsigned k = 0;

        if (!relay->open)
            continue;
        reserved += relay->reserved;
        while (!relay->reserved && k < count && owners[k] != relay->owner)
            k++;
        if (!relay->reserved && k == count)
            owners[count++] = relay->owner;
    }
    MUST(count == turn_server_allocations(w.server));
    MUST(w.relays_open <= 2 * count + reserved);
}

/* --- requests --------------------------------------------------------------------------------
 */

static void put_peer(struct stun_builder *b)
{
    const struct address peer = turn_address(peers[next_byte() % PEERS]);

    stun_put_address(b, STUN_ATTR_XOR_PEER_ADDRESS, &peer);
}

static void put_number(struct stun_builder *b, uint16_t type, unsigned shift)
{
    stun_put_u32(b, type, (uint32_t)next_byte() << shift);
}

/* One attribute for each bit of two bytes. */
static void put_attributes(struct stun_builder *b)
{
    const unsigned mask = next_byte() | (unsigned)next_byte() << 8;

    if (mask & 1)
        stun_put_u32(b, STUN_ATTR_REQUESTED_TRANSPORT, 17u << 24);
    if (mask & 2)
        put_peer(b);
    if (mask & 4)
        stun_put_u32(b, STUN_ATTR_CHANNEL_NUMBER, (0x4000u + next_byte() % 8) << 16);
    if (mask & 8)
        put_number(b, STUN_ATTR_LIFETIME, 4);
    if (mask & 0x10)
        stun_put_u32(b, STUN_ATTR_REQUESTED_TRANSPORT, 6u << 24);
    if (mask & 0x20)
        put_number(b, STUN_ATTR_REQUESTED_ADDRESS_FAMILY, 24);
    if (mask & 0x40)
        stun_put_u32(b, STUN_ATTR_ADDITIONAL_ADDRESS_FAMILY, 2u << 24);
    if (mask & 0x80)
        stun_put(b, STUN_ATTR_EVEN_PORT, (const uint8_t[]){next_byte()}, 1);
    if (mask & 0x100)
        stun_put(b, STUN_ATTR_RESERVATION_TOKEN, token, 8);
    if (mask & 0x200)
        stun_put(b, STUN_ATTR_MOBILITY_TICKET, ticket, next_byte() & 1 ? ticket_n : 0);
    if (mask & 0x400)
        stun_put_u32(b, STUN_ATTR_CONNECTION_ID, w.tcp[next_byte() % ARRAY_LEN(w.tcp)].id);
    if (mask & 0x800)
        put_peer(b);
    if (mask & 0x1000)
        put_number(b, (uint16_t)(next_byte() << 8), 0);
    if (mask & 0x2000)
        put_number(b, STUN_ATTR_CHANGE_REQUEST, 0);
}

static void learn(const struct stun_message *m)
{
    const struct span t = stun_get(m, STUN_HAS_MOBILITY_TICKET);
    const struct span r = stun_get(m, STUN_HAS_RESERVATION_TOKEN);

    if (t.n > 0 && t.n <= sizeof ticket) {
        memcpy(ticket, t.p, t.n);
        ticket_n = t.n;
    }
    if (r.n == 8)
        memcpy(token, r.p, 8);
}

static void note_success(const struct tester *client, const struct stun_message *request)
{
    struct address peer;

    if (request->method != STUN_CREATE_PERMISSION && request->method != STUN_CHANNEL_BIND)
        return;
    for (unsigned i = 0; i < request->peer_count; i++) {
        MUST(stun_get_peer(request, i, &peer) == RC_OK);
        note_grant(client, &peer);
    }
}

static void hand_in(struct tester *client, struct span bytes)
{
    const unsigned before = w.sent_count;
    struct stun_message request, answer;
    const bool is_stun = stun_read(&request, bytes) == RC_OK;
    uint8_t *exact = malloc(bytes.n ? bytes.n : 1); /* the sanitizer sees what is read beyond */

    MUST(exact);
    if (bytes.n)
        memcpy(exact, bytes.p, bytes.n);
    tester_input(client, (struct span){exact, bytes.n});
    free(exact);
    MUST(w.sent_count - before <= 1);
    if (w.sent_count == before)
        return;
    MUST(is_stun && request.class == STUN_REQUEST);
    MUST(turn_world_answer(&w, &answer) && answer.class >= STUN_SUCCESS);
    MUST(memcmp(answer.id, request.id, STUN_ID_BYTES) == 0);
    if (!stun_has(&answer, STUN_HAS_MESSAGE_INTEGRITY) &&
        !stun_has(&answer, STUN_HAS_MESSAGE_INTEGRITY_SHA256))
        MUST(answer.bytes.n <= STRANGERS_ANSWER_MAX);
    learn(&answer);
    MUST(!forging || answer.class == STUN_ERROR || request.method == STUN_BINDING);
    if (answer.class == STUN_SUCCESS)
        note_success(client, &request);
}

static void make_nonce(struct tester *client, int64_t age)
{
    (void)turn_nonce_make(w.auth, &client->tuple.remote, w.unix_now - age, client->nonce);
}

static size_t build(struct tester_request *request, struct tester *client)
{
    static const enum stun_method methods[] = {
        STUN_ALLOCATE, STUN_REFRESH,         STUN_CREATE_PERMISSION, STUN_CHANNEL_BIND,
        STUN_CONNECT,  STUN_CONNECTION_BIND, STUN_BINDING,           STUN_SEND,
    };
    const uint8_t kind = next_byte();

    client->keep_id = kind & 0x80;
    client->fingerprint = kind & 0x40;
    client->integrity = kind & 0x20 ? STUN_INTEGRITY_SHA256 : STUN_INTEGRITY_SHA1;
    client->algorithm = kind & 0x10    ? STUN_PASSWORD_SHA256
                        : bidding_down ? STUN_PASSWORD_MD5
                                       : (enum stun_password_algorithm)0;
    client->userhash = kind & 0x08;
    tester_begin(request, client, methods[kind % ARRAY_LEN(methods)]);
    put_attributes(&request->builder);
    return tester_seal(request);
}

static void request(struct tester *client)
{
    struct tester_request r;

    make_nonce(client, 0);
    const size_t n = build(&r, client);
    hand_in(client, (struct span){r.buffer, n});
}

/* Does not authenticate, whatever the fuzzer does: no answer may be a success. */
static void forged_request(struct tester *client)
{
    static const uint8_t md5_only[] = {0, 1, 0, 0};
    const struct tester honest = *client;
    const uint8_t how = next_byte();
    const uint32_t allocations = turn_server_allocations(w.server);
    struct tester_request r;

    make_nonce(client, how % 5 == 0 ? 10000 : 0);
    if (how % 5 == 1)
        client->password = "guess";
    if (how % 5 == 2)
        client->anonymous = true;
    if (how % 5 == 3) {
        bidding_down = true;
        client->algorithms = md5_only;
        client->algorithms_n = sizeof md5_only;
    }
    const size_t n = build(&r, client);
    if (how % 5 == 4)
        r.buffer[n - (client->fingerprint ? 8 : 0) - 1] ^= 1; /* of the digest */
    forging = true;
    hand_in(client, (struct span){r.buffer, n});
    forging = false;
    MUST(turn_server_allocations(w.server) == allocations);

    client->password = honest.password;
    client->anonymous = bidding_down = false;
    client->algorithms = NULL;
}

/* --- the rest
 * ---------------------------------------------------------------------------------- */

static void send_indication(struct tester *client)
{
    uint8_t buffer[512];
    struct stun_builder b;

    stun_begin(&b, buffer, sizeof buffer, STUN_INDICATION, STUN_SEND, client->id);
    put_attributes(&b);
    put_peer(&b);
    const struct span data = next_bytes(next_byte() % 64);
    stun_put(&b, STUN_ATTR_DATA, data.p, data.n);
    hand_in(client, (struct span){buffer, stun_finish(&b, false)});
}

static void channel_data(struct tester *client)
{
    uint8_t buffer[128] = {0};
    const uint8_t channel = next_byte() % 8;
    const struct span data = next_bytes(next_byte() % 64);
    const uint8_t lie = next_byte();

    stun_channel_write(buffer, (uint16_t)(0x4000 + channel), data.n + lie % 4);
    if (data.n)
        memcpy(buffer + STUN_CHANNEL_HEADER, data.p, data.n);
    hand_in(client, (struct span){buffer, STUN_CHANNEL_HEADER + data.n + lie / 4 % 4});
}

static void from_peer(struct tester *client)
{
    struct turn_allocation *a = turn_server_find_client(w.server, &client->tuple);
    const struct address peer = turn_address(peers[next_byte() % PEERS]);
    const unsigned before = w.sent_count;

    if (a)
        turn_server_from_peer(w.server, a, &peer, next_bytes(next_byte() % 64), w.now);
    MUST(w.sent_count - before <= 1);
}

static void icmp(struct tester *client)
{
    struct turn_allocation *a = turn_server_find_client(w.server, &client->tuple);
    const struct address peer = turn_address(peers[next_byte() % PEERS]);
    const uint8_t type = next_byte(), code = next_byte();

    if (a)
        turn_server_peer_icmp(w.server, a, &peer, type, code, code, w.now);
}

static void tcp(struct tester *client)
{
    struct turn_allocation *a = turn_server_find_client(w.server, &client->tuple);
    const uint8_t what = next_byte();
    struct world_tcp *c = &w.tcp[what / 4 % ARRAY_LEN(w.tcp)];

    if (what % 4 == 3) {
        const struct address peer = turn_address(peers[next_byte() % PEERS]);
        struct world_tcp *new = &w.tcp[w.tcp_count % ARRAY_LEN(w.tcp)];
        const uint32_t id = a && (!new->id || new->closed)
                                ? turn_server_peer_arrived(w.server, a, &peer, w.now)
                                : 0;
        if (id) {
            w.tcp_count++;
            *new = (struct world_tcp){.id = id, .peer = peer};
        }
        return;
    }
    if (!c->id || c->closed)
        return;
    c->closed = what % 4 != 0; /* the server does not close what is gone */
    if (what % 4 == 2)
        turn_server_peer_closed(w.server, c->id, w.now);
    else
        turn_server_peer_connected(w.server, c->id, what % 4 == 0, w.now);
    (void)turn_server_peer_carried(w.server, c->id, what & 4, 256u * what, w.now);
    /* One that was connected already takes no notice. */
    if (what % 4 == 1)
        turn_server_peer_closed(w.server, c->id, w.now);
}

static void end_user(void)
{
    uint8_t id[TURN_USER_ID];

    turn_user_id(id, next_byte() & 1 ? SPAN_LITERAL("alice") : SPAN_LITERAL("bob"));
    (void)turn_server_end_user(w.server, id);
}

static void faults(void)
{
    const uint8_t which = next_byte();

    w.no_v6 = which & 1;
    w.no_v4 = which & 2;
    w.relay_failure = which & 4 ? RC_SYS : 0;
    w.connect_failure = which & 8 ? RC_FULL : 0;
    w.connect_at_once = which & 16;
}

static void step(void)
{
    const uint8_t kind = next_byte() % STEP_COUNT;
    struct tester *client = &clients[next_byte() % CLIENTS];

    switch ((enum step)kind) {
    case STEP_REQUEST:
        request(client);
        break;
    case STEP_FORGED:
        forged_request(client);
        break;
    case STEP_RAW:
        hand_in(client, next_bytes(next_byte()));
        break;
    case STEP_SEND:
        send_indication(client);
        break;
    case STEP_CHANNEL:
        channel_data(client);
        break;
    case STEP_FROM_PEER:
        from_peer(client);
        break;
    case STEP_ICMP:
        icmp(client);
        break;
    case STEP_TIME:
        turn_world_wait(&w, (usec_t)next_byte() * SEC(3) + next_byte());
        break;
    case STEP_TCP:
        tcp(client);
        break;
    case STEP_GONE:
        if (client->tuple.transport != TURN_UDP)
            turn_server_client_gone(w.server, &client->tuple, w.now);
        break;
    case STEP_END_USER:
        end_user();
        break;
    case STEP_FAULTS:
        faults();
        break;
    case STEP_COUNT:
        break;
    }
}

static void begin(uint8_t settings)
{
    turn_world_init(&w);
    w.watch = watch;
    w.relay_limit = 12; /* they run out */
    w.options.tcp_relay = settings & 1;
    w.options.mobility = settings & 2;
    w.options.secure_stun = settings & 4;
    w.options.unauthorized_rate = 1000000;
    w.policy_options.user_quota = 5;
    w.policy_options.max_bps = settings & 8 ? 200 : 0;
    if (settings & 16) {
        w.options.primary = turn_address("203.0.113.9:3478");
        w.options.other = turn_address("203.0.113.10:3479");
    }
    if (settings & 32) {
        w.policy_options.relay_ports = false;
        w.options.relay_ports_none = true;
        w.options.synthetic_v4 = turn_address(WORLD_RELAY_IP);
        w.options.synthetic_first = 2000;
        w.options.synthetic_last = 2003;
    }
    turn_world_open(&w);
    note_count = 0;
    ticket_n = 0;
    tester_init(&clients[0], &w, "192.0.2.1:4000");
    tester_init(&clients[1], &w, "[2001:db8::1]:4000");
    tester_init_stream(&clients[2], &w, "192.0.2.2:4000", TURN_TCP, 1);
    tester_init_stream(&clients[3], &w, "192.0.2.3:4000", TURN_TLS, 2);
    tester_init_stream(&clients[4], &w, "192.0.2.4:4000", TURN_DTLS, 3);
    tester_init(&clients[5], &w, "192.0.2.1:4001");
    clients[5].username = "bob";
    clients[5].password = "builder";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input = (struct span){data, size};
    begin(next_byte());
    for (unsigned steps = 0; input.n > 0 && steps < 200; steps++) {
        step();
        check_world();
    }
    turn_world_close(&w);
    return 0;
}

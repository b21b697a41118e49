/*
 * What a request asks for, and every reason to refuse it that lies in the message alone.
 */
#include "turn/turn_request.h"

#include "tests/t.h"
#include "tests/turn/turn_world_lib.h"

static uint8_t buffer[2048];
static struct stun_builder b;
static struct stun_message m;

static void begin(enum stun_method method)
{
    static const uint8_t id[STUN_ID_BYTES] = "transaction";

    stun_begin(&b, buffer, sizeof buffer, STUN_REQUEST, (uint16_t)method, id);
}

static void end(void)
{
    T_EQ(stun_read(&m, (struct span){buffer, stun_finish(&b, false)}), RC_OK);
}

enum { UDP = 17, TCP = 6, NONE = 0 };

/* clang-format off */
static const struct {
    const char *what;
    uint8_t protocol, requested, additional; /* 0: absent */
    bool even, even_next, token, dont_fragment;
    enum turn_transport transport;
    bool tcp_relay;
    unsigned code;
} allocates[] = {
    {"the usual one",                       UDP, 0, 0, 0, 0, 0, 0, TURN_UDP, false, 0},
    {"IPv6",                                UDP, 2, 0, 0, 0, 0, 0, TURN_UDP, false, 0},
    {"IPv4 by name",                        UDP, 1, 0, 0, 0, 0, 0, TURN_UDP, false, 0},
    {"both families",                       UDP, 0, 2, 0, 0, 0, 0, TURN_UDP, false, 0},
    {"an even port",                        UDP, 0, 0, 1, 0, 0, 0, TURN_UDP, false, 0},
    {"an even port and the next",           UDP, 0, 0, 0, 1, 0, 0, TURN_UDP, false, 0},
    {"an even IPv6 port and the next",      UDP, 2, 0, 0, 1, 0, 0, TURN_UDP, false, 0},
    {"both families with an even port",     UDP, 0, 2, 1, 0, 0, 0, TURN_UDP, false, 0},
    {"a reserved port",                     UDP, 0, 0, 0, 0, 1, 0, TURN_UDP, false, 0},
    {"no fragments",                        UDP, 0, 0, 0, 0, 0, 1, TURN_UDP, false, 0},
    {"no REQUESTED-TRANSPORT",              NONE, 0, 0, 0, 0, 0, 0, TURN_UDP, false, 400},
    {"SCTP",                                132, 0, 0, 0, 0, 0, 0, TURN_UDP, true, 442},
    {"TCP where it is not served",          TCP, 0, 0, 0, 0, 0, 0, TURN_TCP, false, 442},
    {"TCP",                                 TCP, 0, 0, 0, 0, 0, 0, TURN_TCP, true, 0},
    {"TCP by TLS, IPv6",                    TCP, 2, 0, 0, 0, 0, 0, TURN_TLS, true, 0},
    {"TCP asked for by UDP",                TCP, 0, 0, 0, 0, 0, 0, TURN_UDP, true, 400},
    {"TCP asked for by DTLS",               TCP, 0, 0, 0, 0, 0, 0, TURN_DTLS, true, 400},
    {"TCP without fragments",               TCP, 0, 0, 0, 0, 0, 1, TURN_TCP, true, 400},
    {"TCP on an even port",                 TCP, 0, 0, 1, 0, 0, 0, TURN_TCP, true, 400},
    {"TCP on a reserved port",              TCP, 0, 0, 0, 0, 1, 0, TURN_TCP, true, 400},
    {"a family that is none",               UDP, 3, 0, 0, 0, 0, 0, TURN_UDP, false, 440},
    {"an additional IPv4",                  UDP, 0, 1, 0, 0, 0, 0, TURN_UDP, false, 400},
    {"an additional family that is none",   UDP, 0, 9, 0, 0, 0, 0, TURN_UDP, false, 400},
    {"a family and an additional one",      UDP, 1, 2, 0, 0, 0, 0, TURN_UDP, false, 400},
    {"a token and an even port",            UDP, 0, 0, 1, 0, 1, 0, TURN_UDP, false, 400},
    {"a token and a family",                UDP, 1, 0, 0, 0, 1, 0, TURN_UDP, false, 400},
    {"a token and both families",           UDP, 0, 2, 0, 0, 1, 0, TURN_UDP, false, 400},
    {"both families and a pair of ports",   UDP, 0, 2, 0, 1, 0, 0, TURN_UDP, false, 400},
};
/* clang-format on */

static void put_allocate(size_t i)
{
    const uint8_t even = 0x00, next = 0x80;

    begin(STUN_ALLOCATE);
    if (allocates[i].protocol)
        stun_put_u32(&b, STUN_ATTR_REQUESTED_TRANSPORT, (uint32_t)allocates[i].protocol << 24);
    if (allocates[i].requested)
        stun_put_u32(&b, STUN_ATTR_REQUESTED_ADDRESS_FAMILY,
                     (uint32_t)allocates[i].requested << 24);
    if (allocates[i].additional)
        stun_put_u32(&b, STUN_ATTR_ADDITIONAL_ADDRESS_FAMILY,
                     (uint32_t)allocates[i].additional << 24);
    if (allocates[i].even)
        stun_put(&b, STUN_ATTR_EVEN_PORT, &even, 1);
    if (allocates[i].even_next)
        stun_put(&b, STUN_ATTR_EVEN_PORT, &next, 1);
    if (allocates[i].token)
        stun_put(&b, STUN_ATTR_RESERVATION_TOKEN, "\0\0\0\0\0\0\0\5", 8);
    if (allocates[i].dont_fragment)
        stun_put(&b, STUN_ATTR_DONT_FRAGMENT, NULL, 0);
    end();
}

static void every_allocate(void)
{
    for (size_t i = 0; i < ARRAY_LEN(allocates); i++) {
        struct turn_allocate out = {0};

        put_allocate(i);
        const unsigned code =
            turn_read_allocate(&out, &m, allocates[i].transport, allocates[i].tcp_relay);
        if (code != allocates[i].code)
            printf("# %s: %u\n", allocates[i].what, code);
        T_EQ(code, allocates[i].code);
        if (code != 0)
            continue;
        T_EQ(out.tcp, allocates[i].protocol == TCP);
        T_EQ(out.dual, allocates[i].additional != 0);
        T_EQ(out.family, allocates[i].requested == 2 ? AF_INET6 : AF_INET);
        T_EQ(out.reservation, allocates[i].token ? 5 : 0);
    }
}

static void an_allocate_may_carry_a_lifetime_and_the_wish_for_a_ticket(void)
{
    struct turn_allocate out;

    begin(STUN_ALLOCATE);
    stun_put_u32(&b, STUN_ATTR_REQUESTED_TRANSPORT, 17u << 24);
    stun_put_u32(&b, STUN_ATTR_LIFETIME, 1234);
    stun_put(&b, STUN_ATTR_MOBILITY_TICKET, NULL, 0);
    end();
    T_EQ(turn_read_allocate(&out, &m, TURN_UDP, false), 0);
    T_OK(out.has_lifetime && out.mobile);
    T_EQ(out.lifetime, 1234);
}

static void a_refresh_is_of_a_family_or_of_all(void)
{
    struct turn_refresh out;

    begin(STUN_REFRESH);
    end();
    T_EQ(turn_read_refresh(&out, &m), 0);
    T_EQ(out.family, AF_UNSPEC);
    T_OK(!out.has_lifetime && !out.ticket.p);
    begin(STUN_REFRESH);
    stun_put_u32(&b, STUN_ATTR_REQUESTED_ADDRESS_FAMILY, 2u << 24);
    stun_put_u32(&b, STUN_ATTR_LIFETIME, 0);
    end();
    T_EQ(turn_read_refresh(&out, &m), 0);
    T_EQ(out.family, AF_INET6);
    T_OK(out.has_lifetime && out.lifetime == 0);
    begin(STUN_REFRESH);
    stun_put_u32(&b, STUN_ATTR_REQUESTED_ADDRESS_FAMILY, 7u << 24);
    end();
    T_EQ(turn_read_refresh(&out, &m), 440);
}

static void put_peers(enum stun_method method, unsigned count)
{
    const struct address peer = turn_address(WORLD_PEER);

    begin(method);
    while (count-- > 0)
        stun_put_address(&b, STUN_ATTR_XOR_PEER_ADDRESS, &peer);
    end();
}

static void a_permission_names_one_to_sixteen_peers(void)
{
    struct address peers[STUN_PEERS_MAX];
    size_t count = 0;

    put_peers(STUN_CREATE_PERMISSION, 0);
    T_EQ(turn_read_peers(peers, &count, &m), 400);
    put_peers(STUN_CREATE_PERMISSION, STUN_PEERS_MAX);
    T_EQ(turn_read_peers(peers, &count, &m), 0);
    T_EQ(count, STUN_PEERS_MAX);
    put_peers(STUN_CREATE_PERMISSION, STUN_PEERS_MAX + 1);
    T_EQ(turn_read_peers(peers, &count, &m), 400);
}

static void a_peer_of_no_family_is_a_bad_request(void)
{
    struct address peers[STUN_PEERS_MAX];
    size_t count;

    begin(STUN_CREATE_PERMISSION);
    stun_put(&b, STUN_ATTR_XOR_PEER_ADDRESS, "\0\5\1\2\1\2\3\4", 8);
    end();
    T_EQ(turn_read_peers(peers, &count, &m), 400);
}

/* clang-format off */
static const struct {
    unsigned number; /* 1: absent */
    unsigned peers;
    unsigned code;
} binds[] = {
    {0x4000, 1, 0},   {0x4FFF, 1, 0},   {0x3FFF, 1, 400}, {0x5000, 1, 0}, {0x7FFF, 1, 0}, {0x8000, 1, 400},
    {0xFFFF, 1, 400}, {0, 1, 400},      {0x4000, 0, 400}, {0x4000, 2, 400}, {1, 1, 400},
};
/* clang-format on */

static void every_channel_bind(void)
{
    const struct address peer = turn_address(WORLD_PEER);
    struct turn_channel_bind out;

    for (size_t i = 0; i < ARRAY_LEN(binds); i++) {
        begin(STUN_CHANNEL_BIND);
        if (binds[i].number != 1)
            stun_put_u32(&b, STUN_ATTR_CHANNEL_NUMBER, binds[i].number << 16 | 0xabcd);
        for (unsigned k = 0; k < binds[i].peers; k++)
            stun_put_address(&b, STUN_ATTR_XOR_PEER_ADDRESS, &peer);
        end();
        T_EQ(turn_read_channel_bind(&out, &m), binds[i].code);
        if (binds[i].code == 0)
            T_EQ(out.number, binds[i].number);
    }
}

static void a_connect_names_one_peer(void)
{
    struct address peer;

    put_peers(STUN_CONNECT, 0);
    T_EQ(turn_read_connect(&peer, &m), 400);
    put_peers(STUN_CONNECT, 1);
    T_EQ(turn_read_connect(&peer, &m), 0);
    put_peers(STUN_CONNECT, 2);
    T_EQ(turn_read_connect(&peer, &m), 400);
}

static const struct t_case cases[] = {
    T_CASE(every_allocate),
    T_CASE(an_allocate_may_carry_a_lifetime_and_the_wish_for_a_ticket),
    T_CASE(a_refresh_is_of_a_family_or_of_all),
    T_CASE(a_permission_names_one_to_sixteen_peers),
    T_CASE(a_peer_of_no_family_is_a_bad_request),
    T_CASE(every_channel_bind),
    T_CASE(a_connect_names_one_peer),
};
T_MAIN(cases)

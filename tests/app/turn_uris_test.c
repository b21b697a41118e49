#include "tests/t.h"
#include "app/turn_uris.h"

static const struct turn_service usual[] = {
    {TURN_SERVICE_UDP, 3478}, {TURN_SERVICE_TCP, 3478}, {TURN_SERVICE_TCP, 3003},
    {TURN_SERVICE_TLS, 443},  {TURN_SERVICE_DTLS, 443},
};

static struct turn_uris uris;

/* Joined by spaces. */
static const char *joined(char *const *list, size_t count)
{
    static char text[2048];

    text[0] = '\0';
    for (size_t i = 0; i < count; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", i ? " " : "",
                 list[i]);
    return text;
}

static struct address parsed(const char *text)
{
    struct address a;

    T_EQ(address_parse(&a, text), RC_OK);
    return a;
}

/* clang-format off */
static const struct {
    const char *name;
    const char *ip[4];
    bool stun, turn;
    const char *stun_uris, *turn_uris;
} rows[] = {
    {"turn.example.org", {"192.0.2.1"}, true, true,
     "stun:turn.example.org:3478",
     "turn:turn.example.org:3478?transport=udp turn:turn.example.org:3478?transport=tcp "
     "turn:turn.example.org:3003?transport=tcp turns:turn.example.org:443?transport=tcp "
     "turns:turn.example.org:443?transport=udp"},
    {NULL, {"192.0.2.1:9", "192.0.2.2"}, true, true,
     "stun:192.0.2.1:3478",
     "turn:192.0.2.1:3478?transport=udp turn:192.0.2.1:3478?transport=tcp "
     "turn:192.0.2.1:3003?transport=tcp"},
    {"", {"fe80::1%1", "2001:db8::1", "192.0.2.1"}, true, true,
     "stun:192.0.2.1:3478 stun:[2001:db8::1]:3478",
     "turn:192.0.2.1:3478?transport=udp turn:[2001:db8::1]:3478?transport=udp "
     "turn:192.0.2.1:3478?transport=tcp turn:[2001:db8::1]:3478?transport=tcp "
     "turn:192.0.2.1:3003?transport=tcp turn:[2001:db8::1]:3003?transport=tcp"},
    {"2001:db8::2", {NULL}, true, false, "stun:[2001:db8::2]:3478", ""},
    {"a.example", {NULL}, false, true, "",
     "turn:a.example:3478?transport=udp turn:a.example:3478?transport=tcp "
     "turn:a.example:3003?transport=tcp turns:a.example:443?transport=tcp "
     "turns:a.example:443?transport=udp"},
    {NULL, {NULL}, true, true, "", ""},
    {"a.example", {NULL}, false, false, "", ""},
};
/* clang-format on */

static void every_row(void)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct address ip[4];
        struct turn_uris_options options = {.server_name = rows[i].name,
                                            .ip = ip,
                                            .service = usual,
                                            .service_count = ARRAY_LEN(usual),
                                            .stun = rows[i].stun,
                                            .turn = rows[i].turn};

        while (options.ip_count < 4 && rows[i].ip[options.ip_count]) {
            ip[options.ip_count] = parsed(rows[i].ip[options.ip_count]);
            options.ip_count++;
        }
        T_EQ(turn_uris_build(&uris, &options), RC_OK);
        T_STR(joined(uris.stun, uris.stun_count), rows[i].stun_uris);
        T_STR(joined(uris.turn, uris.turn_count), rows[i].turn_uris);
        turn_uris_clear(&uris);
    }
}

static void what_stands_twice_is_named_once_and_there_is_an_end(void)
{
    struct turn_service many[TURN_URIS_MAX + 10];

    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        many[i] = (struct turn_service){TURN_SERVICE_TCP, (uint16_t)(1000 + i / 2)};
    struct turn_uris_options options = {
        .server_name = "a.example", .service = many, .service_count = 4, .turn = true};
    T_EQ(turn_uris_build(&uris, &options), RC_OK);
    T_EQ(uris.turn_count, 2);
    turn_uris_clear(&uris);
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        many[i].port = (uint16_t)(1000 + i);
    options.service_count = ARRAY_LEN(many);
    T_EQ(turn_uris_build(&uris, &options), RC_OK);
    T_EQ(uris.turn_count, TURN_URIS_MAX);
    turn_uris_clear(&uris);
    turn_uris_clear(&uris);
}

static const struct t_case cases[] = {
    T_CASE(every_row),
    T_CASE(what_stands_twice_is_named_once_and_there_is_an_end),
};
T_MAIN(cases)

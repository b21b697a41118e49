#include "signaling/socketio.h"
#include "signaling/socketio_packet.h"
#include "tests/t.h"

static struct span of(const char *text)
{
    return (struct span){(const uint8_t *)text, strlen(text)};
}

/* clang-format off */
/* What a packet becomes when it is read and written again; NULL: it is refused. */
static const struct {
    const char *what, *text;
    int rc;
    const char *again;
} rows[] = {
    {"connect",                          "0", RC_OK, "0"},
    {"connect with auth",                "0{\"token\":\"123\"}", RC_OK, "0{\"token\":\"123\"}"},
    {"connect to a namespace",           "0/custom,", RC_OK, "0/custom,"},
    {"connect without a comma",          "0/custom", RC_OK, "0/custom,"},
    {"connect with a query, client 2.x", "0/custom?token=abc", RC_OK, "0/custom,"},
    {"connect with query and comma",     "0/custom?a=b,", RC_OK, "0/custom,"},
    {"namespace and auth",               "0/custom,{\"a\":1}", RC_OK, "0/custom,{\"a\":1}"},
    {"connect with an array",            "0[1]", RC_BAD, NULL},
    {"connect with a string",            "0\"a\"", RC_BAD, NULL},
    {"connect with null",                "0null", RC_BAD, NULL},
    {"disconnect",                       "1", RC_OK, "1"},
    {"disconnect from a namespace",      "1/custom,", RC_OK, "1/custom,"},
    {"disconnect with a payload",        "1{}", RC_BAD, NULL},
    {"event",                            "2[\"a\",1,\"2\",{\"3\":[true]}]", RC_OK, "2[\"a\",1,\"2\",{\"3\":[true]}]"},
    {"event that wants an ack",          "2456[\"a\"]", RC_OK, "2456[\"a\"]"},
    {"event in a namespace with an ack", "2/x,0[\"a\"]", RC_OK, "2/x,0[\"a\"]"},
    {"event without a payload",          "2", RC_BAD, NULL},
    {"event that is an object",          "2{}", RC_BAD, NULL},
    {"event without a name",             "2[]", RC_BAD, NULL},
    {"event named by a number",          "2[1]", RC_BAD, NULL},
    {"event named by null",              "2[null]", RC_BAD, NULL},
    {"reserved: connect",                "2[\"connect\"]", RC_BAD, NULL},
    {"reserved: connect_error",          "2[\"connect_error\"]", RC_BAD, NULL},
    {"reserved: disconnect",             "2[\"disconnect\"]", RC_BAD, NULL},
    {"reserved: disconnecting",          "2[\"disconnecting\"]", RC_BAD, NULL},
    {"reserved: newListener",            "2[\"newListener\"]", RC_BAD, NULL},
    {"reserved: removeListener",         "2[\"removeListener\"]", RC_BAD, NULL},
    {"letters for an ack id",            "2abc[\"a\"]", RC_BAD, NULL},
    {"a negative ack id",                "2-1[\"a\"]", RC_BAD, NULL},
    {"an ack id of 15 digits",           "2999999999999999[\"a\"]", RC_OK, "2999999999999999[\"a\"]"},
    {"an ack id of 16 digits",           "21000000000000000[\"a\"]", RC_BAD, NULL},
    {"ack",                              "312[\"b\"]", RC_OK, "312[\"b\"]"},
    {"ack of nothing",                   "312[]", RC_OK, "312[]"},
    {"ack without id",                   "3[\"b\"]", RC_BAD, NULL},
    {"ack that is no array",             "31{}", RC_BAD, NULL},
    {"connect error from a client",      "4{\"message\":\"x\"}", RC_BAD, NULL},
    {"binary event",                     "51-[\"a\",{\"_placeholder\":true,\"num\":0}]", RC_OK, "51-[\"a\",{\"_placeholder\":true,\"num\":0}]"},
    {"binary event, namespace, ack",     "51-/x,7[\"a\",{\"_placeholder\":true,\"num\":0}]", RC_OK, "51-/x,7[\"a\",{\"_placeholder\":true,\"num\":0}]"},
    {"binary event without attachments", "50-[\"a\"]", RC_OK, "50-[\"a\"]"},
    {"ten attachments",                  "510-[\"a\"]", RC_OK, "510-[\"a\"]"},
    {"eleven attachments",               "511-[\"a\"]", RC_FULL, NULL},
    {"a wild number of attachments",     "599999-[\"a\"]", RC_BAD, NULL},
    {"no number of attachments",         "5-[\"a\"]", RC_BAD, NULL},
    {"no dash",                          "51[\"a\"]", RC_BAD, NULL},
    {"a placeholder out of range",       "51-[\"a\",{\"_placeholder\":true,\"num\":1}]", RC_BAD, NULL},
    {"a negative placeholder",           "51-[\"a\",{\"_placeholder\":true,\"num\":-1}]", RC_BAD, NULL},
    {"a placeholder without a number",   "51-[\"a\",{\"_placeholder\":true}]", RC_BAD, NULL},
    {"a placeholder with text",          "51-[\"a\",{\"_placeholder\":true,\"num\":\"0\"}]", RC_BAD, NULL},
    {"a hidden placeholder",             "51-[\"a\",{\"x\":[{\"_placeholder\":true,\"num\":3}]}]", RC_BAD, NULL},
    {"binary ack",                       "61-7[{\"_placeholder\":true,\"num\":0}]", RC_OK, "61-7[{\"_placeholder\":true,\"num\":0}]"},
    {"binary ack without id",            "61-[1]", RC_BAD, NULL},
    {"type 7",                           "7", RC_BAD, NULL},
    {"letters",                          "abc", RC_BAD, NULL},
    {"nothing",                          "", RC_BAD, NULL},
    {"cut JSON",                         "2[\"a\"", RC_BAD, NULL},
    {"something behind the JSON",        "2[\"a\"]x", RC_BAD, NULL},
    {"a duplicate key",                  "2[\"a\",{\"b\":1,\"b\":2}]", RC_OK, "2[\"a\",{\"b\":2}]"},
    {"a NUL in a string",                "2[\"a\\u0000b\"]", RC_BAD, NULL},
    {"an integer beyond 64 bits",        "2[\"a\",100000000000000000000]", RC_OK, "2[\"a\",1e20]"},
    {"a lone high surrogate",            "2[\"a\",\"\\ud83d\"]", RC_OK, "2[\"a\",\"\uFFFD\"]"},
    {"a lone low surrogate",             "2[\"a\",\"\\uDE00x\"]", RC_OK, "2[\"a\",\"\uFFFDx\"]"},
    {"halves in the wrong order",        "2[\"a\",\"\\ude00\\ud83d\"]", RC_OK, "2[\"a\",\"\uFFFD\uFFFD\"]"},
    {"a half and a whole",               "2[\"\\ud83d\",\"\\ud83d\\ude00\"]", RC_OK, "2[\"\uFFFD\",\"\U0001F600\"]"},
    {"a half behind a backslash",        "2[\"\\\\ud83d\",\"\\ud83d\"]", RC_OK, "2[\"\\\\ud83d\",\"\uFFFD\"]"},
    {"a half that is cut off",           "2[\"\\ud83\"]", RC_BAD, NULL},
    {"a half, and something malformed",  "2[\"\\ud83d\",]", RC_BAD, NULL},
};
/* clang-format on */

static void every_packet(void)
{
    char again[256];

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct sio_packet packet = {.attachments = 77};

        printf("    %s\n", rows[i].what);
        const int rc = sio_packet_parse(&packet, of(rows[i].text));
        T_EQ(rc, rows[i].rc);
        if (rc != RC_OK) {
            T_EQ(packet.attachments, 77);
            continue;
        }
        const size_t n = sio_packet_write(&packet, (uint8_t *)again, sizeof again - 1);
        json_decref(packet.json);
        T_OK(n < sizeof again);
        again[n] = '\0';
        T_STR(again, rows[i].again);
    }
}

static int parse_nested(int depth)
{
    char text[512] = "2[\"a\",";
    struct sio_packet packet;
    size_t n = strlen(text);

    memset(text + n, '[', (size_t)depth);
    memset(text + n + (size_t)depth, ']', (size_t)depth + 1);
    const int rc = sio_packet_parse(&packet, of(text));
    if (rc == RC_OK)
        json_decref(packet.json);
    return rc;
}

static void nesting_is_limited(void)
{
    T_EQ(parse_nested(SIO_JSON_DEPTH_MAX - 1), RC_OK);
    T_EQ(parse_nested(SIO_JSON_DEPTH_MAX), RC_BAD);
}

static void brackets_inside_strings_are_not_nesting(void)
{
    char text[512] = "2[\"a\",\"";
    struct sio_packet packet;
    const size_t n = strlen(text);

    memset(text + n, '[', 200);
    strcpy(text + n + 200, "\\\"[[[\"]");
    T_EQ(sio_packet_parse(&packet, of(text)), RC_OK);
    json_decref(packet.json);
}

static void long_names_are_refused(void)
{
    char text[512];
    struct sio_packet packet;

    snprintf(text, sizeof text, "2[\"%0*d\"]", SIO_EVENT_NAME_MAX, 0);
    T_EQ(sio_packet_parse(&packet, of(text)), RC_OK);
    json_decref(packet.json);
    snprintf(text, sizeof text, "2[\"%0*d\"]", SIO_EVENT_NAME_MAX + 1, 0);
    T_EQ(sio_packet_parse(&packet, of(text)), RC_BAD);
    snprintf(text, sizeof text, "0/%0*d,", SIO_NAMESPACE_NAME_MAX, 0);
    T_EQ(sio_packet_parse(&packet, of(text)), RC_BAD);
}

static void a_short_buffer_gets_what_fits_and_the_length(void)
{
    uint8_t small[4], large[64];
    struct sio_packet packet;

    T_EQ(sio_packet_parse(&packet, of("2/x,5[\"name\",1]")), RC_OK);
    const size_t n = sio_packet_write(&packet, small, sizeof small);
    T_EQ(n, strlen("2/x,5[\"name\",1]"));
    T_EQ(sio_packet_write(&packet, large, sizeof large), n);
    T_MEM(large, "2/x,5[\"name\",1]", n);
    T_MEM(small, large, sizeof small);
    json_decref(packet.json);
}

static const struct t_case cases[] = {
    T_CASE(every_packet),
    T_CASE(nesting_is_limited),
    T_CASE(brackets_inside_strings_are_not_nesting),
    T_CASE(long_names_are_refused),
    T_CASE(a_short_buffer_gets_what_fits_and_the_length),
};
T_MAIN(cases)

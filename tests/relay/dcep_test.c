#include "relay/dcep.h"
#include "tests/t.h"

#define BYTES(literal)                                                                         \
    {                                                                                          \
        (const uint8_t *)(literal), sizeof(literal) - 1                                        \
    }
#define CHAT                                                                                   \
    "\x00\x04\x00\x00"                                                                         \
    "chat"
#define NO_LIMIT "\x00\x00\x00\x00"

/* clang-format off */
static const struct {
    const char *what;
    struct span bytes;
    int rc;
    bool unordered;
    enum sctp_reliability reliability;
    uint32_t limit;
    uint16_t priority;
    size_t label, protocol;
} rows[] = {
    {"reliable and ordered",          BYTES("\x03\x00\x01\x00" NO_LIMIT CHAT), RC_OK, false, SCTP_DELIVER_ALL, 0, 256, 4, 0},
    {"unordered",                     BYTES("\x03\x80\x01\x00" NO_LIMIT CHAT), RC_OK, true, SCTP_DELIVER_ALL, 0, 256, 4, 0},
    {"three retransmissions",         BYTES("\x03\x01\x00\x80\x00\x00\x00\x03" CHAT), RC_OK, false, SCTP_DELIVER_RETRANSMITS, 3, 128, 4, 0},
    {"no retransmission, unordered",  BYTES("\x03\x81\x00\x80" NO_LIMIT CHAT), RC_OK, true, SCTP_DELIVER_RETRANSMITS, 0, 128, 4, 0},
    {"half a second",                 BYTES("\x03\x02\x04\x00\x00\x00\x01\xf4" CHAT), RC_OK, false, SCTP_DELIVER_LIFETIME, 500, 1024, 4, 0},
    {"half a second, unordered",      BYTES("\x03\x82\x04\x00\x00\x00\x01\xf4" CHAT), RC_OK, true, SCTP_DELIVER_LIFETIME, 500, 1024, 4, 0},
    {"a reliable channel ignores the parameter", BYTES("\x03\x00\x01\x00\x00\x00\x00\x07" CHAT), RC_OK, false, SCTP_DELIVER_ALL, 0, 256, 4, 0},
    {"no label, no protocol",         BYTES("\x03\x00\x00\x00" NO_LIMIT NO_LIMIT), RC_OK, false, SCTP_DELIVER_ALL, 0, 0, 0, 0},
    {"a protocol as well",            BYTES("\x03\x00\x00\x00" NO_LIMIT "\x00\x01\x00\x02" "abc"), RC_OK, false, SCTP_DELIVER_ALL, 0, 0, 1, 2},
    {"a label of two characters",     BYTES("\x03\x00\x00\x00" NO_LIMIT "\x00\x04\x00\x00" "\xc3\xa9\xc3\xa8"), RC_OK, false, SCTP_DELIVER_ALL, 0, 0, 4, 0},
    {"channel type 3",                BYTES("\x03\x03\x00\x00" NO_LIMIT CHAT), RC_BAD, false, 0, 0, 0, 0, 0},
    {"reserved channel type 7f",      BYTES("\x03\x7f\x00\x00" NO_LIMIT CHAT), RC_BAD, false, 0, 0, 0, 0, 0},
    {"reserved channel type ff",      BYTES("\x03\xff\x00\x00" NO_LIMIT CHAT), RC_BAD, false, 0, 0, 0, 0, 0},
    {"label cut off",                 BYTES("\x03\x00\x00\x00" NO_LIMIT "\x00\x05\x00\x00" "chat"), RC_BAD, false, 0, 0, 0, 0, 0},
    {"bytes behind the protocol",     BYTES("\x03\x00\x00\x00" NO_LIMIT "\x00\x03\x00\x00" "chat"), RC_BAD, false, 0, 0, 0, 0, 0},
    {"lengths that overflow 16 bits", BYTES("\x03\x00\x00\x00" NO_LIMIT "\xff\xff\x00\x05" "chat"), RC_BAD, false, 0, 0, 0, 0, 0},
    {"label is not UTF-8",            BYTES("\x03\x00\x00\x00" NO_LIMIT "\x00\x02\x00\x00" "\xc3("), RC_BAD, false, 0, 0, 0, 0, 0},
    {"protocol is not UTF-8",         BYTES("\x03\x00\x00\x00" NO_LIMIT "\x00\x00\x00\x01" "\xff"), RC_BAD, false, 0, 0, 0, 0, 0},
    {"a character across the border", BYTES("\x03\x00\x00\x00" NO_LIMIT "\x00\x01\x00\x01" "\xc3\xa9"), RC_BAD, false, 0, 0, 0, 0, 0},
    {"header cut off",                BYTES("\x03\x00\x00\x00" NO_LIMIT "\x00\x00\x00"), RC_BAD, false, 0, 0, 0, 0, 0},
    {"an OPEN of one byte",           BYTES("\x03"), RC_BAD, false, 0, 0, 0, 0, 0},
    {"an ACK with a tail",            BYTES("\x02\x00"), RC_BAD, false, 0, 0, 0, 0, 0},
    {"message type 1",                BYTES("\x01"), RC_BAD, false, 0, 0, 0, 0, 0},
    {"nothing",                       BYTES(""), RC_BAD, false, 0, 0, 0, 0, 0},
};
/* clang-format on */

static void every_row_of_the_table_of_opens(void)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct dcep_message m = {.type = 0x77};

        printf("#   %s\n", rows[i].what);
        T_EQ(dcep_parse(rows[i].bytes, &m), rows[i].rc);
        T_EQ(m.type, rows[i].rc == RC_OK ? DCEP_OPEN : 0x77);
        if (rows[i].rc != RC_OK)
            continue;
        T_EQ(m.open.delivery.unordered, rows[i].unordered);
        T_EQ(m.open.delivery.reliability, rows[i].reliability);
        T_EQ(m.open.delivery.limit, rows[i].limit);
        T_EQ(m.open.priority, rows[i].priority);
        T_EQ(m.open.label.n, rows[i].label);
        T_EQ(m.open.protocol.n, rows[i].protocol);
    }
}

static void what_is_written_is_what_was_read(void)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct dcep_message m;
        uint8_t buf[DCEP_MESSAGE_MAX];

        if (dcep_parse(rows[i].bytes, &m) != RC_OK)
            continue;
        T_EQ(dcep_write_open(buf, sizeof buf, &m.open), rows[i].bytes.n);
        if (m.open.delivery.reliability != SCTP_DELIVER_ALL)
            T_MEM(buf, rows[i].bytes.p, rows[i].bytes.n);
        T_EQ(dcep_write_open(buf, rows[i].bytes.n - 1, &m.open), 0);
    }
}

static void an_ack_is_one_byte(void)
{
    struct dcep_message m;
    uint8_t buf[4];

    T_EQ(dcep_write_ack(buf, sizeof buf), 1);
    T_EQ(dcep_parse((struct span){buf, 1}, &m), RC_OK);
    T_EQ(m.type, DCEP_ACK);
    T_EQ(dcep_write_ack(buf, 0), 0);
}

static void a_name_is_too_long_from_257_bytes_on(void)
{
    uint8_t buf[DCEP_MESSAGE_MAX + 1] = {DCEP_OPEN}, text[DCEP_NAME_MAX + 1];
    struct dcep_open open = {.label = {text, DCEP_NAME_MAX}, .protocol = {text, DCEP_NAME_MAX}};
    struct dcep_message m;

    memset(text, 'x', sizeof text);
    T_EQ(dcep_write_open(buf, sizeof buf, &open), DCEP_MESSAGE_MAX);
    T_EQ(dcep_parse((struct span){buf, DCEP_MESSAGE_MAX}, &m), RC_OK);

    open.label.n++;
    T_EQ(dcep_write_open(buf, sizeof buf, &open), 0);
    store_be16(buf + 8, DCEP_NAME_MAX + 1);
    buf[DCEP_MESSAGE_MAX] = 'x';
    T_EQ(dcep_parse((struct span){buf, DCEP_MESSAGE_MAX + 1}, &m), RC_FULL);
}

static const struct t_case cases[] = {
    T_CASE(every_row_of_the_table_of_opens),
    T_CASE(what_is_written_is_what_was_read),
    T_CASE(an_ack_is_one_byte),
    T_CASE(a_name_is_too_long_from_257_bytes_on),
};
T_MAIN(cases)

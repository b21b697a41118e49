#include "relay/stun.h"
#include "tests/relay/stun_builder_lib.h"
#include "tests/t.h"

#include <arpa/inet.h>

static const usec_t T0 = SEC(1000); /* the test owns time */
static const uint8_t ID[12] = "\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae";

/* RFC 5769 section 2.1: the sample request. */
static const uint8_t rfc5769_request[] =
    "\x00\x01\x00\x58\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae"
    "\x80\x22\x00\x10STUN test client"
    "\x00\x24\x00\x04\x6e\x00\x01\xff"
    "\x80\x29\x00\x08\x93\x2f\xf9\xb1\x51\x26\x3b\x36"
    "\x00\x06\x00\x09\x65\x76\x74\x6a\x3a\x68\x36\x76\x59\x20\x20\x20"
    "\x00\x08\x00\x14\x9a\xea\xa7\x0c\xbf\xd8\xcb\x56\x78\x1e\xf2\xb5"
    "\xb2\xd3\xf2\x49\xc1\xb5\x71\xa2"
    "\x80\x28\x00\x04\xe5\x7a\x3b\xcf";

static struct address address(const char *text)
{
    struct address a;

    T_EQ(address_parse(&a, text), RC_OK);
    return a;
}

static void the_sample_request_of_rfc_5769_is_read(void)
{
    struct stun_view view;

    T_EQ(stun_scan((struct span){rfc5769_request, sizeof rfc5769_request - 1}, &view), RC_OK);
    T_EQ(view.type, STUN_BINDING_REQUEST);
    T_MEM(view.id, ID, sizeof ID);
    T_EQ(view.username.n, 9);
    T_MEM(view.username.p, "evtj:h6vY", 9);
    T_OK(view.has_integrity);
    T_OK(view.has_fingerprint);
    T_EQ(view.unknown_count, 0);
}

static void no_changed_bit_of_the_sample_passes_the_fingerprint(void)
{
    uint8_t copy[sizeof rfc5769_request - 1];
    struct stun_view view;

    for (size_t bit = 0; bit < 8 * sizeof copy; bit++) {
        memcpy(copy, rfc5769_request, sizeof copy);
        copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (stun_scan((struct span){copy, sizeof copy}, &view) == RC_OK)
            T_OK(!view.has_fingerprint); /* its type was changed: then it is no FINGERPRINT */
    }
}

#define HEADER(length)                                                                         \
    "\x00\x01\x00" length "\x21\x12\xa4\x42"                                                   \
    "abcdefghijkl"
#define BYTES(literal)                                                                         \
    {                                                                                          \
        (const uint8_t *)(literal), sizeof(literal) - 1                                        \
    }
#define TWENTY "12345678901234567890"

/* clang-format off */
static const struct {
    const char *what;
    struct span datagram;
    int rc;
} rows[] = {
    {"a header alone is legal",              BYTES(HEADER("\x00")), RC_OK},
    {"an empty datagram",                    BYTES(""), RC_BAD},
    {"a header cut short",                   BYTES("\x00\x01\x00\x00\x21\x12\xa4\x42" "abcdefghijk"), RC_BAD},
    {"a length beyond the datagram",         BYTES(HEADER("\x04")), RC_BAD},
    {"bytes behind the message",             BYTES(HEADER("\x00") "abcd"), RC_BAD},
    {"a length that is no multiple of four", BYTES(HEADER("\x02") "ab"), RC_BAD},
    {"another cookie",                       BYTES("\x00\x01\x00\x00\x21\x12\xa4\x43" "abcdefghijkl"), RC_BAD},
    {"the two first bits are not zero",      BYTES("\x40\x01\x00\x00\x21\x12\xa4\x42" "abcdefghijkl"), RC_BAD},
    {"an attribute that runs past the end",  BYTES(HEADER("\x04") "\x80\x22\x00\x04"), RC_BAD},
    {"padding that runs past the end",       BYTES(HEADER("\x08") "\x80\x22\x00\x05" "abcd"), RC_BAD},
    {"an attribute with padding",            BYTES(HEADER("\x08") "\x80\x22\x00\x03" "abc\xff"), RC_OK},
    {"an empty attribute",                   BYTES(HEADER("\x04") "\x80\x22\x00\x00"), RC_OK},
    {"a MESSAGE-INTEGRITY of 0 bytes",       BYTES(HEADER("\x04") "\x00\x08\x00\x00"), RC_BAD},
    {"a MESSAGE-INTEGRITY of 4 bytes",       BYTES(HEADER("\x08") "\x00\x08\x00\x04" "abcd"), RC_BAD},
    {"a MESSAGE-INTEGRITY of 19 bytes",      BYTES(HEADER("\x18") "\x00\x08\x00\x13" TWENTY), RC_BAD},
    {"a MESSAGE-INTEGRITY of 20 bytes",      BYTES(HEADER("\x18") "\x00\x08\x00\x14" TWENTY), RC_OK},
    {"a second one of 4 bytes behind it",    BYTES(HEADER("\x20") "\x00\x08\x00\x14" TWENTY "\x00\x08\x00\x04" "abcd"), RC_BAD},
    {"two USERNAMEs",                        BYTES(HEADER("\x10") "\x00\x06\x00\x04" "a:bc" "\x00\x06\x00\x04" "a:bc"), RC_BAD},
    {"a USERNAME behind the integrity does not count", BYTES(HEADER("\x20") "\x00\x08\x00\x14" TWENTY "\x00\x06\x00\x04" "a:bc"), RC_OK},
    {"a wrong FINGERPRINT",                  BYTES(HEADER("\x08") "\x80\x28\x00\x04" "abcd"), RC_BAD},
    {"a FINGERPRINT of no bytes",            BYTES(HEADER("\x04") "\x80\x28\x00\x00"), RC_BAD},
};
/* clang-format on */

static void every_row(void)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct stun_view view = {.type = 0xdead};

        printf("    # %s\n", rows[i].what);
        T_EQ(stun_scan(rows[i].datagram, &view), rows[i].rc);
        T_EQ(view.type, rows[i].rc == RC_OK ? STUN_BINDING_REQUEST : 0xdead);
        T_OK(!view.username.p);
    }
}

static void a_fingerprint_must_be_the_last_attribute(void)
{
    struct stun_builder builder;
    struct stun_view view;

    stun_builder_begin(&builder, STUN_BINDING_REQUEST, ID);
    stun_builder_fingerprint(&builder);
    T_EQ(stun_scan(stun_builder_span(&builder), &view), RC_OK);
    T_OK(view.has_fingerprint);
    stun_builder_append(&builder, 0x8022, "x", 1);
    T_EQ(stun_scan(stun_builder_span(&builder), &view), RC_BAD);
}

static void a_username_over_the_limit_is_refused(void)
{
    const char text[STUN_USERNAME_MAX + 1] = {0};
    struct stun_builder builder;
    struct stun_view view;

    stun_builder_begin(&builder, STUN_BINDING_REQUEST, ID);
    stun_builder_append(&builder, 0x0006, text, STUN_USERNAME_MAX);
    T_EQ(stun_scan(stun_builder_span(&builder), &view), RC_OK);

    stun_builder_begin(&builder, STUN_BINDING_REQUEST, ID);
    stun_builder_append(&builder, 0x0006, text, STUN_USERNAME_MAX + 1);
    T_EQ(stun_scan(stun_builder_span(&builder), &view), RC_BAD);
}

static enum refusal plain(const struct stun_builder *builder, const char *from,
                          uint8_t reply[static STUN_BINDING_REPLY_MAX], size_t *len)
{
    struct stun_budget budget = {0};
    const struct address source = address(from);

    return stun_binding_reply(&budget, stun_builder_span(builder), &source, T0, reply, len);
}

static void a_binding_request_is_answered_with_its_source(void)
{
    struct stun_builder request, expected;
    uint8_t reply[STUN_BINDING_REPLY_MAX];
    size_t len;

    stun_builder_begin(&request, STUN_BINDING_REQUEST, ID);
    T_EQ(plain(&request, "192.0.2.1:32853", reply, &len), REFUSAL_NONE);

    /* RFC 5769 section 2.2 */
    stun_builder_begin(&expected, 0x0101, ID);
    stun_builder_append(&expected, 0x0020, "\x00\x01\xa1\x47\xe1\x12\xa6\x43", 8);
    stun_builder_fingerprint(&expected);
    T_EQ(len, expected.n);
    T_MEM(reply, expected.bytes, len);
}

static void a_binding_request_over_v6_is_answered_with_its_source(void)
{
    struct stun_builder request, expected;
    uint8_t reply[STUN_BINDING_REPLY_MAX];
    size_t len;

    stun_builder_begin(&request, STUN_BINDING_REQUEST, ID);
    T_EQ(plain(&request, "[2001:db8:1234:5678:11:2233:4455:6677]:32853", reply, &len),
         REFUSAL_NONE);

    /* RFC 5769 section 2.3 */
    stun_builder_begin(&expected, 0x0101, ID);
    stun_builder_append(&expected, 0x0020,
                        "\x00\x02\xa1\x47\x01\x13\xa9\xfa\xa5\xd3\xf1\x79\xbc\x25\xf4\xb5\xbe"
                        "\xd2\xb9\xd9",
                        20);
    stun_builder_fingerprint(&expected);
    T_EQ(len, expected.n);
    T_MEM(reply, expected.bytes, len);
}

static void unknown_required_attributes_are_named_in_a_420(void)
{
    struct stun_builder request, expected;
    uint8_t reply[STUN_BINDING_REPLY_MAX];
    size_t len;

    stun_builder_begin(&request, STUN_BINDING_REQUEST, ID);
    stun_builder_append32(&request, 0x0003, 6); /* CHANGE-REQUEST */
    stun_builder_append32(&request, 0xc001, 6); /* optional: says nothing */
    T_EQ(plain(&request, "192.0.2.1:32853", reply, &len), REFUSAL_NONE);

    stun_builder_begin(&expected, 0x0111, ID);
    stun_builder_append(&expected, 0x0009, "\x00\x00\x04\x14", 4);
    stun_builder_append(&expected, 0x000a, "\x00\x03", 2);
    stun_builder_fingerprint(&expected);
    T_EQ(len, expected.n);
    T_MEM(reply, expected.bytes, len);
}

static void a_420_names_no_more_than_fits(void)
{
    struct stun_builder request;
    uint8_t reply[STUN_BINDING_REPLY_MAX];
    size_t len;

    stun_builder_begin(&request, STUN_BINDING_REQUEST, ID);
    for (uint16_t type = 0x7000; type < 0x7040; type++)
        stun_builder_append(&request, type, NULL, 0);
    T_EQ(plain(&request, "192.0.2.1:32853", reply, &len), REFUSAL_NONE);
    T_EQ(len, 20 + 8 + 4 + 2 * STUN_UNKNOWN_MAX + 8);
    T_OK(len <= STUN_BINDING_REPLY_MAX);
}

static void what_is_no_plain_request_is_not_answered(void)
{
    struct stun_builder builder;
    uint8_t reply[STUN_BINDING_REPLY_MAX];
    size_t len;

    stun_builder_begin(&builder, 0x0011, ID); /* an indication keeps a NAT open, no more */
    T_EQ(plain(&builder, "192.0.2.1:1", reply, &len), REFUSAL_NONE);
    T_EQ(len, 0);
    stun_builder_begin(&builder, 0x0101, ID); /* a response to nothing */
    T_EQ(plain(&builder, "192.0.2.1:1", reply, &len), REFUSAL_STUN_MALFORMED);
    stun_builder_begin(&builder, STUN_BINDING_REQUEST, ID);
    stun_builder_append(&builder, 0x0006, "nobody12:abcd", 13);
    T_EQ(plain(&builder, "192.0.2.1:1", reply, &len), REFUSAL_STUN_UNKNOWN_USER);
    T_EQ(len, 0);
}

static void a_flood_is_answered_at_the_rate_of_the_budget(void)
{
    struct stun_budget budget = {0};
    struct stun_builder builder;
    const struct address from = address("192.0.2.1:1");
    uint8_t reply[STUN_BINDING_REPLY_MAX];
    size_t len, answered = 0;

    stun_builder_begin(&builder, STUN_BINDING_REQUEST, ID);
    for (int i = 0; i < 3 * STUN_REPLIES_PER_SECOND; i++)
        answered += stun_binding_reply(&budget, stun_builder_span(&builder), &from, T0, reply,
                                       &len) == REFUSAL_NONE;
    T_EQ(answered, STUN_REPLIES_PER_SECOND);
    T_EQ(len, 0);
    T_EQ(stun_binding_reply(&budget, stun_builder_span(&builder), &from, T0 + MSEC(1), reply,
                            &len),
         REFUSAL_NONE);
    T_OK(len > 0);
}

static const struct t_case cases[] = {
    T_CASE(the_sample_request_of_rfc_5769_is_read),
    T_CASE(no_changed_bit_of_the_sample_passes_the_fingerprint),
    T_CASE(every_row),
    T_CASE(a_fingerprint_must_be_the_last_attribute),
    T_CASE(a_username_over_the_limit_is_refused),
    T_CASE(a_binding_request_is_answered_with_its_source),
    T_CASE(a_binding_request_over_v6_is_answered_with_its_source),
    T_CASE(unknown_required_attributes_are_named_in_a_420),
    T_CASE(a_420_names_no_more_than_fits),
    T_CASE(what_is_no_plain_request_is_not_answered),
    T_CASE(a_flood_is_answered_at_the_rate_of_the_budget),
};
T_MAIN(cases)

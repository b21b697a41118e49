#include "relay/outbox.h"

#include "tests/t.h"

#define SENT_MAX 600

static struct srtp_engine *engine;
static struct outbox *outbox;
static struct srtp_context *srtp[2];
static struct outbox_route route[2];
static unsigned sent_count, flushes;
static struct {
    uint16_t port;
    size_t len;
    uint8_t first, number; /* the first byte, and a raw packet's second */
} sent[SENT_MAX];

static void on_send(void *arg, const struct address *to, const struct address *local,
                    const uint8_t *data, size_t len)
{
    (void)arg, (void)local;
    T_OK(sent_count < SENT_MAX);
    sent[sent_count].port = address_port(to);
    sent[sent_count].len = len;
    sent[sent_count].first = data[0];
    sent[sent_count++].number = data[1];
}

static void on_flush(void *arg)
{
    (void)arg;
    flushes++;
}

static void begin(void)
{
    const struct outbox_sink sink = {NULL, on_send, on_flush};
    const struct span key = SPAN_LITERAL("0123456789abcdef"),
                      salt = SPAN_LITERAL("0123456789ab");

    outbox_free(outbox);
    if (!engine)
        T_EQ(srtp_engine_create(&engine, SRTP_ENGINE_AUTO), RC_OK);
    T_EQ(outbox_create(&outbox, engine, &sink), RC_OK);
    for (unsigned i = 0; i < 2; i++) {
        srtp_context_free(srtp[i]);
        T_EQ(srtp_context_create(&srtp[i], engine, SRTP_PROFILE_AEAD_AES_128_GCM, SRTP_OUTBOUND,
                                 key, salt),
             RC_OK);
        route[i] = (struct outbox_route){.srtp = srtp[i]};
        T_EQ(address_parse(&route[i].remote, i ? "192.0.2.1:2000" : "192.0.2.1:1000"), RC_OK);
    }
    sent_count = flushes = 0;
}

static void raw(unsigned to, uint8_t number)
{
    uint8_t *out = outbox_reserve(outbox);

    out[0] = 20;
    out[1] = number;
    outbox_commit(outbox, &route[to], OUTBOX_RAW, 10);
}

static void rtp(unsigned to, uint16_t seq)
{
    uint8_t *out = outbox_reserve(outbox);

    memset(out, 0, 32);
    out[0] = 0x80;
    store_be16(out + 2, seq);
    out[11] = 7; /* SSRC */
    outbox_commit(outbox, &route[to], OUTBOX_RTP, 32);
}

static void rtcp(unsigned to)
{
    static const uint8_t report[8] = {0x80, 201, 0, 1, 0, 0, 0, 7};

    memcpy(outbox_reserve(outbox), report, sizeof report);
    outbox_commit(outbox, &route[to], OUTBOX_RTCP, sizeof report);
}

static void packets_are_grouped_by_destination_in_their_order(void)
{
    static const struct {
        uint16_t port;
        uint8_t number;
    } expected[] = {{1000, 1}, {1000, 3}, {1000, 5}, {2000, 2}, {2000, 4}};

    begin();
    for (uint8_t i = 1; i <= 5; i++)
        raw(i % 2 ? 0 : 1, i);
    T_EQ(sent_count, 0);
    outbox_flush(outbox);
    T_EQ(sent_count, 5);
    for (unsigned i = 0; i < 5; i++) {
        T_EQ(sent[i].port, expected[i].port);
        T_EQ(sent[i].number, expected[i].number);
    }
    T_EQ(flushes, 1);
}

static void a_batch_begins_anew_after_a_flush(void)
{
    begin();
    for (uint8_t i = 1; i <= 2; i++) {
        raw(0, i);
        outbox_flush(outbox);
        T_EQ(sent_count, i);
    }
    outbox_flush(outbox); /* empty */
    T_EQ(flushes, 2);
}

static void media_is_protected_and_the_rest_is_not(void)
{
    begin();
    rtp(0, 1);
    rtcp(0);
    raw(0, 9);
    outbox_flush(outbox);
    T_EQ(sent_count, 3);
    T_EQ(sent[0].len, 32 + 16);
    T_EQ(sent[1].len, 8 + 16 + 4);
    T_EQ(sent[2].len, 10);
    T_EQ(sent[2].first, 20);
}

static void what_srtp_refuses_is_not_sent_and_what_follows_is(void)
{
    begin();
    rtp(0, 1);
    rtp(0, 1); /* the same sequence number again: one nonce, two texts */
    rtp(1, 1);
    rtp(0, 2);
    outbox_flush(outbox);
    T_EQ(sent_count, 3);
    T_EQ(sent[0].port, 1000);
    T_EQ(sent[1].port + sent[2].port, 3000);
}

static void a_full_batch_leaves_at_once_and_nothing_is_lost(void)
{
    begin();
    for (unsigned i = 0; i < OUTBOX_SLOTS + 10; i++)
        rtp(i % 2, (uint16_t)(i / 2));
    T_EQ(sent_count, OUTBOX_SLOTS);
    T_EQ(flushes, 1);
    outbox_flush(outbox);
    T_EQ(sent_count, OUTBOX_SLOTS + 10);
}

static void nothing_goes_nowhere_or_without_keys(void)
{
    begin();
    route[0].remote = (struct address){0};
    route[1].srtp = NULL;
    raw(0, 1);
    rtp(0, 1);
    rtp(1, 1);
    rtcp(1);
    raw(1, 2);
    outbox_flush(outbox);
    T_EQ(sent_count, 1);
    T_EQ(sent[0].number, 2);
}

static void an_answer_to_an_address_without_a_route_is_copied(void)
{
    uint8_t bytes[OUTBOX_PACKET_MAX + 1] = {0, 42};
    struct address to;

    begin();
    T_EQ(address_parse(&to, "192.0.2.9:9"), RC_OK);
    outbox_send_raw(outbox, &to, &to, (struct span){bytes, 20});
    outbox_send_raw(outbox, &to, &to, (struct span){bytes, sizeof bytes}); /* too large */
    bytes[1] = 0;
    outbox_flush(outbox);
    T_EQ(sent_count, 1);
    T_EQ(sent[0].port, 9);
    T_EQ(sent[0].number, 42);
}

static const struct t_case cases[] = {
    T_CASE(packets_are_grouped_by_destination_in_their_order),
    T_CASE(a_batch_begins_anew_after_a_flush),
    T_CASE(media_is_protected_and_the_rest_is_not),
    T_CASE(what_srtp_refuses_is_not_sent_and_what_follows_is),
    T_CASE(a_full_batch_leaves_at_once_and_nothing_is_lost),
    T_CASE(nothing_goes_nowhere_or_without_keys),
    T_CASE(an_answer_to_an_address_without_a_route_is_copied),
};
T_MAIN(cases)

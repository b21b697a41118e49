#include "core/refusal.h"
#include "relay/data_link.h"
#include "relay/dcep.h"
#include "tests/t.h"

#define SENT_MAX 64

/* A client and its association: what was sent to it, and how willing it is to take more. */
struct client {
    struct data_end *end;
    int answer; /* to send and reset */
    unsigned sent_count, woken;
    struct sent {
        struct sctp_message message;
        uint8_t bytes[DCEP_MESSAGE_MAX];
        bool reset;
    } sent[SENT_MAX];
};

static struct data_link_stats stats;
static struct client a, b, c;

static struct sent *next_sent(struct client *client)
{
    T_OK(client->sent_count < SENT_MAX);
    return &client->sent[client->sent_count++];
}

static int on_send(void *arg, const struct sctp_message *message)
{
    struct client *client = arg;

    if (client->answer != RC_OK)
        return client->answer;
    struct sent *sent = next_sent(client);
    T_OK(message->data.n <= sizeof sent->bytes);
    memcpy(sent->bytes, message->data.p, message->data.n);
    sent->message = *message;
    sent->message.data.p = sent->bytes;
    sent->reset = false;
    return RC_OK;
}

static int on_reset(void *arg, uint16_t stream)
{
    struct client *client = arg;

    if (client->answer != RC_OK)
        return client->answer;
    *next_sent(client) = (struct sent){.message = {.stream = stream}, .reset = true};
    return RC_OK;
}

static void on_wake(void *arg)
{
    struct client *client = arg;

    client->woken++;
}

/* We are the DTLS server of all three: clients use even ids, we odd ones from 63 down. */
static void add(struct client *client)
{
    const struct data_end_output output = {client, on_send, on_reset, on_wake};

    data_end_free(client->end);
    *client = (struct client){.answer = RC_OK};
    T_EQ(data_end_create(&client->end, &output, &stats, false), RC_OK);
}

static void begin(void)
{
    add(&a);
    add(&b);
    add(&c);
    data_end_up(a.end, 64);
    data_end_up(b.end, 64);
    data_end_up(c.end, 64);
}

static void finish(void)
{
    struct client *all[] = {&a, &b, &c};

    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        data_end_free(all[i]->end);
        all[i]->end = NULL;
    }
    T_EQ(counter_get(&stats.channels), 0);
}

static bool say(struct client *client, uint16_t stream, uint32_t ppid, struct span data)
{
    const struct sctp_message m = {stream, ppid, {.unordered = false}, data};

    return data_end_message(client->end, &m);
}

static struct span text(const char *s)
{
    return (struct span){(const uint8_t *)s, strlen(s)};
}

static void open_as(struct client *client, uint16_t stream, const char *label,
                    struct sctp_delivery delivery)
{
    const struct dcep_open open = {delivery, 256, text(label), text("p")};
    uint8_t buf[DCEP_MESSAGE_MAX];
    const size_t n = dcep_write_open(buf, sizeof buf, &open);

    T_OK(say(client, stream, SCTP_PPID_DCEP, (struct span){buf, n}));
}

static void open_channel(struct client *client, uint16_t stream, const char *label)
{
    open_as(client, stream, label, (struct sctp_delivery){.unordered = false});
}

static void acknowledge(struct client *client, uint16_t stream)
{
    T_OK(say(client, stream, SCTP_PPID_DCEP, SPAN_LITERAL("\x02")));
}

/* The client answers our reset, or begins one. */
static void reset_by(struct client *client, uint16_t stream)
{
    data_end_reset(client->end, stream);
    data_end_reset_done(client->end, stream);
}

/* The oldest thing that was sent and not looked at yet. */
static struct sent *expect(struct client *client)
{
    static struct sent first;

    T_OK(client->sent_count > 0);
    first = client->sent[0];
    first.message.data.p = first.bytes;
    client->sent_count--;
    memmove(client->sent, client->sent + 1, client->sent_count * sizeof *client->sent);
    return &first;
}

static void expect_nothing(const struct client *client)
{
    T_EQ(client->sent_count, 0);
}

static void expect_ack(struct client *client, uint16_t stream)
{
    const struct sent *sent = expect(client);

    T_OK(!sent->reset);
    T_EQ(sent->message.stream, stream);
    T_EQ(sent->message.ppid, SCTP_PPID_DCEP);
    T_EQ(sent->message.data.n, 1);
    T_EQ(sent->bytes[0], DCEP_ACK);
}

static struct dcep_open expect_open(struct client *client, uint16_t stream, const char *label)
{
    const struct sent *sent = expect(client);
    struct dcep_message m;

    T_OK(!sent->reset);
    T_EQ(sent->message.stream, stream);
    T_EQ(dcep_parse((struct span){sent->bytes, sent->message.data.n}, &m), RC_OK);
    T_EQ(m.type, DCEP_OPEN);
    T_EQ(m.open.label.n, strlen(label));
    T_MEM(m.open.label.p, label, strlen(label));
    T_EQ(m.open.protocol.n, 1);
    return m.open;
}

static void expect_reset(struct client *client, uint16_t stream)
{
    const struct sent *sent = expect(client);

    T_OK(sent->reset);
    T_EQ(sent->message.stream, stream);
}

static struct sctp_delivery expect_text(struct client *client, uint16_t stream, const char *s)
{
    const struct sent *sent = expect(client);

    T_OK(!sent->reset);
    T_EQ(sent->message.stream, stream);
    T_EQ(sent->message.ppid, SCTP_PPID_STRING);
    T_EQ(sent->message.data.n, strlen(s));
    T_MEM(sent->bytes, s, strlen(s));
    return sent->message.delivery;
}

static void says(struct client *client, uint16_t stream, const char *s)
{
    T_OK(say(client, stream, SCTP_PPID_STRING, text(s)));
}

/* --- the cases ---------------------------------------------------------------------------- */

static void a_channel_is_acknowledged_and_mirrored_with_all_that_it_is(void)
{
    begin();
    data_link_join(a.end, b.end);
    open_as(&a, 0, "chat", (struct sctp_delivery){true, SCTP_DELIVER_RETRANSMITS, 3});
    expect_ack(&a, 0);
    const struct dcep_open open = expect_open(&b, 63, "chat");
    T_OK(open.delivery.unordered);
    T_EQ(open.delivery.reliability, SCTP_DELIVER_RETRANSMITS);
    T_EQ(open.delivery.limit, 3);
    T_EQ(open.priority, 256);

    says(&a, 0, "early");
    T_OK(!expect_text(&b, 63, "early").unordered); /* not acknowledged yet */
    acknowledge(&b, 63);
    says(&a, 0, "later");
    const struct sctp_delivery how = expect_text(&b, 63, "later");
    T_OK(how.unordered);
    T_EQ(how.limit, 3);
    says(&b, 63, "back");
    T_OK(expect_text(&a, 0, "back").unordered);
    T_EQ(counter_get(&stats.messages), 3);
    finish();
}

static void own_channels_of_both_with_one_name_are_paired(void)
{
    begin();
    open_channel(&a, 0, "chat");
    open_channel(&b, 4, "chat");
    open_channel(&b, 6, "files");
    expect_ack(&a, 0);
    expect_ack(&b, 4);
    expect_ack(&b, 6);
    data_link_join(a.end, b.end);
    expect_open(&a, 63, "files");
    expect_nothing(&b);
    says(&a, 0, "x");
    expect_text(&b, 4, "x");
    says(&b, 4, "y");
    expect_text(&a, 0, "y");
    says(&b, 6, "z");
    expect_text(&a, 63, "z");
    finish();
}

static void another_protocol_is_another_channel(void)
{
    const struct dcep_open open = {.label = text("cha"), .protocol = text("tp")};
    uint8_t buf[DCEP_MESSAGE_MAX];

    begin();
    open_channel(&a, 0, "chat"); /* protocol "p": the same bytes in a row */
    expect_ack(&a, 0);
    T_OK(say(&b, 0, SCTP_PPID_DCEP,
             (struct span){buf, dcep_write_open(buf, sizeof buf, &open)}));
    expect_ack(&b, 0);
    data_link_join(a.end, b.end);
    expect_open(&b, 63, "chat");
    T_EQ(a.sent_count, 1);
    finish();
}

static void with_the_next_partner_mirrors_go_and_own_channels_stay(void)
{
    begin();
    open_channel(&a, 0, "chat");
    expect_ack(&a, 0);
    data_link_join(a.end, b.end);
    expect_open(&b, 63, "chat");
    acknowledge(&b, 63);

    data_link_part(a.end);
    expect_reset(&b, 63);
    expect_nothing(&a);
    says(&a, 0, "nobody hears this");
    says(&b, 63, "nor this");
    expect_nothing(&a);
    expect_nothing(&b);

    data_link_join(a.end, c.end);
    expect_open(&c, 63, "chat");
    says(&a, 0, "hello");
    expect_text(&c, 63, "hello");
    reset_by(&b, 63);
    T_EQ(data_end_channel_count(b.end), 0);
    finish();
}

static void messages_without_a_partner_are_counted(void)
{
    begin();
    const uint64_t before = counter_get(&stats.unlinked);
    open_channel(&a, 0, "chat");
    says(&a, 0, "one");
    says(&a, 0, "two");
    T_EQ(counter_get(&stats.unlinked), before + 2);
    finish();
}

static void closing_either_side_of_a_mirror_closes_the_other(void)
{
    begin();
    data_link_join(a.end, b.end);
    open_channel(&a, 0, "one");
    open_channel(&a, 2, "two");
    expect_ack(&a, 0);
    expect_ack(&a, 2);
    expect_open(&b, 63, "one");
    expect_open(&b, 61, "two");
    acknowledge(&b, 63);
    acknowledge(&b, 61);

    data_end_reset(a.end, 0); /* by who opened it */
    expect_reset(&a, 0);
    expect_reset(&b, 63);
    data_end_reset_done(a.end, 0);
    reset_by(&b, 63);

    data_end_reset(b.end, 61); /* by the other one */
    expect_reset(&a, 2);
    expect_reset(&b, 61);
    reset_by(&a, 2);
    data_end_reset_done(b.end, 61);
    T_EQ(data_end_channel_count(a.end), 0);
    T_EQ(data_end_channel_count(b.end), 0);

    open_channel(&a, 0, "three"); /* the ids are free again */
    expect_ack(&a, 0);
    expect_open(&b, 63, "three");
    finish();
}

static void of_two_own_channels_one_closes_alone_until_the_next_partner(void)
{
    begin();
    open_channel(&a, 0, "chat");
    open_channel(&b, 0, "chat");
    data_link_join(a.end, b.end);
    expect_ack(&a, 0);
    expect_ack(&b, 0);
    data_end_reset(a.end, 0);
    expect_reset(&a, 0);
    data_end_reset_done(a.end, 0);
    expect_nothing(&a); /* no mirror of what it has just closed */
    expect_nothing(&b);
    data_link_part(b.end);
    data_link_join(b.end, c.end);
    expect_open(&c, 63, "chat");
    finish();
}

static void opens_that_cross_become_one_pair(void)
{
    begin();
    data_link_join(a.end, b.end);
    open_channel(&a, 0, "chat");
    expect_ack(&a, 0);
    expect_open(&b, 63, "chat");
    says(&a, 0, "on the mirror");
    expect_text(&b, 63, "on the mirror");
    open_channel(&b, 0, "chat"); /* sent before ours arrived */
    expect_ack(&b, 0);
    expect_reset(&b, 63);
    expect_nothing(&a);

    acknowledge(&b, 63);
    says(&b, 63, "answer on the mirror");
    expect_text(&a, 0, "answer on the mirror");
    says(&a, 0, "now on your own");
    expect_text(&b, 0, "now on your own");
    reset_by(&b, 63);
    says(&b, 0, "still here");
    expect_text(&a, 0, "still here");
    finish();
}

static void after_the_acknowledgement_one_name_may_be_two_channels(void)
{
    begin();
    data_link_join(a.end, b.end);
    open_channel(&a, 0, "chat");
    expect_ack(&a, 0);
    expect_open(&b, 63, "chat");
    acknowledge(&b, 63);
    open_channel(&b, 0, "chat");
    expect_ack(&b, 0);
    expect_open(&a, 63, "chat");
    finish();
}

static void a_slow_client_holds_its_partner_up(void)
{
    begin();
    data_link_join(a.end, b.end);
    open_channel(&a, 0, "chat");
    expect_open(&b, 63, "chat");
    acknowledge(&b, 63);
    b.answer = RC_AGAIN;
    T_OK(!say(&a, 0, SCTP_PPID_STRING, text("wait")));
    data_end_flush(a.end);
    T_EQ(a.woken, 0);
    data_end_flush(b.end);
    T_EQ(a.woken, 1);
    T_OK(!say(&a, 0, SCTP_PPID_STRING, text("wait")));
    b.answer = RC_OK;
    data_end_flush(b.end);
    T_EQ(a.woken, 2);
    says(&a, 0, "wait");
    expect_text(&b, 63, "wait");
    data_end_flush(b.end);
    T_EQ(a.woken, 2);
    finish();
}

static void who_waits_for_a_partner_that_leaves_is_let_go(void)
{
    begin();
    data_link_join(a.end, b.end);
    open_channel(&a, 0, "chat");
    expect_open(&b, 63, "chat");
    b.answer = RC_AGAIN;
    T_OK(!say(&a, 0, SCTP_PPID_STRING, text("wait")));
    data_link_part(b.end);
    T_EQ(a.woken, 1);
    says(&a, 0, "wait");

    data_link_join(a.end, c.end);
    c.answer = RC_AGAIN;
    T_OK(!say(&a, 0, SCTP_PPID_STRING, text("wait")));
    data_end_down(c.end);
    T_EQ(a.woken, 2);
    says(&a, 0, "wait");
    finish();
}

static void what_could_not_be_sent_is_sent_when_there_is_room(void)
{
    begin();
    data_link_join(a.end, b.end);
    a.answer = b.answer = RC_AGAIN;
    open_channel(&a, 0, "chat");
    T_OK(!say(&a, 0, SCTP_PPID_STRING, text("wait")));
    a.answer = b.answer = RC_OK;
    data_end_flush(a.end);
    data_end_flush(b.end);
    expect_ack(&a, 0);
    expect_open(&b, 63, "chat");
    says(&a, 0, "wait");
    expect_text(&b, 63, "wait");

    b.answer = RC_AGAIN;
    data_link_part(a.end);
    b.answer = RC_OK;
    data_end_flush(b.end);
    expect_reset(&b, 63);
    finish();
}

static void a_mirror_that_was_never_announced_leaves_no_trace(void)
{
    begin();
    data_link_join(a.end, b.end);
    b.answer = RC_AGAIN;
    open_channel(&a, 0, "chat");
    data_link_part(a.end);
    b.answer = RC_OK;
    data_end_flush(b.end);
    expect_nothing(&b);
    T_EQ(data_end_channel_count(b.end), 0);
    finish();
}

static void a_partner_whose_association_is_on_its_way_is_waited_for(void)
{
    begin();
    add(&b);
    open_channel(&a, 0, "chat");
    data_link_join(a.end, b.end);
    T_OK(!say(&a, 0, SCTP_PPID_STRING, text("hello")));
    expect_nothing(&b);
    data_end_up(b.end, 64);
    T_EQ(a.woken, 1);
    expect_open(&b, 63, "chat");
    says(&a, 0, "hello");
    expect_text(&b, 63, "hello");
    finish();
}

static void an_association_that_ends_closes_its_mirrors_elsewhere(void)
{
    begin();
    data_link_join(a.end, b.end);
    open_channel(&a, 0, "chat");
    expect_ack(&a, 0);
    expect_open(&b, 63, "chat");
    open_channel(&b, 0, "mine");
    expect_ack(&b, 0);
    data_end_down(a.end);
    expect_reset(&b, 63);
    expect_nothing(&b); /* its own stays open */
    says(&b, 0, "dropped");
    expect_open(&a, 63, "mine");
    expect_nothing(&a);
    T_EQ(data_end_channel_count(a.end), 0);
    T_EQ(data_end_channel_count(b.end), 2);
    finish();
}

static void a_stream_that_the_pages_agreed_on_is_the_same_on_both_sides(void)
{
    const struct sctp_message loose = {
        8, SCTP_PPID_STRING, {.unordered = true}, SPAN_LITERAL("loose")};

    begin();
    data_link_join(a.end, b.end);
    says(&a, 8, "hello");
    T_OK(!expect_text(&b, 8, "hello").unordered);
    says(&b, 8, "hello yourself");
    expect_text(&a, 8, "hello yourself");
    T_OK(data_end_message(a.end, &loose));
    T_OK(expect_text(&b, 8, "loose").unordered);

    data_link_part(a.end); /* nobody is told */
    expect_nothing(&a);
    expect_nothing(&b);
    data_link_join(a.end, c.end);
    says(&a, 8, "and you");
    expect_text(&c, 8, "and you");

    data_end_reset(c.end, 8); /* the page closes it */
    expect_reset(&c, 8);
    expect_reset(&a, 8);
    finish();
}

static void an_agreed_stream_that_is_taken_over_there_is_dropped(void)
{
    begin();
    data_link_join(a.end, b.end);
    open_channel(&b, 8, "chat");
    expect_ack(&b, 8);
    expect_open(&a, 63, "chat");
    const uint64_t before = counter_get(&stats.unlinked);
    says(&a, 8, "hello");
    expect_nothing(&b);
    T_EQ(counter_get(&stats.unlinked), before + 1);
    finish();
}

static void every_type_of_message_keeps_it(void)
{
    static const struct {
        uint32_t ppid;
        struct span data;
        bool passes;
    } rows[] = {
        {SCTP_PPID_STRING, SPAN_LITERAL("text"), true},
        {SCTP_PPID_STRING, SPAN_LITERAL("\xc3\x28"), false}, /* not UTF-8 */
        {SCTP_PPID_BINARY, SPAN_LITERAL("\xc3\x28"), true},
        {SCTP_PPID_BINARY_PARTIAL, SPAN_LITERAL("\xff"), true},
        {SCTP_PPID_STRING_PARTIAL, SPAN_LITERAL("\xc3"), true},
        {SCTP_PPID_STRING_EMPTY, SPAN_LITERAL("\0"), true},
        {SCTP_PPID_BINARY_EMPTY, SPAN_LITERAL("\0"), true},
        {SCTP_PPID_BINARY_EMPTY, SPAN_LITERAL("\0\0"), false},
        {49, SPAN_LITERAL("x"), false},
        {55, SPAN_LITERAL("x"), false},
        {0, SPAN_LITERAL("x"), false},
    };

    begin();
    data_link_join(a.end, b.end);
    open_channel(&a, 0, "chat");
    expect_open(&b, 63, "chat");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const uint64_t before = refusal_total(REFUSAL_SCTP_MALFORMED);

        T_OK(say(&a, 0, rows[i].ppid, rows[i].data));
        T_EQ(refusal_total(REFUSAL_SCTP_MALFORMED) - before, rows[i].passes ? 0 : 1);
        if (!rows[i].passes)
            continue;
        const struct sent *sent = expect(&b);
        T_EQ(sent->message.ppid, rows[i].ppid);
        T_MEM(sent->bytes, rows[i].data.p, rows[i].data.n);
    }
    expect_nothing(&b);
    finish();
}

static void the_seventeenth_channel_is_refused_by_a_reset(void)
{
    begin();
    for (uint16_t i = 0; i < DATA_CHANNELS_MAX; i++) {
        open_channel(&a, (uint16_t)(2 * i), "chat");
        expect_ack(&a, (uint16_t)(2 * i));
    }
    const uint64_t before = refusal_total(REFUSAL_CHANNEL_LIMIT);
    open_channel(&a, 40, "one more");
    T_EQ(refusal_total(REFUSAL_CHANNEL_LIMIT), before + 1);
    expect_reset(&a, 40);
    says(&a, 40, "sent before the reset arrived");
    T_EQ(refusal_total(REFUSAL_CHANNEL_LIMIT), before + 1);

    reset_by(&a, 40);
    reset_by(&a, 0);
    expect_reset(&a, 0);
    data_end_reset_done(a.end, 0);
    open_channel(&a, 40, "now there is room");
    expect_ack(&a, 40);
    finish();
}

static void a_mirror_waits_for_a_place(void)
{
    begin();
    data_link_join(a.end, b.end);
    for (uint16_t i = 0; i < DATA_CHANNELS_MAX; i++) {
        open_channel(&b, (uint16_t)(2 * i), "theirs");
        expect_ack(&b, (uint16_t)(2 * i));
        expect_open(&a, (uint16_t)(63 - 2 * i), "theirs");
        acknowledge(&a, (uint16_t)(63 - 2 * i));
    }
    reset_by(&a, 63);
    expect_reset(&a, 63);
    data_end_reset_done(a.end, 63);
    expect_reset(&b, 0);
    open_channel(&a, 0, "mine");
    expect_ack(&a, 0);
    expect_nothing(&b);
    reset_by(&b, 0);
    expect_open(&b, 63, "mine");
    finish();
}

static void bad_opens_are_counted_and_reset(void)
{
    static const struct {
        const char *what;
        uint16_t stream;
        struct span bytes;
    } rows[] = {
        {"an id of ours", 1, SPAN_LITERAL("\x03\0\0\0\0\0\0\0\0\0\0\0")},
        {"cut off", 10, SPAN_LITERAL("\x03\0\0\0\0\0\0\0\0\0\0")},
        {"unknown type", 12, SPAN_LITERAL("\x04")},
    };

    begin();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const uint64_t before = refusal_total(REFUSAL_SCTP_MALFORMED);

        printf("#   %s\n", rows[i].what);
        T_OK(say(&a, rows[i].stream, SCTP_PPID_DCEP, rows[i].bytes));
        T_EQ(refusal_total(REFUSAL_SCTP_MALFORMED), before + 1);
        expect_reset(&a, rows[i].stream);
    }
    T_EQ(data_end_channel_count(a.end), 0);

    open_channel(&a, 0, "chat"); /* a second OPEN on a stream closes it */
    expect_ack(&a, 0);
    open_channel(&a, 0, "chat");
    expect_reset(&a, 0);
    finish();
}

static void a_stray_acknowledgement_is_counted(void)
{
    begin();
    const uint64_t before = refusal_total(REFUSAL_SCTP_MALFORMED);
    acknowledge(&a, 63);
    open_channel(&a, 0, "chat");
    acknowledge(&a, 0);
    T_EQ(refusal_total(REFUSAL_SCTP_MALFORMED), before + 2);
    finish();
}

static void a_message_too_large_for_the_partner_closes_the_pair(void)
{
    begin();
    data_link_join(a.end, b.end);
    open_channel(&a, 0, "chat");
    expect_ack(&a, 0);
    expect_open(&b, 63, "chat");
    acknowledge(&b, 63);
    b.answer = RC_FULL;
    const uint64_t before = refusal_total(REFUSAL_DATA_TOO_LARGE);
    says(&a, 0, "huge");
    b.answer = RC_OK;
    T_EQ(refusal_total(REFUSAL_DATA_TOO_LARGE), before + 1);
    expect_reset(&a, 0);
    finish();
}

static void a_message_too_large_for_us_closes_the_pair(void)
{
    begin();
    data_link_join(a.end, b.end);
    open_channel(&a, 0, "chat");
    expect_ack(&a, 0);
    expect_open(&b, 63, "chat");
    data_end_too_large(a.end, 0);
    expect_reset(&b, 63);
    expect_reset(&a, 0);
    finish();
}

static void an_association_with_few_streams_gets_mirrors_it_has(void)
{
    begin();
    add(&b);
    data_end_up(b.end, 3);
    data_link_join(a.end, b.end);
    open_channel(&a, 0, "one");
    open_channel(&a, 2, "two");
    expect_open(&b, 1, "one");
    expect_nothing(&b);
    says(&a, 2, "dropped");
    says(&a, 8, "dropped");
    expect_nothing(&b);
    finish();
}

static void an_id_may_be_used_again_before_we_know_that_it_is_free(void)
{
    begin();
    open_channel(&a, 0, "one");
    expect_ack(&a, 0);
    data_end_reset(a.end, 0);
    expect_reset(&a, 0);
    open_channel(&a, 0, "two");
    expect_ack(&a, 0);
    data_end_reset_done(a.end, 0); /* late */
    data_link_join(a.end, b.end);
    expect_open(&b, 63, "two");
    finish();
}

static const struct t_case cases[] = {
    T_CASE(a_channel_is_acknowledged_and_mirrored_with_all_that_it_is),
    T_CASE(own_channels_of_both_with_one_name_are_paired),
    T_CASE(another_protocol_is_another_channel),
    T_CASE(with_the_next_partner_mirrors_go_and_own_channels_stay),
    T_CASE(messages_without_a_partner_are_counted),
    T_CASE(closing_either_side_of_a_mirror_closes_the_other),
    T_CASE(of_two_own_channels_one_closes_alone_until_the_next_partner),
    T_CASE(opens_that_cross_become_one_pair),
    T_CASE(after_the_acknowledgement_one_name_may_be_two_channels),
    T_CASE(a_slow_client_holds_its_partner_up),
    T_CASE(who_waits_for_a_partner_that_leaves_is_let_go),
    T_CASE(what_could_not_be_sent_is_sent_when_there_is_room),
    T_CASE(a_mirror_that_was_never_announced_leaves_no_trace),
    T_CASE(a_partner_whose_association_is_on_its_way_is_waited_for),
    T_CASE(an_association_that_ends_closes_its_mirrors_elsewhere),
    T_CASE(a_stream_that_the_pages_agreed_on_is_the_same_on_both_sides),
    T_CASE(an_agreed_stream_that_is_taken_over_there_is_dropped),
    T_CASE(every_type_of_message_keeps_it),
    T_CASE(the_seventeenth_channel_is_refused_by_a_reset),
    T_CASE(a_mirror_waits_for_a_place),
    T_CASE(bad_opens_are_counted_and_reset),
    T_CASE(a_stray_acknowledgement_is_counted),
    T_CASE(a_message_too_large_for_the_partner_closes_the_pair),
    T_CASE(a_message_too_large_for_us_closes_the_pair),
    T_CASE(an_association_with_few_streams_gets_mirrors_it_has),
    T_CASE(an_id_may_be_used_again_before_we_know_that_it_is_free),
};
T_MAIN(cases)

#include "core/refusal.h"
#include "relay/sctp_association.h"
#include "tests/sim/sctp_wire_lib.h"
#include "tests/t.h"

#include <malloc.h>

/* One end: keeps counts of what happened and the last message. */
struct end {
    struct sctp_association *association;
    bool paused; /* reads nothing */
    unsigned up, down, messages, too_large, streams;
    uint64_t reset, reset_done;
    uint32_t sum; /* of sequence numbers that messages begin with */
    bool in_order;
    uint16_t stream;
    uint32_t ppid;
    bool unordered;
    size_t length;
    uint8_t *data; /* owned: the last message */
};

static struct sctp_wire *wire;
static struct end a, b;

static void on_event(struct end *end, const struct sctp_association_event *event)
{
    const struct sctp_message *m = &event->message;

    switch (event->kind) {
    case SCTP_EVENT_UP:
        end->up++;
        end->streams = event->stream_count;
        break;
    case SCTP_EVENT_DOWN:
        end->down++;
        break;
    case SCTP_EVENT_TOO_LARGE:
        end->too_large++;
        end->stream = m->stream;
        break;
    case SCTP_EVENT_RESET:
        end->reset |= event->streams;
        break;
    case SCTP_EVENT_RESET_DONE:
        end->reset_done |= event->streams;
        break;
    case SCTP_EVENT_MESSAGE:
        if (m->data.n >= 4 && load_be32(m->data.p) != end->messages)
            end->in_order = false;
        end->messages++;
        end->stream = m->stream;
        end->ppid = m->ppid;
        end->unordered = m->delivery.unordered;
        end->length = m->data.n;
        end->data = realloc(end->data, m->data.n);
        memcpy(end->data, m->data.p, m->data.n);
        break;
    }
}

static void end_input(void *arg, struct span packet)
{
    struct end *end = arg;

    if (end->association)
        T_EQ(sctp_association_input(end->association, packet), RC_OK);
}

static void end_work(void *arg)
{
    struct end *end = arg;
    struct sctp_association_event event;

    if (!end->association || end->paused)
        return;
    while (sctp_association_peek(end->association, &event)) {
        on_event(end, &event);
        sctp_association_pop(end->association);
    }
}

static void open_end(struct end *end, uint64_t id, uint32_t max_in, uint32_t max_out)
{
    const struct sctp_association_options options = {
        .id = id,
        .local_port = 5000,
        .remote_port = 5000,
        .max_message_in = max_in,
        .max_message_out = max_out,
        .user = end,
    };

    *end = (struct end){.in_order = true};
    T_EQ(sctp_association_open(&end->association, sctp_wire_stack(wire), &options), RC_OK);
    sctp_wire_attach(wire, id, &(struct sctp_wire_end){end_input, end_work, end});
}

static void close_end(struct end *end)
{
    sctp_association_close(end->association);
    end->association = NULL;
    free(end->data);
    end->data = NULL;
}

static void begin_with(uint32_t max_in)
{
    if (wire) { /* a case that failed left it behind */
        close_end(&a);
        close_end(&b);
        sctp_wire_free(wire);
    }
    wire = sctp_wire_create();
    open_end(&a, 2, max_in, SCTP_MESSAGE_MAX);
    open_end(&b, 3, max_in, SCTP_MESSAGE_MAX);
    sctp_wire_run(wire, SEC(1));
    T_EQ(a.up, 1);
    T_EQ(b.up, 1);
}

static void begin(void)
{
    begin_with(SCTP_MESSAGE_MAX);
}

static void finish(void)
{
    close_end(&a);
    close_end(&b);
    sctp_wire_run(wire, SEC(1));
    sctp_wire_free(wire);
    wire = NULL;
}

static int send_numbered(struct end *end, uint32_t number, size_t n, struct sctp_delivery how)
{
    static uint8_t bytes[SCTP_MESSAGE_MAX + 1];
    const struct sctp_message m = {5, SCTP_PPID_BINARY, how, {bytes, n}};

    for (size_t i = 4; i < n; i++)
        bytes[i] = (uint8_t)(number + i * 7);
    store_be32(bytes, number);
    return sctp_association_send(end->association, &m);
}

static const struct sctp_delivery reliable = {.unordered = false};

static void two_ends_that_both_connect_come_up_once(void)
{
    begin();
    T_EQ(a.streams, SCTP_STREAMS);
    T_EQ(b.streams, SCTP_STREAMS);
    T_EQ(a.down + b.down, 0);
    finish();
}

static void a_message_keeps_stream_type_and_bytes(void)
{
    const struct sctp_message hello = {7, SCTP_PPID_STRING, reliable, SPAN_LITERAL("hello")};
    const struct sctp_message empty = {
        7, SCTP_PPID_BINARY_EMPTY, {.unordered = true}, SPAN_LITERAL("\0")};

    begin();
    T_EQ(sctp_association_send(a.association, &hello), RC_OK);
    sctp_wire_run(wire, MSEC(100));
    T_EQ(b.messages, 1);
    T_EQ(b.stream, 7);
    T_EQ(b.ppid, SCTP_PPID_STRING);
    T_OK(!b.unordered);
    T_EQ(b.length, 5);
    T_MEM(b.data, "hello", 5);

    T_EQ(sctp_association_send(a.association, &empty), RC_OK);
    sctp_wire_run(wire, MSEC(100));
    T_EQ(b.messages, 2);
    T_EQ(b.ppid, SCTP_PPID_BINARY_EMPTY);
    T_OK(b.unordered);
    T_EQ(b.length, 1);
    finish();
}

static void the_largest_message_arrives_whole_in_packets_that_fit_a_record(void)
{
    begin();
    T_EQ(send_numbered(&a, 0, SCTP_MESSAGE_MAX, reliable), RC_OK);
    sctp_wire_run(wire, SEC(5));
    T_EQ(b.messages, 1);
    T_EQ(b.length, SCTP_MESSAGE_MAX);
    for (size_t i = 4; i < b.length; i++)
        T_EQ(b.data[i], (uint8_t)(i * 7));
    T_OK(sctp_wire_longest(wire) <= SCTP_PACKET_MAX);
    T_OK(sctp_wire_longest(wire) > SCTP_PACKET_MAX - 8);
    finish();
}

static void what_is_too_large_is_refused_on_both_sides(void)
{
    const uint64_t before = refusal_total(REFUSAL_DATA_TOO_LARGE);

    begin_with(10000);
    T_EQ(send_numbered(&a, 0, SCTP_MESSAGE_MAX + 1, reliable), RC_FULL);
    T_EQ(send_numbered(&a, 0, 10000, reliable), RC_OK);
    T_EQ(send_numbered(&a, 1, 10001, reliable), RC_OK);
    T_EQ(send_numbered(&a, 2, 200000, reliable), RC_OK);
    sctp_wire_run(wire, SEC(5));
    T_EQ(b.messages, 1);
    T_EQ(b.too_large, 2);
    T_EQ(refusal_total(REFUSAL_DATA_TOO_LARGE), before + 2);
    T_EQ(send_numbered(&a, 1, 100, reliable), RC_OK);
    sctp_wire_run(wire, SEC(1));
    T_EQ(b.messages, 2);
    T_OK(b.in_order);
    finish();
}

static void ordered_messages_survive_loss_in_order(void)
{
    begin();
    sctp_wire_lose(wire, 10);
    for (uint32_t i = 0; i < 200; i++)
        T_EQ(send_numbered(&a, i, 1000, reliable), RC_OK);
    sctp_wire_run(wire, SEC(60));
    T_EQ(b.messages, 200);
    T_OK(b.in_order);
    finish();
}

static void messages_without_retransmission_may_be_lost_and_the_rest_arrives(void)
{
    const struct sctp_delivery once = {.unordered = true,
                                       .reliability = SCTP_DELIVER_RETRANSMITS};

    begin();
    sctp_wire_lose(wire, 5);
    for (uint32_t i = 0; i < 200; i++) {
        T_EQ(send_numbered(&a, i, 1000, once), RC_OK);
        sctp_wire_run(wire, MSEC(20));
    }
    sctp_wire_lose(wire, 0);
    sctp_wire_run(wire, SEC(30));
    printf("#   %u of 200 arrived\n", b.messages);
    T_OK(b.messages < 200);
    T_OK(b.messages > 100);
    T_OK(b.unordered);
    T_EQ(b.down, 0);
    finish();
}

static void a_receiver_that_does_not_read_stops_the_sender(void)
{
    uint32_t sent = 0;

    begin();
    b.paused = true;
    while (sent < 10000 && send_numbered(&a, sent, 1000, reliable) == RC_OK) {
        sctp_wire_run(wire, MSEC(10));
        sent++;
    }
    printf("#   stopped after %u kB\n", sent);
    T_OK(sent > SCTP_RECEIVE_BUFFER / 1000 / 2);
    T_OK(sent < (SCTP_RECEIVE_BUFFER + SCTP_SEND_BUFFER) / 1000 + 10);
    T_EQ(send_numbered(&a, sent, 1000, reliable), RC_AGAIN);

    b.paused = false;
    sctp_wire_run(wire, SEC(30));
    T_EQ(b.messages, sent);
    T_OK(b.in_order);
    T_EQ(send_numbered(&a, sent, 1000, reliable), RC_OK);
    finish();
}

static void an_event_stays_until_it_is_popped(void)
{
    struct sctp_association_event event;

    begin();
    b.paused = true;
    T_EQ(send_numbered(&a, 17, 3000, reliable), RC_OK);
    T_EQ(send_numbered(&a, 18, 10, reliable), RC_OK);
    sctp_wire_run(wire, MSEC(500));
    for (int i = 0; i < 3; i++) {
        T_OK(sctp_association_peek(b.association, &event));
        T_EQ(event.kind, SCTP_EVENT_MESSAGE);
        T_EQ(event.message.data.n, 3000);
        T_EQ(load_be32(event.message.data.p), 17);
    }
    sctp_association_pop(b.association);
    T_OK(sctp_association_peek(b.association, &event));
    T_EQ(load_be32(event.message.data.p), 18);
    sctp_association_pop(b.association);
    T_OK(!sctp_association_peek(b.association, &event));
    finish();
}

static void a_stream_that_is_reset_is_told_to_both_and_can_be_used_again(void)
{
    begin();
    T_EQ(send_numbered(&a, 0, 20000, reliable), RC_OK);
    T_EQ(sctp_association_reset(a.association, 5), RC_OK);
    T_EQ(sctp_association_reset(a.association, SCTP_STREAMS), RC_BAD);
    sctp_wire_run(wire, SEC(2));
    T_EQ(b.messages, 1); /* what was sent before the reset arrives before it */
    T_EQ(b.reset, 1u << 5);
    T_EQ(a.reset_done, 1u << 5);
    T_EQ(sctp_association_reset(b.association, 5), RC_OK);
    sctp_wire_run(wire, SEC(2));
    T_EQ(a.reset, 1u << 5);
    T_EQ(send_numbered(&a, 1, 100, reliable), RC_OK);
    sctp_wire_run(wire, SEC(1));
    T_EQ(b.messages, 2);
    finish();
}

static void resets_one_after_the_other_all_happen(void)
{
    uint64_t todo = 0xff0;

    begin();
    for (int i = 0; i < 200 && todo; i++) {
        for (uint16_t s = 0; s < SCTP_STREAMS; s++)
            if (todo & UINT64_C(1) << s && sctp_association_reset(a.association, s) == RC_OK)
                todo &= ~(UINT64_C(1) << s);
        sctp_wire_run(wire, MSEC(50));
    }
    T_EQ(todo, 0);
    T_EQ(b.reset, 0xff0);
    T_EQ(a.reset_done, 0xff0);
    finish();
}

static void closing_tells_the_other_end(void)
{
    begin();
    close_end(&a);
    sctp_wire_run(wire, SEC(1));
    T_EQ(b.down, 1);
    T_EQ(send_numbered(&b, 0, 10, reliable), RC_BAD);
    finish();
}

static void an_end_that_is_never_answered_goes_down(void)
{
    begin();
    sctp_wire_detach(wire, 2);
    T_EQ(send_numbered(&b, 0, 10, reliable), RC_OK);
    sctp_wire_run(wire, SEC(300));
    T_EQ(b.down, 1);
    finish();
}

static void junk_is_counted_and_changes_nothing(void)
{
    static const struct {
        const char *what;
        struct span packet;
    } junk[] = {
        {"nothing", {(const uint8_t *)"", 0}},
        {"a header alone", SPAN_LITERAL("\x13\x88\x13\x88\0\0\0\0\0\0\0\0")},
        {"other ports", SPAN_LITERAL("\x13\x88\x13\x89\0\0\0\0\0\0\0\0\x03\x00\x00\x04")},
        {"wrong checksum", SPAN_LITERAL("\x13\x88\x13\x88\0\0\0\0\0\0\0\0\x03\x00\x00\x04")},
        {"chunk of no length",
         SPAN_LITERAL("\x13\x88\x13\x88\0\0\0\0\0\0\0\0\x03\x00\x00\x00")},
        {"chunk past the end",
         SPAN_LITERAL("\x13\x88\x13\x88\0\0\0\0\0\0\0\0\x03\x00\x00\x05")},
    };

    begin();
    for (size_t i = 0; i < ARRAY_LEN(junk); i++) {
        const uint64_t before = refusal_total(REFUSAL_SCTP_MALFORMED);

        printf("#   %s\n", junk[i].what);
        T_EQ(sctp_association_input(a.association, junk[i].packet), RC_BAD);
        T_EQ(refusal_total(REFUSAL_SCTP_MALFORMED), before + 1);
    }
    T_EQ(send_numbered(&a, 0, 10, reliable), RC_OK);
    sctp_wire_run(wire, SEC(1));
    T_EQ(b.messages, 1);
    finish();
}

static void one_stack_per_process_and_another_after_it(void)
{
    struct sctp_stack *second;

    begin();
    T_EQ(sctp_stack_create(&second, &(struct sctp_output){NULL, NULL}), RC_FULL);
    finish();
    begin();
    finish();
}

static void memory_of_an_idle_association_is_small(void)
{
    enum { PAIRS = 15 };
    struct end ends[2 * PAIRS];

    begin();
    const size_t before = mallinfo2().uordblks;
    for (size_t i = 0; i < 2 * PAIRS; i++)
        open_end(&ends[i], 4 + i, SCTP_MESSAGE_MAX, SCTP_MESSAGE_MAX);
    sctp_wire_run(wire, SEC(2));
    const size_t each = (mallinfo2().uordblks - before) / (2 * PAIRS);
    printf("#   %zu bytes per association\n", each);
    for (size_t i = 0; i < 2 * PAIRS; i++) {
        T_EQ(ends[i].up, 1);
        close_end(&ends[i]);
    }
    T_OK(each < 24 * 1024);
    finish();
}

static const struct t_case cases[] = {
    T_CASE(two_ends_that_both_connect_come_up_once),
    T_CASE(a_message_keeps_stream_type_and_bytes),
    T_CASE(the_largest_message_arrives_whole_in_packets_that_fit_a_record),
    T_CASE(what_is_too_large_is_refused_on_both_sides),
    T_CASE(ordered_messages_survive_loss_in_order),
    T_CASE(messages_without_retransmission_may_be_lost_and_the_rest_arrives),
    T_CASE(a_receiver_that_does_not_read_stops_the_sender),
    T_CASE(an_event_stays_until_it_is_popped),
    T_CASE(a_stream_that_is_reset_is_told_to_both_and_can_be_used_again),
    T_CASE(resets_one_after_the_other_all_happen),
    T_CASE(closing_tells_the_other_end),
    T_CASE(an_end_that_is_never_answered_goes_down),
    T_CASE(junk_is_counted_and_changes_nothing),
    T_CASE(one_stack_per_process_and_another_after_it),
    T_CASE(memory_of_an_idle_association_is_small),
};
T_MAIN(cases)

/*
 * Data channels of several clients through the switch, in virtual time: clients that are not
 * usrsctp, a network that loses packets, partners that come and go.
 */
#include "core/refusal.h"
#include "relay/data_switch.h"
#include "relay/sctp_association.h"
#include "tests/sim/sctp_client_lib.h"
#include "tests/sim/virtual_clock_lib.h"
#include "tests/t.h"

#include <malloc.h>

#define STEP MSEC(10)
#define CLIENTS_MAX 41 /* ids 1 to 40 */

struct packet {
    struct packet *next;
    uint64_t peer;
    bool to_server;
    size_t n;
    uint8_t bytes[];
};

struct person {
    uint64_t id;
    struct sctp_client *client;
    unsigned opens, acks, resets, messages;
    uint16_t open_stream;
    char open_label[64];
    uint8_t open_type;
    uint32_t open_limit;
    uint16_t stream;
    uint32_t ppid;
    bool unordered, in_order;
    size_t length;
    uint8_t first[64];
    uint64_t sum;
};

static struct data_switch *sw;
static struct person people[CLIENTS_MAX];
static struct packet *first_packet, **last_packet = &first_packet;
static usec_t now;
static unsigned lose; /* one of so many */
static uint32_t dice;

/* --- the network -------------------------------------------------------------------------- */

static void put(uint64_t peer, bool to_server, struct span bytes)
{
    dice = dice * 1664525u + 1013904223u;
    if (lose && (dice >> 16) % lose == 0)
        return;
    struct packet *packet = malloc(sizeof *packet + bytes.n);
    *packet = (struct packet){.peer = peer, .to_server = to_server, .n = bytes.n};
    memcpy(packet->bytes, bytes.p, bytes.n);
    *last_packet = packet;
    last_packet = &packet->next;
}

static void to_client(void *arg, unsigned worker, uint64_t peer, struct span packet)
{
    (void)arg;
    T_EQ(worker, peer % 3);
    T_OK(packet.n <= SCTP_PACKET_MAX);
    put(peer, false, packet);
}

static void to_server(void *arg, struct span packet)
{
    const struct person *person = arg;

    put(person->id, true, packet);
}

static void deliver(void)
{
    while (first_packet) {
        struct packet *packet = first_packet;
        const struct span bytes = {packet->bytes, packet->n};

        first_packet = packet->next;
        if (!first_packet)
            last_packet = &first_packet;
        if (packet->to_server)
            data_switch_input(sw, packet->peer, bytes, now);
        else if (people[packet->peer].client)
            sctp_client_input(people[packet->peer].client, bytes);
        free(packet);
    }
}

static void run(usec_t duration)
{
    const usec_t until = now + duration;

    deliver();
    while (now < until) {
        now += STEP;
        virtual_clock_set(now);
        if (now % MSEC(500) == 0)
            for (size_t i = 0; i < CLIENTS_MAX; i++)
                if (people[i].client)
                    sctp_client_tick(people[i].client);
        if (data_switch_deadline(sw) <= now)
            data_switch_tick(sw, now);
        deliver();
    }
}

/* --- people ------------------------------------------------------------------------------- */

static void on_message(void *arg, const struct sctp_client_message *m)
{
    struct person *person = arg;
    const uint8_t *p = m->data.p;

    if (m->ppid == 50 && p[0] == 2) {
        person->acks++;
        return;
    }
    if (m->ppid == 50) {
        const size_t n = load_be16(p + 8) < 63 ? load_be16(p + 8) : 63;
        const struct sctp_client_message ack = {m->stream, 50, false, SPAN_LITERAL("\x02")};

        person->opens++;
        person->open_stream = m->stream;
        person->open_type = p[1];
        person->open_limit = load_be32(p + 4);
        memcpy(person->open_label, p + 12, n);
        person->open_label[n] = 0;
        sctp_client_send(person->client, &ack);
        return;
    }
    if (m->data.n >= 4 && load_be32(p) != person->messages)
        person->in_order = false;
    person->messages++;
    person->stream = m->stream;
    person->ppid = m->ppid;
    person->unordered = m->unordered;
    person->length = m->data.n;
    memcpy(person->first, p, m->data.n < 64 ? m->data.n : 64);
    for (size_t i = 0; i < m->data.n; i++)
        person->sum = person->sum * 31 + p[i];
}

/* As browsers do: our half ends, theirs follows. */
static void on_reset(void *arg, uint16_t stream)
{
    struct person *person = arg;

    person->resets++;
    sctp_client_reset(person->client, stream);
}

static struct person *arrives(uint64_t id)
{
    struct person *person = &people[id];
    const struct sctp_client_output output = {person, to_server, on_message, on_reset};
    const struct data_switch_peer peer = {
        .id = id,
        .worker = (unsigned)(id % 3),
        .data = {.present = true,
                 .remote_sctp_port = SCTP_CLIENT_PORT,
                 .local_sctp_port = SCTP_CLIENT_PORT,
                 .max_message_size = SCTP_MESSAGE_MAX,
                 .local_max_message_size = SCTP_MESSAGE_MAX},
    };

    *person = (struct person){.id = id, .in_order = true};
    person->client = sctp_client_create(&output, (uint32_t)id * 77);
    T_EQ(data_switch_open(sw, &peer), RC_OK);
    return person;
}

static struct person *connects(uint64_t id)
{
    struct person *person = arrives(id);

    sctp_client_connect(person->client);
    return person;
}

static void leaves(struct person *person)
{
    data_switch_close(sw, person->id);
    deliver();
    sctp_client_free(person->client);
    person->client = NULL;
}

static void says(struct person *person, uint16_t stream, const char *text)
{
    const struct sctp_client_message m = {
        stream, SCTP_PPID_STRING, false, {(const uint8_t *)text, strlen(text)}};

    sctp_client_send(person->client, &m);
}

static void sends_numbered(struct person *person, uint16_t stream, uint32_t number, size_t n,
                           bool unordered)
{
    uint8_t *bytes = malloc(n);

    memset(bytes, (int)number, n);
    store_be32(bytes, number);
    sctp_client_send(person->client, &(struct sctp_client_message){
                                         stream, SCTP_PPID_BINARY, unordered, {bytes, n}});
    free(bytes);
}

static void finish(void)
{
    for (size_t i = 0; i < CLIENTS_MAX; i++)
        if (people[i].client)
            leaves(&people[i]);
    if (sw) {
        const struct data_switch_stats *stats = data_switch_stats(sw);

        T_EQ(counter_get(&stats->peers), 0);
        T_EQ(counter_get(&stats->associations), 0);
        T_EQ(counter_get(&stats->link.channels), 0);
    }
    deliver();
    data_switch_free(sw);
    sw = NULL;
}

static void begin(void)
{
    if (sw) /* a case that failed left it behind */
        finish();
    now = SEC(1000);
    virtual_clock_set(now);
    lose = 0;
    dice = 7;
    T_EQ(data_switch_create(&sw, &(struct data_switch_output){to_client, NULL}), RC_OK);
}

/* --- the cases ---------------------------------------------------------------------------- */

static void two_people_talk(void)
{
    begin();
    struct person *a = connects(1), *b = connects(2);
    run(SEC(1));
    T_OK(sctp_client_up(a->client));
    T_OK(sctp_client_up(b->client));
    data_switch_link(sw, 1, 2);
    sctp_client_open(a->client, 0, 0x82, 500, "chat");
    run(MSEC(200));
    T_EQ(a->acks, 1);
    T_EQ(b->opens, 1);
    T_STR(b->open_label, "chat");
    T_EQ(b->open_type, 0x82);
    T_EQ(b->open_limit, 500);
    T_EQ(b->open_stream, 63);
    says(a, 0, "hello");
    run(MSEC(200));
    T_EQ(b->messages, 1);
    T_EQ(b->ppid, SCTP_PPID_STRING);
    T_OK(b->unordered);
    T_MEM(b->first, "hello", 5);
    says(b, 63, "hello yourself");
    run(MSEC(200));
    T_EQ(a->messages, 1);
    T_EQ(a->stream, 0);
    finish();
}

static void the_switch_sleeps_while_there_is_no_association(void)
{
    begin();
    T_EQ(data_switch_deadline(sw), USEC_NEVER);
    struct person *a = arrives(1);
    T_EQ(data_switch_deadline(sw), USEC_NEVER);
    sctp_client_connect(a->client);
    run(SEC(1));
    T_OK(data_switch_deadline(sw) <= now + SCTP_TICK);
    leaves(a);
    run(SEC(1));
    T_EQ(data_switch_deadline(sw), USEC_NEVER);
    finish();
}

static void ten_percent_loss_each_way_loses_nothing_of_a_reliable_channel(void)
{
    begin();
    struct person *a = connects(1), *b = connects(2);
    lose = 10;
    run(SEC(20));
    data_switch_link(sw, 1, 2);
    sctp_client_open(a->client, 0, 0, 0, "chat");
    run(SEC(10));
    T_EQ(b->opens, 1);
    for (uint32_t i = 0; i < 100; i++) {
        sends_numbered(a, 0, i, 500 + i * 30, false);
        sends_numbered(b, 63, i, 500 + i * 30, false);
    }
    run(SEC(300));
    T_EQ(b->messages, 100);
    T_EQ(a->messages, 100);
    T_OK(a->in_order);
    T_OK(b->in_order);
    T_EQ(a->sum, b->sum);
    finish();
}

static void the_next_partner_gets_the_same_channel(void)
{
    begin();
    struct person *a = connects(1), *b = connects(2), *c = connects(3);
    sctp_client_open(a->client, 0, 0, 0, "chat");
    run(SEC(1));
    data_switch_link(sw, 1, 2);
    run(SEC(1));
    says(a, 0, "to b");
    run(SEC(1));
    data_switch_unlink(sw, 1, 2);
    run(SEC(1));
    T_EQ(b->resets, 1);
    T_EQ(a->resets, 0);
    says(a, 0, "to nobody");
    run(SEC(1));
    T_EQ(counter_get(&data_switch_stats(sw)->link.unlinked), 1);
    data_switch_link(sw, 1, 3);
    run(SEC(1));
    T_STR(c->open_label, "chat");
    says(a, 0, "to c");
    run(SEC(1));
    T_EQ(c->messages, 1);
    T_EQ(b->messages, 1);

    for (int i = 0; i < 40; i++) { /* mirrors take the same place again and again */
        data_switch_unlink(sw, 1, 3);
        data_switch_link(sw, 1, 2);
        run(SEC(1));
        data_switch_unlink(sw, 1, 2);
        data_switch_link(sw, 1, 3);
        run(SEC(1));
    }
    says(a, 0, "still to c");
    run(SEC(1));
    T_EQ(c->messages, 2);
    T_EQ(b->opens, 41);
    T_EQ(counter_get(&data_switch_stats(sw)->link.channels), 2);
    finish();
}

static void a_partner_who_hangs_stops_the_sender_and_memory_stays_bounded(void)
{
    begin();
    struct person *a = connects(1), *b = connects(2);
    sctp_client_open(a->client, 0, 0, 0, "files");
    run(SEC(1));
    data_switch_link(sw, 1, 2);
    run(SEC(1));
    const size_t before = mallinfo2().uordblks;
    sctp_client_freeze(b->client, true);
    unsigned sent = 0;
    while (sent < 2000 && sctp_client_pending(a->client) < 100) {
        sends_numbered(a, 0, sent++, 10000, false);
        run(MSEC(20));
    }
    const size_t held = mallinfo2().uordblks - before;
    printf("#   %u kB sent, %zu kB held\n", sent * 10, held / 1024);
    T_OK(sent < 100);
    T_OK(held < 2500 * 1024);
    says(b, 63, "the other way works"); /* a client that does not read can still send */

    sctp_client_freeze(b->client, false);
    run(SEC(120));
    T_EQ(b->messages, sent);
    T_OK(b->in_order);
    T_EQ(a->messages, 1);
    T_EQ(sctp_client_pending(a->client), 0);
    finish();
}

static void a_partner_who_hangs_is_left_behind(void)
{
    begin();
    struct person *a = connects(1), *b = connects(2), *c = connects(3);
    sctp_client_open(a->client, 0, 0, 0, "files");
    run(SEC(1));
    data_switch_link(sw, 1, 2);
    run(SEC(1));
    sctp_client_freeze(b->client, true);
    for (uint32_t i = 0; i < 100; i++)
        sends_numbered(a, 0, i, 10000, false);
    run(SEC(5));
    T_OK(sctp_client_pending(a->client) > 0);
    data_switch_unlink(sw, 1, 2);
    run(SEC(60)); /* the window opens again by itself */
    T_EQ(sctp_client_pending(a->client), 0);
    data_switch_link(sw, 1, 3);
    run(SEC(1));
    says(a, 0, "hello");
    run(SEC(5));
    T_EQ(c->messages, 1);
    T_EQ(c->length, 5);
    finish();
}

static void an_association_that_aborts_takes_only_its_own_channels(void)
{
    begin();
    struct person *a = connects(1), *b = connects(2), *c = connects(3);
    sctp_client_open(a->client, 0, 0, 0, "a's");
    sctp_client_open(b->client, 0, 0, 0, "b's");
    run(SEC(1));
    data_switch_link(sw, 1, 2);
    run(SEC(1));
    sctp_client_abort(a->client);
    run(SEC(2));
    T_EQ(counter_get(&data_switch_stats(sw)->ended), 1);
    T_EQ(b->resets, 1);
    says(b, 0, "to nobody");
    run(SEC(1));
    T_EQ(sctp_client_pending(b->client), 0);
    data_switch_unlink(sw, 1, 2);
    data_switch_link(sw, 2, 3);
    run(SEC(1));
    says(b, 0, "to c");
    run(SEC(1));
    T_EQ(c->messages, 1);
    finish();
}

static void who_is_linked_before_the_partner_is_up_is_heard_all_the_same(void)
{
    begin();
    struct person *a = connects(1), *b = arrives(2);
    sctp_client_open(a->client, 0, 0, 0, "chat");
    run(SEC(1));
    data_switch_link(sw, 1, 2);
    says(a, 0, "early");
    run(SEC(3));
    sctp_client_connect(b->client);
    run(SEC(1));
    T_EQ(b->opens, 1);
    T_EQ(b->messages, 1);
    T_MEM(b->first, "early", 5);
    finish();
}

static void one_of_the_same_name_on_both_sides_is_one_channel_also_when_opens_cross(void)
{
    begin();
    struct person *a = connects(1), *b = arrives(2);
    sctp_client_open(a->client, 0, 0, 0, "chat");
    run(SEC(1));
    data_switch_link(sw, 1, 2);
    sctp_client_connect(b->client);
    sctp_client_open(b->client, 0, 0, 0, "chat"); /* with the first packets */
    run(SEC(2));
    T_EQ(a->opens, 0);
    says(a, 0, "hello");
    says(b, 0, "hello yourself");
    run(SEC(1));
    T_EQ(b->messages, 1);
    T_EQ(b->stream, 0);
    T_EQ(a->messages, 1);
    T_EQ(a->stream, 0);
    finish();
}

static void a_message_over_the_limit_closes_its_channel(void)
{
    const uint64_t before = refusal_total(REFUSAL_DATA_TOO_LARGE);

    begin();
    struct person *a = connects(1), *b = connects(2);
    sctp_client_open(a->client, 0, 0, 0, "big");
    sctp_client_open(a->client, 2, 0, 0, "small");
    run(SEC(1));
    data_switch_link(sw, 1, 2);
    run(SEC(1));
    sends_numbered(a, 0, 0, SCTP_MESSAGE_MAX, false);
    run(SEC(30));
    T_EQ(b->messages, 1);
    T_EQ(b->length, SCTP_MESSAGE_MAX);
    sends_numbered(a, 0, 1, SCTP_MESSAGE_MAX + 1, false);
    run(SEC(30));
    T_EQ(b->messages, 1);
    T_EQ(a->resets, 1);
    T_EQ(b->resets, 1);
    T_EQ(refusal_total(REFUSAL_DATA_TOO_LARGE), before + 1);
    sends_numbered(a, 2, 1, 100, false);
    run(SEC(1));
    T_EQ(b->messages, 2);
    finish();
}

static void garbage_of_one_disturbs_nobody(void)
{
    static const struct span junk[] = {
        SPAN_LITERAL("\x00\x03\x00\x05x\0\0\0"),          /* DATA without a header */
        SPAN_LITERAL("\x07\x00\x00\x04"),                 /* SHUTDOWN without a TSN */
        SPAN_LITERAL("\x82\x00\x00\x08\x00\x0d\xff\xff"), /* RE-CONFIG past its end */
        SPAN_LITERAL("\xc1\x00\x00\x08\x00\x00\x00\x01"), /* ASCONF, which we do not have */
        SPAN_LITERAL("\xff\x00\x00\x04"),                 /* nothing known */
        SPAN_LITERAL("\x03\x00\x00\x10\xff\xff\xff\xff\x00\x00\x00\x00\xff\xff\x00\x00"),
    };

    begin();
    struct person *a = connects(1), *b = connects(2), *mallory = connects(3);
    sctp_client_open(a->client, 0, 0, 0, "chat");
    run(SEC(1));
    data_switch_link(sw, 1, 2);
    run(SEC(1));
    const uint64_t before = refusal_total(REFUSAL_SCTP_MALFORMED);
    data_switch_input(sw, 3, SPAN_LITERAL("not SCTP"), now);
    data_switch_input(sw, 99, SPAN_LITERAL("nobody"), now);
    T_EQ(refusal_total(REFUSAL_SCTP_MALFORMED), before + 1);
    for (size_t i = 0; i < ARRAY_LEN(junk); i++) {
        sctp_client_send_chunks(mallory->client, junk[i]);
        run(MSEC(100));
    }
    says(a, 0, "hello");
    run(SEC(1));
    T_EQ(b->messages, 1);
    finish();
}

static void memory_per_client_is_small(void)
{
    enum { PEOPLE = 40 };

    begin();
    struct person *warm = connects(1);
    run(SEC(1));
    leaves(warm);
    run(SEC(1));
    for (uint64_t i = 1; i <= PEOPLE; i++)
        (void)arrives(i);
    const size_t before = mallinfo2().uordblks;
    for (uint64_t i = 1; i <= PEOPLE; i++) {
        sctp_client_connect(people[i].client);
        sctp_client_open(people[i].client, 0, 0, 0, "chat");
    }
    run(SEC(5));
    const size_t each = (mallinfo2().uordblks - before) / PEOPLE;
    printf("#   %zu bytes for an association with one channel\n", each);
    for (uint64_t i = 1; i <= PEOPLE; i++)
        T_EQ(people[i].acks, 1);
    T_OK(each < 24 * 1024);
    finish();
}

static const struct t_case cases[] = {
    T_CASE(two_people_talk),
    T_CASE(the_switch_sleeps_while_there_is_no_association),
    T_CASE(ten_percent_loss_each_way_loses_nothing_of_a_reliable_channel),
    T_CASE(the_next_partner_gets_the_same_channel),
    T_CASE(a_partner_who_hangs_stops_the_sender_and_memory_stays_bounded),
    T_CASE(a_partner_who_hangs_is_left_behind),
    T_CASE(an_association_that_aborts_takes_only_its_own_channels),
    T_CASE(who_is_linked_before_the_partner_is_up_is_heard_all_the_same),
    T_CASE(one_of_the_same_name_on_both_sides_is_one_channel_also_when_opens_cross),
    T_CASE(a_message_over_the_limit_closes_its_channel),
    T_CASE(garbage_of_one_disturbs_nobody),
    T_CASE(memory_per_client_is_small),
};
T_MAIN(cases)

#include "relay/data_link.h"

#include "core/refusal.h"
#include "relay/data_channel.h"

#include <stdlib.h>

#define STREAMS_MAX 64 /* as many as a mask has bits */

struct data_end {
    struct data_end_output output;
    struct data_link_stats *stats; /* borrowed */
    struct data_end *partner;      /* borrowed; NULL: not linked */
    bool dtls_client;
    bool up, gone;
    bool holds_up_partner; /* one of the partner's messages waits for us */
    unsigned streams;
    uint64_t refused;      /* streams that the client opened in vain and has not reset yet */
    uint64_t refused_owes; /* those whose reset is to be sent */
    struct data_channel channel[DATA_CHANNELS_MAX];
};

/* --- channels of one end ------------------------------------------------------------------ */

/* The channel after `c`, the first one after NULL; NULL after the last. */
static struct data_channel *next_channel(struct data_end *end, const struct data_channel *c)
{
    const size_t first = c ? (size_t)(c - end->channel) + 1 : 0;

    for (size_t i = first; i < DATA_CHANNELS_MAX; i++)
        if (end->channel[i].origin != DATA_CHANNEL_NONE)
            return &end->channel[i];
    return NULL;
}

static uint64_t bit(uint16_t stream)
{
    return stream < STREAMS_MAX ? UINT64_C(1) << stream : 0;
}

static struct data_channel *find(struct data_end *end, uint16_t stream)
{
    for (struct data_channel *c = NULL; (c = next_channel(end, c));)
        if (c->stream == stream)
            return c;
    return NULL;
}

static void count_channels(struct data_end *end, int change)
{
    struct counter *gauge = &end->stats->channels;

    counter_set(gauge, counter_get(gauge) + (uint64_t)(int64_t)change);
}

static struct data_channel *take_place(struct data_end *end, enum data_channel_origin origin,
                                       uint16_t stream)
{
    for (size_t i = 0; i < DATA_CHANNELS_MAX; i++) {
        struct data_channel *c = &end->channel[i];

        if (c->origin != DATA_CHANNEL_NONE)
            continue;
        data_channel_init(c, origin, stream);
        count_channels(end, 1);
        return c;
    }
    return NULL;
}

static void give_place(struct data_end *end, struct data_channel *c)
{
    if (end->partner) /* a mirror on its way out may still point here, too */
        for (struct data_channel *other = NULL; (other = next_channel(end->partner, other));)
            if (other->twin == c)
                other->twin = NULL;
    data_channel_clear(c);
    count_channels(end, -1);
}

/* --- what is to be sent ------------------------------------------------------------------- */

static int send_dcep(struct data_end *end, uint16_t stream, const uint8_t *bytes, size_t n)
{
    const struct sctp_message message = {
        .stream = stream,
        .ppid = SCTP_PPID_DCEP,
        .data = {bytes, n}, /* reliable and ordered (RFC 8832 section 6) */
    };
    return end->output.send(end->output.arg, &message);
}

static int send_open(struct data_end *end, const struct data_channel *c)
{
    const struct dcep_open open = data_channel_open(c);
    uint8_t buf[DCEP_MESSAGE_MAX];

    return send_dcep(end, c->stream, buf, dcep_write_open(buf, sizeof buf, &open));
}

static int send_ack(struct data_end *end, const struct data_channel *c)
{
    uint8_t buf[DCEP_ACK_LENGTH];

    return send_dcep(end, c->stream, buf, dcep_write_ack(buf, sizeof buf));
}

static int pay(struct data_end *end, const struct data_channel *c, enum data_channel_debt debt)
{
    switch (debt) {
    case DATA_CHANNEL_OWES_ACK:
        return send_ack(end, c);
    case DATA_CHANNEL_OWES_OPEN:
        return send_open(end, c);
    default:
        return end->output.reset(end->output.arg, c->stream);
    }
}

/* Sends what the client will take. What cannot be sent at all is forgotten: the association is
 * about to end. */
static void settle(struct data_end *end, struct data_channel *c)
{
    static const enum data_channel_debt order[] = {
        DATA_CHANNEL_OWES_ACK, DATA_CHANNEL_OWES_OPEN, DATA_CHANNEL_OWES_RESET};

    if (!end->up)
        return;
    for (size_t i = 0; i < ARRAY_LEN(order) && c->debts; i++) {
        if (!(c->debts & order[i]))
            continue;
        if (pay(end, c, order[i]) == RC_AGAIN)
            return;
        c->debts &= ~(unsigned)order[i];
    }
}

static void settle_refused(struct data_end *end)
{
    for (uint16_t i = 0; i < STREAMS_MAX && end->refused_owes; i++) {
        if (!(end->refused_owes & bit(i)))
            continue;
        if (end->output.reset(end->output.arg, i) == RC_AGAIN)
            return;
        end->refused_owes &= ~bit(i);
    }
}

/* Somebody's message that waited for this end may be tried again. */
static void let_go_partner(struct data_end *end)
{
    struct data_end *partner = end->partner;

    if (!end->holds_up_partner)
        return;
    end->holds_up_partner = false;
    if (partner)
        partner->output.wake(partner->output.arg);
}

void data_end_flush(struct data_end *end)
{
    for (struct data_channel *c = NULL; (c = next_channel(end, c));)
        if (c->debts)
            settle(end, c);
    if (end->up)
        settle_refused(end);
    let_go_partner(end);
}

/* --- pairs -------------------------------------------------------------------------------- */

static void join_channels(struct data_channel *a, struct data_channel *b)
{
    a->twin = b;
    b->twin = a;
}

static bool stream_is_free(struct data_end *end, uint16_t stream)
{
    return !(end->refused & bit(stream)) && !find(end, stream);
}

/* "The side acting as the DTLS client MUST use Streams with even Stream Identifiers" (RFC 8832
 * section 6). From the top: pages that agree on ids themselves use low ones. */
static bool choose_stream(struct data_end *end, uint16_t *out)
{
    const unsigned ours = end->dtls_client ? 0 : 1;

    for (unsigned i = end->streams; i-- > 0;) {
        if (i % 2 == ours && stream_is_free(end, (uint16_t)i)) {
            *out = (uint16_t)i;
            return true;
        }
    }
    return false;
}

static void open_mirror(struct data_end *end, struct data_channel *original)
{
    const struct dcep_open open = data_channel_open(original);
    struct data_channel *mirror;
    uint16_t stream;

    if (!choose_stream(end, &stream))
        return;
    mirror = take_place(end, DATA_CHANNEL_MIRROR, stream);
    if (!mirror)
        return;
    if (data_channel_describe(mirror, &open) != RC_OK) {
        give_place(end, mirror);
        return;
    }
    mirror->state = DATA_CHANNEL_OPENING;
    mirror->debts = DATA_CHANNEL_OWES_OPEN;
    join_channels(original, mirror);
    settle(end, mirror);
}

static struct data_channel *find_match(struct data_end *end,
                                       const struct data_channel *original)
{
    for (struct data_channel *c = NULL; (c = next_channel(end, c));)
        if (data_channel_is_single(c) && data_channel_same_name(c, original))
            return c;
    return NULL;
}

/* Gives each own channel of `end` that has none a twin at the partner. */
static void pair_singles(struct data_end *end)
{
    struct data_end *partner = end->partner;

    if (!partner || !partner->up || !end->up)
        return;
    for (struct data_channel *c = NULL; (c = next_channel(end, c));) {
        struct data_channel *match = data_channel_is_single(c) ? find_match(partner, c) : NULL;

        if (match)
            join_channels(c, match);
    }
    for (struct data_channel *c = NULL; (c = next_channel(end, c));)
        if (data_channel_is_single(c))
            open_mirror(partner, c);
}

/* --- closing ------------------------------------------------------------------------------ */

static void close_half(struct data_end *end, struct data_channel *c)
{
    if (c->state == DATA_CHANNEL_CLOSING)
        return;
    if (c->debts & DATA_CHANNEL_OWES_OPEN) { /* the client has never heard of it */
        give_place(end, c);
        return;
    }
    c->state = DATA_CHANNEL_CLOSING;
    c->debts = DATA_CHANNEL_OWES_RESET;
    settle(end, c);
}

static void drop_if_done(struct data_end *end, struct data_channel *c)
{
    if (!c->ours_reset || !c->theirs_reset)
        return;
    give_place(end, c);
    if (end->partner)
        pair_singles(end->partner); /* there is a place for one more mirror */
}

/* `c` closes: what about the other one? */
static void close_twin(struct data_end *end, struct data_channel *c)
{
    struct data_channel *twin = c->twin;

    c->twin = NULL;
    if (!twin || twin->twin != c) /* a mirror that gave way to an own channel has no say */
        return;
    twin->twin = NULL;
    if (c->origin == DATA_CHANNEL_OWN && twin->origin == DATA_CHANNEL_OWN)
        twin->left = true;
    else
        close_half(end->partner, twin);
}

static void close_pair(struct data_end *end, struct data_channel *c)
{
    close_twin(end, c);
    close_half(end, c);
}

/* The client has opened what we are opening towards it, before it acknowledged ours. */
static void resolve_glare(struct data_end *end, struct data_channel *own)
{
    for (struct data_channel *mirror = NULL; (mirror = next_channel(end, mirror));) {
        struct data_channel *original = mirror->twin;

        if (mirror->origin != DATA_CHANNEL_MIRROR || mirror->state != DATA_CHANNEL_OPENING ||
            !original || !data_channel_same_name(mirror, own))
            continue;
        join_channels(own, original);
        close_half(end, mirror); /* what the client still sends on it goes where it belongs */
        return;
    }
}

/* The client is gone, or begins anew: what was opened for it goes, what others own stays. */
static void forget_channels(struct data_end *end)
{
    for (struct data_channel *c = NULL; (c = next_channel(end, c));) {
        struct data_channel *twin = c->twin;

        give_place(end, c);
        if (twin && twin->origin == DATA_CHANNEL_MIRROR)
            close_half(end->partner, twin);
    }
    end->refused = end->refused_owes = 0;
}

/* --- DCEP --------------------------------------------------------------------------------- */

/* There is no answer that says no: the stream is reset (RFC 8832 section 6). */
static void refuse_stream(struct data_end *end, uint16_t stream, enum refusal why)
{
    struct data_channel *c = find(end, stream);

    refuse(why);
    if (c) {
        close_pair(end, c);
        return;
    }
    end->refused |= bit(stream);
    end->refused_owes |= bit(stream);
    settle_refused(end);
}

static enum refusal open_refusal(struct data_end *end, uint16_t stream)
{
    const unsigned theirs = end->dtls_client ? 1 : 0;
    struct data_channel *c = find(end, stream);

    if (stream % 2 != theirs || (end->refused & bit(stream)))
        return REFUSAL_SCTP_MALFORMED;
    /* A client that uses an id again has seen our reset, though we don't know that yet. */
    if (c && c->state == DATA_CHANNEL_CLOSING && c->theirs_reset)
        give_place(end, c);
    else if (c)
        return REFUSAL_SCTP_MALFORMED;
    return REFUSAL_NONE;
}

static void on_open(struct data_end *end, uint16_t stream, const struct dcep_open *open)
{
    const enum refusal why = open_refusal(end, stream);
    struct data_channel *c;

    if (why != REFUSAL_NONE) {
        refuse_stream(end, stream, why);
        return;
    }
    c = take_place(end, DATA_CHANNEL_OWN, stream);
    if (c && data_channel_describe(c, open) != RC_OK) {
        give_place(end, c);
        c = NULL;
    }
    if (!c) {
        refuse_stream(end, stream, REFUSAL_CHANNEL_LIMIT);
        return;
    }
    c->debts = DATA_CHANNEL_OWES_ACK;
    counter_add(&end->stats->opened, 1);
    settle(end, c);
    resolve_glare(end, c);
    pair_singles(end);
}

static void on_ack(struct data_end *end, uint16_t stream)
{
    struct data_channel *c = find(end, stream);

    if (!c || c->origin != DATA_CHANNEL_MIRROR || (c->debts & DATA_CHANNEL_OWES_OPEN)) {
        refuse(REFUSAL_SCTP_MALFORMED);
        return;
    }
    if (c->state == DATA_CHANNEL_OPENING)
        c->state = DATA_CHANNEL_OPEN;
}

static void on_dcep(struct data_end *end, const struct sctp_message *message)
{
    struct dcep_message dcep;
    const int rc = dcep_parse(message->data, &dcep);

    if (rc != RC_OK)
        refuse_stream(end, message->stream,
                      rc == RC_FULL ? REFUSAL_CHANNEL_NAME : REFUSAL_SCTP_MALFORMED);
    else if (dcep.type == DCEP_OPEN)
        on_open(end, message->stream, &dcep.open);
    else
        on_ack(end, message->stream);
}

/* --- messages ----------------------------------------------------------------------------- */

/* The channel that two pages agreed on is the same stream on both sides. */
static struct data_channel *agreed_twin(struct data_end *partner, struct data_channel *c)
{
    struct data_channel *twin = find(partner, c->stream);

    if (!twin && c->stream < partner->streams && stream_is_free(partner, c->stream))
        twin = take_place(partner, DATA_CHANNEL_AGREED, c->stream);
    if (!twin || twin->origin != DATA_CHANNEL_AGREED || twin->state != DATA_CHANNEL_OPEN)
        return NULL;
    join_channels(c, twin);
    return twin;
}

static bool drop(struct data_end *end)
{
    counter_add(&end->stats->unlinked, 1);
    return true;
}

static bool wait_for(struct data_end *partner)
{
    partner->holds_up_partner = true;
    return false;
}

static bool pass_on(struct data_end *end, struct data_channel *c,
                    const struct sctp_message *message)
{
    struct data_end *partner = end->partner;

    if (!partner || partner->gone)
        return drop(end);
    if (!partner->up)
        return wait_for(partner);
    if (!c->twin && c->origin == DATA_CHANNEL_AGREED)
        (void)agreed_twin(partner, c);
    struct data_channel *twin = c->twin;
    if (!twin || twin->state == DATA_CHANNEL_CLOSING)
        return drop(end);
    if (twin->debts & DATA_CHANNEL_OWES_OPEN)
        return wait_for(partner);

    struct sctp_message out = {twin->stream, message->ppid, c->delivery, message->data};
    if (c->origin == DATA_CHANNEL_AGREED)
        out.delivery.unordered = message->delivery.unordered;
    /* "MUST be sent ordered" until the OPEN is acknowledged (RFC 8832 section 6). */
    if (twin->state == DATA_CHANNEL_OPENING)
        out.delivery.unordered = false;
    switch (partner->output.send(partner->output.arg, &out)) {
    case RC_OK:
        counter_add(&end->stats->messages, 1);
        counter_add(&end->stats->bytes, message->data.n);
        return true;
    case RC_AGAIN:
        return wait_for(partner);
    case RC_FULL: /* better a channel that ends than one with a hole */
        refuse(REFUSAL_DATA_TOO_LARGE);
        close_pair(end, c);
        return true;
    default:
        return drop(end);
    }
}

bool data_end_message(struct data_end *end, const struct sctp_message *message)
{
    struct data_channel *c = find(end, message->stream);

    if (message->ppid == SCTP_PPID_DCEP) {
        on_dcep(end, message);
        return true;
    }
    if (end->refused & bit(message->stream))
        return true; /* sent before our reset arrived */
    if (!data_channel_carries(message)) {
        refuse(REFUSAL_SCTP_MALFORMED);
        return true;
    }
    if (!c) {
        c = take_place(end, DATA_CHANNEL_AGREED, message->stream);
        if (!c) {
            refuse(REFUSAL_CHANNEL_LIMIT);
            return true;
        }
    }
    return pass_on(end, c, message);
}

void data_end_too_large(struct data_end *end, uint16_t stream)
{
    struct data_channel *c = find(end, stream);

    if (c)
        close_pair(end, c);
}

void data_end_reset(struct data_end *end, uint16_t stream)
{
    struct data_channel *c = find(end, stream);

    end->refused &= ~bit(stream);
    if (!c)
        return;
    c->theirs_reset = true;
    close_pair(end, c);
    if (c->origin != DATA_CHANNEL_NONE)
        drop_if_done(end, c);
}

void data_end_reset_done(struct data_end *end, uint16_t stream)
{
    struct data_channel *c = find(end, stream);

    if (!c || c->state != DATA_CHANNEL_CLOSING || (c->debts & DATA_CHANNEL_OWES_RESET))
        return;
    c->ours_reset = true;
    drop_if_done(end, c);
}

/* --- links -------------------------------------------------------------------------------- */

static void part_channels(struct data_end *end)
{
    for (struct data_channel *c = NULL; (c = next_channel(end, c));) {
        c->twin = NULL;
        c->left = false;
        if (c->origin == DATA_CHANNEL_MIRROR)
            close_half(end, c);
        else if (c->origin == DATA_CHANNEL_AGREED && c->state == DATA_CHANNEL_OPEN)
            give_place(end, c);
    }
}

void data_link_part(struct data_end *end)
{
    struct data_end *partner = end->partner;

    if (!partner)
        return;
    part_channels(end);
    part_channels(partner);
    /* What waited is dropped, now that there is nobody to wait for. */
    let_go_partner(end);
    let_go_partner(partner);
    end->partner = NULL;
    partner->partner = NULL;
}

void data_link_join(struct data_end *a, struct data_end *b)
{
    if (a == b || a->partner == b)
        return;
    data_link_part(a);
    data_link_part(b);
    a->partner = b;
    b->partner = a;
    pair_singles(a);
    pair_singles(b);
}

struct data_end *data_link_partner(const struct data_end *end)
{
    return end->partner;
}

/* --- life --------------------------------------------------------------------------------- */

int data_end_create(struct data_end **out, const struct data_end_output *output,
                    struct data_link_stats *stats, bool dtls_client)
{
    struct data_end *end = calloc(1, sizeof *end);

    if (!end)
        return RC_NOMEM;
    end->output = *output;
    end->stats = stats;
    end->dtls_client = dtls_client;
    *out = end;
    return RC_OK;
}

void data_end_free(struct data_end *end)
{
    if (!end)
        return;
    data_end_down(end);
    data_link_part(end);
    free(end);
}

void data_end_up(struct data_end *end, unsigned streams)
{
    forget_channels(end);
    end->up = true;
    end->streams = streams < STREAMS_MAX ? streams : STREAMS_MAX;
    if (end->partner)
        pair_singles(end->partner);
    let_go_partner(end);
}

void data_end_down(struct data_end *end)
{
    end->up = false;
    end->gone = true;
    forget_channels(end);
    let_go_partner(end);
}

unsigned data_end_channel_count(const struct data_end *end)
{
    unsigned count = 0;

    for (size_t i = 0; i < DATA_CHANNELS_MAX; i++)
        if (end->channel[i].origin != DATA_CHANNEL_NONE)
            count++;
    return count;
}

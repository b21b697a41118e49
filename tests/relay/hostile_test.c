/*
 * Hostile datagrams against a relay that runs: random ones and changed ones, from strangers and
 * from a client's own address. Each is refused and counted, nobody gets more than they sent,
 * and the others' call goes on.
 */
#include "core/clock.h"
#include "tests/relay/live_call_lib.h"
#include "tests/t.h"

#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

enum {
    BATCH = 25, /* datagrams between two looks: what a socket buffer holds in any case */
    ROUNDS = 80,
    CRC_XOR = 0x5354554e, /* RFC 8489, section 14.7 */
    FINGERPRINT_LEN = 8,
    REPLY_EXTRA = 32, /* a Binding answer is that much longer than the request */
};

static struct live_world *world;
static uint64_t seed = 0x2545f4914f6cdd1du;

static uint32_t random_below(uint32_t limit)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)((seed >> 16) % limit);
}

static uint64_t refused(void)
{
    uint64_t sum = 0;

    for (enum refusal why = REFUSAL_NONE + 1; why < REFUSAL_COUNT; why++)
        sum += refusal_total(why);
    return sum;
}

static uint64_t totals[REFUSAL_COUNT];

static void note_totals(void)
{
    for (enum refusal why = 0; why < REFUSAL_COUNT; why++)
        totals[why] = refusal_total(why);
}

/* For whoever reads of a failure. */
static void print_totals(void)
{
    for (enum refusal why = 0; why < REFUSAL_COUNT; why++)
        if (refusal_total(why) > totals[why])
            printf("# %s %llu\n", refusal_code(why),
                   (unsigned long long)(refusal_total(why) - totals[why]));
}

static void begin(const struct live_options *options)
{
    world = live_begin(options);
    (void)live_add();
    (void)live_add();
    T_OK(live_until(live_all_connected, LIVE_PATIENCE));
    live_link(0, 1);
    live_start_media();
    live_expect_media(0, 1);
}

static void expect_undisturbed(void)
{
    live_expect_media(0, 1);
    for (unsigned i = 0; i < 2; i++) {
        const struct live_guest *guest = &world->guest[i];

        T_EQ(guest->failed, 0);
        T_EQ(media_client_heard(guest->client)->unauthentic, 0);
        T_EQ(media_client_heard(guest->client)->malformed, 0);
    }
}

/* --- what is sent
 * --------------------------------------------------------------------------------- */

static void set_fingerprint(struct live_datagram *stun)
{
    const size_t before = stun->len - FINGERPRINT_LEN;

    store_be32(stun->bytes + before + 4,
               (uint32_t)crc32(0, stun->bytes, (uInt)before) ^ CRC_XOR);
}

/* Some bits, some length. */
static void change(struct live_datagram *d)
{
    const uint32_t flips = 1 + random_below(4);

    for (uint32_t i = 0; i < flips; i++)
        d->bytes[random_below((uint32_t)d->len)] ^= (uint8_t)(1u << random_below(8));
    if (random_below(8) == 0)
        d->len = 1 + random_below((uint32_t)d->len);
    else if (random_below(8) == 0 && d->len < 1000)
        for (uint32_t more = random_below(100); more > 0; more--)
            d->bytes[d->len++] = (uint8_t)random_below(256);
}

static void noise(struct live_datagram *d)
{
    static const uint8_t firsts[] = {0, 1, 20, 22, 23, 63, 64, 79, 128, 144, 191, 200, 255};

    d->len = 1 + random_below(1400);
    for (size_t i = 0; i < d->len; i++)
        d->bytes[i] = (uint8_t)random_below(256);
    d->bytes[0] = firsts[random_below(ARRAY_LEN(firsts))];
    if (d->bytes[0] >= 128 && random_below(2) && d->len > 1)
        d->bytes[1] = (uint8_t)(200 + random_below(8)); /* RTCP */
}

/* A check of the guest's with a wrong MESSAGE-INTEGRITY and a right FINGERPRINT. */
static void forge_check(struct live_datagram *d)
{
    d->bytes[d->len - FINGERPRINT_LEN - 1 - random_below(20)] ^= 0x55;
    set_fingerprint(d);
}

/* RFC 8489: a Binding request without anything, which a STUN server answers. */
static void plain_request(struct live_datagram *d)
{
    d->len = 20;
    memset(d->bytes, 0, d->len);
    store_be16(d->bytes, 1);
    store_be32(d->bytes + 4, 0x2112A442);
    for (size_t i = 8; i < d->len; i++)
        d->bytes[i] = (uint8_t)random_below(256);
}

/* --- strangers
 * -------------------------------------------------------------------------------------- */

static struct {
    int fd;
    uint64_t sent, answered;
    uint64_t bytes_out, bytes_in;
    uint64_t refused_before;
} stranger;

static void stranger_opens(void)
{
    const struct address *server = &world->guest[0].server;

    stranger.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    T_OK(stranger.fd >= 0);
    T_EQ(connect(stranger.fd, &server->sa, address_len(server)), 0);
    stranger.sent = stranger.answered = stranger.bytes_in = stranger.bytes_out = 0;
    stranger.refused_before = refused();
    note_totals();
}

static void stranger_sends(const struct live_datagram *d)
{
    T_EQ(send(stranger.fd, d->bytes, d->len, 0), (long long)d->len);
    stranger.sent++;
    stranger.bytes_out += d->len;
}

static void stranger_reads(void)
{
    uint8_t bytes[2048];
    ssize_t n;

    while ((n = recv(stranger.fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0) {
        stranger.answered++;
        stranger.bytes_in += (uint64_t)n;
    }
}

/* Each of the stranger's datagrams was answered or refused, also a check that is the guest's
 * own, bit for bit. */
static bool all_is_accounted_for(void)
{
    stranger_reads();
    return refused() - stranger.refused_before + stranger.answered >= stranger.sent;
}

static void make_strange(struct live_datagram *d)
{
    const uint32_t kind = random_below(4);

    if (kind == 0) {
        noise(d);
    } else if (kind == 1) {
        *d = world->guest[0].sent[DATAGRAM_STUN];
        forge_check(d);
    } else {
        static const enum datagram_kind kinds[] = {DATAGRAM_STUN, DATAGRAM_DTLS, DATAGRAM_RTP,
                                                   DATAGRAM_RTCP};
        *d = world->guest[0].sent[kinds[random_below(ARRAY_LEN(kinds))]];
        if (d->len == 0)
            noise(d);
        else
            change(d);
    }
}

static void strangers_are_refused_and_counted_and_disturb_nobody(void)
{
    const struct live_options options = {.workers = 1};
    struct live_datagram d;

    begin(&options);
    stranger_opens();
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < BATCH; i++) {
            make_strange(&d);
            stranger_sends(&d);
        }
        T_OK(live_until(all_is_accounted_for, SEC(5)));
    }
    print_totals();
    T_EQ(refused() - stranger.refused_before + stranger.answered, stranger.sent);
    T_OK(stranger.bytes_in <= stranger.bytes_out / 100);
    expect_undisturbed();
    T_EQ(relay_peer_count(world->relay), 2);
    close(stranger.fd);
    live_end();
}

static void a_stranger_gets_hardly_more_than_it_sent(void)
{
    const struct live_options options = {.workers = 1};
    struct live_datagram d;

    begin(&options);
    stranger_opens();
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < BATCH; i++) {
            plain_request(&d);
            stranger_sends(&d);
        }
        T_OK(live_until(all_is_accounted_for, SEC(5)));
    }
    T_OK(stranger.answered > 0);
    T_OK(stranger.bytes_in <= stranger.bytes_out + REPLY_EXTRA * stranger.answered);
    expect_undisturbed();
    close(stranger.fd);
    live_end();
}

/* A ClientHello from an address without a check behind it is not worth a handshake. */
static void a_stranger_cannot_begin_a_handshake(void)
{
    const struct live_options options = {.workers = 1};

    begin(&options);
    stranger_opens();
    const struct live_datagram *dtls = &world->guest[0].sent[DATAGRAM_DTLS];
    const uint64_t before = refusal_total(REFUSAL_DATAGRAM_NO_PEER);
    T_OK(dtls->len > 0);
    for (unsigned i = 0; i < BATCH; i++)
        stranger_sends(dtls);
    T_OK(live_until(all_is_accounted_for, SEC(5)));
    T_EQ(refusal_total(REFUSAL_DATAGRAM_NO_PEER) - before, BATCH);
    T_EQ(stranger.bytes_in, 0);
    close(stranger.fd);
    live_end();
}

static void a_stranger_cannot_turn_the_media_with_a_check_that_it_overheard(void)
{
    const struct live_options options = {.workers = 1};

    begin(&options);
    stranger_opens();
    const uint64_t before = refusal_total(REFUSAL_STUN_REPLAY);
    stranger_sends(&world->guest[0].sent[DATAGRAM_STUN]);
    T_OK(live_until(all_is_accounted_for, SEC(5)));
    T_EQ(refusal_total(REFUSAL_STUN_REPLAY) - before, 1);
    expect_undisturbed();
    stranger_reads();
    T_EQ(stranger.bytes_in, 0);
    close(stranger.fd);
    live_end();
}

/* --- from a client's own address
 * ---------------------------------------------------------------------- */

static uint64_t impostor_sent, impostor_before;

static bool impostor_is_accounted_for(void)
{
    return refused() - impostor_before >= impostor_sent;
}

static void make_impostor(struct live_datagram *d)
{
    static const enum datagram_kind kinds[] = {DATAGRAM_STUN, DATAGRAM_DTLS, DATAGRAM_RTP,
                                               DATAGRAM_RTP, DATAGRAM_RTCP};
    const struct live_guest *guest = &world->guest[0];
    const enum datagram_kind kind = kinds[random_below(ARRAY_LEN(kinds))];

    *d = guest->sent[kind];
    if (d->len == 0 || random_below(4) == 0)
        noise(d);
    else if (kind == DATAGRAM_STUN && random_below(2))
        forge_check(d);
    else if (kind != DATAGRAM_RTP || random_below(2))
        change(d); /* else it is a replay */
}

static void send_as_guest(const struct live_datagram *d)
{
    T_EQ(send(world->guest[0].stream.fd, d->bytes, d->len, 0), (long long)d->len);
    impostor_sent++;
}

static void forgeries_from_a_clients_address_do_not_disturb_even_that_client(void)
{
    const struct live_options options = {.workers = 1};
    struct live_datagram d;

    begin(&options);
    live_run(MSEC(100)); /* the handshake is over, for both */
    impostor_sent = 0;
    impostor_before = refused();
    note_totals();
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < BATCH; i++) {
            make_impostor(&d);
            send_as_guest(&d);
        }
        T_OK(live_until(impostor_is_accounted_for, SEC(5)));
    }
    print_totals();
    T_EQ(refused() - impostor_before, impostor_sent);
    T_OK(refusal_total(REFUSAL_SRTP_AUTH) > 0);
    T_OK(refusal_total(REFUSAL_SRTP_REPLAY) > 0);
    T_OK(refusal_total(REFUSAL_DTLS_UNEXPECTED) > 0);
    expect_undisturbed();
    live_end();
}

/* --- handshakes
 * ---------------------------------------------------------------------------------------- */

enum { HANDSHAKES = 3, FLOODERS = 6 };

static bool somebody_was_refused(void)
{
    return refusal_total(REFUSAL_DTLS_TOO_MANY) > 0;
}

static unsigned newcomer;

static bool newcomer_is_connected(void)
{
    return media_client_connected(world->guest[newcomer].client) &&
           world->guest[newcomer].connected;
}

static void handshakes_that_never_end_are_capped_and_keep_nobody_out(void)
{
    const struct live_options options = {.workers = 1, .max_handshakes = HANDSHAKES};

    begin(&options);
    for (unsigned i = 0; i < FLOODERS; i++)
        world->guest[live_add()].deaf_to_dtls = true;
    T_OK(live_until(somebody_was_refused, LIVE_PATIENCE));
    newcomer = live_add();
    T_OK(live_until(newcomer_is_connected, LIVE_PATIENCE));
    T_EQ(world->guest[newcomer].failed, 0);
    expect_undisturbed();
    live_end();
}

static const struct t_case cases[] = {
    T_CASE(strangers_are_refused_and_counted_and_disturb_nobody),
    T_CASE(a_stranger_gets_hardly_more_than_it_sent),
    T_CASE(a_stranger_cannot_begin_a_handshake),
    T_CASE(a_stranger_cannot_turn_the_media_with_a_check_that_it_overheard),
    T_CASE(forgeries_from_a_clients_address_do_not_disturb_even_that_client),
    T_CASE(handshakes_that_never_end_are_capped_and_keep_nobody_out),
};
T_MAIN(cases)

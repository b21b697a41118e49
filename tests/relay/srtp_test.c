#include "relay/srtp.h"

#include "relay/srtp_engine.h"
#include "tests/t.h"

enum { ROOM = 1600, BATCH = 100 /* more than an engine takes at a time */ };

static const enum srtp_engine_kind kinds[] = {SRTP_ENGINE_LIBSRTP, SRTP_ENGINE_IPSEC_MB};

/* A sender and a receiver with the same keys, each with an engine of its own. */
struct pair {
    struct srtp_engine *sender_engine, *receiver_engine;
    struct srtp_context *sender, *receiver;
    const struct srtp_profile_info *profile;
    const char *name;
};

/* A packet and the room behind it. */
struct buffer {
    uint8_t data[ROOM];
    size_t len;
};

static uint64_t seed;

static uint32_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 16);
}

static struct srtp_context *context_of(struct srtp_engine *engine, enum srtp_profile profile,
                                       enum srtp_direction direction, uint8_t first_byte)
{
    const struct srtp_profile_info *info = srtp_profile_find(profile);
    uint8_t key[SRTP_KEY_MAX], salt[SRTP_SALT_MAX];
    struct srtp_context *context = NULL;

    for (size_t i = 0; i < sizeof key; i++)
        key[i] = (uint8_t)(first_byte + i);
    for (size_t i = 0; i < sizeof salt; i++)
        salt[i] = (uint8_t)(0xa0 + i);
    T_EQ(srtp_context_create(&context, engine, profile, direction,
                             (struct span){key, info->key_len},
                             (struct span){salt, info->salt_len}),
         RC_OK);
    return context;
}

static struct pair pair_open(enum srtp_profile profile, enum srtp_engine_kind sender,
                             enum srtp_engine_kind receiver)
{
    struct pair pair = {.profile = srtp_profile_find(profile), .name = ""};

    seed = 0x9e3779b97f4a7c15u;
    T_EQ(srtp_engine_create(&pair.sender_engine, sender), RC_OK);
    T_EQ(srtp_engine_create(&pair.receiver_engine, receiver), RC_OK);
    pair.sender = context_of(pair.sender_engine, profile, SRTP_OUTBOUND, 1);
    pair.receiver = context_of(pair.receiver_engine, profile, SRTP_INBOUND, 1);
    printf("#   %s, %s to %s\n", pair.profile->name, srtp_engine_name(pair.sender_engine),
           srtp_engine_name(pair.receiver_engine));
    return pair;
}

static void pair_close(struct pair *pair)
{
    srtp_context_free(pair->sender);
    srtp_context_free(pair->receiver);
    srtp_engine_free(pair->sender_engine);
    srtp_engine_free(pair->receiver_engine);
}

/* Runs a case for every profile and both engines as the receiver. */
static void for_each_pair(void (*check)(struct pair *pair))
{
    for (size_t p = 0; p < SRTP_PROFILE_COUNT; p++) {
        for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
            struct pair pair = pair_open(srtp_profiles[p].profile, kinds[k], kinds[k]);
            check(&pair);
            pair_close(&pair);
        }
    }
}

/* Runs a case for every profile and every combination of engines. */
static void for_each_combination(void (*check)(struct pair *pair))
{
    for (size_t p = 0; p < SRTP_PROFILE_COUNT; p++) {
        for (size_t k = 0; k < 4; k++) {
            struct pair pair = pair_open(srtp_profiles[p].profile, kinds[k / 2], kinds[k % 2]);
            check(&pair);
            pair_close(&pair);
        }
    }
}

static void fill(uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)next_random();
}

/* An RTP packet with that many CSRCs and words of header extension (-1: none). */
static void rtp_write(struct buffer *buffer, uint32_t ssrc, uint16_t seq, size_t csrcs,
                      int extension_words, size_t payload)
{
    uint8_t *p = buffer->data;
    size_t len = 12 + 4 * csrcs;

    fill(p, ROOM);
    p[0] = (uint8_t)(0x80 | (extension_words >= 0 ? 0x10 : 0) | csrcs);
    p[1] = 96;
    store_be16(p + 2, seq);
    store_be32(p + 8, ssrc);
    if (extension_words >= 0) {
        store_be16(p + len, 0xbede);
        store_be16(p + len + 2, (uint16_t)extension_words);
        len += 4 + 4 * (size_t)extension_words;
    }
    buffer->len = len + payload;
}

static void rtp_simple(struct buffer *buffer, uint32_t ssrc, uint16_t seq)
{
    rtp_write(buffer, ssrc, seq, 0, -1, 50);
}

static void rtp_random(struct buffer *buffer, uint32_t ssrc, uint16_t seq)
{
    const uint32_t r = next_random();

    rtp_write(buffer, ssrc, seq, r % 4 ? 0 : r / 4 % 16, r / 64 % 2 ? -1 : (int)(r / 128 % 9),
              next_random() % 8 == 0 ? 0 : next_random() % 1200);
}

static void rtcp_write(struct buffer *buffer, uint32_t ssrc, size_t body)
{
    fill(buffer->data, ROOM);
    buffer->data[0] = 0x80;
    buffer->data[1] = 200;
    store_be32(buffer->data + 4, ssrc);
    buffer->len = 8 + body;
}

static struct srtp_packet packet_of(struct srtp_context *context, struct buffer *buffer)
{
    return (struct srtp_packet){
        .context = context, .data = buffer->data, .len = buffer->len, .capacity = ROOM};
}

typedef void batch_fn(struct srtp_engine *engine, struct srtp_packet *packets, size_t n);

static enum refusal run_one(batch_fn *run, struct srtp_engine *engine,
                            struct srtp_context *context, struct buffer *buffer)
{
    struct srtp_packet packet = packet_of(context, buffer);

    run(engine, &packet, 1);
    buffer->len = packet.len;
    return packet.refusal;
}

static enum refusal protect_one(struct pair *pair, struct buffer *buffer)
{
    return run_one(srtp_engine_protect, pair->sender_engine, pair->sender, buffer);
}

static enum refusal unprotect_one(struct pair *pair, struct buffer *buffer)
{
    return run_one(srtp_engine_unprotect, pair->receiver_engine, pair->receiver, buffer);
}

static enum refusal protect_rtcp_one(struct pair *pair, struct buffer *buffer)
{
    return run_one(srtp_engine_protect_rtcp, pair->sender_engine, pair->sender, buffer);
}

static enum refusal unprotect_rtcp_one(struct pair *pair, struct buffer *buffer)
{
    return run_one(srtp_engine_unprotect_rtcp, pair->receiver_engine, pair->receiver, buffer);
}

/* A simple packet as it goes over the wire. */
static void send_simple(struct pair *pair, struct buffer *wire, uint32_t ssrc, uint16_t seq)
{
    rtp_simple(wire, ssrc, seq);
    T_EQ(protect_one(pair, wire), REFUSAL_NONE);
}

/* --- the RFCs' own packets
 * ----------------------------------------------------------------------- */

#define GCM_RTP                                                                                \
    "\x80\x40\xf1\x7b\x80\x41\xf8\xd3\x55\x01\xa0\xb2"                                         \
    "Gallia est omnis divisa in partes tres"
#define GCM_RTCP                                                                               \
    "\x81\xc8\x00\x0d\x4d\x61\x72\x73\x4e\x54\x50\x31\x4e\x54\x50\x32\x52\x54\x50\x20"         \
    "\x00\x00\x04\x2a\x00\x00\xe9\x30\x4c\x75\x6e\x61\xde\xad\xbe\xef\xde\xad\xbe\xef"         \
    "\xde\xad\xbe\xef\xde\xad\xbe\xef\xde\xad\xbe\xef"

static const struct {
    const char *what;
    enum srtp_profile profile;
    bool rtcp;
    struct span clear, wire;
} vectors[] = {
    {"RFC 7714, 16.1.1", SRTP_PROFILE_AEAD_AES_128_GCM, false, SPAN_LITERAL(GCM_RTP),
     SPAN_LITERAL("\x80\x40\xf1\x7b\x80\x41\xf8\xd3\x55\x01\xa0\xb2\xf2\x4d\xe3\xa3\xfb\x34"
                  "\xde\x6c\xac\xba\x86\x1c\x9d\x7e\x4b\xca\xbe\x63\x3b\xd5\x0d\x29\x4e\x6f"
                  "\x42\xa5\xf4\x7a\x51\xc7\xd1\x9b\x36\xde\x3a\xdf\x88\x33\x89\x9d\x7f\x27"
                  "\xbe\xb1\x6a\x91\x52\xcf\x76\x5e\xe4\x39\x0c\xce")},
    {"RFC 7714, 16.2.1", SRTP_PROFILE_AEAD_AES_256_GCM, false, SPAN_LITERAL(GCM_RTP),
     SPAN_LITERAL("\x80\x40\xf1\x7b\x80\x41\xf8\xd3\x55\x01\xa0\xb2\x32\xb1\xde\x78\xa8\x22"
                  "\xfe\x12\xef\x9f\x78\xfa\x33\x2e\x33\xaa\xb1\x80\x12\x38\x9a\x58\xe2\xf3"
                  "\xb5\x0b\x2a\x02\x76\xff\xae\x0f\x1b\xa6\x37\x99\xb8\x7b\x7a\xa3\xdb\x36"
                  "\xdf\xff\xd6\xb0\xf9\xbb\x78\x78\xd7\xa7\x6c\x13")},
    {"RFC 7714, 17.1", SRTP_PROFILE_AEAD_AES_128_GCM, true, SPAN_LITERAL(GCM_RTCP),
     SPAN_LITERAL("\x81\xc8\x00\x0d\x4d\x61\x72\x73\x63\xe9\x48\x85\xdc\xda\xb6\x7c\xa7\x27"
                  "\xd7\x66\x2f\x6b\x7e\x99\x7f\xf5\xc0\xf7\x6c\x06\xf3\x2d\xc6\x76\xa5\xf1"
                  "\x73\x0d\x6f\xda\x4c\xe0\x9b\x46\x86\x30\x3d\xed\x0b\xb9\x27\x5b\xc8\x4a"
                  "\xa4\x58\x96\xcf\x4d\x2f\xc5\xab\xf8\x72\x45\xd9\xea\xde\x80\x00\x05\xd4")},
    {"RFC 7714, 17.2", SRTP_PROFILE_AEAD_AES_256_GCM, true, SPAN_LITERAL(GCM_RTCP),
     SPAN_LITERAL("\x81\xc8\x00\x0d\x4d\x61\x72\x73\xd5\x0a\xe4\xd1\xf5\xce\x5d\x30\x4b\xa2"
                  "\x97\xe4\x7d\x47\x0c\x28\x2c\x3e\xce\x5d\xbf\xfe\x0a\x50\xa2\xea\xa5\xc1"
                  "\x11\x05\x55\xbe\x84\x15\xf6\x58\xc6\x1d\xe0\x47\x6f\x1b\x6f\xad\x1d\x1e"
                  "\xb3\x0c\x44\x46\x83\x9f\x57\xff\x6f\x6c\xb2\x6a\xc3\xbe\x80\x00\x05\xd4")},
};

/* Key 00 01 02 ..., salt "Quid pro quo", for RTP and RTCP alike (section 16). */
static struct srtp_session_keys gcm_session(void)
{
    struct srtp_session_keys keys = {.rtp_salt = "Quid pro quo", .rtcp_salt = "Quid pro quo"};

    for (uint8_t i = 0; i < SRTP_KEY_MAX; i++)
        keys.rtp_key[i] = keys.rtcp_key[i] = i;
    return keys;
}

/* An engine that takes session keys, which libsrtp2 does not; NULL where there is none. */
static struct srtp_engine *engine_for_vectors(void)
{
    struct srtp_engine *engine;

    T_EQ(srtp_engine_create(&engine, SRTP_ENGINE_IPSEC_MB), RC_OK);
    if (strcmp(srtp_engine_name(engine), "ipsec-mb") == 0)
        return engine;
    printf("#   no ipsec-mb here: the RFC's packets start at session keys\n");
    srtp_engine_free(engine);
    return NULL;
}

static void buffer_set(struct buffer *buffer, struct span bytes)
{
    memcpy(buffer->data, bytes.p, bytes.n);
    buffer->len = bytes.n;
}

static void reads_vector(struct srtp_engine *engine, size_t i)
{
    const struct srtp_session_keys keys = gcm_session();
    struct srtp_context *context;
    struct buffer buffer;

    T_EQ(srtp_context_create_from_session(&context, engine, vectors[i].profile, SRTP_INBOUND,
                                          &keys),
         RC_OK);
    buffer_set(&buffer, vectors[i].wire);
    T_EQ(run_one(vectors[i].rtcp ? srtp_engine_unprotect_rtcp : srtp_engine_unprotect, engine,
                 context, &buffer),
         REFUSAL_NONE);
    T_EQ(buffer.len, vectors[i].clear.n);
    T_MEM(buffer.data, vectors[i].clear.p, buffer.len);
    srtp_context_free(context);
}

static void writes_vector(struct srtp_engine *engine, size_t i)
{
    const struct srtp_session_keys keys = gcm_session();
    struct srtp_context *context;
    struct buffer buffer;

    T_EQ(srtp_context_create_from_session(&context, engine, vectors[i].profile, SRTP_OUTBOUND,
                                          &keys),
         RC_OK);
    /* The RFC's SRTCP packets have index 0x5d4; ours count from 1. */
    for (uint32_t index = vectors[i].rtcp ? 1 : 0x5d4; index <= 0x5d4; index++) {
        buffer_set(&buffer, vectors[i].clear);
        T_EQ(run_one(vectors[i].rtcp ? srtp_engine_protect_rtcp : srtp_engine_protect, engine,
                     context, &buffer),
             REFUSAL_NONE);
    }
    T_EQ(buffer.len, vectors[i].wire.n);
    T_MEM(buffer.data, vectors[i].wire.p, buffer.len);
    srtp_context_free(context);
}

static void the_packets_of_rfc_7714_come_out(void)
{
    struct srtp_engine *engine = engine_for_vectors();

    for (size_t i = 0; engine && i < ARRAY_LEN(vectors); i++) {
        printf("#   %s\n", vectors[i].what);
        reads_vector(engine, i);
        writes_vector(engine, i);
    }
    srtp_engine_free(engine);
}

/* Appendix B.2: key stream for SSRC, rollover counter and sequence number 0. */
static void the_key_stream_of_rfc_3711_comes_out(void)
{
    static const struct srtp_session_keys keys = {
        .rtp_key = "\x2b\x7e\x15\x16\x28\xae\xd2\xa6\xab\xf7\x15\x88\x09\xcf\x4f\x3c",
        .rtp_salt = "\xf0\xf1\xf2\xf3\xf4\xf5\xf6\xf7\xf8\xf9\xfa\xfb\xfc\xfd",
    };
    struct srtp_engine *engine = engine_for_vectors();
    struct srtp_context *context;
    struct buffer buffer = {.data = {0x80}, .len = 12 + 48};

    if (!engine)
        return;
    T_EQ(srtp_context_create_from_session(&context, engine, SRTP_PROFILE_AES128_CM_SHA1_80,
                                          SRTP_OUTBOUND, &keys),
         RC_OK);
    T_EQ(run_one(srtp_engine_protect, engine, context, &buffer), REFUSAL_NONE);
    T_MEM(buffer.data + 12,
          "\xe0\x3e\xad\x09\x35\xc9\x5e\x80\xe1\x66\xb1\x6d\xd9\x2b\x4e\xb4"
          "\xd2\x35\x13\x16\x2b\x02\xd0\xf7\x2a\x43\xa2\xfe\x4a\x5f\x97\xab"
          "\x41\xe9\x5b\x3b\xb0\xa2\xe8\xdd\x47\x79\x01\xe4\xfc\xa8\x94\xc0",
          48);
    srtp_context_free(context);
    srtp_engine_free(engine);
}

/* RFC 7714, 17.3: authentic, but in the clear. WebRTC never has that (RFC 8827, 6.5). */
static void srtcp_in_the_clear_is_refused(void)
{
    const struct srtp_session_keys keys = gcm_session();
    struct srtp_engine *engine = engine_for_vectors();
    struct srtp_context *context;
    struct buffer buffer;

    if (!engine)
        return;
    T_EQ(srtp_context_create_from_session(&context, engine, SRTP_PROFILE_AEAD_AES_128_GCM,
                                          SRTP_INBOUND, &keys),
         RC_OK);
    buffer_set(&buffer, SPAN_LITERAL(GCM_RTCP "\x84\x1d\xd9\x68\x3d\xd7\x8e\xc9\x2a\xe5\x87"
                                              "\x90\x12\x5f\x62\xb3\x00\x00\x05\xd4"));
    T_EQ(run_one(srtp_engine_unprotect_rtcp, engine, context, &buffer), REFUSAL_SRTP_AUTH);
    srtp_context_free(context);
    srtp_engine_free(engine);
}

/* --- one engine reads what the other wrote
 * --------------------------------------------------------- */

static struct buffer clear[BATCH], wire[BATCH];

/* Sends what `clear` holds through both and expects it back. */
static void carries(struct pair *pair, bool rtcp, size_t n)
{
    const size_t overhead = rtcp ? pair->profile->rtcp_overhead : pair->profile->rtp_overhead;
    struct srtp_packet packets[BATCH];

    memcpy(wire, clear, n * sizeof *clear);
    for (size_t i = 0; i < n; i++)
        packets[i] = packet_of(pair->sender, &wire[i]);
    (rtcp ? srtp_engine_protect_rtcp : srtp_engine_protect)(pair->sender_engine, packets, n);
    for (size_t i = 0; i < n; i++) {
        T_EQ(packets[i].refusal, REFUSAL_NONE);
        T_EQ(packets[i].len, clear[i].len + overhead);
        packets[i].context = pair->receiver;
    }
    (rtcp ? srtp_engine_unprotect_rtcp : srtp_engine_unprotect)(pair->receiver_engine, packets,
                                                                n);
    for (size_t i = 0; i < n; i++) {
        T_EQ(packets[i].refusal, REFUSAL_NONE);
        T_EQ(packets[i].len, clear[i].len);
        T_MEM(wire[i].data, clear[i].data, clear[i].len);
    }
}

static void carries_three_rollovers(struct pair *pair)
{
    uint32_t seq[3] = {65000, 17, 32000};

    while (seq[0] < 4 * 65536 || seq[1] < 4 * 65536) {
        const size_t n = 1 + next_random() % (next_random() % 4 == 0 ? BATCH : 32);

        for (size_t i = 0; i < n; i++) {
            const size_t stream = next_random() % 3;

            seq[stream] += 1 + next_random() % 700;
            rtp_random(&clear[i], 0x1000 + (uint32_t)stream, (uint16_t)seq[stream]);
        }
        carries(pair, false, n);
    }
}

static void both_engines_read_each_other_over_three_rollovers(void)
{
    for_each_combination(carries_three_rollovers);
}

static void carries_rtcp(struct pair *pair)
{
    for (int round = 0; round < 40; round++) {
        const size_t n = 1 + next_random() % BATCH;

        for (size_t i = 0; i < n; i++)
            rtcp_write(&clear[i], 0x2000 + next_random() % 3, 4 * (next_random() % 200));
        carries(pair, true, n);
    }
}

static void both_engines_read_each_others_rtcp(void)
{
    for_each_combination(carries_rtcp);
}

static void writes_the_same(struct pair *pair, bool rtcp)
{
    struct srtp_engine *other;
    struct buffer a, b;

    T_EQ(srtp_engine_create(&other, SRTP_ENGINE_LIBSRTP), RC_OK);
    struct srtp_context *context = context_of(other, pair->profile->profile, SRTP_OUTBOUND, 1);
    batch_fn *const run = rtcp ? srtp_engine_protect_rtcp : srtp_engine_protect;

    for (uint32_t i = 0; i < 500; i++) {
        rtcp ? rtcp_write(&a, i % 5, i) : rtp_random(&a, i % 5, (uint16_t)(i * 400));
        b = a;
        T_EQ(run_one(run, pair->sender_engine, pair->sender, &a), REFUSAL_NONE);
        T_EQ(run_one(run, other, context, &b), REFUSAL_NONE);
        T_EQ(a.len, b.len);
        T_MEM(a.data, b.data, ROOM); /* nor is anything written behind the packet */
    }
    srtp_context_free(context);
    srtp_engine_free(other);
}

static void writes_the_same_rtp_and_rtcp(struct pair *pair)
{
    writes_the_same(pair, false);
    writes_the_same(pair, true);
}

static void both_engines_write_the_same_bytes(void)
{
    for_each_pair(writes_the_same_rtp_and_rtcp);
}

/* --- forgeries
 * ------------------------------------------------------------------------------------- */

static void each_bit_counts(struct pair *pair, bool rtcp)
{
    struct buffer sent, copy;

    if (rtcp)
        rtcp_write(&sent, 7, 60);
    else
        rtp_write(&sent, 7, 1000, 2, 2, 60);
    T_EQ(rtcp ? protect_rtcp_one(pair, &sent) : protect_one(pair, &sent), REFUSAL_NONE);

    for (size_t bit = 0; bit < 8 * sent.len; bit++) {
        copy = sent;
        copy.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        const enum refusal why =
            rtcp ? unprotect_rtcp_one(pair, &copy) : unprotect_one(pair, &copy);
        T_OK(why == REFUSAL_SRTP_AUTH || why == REFUSAL_RTP_MALFORMED);
        T_EQ(copy.len, sent.len);
    }
    copy = sent;
    T_EQ(rtcp ? unprotect_rtcp_one(pair, &copy) : unprotect_one(pair, &copy), REFUSAL_NONE);
}

static void each_bit_of_a_packet_counts(struct pair *pair)
{
    each_bit_counts(pair, false);
    each_bit_counts(pair, true);
}

static void every_change_of_one_bit_is_refused(void)
{
    for_each_pair(each_bit_of_a_packet_counts);
}

static void each_length_is_survived(struct pair *pair)
{
    struct buffer sent, copy;

    rtp_write(&sent, 7, 1000, 3, 3, 20);
    T_EQ(protect_one(pair, &sent), REFUSAL_NONE);
    for (size_t len = 0; len < sent.len; len++) {
        copy = sent;
        copy.len = len;
        T_OK(unprotect_one(pair, &copy) != REFUSAL_NONE);
        copy = sent;
        copy.len = len;
        T_OK(unprotect_rtcp_one(pair, &copy) != REFUSAL_NONE);
    }
}

static void a_packet_cut_short_anywhere_is_refused(void)
{
    for_each_pair(each_length_is_survived);
}

static void keys_matter(struct pair *pair)
{
    struct srtp_context *stranger =
        context_of(pair->receiver_engine, pair->profile->profile, SRTP_INBOUND, 2);
    struct buffer sent;

    send_simple(pair, &sent, 1, 1);
    T_EQ(run_one(srtp_engine_unprotect, pair->receiver_engine, stranger, &sent),
         REFUSAL_SRTP_AUTH);
    srtp_context_free(stranger);
}

static void another_key_reads_nothing(void)
{
    for_each_pair(keys_matter);
}

/* Sixteen SSRCs are established, then a thousand others are forged: none of them is evicted. */
static void keeps_its_streams(struct pair *pair)
{
    struct buffer first[SRTP_INBOUND_STREAMS_MAX], copy;

    for (uint32_t i = 0; i < SRTP_INBOUND_STREAMS_MAX; i++) {
        send_simple(pair, &first[i], i, 5);
        copy = first[i];
        T_EQ(unprotect_one(pair, &copy), REFUSAL_NONE);
    }
    for (uint32_t i = 0; i < 1000; i++) {
        rtp_simple(&copy, 100 + i, (uint16_t)i);
        T_EQ(unprotect_one(pair, &copy), REFUSAL_SRTP_AUTH);
        rtcp_write(&copy, 5000 + i, 40);
        copy.data[8 + 40 - (pair->profile->auth_key_len ? 14 : 4)] |= 0x80;
        T_EQ(unprotect_rtcp_one(pair, &copy), REFUSAL_SRTP_AUTH);
    }
    for (uint32_t i = 0; i < SRTP_INBOUND_STREAMS_MAX; i++)
        T_EQ(unprotect_one(pair, &first[i]), REFUSAL_SRTP_REPLAY);
}

static void forged_ssrcs_leave_no_state(void)
{
    for_each_pair(keeps_its_streams);
}

/* Forged packets half a round ahead stand in front of the real ones, in the same batch. */
static void keeps_its_rollover_counter(struct pair *pair)
{
    struct srtp_packet packets[BATCH];

    for (uint32_t round = 0, seq = 60000; round < 20; round++) {
        const size_t n = 30;

        for (size_t i = 0; i < n; i++) {
            if (i % 3 == 2)
                send_simple(pair, &wire[i], 1, (uint16_t)(seq += 400));
            else
                rtp_simple(&wire[i], 1, (uint16_t)(seq + 0x7f00 * (1 + i % 3)));
            packets[i] = packet_of(pair->receiver, &wire[i]);
        }
        srtp_engine_unprotect(pair->receiver_engine, packets, n);
        for (size_t i = 0; i < n; i++)
            T_EQ(packets[i].refusal, i % 3 == 2 ? REFUSAL_NONE : REFUSAL_SRTP_AUTH);
    }
}

static void forged_packets_do_not_move_the_rollover_counter(void)
{
    for_each_pair(keeps_its_rollover_counter);
}

/* --- replay
 * -------------------------------------------------------------------------------------- */

static void knows_replays(struct pair *pair)
{
    enum { COUNT = 2 * SRTP_REPLAY_WINDOW };
    static struct buffer sent[COUNT];
    const uint16_t start = 65000;
    struct buffer copy;

    for (size_t i = 0; i < COUNT; i++)
        send_simple(pair, &sent[i], 1, (uint16_t)(start + i));
    for (size_t i = 0; i < COUNT; i += 2) {
        copy = sent[i];
        T_EQ(unprotect_one(pair, &copy), REFUSAL_NONE);
    }
    for (size_t i = 0; i < COUNT; i++) { /* the even ones are known, the odd ones old or late */
        const bool in_window = COUNT - 2 - i < SRTP_REPLAY_WINDOW || i == COUNT - 1;

        copy = sent[i];
        T_EQ(unprotect_one(pair, &copy),
             i % 2 && in_window ? REFUSAL_NONE : REFUSAL_SRTP_REPLAY);
    }
    for (size_t i = 0; i < COUNT; i++)
        T_EQ(unprotect_one(pair, &sent[i]), REFUSAL_SRTP_REPLAY);
}

static void a_packet_is_taken_once_and_late_ones_within_the_window(void)
{
    for_each_pair(knows_replays);
}

static void knows_rtcp_replays(struct pair *pair)
{
    enum { COUNT = 2 * SRTCP_REPLAY_WINDOW };
    static struct buffer sent[COUNT];
    struct buffer copy;

    for (size_t i = 0; i < COUNT; i++) {
        rtcp_write(&sent[i], 1, 20);
        T_EQ(protect_rtcp_one(pair, &sent[i]), REFUSAL_NONE);
    }
    copy = sent[COUNT - 1];
    T_EQ(unprotect_rtcp_one(pair, &copy), REFUSAL_NONE);
    for (size_t i = 0; i < COUNT - 1; i++) {
        copy = sent[i];
        T_EQ(unprotect_rtcp_one(pair, &copy),
             COUNT - 1 - i < SRTCP_REPLAY_WINDOW ? REFUSAL_NONE : REFUSAL_SRTP_REPLAY);
    }
    for (size_t i = 0; i < COUNT; i++)
        T_EQ(unprotect_rtcp_one(pair, &sent[i]), REFUSAL_SRTP_REPLAY);
}

static void an_rtcp_packet_is_taken_once(void)
{
    for_each_pair(knows_rtcp_replays);
}

static void knows_replays_in_a_batch(struct pair *pair)
{
    struct srtp_packet packets[BATCH];

    send_simple(pair, &wire[0], 1, 9);
    T_EQ(unprotect_one(pair, &wire[0]), REFUSAL_NONE);
    for (size_t i = 0; i < 30; i++) {
        if (i % 3 == 0)
            send_simple(pair, &wire[i], 1 + (uint32_t)i % 2, (uint16_t)(10 + i));
        else
            wire[i] = wire[i - 1];
        packets[i] = packet_of(pair->receiver, &wire[i]);
    }
    srtp_engine_unprotect(pair->receiver_engine, packets, 30);
    for (size_t i = 0; i < 30; i++)
        T_EQ(packets[i].refusal, i % 3 ? REFUSAL_SRTP_REPLAY : REFUSAL_NONE);
}

static void a_duplicate_inside_a_batch_is_a_replay(void)
{
    for_each_pair(knows_replays_in_a_batch);
}

/* 10 000 packets, out of order by up to 500, every tenth of them twice, over a rollover. */
static void sorts_out_disorder(struct pair *pair)
{
    enum { COUNT = 10000, NEAR = 500, EXTRA = COUNT / 10, SMALL = 64 };
    static uint8_t sent[COUNT][SMALL];
    static uint32_t order[COUNT + EXTRA];
    static unsigned accepted[COUNT];
    struct srtp_packet packets[BATCH];

    memset(accepted, 0, sizeof accepted);
    for (uint32_t i = 0; i < COUNT; i++) {
        rtp_write(&wire[0], 1, (uint16_t)(60000 + i), 0, -1, 20);
        T_EQ(protect_one(pair, &wire[0]), REFUSAL_NONE);
        memcpy(sent[i], wire[0].data, wire[0].len);
        order[i + i / 10] = i;
        if (i % 10 == 9)
            order[i + i / 10 + 1] = i;
    }
    for (uint32_t block = 0; block < COUNT + EXTRA; block += NEAR) {
        for (uint32_t i = NEAR - 1; i > 0; i--) {
            const uint32_t k = next_random() % (i + 1), kept = order[block + i];
            order[block + i] = order[block + k];
            order[block + k] = kept;
        }
    }
    const size_t len = 12 + 20 + pair->profile->rtp_overhead;
    for (uint32_t done = 0; done < COUNT + EXTRA; done += 25) {
        for (uint32_t i = 0; i < 25; i++) {
            buffer_set(&wire[i], (struct span){sent[order[done + i]], len});
            packets[i] = packet_of(pair->receiver, &wire[i]);
        }
        srtp_engine_unprotect(pair->receiver_engine, packets, 25);
        for (uint32_t i = 0; i < 25; i++)
            accepted[order[done + i]] += packets[i].refusal == REFUSAL_NONE;
    }
    for (uint32_t i = 0; i < COUNT; i++)
        T_EQ(accepted[i], 1);
}

static void ten_thousand_packets_in_disorder_arrive_once_each(void)
{
    for_each_pair(sorts_out_disorder);
}

/* --- rollover inside a batch
 * -------------------------------------------------------------------------- */

static void jumps_inside_a_batch(struct pair *pair)
{
    /* Each within half a round of the one before, nearly four rounds in one batch. */
    static const uint32_t indices[] = {100,    30000,  62000,  62001,  94000,  94001,  126000,
                                       125999, 158000, 190000, 189999, 222000, 254000, 254001};

    for (size_t i = 0; i < ARRAY_LEN(indices); i++)
        rtp_random(&clear[i], 1, (uint16_t)indices[i]);
    carries(pair, false, ARRAY_LEN(indices));
}

static void rollovers_and_jumps_inside_a_batch_work(void)
{
    for_each_combination(jumps_inside_a_batch);
}

/* --- limits
 * ------------------------------------------------------------------------------------------ */

static void refuses_the_second_use(struct pair *pair)
{
    struct srtp_packet packets[3];
    struct buffer buffer;

    send_simple(pair, &buffer, 1, 65535);
    send_simple(pair, &buffer, 1, 65533); /* out of order is fine */
    send_simple(pair, &buffer, 1, 0);     /* with rollover counter 1 */
    rtp_simple(&buffer, 1, 65533);
    T_EQ(protect_one(pair, &buffer), REFUSAL_SRTP_REPLAY);
    rtp_simple(&buffer, 1, 65535 - SRTP_REPLAY_WINDOW); /* who knows */
    T_EQ(protect_one(pair, &buffer), REFUSAL_SRTP_REPLAY);
    send_simple(pair, &buffer, 2, 65533); /* another SSRC, another nonce */

    for (size_t i = 0; i < 3; i++) {
        rtp_simple(&wire[i], 1, (uint16_t)(10 + i / 2)); /* twice in a batch */
        packets[i] = packet_of(pair->sender, &wire[i]);
    }
    srtp_engine_protect(pair->sender_engine, packets, 3);
    T_EQ(packets[0].refusal, REFUSAL_NONE);
    T_EQ(packets[1].refusal, REFUSAL_SRTP_REPLAY);
    T_EQ(packets[2].refusal, REFUSAL_NONE);
}

static void a_sequence_number_is_sent_once(void)
{
    for_each_pair(refuses_the_second_use);
}

static void limits_outgoing_ssrcs(struct pair *pair)
{
    struct buffer buffer;

    for (uint32_t i = 0; i < SRTP_OUTBOUND_STREAMS_MAX; i++)
        send_simple(pair, &buffer, i, 1);
    rtp_simple(&buffer, 9999, 1);
    T_EQ(protect_one(pair, &buffer), REFUSAL_SRTP_STREAM_LIMIT);
    rtcp_write(&buffer, 9999, 20);
    T_EQ(protect_rtcp_one(pair, &buffer), REFUSAL_SRTP_STREAM_LIMIT);
    send_simple(pair, &buffer, 0, 2); /* those there are go on */
}

static void outgoing_ssrcs_have_a_limit_and_are_never_forgotten(void)
{
    for_each_pair(limits_outgoing_ssrcs);
}

static void recycles_the_oldest(struct pair *pair)
{
    struct buffer sent, copy, oldest, newest;

    for (uint32_t i = 0; i < SRTP_INBOUND_STREAMS_MAX + 1; i++) {
        send_simple(pair, &sent, i, 100);
        copy = sent;
        T_EQ(unprotect_one(pair, &copy), REFUSAL_NONE);
        if (i == 0)
            oldest = sent;
        newest = sent;
    }
    T_EQ(unprotect_one(pair, &newest), REFUSAL_SRTP_REPLAY);
    T_EQ(unprotect_one(pair, &oldest), REFUSAL_NONE); /* nothing is known of it any more */
}

static void the_incoming_ssrc_unused_for_longest_makes_room(void)
{
    for_each_pair(recycles_the_oldest);
}

static void carries_empty_payloads(struct pair *pair)
{
    for (size_t i = 0; i < 20; i++)
        rtp_write(&clear[i], 1, (uint16_t)i, i % 3, i % 2 ? 1 : -1, i % 4 == 3 ? 1 : 0);
    carries(pair, false, 20);
    rtcp_write(&clear[0], 1, 0);
    carries(pair, true, 1);
}

static void empty_payloads_are_carried(void)
{
    for_each_combination(carries_empty_payloads);
}

static void wants_room(struct pair *pair)
{
    const size_t need[] = {pair->profile->rtp_overhead, pair->profile->rtcp_overhead};
    batch_fn *const run[] = {srtp_engine_protect, srtp_engine_protect_rtcp};
    struct buffer buffer, before;

    for (size_t i = 0; i < 2; i++) {
        i ? rtcp_write(&buffer, 1, 20) : rtp_simple(&buffer, 1, 1);
        before = buffer;
        struct srtp_packet packet = packet_of(pair->sender, &buffer);
        packet.capacity = packet.len + need[i] - 1;
        run[i](pair->sender_engine, &packet, 1);
        T_EQ(packet.refusal, REFUSAL_RTP_MALFORMED);
        T_EQ(packet.len, before.len);
        T_MEM(buffer.data, before.data, ROOM);

        packet.capacity = packet.len + need[i];
        run[i](pair->sender_engine, &packet, 1);
        T_EQ(packet.refusal, REFUSAL_NONE);
        T_MEM(buffer.data + packet.len, before.data + packet.len, ROOM - packet.len);
    }
}

static void a_buffer_without_room_for_the_tag_is_refused_and_left_alone(void)
{
    for_each_pair(wants_room);
}

static void refuses_what_is_not_rtp(struct pair *pair)
{
    static uint8_t large[SRTP_PACKET_MAX + 100] = {0x80};
    struct srtp_packet packet = {
        .context = pair->sender,
        .data = large,
        .len = SRTP_PACKET_MAX + 1,
        .capacity = sizeof large,
    };
    struct buffer buffer;

    srtp_engine_protect(pair->sender_engine, &packet, 1);
    T_EQ(packet.refusal, REFUSAL_RTP_MALFORMED);
    rtp_simple(&buffer, 1, 1);
    buffer.data[0] = 0x40; /* version 1 */
    T_EQ(protect_one(pair, &buffer), REFUSAL_RTP_MALFORMED);
    rtp_write(&buffer, 1, 1, 0, 4, 0);
    buffer.len -= 1; /* the extension runs past the end */
    T_EQ(protect_one(pair, &buffer), REFUSAL_RTP_MALFORMED);
    rtp_write(&buffer, 1, 1, 15, -1, 0);
    buffer.len -= 1; /* so do the CSRCs */
    T_EQ(protect_one(pair, &buffer), REFUSAL_RTP_MALFORMED);
    rtcp_write(&buffer, 1, 0);
    buffer.len = 7;
    T_EQ(protect_rtcp_one(pair, &buffer), REFUSAL_RTP_MALFORMED);
}

static void what_is_not_rtp_is_not_protected(void)
{
    for_each_pair(refuses_what_is_not_rtp);
}

static void works_at_any_alignment(struct pair *pair)
{
    uint8_t room[ROOM + 8];
    struct buffer buffer;

    for (size_t shift = 0; shift < 8; shift++) {
        rtp_write(&buffer, 1, (uint16_t)shift, 1, 1, 77);
        struct srtp_packet packet = {
            .context = pair->sender, .data = room + shift, .len = buffer.len, .capacity = ROOM};

        memcpy(room + shift, buffer.data, buffer.len);
        srtp_engine_protect(pair->sender_engine, &packet, 1);
        T_EQ(packet.refusal, REFUSAL_NONE);
        packet.context = pair->receiver;
        srtp_engine_unprotect(pair->receiver_engine, &packet, 1);
        T_EQ(packet.refusal, REFUSAL_NONE);
        T_EQ(packet.len, buffer.len);
        T_MEM(room + shift, buffer.data, buffer.len);
    }
}

static void packets_may_lie_at_any_alignment(void)
{
    for_each_pair(works_at_any_alignment);
}

/* --- mixed batches
 * -------------------------------------------------------------------------------- */

enum { PEERS = 6 };

/* Peers of all profiles in one batch of each engine; some packets are forged, some repeated. */
static void a_mixed_batch_has_a_result_for_each(void)
{
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        struct srtp_engine *engine;
        struct srtp_context *out[PEERS], *in[PEERS];
        struct srtp_packet packets[BATCH];

        seed = 77;
        T_EQ(srtp_engine_create(&engine, kinds[k]), RC_OK);
        for (size_t i = 0; i < PEERS; i++) {
            const enum srtp_profile profile = srtp_profiles[i % SRTP_PROFILE_COUNT].profile;
            out[i] = context_of(engine, profile, SRTP_OUTBOUND, (uint8_t)i);
            in[i] = context_of(engine, profile, SRTP_INBOUND, (uint8_t)i);
        }
        for (size_t i = 0; i < BATCH; i++) {
            rtp_random(&clear[i], 1, (uint16_t)(i * 1000));
            wire[i] = clear[i];
            packets[i] = packet_of(out[i % PEERS], &wire[i]);
        }
        srtp_engine_protect(engine, packets, BATCH);
        for (size_t i = 0; i < BATCH; i++) {
            T_EQ(packets[i].refusal, REFUSAL_NONE);
            if (i % 5 == 3)
                wire[i].data[packets[i].len - 1] ^= 1;
            if (i % 11 == 10) { /* the packet of six before, which is of the same peer */
                wire[i] = wire[i - PEERS];
                packets[i].len = packets[i - PEERS].len;
            }
            packets[i].context = in[i % PEERS];
        }
        srtp_engine_unprotect(engine, packets, BATCH);
        for (size_t i = 0; i < BATCH; i++) {
            const size_t original = i % 11 == 10 ? i - PEERS : i;
            const enum refusal expected = original % 5 == 3 ? REFUSAL_SRTP_AUTH
                                          : original != i   ? REFUSAL_SRTP_REPLAY
                                                            : REFUSAL_NONE;
            T_EQ(packets[i].refusal, expected);
            if (expected == REFUSAL_NONE)
                T_MEM(wire[i].data, clear[i].data, clear[i].len);
        }
        for (size_t i = 0; i < PEERS; i++) {
            srtp_context_free(out[i]);
            srtp_context_free(in[i]);
        }
        srtp_engine_free(engine);
    }
}

static void counts_refusals(struct pair *pair)
{
    const uint64_t before = refusal_total(REFUSAL_SRTP_AUTH);
    const uint64_t replays = refusal_total(REFUSAL_SRTP_REPLAY);
    struct buffer sent, copy;

    rtp_simple(&copy, 1, 1);
    T_EQ(unprotect_one(pair, &copy), REFUSAL_SRTP_AUTH);
    T_EQ(refusal_total(REFUSAL_SRTP_AUTH) - before, 1);
    send_simple(pair, &sent, 1, 1);
    copy = sent;
    T_EQ(unprotect_one(pair, &copy), REFUSAL_NONE);
    T_EQ(unprotect_one(pair, &sent), REFUSAL_SRTP_REPLAY);
    T_EQ(refusal_total(REFUSAL_SRTP_REPLAY) - replays, 1);
    T_EQ(refusal_total(REFUSAL_SRTP_AUTH) - before, 1);
}

static void each_refusal_is_counted_once(void)
{
    for_each_pair(counts_refusals);
}

static void keys_of_the_wrong_length_make_no_context(void)
{
    static const uint8_t bytes[40];
    struct srtp_context *context = NULL;
    struct srtp_engine *engine;

    T_EQ(srtp_engine_create(&engine, SRTP_ENGINE_AUTO), RC_OK);
    T_EQ(srtp_context_create(&context, engine, SRTP_PROFILE_NONE, SRTP_INBOUND,
                             (struct span){bytes, 16}, (struct span){bytes, 14}),
         RC_BAD);
    T_EQ(srtp_context_create(&context, engine, SRTP_PROFILE_AEAD_AES_256_GCM, SRTP_INBOUND,
                             (struct span){bytes, 16}, (struct span){bytes, 12}),
         RC_BAD);
    T_EQ(srtp_context_create(&context, engine, SRTP_PROFILE_AES128_CM_SHA1_80, SRTP_INBOUND,
                             (struct span){bytes, 16}, (struct span){bytes, 12}),
         RC_BAD);
    T_OK(!context);
    srtp_engine_free(engine);
    srtp_engine_free(NULL);
    srtp_context_free(NULL);
}

static void profiles_are_known_by_their_dtls_id(void)
{
    T_STR(srtp_profile_find(0x0001)->name, "SRTP_AES128_CM_SHA1_80");
    T_STR(srtp_profile_find(0x0007)->name, "SRTP_AEAD_AES_128_GCM");
    T_STR(srtp_profile_find(0x0008)->name, "SRTP_AEAD_AES_256_GCM");
    T_OK(!srtp_profile_find(0x0002));
    T_OK(!srtp_profile_find(SRTP_PROFILE_NONE));
    for (size_t i = 0; i < SRTP_PROFILE_COUNT; i++) {
        T_OK(strstr(srtp_profile_list(), srtp_profiles[i].name));
        T_OK(srtp_profiles[i].rtcp_overhead <= SRTP_OVERHEAD_MAX);
    }
}

static const struct t_case cases[] = {
    T_CASE(the_packets_of_rfc_7714_come_out),
    T_CASE(the_key_stream_of_rfc_3711_comes_out),
    T_CASE(srtcp_in_the_clear_is_refused),
    T_CASE(both_engines_read_each_other_over_three_rollovers),
    T_CASE(both_engines_read_each_others_rtcp),
    T_CASE(both_engines_write_the_same_bytes),
    T_CASE(every_change_of_one_bit_is_refused),
    T_CASE(a_packet_cut_short_anywhere_is_refused),
    T_CASE(another_key_reads_nothing),
    T_CASE(forged_ssrcs_leave_no_state),
    T_CASE(forged_packets_do_not_move_the_rollover_counter),
    T_CASE(a_packet_is_taken_once_and_late_ones_within_the_window),
    T_CASE(an_rtcp_packet_is_taken_once),
    T_CASE(a_duplicate_inside_a_batch_is_a_replay),
    T_CASE(ten_thousand_packets_in_disorder_arrive_once_each),
    T_CASE(rollovers_and_jumps_inside_a_batch_work),
    T_CASE(a_sequence_number_is_sent_once),
    T_CASE(outgoing_ssrcs_have_a_limit_and_are_never_forgotten),
    T_CASE(the_incoming_ssrc_unused_for_longest_makes_room),
    T_CASE(empty_payloads_are_carried),
    T_CASE(a_buffer_without_room_for_the_tag_is_refused_and_left_alone),
    T_CASE(what_is_not_rtp_is_not_protected),
    T_CASE(packets_may_lie_at_any_alignment),
    T_CASE(a_mixed_batch_has_a_result_for_each),
    T_CASE(each_refusal_is_counted_once),
    T_CASE(keys_of_the_wrong_length_make_no_context),
    T_CASE(profiles_are_known_by_their_dtls_id),
};
T_MAIN(cases)

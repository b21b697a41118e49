#include "relay/srtp.h"

#include "relay/srtp_engine.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    RTP_HEADER_LEN = 12,
    RTCP_HEADER_LEN = 8, /* the common header and the sender's SSRC: what SRTCP leaves clear */
    RTCP_INDEX_LEN = 4,
};

struct srtp_engine {
    const struct srtp_engine_functions *functions;
    void *state; /* owned, by functions */
    size_t job_count;
    struct srtp_job jobs[SRTP_JOBS_MAX]; /* prepared and not yet run */
};

/* Of the keys, those of GCM-128's rounds and its most used hash keys; the first two streams. */
#define PREFETCH_BYTES 320

struct srtp_context {
    const struct srtp_engine_functions *functions;
    const struct srtp_profile_info *profile;
    void *keys; /* owned, by functions */
    enum srtp_direction direction;
    struct srtp_stream_table streams;
};

/* --- profiles
 * ---------------------------------------------------------------------------------- */

const struct srtp_profile_info srtp_profiles[SRTP_PROFILE_COUNT] = {
    {
        .profile = SRTP_PROFILE_AEAD_AES_128_GCM,
        .name = "SRTP_AEAD_AES_128_GCM",
        .key_len = 16,
        .salt_len = 12,
        .tag_len = 16,
        .rtp_overhead = 16,
        .rtcp_overhead = 20,
    },
    {
        .profile = SRTP_PROFILE_AEAD_AES_256_GCM,
        .name = "SRTP_AEAD_AES_256_GCM",
        .key_len = 32,
        .salt_len = 12,
        .tag_len = 16,
        .rtp_overhead = 16,
        .rtcp_overhead = 20,
    },
    {
        .profile = SRTP_PROFILE_AES128_CM_SHA1_80,
        .name = "SRTP_AES128_CM_SHA1_80",
        .key_len = 16,
        .salt_len = 14,
        .auth_key_len = SRTP_AUTH_KEY_LEN,
        .tag_len = 10,
        .rtp_overhead = 10,
        .rtcp_overhead = 14,
    },
};

const struct srtp_profile_info *srtp_profile_find(unsigned id)
{
    for (size_t i = 0; i < ARRAY_LEN(srtp_profiles); i++) {
        if ((unsigned)srtp_profiles[i].profile == id)
            return &srtp_profiles[i];
    }
    return NULL;
}

const char *srtp_profile_list(void)
{
    return "SRTP_AEAD_AES_128_GCM:SRTP_AEAD_AES_256_GCM:SRTP_AES128_CM_SHA1_80";
}

/* --- engines
 * ----------------------------------------------------------------------------------- */

static int engine_open(struct srtp_engine *engine,
                       const struct srtp_engine_functions *functions)
{
    const int rc = functions->open(&engine->state);
    if (rc == RC_OK)
        engine->functions = functions;
    return rc;
}

int srtp_engine_create(struct srtp_engine **out, enum srtp_engine_kind kind)
{
    struct srtp_engine *engine = calloc(1, sizeof *engine);
    int rc = RC_BAD;

    if (!engine)
        return RC_NOMEM;
#if HAVE_IPSEC_MB
    if (kind != SRTP_ENGINE_LIBSRTP)
        rc = engine_open(engine, &srtp_engine_ipsec_mb);
#else
    (void)kind;
#endif
    if (rc == RC_BAD)
        rc = engine_open(engine, &srtp_engine_libsrtp);
    if (rc != RC_OK) {
        free(engine);
        return rc;
    }
    *out = engine;
    return RC_OK;
}

void srtp_engine_free(struct srtp_engine *engine)
{
    if (!engine)
        return;
    engine->functions->close(engine->state);
    free(engine);
}

const char *srtp_engine_name(const struct srtp_engine *engine)
{
    return engine->functions->name;
}

/* --- contexts
 * ---------------------------------------------------------------------------------- */

static int context_create(struct srtp_context **out, struct srtp_engine *engine,
                          const struct srtp_key_material *material)
{
    struct srtp_context *context = calloc(1, sizeof *context);
    if (!context)
        return RC_NOMEM;
    context->functions = engine->functions;
    context->profile = material->profile;
    context->direction = material->direction;

    int rc = srtp_stream_table_init(&context->streams, material->direction == SRTP_INBOUND
                                                           ? SRTP_INBOUND_STREAMS_MAX
                                                           : SRTP_OUTBOUND_STREAMS_MAX);
    if (rc == RC_OK)
        rc = engine->functions->keys_create(&context->keys, engine->state, material);
    if (rc != RC_OK) {
        srtp_context_free(context);
        return rc;
    }
    *out = context;
    return RC_OK;
}

int srtp_context_create(struct srtp_context **out, struct srtp_engine *engine,
                        enum srtp_profile profile, enum srtp_direction direction,
                        struct span master_key, struct span master_salt)
{
    struct srtp_session_keys session;
    const struct srtp_key_material material = {
        .profile = srtp_profile_find(profile),
        .direction = direction,
        .master_key = master_key,
        .master_salt = master_salt,
        .session = &session,
    };

    if (!material.profile)
        return RC_BAD;
    int rc = srtp_kdf_derive(&session, material.profile, master_key, master_salt);
    if (rc == RC_OK)
        rc = context_create(out, engine, &material);
    explicit_bzero(&session, sizeof session);
    return rc;
}

int srtp_context_create_from_session(struct srtp_context **out, struct srtp_engine *engine,
                                     enum srtp_profile profile, enum srtp_direction direction,
                                     const struct srtp_session_keys *session)
{
    const struct srtp_key_material material = {
        .profile = srtp_profile_find(profile),
        .direction = direction,
        .session = session,
    };

    return material.profile ? context_create(out, engine, &material) : RC_BAD;
}

void srtp_context_free(struct srtp_context *context)
{
    if (!context)
        return;
    context->functions->keys_free(context->keys, context->profile);
    srtp_stream_table_free(&context->streams);
    free(context);
}

void srtp_context_prefetch(const struct srtp_context *context)
{
    const char *keys = context->keys, *streams = (const char *)context->streams.slot;

    for (size_t at = 0; at < PREFETCH_BYTES; at += 64) { /* a cache line */
        __builtin_prefetch(keys + at);
        __builtin_prefetch(streams + at, 1);
    }
}

enum srtp_profile srtp_context_profile(const struct srtp_context *context)
{
    return context->profile->profile;
}

/* --- packets
 * ----------------------------------------------------------------------------------- */

/* Bytes in front of the payload: header, CSRCs, header extension (RFC 3550, 5.1). 0 if
 * malformed. */
static size_t rtp_header_len(struct span packet)
{
    if (packet.n < RTP_HEADER_LEN || packet.p[0] >> 6 != 2)
        return 0;

    size_t len = RTP_HEADER_LEN + 4u * (packet.p[0] & 0x0f);
    if (packet.n < len)
        return 0;
    if (!(packet.p[0] & 0x10))
        return len;
    if (packet.n - len < 4)
        return 0;
    const size_t extension = 4 + 4u * load_be16(packet.p + len + 2);
    return packet.n - len < extension ? 0 : len + extension;
}

static size_t rtcp_header_len(struct span packet)
{
    return packet.n < RTCP_HEADER_LEN || packet.p[0] >> 6 != 2 ? 0 : RTCP_HEADER_LEN;
}

/* The job for a packet but for stream and index. Pure; false when the packet is malformed. */
static bool parse(struct srtp_job *job, enum srtp_operation operation,
                  struct srtp_packet *packet)
{
    const struct srtp_profile_info *profile = packet->context->profile;
    const size_t overhead =
        srtp_operation_is_rtcp(operation) ? profile->rtcp_overhead : profile->rtp_overhead;
    struct span clear = {packet->data, packet->len};

    if (packet->len > SRTP_PACKET_MAX || packet->capacity < packet->len)
        return false;
    if (srtp_operation_is_inbound(operation)) {
        if (clear.n < overhead)
            return false;
        clear.n -= overhead;
    } else if (packet->capacity - packet->len < overhead) {
        return false;
    }
    const size_t header_len =
        srtp_operation_is_rtcp(operation) ? rtcp_header_len(clear) : rtp_header_len(clear);
    if (header_len == 0)
        return false;

    *job = (struct srtp_job){
        .packet = packet,
        .profile = profile,
        .keys = packet->context->keys,
        .data = packet->data,
        .header_len = header_len,
        .body_len = clear.n - header_len,
        .ssrc = load_be32(packet->data + (srtp_operation_is_rtcp(operation) ? 4 : 8)),
    };
    return true;
}

/* Bytes of the packet in its clear form. */
static size_t clear_len(const struct srtp_job *job)
{
    return job->header_len + job->body_len;
}

/* --- inbound: nothing is remembered of a packet before it has authenticated
 * ---------------------- */

static struct srtp_stream *stream_of_authenticated(const struct srtp_job *job)
{
    struct srtp_context *context = job->packet->context;
    uint32_t old;

    struct srtp_stream *stream = srtp_stream_table_add(&context->streams, job->ssrc);
    if (stream)
        return stream;
    stream = srtp_stream_table_recycle(&context->streams, job->ssrc, &old);
    context->functions->forget(context->keys, old);
    return stream;
}

static bool is_fresh(const struct srtp_job *job, bool rtcp)
{
    return rtcp ? srtp_stream_is_fresh_rtcp(job->stream, (uint32_t)job->index)
                : srtp_stream_is_fresh(job->stream, job->index);
}

/* Authenticity proves the index, which is part of what the tag covers. Freshness was checked
 * when the job was made, but a packet in front of it in the batch may have had the same index.
 */
static enum refusal settle(struct srtp_job *job, bool rtcp)
{
    if (job->stream && !is_fresh(job, rtcp))
        return REFUSAL_SRTP_REPLAY;
    if (job->result != REFUSAL_NONE)
        return job->result;
    if (!job->stream)
        job->stream = stream_of_authenticated(job);

    job->stream->used_at = ++job->packet->context->streams.tick;
    if (rtcp)
        srtp_stream_mark_rtcp(job->stream, (uint32_t)job->index);
    else
        srtp_stream_mark(job->stream, job->index);
    job->packet->len = clear_len(job);
    return REFUSAL_NONE;
}

static void run_inbound(struct srtp_engine *engine, enum srtp_operation operation)
{
    if (engine->job_count == 0)
        return;
    engine->functions->run(engine->state, operation, engine->jobs, engine->job_count);
    for (size_t i = 0; i < engine->job_count; i++) {
        struct srtp_job *job = &engine->jobs[i];

        job->packet->refusal = settle(job, srtp_operation_is_rtcp(operation));
        if (job->packet->refusal != REFUSAL_NONE)
            refuse(job->packet->refusal);
        if (job->stream)
            job->stream->pending_highest = job->stream->highest;
    }
    engine->job_count = 0;
}

/*
 * The index of an incoming RTP packet, on which its decryption depends, depends in turn on
 * whether the packets in front of it authenticate. While every outcome gives the same index it
 * may join their batch: the estimate is monotonic in the highest index, so the two ends speak
 * for all that is between. Otherwise (after a jump of half a rollover) the batch is settled
 * first.
 */
static uint64_t settled_index(struct srtp_engine *engine, const struct srtp_job *job)
{
    const struct srtp_stream *stream = job->stream;
    const uint16_t seq = load_be16(job->data + 2);

    if (!stream)
        return seq;
    const uint64_t index = srtp_index_estimate(stream->highest, seq);
    if (index == srtp_index_estimate(stream->pending_highest, seq))
        return index;
    run_inbound(engine, SRTP_UNPROTECT);
    return srtp_index_estimate(stream->highest, seq);
}

static enum refusal find_index(struct srtp_engine *engine, struct srtp_job *job)
{
    struct srtp_stream *stream = job->stream;

    job->index = settled_index(engine, job);
    if (job->index > SRTP_INDEX_MAX)
        return REFUSAL_SRTP_REPLAY;
    if (!stream)
        return REFUSAL_NONE;
    if (!is_fresh(job, false))
        return REFUSAL_SRTP_REPLAY;
    if (job->index > stream->pending_highest)
        stream->pending_highest = job->index;
    return REFUSAL_NONE;
}

static enum refusal read_rtcp_index(struct srtp_job *job)
{
    const size_t tag_in_front = job->profile->auth_key_len ? 0 : job->profile->tag_len;
    const uint32_t word = load_be32(job->data + clear_len(job) + tag_in_front);

    if (!(word & SRTCP_ENCRYPTED))
        return REFUSAL_SRTP_AUTH;
    job->index = word & ~SRTCP_ENCRYPTED;
    if (job->stream && !is_fresh(job, true))
        return REFUSAL_SRTP_REPLAY;
    return REFUSAL_NONE;
}

/* Queues one packet, or says why not. */
static enum refusal take_inbound(struct srtp_engine *engine, enum srtp_operation operation,
                                 struct srtp_packet *packet)
{
    struct srtp_job job;

    if (!parse(&job, operation, packet))
        return REFUSAL_RTP_MALFORMED;
    job.stream = srtp_stream_table_find(&packet->context->streams, job.ssrc);
    if (!job.stream || engine->job_count == SRTP_JOBS_MAX)
        run_inbound(engine, operation);

    const enum refusal why =
        srtp_operation_is_rtcp(operation) ? read_rtcp_index(&job) : find_index(engine, &job);
    if (why == REFUSAL_NONE)
        engine->jobs[engine->job_count++] = job;
    return why;
}

static void unprotect(struct srtp_engine *engine, enum srtp_operation operation,
                      struct srtp_packet *packets, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct srtp_packet *packet = &packets[i];

        assert(packet->context->direction == SRTP_INBOUND &&
               packet->context->functions == engine->functions);
        packet->refusal = take_inbound(engine, operation, packet);
        if (packet->refusal != REFUSAL_NONE)
            refuse(packet->refusal);
        else if (!engine->jobs[engine->job_count - 1].stream)
            run_inbound(engine, operation); /* alone: it may change the table of streams */
    }
    run_inbound(engine, operation);
}

/* --- outbound: an index is used up the moment it is given to a packet
 * ---------------------------- */

static enum refusal claim_index(struct srtp_job *job, struct srtp_stream *stream, bool rtcp)
{
    if (rtcp) {
        if (stream->rtcp_highest >= SRTCP_INDEX_MAX)
            return REFUSAL_SRTP_REPLAY;
        job->index = ++stream->rtcp_highest;
        return REFUSAL_NONE;
    }
    job->index = srtp_index_estimate(stream->highest, load_be16(job->data + 2));
    if (job->index > SRTP_INDEX_MAX || !srtp_stream_is_fresh(stream, job->index))
        return REFUSAL_SRTP_REPLAY;
    srtp_stream_mark(stream, job->index);
    return REFUSAL_NONE;
}

static enum refusal take_outbound(struct srtp_engine *engine, enum srtp_operation operation,
                                  struct srtp_packet *packet)
{
    struct srtp_stream_table *streams = &packet->context->streams;
    struct srtp_job *job = &engine->jobs[engine->job_count];

    if (!parse(job, operation, packet))
        return REFUSAL_RTP_MALFORMED;
    struct srtp_stream *stream = srtp_stream_table_find(streams, job->ssrc);
    if (!stream)
        stream = srtp_stream_table_add(streams, job->ssrc);
    if (!stream)
        return REFUSAL_SRTP_STREAM_LIMIT;
    const enum refusal why = claim_index(job, stream, srtp_operation_is_rtcp(operation));
    if (why == REFUSAL_NONE)
        engine->job_count++;
    return why;
}

static void run_outbound(struct srtp_engine *engine, enum srtp_operation operation)
{
    if (engine->job_count == 0)
        return;
    engine->functions->run(engine->state, operation, engine->jobs, engine->job_count);
    for (size_t i = 0; i < engine->job_count; i++) {
        const struct srtp_job *job = &engine->jobs[i];
        const struct srtp_profile_info *profile = job->profile;

        job->packet->refusal = job->result;
        if (job->result != REFUSAL_NONE)
            refuse(job->result);
        else
            job->packet->len += srtp_operation_is_rtcp(operation) ? profile->rtcp_overhead
                                                                  : profile->rtp_overhead;
    }
    engine->job_count = 0;
}

static void protect(struct srtp_engine *engine, enum srtp_operation operation,
                    struct srtp_packet *packets, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct srtp_packet *packet = &packets[i];

        assert(packet->context->direction == SRTP_OUTBOUND &&
               packet->context->functions == engine->functions);
        packet->refusal = take_outbound(engine, operation, packet);
        if (packet->refusal != REFUSAL_NONE)
            refuse(packet->refusal);
        if (engine->job_count == SRTP_JOBS_MAX)
            run_outbound(engine, operation);
    }
    run_outbound(engine, operation);
}

void srtp_engine_unprotect(struct srtp_engine *engine, struct srtp_packet *packets, size_t n)
{
    unprotect(engine, SRTP_UNPROTECT, packets, n);
}

void srtp_engine_protect(struct srtp_engine *engine, struct srtp_packet *packets, size_t n)
{
    protect(engine, SRTP_PROTECT, packets, n);
}

void srtp_engine_unprotect_rtcp(struct srtp_engine *engine, struct srtp_packet *packets,
                                size_t n)
{
    unprotect(engine, SRTP_UNPROTECT_RTCP, packets, n);
}

void srtp_engine_protect_rtcp(struct srtp_engine *engine, struct srtp_packet *packets, size_t n)
{
    protect(engine, SRTP_PROTECT_RTCP, packets, n);
}

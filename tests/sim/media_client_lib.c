#include "tests/sim/media_client_lib.h"

#include "relay/ntp.h"
#include "relay/rtcp.h"
#include "relay/sender_report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPORT_INTERVAL SEC(1)
#define VIDEO_INTERVAL 33333
#define AUDIO_INTERVAL MSEC(20)
#define AUDIO_BITRATE 32000
#define VIDEO_BITRATE 1000000
#define BATCH_MAX 32
#define DATAGRAM_MAX 1500
#define OUR_RTCP_MAX 1100
#define NACK_MAX 64

/* What one browser calls what; ids under 15, so that the one-byte form is always enough. */
struct dialect {
    uint8_t opus, red, vp8, vp8_rtx, h264, h264_rtx;
    uint8_t audio_level, abs_send_time, transport_cc;
};
static const struct dialect dialects[] = {
    {111, 63, 96, 97, 102, 103, 1, 2, 3},
    {109, 115, 120, 124, 126, 127, 7, 5, 4},
};

struct media_client {
    struct media_client_options options;
    const struct dialect *dialect;
    struct rtc_client *rtc;                  /* owned */
    struct srtp_context *srtp_in, *srtp_out; /* owned; NULL before keys */
    struct stream_sender video_out, audio_out;
    struct stream_receiver video_in, audio_in;
    struct arrival_log arrivals;
    struct rtp_extension_map video_map, audio_map;
    uint16_t transport_seq;
    uint64_t session_id;
    unsigned version;
    usec_t report_due;
    bool wants_media;
    struct media_client_heard heard;
    struct srtp_packet batch[BATCH_MAX];
    uint8_t bytes[BATCH_MAX][DATAGRAM_MAX + SRTP_OVERHEAD_MAX + 32];
    size_t batch_count;
};

/* --- life --- */

static struct rtp_extension_map make_map(const struct media_client *client, bool audio)
{
    const struct dialect *d = client->dialect;
    struct rtp_extension_map map = {.kind_of = {0}};

    (void)rtp_extension_map_set(&map, d->abs_send_time, RTP_EXTENSION_ABS_SEND_TIME);
    if (!client->options.no_transport_cc)
        (void)rtp_extension_map_set(&map, d->transport_cc, RTP_EXTENSION_TRANSPORT_WIDE_CC);
    if (audio)
        (void)rtp_extension_map_set(&map, d->audio_level, RTP_EXTENSION_AUDIO_LEVEL);
    return map;
}

static void init_senders(struct media_client *client)
{
    const struct media_client_options *o = &client->options;
    const struct dialect *d = client->dialect;
    const bool h264 = o->video == CODEC_H264;
    const struct stream_sender_options video = {
        .codec = o->video,
        .payload_type = h264 ? d->h264 : d->vp8,
        .rtx_payload_type = h264 ? d->h264_rtx : d->vp8_rtx,
        .ssrc = 0x10000000u + o->id * 0x10001u + o->generation,
        .rtx_ssrc = o->no_rtx ? 0 : 0x20000000u + o->id * 0x10001u + o->generation,
        .sender = o->id | o->generation << 16,
        .first_timestamp = 0x7fff0000u * (o->id + 1),
        .first_seq = o->first_seq ? o->first_seq : (uint16_t)(o->id * 977 + 11),
        .bitrate = o->video_bitrate ? o->video_bitrate : VIDEO_BITRATE,
        .interval = o->video_interval ? o->video_interval : VIDEO_INTERVAL,
        .payload_max = o->payload_max ? o->payload_max : 1100,
        .extensions = client->video_map,
    };
    const struct stream_sender_options audio = {
        .codec = CODEC_OPUS,
        .payload_type = d->opus,
        .red_payload_type = o->red ? d->red : 0,
        .ssrc = 0x30000000u + o->id * 0x10001u + o->generation,
        .sender = o->id | o->generation << 16,
        .first_timestamp = 0x3fff0000u * (o->id + 1),
        .first_seq = o->first_seq ? o->first_seq : (uint16_t)(o->id * 487 + 5),
        .bitrate = AUDIO_BITRATE,
        .interval = AUDIO_INTERVAL,
        .payload_max = 1100,
        .audio_level = 20,
        .extensions = client->audio_map,
    };

    stream_sender_init(&client->video_out, &video, &client->transport_seq);
    stream_sender_init(&client->audio_out, &audio, &client->transport_seq);
}

static int init_receivers(struct media_client *client)
{
    const struct media_client_options *o = &client->options;
    const struct dialect *d = client->dialect;

    int rc = stream_receiver_init(&client->video_in, MEDIA_VIDEO, o->records);
    if (rc == RC_OK)
        rc = stream_receiver_init(&client->audio_in, MEDIA_AUDIO, o->records);
    client->video_in.codec = o->video;
    client->video_in.payload_type = o->video == CODEC_H264 ? d->h264 : d->vp8;
    client->video_in.rtx_payload_type = o->video == CODEC_H264 ? d->h264_rtx : d->vp8_rtx;
    client->video_in.nack_wanted = !o->no_nack;
    client->audio_in.codec = CODEC_OPUS;
    client->audio_in.payload_type = d->opus;
    client->audio_in.red_payload_type = o->red ? d->red : 0;
    return rc;
}

int media_client_create(struct media_client **out, const struct media_client_options *options)
{
    struct media_client *client = calloc(1, sizeof *client);
    if (!client)
        return RC_NOMEM;
    client->options = *options;
    client->dialect = &dialects[options->dialect % ARRAY_LEN(dialects)];
    client->session_id = 1000 + options->id;
    client->report_due = USEC_NEVER;
    client->video_map = make_map(client, false);
    client->audio_map = make_map(client, true);
    arrival_log_init(&client->arrivals);
    init_senders(client);

    const struct rtc_client_options rtc = {
        .context = options->dtls,
        .role = options->passive ? DTLS_SERVER : DTLS_CLIENT,
    };
    int rc = init_receivers(client);
    if (rc == RC_OK)
        rc = rtc_client_create(&client->rtc, &rtc);
    if (rc != RC_OK) {
        media_client_free(client);
        return rc;
    }
    *out = client;
    return RC_OK;
}

void media_client_free(struct media_client *client)
{
    if (!client)
        return;
    stream_sender_free(&client->video_out);
    stream_sender_free(&client->audio_out);
    stream_receiver_free(&client->video_in);
    stream_receiver_free(&client->audio_in);
    srtp_context_free(client->srtp_in);
    srtp_context_free(client->srtp_out);
    rtc_client_free(client->rtc);
    free(client);
}

/* --- SDP --- */

static void write_transport(const struct media_client *client, FILE *out, const char *mid)
{
    fprintf(out,
            "c=IN IP4 0.0.0.0\r\na=ice-ufrag:%s\r\na=ice-pwd:%s\r\na=ice-options:trickle\r\n"
            "a=fingerprint:sha-256 %s\r\na=setup:%s\r\na=mid:%s\r\n",
            rtc_client_ufrag(client->rtc), rtc_client_pwd(client->rtc),
            certificate_fingerprint_text(client->options.certificate),
            client->options.passive ? "passive" : "actpass", mid);
}

static void write_extensions(const struct rtp_extension_map *map, FILE *out)
{
    for (unsigned kind = 1; kind < RTP_EXTENSION_COUNT; kind++)
        if (map->id_of[kind])
            fprintf(out, "a=extmap:%u %s\r\n", map->id_of[kind],
                    rtp_extension_info((enum rtp_extension_kind)kind)->uri);
}

static void write_audio(const struct media_client *client, FILE *out)
{
    const struct dialect *d = client->dialect;
    const bool red = client->options.red;

    fprintf(out,
            red ? "m=audio 9 UDP/TLS/RTP/SAVPF %u %u\r\n"
                : "m=audio 9 UDP/TLS/RTP/SAVPF %u\r\n",
            d->opus, d->red);
    write_transport(client, out, "0");
    write_extensions(&client->audio_map, out);
    fprintf(out, "a=sendrecv\r\na=rtcp-mux\r\na=rtpmap:%u opus/48000/2\r\n", d->opus);
    if (!client->options.no_transport_cc)
        fprintf(out, "a=rtcp-fb:%u transport-cc\r\n", d->opus);
    fprintf(out, "a=fmtp:%u minptime=10;useinbandfec=1\r\n", d->opus);
    if (red)
        fprintf(out, "a=rtpmap:%u red/48000/2\r\na=fmtp:%u %u/%u\r\n", d->red, d->red, d->opus,
                d->opus);
    if (!client->options.no_ssrc)
        fprintf(out, "a=ssrc:%u cname:synthetic\r\n", client->audio_out.options.ssrc);
}

static void write_video(const struct media_client *client, FILE *out)
{
    const struct media_client_options *o = &client->options;
    const struct stream_sender_options *v = &client->video_out.options;
    const unsigned type = v->payload_type, rtx = v->rtx_payload_type;

    fprintf(out, "m=video 9 UDP/TLS/RTP/SAVPF %u", type);
    if (!o->no_rtx)
        fprintf(out, " %u", rtx);
    fprintf(out, "\r\n");
    write_transport(client, out, "1");
    write_extensions(&client->video_map, out);
    fprintf(out, "a=sendrecv\r\na=rtcp-mux\r\na=rtcp-rsize\r\na=rtpmap:%u %s/90000\r\n", type,
            o->video == CODEC_H264 ? "H264" : "VP8");
    if (!o->no_transport_cc)
        fprintf(out, "a=rtcp-fb:%u transport-cc\r\n", type);
    if (!o->no_remb)
        fprintf(out, "a=rtcp-fb:%u goog-remb\r\n", type);
    if (!o->no_nack)
        fprintf(out, "a=rtcp-fb:%u nack\r\n", type);
    fprintf(out, "a=rtcp-fb:%u ccm fir\r\na=rtcp-fb:%u nack pli\r\n", type, type);
    if (o->video == CODEC_H264)
        fprintf(out,
                "a=fmtp:%u level-asymmetry-allowed=1;packetization-mode=1;"
                "profile-level-id=42e01f\r\n",
                type);
    if (!o->no_rtx)
        fprintf(out, "a=rtpmap:%u rtx/90000\r\na=fmtp:%u apt=%u\r\n", rtx, rtx, type);
    if (o->no_ssrc)
        return;
    if (!o->no_rtx)
        fprintf(out, "a=ssrc-group:FID %u %u\r\na=ssrc:%u cname:synthetic\r\n", v->ssrc,
                v->rtx_ssrc, v->rtx_ssrc);
    fprintf(out, "a=ssrc:%u cname:synthetic\r\n", v->ssrc);
}

size_t media_client_offer(const struct media_client *client,
                          char buf[static MEDIA_CLIENT_OFFER_MAX])
{
    const bool video = client->options.video != CODEC_NONE;
    FILE *out = fmemopen(buf, MEDIA_CLIENT_OFFER_MAX, "w");
    if (!out)
        abort();

    fprintf(out, "v=0\r\no=- %" PRIu64 " %u IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n",
            client->session_id, client->version + 2);
    fprintf(out, "a=group:BUNDLE 0%s%s\r\n", video ? " 1" : "",
            client->options.data ? " 2" : "");
    write_audio(client, out);
    if (video)
        write_video(client, out);
    if (client->options.data) {
        fprintf(out, "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n");
        write_transport(client, out, "2");
        fprintf(out, "a=sctp-port:5000\r\na=max-message-size:262144\r\n");
    }
    const long n = ftell(out);
    fclose(out);
    return (size_t)n;
}

/* What the answer's lines say, as far as this client asks. */
struct answer {
    char ufrag[257], pwd[257];
    struct fingerprint fingerprint;
    bool has_fingerprint, in_video, in_audio;
    uint32_t audio_ssrc, video_ssrc, video_rtx_ssrc;
    struct address server;
};

static void read_candidate(struct answer *answer, const char *line)
{
    char ip[ADDRESS_TEXT_MAX];
    unsigned port;

    if (answer->server.sa.sa_family != AF_UNSPEC ||
        sscanf(line, "a=candidate:%*s %*u %*[uUdDpP] %*u %60s %u", ip, &port) != 2)
        return;
    if (address_parse(&answer->server, ip) == RC_OK)
        address_set_port(&answer->server, (uint16_t)port);
}

static void read_line(struct answer *answer, const char *line)
{
    char algorithm[16], digest[FINGERPRINT_TEXT_MAX];
    uint32_t a, b;

    if (strncmp(line, "m=", 2) == 0) {
        unsigned port = 0;
        (void)sscanf(line, "m=%*s %u", &port);
        answer->in_video = port && strncmp(line, "m=video", 7) == 0;
        answer->in_audio = port && strncmp(line, "m=audio", 7) == 0;
    }
    (void)sscanf(line, "a=ice-ufrag:%256s", answer->ufrag);
    (void)sscanf(line, "a=ice-pwd:%256s", answer->pwd);
    if (sscanf(line, "a=fingerprint:%15s %191s", algorithm, digest) == 2)
        answer->has_fingerprint =
            fingerprint_parse(&answer->fingerprint,
                              (struct span){(uint8_t *)algorithm, strlen(algorithm)},
                              (struct span){(uint8_t *)digest, strlen(digest)}) == RC_OK;
    read_candidate(answer, line);
    if (sscanf(line, "a=ssrc-group:FID %" SCNu32 " %" SCNu32, &a, &b) == 2 &&
        answer->in_video) {
        answer->video_ssrc = a;
        answer->video_rtx_ssrc = b;
    }
    if (sscanf(line, "a=ssrc:%" SCNu32 " cname", &a) == 1) {
        if (answer->in_video && !answer->video_ssrc)
            answer->video_ssrc = a;
        if (answer->in_audio && !answer->audio_ssrc)
            answer->audio_ssrc = a;
    }
}

int media_client_answer(struct media_client *client, const char *sdp, usec_t now,
                        struct address *server)
{
    struct answer answer = {.ufrag = ""};
    char line[1024];

    while (*sdp) {
        const size_t n = strcspn(sdp, "\r\n");

        if (n < sizeof line) {
            memcpy(line, sdp, n);
            line[n] = '\0';
            read_line(&answer, line);
        }
        sdp += n;
        sdp += strspn(sdp, "\r\n");
    }
    if (!answer.ufrag[0] || !answer.pwd[0] || !answer.has_fingerprint)
        return RC_BAD;

    const struct rtc_client_remote remote = {answer.ufrag, answer.pwd, answer.fingerprint};
    if (!client->video_in.ssrc)
        stream_receiver_expect(&client->video_in, answer.video_ssrc, answer.video_rtx_ssrc);
    if (!client->audio_in.ssrc)
        stream_receiver_expect(&client->audio_in, answer.audio_ssrc, 0);
    if (server)
        *server = answer.server;
    rtc_client_connect(client->rtc, &remote, now);
    media_client_tick(client, now);
    return RC_OK;
}

void media_client_restart_ice(struct media_client *client)
{
    client->version++;
    rtc_client_new_credentials(client->rtc);
}

/* --- out --- */

static void flush_batch(struct media_client *client)
{
    const struct media_client_options *o = &client->options;
    const size_t n = client->batch_count;

    client->batch_count = 0;
    srtp_engine_protect(o->srtp, client->batch, n);
    for (size_t i = 0; i < n; i++)
        if (client->batch[i].refusal == REFUSAL_NONE)
            o->send(o->arg, client->batch[i].data, client->batch[i].len);
}

static void emit(void *arg, const uint8_t *packet, size_t len)
{
    struct media_client *client = arg;
    const size_t i = client->batch_count;

    if (!client->srtp_out || len > DATAGRAM_MAX)
        return;
    memcpy(client->bytes[i], packet, len);
    client->batch[i] = (struct srtp_packet){
        .context = client->srtp_out,
        .data = client->bytes[i],
        .len = len,
        .capacity = sizeof client->bytes[i],
    };
    if (++client->batch_count == BATCH_MAX)
        flush_batch(client);
}

static void send_rtcp(struct media_client *client, struct rtcp_writer *writer)
{
    struct srtp_packet packet = {
        .context = client->srtp_out,
        .data = writer->buf,
        .len = writer->len,
        .capacity = OUR_RTCP_MAX + SRTP_OVERHEAD_MAX,
    };

    if (!writer->len || !client->srtp_out)
        return;
    srtp_engine_protect_rtcp(client->options.srtp, &packet, 1);
    client->options.send(client->options.arg, packet.data, packet.len);
}

static uint32_t our_ssrc(const struct media_client *client)
{
    return client->options.video ? client->video_out.options.ssrc
                                 : client->audio_out.options.ssrc;
}

static void write_sr(const struct stream_sender *s, usec_t now, struct rtcp_writer *writer,
                     const struct rtcp_report_block *block, size_t count)
{
    const struct rtcp_sr sr = {
        .ssrc = s->options.ssrc,
        /* A clock of the client's own: nobody may think that it is the server's. */
        .ntp = ntp_from_usec(now + SEC(86400) * ((s->options.sender & 0xffff) + 1)),
        .timestamp = stream_sender_clock(s, now),
        .packets = s->packets,
        .octets = s->octets,
    };
    (void)rtcp_write_sr(writer, &sr, block, count);
}

static void report_one(struct media_client *client, const struct stream_sender *out,
                       struct stream_receiver *in, usec_t now)
{
    uint8_t buf[OUR_RTCP_MAX + SRTP_OVERHEAD_MAX];
    struct rtcp_report_block block;
    struct rtcp_writer writer;
    const size_t count = in->started;

    if (count)
        receive_stats_report(&in->stats, now, &block);
    rtcp_writer_init(&writer, buf, OUR_RTCP_MAX);
    if (out->packets)
        write_sr(out, now, &writer, &block, count);
    else
        (void)rtcp_write_rr(&writer, out->options.ssrc, &block, count);
    (void)rtcp_write_cname(&writer, out->options.ssrc, SPAN_LITERAL("synthetic"));
    send_rtcp(client, &writer);
}

static void report(struct media_client *client, usec_t now)
{
    report_one(client, &client->audio_out, &client->audio_in, now);
    if (client->options.video)
        report_one(client, &client->video_out, &client->video_in, now);
    client->report_due = now + REPORT_INTERVAL;
}

/* Requests and arrivals, as they are due. */
static void feed_back(struct media_client *client, usec_t now)
{
    struct stream_receiver *video = &client->video_in;
    uint8_t buf[OUR_RTCP_MAX + SRTP_OVERHEAD_MAX];
    struct rtcp_writer writer;
    uint16_t seqs[NACK_MAX];

    if (!client->srtp_out)
        return;
    rtcp_writer_init(&writer, buf, OUR_RTCP_MAX);
    const size_t count =
        video->nack_wanted
            ? nack_generator_poll(&video->nack, now, client->heard.rtt, seqs, NACK_MAX)
            : 0;
    for (size_t done = 0, n; done < count; done += n)
        if ((n = rtcp_write_nack(&writer, our_ssrc(client), video->ssrc, seqs + done,
                                 count - done)) == 0)
            break;
    if (nack_generator_take_key_frame_needed(&video->nack))
        (void)rtcp_write_pli(&writer, our_ssrc(client), video->ssrc);
    send_rtcp(client, &writer);

    while (arrival_log_deadline(&client->arrivals) <= now) {
        rtcp_writer_init(&writer, buf, OUR_RTCP_MAX);
        if (!arrival_log_write(&client->arrivals, &writer, our_ssrc(client),
                               video->ssrc ? video->ssrc : client->audio_in.ssrc, now))
            break;
        send_rtcp(client, &writer);
    }
}

void media_client_ask_key_frame(struct media_client *client, usec_t now)
{
    uint8_t buf[OUR_RTCP_MAX + SRTP_OVERHEAD_MAX];
    struct rtcp_writer writer;
    (void)now;

    rtcp_writer_init(&writer, buf, OUR_RTCP_MAX);
    (void)rtcp_write_pli(&writer, our_ssrc(client), client->video_in.ssrc);
    send_rtcp(client, &writer);
}

static void drain_rtc(struct media_client *client)
{
    uint8_t buf[DATAGRAM_MAX];
    size_t n;

    while ((n = rtc_client_poll(client->rtc, buf, sizeof buf)) > 0)
        client->options.send(client->options.arg, buf, n);
}

/* --- in --- */

static void mark(struct media_client_times *times, usec_t now)
{
    times->at[times->count++ % MEDIA_CLIENT_TIMES] = now;
}

static void take_keys(struct media_client *client, usec_t now)
{
    struct dtls_session *dtls = rtc_client_dtls(client->rtc);
    struct dtls_keys keys;

    if (dtls && dtls_state(dtls) == DTLS_CLOSED)
        client->heard.closed = true;
    if (client->srtp_in || !rtc_client_connected(client->rtc) ||
        dtls_keys(dtls, &keys) != RC_OK)
        return;
    const struct dtls_key *ours = &keys.ours, *theirs = &keys.theirs;
    if (srtp_context_create(&client->srtp_in, client->options.srtp, keys.profile, SRTP_INBOUND,
                            (struct span){theirs->key, theirs->key_len},
                            (struct span){theirs->salt, theirs->salt_len}) != RC_OK ||
        srtp_context_create(&client->srtp_out, client->options.srtp, keys.profile,
                            SRTP_OUTBOUND, (struct span){ours->key, ours->key_len},
                            (struct span){ours->salt, ours->salt_len}) != RC_OK)
        abort();
    client->report_due = now + MSEC(200);
    if (client->wants_media)
        media_client_start(client, now);
}

static void take_arrival(struct media_client *client, const struct rtp_view *view,
                         const struct rtp_extension_map *map, usec_t now)
{
    struct span data;
    uint16_t seq;

    if (rtp_extension_find(view, map, RTP_EXTENSION_TRANSPORT_WIDE_CC, &data) &&
        rtp_extension_read_transport_sequence(data, &seq))
        arrival_log_packet(&client->arrivals, seq, now);
}

static void take_rtp(struct media_client *client, uint8_t *data, size_t len, usec_t now)
{
    struct stream_receiver *video = &client->video_in;
    struct rtp_view view;

    if (rtp_parse((struct span){data, len}, &view) != RC_OK) {
        client->heard.malformed++;
    } else if (view.ssrc == video->ssrc || (video->rtx_ssrc && view.ssrc == video->rtx_ssrc)) {
        take_arrival(client, &view, &client->video_map, now);
        stream_receiver_packet(video, data, len, now);
    } else if (view.ssrc == client->audio_in.ssrc) {
        take_arrival(client, &view, &client->audio_map, now);
        stream_receiver_packet(&client->audio_in, data, len, now);
    } else {
        client->heard.unknown_ssrc++;
    }
}

static void on_blocks(struct media_client *client, struct span blocks, usec_t now)
{
    struct rtcp_report_block block;
    (void)now;

    while (rtcp_next_block(&blocks, &block)) {
        if (block.ssrc == client->video_out.options.ssrc)
            client->heard.video_block = block;
        else if (block.ssrc == client->audio_out.options.ssrc)
            client->heard.audio_block = block;
        if (block.lsr == 0)
            continue;
        const uint32_t then = block.lsr + block.dlsr;
        const uint32_t mine =
            ntp_middle(ntp_from_usec(now + SEC(86400) * (client->options.id + 1)));
        client->heard.rtt = ntp_short_to_usec(mine - then);
    }
}

static void on_sr(struct media_client *client, const struct rtcp_packet *packet, usec_t now)
{
    struct media_client_heard *heard = &client->heard;
    struct rtcp_sr sr;

    if (rtcp_parse_sr(packet, &sr) != RC_OK)
        return;
    mark(&heard->sr, now);
    on_blocks(client, sr.blocks, now);
    sr.blocks = (struct span){NULL, 0};
    if (sr.ssrc == client->video_in.ssrc) {
        receive_stats_sr(&client->video_in.stats, &sr, now);
        heard->video_sr = sr;
        heard->video_sr_at = now;
    } else if (sr.ssrc == client->audio_in.ssrc) {
        receive_stats_sr(&client->audio_in.stats, &sr, now);
        heard->audio_sr = sr;
        heard->audio_sr_at = now;
    }
}

static void on_nack(struct media_client *client, const struct rtcp_feedback *feedback,
                    usec_t now)
{
    uint16_t seqs[NACK_MAX];

    if (feedback->media_ssrc != client->video_out.options.ssrc)
        return;
    const size_t count = rtcp_nack_seqs(feedback->fci, seqs, NACK_MAX);
    client->heard.nacked += (unsigned)count;
    for (size_t i = 0; i < count; i++)
        stream_sender_resend(&client->video_out, seqs[i], now, emit, client);
    flush_batch(client);
}

static void on_transport_feedback(struct media_client *client, const struct rtcp_packet *packet,
                                  usec_t now)
{
    struct transport_feedback feedback;
    struct packet_result result;

    mark(&client->heard.feedback, now);
    if (transport_feedback_parse(packet, &feedback) != RC_OK) {
        client->heard.malformed++;
        return;
    }
    while (transport_feedback_next(&feedback, &result)) {
        client->heard.feedback_received += result.received;
        client->heard.feedback_lost += !result.received;
    }
}

static void on_remb(struct media_client *client, const struct rtcp_packet *packet, usec_t now)
{
    const uint32_t wanted =
        client->options.video_bitrate ? client->options.video_bitrate : VIDEO_BITRATE;
    struct rtcp_remb remb;

    mark(&client->heard.remb, now);
    if (rtcp_parse_remb(packet, &remb) != RC_OK)
        return;
    client->heard.remb_bitrate = remb.bitrate;
    if (client->options.adapts)
        client->video_out.options.bitrate =
            remb.bitrate < wanted ? (uint32_t)remb.bitrate : wanted;
}

static void on_rtcp_packet(struct media_client *client, const struct rtcp_packet *packet,
                           usec_t now)
{
    struct media_client_heard *heard = &client->heard;
    struct rtcp_feedback feedback;
    struct rtcp_rr rr;

    switch (packet->kind) {
    case RTCP_SR:
        on_sr(client, packet, now);
        break;
    case RTCP_RR:
        mark(&heard->rr, now);
        if (rtcp_parse_rr(packet, &rr) == RC_OK)
            on_blocks(client, rr.blocks, now);
        break;
    case RTCP_NACK:
        if (rtcp_parse_feedback(packet, &feedback) == RC_OK)
            on_nack(client, &feedback, now);
        break;
    case RTCP_PLI:
    case RTCP_FIR:
        mark(&heard->pli, now);
        client->video_out.key_frame_wanted = true;
        break;
    case RTCP_TRANSPORT_FEEDBACK:
        on_transport_feedback(client, packet, now);
        break;
    case RTCP_REMB:
        on_remb(client, packet, now);
        break;
    case RTCP_BYE:
        mark(&heard->bye, now);
        break;
    default:
        break;
    }
}

static void take_rtcp(struct media_client *client, struct span datagram, usec_t now)
{
    struct rtcp_packet packet;

    if (rtcp_validate(datagram) != RC_OK) {
        client->heard.malformed++;
        return;
    }
    while (rtcp_next(&datagram, &packet))
        on_rtcp_packet(client, &packet, now);
}

void media_client_input(struct media_client *client, uint8_t *data, size_t len, usec_t now)
{
    if (rtc_client_input(client->rtc, (struct span){data, len}, now)) {
        drain_rtc(client);
        take_keys(client, now);
        return;
    }
    struct srtp_packet packet = {
        .context = client->srtp_in, .data = data, .len = len, .capacity = len};
    if (!client->srtp_in)
        return;

    const bool rtcp = datagram_classify((struct span){data, len}) == DATAGRAM_RTCP;
    if (rtcp)
        srtp_engine_unprotect_rtcp(client->options.srtp, &packet, 1);
    else
        srtp_engine_unprotect(client->options.srtp, &packet, 1);
    if (packet.refusal != REFUSAL_NONE)
        client->heard.unauthentic++;
    else if (rtcp)
        take_rtcp(client, (struct span){data, packet.len}, now);
    else
        take_rtp(client, data, packet.len, now);
    feed_back(client, now);
}

/* --- time --- */

static usec_t earlier(usec_t a, usec_t b)
{
    return a < b ? a : b;
}

usec_t media_client_deadline(const struct media_client *client)
{
    usec_t due = rtc_client_deadline(client->rtc);

    due = earlier(due, client->report_due);
    if (!client->srtp_out)
        return due;
    due = earlier(due, client->video_out.due);
    due = earlier(due, client->audio_out.due);
    due = earlier(due, arrival_log_deadline(&client->arrivals));
    if (client->video_in.nack_wanted)
        due = earlier(due, nack_generator_deadline(&client->video_in.nack));
    return due;
}

void media_client_tick(struct media_client *client, usec_t now)
{
    if (rtc_client_deadline(client->rtc) <= now)
        rtc_client_tick(client->rtc, now);
    drain_rtc(client);
    take_keys(client, now);
    if (!client->srtp_out)
        return;
    if (client->audio_out.due <= now)
        stream_sender_frame(&client->audio_out, now, emit, client);
    if (client->video_out.due <= now)
        stream_sender_frame(&client->video_out, now, emit, client);
    flush_batch(client);
    if (client->report_due <= now)
        report(client, now);
    feed_back(client, now);
}

void media_client_start(struct media_client *client, usec_t now)
{
    client->wants_media = true;
    if (!client->srtp_out)
        return;
    stream_sender_start(&client->audio_out, now);
    if (client->options.video)
        stream_sender_start(&client->video_out, now);
}

void media_client_stop(struct media_client *client)
{
    client->wants_media = false;
    stream_sender_stop(&client->audio_out);
    stream_sender_stop(&client->video_out);
}

bool media_client_connected(const struct media_client *client)
{
    return client->srtp_out != NULL;
}

/* --- looking --- */

struct stream_sender *media_client_video_out(struct media_client *client)
{
    return &client->video_out;
}

struct stream_sender *media_client_audio_out(struct media_client *client)
{
    return &client->audio_out;
}

struct stream_receiver *media_client_video_in(struct media_client *client)
{
    return &client->video_in;
}

struct stream_receiver *media_client_audio_in(struct media_client *client)
{
    return &client->audio_in;
}

const struct media_client_heard *media_client_heard(const struct media_client *client)
{
    return &client->heard;
}

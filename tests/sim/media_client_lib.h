/*
 * tests/sim/media_client_lib.h - a synthetic WebRTC client, whole: offer and answer, ICE and
 * DTLS (rtc_client), SRTP, a synthetic camera and microphone, a strict receiver of both, and
 * RTCP as Chromium does it. For tests in virtual time and for load generators on real sockets.
 *
 * Sans-IO: datagrams and `now` in, datagrams out by a function. One thread.
 */
#ifndef TESTS_SIM_MEDIA_CLIENT_LIB_H
#define TESTS_SIM_MEDIA_CLIENT_LIB_H

#include "core/address.h"
#include "relay/certificate.h"
#include "relay/srtp.h"
#include "relay/transport_feedback.h"
#include "tests/sim/rtc_client_lib.h"
#include "tests/sim/stream_receiver_lib.h"
#include "tests/sim/stream_sender_lib.h"

#define MEDIA_CLIENT_OFFER_MAX 8192
#define MEDIA_CLIENT_TIMES 64 /* of events that are noted */

struct media_client; /* opaque */

struct media_client_options {
    uint32_t id;                           /* of the stamps in its packets */
    const struct certificate *certificate; /* borrowed, as are the next two */
    struct dtls_context *dtls;
    struct srtp_engine *srtp;
    enum codec_id video; /* CODEC_VP8, CODEC_H264; CODEC_NONE: only sound */
    uint32_t generation; /* of the client's page: SSRCs and stamps differ */
    unsigned dialect;    /* 0 or 1: payload types and extension ids differ */
    bool red;            /* offers RED, and sends it */
    bool no_nack, no_rtx, no_transport_cc, no_remb;
    bool no_ssrc;           /* does not announce its SSRCs */
    bool passive;           /* a=setup:passive: the server is the DTLS client */
    bool data;              /* offers a data channel, and does not use it */
    bool adapts;            /* sends no more video than REMB allows */
    uint32_t video_bitrate; /* bit/s; 0: 1 000 000 */
    uint16_t payload_max;   /* 0: 1100 */
    usec_t video_interval;  /* between frames; 0: 30 a second */
    uint16_t first_seq;     /* 0: something by the id */
    uint32_t records;       /* packets of each incoming stream to keep notes of */
    void (*send)(void *arg, const uint8_t *data, size_t len);
    void *arg;
};

/* When something came in; the newest MEDIA_CLIENT_TIMES. */
struct media_client_times {
    unsigned count;
    usec_t at[MEDIA_CLIENT_TIMES]; /* by count % MEDIA_CLIENT_TIMES */
};

/* What the server said, and what it looked like. */
struct media_client_heard {
    struct media_client_times pli, feedback, remb, sr, rr, bye;
    uint64_t remb_bitrate;
    struct rtcp_report_block video_block, audio_block; /* the last about our streams */
    struct rtcp_sr video_sr, audio_sr;
    usec_t video_sr_at, audio_sr_at;
    usec_t rtt;                                /* by the server's report blocks; 0 unknown */
    unsigned nacked;                           /* packets of ours that were asked for */
    uint32_t feedback_received, feedback_lost; /* of our packets, as transport feedback says */
    unsigned unauthentic, malformed, unknown_ssrc;
    bool closed; /* DTLS close_notify */
};

int media_client_create(struct media_client **out, const struct media_client_options *options);
void media_client_free(struct media_client *client); /* NULL is fine */

/* SDP. Returns the length. */
size_t media_client_offer(const struct media_client *client,
                          char buf[static MEDIA_CLIENT_OFFER_MAX]);
/* RC_BAD: not an answer to that. *server (may be NULL) is its first UDP candidate. */
int media_client_answer(struct media_client *client, const char *sdp, usec_t now,
                        struct address *server);
/* New ICE credentials: offer again, and give the answer to media_client_answer. */
void media_client_restart_ice(struct media_client *client);

void media_client_input(struct media_client *client, uint8_t *data, size_t len, usec_t now);
usec_t media_client_deadline(const struct media_client *client);
void media_client_tick(struct media_client *client, usec_t now);

/* Camera and microphone on and off; before the connection is there, nothing leaves. */
void media_client_start(struct media_client *client, usec_t now);
void media_client_stop(struct media_client *client);
bool media_client_connected(const struct media_client *client);
/* A PLI for the video that it sees. */
void media_client_ask_key_frame(struct media_client *client, usec_t now);

struct stream_sender *media_client_video_out(struct media_client *client);
struct stream_sender *media_client_audio_out(struct media_client *client);
struct stream_receiver *media_client_video_in(struct media_client *client);
struct stream_receiver *media_client_audio_in(struct media_client *client);
const struct media_client_heard *media_client_heard(const struct media_client *client);

#endif

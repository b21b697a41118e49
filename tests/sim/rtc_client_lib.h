/*
 * tests/sim/rtc_client_lib.h - the transport of a synthetic WebRTC client: controlling ICE
 * towards a lite server, then DTLS over the path that works. For tests in virtual time and for
 * load generators on real sockets.
 *
 * It behaves like Chromium: plain checks every 50 ms until one is answered, then USE-CANDIDATE,
 * then a check every 2.5 s; DTLS as soon as the first check is answered.
 *
 * Sans-IO: bytes and `now` in; poll and deadline out. RTP, RTCP and SCTP are the caller's: keys
 * by rtc_client_dtls. One thread.
 */
#ifndef TESTS_SIM_RTC_CLIENT_LIB_H
#define TESTS_SIM_RTC_CLIENT_LIB_H

#include "core/base.h"
#include "relay/dtls.h"
#include "tests/sim/ice_checker_lib.h"

struct rtc_client; /* opaque, about 16 kB and what DTLS takes */

struct rtc_client_options {
    struct dtls_context *context; /* borrowed; its certificate is the client's */
    enum dtls_role role;          /* DTLS_CLIENT: a=setup:active */
    bool aggressive;              /* USE-CANDIDATE in every check, as old clients do */
    uint32_t priority;            /* of the checks; 0: that of a host candidate */
};

/* What the server's answer says. */
struct rtc_client_remote {
    const char *ufrag;
    const char *pwd;
    struct fingerprint fingerprint;
};

int rtc_client_create(struct rtc_client **out, const struct rtc_client_options *options);
void rtc_client_free(struct rtc_client *client); /* NULL is fine */

/* For the offer. They change with rtc_client_new_credentials (ICE restart). */
const char *rtc_client_ufrag(const struct rtc_client *client);
const char *rtc_client_pwd(const struct rtc_client *client);
void rtc_client_new_credentials(struct rtc_client *client);

/* The answer has come: checks begin. After new credentials: the restart's answer; DTLS goes on.
 */
void rtc_client_connect(struct rtc_client *client, const struct rtc_client_remote *remote,
                        usec_t now);

/* True: it was STUN or DTLS. False: RTP or RTCP, the caller's. */
bool rtc_client_input(struct rtc_client *client, struct span datagram, usec_t now);
/* The next datagram to send; 0: none. Call until 0 after every other call. */
size_t rtc_client_poll(struct rtc_client *client, uint8_t *buf, size_t capacity);
usec_t rtc_client_deadline(const struct rtc_client *client);
void rtc_client_tick(struct rtc_client *client, usec_t now);

bool rtc_client_nominated(const struct rtc_client *client); /* a USE-CANDIDATE was answered */
bool rtc_client_connected(const struct rtc_client *client); /* nominated, and DTLS connected */
/* What the server saw as our address, of the last answered check. */
const struct address *rtc_client_mapped(const struct rtc_client *client);
/* NULL until the first check is answered. */
struct dtls_session *rtc_client_dtls(struct rtc_client *client);

#endif

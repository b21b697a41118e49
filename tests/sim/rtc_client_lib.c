#include "tests/sim/rtc_client_lib.h"

#include "core/random.h"

#include <stdlib.h>

enum { CHECK_MAX = 512, HOST_PRIORITY = 2130706431 };
#define CHECK_INTERVAL_FAST MSEC(50)
#define CHECK_INTERVAL_SLOW MSEC(2500)

struct rtc_client {
    struct ice_checker checker;
    struct rtc_client_options options;
    struct fingerprint fingerprint;
    char ufrag[5];
    char pwd[25];
    struct dtls_session *dtls; /* owned */
    bool valid;                /* a check was answered */
    bool nominating;           /* the last check had USE-CANDIDATE */
    bool nominated;
    struct address mapped;
    usec_t next_check;
    uint8_t check[CHECK_MAX];
    size_t check_len; /* 0: none waits for poll */
};

int rtc_client_create(struct rtc_client **out, const struct rtc_client_options *options)
{
    struct rtc_client *client = calloc(1, sizeof *client);
    if (!client)
        return RC_NOMEM;
    client->options = *options;
    if (!client->options.priority)
        client->options.priority = HOST_PRIORITY;
    client->next_check = USEC_NEVER;
    rtc_client_new_credentials(client);
    *out = client;
    return RC_OK;
}

void rtc_client_free(struct rtc_client *client)
{
    if (!client)
        return;
    dtls_session_free(client->dtls);
    free(client);
}

const char *rtc_client_ufrag(const struct rtc_client *client)
{
    return client->ufrag;
}

const char *rtc_client_pwd(const struct rtc_client *client)
{
    return client->pwd;
}

void rtc_client_new_credentials(struct rtc_client *client)
{
    random_ice_chars(client->ufrag, sizeof client->ufrag - 1);
    random_ice_chars(client->pwd, sizeof client->pwd - 1);
}

static void send_check(struct rtc_client *client, usec_t now)
{
    client->nominating = client->valid || client->options.aggressive;
    client->check_len = ice_checker_request(&client->checker, client->options.priority,
                                            client->nominating, client->check, CHECK_MAX);
    client->next_check = now + (client->nominated ? CHECK_INTERVAL_SLOW : CHECK_INTERVAL_FAST);
}

void rtc_client_connect(struct rtc_client *client, const struct rtc_client_remote *remote,
                        usec_t now)
{
    ice_checker_init(&client->checker, remote->ufrag, remote->pwd, client->ufrag, random_u64());
    client->fingerprint = remote->fingerprint;
    client->valid = client->nominated = false;
    send_check(client, now);
}

static void start_dtls(struct rtc_client *client, usec_t now)
{
    const struct dtls_options options = {
        .role = client->options.role, .expected = client->fingerprint, .srtp_required = true};

    if (!client->dtls &&
        dtls_session_create(&client->dtls, client->options.context, &options, now) != RC_OK)
        abort();
}

static void on_stun(struct rtc_client *client, struct span datagram, usec_t now)
{
    if (ice_checker_response(&client->checker, datagram, &client->mapped) != 0)
        return;
    if (client->nominating && client->valid)
        client->nominated = true;
    if (!client->valid) {
        client->valid = true;
        client->nominated = client->options.aggressive;
        if (!client->nominated)
            send_check(client, now);
    }
    start_dtls(client, now);
}

bool rtc_client_input(struct rtc_client *client, struct span datagram, usec_t now)
{
    if (datagram.n == 0)
        return true;
    if (datagram.p[0] < 4) {
        on_stun(client, datagram, now);
        return true;
    }
    if (datagram.p[0] < 20 || datagram.p[0] > 63)
        return false;
    if (client->dtls)
        (void)dtls_input(client->dtls, datagram, now);
    return true;
}

size_t rtc_client_poll(struct rtc_client *client, uint8_t *buf, size_t capacity)
{
    const size_t n = client->check_len;

    if (n > 0 && n <= capacity) {
        for (size_t i = 0; i < n; i++)
            buf[i] = client->check[i];
        client->check_len = 0;
        return n;
    }
    return client->dtls ? dtls_poll(client->dtls, buf, capacity) : 0;
}

usec_t rtc_client_deadline(const struct rtc_client *client)
{
    const usec_t dtls = client->dtls ? dtls_deadline(client->dtls) : USEC_NEVER;

    return client->next_check < dtls ? client->next_check : dtls;
}

void rtc_client_tick(struct rtc_client *client, usec_t now)
{
    if (client->next_check <= now)
        send_check(client, now);
    if (client->dtls && dtls_deadline(client->dtls) <= now)
        (void)dtls_tick(client->dtls, now);
}

bool rtc_client_nominated(const struct rtc_client *client)
{
    return client->nominated;
}

bool rtc_client_connected(const struct rtc_client *client)
{
    return client->nominated && client->dtls && dtls_state(client->dtls) == DTLS_CONNECTED;
}

const struct address *rtc_client_mapped(const struct rtc_client *client)
{
    return &client->mapped;
}

struct dtls_session *rtc_client_dtls(struct rtc_client *client)
{
    return client->dtls;
}

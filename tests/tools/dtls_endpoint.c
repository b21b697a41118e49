/*
 * tests/tools/dtls_endpoint.c - a DTLS-SRTP server of ours on a UDP port of the loopback, for
 * trying other implementations against it.
 *
 *   dtls_endpoint SHA256-FINGERPRINT-OF-THE-CLIENT
 *
 * Prints "port N", "fingerprint AA:…", and then what happens: "connected PROFILE", "keys HEX"
 * (in the order of RFC 5764: client key, server key, client salt, server salt), "data TEXT"
 * (which it echoes), "closed" or "failed CODE", and ends. It gives up after ten seconds.
 */
#include "core/address.h"
#include "core/clock.h"
#include "relay/dtls.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATIENCE SEC(10)

struct endpoint {
    int fd;
    struct sockaddr_storage client;
    socklen_t client_len;
    struct dtls_session *session;
    bool told_connected;
};

static void die(const char *what)
{
    perror(what);
    exit(EXIT_FAILURE);
}

static int open_port(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof at;
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (const struct sockaddr *)&at, sizeof at) < 0 ||
        getsockname(fd, (struct sockaddr *)&at, &len) < 0)
        die("socket");
    printf("port %u\n", ntohs(at.sin_port));
    return fd;
}

static void print_hex(const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        printf("%02X", bytes[i]);
}

static void tell_connected(struct endpoint *endpoint)
{
    struct dtls_keys keys;

    if (endpoint->told_connected || dtls_keys(endpoint->session, &keys) != RC_OK)
        return;
    endpoint->told_connected = true;
    printf("connected %s\nkeys ", srtp_profile_find(keys.profile)->name);
    print_hex(keys.theirs.key, keys.theirs.key_len);
    print_hex(keys.ours.key, keys.ours.key_len);
    print_hex(keys.theirs.salt, keys.theirs.salt_len);
    print_hex(keys.ours.salt, keys.ours.salt_len);
    printf("\n");
}

static void drain(struct endpoint *endpoint)
{
    uint8_t buf[DTLS_RECORD_MAX];
    size_t n;

    tell_connected(endpoint);
    while ((n = dtls_receive(endpoint->session, buf, sizeof buf)) > 0) {
        printf("data %.*s", (int)n, (const char *)buf);
        (void)dtls_send(endpoint->session, (struct span){buf, n});
    }
    while ((n = dtls_poll(endpoint->session, buf, sizeof buf)) > 0)
        (void)sendto(endpoint->fd, buf, n, 0, (const struct sockaddr *)&endpoint->client,
                     endpoint->client_len);
    fflush(stdout);
}

static void wait_and_read(struct endpoint *endpoint)
{
    struct pollfd readable = {endpoint->fd, POLLIN, 0};
    uint8_t buf[2048];

    if (poll(&readable, 1, 20) > 0) {
        endpoint->client_len = sizeof endpoint->client;
        const ssize_t n = recvfrom(endpoint->fd, buf, sizeof buf, 0,
                                   (struct sockaddr *)&endpoint->client, &endpoint->client_len);
        if (n > 0)
            (void)dtls_input(endpoint->session, (struct span){buf, (size_t)n}, clock_now());
    }
    if (dtls_deadline(endpoint->session) <= clock_now())
        (void)dtls_tick(endpoint->session, clock_now());
}

int main(int argc, char **argv)
{
    struct certificate *certificate;
    struct dtls_context *context;
    struct endpoint endpoint = {0};
    struct dtls_options options = {.role = DTLS_SERVER, .srtp_required = true};

    if (argc != 2 ||
        fingerprint_parse(&options.expected, SPAN_LITERAL("sha-256"),
                          (struct span){(const uint8_t *)argv[1], strlen(argv[1])}) != RC_OK) {
        fprintf(stderr, "usage: dtls_endpoint SHA256-FINGERPRINT-OF-THE-CLIENT\n");
        return 2;
    }
    endpoint.fd = open_port();
    if (certificate_create(&certificate) < 0 ||
        dtls_context_create(&context, certificate) < 0 ||
        dtls_session_create(&endpoint.session, context, &options, clock_now()) < 0)
        die("dtls");
    printf("fingerprint %s\n", certificate_fingerprint_text(certificate));
    fflush(stdout);

    const usec_t end = clock_now() + PATIENCE;
    while (clock_now() < end && dtls_state(endpoint.session) <= DTLS_CONNECTED) {
        wait_and_read(&endpoint);
        drain(&endpoint);
    }
    if (dtls_state(endpoint.session) == DTLS_FAILED)
        printf("failed %s\n", refusal_code(dtls_refusal(endpoint.session)));
    else
        printf("%s\n", dtls_state(endpoint.session) == DTLS_CLOSED ? "closed" : "timeout");
    dtls_session_free(endpoint.session);
    dtls_context_free(context);
    certificate_free(certificate);
    close(endpoint.fd);
    return 0;
}

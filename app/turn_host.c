#include "app/turn_host.h"

#include "app/turn_splice.h"
#include "app/turn_thread.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OWN_MAX = TURN_POLICY_ADDRESSES_MAX };

struct turn_host {
    struct loop *control; /* borrowed */
    struct turn_server_options server;
    struct relay_options media;
    bool relay_ports_none, no_udp, no_dtls, no_tcp, no_tls;
    int relay_buffer_bytes;
    uint16_t min_port, max_port;
    struct turn_auth *auth;     /* owned; NULL: STUN alone */
    struct turn_policy *policy; /* owned; made with the first guest, when ports are known */
    struct turn_policy_options rules;  /* its lists are borrowed until then */
    struct relay_addresses *addresses; /* owned; NULL: no relays */
    struct turn_splice *splice;        /* owned; with the policy */
    struct turn_thread *streams;       /* owned; of the control thread */
    SSL_CTX *tls;                      /* a reference; NULL: no DTLS */
    struct worker *worker[RELAY_WORKERS_MAX];
    struct turn_thread *guest[RELAY_WORKERS_MAX]; /* borrowed: its worker ends it */
};

/* --- this server's own addresses
 * ------------------------------------------------------------------ */

struct own_addresses {
    struct address ip[OWN_MAX];
    size_t count;
};

static void add_ip(struct own_addresses *own, const struct address *ip)
{
    for (size_t i = 0; i < own->count; i++)
        if (address_equal_ip(&own->ip[i], ip))
            return;
    if (own->count < OWN_MAX) {
        own->ip[own->count] = *ip;
        address_set_port(&own->ip[own->count++], 0);
    }
}

static void add_text(struct own_addresses *own, const char *text)
{
    struct address ip;

    if (address_parse(&ip, text) == RC_OK)
        add_ip(own, &ip);
}

/* As clients name them, and as the machine does. */
static void find_own(const struct turn_host *host, struct own_addresses *own)
{
    const struct relay_options *media = &host->media;
    struct address machine[RELAY_ADDRESSES_MAX];

    own->count = 0;
    for (size_t i = 0; i < media->external_count; i++)
        add_ip(own, &media->external[i]);
    for (size_t i = 0; i < media->listen_count; i++)
        if (!address_is_wildcard(&media->listen[i]))
            add_ip(own, &media->listen[i]);
    if (media->listen_count > 0)
        return;
    const int n = address_local(machine, RELAY_ADDRESSES_MAX);
    for (int i = 0; i < n; i++)
        add_ip(own, &machine[i]);
    add_text(own, "127.0.0.1");
    add_text(own, "::1");
}

static size_t media_addresses(const struct own_addresses *own, const uint16_t *port,
                              unsigned workers, struct address *out)
{
    size_t count = 0;

    for (unsigned w = 0; w < workers; w++)
        for (size_t i = 0; i < own->count && count < TURN_POLICY_ADDRESSES_MAX; i++) {
            out[count] = own->ip[i];
            address_set_port(&out[count++], port[w]);
        }
    if (count < workers * own->count)
        log_warn("turn", "more than %d addresses of media: clients reach the rest by sockets",
                 TURN_POLICY_ADDRESSES_MAX);
    return count;
}

/* The first worker's port may have been any free one; then it is the only worker. */
static void find_ports(const struct turn_host *host, struct worker *first,
                       uint16_t out[static RELAY_WORKERS_MAX])
{
    for (unsigned i = 0; i < host->media.workers; i++)
        out[i] = (uint16_t)(worker_port(first) + i);
}

/* --- what needs the ports
 * -------------------------------------------------------------------------- */

static int make_policy(struct turn_host *host, const struct own_addresses *own,
                       const uint16_t *port)
{
    struct address media[TURN_POLICY_ADDRESSES_MAX];
    struct turn_policy_options options = host->rules;
    char error[TURN_HOST_ERROR_MAX];

    options.media = media;
    options.media_count = media_addresses(own, port, host->media.workers, media);
    options.own = own->ip;
    options.own_count = own->count;
    const int rc = turn_policy_create(&host->policy, &options, error, sizeof error);
    if (rc == RC_BAD)
        log_error("turn", "%s", error);
    return rc;
}

static const struct address *first_of(const struct own_addresses *own, sa_family_t family)
{
    static const struct address none;

    for (size_t i = 0; i < own->count; i++)
        if (own->ip[i].sa.sa_family == family)
            return &own->ip[i];
    return &none;
}

/* Clients that reach this server's media alone have addresses that no socket has; each thread
 * gives its own. */
static void share_synthetic(const struct turn_host *host, unsigned index,
                            struct turn_server_options *out)
{
    const unsigned threads = host->media.workers + 1;
    const unsigned width = (unsigned)(host->max_port - host->min_port + 1) / threads;

    out->relay_ports_none = host->relay_ports_none;
    out->synthetic_first = (uint16_t)(host->min_port + index * width);
    out->synthetic_last =
        width ? (uint16_t)(out->synthetic_first + width - 1) : out->synthetic_first;
}

static int prepare(struct turn_host *host, struct worker *first)
{
    uint16_t port[RELAY_WORKERS_MAX];
    struct own_addresses own;

    find_ports(host, first, port);
    find_own(host, &own);
    host->server.synthetic_v4 = *first_of(&own, AF_INET);
    host->server.synthetic_v6 = *first_of(&own, AF_INET6);
    const int rc = make_policy(host, &own, port);
    if (rc != RC_OK)
        return rc;
    host->server.auth = host->auth;
    host->server.policy = host->policy;
    if (turn_splice_create(&host->splice, port, host->media.workers) != RC_OK)
        return RC_NOMEM;
    (void)metrics_add("meetopia_splice_lost_total", "",
                      "messages between threads of TURN and of media that were too many",
                      METRIC_COUNTER, turn_splice_lost(host->splice));
    return RC_OK;
}

/* The first worker has the sockets. */
static void share_discovery(const struct turn_host *host, unsigned index,
                            struct turn_server_options *out)
{
    if (index > 0)
        out->primary = out->other = (struct address){0};
    if (!address_len(&out->other) || !host->addresses)
        return;
    out->primary_named = relay_addresses_told(host->addresses, &out->primary);
    out->other_named = relay_addresses_told(host->addresses, &out->other);
    if (!address_equal_ip(&out->primary_named, &out->other_named))
        return;
    out->primary = out->other = (struct address){0};
    log_warn("turn", "rfc5780 is off: external-ip makes one address of two");
}

/* --- threads
 * ------------------------------------------------------------------------------------------ */

static const char *realm_of(const struct turn_host *host)
{
    return host->auth ? turn_auth_realm(host->auth) : "";
}

static int make_thread(struct turn_host *host, unsigned index, struct loop *loop,
                       struct worker *media, struct turn_thread **out)
{
    struct turn_thread_options options = {
        .index = index,
        .loop = loop,
        .media = media,
        .splice = host->splice,
        .addresses = host->addresses,
        .server = host->server,
        .relay_buffer_bytes = host->relay_buffer_bytes,
        .tls = host->no_dtls ? NULL : host->tls,
        .no_udp = host->no_udp,
        .no_tcp = host->no_tcp,
        .no_tls = host->no_tls,
    };

    options.server.worker = (uint8_t)index;
    share_synthetic(host, index, &options.server);
    share_discovery(host, index, &options.server);
    const int rc = turn_thread_create(out, &options);
    if (rc == RC_OK && turn_thread_register_metrics(*out, realm_of(host)) != RC_OK)
        log_warn("turn", "some numbers are missing on /metrics");
    return rc;
}

int turn_host_guest(void *arg, unsigned index, struct worker *worker, struct media_guest *out)
{
    struct turn_host *host = arg;
    int rc = RC_OK;

    if (!host->policy)
        rc = prepare(host, worker);
    if (rc == RC_OK)
        rc = make_thread(host, index, worker_loop(worker), worker, &host->guest[index]);
    if (rc != RC_OK)
        return rc;
    host->worker[index] = worker;
    *out = turn_thread_guest(host->guest[index]);
    return RC_OK;
}

int turn_host_start_streams(struct turn_host *host)
{
    return make_thread(host, host->media.workers, host->control, NULL, &host->streams);
}

struct listener_protocol turn_host_protocol(struct turn_host *host)
{
    return turn_thread_protocol(host->streams);
}

uint32_t turn_host_streams(const struct turn_host *host)
{
    return host->streams ? turn_thread_streams(host->streams) : 0;
}

void turn_host_stop_streams(struct turn_host *host)
{
    if (!host)
        return;
    turn_thread_free(host->streams);
    host->streams = NULL;
}

/* --- certificates
 * -------------------------------------------------------------------------------------- */

struct certificate_message {
    struct turn_thread *thread;
    SSL_CTX *tls;
};

static void discard_certificate(void *payload)
{
    struct certificate_message *m = payload;

    SSL_CTX_free(m->tls);
    free(m);
}

/* On the worker's thread, whose guest lives as long as it takes messages. */
static void deliver_certificate(void *target, void *payload, usec_t now)
{
    const struct certificate_message *m = payload;
    (void)target;
    (void)now;

    turn_thread_set_tls(m->thread, m->tls);
    discard_certificate(payload);
}

static void post_certificate(struct worker *worker, struct turn_thread *thread, SSL_CTX *tls)
{
    struct certificate_message *m = malloc(sizeof *m);
    const struct loop_message message = {deliver_certificate, discard_certificate, worker, m};

    if (!m)
        return;
    SSL_CTX_up_ref(tls);
    *m = (struct certificate_message){thread, tls};
    if (loop_post(worker_loop(worker), &message) != RC_OK)
        discard_certificate(m);
}

void turn_host_set_tls(struct turn_host *host, SSL_CTX *tls)
{
    SSL_CTX_up_ref(tls);
    SSL_CTX_free(host->tls);
    host->tls = tls;
    for (unsigned i = 0; i < RELAY_WORKERS_MAX; i++)
        if (host->worker[i])
            post_certificate(host->worker[i], host->guest[i], tls);
}

uint64_t turn_host_allocations(const struct turn_host *host)
{
    return host->policy ? turn_policy_allocations(host->policy) : 0;
}

/* --- revocation ----------------------------------------------------------------------------
 */

struct revoke_message {
    struct turn_thread *thread;
    uint8_t user[TURN_USER_ID];
};

/* On the worker's thread, as deliver_certificate. */
static void deliver_revoke(void *target, void *payload, usec_t now)
{
    const struct revoke_message *m = payload;
    (void)target;
    (void)now;

    turn_thread_end_user(m->thread, m->user);
    free(payload);
}

static int post_revoke(struct worker *worker, struct turn_thread *thread,
                       const uint8_t user[static TURN_USER_ID])
{
    struct revoke_message *m = malloc(sizeof *m);
    const struct loop_message message = {deliver_revoke, free, worker, m};

    if (!m)
        return RC_NOMEM;
    m->thread = thread;
    memcpy(m->user, user, TURN_USER_ID);
    const int rc = loop_post(worker_loop(worker), &message);
    if (rc != RC_OK)
        free(m);
    return rc;
}

int turn_host_revoke(struct turn_host *host, const uint8_t user[static TURN_USER_ID],
                     int64_t until)
{
    if (!host->auth)
        return RC_BAD;
    int rc = turn_auth_revoke(host->auth, user, until, (int64_t)(clock_wall() / SEC(1)));
    if (rc == RC_OK && host->streams)
        turn_thread_end_user(host->streams, user);
    for (unsigned i = 0; rc == RC_OK && i < RELAY_WORKERS_MAX; i++)
        if (host->worker[i])
            rc = post_revoke(host->worker[i], host->guest[i], user);
    return rc;
}

/* --- life
 * --------------------------------------------------------------------------------------------------
 */

static int read_options(struct turn_host *host, const struct turn_host_options *options,
                        char error[static TURN_HOST_ERROR_MAX])
{
    struct relay_addresses_options relays = options->relays;
    int rc = RC_OK;

    host->min_port = relays.min_port ? relays.min_port : RELAY_PORT_FIRST;
    host->max_port = relays.max_port ? relays.max_port : RELAY_PORT_LAST;
    host->rules = options->policy;
    host->rules.relay_ports = !options->relay_ports_none;
    host->rules.min_port = relays.min_port = host->min_port;
    host->rules.max_port = relays.max_port = host->max_port;
    if (options->auth.realm)
        rc = turn_auth_create(&host->auth, &options->auth, error, TURN_HOST_ERROR_MAX);
    if (rc == RC_OK && !options->relay_ports_none)
        rc = relay_addresses_create(&host->addresses, &relays);
    if (rc == RC_BAD && host->min_port > host->max_port)
        snprintf(error, TURN_HOST_ERROR_MAX, "min-port %u is above max-port %u", host->min_port,
                 host->max_port);
    return rc;
}

int turn_host_create(struct turn_host **out, const struct turn_host_options *options,
                     struct loop *control, char error[static TURN_HOST_ERROR_MAX])
{
    struct turn_host *host = calloc(1, sizeof *host);

    snprintf(error, TURN_HOST_ERROR_MAX, "no memory");
    if (!host)
        return RC_NOMEM;
    host->control = control;
    host->server = options->server;
    host->media = *options->media;
    host->relay_ports_none = options->relay_ports_none;
    host->relay_buffer_bytes = options->relay_buffer_bytes;
    host->no_udp = options->no_udp;
    host->no_dtls = options->no_dtls;
    host->no_tcp = options->no_tcp;
    host->no_tls = options->no_tls;
    const int rc = read_options(host, options, error);
    if (rc != RC_OK) {
        turn_host_free(host);
        return rc;
    }
    *out = host;
    return RC_OK;
}

int turn_host_reload(struct turn_host *host, const struct turn_host_options *options,
                     char error[static TURN_HOST_ERROR_MAX])
{
    int rc = RC_OK;

    snprintf(error, TURN_HOST_ERROR_MAX, "no memory");
    if (host->auth)
        rc = turn_auth_reload(host->auth, &options->auth, error, TURN_HOST_ERROR_MAX);
    if (rc == RC_OK)
        rc = turn_policy_reload(host->policy, &options->policy, error, TURN_HOST_ERROR_MAX);
    return rc;
}

void turn_host_free(struct turn_host *host)
{
    if (!host)
        return;
    turn_host_stop_streams(host);
    if (host->splice)
        metrics_remove(turn_splice_lost(host->splice), sizeof(struct counter));
    turn_splice_free(host->splice);
    relay_addresses_free(host->addresses);
    turn_policy_free(host->policy);
    turn_auth_free(host->auth);
    SSL_CTX_free(host->tls);
    free(host);
}

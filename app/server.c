#include "app/server.h"

#include "app/addresses.h"
#include "app/listeners.h"
#include "app/relay_media.h"
#include "app/turn_discovery.h"
#include "app/turn_handout.h"
#include "app/turn_host.h"
#include "app/turn_options.h"
#include "app/turn_reach.h"
#include "app/web_root.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/tls.h"
#include "relay/relay.h"
#include "signaling/entrance.h"
#include "signaling/static_files.h"
#include "signaling/status_pages.h"

#include "config.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SHUTDOWN_POLL MSEC(20)
#define ROUTES 8
/* For each user of an address: the page's candidates are as many connections at the start. */
#define STREAMS_PER_USER 8

/* What the page may load: itself, and nothing from elsewhere. */
#define PAGE_POLICY                                                                            \
    "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob: mediastream:; "    \
    "connect-src 'self' ws: wss:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'"

struct server {
    struct loop *loop;               /* borrowed */
    const struct settings *settings; /* borrowed */
    struct cors *cors;
    struct address_net *proxies;
    struct static_files *files; /* NULL: no page was built */
    struct http_route routes[ROUTES];
    size_t route_count;
    struct http_server *http;
    SSL_CTX *tls; /* of the listeners and of TURN over DTLS; after a start, NULL */
    struct turn_host *turn;
    struct turn_handout handout; /* of TURN credentials */
    struct ice_servers ice;      /* the same as signaling sees it */
    struct listeners listeners;
    struct sio_server *sio;
    struct entrance *entrance;
    struct lobby *lobby; /* the entrance's */
    struct status_pages pages;
    struct relay *relay;
    struct media_service media;
    struct timer shutdown;
    usec_t shutdown_at; /* when the grace ends; 0: not asked yet */
    bool port_closed;
};

/* --- relay -------------------------------------------------------------------------------- */

static unsigned default_workers(void)
{
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);

    return cores > 1 ? (unsigned)cores - 1 : 1;
}

static void read_relay_options(const struct settings *s, struct relay_options *out)
{
    *out = (struct relay_options){
        .workers = s->workers ? (unsigned)s->workers : default_workers(),
        .port = (uint16_t)s->listening_port,
        .media_port = (uint16_t)s->media_port,
        .max_peers = (uint32_t)s->max_peers,
        .max_handshakes = (uint32_t)s->max_handshakes,
        .max_bitrate = (uint64_t)s->max_bitrate,
        .max_streams_per_ip = (uint32_t)s->max_connections_per_ip * STREAMS_PER_USER,
        .buffer_bytes = (int)s->sock_buf_size,
        .libsrtp_only = s->srtp_engine == SETTINGS_SRTP_LIBSRTP,
    };
    addresses_read(&s->listening_ip, out->listen, &out->listen_count);
    addresses_read(&s->external_ip, out->external, &out->external_count);
    for (size_t i = 0; i < s->video_codecs.count && i < CODEC_COUNT; i++) {
        const char *name = s->video_codecs.item[i];
        const struct span span = {(const uint8_t *)name, strlen(name)};

        out->video_codecs[out->video_codec_count++] = codec_by_name(span);
    }
}

/* Where clients look for TURN: the one port of media is among them, but with several workers. */
static void add_guest_ports(const struct settings *s, struct relay_options *relay)
{
    if (s->listening_port && !s->no_udp)
        relay->guest_port[relay->guest_port_count++] = (uint16_t)s->listening_port;
    if (s->tls_listening_port && s->cert && !s->no_dtls)
        relay->guest_port[relay->guest_port_count++] = (uint16_t)s->tls_listening_port;
}

/* NAT behaviour discovery wants one more port, on every address. */
static void add_discovery(const struct settings *s, struct relay_options *relay,
                          struct turn_server_options *turn)
{
    if (!s->rfc5780)
        return;
    if (turn_discovery_choose(&turn->primary, &turn->other, relay,
                              (uint16_t)s->alt_listening_port) == RC_OK)
        relay->guest_port[relay->guest_port_count++] = address_port(&turn->other);
    else
        log_warn("app", "rfc5780 is off: it needs two addresses of one family in listening-ip, "
                        "and two ports");
}

static int make_turn(struct server *server, struct relay_options *relay,
                     char error[static SERVER_ERROR_MAX])
{
    struct turn_options options;
    char text[TURN_HOST_ERROR_MAX];

    turn_handout_init(&server->handout, server->settings, &(struct turn_uris){0});
    turn_options_read(&options, server->settings, server->handout.made, relay);
    add_guest_ports(server->settings, relay);
    add_discovery(server->settings, relay, &options.host.server);
    const int rc = turn_host_create(&server->turn, &options.host, server->loop, text);
    if (rc != RC_OK) {
        snprintf(error, SERVER_ERROR_MAX, "%s", text);
        return rc;
    }
    turn_host_set_tls(server->turn, server->tls);
    relay->guest = turn_host_guest;
    relay->guest_arg = server->turn;
    return RC_OK;
}

static int start_relay(struct server *server, char error[static SERVER_ERROR_MAX])
{
    struct relay_options options;
    char text[RELAY_ERROR_MAX];

    read_relay_options(server->settings, &options);
    int rc = make_turn(server, &options, error);
    if (rc != RC_OK)
        return rc;
    rc = relay_start(&server->relay, &options, server->loop, &relay_media_events, text);
    if (rc != RC_OK) {
        snprintf(error, SERVER_ERROR_MAX, "%s", text);
        return rc;
    }
    server->media = relay_media_service(server->relay);
    rc = turn_host_start_streams(server->turn);
    if (rc != RC_OK)
        snprintf(error, SERVER_ERROR_MAX, "cannot start TURN over TCP: %s",
                 rc == RC_SYS ? strerror(errno) : "no memory");
    return rc;
}

/* --- signaling ---------------------------------------------------------------------------- */

static int make_cors(const struct settings *settings, struct cors **out,
                     char error[static SERVER_ERROR_MAX])
{
    const struct option_list *origins = &settings->allowed_origins;
    size_t bad = 0;

    const int rc = cors_create(out, (const char *const *)origins->item, origins->count, &bad);
    if (rc == RC_BAD)
        snprintf(error, SERVER_ERROR_MAX, "allowed-origins: \"%s\" is not an origin",
                 origins->item[bad]);
    return rc;
}

static int start_signaling(struct server *server, char error[static SERVER_ERROR_MAX])
{
    const struct settings *s = server->settings;

    int rc = make_cors(s, &server->cors, error);
    if (rc != RC_OK)
        return rc;
    const struct sio_options sio = {
        .engine =
            {
                .ping_interval = s->ping_interval,
                .ping_timeout = s->ping_timeout,
                .upgrade_timeout = s->upgrade_timeout,
                .max_payload = (uint32_t)s->max_payload,
                .max_sessions = (uint32_t)s->max_connections,
                .refuse_eio3 = !s->allow_eio3,
                .cors = server->cors,
            },
        .connect_timeout = s->connect_timeout,
    };
    const struct lobby_options lobby = {
        .max_users_per_ip = (uint32_t)s->max_connections_per_ip,
        .events_per_second = (uint32_t)s->events_per_second,
        .media = &server->media,
        .ice = &server->ice,
    };

    rc = sio_server_create(&server->sio, server->loop, &sio);
    if (rc == RC_OK)
        rc = entrance_create(&server->entrance, server->loop, server->sio, &lobby);
    if (rc == RC_OK)
        rc = sio_server_register_metrics(server->sio);
    if (rc != RC_OK) {
        snprintf(error, SERVER_ERROR_MAX, "no memory");
        return rc;
    }
    server->lobby = entrance_lobby(server->entrance);
    return RC_OK;
}

/* --- HTTP --------------------------------------------------------------------------------- */

static int load_files(struct server *server, char error[static SERVER_ERROR_MAX])
{
    char folder[PATH_MAX + 64], text[STATIC_ERROR_MAX];

    if (!web_root_find(server->settings->web_root, folder, sizeof folder)) {
        log_warn("app", "no built page beside the program: build it with `make`, or name its "
                        "folder with --web-root");
        return RC_OK;
    }
    const int rc = static_files_load(&server->files, folder, text);
    if (rc != RC_OK)
        snprintf(error, SERVER_ERROR_MAX, "web-root: %s", text);
    return rc;
}

static int read_proxies(struct server *server)
{
    const struct option_list *list = &server->settings->trusted_proxy;

    if (list->count == 0)
        return RC_OK;
    server->proxies = calloc(list->count, sizeof *server->proxies);
    if (!server->proxies)
        return RC_NOMEM;
    for (size_t i = 0; i < list->count; i++)
        (void)address_net_parse(&server->proxies[i], list->item[i]); /* checked when read */
    return RC_OK;
}

static void add_page(struct server *server, const char *path, http_handler_fn *handle)
{
    server->routes[server->route_count++] = (struct http_route){
        .path = path, .methods = METHOD_GET, .handle = handle, .arg = &server->pages};
}

static void make_routes(struct server *server)
{
    server->routes[server->route_count++] = sio_server_route(server->sio);
    add_page(server, "/health", status_health);
    add_page(server, "/status", status_status);
    add_page(server, "/metrics", status_metrics);
    add_page(server, "/api/v1/ice-servers", status_ice_servers);
    server->routes[server->route_count - 1].cors = server->cors;
    if (server->files)
        server->routes[server->route_count++] = (struct http_route){
            .path = "/",
            .prefix = true,
            .methods = METHOD_GET,
            .handle = static_files_handle,
            .arg = server->files,
            .content_policy = PAGE_POLICY,
        };
}

static int start_http(struct server *server)
{
    make_routes(server);
    int rc = read_proxies(server);
    if (rc != RC_OK)
        return rc;
    const struct http_options options = {
        .routes = server->routes,
        .route_count = server->route_count,
        .trusted_proxies = server->proxies,
        .trusted_proxy_count = server->settings->trusted_proxy.count,
    };
    rc = http_server_create(&server->http, server->loop, &options);
    return rc == RC_OK ? http_server_register_metrics(server->http) : rc;
}

/* --- TCP ---------------------------------------------------------------------------------- */

static int make_tls(const struct settings *settings, SSL_CTX **out,
                    char error[static SERVER_ERROR_MAX])
{
    struct address local[RELAY_ADDRESSES_MAX];
    char text[TLS_ERROR_MAX];
    int rc;

    if (settings->cert) {
        const struct tls_files files = {.cert = settings->cert,
                                        .pkey = settings->pkey,
                                        .password = settings->pkey_pwd,
                                        .ciphers = settings->cipher_list,
                                        .tls13_only = settings->no_tlsv1_2};
        rc = tls_context_load_files(out, &files, text);
    } else {
        const int n = address_local(local, RELAY_ADDRESSES_MAX);
        rc = tls_context_self_signed(out, local, n > 0 ? (size_t)n : 0, text);
    }
    if (rc != RC_OK)
        snprintf(error, SERVER_ERROR_MAX, "%s", text);
    return rc;
}

static int start_listeners(struct server *server, char error[static SERVER_ERROR_MAX])
{
    struct listeners *listeners = &server->listeners;

    listeners_speak(listeners, http_server_protocol(server->http));
    listeners_speak(listeners, turn_host_protocol(server->turn));
    listeners_speak(listeners, relay_tcp_protocol(server->relay));
    const int rc =
        listeners_open(listeners, server->loop, server->settings, server->tls, error);
    if (rc == RC_OK)
        relay_set_tcp_ports(server->relay, listeners->port, listeners->ports);
    return rc;
}

/* The UDP port where clients look for TURN. */
static void find_udp(const struct server *server, struct turn_reach *reach)
{
    const struct address media = relay_address(server->relay);
    const int64_t configured = server->settings->listening_port;

    reach->udp = configured ? (uint16_t)configured : address_port(&media);
    for (unsigned i = 0; i < RELAY_WORKERS_MAX; i++)
        reach->udp_is_media |= relay_worker_port(server->relay, i) == reach->udp;
}

/* Once everything is open. */
static int hand_out_turn(struct server *server)
{
    const struct listeners *listeners = &server->listeners;
    struct turn_reach reach = {.tcp_count = 0};

    find_udp(server, &reach);

    if (server->settings->stun_only)
        return RC_OK;
    for (size_t i = 0; i < listeners->ports && i < TURN_REACH_TCP_MAX; i++)
        reach.tcp[reach.tcp_count++] = listeners->port[i];
    const int rc = turn_reach_uris(&server->handout.uris, server->settings, &reach);
    if (rc == RC_OK)
        server->ice = (struct ice_servers){&server->handout, turn_handout_credentials};
    return rc;
}

/* --- numbers ------------------------------------------------------------------------------ */

static double read_connections(void *arg)
{
    const struct server *server = arg;

    return listeners_connections(&server->listeners);
}

/* A number that cannot be registered is missing on the page: no reason not to serve. */
static void register_metrics(struct server *server)
{
    (void)metrics_add_callback("meetopia_tcp_connections", "", "open TCP connections",
                               METRIC_GAUGE, read_connections, server);
    (void)metrics_add("meetopia_loop_stalls_total", "thread=\"control\"",
                      "handlers that held their loop for more than 10 ms", METRIC_COUNTER,
                      &loop_stats(server->loop)->stalls);
}

/* --- life --------------------------------------------------------------------------------- */

/* The port stays open as long as somebody has something to fetch: who polls comes once more for
 * the last words, and needs a connection for it. Newcomers are told that the server goes. */
static void close_port(struct server *server)
{
    if (server->port_closed)
        return;
    server->port_closed = true;
    listeners_stop(&server->listeners);
    http_server_drain(server->http);
}

static void on_shutdown_timer(struct timer *timer, void *arg, usec_t now)
{
    struct server *server = arg;
    const bool all_told = sio_server_sessions(server->sio) == 0;

    if (all_told)
        close_port(server);
    /* A WebSocket's session has gone before its last words are written: connections count, but for
     * those of media, which go on while nobody signals. */
    const uint32_t media = relay_streams(server->relay) + turn_host_streams(server->turn);
    const bool all_read = all_told && listeners_connections(&server->listeners) <= media;
    if (now >= server->shutdown_at || all_read ||
        timers_set(loop_timers(server->loop), timer, now + SHUTDOWN_POLL) != RC_OK)
        loop_stop(server->loop);
}

int server_start(struct server **out, struct loop *loop, const struct settings *settings,
                 char error[static SERVER_ERROR_MAX])
{
    struct server *server = calloc(1, sizeof *server);

    snprintf(error, SERVER_ERROR_MAX, "no memory");
    if (!server)
        return RC_NOMEM;
    server->loop = loop;
    server->settings = settings;
    timer_init(&server->shutdown, on_shutdown_timer, server);

    int rc = load_files(server, error);
    if (rc == RC_OK)
        rc = make_tls(settings, &server->tls, error);
    if (rc == RC_OK)
        rc = start_relay(server, error);
    if (rc == RC_OK)
        rc = start_signaling(server, error);
    if (rc == RC_OK) {
        server->pages = (struct status_pages){
            .lobby = server->lobby,
            .version = PACKAGE_VERSION,
            .started = clock_now(),
            .ice = &server->ice,
        };
        rc = start_http(server);
    }
    if (rc == RC_OK)
        rc = start_listeners(server, error);
    if (rc == RC_OK)
        rc = hand_out_turn(server);
    SSL_CTX_free(server->tls);
    server->tls = NULL;
    if (rc != RC_OK) {
        server_free(server);
        return rc;
    }
    register_metrics(server);
    *out = server;
    return RC_OK;
}

static void announce_page(const char *whom, const char *scheme, const struct address *at)
{
    char text[ADDRESS_TEXT_MAX];

    printf("  %-12s %s://%s\n", whom, scheme, address_format(at, text, sizeof text));
}

/* The addresses of this machine that a phone in the same network can use. */
static void announce_phones(uint16_t port)
{
    struct address local[RELAY_ADDRESSES_MAX];
    const int count = address_local(local, RELAY_ADDRESSES_MAX);

    for (int i = 0; i < count; i++) {
        if (address_classify(&local[i]) & ADDRESS_LOOPBACK)
            continue;
        address_set_port(&local[i], port);
        announce_page("from a phone", "https", &local[i]);
    }
}

void server_announce(const struct server *server)
{
    const struct address udp = relay_address(server->relay);

    printf("Meetopia Relay %s\n", PACKAGE_VERSION);
    if (server->settings->listening_ip.count == 0) {
        const struct address tcp = listener_address(server->listeners.listener[0]);

        printf("  %-12s http://localhost:%u\n", "the page", address_port(&tcp));
        announce_phones(address_port(&tcp));
        if (!server->settings->cert)
            printf("  %-12s the certificate is self-signed: accept the warning\n", "");
    }
    for (size_t i = 0; i < server->settings->listening_ip.count; i++) {
        const struct address tcp = listener_address(server->listeners.listener[i]);
        announce_page("the page", server->settings->cert ? "https" : "http", &tcp);
    }
    printf("  %-12s UDP %u\n", "media", address_port(&udp));
    fflush(stdout);
}

static void reload_tls(struct server *server, const struct settings *fresh)
{
    char error[SERVER_ERROR_MAX];
    SSL_CTX *tls;

    if (!fresh->cert) /* the self-signed one stays */
        return;
    if (make_tls(fresh, &tls, error) != RC_OK) {
        log_error("app", "reload: %s; the old certificate stays in use", error);
        return;
    }
    listeners_set_tls(&server->listeners, tls);
    turn_host_set_tls(server->turn, tls);
    SSL_CTX_free(tls);
}

/* Routes and sessions hold the list by its pointer: the rules move into it. */
static void reload_cors(struct server *server)
{
    char error[SERVER_ERROR_MAX] = "no memory";
    struct cors *fresh = NULL;

    if (make_cors(server->settings, &fresh, error) != RC_OK) {
        log_error("app", "reload: %s; the old list stays in use", error);
        return;
    }
    cors_exchange(server->cors, fresh);
    cors_free(fresh);
}

static void reload_turn(struct server *server)
{
    struct turn_options options;
    char error[TURN_HOST_ERROR_MAX];

    turn_options_read(&options, server->settings, server->handout.made, NULL);
    if (turn_host_reload(server->turn, &options.host, error) != RC_OK)
        log_error("app", "reload: %s", error);
}

void server_reload(struct server *server)
{
    const struct settings *s = server->settings;

    reload_tls(server, s);
    reload_cors(server);
    relay_set_stream_limit(server->relay,
                           (uint32_t)s->max_connections_per_ip * STREAMS_PER_USER);
    reload_turn(server);
    lobby_set_limits(server->lobby, (uint32_t)s->max_connections_per_ip,
                     (uint32_t)s->events_per_second);
}

void server_shutdown(struct server *server)
{
    const usec_t now = loop_now(server->loop);

    if (server->shutdown_at) { /* asked twice: at once */
        loop_stop(server->loop);
        return;
    }
    log_info("app", "shutting down: %u people are told", lobby_users(server->lobby));
    server->shutdown_at = now + server->settings->shutdown_grace;
    lobby_drain(server->lobby, server->settings->shutdown_grace);
    sio_server_shutdown(server->sio);
    on_shutdown_timer(&server->shutdown, server, now);
}

void server_free(struct server *server)
{
    if (!server)
        return;
    timers_clear(loop_timers(server->loop), &server->shutdown);
    metrics_remove(server, sizeof *server);
    metrics_remove(loop_stats(server->loop), sizeof(struct loop_stats));
    listeners_stop(&server->listeners);
    http_server_free(server->http);
    sio_server_free(server->sio);
    entrance_free(server->entrance);
    turn_host_stop_streams(server->turn);
    relay_stop(server->relay);
    turn_host_free(server->turn);
    listeners_close(&server->listeners);
    static_files_free(server->files);
    cors_free(server->cors);
    turn_handout_clear(&server->handout);
    free(server->proxies);
    free(server);
}

/* What a start would read, without opening a port. */
int server_check(const struct settings *settings, char error[static SERVER_ERROR_MAX])
{
    struct server server = {.settings = settings};
    SSL_CTX *tls = NULL;

    snprintf(error, SERVER_ERROR_MAX, "no memory");
    int rc = make_cors(settings, &server.cors, error);
    if (rc == RC_OK)
        rc = make_tls(settings, &tls, error);
    if (rc == RC_OK && settings->web_root)
        rc = load_files(&server, error);
    static_files_free(server.files);
    SSL_CTX_free(tls);
    cors_free(server.cors);
    return rc;
}

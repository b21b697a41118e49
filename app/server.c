#include "app/server.h"

#include "core/clock.h"
#include "core/listener.h"
#include "core/log.h"
#include "core/tls.h"
#include "relay/relay.h"
#include "signaling/entrance.h"
#include "signaling/static_files.h"
#include "signaling/status_pages.h"
#include "signaling/user_media.h"

#include "config.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LISTENERS_MAX RELAY_ADDRESSES_MAX
#define SHUTDOWN_POLL MSEC(20)
#define ROUTES 8

/* What the page may load: itself, and nothing from elsewhere. */
#define PAGE_POLICY                                                                            \
    "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob: mediastream:; "    \
    "connect-src 'self' ws: wss:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'"

struct server {
    struct loop *loop;          /* borrowed */
    struct settings *settings;  /* borrowed */
    struct cors *cors;
    struct address_net *proxies;
    struct static_files *files; /* NULL: no page was built */
    struct http_route routes[ROUTES];
    struct http_server *http;
    struct listener_protocol protocol;
    struct listener *listener[LISTENERS_MAX];
    size_t listeners;
    struct sio_server *sio;
    struct entrance *entrance;
    struct lobby *lobby; /* the entrance's */
    struct status_pages pages;
    struct relay *relay;
    struct media_service media;
    struct timer shutdown;
    usec_t shutdown_at;
};

/* --- relay, as signaling sees it ---------------------------------------------------------- */

static enum refusal media_offer(void *arg, struct media_peer **peer, void *user,
                                const char *sdp, size_t length, char **answer)
{
    struct server *server = arg;
    struct relay_peer *relay_peer = (struct relay_peer *)*peer;

    const enum refusal why =
        relay_offer(server->relay, &relay_peer, user, sdp, length, answer);
    *peer = (struct media_peer *)relay_peer;
    return why;
}

static enum refusal media_candidate(void *arg, struct media_peer *peer, const char *candidate)
{
    (void)arg;
    return relay_candidate((struct relay_peer *)peer, candidate);
}

static void media_link(void *arg, struct media_peer *a, struct media_peer *b)
{
    (void)arg;
    relay_link((struct relay_peer *)a, (struct relay_peer *)b);
}

static void media_unlink(void *arg, struct media_peer *a, struct media_peer *b)
{
    (void)arg;
    relay_unlink((struct relay_peer *)a, (struct relay_peer *)b);
}

static void media_close(void *arg, struct media_peer *peer)
{
    (void)arg;
    relay_peer_close((struct relay_peer *)peer);
}

static void on_state(void *user, enum relay_peer_state state, enum refusal why)
{
    static const enum media_state states[] = {
        [RELAY_PEER_CONNECTING] = MEDIA_CONNECTING,
        [RELAY_PEER_CONNECTED] = MEDIA_CONNECTED,
        [RELAY_PEER_FAILED] = MEDIA_FAILED,
    };
    user_media_listener.state(user, states[state], why);
}

static void on_silence(void *user, bool silent)
{
    user_media_listener.silence(user, silent);
}

static void on_quality(void *user, const struct relay_quality *q)
{
    user_media_listener.quality(user, &(struct media_quality){
                                           .rtt = q->rtt,
                                           .up_loss = q->up_loss,
                                           .down_loss = q->down_loss,
                                           .up_jitter = q->up_jitter,
                                           .down_jitter = q->down_jitter,
                                           .up_bitrate = q->up_bitrate,
                                           .down_bitrate = q->down_bitrate,
                                           .down_estimate = q->down_estimate,
                                       });
}

static unsigned default_workers(void)
{
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);

    return cores > 1 ? (unsigned)cores - 1 : 1;
}

static void read_addresses(const struct option_list *list, struct address *out, size_t *count)
{
    for (size_t i = 0; i < list->count && *count < RELAY_ADDRESSES_MAX; i++) {
        char text[ADDRESS_TEXT_MAX];

        /* coturn's PUBLIC/PRIVATE: what clients are told is the public half. */
        snprintf(text, sizeof text, "%.*s", (int)strcspn(list->item[i], "/"), list->item[i]);
        if (address_parse(&out[*count], text) == RC_OK)
            (*count)++;
    }
}

static int start_relay(struct server *server, char error[static SERVER_ERROR_MAX])
{
    static const struct relay_events events = {on_state, on_silence, on_quality};
    const struct settings *s = server->settings;
    struct relay_options options = {
        .workers = s->workers ? (unsigned)s->workers : default_workers(),
        .port = (uint16_t)s->listening_port,
        .media_port = (uint16_t)s->media_port,
        .max_peers = (uint32_t)s->max_peers,
        .max_handshakes = (uint32_t)s->max_handshakes,
        .max_bitrate = (uint64_t)s->max_bitrate,
        .buffer_bytes = (int)s->sock_buf_size,
        .libsrtp_only = s->srtp_engine == SETTINGS_SRTP_LIBSRTP,
    };
    char text[RELAY_ERROR_MAX];

    read_addresses(&s->listening_ip, options.listen, &options.listen_count);
    read_addresses(&s->external_ip, options.external, &options.external_count);
    for (size_t i = 0; i < s->video_codecs.count && i < CODEC_COUNT; i++) {
        const char *name = s->video_codecs.item[i];
        const struct span span = {(const uint8_t *)name, strlen(name)};

        options.video_codecs[options.video_codec_count++] = codec_by_name(span);
    }
    server->media = (struct media_service){server,     media_offer,  media_candidate,
                                           media_link, media_unlink, media_close};
    const int rc = relay_start(&server->relay, &options, server->loop, &events, text);
    if (rc != RC_OK)
        snprintf(error, SERVER_ERROR_MAX, "%s", text);
    return rc;
}

/* --- signaling ---------------------------------------------------------------------------- */

static int make_cors(struct server *server, char error[static SERVER_ERROR_MAX])
{
    const struct option_list *origins = &server->settings->allowed_origins;
    size_t bad = 0;

    const int rc = cors_create(&server->cors, (const char *const *)origins->item,
                               origins->count, &bad);
    if (rc == RC_BAD)
        snprintf(error, SERVER_ERROR_MAX, "allowed-origins: \"%s\" is not an origin",
                 origins->item[bad]);
    return rc;
}

static int start_signaling(struct server *server, char error[static SERVER_ERROR_MAX])
{
    const struct settings *s = server->settings;

    int rc = make_cors(server, error);
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

static bool is_folder(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* The page lies beside the program (a build folder) or in ../share (an installation). */
static bool find_web_root(const struct settings *settings, char *out, size_t size)
{
    static const char *const places[] = {"web", "../share/meetopia-relay/web"};
    char program[PATH_MAX];

    if (settings->web_root) {
        snprintf(out, size, "%s", settings->web_root);
        return true;
    }
    const ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    if (n < 0)
        return false;
    program[n] = '\0';
    char *slash = strrchr(program, '/');
    if (slash)
        *slash = '\0';
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        if ((size_t)snprintf(out, size, "%s/%s", program, places[i]) < size && is_folder(out))
            return true;
    }
    return false;
}

static int load_files(struct server *server, char error[static SERVER_ERROR_MAX])
{
    char folder[PATH_MAX + 64], text[STATIC_ERROR_MAX];

    if (!find_web_root(server->settings, folder, sizeof folder)) {
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
        (void)address_net_parse(&server->proxies[i], list->item[i]); /* checked when it was read */
    return RC_OK;
}

static int start_http(struct server *server)
{
    struct http_route *r = server->routes;
    size_t n = 0;

    r[n++] = sio_server_route(server->sio);
    r[n++] = (struct http_route){.path = "/health", .methods = METHOD_GET, .handle = status_health, .arg = &server->pages};
    r[n++] = (struct http_route){.path = "/status", .methods = METHOD_GET, .handle = status_status, .arg = &server->pages};
    r[n++] = (struct http_route){.path = "/metrics", .methods = METHOD_GET, .handle = status_metrics, .arg = &server->pages};
    r[n++] = (struct http_route){.path = "/api/v1/ice-servers", .methods = METHOD_GET, .handle = status_ice_servers, .arg = &server->pages, .cors = server->cors};
    if (server->files)
        r[n++] = (struct http_route){.path = "/", .prefix = true, .methods = METHOD_GET, .handle = static_files_handle, .arg = server->files, .content_policy = PAGE_POLICY};

    const int rc = read_proxies(server);
    if (rc != RC_OK)
        return rc;
    const struct http_options options = {
        .routes = server->routes,
        .route_count = n,
        .trusted_proxies = server->proxies,
        .trusted_proxy_count = server->settings->trusted_proxy.count,
    };
    return http_server_create(&server->http, server->loop, &options);
}

/* --- TCP ---------------------------------------------------------------------------------- */

static int make_tls(const struct settings *settings, SSL_CTX **out,
                    char error[static SERVER_ERROR_MAX])
{
    struct address local[RELAY_ADDRESSES_MAX];
    char text[TLS_ERROR_MAX];
    int rc;

    if (settings->cert) {
        rc = tls_context_load(out, settings->cert, settings->pkey, text);
    } else {
        const int n = address_local(local, RELAY_ADDRESSES_MAX);
        rc = tls_context_self_signed(out, local, n > 0 ? (size_t)n : 0, text);
    }
    if (rc != RC_OK)
        snprintf(error, SERVER_ERROR_MAX, "%s", text);
    return rc;
}

static int open_listener(struct server *server, const struct address *at, SSL_CTX *tls,
                         char error[static SERVER_ERROR_MAX])
{
    const struct listener_options options = {
        .at = *at,
        .max_connections = (uint32_t)server->settings->max_connections,
        .protocols = &server->protocol,
        .protocol_count = 1,
    };
    char text[ADDRESS_TEXT_MAX];

    const int rc = listener_open(&server->listener[server->listeners], server->loop, &options);
    if (rc != RC_OK) {
        snprintf(error, SERVER_ERROR_MAX, "cannot listen on TCP %s: %s",
                 address_format(at, text, sizeof text),
                 rc == RC_SYS ? strerror(errno) : "no memory");
        return rc;
    }
    listener_set_tls(server->listener[server->listeners++], tls);
    return RC_OK;
}

static int start_listeners(struct server *server, char error[static SERVER_ERROR_MAX])
{
    struct address at[LISTENERS_MAX];
    size_t count = 0;
    SSL_CTX *tls = NULL;

    int rc = make_tls(server->settings, &tls, error);
    if (rc != RC_OK)
        return rc;
    read_addresses(&server->settings->listening_ip, at, &count);
    if (count == 0)
        (void)address_parse(&at[count++], "*");
    server->protocol = http_server_protocol(server->http);
    for (size_t i = 0; rc == RC_OK && i < count; i++) {
        address_set_port(&at[i], (uint16_t)server->settings->port);
        rc = open_listener(server, &at[i], tls, error);
    }
    SSL_CTX_free(tls);
    return rc;
}

/* --- life --------------------------------------------------------------------------------- */

static void on_shutdown_timer(struct timer *timer, void *arg, usec_t now)
{
    struct server *server = arg;

    if (now >= server->shutdown_at || sio_server_sessions(server->sio) == 0)
        loop_stop(server->loop);
    else
        (void)timers_set(loop_timers(server->loop), timer, now + SHUTDOWN_POLL);
}

int server_start(struct server **out, struct loop *loop, struct settings *settings,
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
        rc = start_relay(server, error);
    if (rc == RC_OK)
        rc = start_signaling(server, error);
    if (rc == RC_OK) {
        server->pages = (struct status_pages){server->lobby, PACKAGE_VERSION, clock_now()};
        rc = start_http(server);
    }
    if (rc == RC_OK)
        rc = start_listeners(server, error);
    if (rc != RC_OK) {
        server_free(server);
        return rc;
    }
    *out = server;
    return RC_OK;
}

void server_announce(const struct server *server)
{
    const struct address tcp = listener_address(server->listener[0]);
    const struct address udp = relay_address(server->relay);
    struct address local[RELAY_ADDRESSES_MAX];
    char text[ADDRESS_TEXT_MAX];
    const int count = address_local(local, RELAY_ADDRESSES_MAX);

    printf("Meetopia Relay %s\n", PACKAGE_VERSION);
    printf("  the page     http://localhost:%u\n", address_port(&tcp));
    for (int i = 0; i < count; i++) {
        if (address_classify(&local[i]) & ADDRESS_LOOPBACK)
            continue;
        address_set_port(&local[i], address_port(&tcp));
        printf("  from a phone https://%s%s\n", address_format(&local[i], text, sizeof text),
               server->settings->cert ? "" : "  (self-signed certificate: accept the warning)");
    }
    printf("  media        UDP %u\n", address_port(&udp));
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
    for (size_t i = 0; i < server->listeners; i++)
        listener_set_tls(server->listener[i], tls);
    SSL_CTX_free(tls);
}

void server_reload(struct server *server)
{
    const struct settings *s = server->settings;

    reload_tls(server, s);
    lobby_set_limits(server->lobby, (uint32_t)s->max_connections_per_ip,
                     (uint32_t)s->events_per_second);
}

void server_shutdown(struct server *server)
{
    const usec_t now = loop_now(server->loop);

    if (timer_is_set(&server->shutdown)) { /* asked twice: at once */
        loop_stop(server->loop);
        return;
    }
    log_info("app", "shutting down: %u people are told", lobby_users(server->lobby));
    server->shutdown_at = now + server->settings->shutdown_grace;
    for (size_t i = 0; i < server->listeners; i++)
        listener_stop(server->listener[i]);
    lobby_drain(server->lobby, server->settings->shutdown_grace);
    sio_server_shutdown(server->sio);
    http_server_drain(server->http);
    (void)timers_set(loop_timers(server->loop), &server->shutdown, now + SHUTDOWN_POLL);
}

void server_free(struct server *server)
{
    if (!server)
        return;
    timers_clear(loop_timers(server->loop), &server->shutdown);
    for (size_t i = 0; i < server->listeners; i++)
        listener_stop(server->listener[i]);
    http_server_free(server->http);
    sio_server_free(server->sio);
    entrance_free(server->entrance);
    relay_stop(server->relay);
    for (size_t i = 0; i < server->listeners; i++)
        listener_close(server->listener[i]);
    static_files_free(server->files);
    cors_free(server->cors);
    free(server->proxies);
    free(server);
}

int server_check(const struct settings *settings, char error[static SERVER_ERROR_MAX])
{
    SSL_CTX *tls = NULL;

    const int rc = make_tls(settings, &tls, error);
    if (rc == RC_OK)
        SSL_CTX_free(tls);
    return rc;
}

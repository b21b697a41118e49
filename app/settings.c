#include "app/settings.h"

#include "core/address.h"
#include "relay/relay.h"
#include "signaling/cors.h"

#include <stdio.h>
#include <string.h>

static const char *const log_levels[] = {"error", "warn", "info", "debug", NULL};
static const char *const log_formats[] = {"text", "json", NULL};
static const char *const srtp_engines[] = {"auto", "libsrtp", NULL};

static int check_ip(const char *value, char *error, size_t size)
{
    struct address address;

    if (address_parse(&address, value) == RC_OK && address_port(&address) == 0)
        return RC_OK;
    snprintf(error, size, "\"%s\" is not an IP address", value);
    return RC_BAD;
}

/* coturn's form PUBLIC/PRIVATE is accepted: the private half is what the machine itself has. */
static int check_external_ip(const char *value, char *error, size_t size)
{
    const char *slash = strchr(value, '/');
    char public_ip[ADDRESS_TEXT_MAX];

    if (!slash)
        return check_ip(value, error, size);
    const size_t n = (size_t)(slash - value);
    if (n >= sizeof public_ip) {
        snprintf(error, size, "\"%s\" is not an IP address", value);
        return RC_BAD;
    }
    memcpy(public_ip, value, n);
    public_ip[n] = '\0';
    const int rc = check_ip(public_ip, error, size);
    return rc == RC_OK ? check_ip(slash + 1, error, size) : rc;
}

static int check_net(const char *value, char *error, size_t size)
{
    struct address_net net;

    if (address_net_parse(&net, value) == RC_OK)
        return RC_OK;
    snprintf(error, size, "\"%s\" is neither an IP address nor a network like 10.0.0.0/8",
             value);
    return RC_BAD;
}

static int check_codec(const char *value, char *error, size_t size)
{
    static const char *const known[] = {"VP8", "H264", "VP9", "AV1"};

    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (strcasecmp(value, known[i]) == 0)
            return RC_OK;
    snprintf(error, size, "\"%s\" is none of VP8, H264, VP9, AV1", value);
    return RC_BAD;
}

static int check_origin(const char *value, char *error, size_t size)
{
    struct cors *cors;

    const int rc = cors_create(&cors, &value, 1, NULL);
    if (rc == RC_OK)
        cors_free(cors);
    else
        snprintf(error, size, "\"%s\" is not an origin like https://a.example", value);
    return rc;
}

#define AT(member) offsetof(struct settings, member)
#define PORT_RANGE .min = 0, .max = 65535

/* clang-format off */
const struct option settings_table[] = {
    {.name = "port", .type = OPTION_INT, .offset = AT(port), .initial = "3003", PORT_RANGE,
     .argument = "PORT",
     .help = "TCP port of the page, of signaling and of the status pages; https is "
             "recognised on it too"},
    {.name = "listening-port", .type = OPTION_INT, .offset = AT(listening_port),
     .initial = "3478", PORT_RANGE, .argument = "PORT",
     .help = "UDP port of all media (ICE, DTLS, SRTP) and of STUN; the TCP port of this number "
             "serves what the others do"},
    {.name = "tls-listening-port", .type = OPTION_INT, .offset = AT(tls_listening_port),
     .initial = "0", PORT_RANGE, .argument = "PORT",
     .help = "one more TCP port, 443 for clients that can reach no other; every TCP port serves "
             "everything, with TLS and without: the page, signaling and media; 0 means none"},
    {.name = "listening-ip", .type = OPTION_LIST, .offset = AT(listening_ip),
     .check = check_ip, .argument = "IP",
     .help = "address to listen on; without it, every address of the machine, v4 and v6"},
    {.name = "external-ip", .type = OPTION_LIST, .offset = AT(external_ip),
     .check = check_external_ip, .argument = "IP",
     .help = "address that clients are told to send media to, where the machine does not "
             "have it itself (1:1 NAT); PUBLIC/PRIVATE as in coturn"},
    {.name = "media-port", .type = OPTION_INT, .offset = AT(media_port), .initial = "0",
     PORT_RANGE, .argument = "PORT",
     .help = "with several workers: worker i has UDP port media-port + i; 0 means "
             "listening-port + i"},
    {.name = "workers", .type = OPTION_INT, .offset = AT(workers), .initial = "0", .min = 0,
     .max = 64, .argument = "N",
     .help = "media threads; 0 means one less than the machine's cores and at least one"},
    {.name = "cert", .type = OPTION_STRING, .offset = AT(cert), .reloadable = true,
     .argument = "FILE",
     .help = "certificate chain in PEM for https; without it, a self-signed one is made "
             "at start"},
    {.name = "pkey", .type = OPTION_STRING, .offset = AT(pkey), .reloadable = true,
     .argument = "FILE",
     .help = "private key in PEM that fits cert"},
    {.name = "allowed-origins", .environment = "CORS_ORIGINS", .type = OPTION_LIST,
     .offset = AT(allowed_origins), .check = check_origin, .reloadable = true,
     .argument = "ORIGIN",
     .help = "pages of other origins that may use the server: https://a.example, "
             "*.example.org, or *; the server's own page always may"},
    {.name = "trusted-proxy", .type = OPTION_LIST, .offset = AT(trusted_proxy),
     .check = check_net, .argument = "NET",
     .help = "proxies whose X-Forwarded-For is believed"},
    {.name = "proxy-protocol", .type = OPTION_LIST, .offset = AT(proxy_protocol),
     .check = check_net, .argument = "NET",
     .help = "proxies whose connections begin with a PROXY protocol header (version 2) that says "
             "whose they are; others may not send one, and these have to"},
    {.name = "max-connections", .type = OPTION_INT, .offset = AT(max_connections),
     .initial = "20000", .min = 1, .max = 1000000, .argument = "N",
     .help = "TCP connections at one time"},
    {.name = "max-connections-per-ip", .type = OPTION_INT,
     .offset = AT(max_connections_per_ip), .initial = "5", .min = 0, .max = 1000000,
     .reloadable = true, .argument = "N",
     .help = "live users from one address; 0 means no limit"},
    {.name = "max-peers", .type = OPTION_INT, .offset = AT(max_peers), .initial = "10000",
     .min = 1, .max = 1000000, .argument = "N",
     .help = "peer connections at one time"},
    {.name = "max-bitrate", .type = OPTION_INT, .offset = AT(max_bitrate),
     .initial = "2500000", .min = 0, .max = 1000000000, .argument = "BIT/S",
     .help = "cap of what a client is asked to send; 0 means none"},
    {.name = "max-handshakes", .type = OPTION_INT, .offset = AT(max_handshakes),
     .initial = "256", .min = 1, .max = 100000, .argument = "N",
     .help = "half-open DTLS handshakes per worker"},
    {.name = "events-per-second", .type = OPTION_INT, .offset = AT(events_per_second),
     .initial = "100", .min = 1, .max = 100000, .reloadable = true, .argument = "N",
     .help = "events that one user may send in a second; more are refused"},
    {.name = "ping-interval", .type = OPTION_DURATION, .offset = AT(ping_interval),
     .initial = "25000ms", .min = MSEC(100), .max = SEC(3600), .unit = MSEC(1),
     .argument = "MS",
     .help = "time between the pings of a Socket.IO connection"},
    {.name = "ping-timeout", .type = OPTION_DURATION, .offset = AT(ping_timeout),
     .initial = "120000ms", .min = MSEC(100), .max = SEC(3600), .unit = MSEC(1),
     .argument = "MS",
     .help = "how long a ping's answer may take"},
    {.name = "upgrade-timeout", .type = OPTION_DURATION, .offset = AT(upgrade_timeout),
     .initial = "30000ms", .min = MSEC(100), .max = SEC(3600), .unit = MSEC(1),
     .argument = "MS",
     .help = "how long the change from polling to WebSocket may take"},
    {.name = "connect-timeout", .type = OPTION_DURATION, .offset = AT(connect_timeout),
     .initial = "60000ms", .min = MSEC(100), .max = SEC(3600), .unit = MSEC(1),
     .argument = "MS",
     .help = "how long a client may take to join a namespace"},
    {.name = "max-payload", .type = OPTION_INT, .offset = AT(max_payload),
     .initial = "1000000", .min = 10000, .max = 100000000, .argument = "BYTES",
     .help = "longest message of a client"},
    {.name = "allow-eio3", .type = OPTION_BOOL, .offset = AT(allow_eio3), .initial = "on",
     .help = "accept Engine.IO 3 (socket.io-client 2.x)"},
    {.name = "video-codecs", .type = OPTION_LIST, .offset = AT(video_codecs),
     .initial = "VP8,H264,VP9,AV1", .check = check_codec, .argument = "CODEC",
     .help = "video codecs in order of preference; the first that a client offers is used"},
    {.name = "srtp-engine", .type = OPTION_CHOICE, .offset = AT(srtp_engine),
     .initial = "auto", .choices = srtp_engines, .argument = "NAME",
     .help = "auto: the fast engine (libipsec-mb) where the processor has AES-NI; "
             "libsrtp: the portable one"},
    {.name = "sock-buf-size", .type = OPTION_INT, .offset = AT(sock_buf_size),
     .initial = "4194304", .min = 4096, .max = 1 << 30, .argument = "BYTES",
     .help = "receive and send buffer of a UDP socket"},
    {.name = "web-root", .type = OPTION_STRING, .offset = AT(web_root), .argument = "FOLDER",
     .help = "folder of the built page; found beside the program when not given"},
    {.name = "log-level", .type = OPTION_CHOICE, .offset = AT(log_level), .initial = "info",
     .choices = log_levels, .reloadable = true, .argument = "LEVEL",
     .help = "error, warn, info or debug"},
    {.name = "log-format", .type = OPTION_CHOICE, .offset = AT(log_format), .initial = "text",
     .choices = log_formats, .argument = "FORMAT",
     .help = "text or json (one object a line)"},
    {.name = "log-file", .type = OPTION_STRING, .offset = AT(log_file), .argument = "FILE",
     .help = "where log lines go; standard error without it; opened again on SIGHUP"},
    {.name = "shutdown-grace", .type = OPTION_DURATION, .offset = AT(shutdown_grace),
     .initial = "5s", .min = 0, .max = SEC(3600), .reloadable = true, .argument = "SECONDS",
     .help = "longest time between SIGTERM and the end"},
    {.name = "max-reconnect-attempts", .type = OPTION_IGNORED, .argument = "N",
     .help = "accepted from existing deployments; not used by this version"},
    {.name = "static-auth-secret", .environment = "TURN_SECRET", .type = OPTION_IGNORED,
     .secret = true, .argument = "SECRET",
     .help = "accepted from existing deployments; not used by this version, which has no "
             "TURN server"},
    {.name = "node-env", .type = OPTION_IGNORED, .argument = "NAME",
     .help = "accepted from existing deployments; has no meaning here"},
};
/* clang-format on */

const size_t settings_count = ARRAY_LEN(settings_table);

/* What --config=FILE names; *out is NULL without. The first one counts. */
static int find_file(int argc, char **argv, const char **out,
                     char error[static OPTIONS_ERROR_MAX])
{
    *out = NULL;
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--config=", 9) == 0)
            *out = argv[i] + 9;
        else if (strcmp(argv[i], "--config") == 0)
            *out = i + 1 < argc ? argv[i + 1] : "";
        else
            continue;
        if (**out)
            return RC_OK;
        snprintf(error, OPTIONS_ERROR_MAX, "--config: needs a value: --config=FILE");
        return RC_BAD;
    }
    return RC_OK;
}

/* What cannot be said of one option alone. */
static int check_together(const struct settings *s, char error[static OPTIONS_ERROR_MAX])
{
    if (!s->cert != !s->pkey) {
        snprintf(error, OPTIONS_ERROR_MAX, "cert and pkey go together: %s is missing",
                 s->cert ? "pkey" : "cert");
        return RC_BAD;
    }
    if (s->listening_ip.count > RELAY_ADDRESSES_MAX ||
        s->external_ip.count > RELAY_ADDRESSES_MAX) {
        snprintf(error, OPTIONS_ERROR_MAX, "%s: more than %d addresses",
                 s->listening_ip.count > RELAY_ADDRESSES_MAX ? "listening-ip" : "external-ip",
                 RELAY_ADDRESSES_MAX);
        return RC_BAD;
    }
    return RC_OK;
}

int settings_load(struct settings *out, int argc, char **argv, char **environment,
                  char error[static OPTIONS_ERROR_MAX])
{
    static const char *const own[] = {"help", "version", "check-config", "config=", NULL};
    const struct option *table = settings_table;
    const char *file;

    memset(out, 0, sizeof *out);
    int rc = find_file(argc, argv, &file, error);
    if (rc == RC_OK)
        rc = options_defaults(table, settings_count, out);
    if (rc == RC_OK && file)
        rc = options_read_file(table, settings_count, out, file, error);
    if (rc == RC_OK)
        rc = options_read_environment(table, settings_count, out, environment, error);
    if (rc == RC_OK)
        rc = options_read_arguments(table, settings_count, out, argc, argv, own, error);
    if (rc == RC_OK)
        rc = check_together(out, error);
    if (rc == RC_NOMEM)
        snprintf(error, OPTIONS_ERROR_MAX, "no memory");
    if (rc != RC_OK)
        settings_clear(out);
    return rc;
}

void settings_clear(struct settings *settings)
{
    options_clear(settings_table, settings_count, settings);
}

/* --- the table, for the documentation ----------------------------------------------------- */

static void print_choices(const char *const *choices, FILE *out)
{
    for (; *choices; choices++)
        fprintf(out, "`%s`%s", *choices, choices[1] ? ", " : "");
}

/* A bare number of a duration is counted in the row's unit. */
static void print_duration(const struct option *row, FILE *out)
{
    if (row->unit == MSEC(1))
        fprintf(out, "milliseconds, or `500ms`, `30s`, `2m`");
    else
        fprintf(out, "seconds, or `500ms`, `30s`, `2m`");
}

static void print_values(const struct option *row, FILE *out)
{
    switch (row->type) {
    case OPTION_BOOL:
        fprintf(out, "`on`, `off`");
        break;
    case OPTION_INT:
        fprintf(out, "%lld to %lld", (long long)row->min, (long long)row->max);
        break;
    case OPTION_CHOICE:
        print_choices(row->choices, out);
        break;
    case OPTION_DURATION:
        print_duration(row, out);
        break;
    case OPTION_LIST:
        fprintf(out, "%s, several by comma or repeated", row->argument);
        break;
    case OPTION_STRING:
    case OPTION_IGNORED:
        fprintf(out, "%s", row->argument);
        break;
    }
}

/* A star would begin emphasis. */
static void print_text(const char *text, FILE *out)
{
    for (; *text; text++)
        fprintf(out, *text == '*' ? "\\%c" : "%c", *text);
}

static void print_row(const struct option *row, FILE *out)
{
    fprintf(out, "| `%s` ", row->name);
    if (row->environment)
        fprintf(out, "(also `%s`) ", row->environment);
    if (row->initial)
        fprintf(out, "| `%s` | ", row->initial);
    else
        fputs("| | ", out);
    print_values(row, out);
    fprintf(out, " | %s | ", row->reloadable ? "yes" : "");
    print_text(row->help, out);
    fputs(" |\n", out);
}

void settings_print_markdown(FILE *out)
{
    fprintf(out, "| option | default | values | SIGHUP | what it does |\n"
                 "| --- | --- | --- | --- | --- |\n");
    for (size_t i = 0; i < settings_count; i++)
        print_row(&settings_table[i], out);
}

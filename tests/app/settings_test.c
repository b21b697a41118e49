#include "app/server.h"
#include "app/settings.h"
#include "core/log.h"
#include "tests/t.h"

#include <unistd.h>

static char error[OPTIONS_ERROR_MAX];

/* Loads from flags and environment; both end with NULL. */
static int load(struct settings *settings, const char *const *flags,
                const char *const *environment)
{
    static const char *const nothing[] = {NULL};
    char *argv[32] = {"meetopia-relay"};
    int argc = 1;

    for (; flags && flags[argc - 1]; argc++)
        argv[argc] = (char *)(uintptr_t)flags[argc - 1];
    error[0] = '\0';
    return settings_load(settings, argc, argv,
                         (char **)(uintptr_t)(environment ? environment : nothing), error);
}

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

/* A configuration file with this text; its flag is in the static buffer that is returned. */
static const char *file_with(const char *text)
{
    static char flag[64];
    char path[] = "/tmp/settings-test-XXXXXX";
    const int fd = mkstemp(path);

    T_OK(fd >= 0);
    T_EQ(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    snprintf(flag, sizeof flag, "--config=%s", path);
    return flag;
}

static void remove_file(const char *flag)
{
    unlink(flag + strlen("--config="));
}

static void without_anything_the_defaults_hold(void)
{
    struct settings s;

    T_EQ(load(&s, NULL, NULL), RC_OK);
    T_EQ(s.port, 3003);
    T_EQ(s.listening_port, 3478);
    T_EQ(s.max_connections_per_ip, 5);
    T_EQ(s.ping_interval, MSEC(25000));
    T_EQ(s.ping_timeout, MSEC(120000));
    T_EQ(s.upgrade_timeout, MSEC(30000));
    T_EQ(s.connect_timeout, MSEC(60000));
    T_EQ(s.max_payload, 1000000);
    T_OK(s.allow_eio3);
    T_EQ(s.video_codecs.count, 4);
    T_STR(s.video_codecs.item[0], "VP8");
    T_EQ(s.log_level, LOG_LEVEL_INFO);
    T_EQ(s.log_format, LOG_FORMAT_TEXT);
    T_EQ(s.shutdown_grace, SEC(5));
    T_OK(!s.log_file && !s.cert && s.allowed_origins.count == 0);
    settings_clear(&s);
}

static void flags_win_over_environment_and_environment_over_file(void)
{
    struct settings s;
    const char *file = file_with("port=1001\nmax-peers=1001\nworkers=1\n");

    T_EQ(load(&s, LIST(file, "--port=1003"), LIST("PORT=1002", "MAX_PEERS=1002")), RC_OK);
    remove_file(file);
    T_EQ(s.port, 1003);
    T_EQ(s.max_peers, 1002);
    T_EQ(s.workers, 1);
    settings_clear(&s);
}

static void one_option_has_three_spellings(void)
{
    struct settings s;
    const char *file = file_with("listening-port=1001\n");

    T_EQ(load(&s, LIST(file), NULL), RC_OK);
    remove_file(file);
    T_EQ(s.listening_port, 1001);
    settings_clear(&s);
    T_EQ(load(&s, NULL, LIST("LISTENING_PORT=1002")), RC_OK);
    T_EQ(s.listening_port, 1002);
    settings_clear(&s);
    T_EQ(load(&s, LIST("--listening-port", "1003"), NULL), RC_OK);
    T_EQ(s.listening_port, 1003);
    settings_clear(&s);
}

static void names_of_existing_deployments_are_understood(void)
{
    struct settings s;

    T_EQ(load(&s, NULL,
              LIST("PORT=8080", "LOG_LEVEL=warn", "MAX_CONNECTIONS_PER_IP=7",
                   "MAX_RECONNECT_ATTEMPTS=5", "PING_TIMEOUT=60000", "PING_INTERVAL=10000",
                   "CORS_ORIGINS=https://a.example,*.b.example", "TURN_SECRET=x",
                   "NODE_ENV=production")),
         RC_OK);
    T_EQ(s.port, 8080);
    T_EQ(s.log_level, LOG_LEVEL_WARN);
    T_EQ(s.max_connections_per_ip, 7);
    T_EQ(s.ping_timeout, SEC(60));
    T_EQ(s.ping_interval, SEC(10));
    T_EQ(s.allowed_origins.count, 2);
    T_STR(s.allowed_origins.item[1], "*.b.example");
    settings_clear(&s);
}

static void an_unknown_option_is_an_error_that_names_the_nearest(void)
{
    struct settings s;

    T_EQ(load(&s, LIST("--lisening-port=1"), NULL), RC_BAD);
    T_OK(strstr(error, "--lisening-port") && strstr(error, "listening-port"));
    const char *file = file_with("# a comment\n\nmax-conections=1\n");
    T_EQ(load(&s, LIST(file), NULL), RC_BAD);
    remove_file(file);
    T_OK(strstr(error, ":3:") && strstr(error, "max-connections"));
}

static void values_are_checked_where_they_stand(void)
{
    static const char *const flags[] = {
        "--port=65536",
        "--port=-1",
        "--port=x",
        "--port=",
        "--listening-ip=999.1.1.1",
        "--listening-ip=192.0.2.1:80",
        "--external-ip=192.0.2.1/x",
        "--external-ip=11111111111111111111111111111111111111111111111111111111111/10.0.0.1",
        "--trusted-proxy=10.0.0.0/64",
        "--video-codecs=VP8,H265",
        "--allowed-origins=not an origin",
        "--log-level=loud",
        "--log-format=xml",
        "--srtp-engine=none",
        "--ping-interval=1ms",
        "--events-per-second=0",
        "--max-payload=10",
        "--allow-eio3=maybe",
        "--shutdown-grace=-1",
        "--config=",
        "--config",
        "--config=/nonexistent/relay.conf",
        "stray",
    };
    struct settings s;

    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        T_OK(load(&s, LIST(flags[i]), NULL) != RC_OK);
        T_OK(strlen(error) > 0);
    }
    T_EQ(load(&s, NULL, LIST("LOG_LEVEL=loud")), RC_BAD);
    T_OK(strstr(error, "LOG_LEVEL"));
}

static void a_certificate_needs_its_key(void)
{
    struct settings s;

    T_EQ(load(&s, LIST("--cert=/etc/x.pem"), NULL), RC_BAD);
    T_OK(strstr(error, "pkey is missing"));
    T_EQ(load(&s, LIST("--pkey=/etc/x.pem"), NULL), RC_BAD);
    T_OK(strstr(error, "cert is missing"));
}

static void addresses_have_a_limit(void)
{
    char list[400] = "--listening-ip=127.0.0.1";
    struct settings s;

    for (int i = 2; i <= 16; i++)
        snprintf(list + strlen(list), sizeof list - strlen(list), ",127.0.0.%d", i);
    T_EQ(load(&s, LIST(list), NULL), RC_OK);
    T_EQ(s.listening_ip.count, 16);
    settings_clear(&s);
    strcat(list, ",127.0.0.17");
    T_EQ(load(&s, LIST(list), NULL), RC_BAD);
    T_OK(strstr(error, "listening-ip"));
}

static void the_words_of_main_are_left_to_it(void)
{
    struct settings s;

    T_EQ(load(&s, LIST("--check-config", "--help", "--version", "--help=markdown"), NULL),
         RC_OK);
    settings_clear(&s);
    const char *file = file_with("port=1001\n");
    T_EQ(load(&s, LIST("--config", file + strlen("--config="), "--port=1002"), NULL), RC_OK);
    remove_file(file);
    T_EQ(s.port, 1002);
    settings_clear(&s);
}

static void what_a_start_would_find_is_found_before_it(void)
{
    char text[SERVER_ERROR_MAX];
    struct settings s;

    T_EQ(load(&s, NULL, NULL), RC_OK);
    T_EQ(server_check(&s, text), RC_OK);
    settings_clear(&s);
    T_EQ(load(&s, LIST("--cert=/nonexistent/c.pem", "--pkey=/nonexistent/k.pem"), NULL), RC_OK);
    T_OK(server_check(&s, text) != RC_OK);
    T_OK(strstr(text, "/nonexistent/c.pem"));
    settings_clear(&s);
    T_EQ(load(&s, LIST("--web-root=/nonexistent"), NULL), RC_OK);
    T_OK(server_check(&s, text) != RC_OK);
    T_OK(strstr(text, "/nonexistent"));
    settings_clear(&s);
}

static void every_option_is_in_the_table_of_the_documentation(void)
{
    static char text[65536];
    FILE *out = fmemopen(text, sizeof text, "w");

    T_OK(out);
    settings_print_markdown(out);
    fclose(out);
    for (size_t i = 0; i < settings_count; i++) {
        char name[64];
        snprintf(name, sizeof name, "| `%s` ", settings_table[i].name);
        T_OK(strstr(text, name));
        T_OK(settings_table[i].help && settings_table[i].help[0]);
        T_OK(settings_table[i].argument || settings_table[i].type == OPTION_BOOL ||
             settings_table[i].type == OPTION_IGNORED ||
             settings_table[i].type == OPTION_UNSUPPORTED);
    }
}

static void no_two_options_share_a_name_or_a_letter(void)
{
    for (size_t i = 0; i < settings_count; i++) {
        for (size_t j = 0; j < i; j++) {
            T_OK(strcmp(settings_table[i].name, settings_table[j].name) != 0);
            T_OK(!settings_table[i].letter ||
                 settings_table[i].letter != settings_table[j].letter);
        }
    }
}

/* --- coturn ------------------------------------------------------------------------------ */

static void a_file_of_coturns_is_read_as_coturn_reads_it(void)
{
    struct settings s;

    T_EQ(load(&s, LIST("-c", "tests/app/turnserver.conf"), LIST("USER=root", "LOGNAME=root")),
         RC_OK);
    T_EQ(s.listening_port, 3478);
    T_EQ(s.tls_listening_port, 5349);
    T_EQ(s.alt_listening_port, 3479);
    T_STR(s.relay_ip.item[0], "127.0.0.1");
    T_STR(s.external_ip.item[0], "198.51.100.7/127.0.0.1");
    T_EQ(s.min_port, 50000);
    T_EQ(s.max_port, 50999);
    T_EQ(s.workers, 2);
    T_OK(!s.no_dtls && s.no_rfc5780 && !s.secure_stun && s.fingerprint && s.mobility);
    T_STR(s.realm, "turn.example.org");
    T_STR(s.server_name, "turn.example.org");
    T_OK(s.lt_cred_mech && !s.use_auth_secret);
    T_EQ(s.user.count, 2);
    T_STR(s.user.item[0], "ann:pass,word with spaces");
    T_EQ(s.stale_nonce, SEC(600));
    T_EQ(s.user_quota, 12);
    T_EQ(s.total_quota, 1200);
    T_EQ(s.max_bps, 3000000);
    T_EQ(s.max_allocate_lifetime, SEC(1800));
    T_EQ(s.denied_peer_ip.count, 3);
    T_EQ(s.allowed_peer_ip.count, 2);
    T_OK(s.no_software_attribute);
    T_OK(!s.log_file); /* stdout: standard error, here */
    T_EQ(s.refused.count, 0);
    T_EQ(s.notes.count, 4);
    T_OK(strstr(s.notes.item[0], "tests/app/turnserver.conf:") &&
         strstr(s.notes.item[0], ": syslog: "));
    T_OK(strstr(s.notes.item[1], ": pidfile: "));
    T_OK(strstr(s.notes.item[2], ": userdb: "));
    T_OK(strstr(s.notes.item[3], ": prometheus: "));
    settings_clear(&s);
}

/* Every option of coturn 4.6.1, and what becomes of a file that has it: '=' it does what it
 * does there, '.' nothing is lost, '!' a warning, 'x' the server does not start. */
/* clang-format off */
static const struct {
    char outcome;
    const char *line;
} lines_of_coturn[] = {
    {'=', "listening-port=1"}, {'=', "tls-listening-port=1"}, {'=', "alt-listening-port=1"},
    {'!', "alt-tls-listening-port=1"}, {'=', "tcp-proxy-port=5555"},
    {'=', "listening-ip=127.0.0.1"}, {'!', "aux-server=127.0.0.1:3"}, {'.', "udp-self-balance"},
    {'x', "listening-device=eth0"}, {'x', "relay-device=eth1"}, {'=', "relay-ip=127.0.0.1"},
    {'=', "external-ip=198.51.100.1/10.0.0.1"}, {'=', "external-ip=198.51.100.1"},
    {'=', "relay-threads=0"}, {'=', "min-port=50000"}, {'=', "max-port=60000"},
    {'.', "verbose"}, {'.', "Verbose"}, {'!', "daemon"}, {'=', "fingerprint"},
    {'=', "lt-cred-mech"}, {'x', "no-auth"}, {'.', "no-auth=0"}, {'=', "user=ann:secret"},
    {'=', "user=ann:0xbc807ee29df3c9ffa736523fb2c4e8ee"}, {'=', "realm=north.gov"},
    {'x', "check-origin-consistency"}, {'=', "user-quota=1"}, {'=', "total-quota=1"},
    {'=', "max-bps=1"}, {'=', "max-bps=1\nbps-capacity=1"}, {'!', "bps-capacity=1"},
    {'!', "userdb=/x"}, {'!', "db=/x"}, {'x', "psql-userdb=\"host=x\""},
    {'x', "sql-userdb=\"host=x\""}, {'x', "mysql-userdb=\"host=x user=y\""},
    {'!', "secret-key-file=/x"}, {'x', "mongo-userdb=\"mongodb://x\""},
    {'x', "redis-userdb=\"ip=x\""}, {'!', "redis-statsdb=\"ip=x\""},
    {'=', "use-auth-secret\nstatic-auth-secret=north"}, {'=', "static-auth-secret=a\nstatic-auth-secret=b"},
    {'.', "no-auth-pings"}, {'.', "no-dynamic-ip-list"}, {'.', "no-dynamic-realms"},
    {'=', "server-name=x.example"}, {'!', "oauth"}, {'.', "oauth=off"},
    {'=', "cert=/c\npkey=/k"}, {'=', "pkey-pwd=x"}, {'=', "cipher-list=\"DEFAULT\""},
    {'x', "CA-file=/x"}, {'!', "ec-curve-name=prime256v1"}, {'.', "dh566"}, {'.', "dh1066"},
    {'.', "dh2066"}, {'.', "dh-file=/x"}, {'.', "no-tlsv1"}, {'.', "no-tlsv1_1"},
    {'=', "no-tlsv1_2"}, {'=', "no-udp"}, {'=', "no-tcp"}, {'=', "no-tls"}, {'=', "no-dtls"},
    {'=', "no-udp-relay"}, {'=', "no-tcp-relay"}, {'=', "log-file=/x"}, {'.', "no-stdout-log"},
    {'!', "syslog"}, {'!', "syslog-facility=\"LOG_LOCAL1\""}, {'.', "simple-log"},
    {'.', "new-log-timestamp"}, {'.', "new-log-timestamp-format \"%FT%T%z\""},
    {'.', "log-binding"}, {'=', "stale-nonce=600"}, {'=', "stale-nonce"},
    {'=', "max-allocate-lifetime=3600"}, {'=', "channel-lifetime=600"},
    {'=', "permission-lifetime=300"}, {'=', "stun-only"}, {'=', "no-stun"},
    {'=', "alternate-server=192.0.2.1:5678"}, {'!', "tls-alternate-server=192.0.2.1:5678"},
    {'=', "rest-api-separator=:"}, {'.', "max-allocate-timeout=60"},
    {'=', "allowed-peer-ip=83.166.68.45"}, {'=', "denied-peer-ip=83.166.64.0-83.166.95.255"},
    {'=', "allow-loopback-peers"}, {'.', "no-multicast-peers"}, {'!', "pidfile=\"/x\""},
    {'!', "acme-redirect=http://x/"}, {'=', "secure-stun"}, {'x', "proc-user=turn"},
    {'x', "proc-group=turn"}, {'=', "mobility"}, {'!', "keep-address-family"},
    {'.', "allocation-default-address-family=\"ipv4\""},
    {'!', "allocation-default-address-family=\"keep\""}, {'.', "no-cli"}, {'.', "cli-ip=127.0.0.1"},
    {'.', "cli-port=5766"}, {'.', "cli-password=qwerty"}, {'.', "cli-max-output-sessions=1"},
    {'!', "web-admin"}, {'.', "web-admin-ip=127.0.0.1"}, {'.', "web-admin-port=8080"},
    {'.', "web-admin-listen-on-workers"}, {'!', "server-relay"}, {'.', "ne=1"},
    {'=', "no-software-attribute"}, {'=', "prod"}, {'=', "no-rfc5780"},
    {'.', "no-stun-backward-compatibility"}, {'.', "response-origin-only-with-rfc5780"},
    {'!', "prometheus"}, {'=', "sock-buf-size=100000"}, {'.', "cpus=2"},
};
/* clang-format on */

static char outcome_of(const char *line)
{
    struct settings s;
    char text[200];

    snprintf(text, sizeof text, "%s\n", line);
    const char *file = file_with(text);
    const int rc = load(&s, LIST(file), NULL);
    remove_file(file);
    if (rc != RC_OK) {
        printf("#   %s\n", error);
        return strstr(error, ":1: ") ? 'x' : '?';
    }
    const char outcome = s.notes.count > 0 ? '!' : '=';
    settings_clear(&s);
    return outcome;
}

/* '.' and '=' both load without a word. */
static void every_option_of_coturn_is_known(void)
{
    for (size_t i = 0; i < ARRAY_LEN(lines_of_coturn); i++) {
        const char expected = lines_of_coturn[i].outcome;

        printf("#   %s\n", lines_of_coturn[i].line);
        T_EQ(outcome_of(lines_of_coturn[i].line), expected == '.' ? '=' : expected);
    }
}

static void what_is_refused_is_listed_whole_for_who_asks(void)
{
    struct settings s;
    const char *file = file_with("realm=x\nno-auth\nsyslog\nproc-user=turn\n");
    static char *const nothing[] = {NULL};
    char flag[64];

    snprintf(flag, sizeof flag, "%s", file);
    char *argv[] = {"meetopia-relay", flag, NULL};
    T_EQ(load(&s, LIST(flag), NULL), RC_BAD);
    T_OK(strstr(error, ":2: no-auth: anonymous TURN is an open relay"));
    T_OK(strstr(error, "--check-config lists all"));
    T_EQ(settings_read(&s, 2, argv, (char **)(uintptr_t)nothing, error), RC_OK);
    remove_file(file);
    T_EQ(s.refused.count, 2);
    T_OK(strstr(s.refused.item[1], ":4: proc-user: "));
    T_EQ(s.notes.count, 1);
    settings_clear(&s);
}

static void flags_of_coturn_are_understood(void)
{
    struct settings s;

    T_EQ(load(&s,
              LIST("-n", "-v", "-a", "-f", "-p", "1001", "-r", "north.gov", "-u", "ann:a", "-X",
                   "198.51.100.1", "-L", "127.0.0.1", "-E", "127.0.0.1", "-q", "1", "-Q", "2",
                   "-s", "3", "--no-udp", "--no-dtls", "--cli-password", "x",
                   "--log-file=stdout"),
              NULL),
         RC_OK);
    T_EQ(s.listening_port, 1001);
    T_STR(s.realm, "north.gov");
    T_EQ(s.user_quota, 1);
    T_EQ(s.total_quota, 2);
    T_EQ(s.max_bps, 3);
    T_OK(s.no_udp && s.no_dtls && s.fingerprint);
    settings_clear(&s);
    T_EQ(load(&s, LIST("-z"), NULL), RC_BAD);
    T_OK(strstr(error, "-z: anonymous TURN"));
}

static void what_cannot_go_together_is_refused(void)
{
    static const struct {
        const char *flags[3];
        const char *error;
    } rows[] = {
        {{"--use-auth-secret"}, "use-auth-secret needs static-auth-secret"},
        {{"--min-port=2", "--max-port=1"}, "min-port is above max-port"},
        {{"--stun-only", "--no-stun"}, "leave nothing"},
        {{"--rfc5780", "--no-rfc5780"}, "contradict"},
        {{"--user=ann"}, "--user: it has the form NAME:PASSWORD"},
        {{"--user=ann:0x12"}, "--user: the key of \"ann\" is not"},
        {{"--realm="}, "--realm: it is empty"},
        {{"--static-auth-secret=1", NULL}, NULL},
        {{"--denied-peer-ip=10.0.0.2-10.0.0.1"}, "--denied-peer-ip: \"10.0.0.2-10.0.0.1\""},
        {{"--rest-api-separator=ab"}, "--rest-api-separator: \"ab\""},
        {{"--rest-api-separator=7"}, "--rest-api-separator: \"7\""},
        {{"--server-name=a b"}, "--server-name: \"a b\""},
        {{"--alternate-server=x"}, "--alternate-server: \"x\""},
        {{"--turn-credential-ttl=59"}, "--turn-credential-ttl: 59"},
    };
    struct settings s;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const int rc = load(&s, LIST(rows[i].flags[0], rows[i].flags[1]), NULL);

        printf("#   %s: %s\n", rows[i].flags[0], error);
        T_EQ(rc, rows[i].error ? RC_BAD : RC_OK);
        if (rc == RC_OK)
            settings_clear(&s);
        else
            T_OK(strstr(error, rows[i].error));
    }
}

static void a_secret_comes_from_the_variable_of_existing_deployments(void)
{
    struct settings s;

    T_EQ(load(&s, NULL, LIST("TURN_SECRET=a,b")), RC_OK);
    T_EQ(s.static_auth_secret.count, 1);
    T_STR(s.static_auth_secret.item[0], "a,b");
    settings_clear(&s);
}

static const struct t_case cases[] = {
    T_CASE(without_anything_the_defaults_hold),
    T_CASE(flags_win_over_environment_and_environment_over_file),
    T_CASE(one_option_has_three_spellings),
    T_CASE(names_of_existing_deployments_are_understood),
    T_CASE(an_unknown_option_is_an_error_that_names_the_nearest),
    T_CASE(values_are_checked_where_they_stand),
    T_CASE(a_certificate_needs_its_key),
    T_CASE(addresses_have_a_limit),
    T_CASE(the_words_of_main_are_left_to_it),
    T_CASE(what_a_start_would_find_is_found_before_it),
    T_CASE(every_option_is_in_the_table_of_the_documentation),
    T_CASE(no_two_options_share_a_name_or_a_letter),
    T_CASE(a_file_of_coturns_is_read_as_coturn_reads_it),
    T_CASE(every_option_of_coturn_is_known),
    T_CASE(what_is_refused_is_listed_whole_for_who_asks),
    T_CASE(flags_of_coturn_are_understood),
    T_CASE(what_cannot_go_together_is_refused),
    T_CASE(a_secret_comes_from_the_variable_of_existing_deployments),
};

T_MAIN(cases)

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
        T_OK(settings_table[i].argument || settings_table[i].type == OPTION_BOOL);
    }
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
};

T_MAIN(cases)

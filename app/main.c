/*
 * meetopia-relay: Socket.IO signaling, matching and a media relay in one process.
 */
#include "app/server.h"
#include "app/settings.h"
#include "core/log.h"
#include "core/loop.h"
#include "core/refusal.h"

#include "config.h"

#include <event2/event.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* Of sysexits.h: a supervisor need not try again before somebody has changed the configuration.
 */
#define EXIT_CONFIGURATION 78

extern char **environ;

struct app {
    int argc;
    char **argv;
    struct settings settings;
    struct loop *loop;
    struct server *server;
    struct event *signals[3];
};

static bool has_flag(int argc, char **argv, const char *flag)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], flag) == 0)
            return true;
    return false;
}

static void print_help(void)
{
    printf(
        "Usage: meetopia-relay [options]\n\n"
        "A video chat service in one process: the page, signaling, matching and the media "
        "relay.\nRuns without any option. Every option can stand in a file (name=value), in "
        "the\nenvironment (LISTENING_PORT=3478) and on the command line; later ones win.\n\n"
        "  --config=FILE, -c FILE   read options from FILE; coturn's turnserver.conf will do\n"
        "  --check-config           read everything, say what is wrong, and stop\n"
        "  --version, --help\n\n");
    options_print_help(settings_table, settings_count, stdout);
}

/* What is in force, what is not supported line by line, and what a start would find. */
static int report(const struct settings *settings)
{
    char error[SERVER_ERROR_MAX];
    bool good = settings->refused.count == 0;

    options_print(settings_table, settings_count, settings, stdout);
    for (size_t i = 0; i < settings->notes.count; i++)
        printf("# not in force: %s\n", settings->notes.item[i]);
    fflush(stdout);
    for (size_t i = 0; i < settings->refused.count; i++)
        fprintf(stderr, "meetopia-relay: %s\n", settings->refused.item[i]);
    if (server_check(settings, error) != RC_OK) {
        fprintf(stderr, "meetopia-relay: %s\n", error);
        good = false;
    }
    if (good)
        printf("# the configuration is good\n");
    return good ? EXIT_SUCCESS : EXIT_CONFIGURATION;
}

static int check_config(int argc, char **argv)
{
    char error[OPTIONS_ERROR_MAX];
    struct settings settings;

    if (settings_read(&settings, argc, argv, environ, error) != RC_OK) {
        fprintf(stderr, "meetopia-relay: %s\n", error);
        return EXIT_CONFIGURATION;
    }
    const int status = report(&settings);
    settings_clear(&settings);
    return status;
}

static void log_notes(const struct settings *settings)
{
    for (size_t i = 0; i < settings->notes.count; i++)
        log_warn("app", "not in force: %s", settings->notes.item[i]);
}

/*
 * glibc gives each thread a heap of its own and lets the size from which it asks the kernel
 * grow; handshakes (65 kB, freed a moment later) and rings that grow then leave holes: 100 to
 * 130 kB per video user instead of 80. Nothing allocates per packet, so threads hardly meet in
 * the one heap.
 */
static void tame_malloc(void)
{
    (void)mallopt(M_ARENA_MAX, 1);
    (void)mallopt(M_MMAP_THRESHOLD, 32 * 1024);
}

/* Each socket is a descriptor: take what the system gives. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static void reload(struct app *app)
{
    char error[OPTIONS_ERROR_MAX];
    struct settings fresh;

    if (log_reopen() != RC_OK)
        log_error("app", "reload: the log file cannot be opened; the old one stays");
    if (settings_load(&fresh, app->argc, app->argv, environ, error) != RC_OK) {
        log_error("app", "reload: %s; the running configuration stays", error);
        return;
    }
    log_notes(&fresh);
    const size_t changed =
        options_reload(settings_table, settings_count, &app->settings, &fresh);
    settings_clear(&fresh);
    log_set_level((enum log_level)app->settings.log_level);
    server_reload(app->server);
    log_info("app", "reloaded: %zu options changed", changed);
}

static void on_signal(evutil_socket_t number, short what, void *arg)
{
    struct app *app = arg;
    (void)what;

    loop_enter(app->loop, "signal");
    if (number == SIGHUP)
        reload(app);
    else
        server_shutdown(app->server);
    loop_leave(app->loop);
}

static int watch_signals(struct app *app)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};

    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        app->signals[i] = evsignal_new(loop_base(app->loop), numbers[i], on_signal, app);
        if (!app->signals[i] || event_add(app->signals[i], NULL) < 0)
            return RC_NOMEM;
    }
    return RC_OK;
}

static int run(struct app *app)
{
    char error[SERVER_ERROR_MAX] = "no memory";

    int rc = loop_create(&app->loop, "control", LOOP_MAILBOX_DEFAULT);
    if (rc == RC_OK)
        rc = watch_signals(app);
    if (rc == RC_OK)
        rc = refusal_register_metrics();
    if (rc == RC_OK)
        rc = log_register_metrics();
    if (rc == RC_OK)
        rc = server_start(&app->server, app->loop, &app->settings, error);
    if (rc != RC_OK) {
        log_error("app", "%s", error);
        return EXIT_FAILURE;
    }
    server_announce(app->server);
    loop_run(app->loop);
    log_info("app", "stopped");
    return EXIT_SUCCESS;
}

static void clean_up(struct app *app)
{
    server_free(app->server);
    for (size_t i = 0; i < ARRAY_LEN(app->signals); i++)
        if (app->signals[i])
            event_free(app->signals[i]);
    loop_free(app->loop);
    settings_clear(&app->settings);
    log_close();
}

int main(int argc, char **argv)
{
    struct app app = {.argc = argc, .argv = argv};
    char error[OPTIONS_ERROR_MAX];

    tame_malloc();

    if (has_flag(argc, argv, "--help")) {
        print_help();
        return EXIT_SUCCESS;
    }
    if (has_flag(argc, argv, "--help=markdown")) {
        settings_print_markdown(stdout);
        return EXIT_SUCCESS;
    }
    if (has_flag(argc, argv, "--version")) {
        printf("meetopia-relay %s\n", PACKAGE_VERSION);
        return EXIT_SUCCESS;
    }
    if (has_flag(argc, argv, "--check-config"))
        return check_config(argc, argv);
    if (settings_load(&app.settings, argc, argv, environ, error) != RC_OK) {
        fprintf(stderr, "meetopia-relay: %s\n", error);
        return EXIT_CONFIGURATION;
    }
    if (log_open(app.settings.log_file, (enum log_format)app.settings.log_format,
                 (enum log_level)app.settings.log_level) != RC_OK) {
        fprintf(stderr, "meetopia-relay: cannot open log-file %s: %m\n", app.settings.log_file);
        return EXIT_FAILURE;
    }
    log_notes(&app.settings);
    raise_descriptor_limit();
    const int status = run(&app);
    clean_up(&app);
    return status;
}

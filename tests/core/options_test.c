#include "core/options.h"
#include "tests/t.h"

#include <errno.h>
#include <unistd.h>

static const char *const levels[] = {"error", "warn", "info", NULL};

static int no_spaces(const char *value, char *error, size_t size)
{
    if (!strchr(value, ' '))
        return RC_OK;
    snprintf(error, size, "%s has a space in it", value);
    return RC_BAD;
}

struct target {
    bool verbose;
    int64_t port, any;
    char *name, *secret;
    struct option_list origins;
    int level;
    usec_t grace, interval, stale;
    struct option_list users, notes, refused;
};

#define FIELD(f) .offset = offsetof(struct target, f)

static const struct option table[] = {
    {.name = "verbose", .type = OPTION_BOOL, FIELD(verbose), .help = "Says more."},
    {.name = "listening-port",
     .environment = "UDP_PORT",
     .type = OPTION_INT,
     FIELD(port),
     .initial = "3478",
     .min = 1,
     .max = 65535,
     .argument = "PORT",
     .help = "The UDP port of media, STUN and TURN."},
    {.name = "any-number", .type = OPTION_INT, FIELD(any)},
    {.name = "name",
     .type = OPTION_STRING,
     FIELD(name),
     .initial = "relay",
     .check = no_spaces,
     .reloadable = true},
    {.name = "turn-secret", .type = OPTION_STRING, FIELD(secret), .secret = true},
    {.name = "allowed-origins",
     .environment = "CORS_ORIGINS",
     .type = OPTION_LIST,
     FIELD(origins),
     .initial = "*",
     .check = no_spaces,
     .reloadable = true},
    {.name = "log-level",
     .type = OPTION_CHOICE,
     FIELD(level),
     .initial = "info",
     .choices = levels,
     .reloadable = true},
    {.name = "shutdown-grace",
     .type = OPTION_DURATION,
     FIELD(grace),
     .initial = "10s",
     .min = 0,
     .max = INT64_C(60000000)},
    {.name = "ping-interval",
     .type = OPTION_DURATION,
     FIELD(interval),
     .initial = "25000",
     .unit = MSEC(1)},
    {.name = "node-env", .type = OPTION_IGNORED},
    {.name = "stale-nonce",
     .type = OPTION_DURATION,
     FIELD(stale),
     .bare = "600s",
     .argument = "SECONDS"},
    {.name = "user",
     .environment = "TURN_USER",
     .no_variable = true,
     .letter = 'u',
     .type = OPTION_LINES,
     FIELD(users),
     .secret = true,
     .argument = "NAME:PASSWORD"},
    {.name = "syslog", .type = OPTION_UNSUPPORTED, FIELD(notes), .help = "use standard error"},
    {.name = "family",
     .type = OPTION_UNSUPPORTED,
     FIELD(notes),
     .initial = "ipv4",
     .letter = 'A',
     .argument = "NAME",
     .help = "it is always ipv4"},
    {.name = "no-auth", .type = OPTION_UNSUPPORTED, FIELD(refused), .help = "never"},
};
enum { COUNT = ARRAY_LEN(table) };

static struct target target;
static char error[OPTIONS_ERROR_MAX];

static void start(void)
{
    options_clear(table, COUNT, &target); /* of a case that failed before */
    memset(&target, 0, sizeof target);
    memset(error, 0, sizeof error);
    T_EQ(options_defaults(table, COUNT, &target), RC_OK);
}

static int file(const char *text)
{
    return options_read_text(table, COUNT, &target, "relay.conf",
                             (struct span){(const uint8_t *)text, strlen(text)}, error);
}

#define FLAGS(...) flags((char *[]){"server", __VA_ARGS__, NULL})

static int flags(char **argv)
{
    static const char *const own[] = {"help", "config=", NULL};
    int argc = 0;

    while (argv[argc])
        argc++;
    return options_read_arguments(table, COUNT, &target, argc, argv, own, error);
}

#define ENVIRONMENT(...) environment((char *[]){__VA_ARGS__, NULL})

static int environment(char **variables)
{
    return options_read_environment(table, COUNT, &target, variables, error);
}

static void defaults_are_what_the_table_says(void)
{
    start();
    T_OK(!target.verbose);
    T_EQ(target.port, 3478);
    T_STR(target.name, "relay");
    T_OK(target.secret == NULL);
    T_EQ(target.origins.count, 1);
    T_STR(target.origins.item[0], "*");
    T_EQ(target.level, 2);
    T_EQ(target.grace, SEC(10));
    T_EQ(target.interval, SEC(25)); /* a bare number, in milliseconds by its row */
}

static void a_file_in_the_style_of_coturn_is_read(void)
{
    start();
    T_EQ(file("\xef\xbb\xbf# a comment\r\n"
              "\r\n"
              "  listening-port = 5000  \r\n"
              "verbose\n"
              "name=a#b=c\n"
              "allowed-origins=https://a.example, https://b.example,\n"
              "allowed-origins=https://c.example\n"
              "log-level=WARN\n"
              "shutdown-grace=1m\n"
              "node-env=production\n"
              "turn-secret="),
         RC_OK);
    T_EQ(target.port, 5000);
    T_OK(target.verbose);
    T_STR(target.name, "a#b=c");
    T_EQ(target.origins.count, 3); /* a list grows within the file, and its default is gone */
    T_STR(target.origins.item[0], "https://a.example");
    T_STR(target.origins.item[2], "https://c.example");
    T_EQ(target.level, 1);
    T_EQ(target.grace, SEC(60));
    T_STR(target.secret, "");
}

static void later_sources_win(void)
{
    start();
    T_EQ(file("listening-port=1\nname=file\nallowed-origins=f\nlog-level=error\n"), RC_OK);
    T_EQ(ENVIRONMENT("LISTENING_PORT=2", "NAME=environment", "CORS_ORIGINS=e1,e2"), RC_OK);
    T_EQ(FLAGS("--listening-port=3", "--allowed-origins", "a1", "--allowed-origins=a2"), RC_OK);
    T_EQ(target.port, 3);
    T_STR(target.name, "environment");
    T_EQ(target.origins.count, 2);
    T_STR(target.origins.item[0], "a1");
    T_STR(target.origins.item[1], "a2");
    T_EQ(target.level, 0);
}

static void a_variable_has_two_names_and_its_own_wins(void)
{
    start();
    T_EQ(ENVIRONMENT("UDP_PORT=7"), RC_OK);
    T_EQ(target.port, 7);
    T_EQ(ENVIRONMENT("UDP_PORT=7", "LISTENING_PORT=8", "LISTENING_PORT_X=9"), RC_OK);
    T_EQ(target.port, 8);
    T_EQ(ENVIRONMENT("LISTENING_PORT=", "VERBOSE=yes"), RC_OK); /* empty: not set */
    T_EQ(target.port, 8);
    T_OK(target.verbose);
}

static void switches_go_on_and_off(void)
{
    start();
    T_EQ(FLAGS("--verbose", "--name", "x"), RC_OK);
    T_OK(target.verbose);
    T_STR(target.name, "x");
    T_EQ(FLAGS("--no-verbose"), RC_OK);
    T_OK(!target.verbose);
    T_EQ(FLAGS("--verbose=On"), RC_OK);
    T_OK(target.verbose);
    T_EQ(FLAGS("--verbose=off"), RC_OK);
    T_OK(!target.verbose);
}

static void flags_of_the_caller_are_skipped(void)
{
    start();
    T_EQ(FLAGS("--help", "--config", "x.conf", "--config=y.conf", "--name=n"), RC_OK);
    T_STR(target.name, "n");
}

/* --- errors ------------------------------------------------------------------------------ */

static const struct {
    const char *text, *error;
} bad_files[] = {
    {"verbose\nlisening-port=1",
     "relay.conf:2: unknown option \"lisening-port\"; did you mean \"listening-port\"?"},
    {"LOG_LEVEL=warn",
     "relay.conf:1: unknown option \"LOG_LEVEL\"; did you mean \"log-level\"?"},
    {"zzzzzzzzzz=1", "relay.conf:1: unknown option \"zzzzzzzzzz\""},
    {"=1", "relay.conf:1: unknown option \"\""},
    {"listening-port", "relay.conf:1: listening-port needs a value: listening-port=PORT"},
    {"listening-port=70000",
     "relay.conf:1: listening-port: 70000 is not a number from 1 to 65535"},
    {"listening-port=0x10",
     "relay.conf:1: listening-port: 0x10 is not a number from 1 to 65535"},
    {"listening-port=", "relay.conf:1: listening-port:  is not a number from 1 to 65535"},
    {"any-number=99999999999999999999",
     "relay.conf:1: any-number: 99999999999999999999 is not a number"},
    {"any-number=1 2", "relay.conf:1: any-number: 1 2 is not a number"},
    {"verbose=maybe", "relay.conf:1: verbose: maybe is neither on nor off"},
    {"name=a b", "relay.conf:1: name: a b has a space in it"},
    {"allowed-origins=a,b c", "relay.conf:1: allowed-origins: b c has a space in it"},
    {"log-level=loud", "relay.conf:1: log-level: loud is none of error, warn, info"},
    {"shutdown-grace=1y",
     "relay.conf:1: shutdown-grace: 1y is not a time like 500ms, 120s, 2m or 1h"},
    {"shutdown-grace=-1",
     "relay.conf:1: shutdown-grace: -1 is not a time like 500ms, 120s, 2m or 1h"},
    {"ping-interval=9999999999999999d",
     "relay.conf:1: ping-interval: 9999999999999999d is not a time like 500ms, 120s, 2m or 1h"},
    {"shutdown-grace=2m", "relay.conf:1: shutdown-grace: 2m is not a time from 0 to 1m"},
    {"name=a\n\nname=b", "relay.conf:3: name stands on line 1 already"},
};

static void every_bad_line_is_named_with_its_place(void)
{
    for (size_t i = 0; i < ARRAY_LEN(bad_files); i++) {
        start();
        printf("    %s\n", bad_files[i].error);
        T_EQ(file(bad_files[i].text), RC_BAD);
        T_STR(error, bad_files[i].error);
    }
}

static void bad_flags_and_variables_are_named(void)
{
    start();
    T_EQ(FLAGS("--lisening-port=1"), RC_BAD);
    T_STR(error, "command line: unknown option \"--lisening-port\"; did you mean "
                 "\"--listening-port\"?");
    T_EQ(FLAGS("--listening-port"), RC_BAD);
    T_STR(error, "--listening-port: needs a value: --listening-port=PORT");
    T_EQ(FLAGS("--listening-port", "x"), RC_BAD);
    T_STR(error, "--listening-port: x is not a number from 1 to 65535");
    T_EQ(FLAGS("stray"), RC_BAD);
    T_STR(error, "stray: unexpected argument");
    T_EQ(FLAGS("--"), RC_BAD);
    T_EQ(FLAGS("--no-verbose=on"), RC_BAD);
    T_EQ(FLAGS("-name=x"), RC_BAD);
    T_EQ(ENVIRONMENT("LOG_LEVEL=loud"), RC_BAD);
    T_STR(error, "LOG_LEVEL: loud is none of error, warn, info");
}

static void a_secret_is_not_in_its_error(void)
{
    static const struct option secret[] = {
        {.name = "pin", .type = OPTION_INT, .secret = true, .min = 1, .max = 9}};
    int64_t pin = 0;

    T_EQ(options_read_text(secret, 1, &pin, "f", SPAN_LITERAL("pin=hunter2"), error), RC_BAD);
    T_OK(!strstr(error, "hunter2"));
}

static void a_nul_byte_is_no_text(void)
{
    start();
    T_EQ(options_read_text(table, COUNT, &target, "f", SPAN_LITERAL("name=a\0b"), error),
         RC_BAD);
    T_STR(error, "f:1: a NUL byte; this is not a text file");
}

static void a_file_that_cannot_be_read_says_why(void)
{
    start();
    T_EQ(options_read_file(table, COUNT, &target, "/nonexistent/relay.conf", error), RC_SYS);
    T_STR(error, "/nonexistent/relay.conf: No such file or directory");
    T_EQ(options_read_file(table, COUNT, &target, "/tmp", error), RC_SYS);
    T_STR(error, "/tmp: Is a directory");
    T_EQ(options_read_file(table, COUNT, &target, "/dev/zero", error), RC_SYS);
    T_STR(error, "/dev/zero: File too large");
}

static void a_file_on_disk_is_read(void)
{
    char path[] = "/tmp/options_test.XXXXXX";
    const int fd = mkstemp(path);

    start();
    T_OK(fd >= 0);
    T_EQ(write(fd, "name=disk\n", 10), 10);
    close(fd);
    const int rc = options_read_file(table, COUNT, &target, path, error);
    unlink(path);
    T_EQ(rc, RC_OK);
    T_STR(target.name, "disk");
}

/* --- the rest ---------------------------------------------------------------------------- */

static void the_nearest_name_is_found_and_a_far_one_is_not(void)
{
    static const char *const rows[][2] = {
        {"log-levle", "log-level"},
        {"loglevel", "log-level"},
        {"listeningport", "listening-port"},
        {"allowed-origin", "allowed-origins"},
        {"Listening_Port", "listening-port"},
        {"nam", "name"},
        {"x", NULL},
        {"", NULL},
        {"something-else-entirely", NULL},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *nearest = options_nearest(table, COUNT, rows[i][0]);

        if (rows[i][1])
            T_STR(nearest, rows[i][1]);
        else
            T_OK(nearest == NULL);
    }
}

static void reload_takes_what_may_change(void)
{
    struct target fresh = {0};

    start();
    T_EQ(options_defaults(table, COUNT, &fresh), RC_OK);
    T_EQ(options_read_text(table, COUNT, &fresh, "f",
                           SPAN_LITERAL("name=new\nlistening-port=9\nallowed-origins=a,b\n"),
                           error),
         RC_OK);
    T_EQ(options_reload(table, COUNT, &target, &fresh), 2);
    T_STR(target.name, "new");
    T_EQ(target.origins.count, 2);
    T_EQ(target.port, 3478);                                /* a port cannot change under way */
    T_EQ(options_reload(table, COUNT, &target, &fresh), 2); /* the old values, back again */
    T_STR(target.name, "relay");
    options_clear(table, COUNT, &fresh);
}

static char *printed(void (*print)(FILE *out))
{
    static char text[8192];
    FILE *out = fmemopen(text, sizeof text, "w");

    T_OK(out != NULL);
    print(out);
    fclose(out);
    return text;
}

static void print_values(FILE *out)
{
    options_print(table, COUNT, &target, out);
}

static void print_help(FILE *out)
{
    options_print_help(table, COUNT, out);
}

static void what_is_printed_hides_secrets_and_can_be_read_again(void)
{
    start();
    T_EQ(file("turn-secret=hunter2\nallowed-origins=a,b\nverbose\nping-interval=1500"), RC_OK);
    T_STR(printed(print_values), "verbose=on\n"
                                 "listening-port=3478\n"
                                 "any-number=0\n"
                                 "name=relay\n"
                                 "turn-secret=(hidden)\n"
                                 "allowed-origins=a,b\n"
                                 "log-level=info\n"
                                 "shutdown-grace=10s\n"
                                 "ping-interval=1500ms\n"
                                 "stale-nonce=0\n"
                                 "user=\n");
    char copy[8192];
    snprintf(copy, sizeof copy, "%s", printed(print_values));
    start();
    T_EQ(file(copy), RC_OK);
    T_STR(printed(print_values), copy);
}

static void help_names_every_option_within_80_columns(void)
{
    const char *text = printed(print_help);

    T_OK(strstr(text, "  --listening-port=PORT\n"
                      "        The UDP port of media, STUN and TURN. Default: 3478. "
                      "[LISTENING_PORT,\n"
                      "        UDP_PORT]\n"));
    T_OK(strstr(text, "  --log-level=error|warn|info\n"));
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
        T_OK(strcspn(line, "\n") <= 80);
}

static void clearing_leaves_nothing_behind(void)
{
    options_clear(table, COUNT, &target);
    T_OK(target.name == NULL);
    T_EQ(target.origins.count, 0);
}

static void a_key_and_its_value_stand_apart_as_in_coturn(void)
{
    static const char *const texts[] = {
        "name=x y",    "name x y",     "name\tx y",    "name  =  x y",
        "name == x y", "name=\"x y\"", "name \"x y\"", " name = \"x y\"  \r",
    };

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        static char line[64];
        struct option row = table[3];

        /* without its check, which refuses spaces */
        row.check = NULL;
        start();
        snprintf(line, sizeof line, "%s\n", texts[i]);
        printf("    %s\n", texts[i]);
        T_EQ(options_read_text(&row, 1, &target, "relay.conf",
                               (struct span){(const uint8_t *)line, strlen(line)}, error),
             RC_OK);
        T_STR(target.name, "x y");
    }
    start();
    T_EQ(file("turn-secret=\"\"\n"), RC_OK);
    T_STR(target.secret, "");
    start();
    T_EQ(file("turn-secret=\"\n"), RC_OK);
    T_STR(target.secret, "\"");
    start();
    T_EQ(file("verbose t\nverbose = t\n"), RC_OK);
    T_OK(target.verbose);
    start();
    T_EQ(file("verbose f\n"), RC_OK);
    T_OK(!target.verbose);
}

static void a_line_may_say_again_what_was_said(void)
{
    start();
    T_EQ(file("verbose\nverbose=on\nlistening-port=5\nlistening-port=05\nname=a\nname=a\n"),
         RC_OK);
    start();
    T_EQ(file("verbose\nverbose=off\n"), RC_BAD);
    T_STR(error, "relay.conf:2: verbose stands on line 1 already");
    start();
    T_EQ(file("listening-port=5\nlistening-port=six\n"), RC_BAD);
}

static void lines_keep_their_commas_and_come_one_by_one(void)
{
    start();
    T_EQ(file("user=ann:a,b\nuser=bob: c \n"), RC_OK);
    T_EQ(target.users.count, 2);
    T_STR(target.users.item[0], "ann:a,b");
    T_STR(target.users.item[1], "bob: c");
    T_EQ(environment((char *[]){"USER=root", NULL}), RC_OK);
    T_EQ(target.users.count, 2); /* a login shell's variable, and none of ours */
    T_EQ(ENVIRONMENT("TURN_USER=eve:x,y"), RC_OK);
    T_EQ(target.users.count, 1);
    T_STR(target.users.item[0], "eve:x,y");
    T_EQ(FLAGS("-u", "a:1", "--user=b:2", "--user", "c:3"), RC_OK);
    T_EQ(target.users.count, 3);
    T_STR(target.users.item[2], "c:3");
}

static void a_bare_key_may_mean_a_value(void)
{
    start();
    T_EQ(file("stale-nonce\n"), RC_OK);
    T_EQ(target.stale, SEC(600));
    T_EQ(FLAGS("--stale-nonce=5"), RC_OK);
    T_EQ(target.stale, SEC(5));
    T_EQ(FLAGS("--stale-nonce", "--verbose"), RC_OK);
    T_EQ(target.stale, SEC(600));
    T_OK(target.verbose);
}

static void what_is_not_supported_is_noted_with_its_place(void)
{
    start();
    T_EQ(file("# what coturn has\nsyslog\nfamily=ipv6\nno-auth\nsyslog\n"), RC_OK);
    T_EQ(target.notes.count, 3);
    T_STR(target.notes.item[0], "relay.conf:2: syslog: use standard error");
    T_STR(target.notes.item[1], "relay.conf:3: family: it is always ipv4");
    T_STR(target.notes.item[2], "relay.conf:5: syslog: use standard error");
    T_EQ(target.refused.count, 1);
    T_STR(target.refused.item[0], "relay.conf:4: no-auth: never");
    T_EQ(ENVIRONMENT("SYSLOG=1", "NO_AUTH=1"), RC_OK);
    T_EQ(FLAGS("--syslog", "-A", "keep", "--family", "ipv6", "--verbose"), RC_OK);
    T_OK(target.verbose);
    T_EQ(target.notes.count, 6);
    T_STR(target.notes.item[3], "--syslog: use standard error");
    T_STR(target.notes.item[4], "-A: it is always ipv4");
    T_EQ(target.refused.count, 1);
}

static void what_is_off_or_what_we_do_anyway_is_not_noted(void)
{
    start();
    T_EQ(file("syslog=off\nsyslog=0\nsyslog=f\nfamily=ipv4\nfamily=\"IPv4\"\nno-auth=no\n"),
         RC_OK);
    T_EQ(target.notes.count + target.refused.count, 0);
}

static const struct t_case cases[] = {
    T_CASE(defaults_are_what_the_table_says),
    T_CASE(a_file_in_the_style_of_coturn_is_read),
    T_CASE(later_sources_win),
    T_CASE(a_variable_has_two_names_and_its_own_wins),
    T_CASE(switches_go_on_and_off),
    T_CASE(flags_of_the_caller_are_skipped),
    T_CASE(every_bad_line_is_named_with_its_place),
    T_CASE(bad_flags_and_variables_are_named),
    T_CASE(a_secret_is_not_in_its_error),
    T_CASE(a_nul_byte_is_no_text),
    T_CASE(a_file_that_cannot_be_read_says_why),
    T_CASE(a_file_on_disk_is_read),
    T_CASE(the_nearest_name_is_found_and_a_far_one_is_not),
    T_CASE(reload_takes_what_may_change),
    T_CASE(what_is_printed_hides_secrets_and_can_be_read_again),
    T_CASE(help_names_every_option_within_80_columns),
    T_CASE(clearing_leaves_nothing_behind),
    T_CASE(a_key_and_its_value_stand_apart_as_in_coturn),
    T_CASE(a_line_may_say_again_what_was_said),
    T_CASE(lines_keep_their_commas_and_come_one_by_one),
    T_CASE(a_bare_key_may_mean_a_value),
    T_CASE(what_is_not_supported_is_noted_with_its_place),
    T_CASE(what_is_off_or_what_we_do_anyway_is_not_noted),
};
T_MAIN(cases)

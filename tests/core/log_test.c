#include "core/log.h"
#include "tests/t.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

static char folder[] = "/tmp/log_test.XXXXXX";
static char path[64], moved[80];

/* Everything in the file, as a string. */
static const char *content(const char *of)
{
    static char text[1 << 20];
    const int fd = open(of, O_RDONLY);
    size_t n = 0;

    T_OK(fd >= 0);
    for (ssize_t got = 1; got > 0; n += (size_t)got) {
        got = read(fd, text + n, sizeof text - 1 - n);
        T_OK(got >= 0);
    }
    close(fd);
    text[n] = '\0';
    return text;
}

static void start(enum log_format format, enum log_level level)
{
    unlink(path);
    T_EQ(log_open(path, format, level), RC_OK);
}

/* The first line without its time, which has a fixed width. */
static const char *line_behind_time(void)
{
    return content(path) + strlen("2000-01-01T00:00:00.000Z ");
}

static void a_line_has_time_level_module_and_message(void)
{
    start(LOG_FORMAT_TEXT, LOG_LEVEL_INFO);
    log_info("http", "%d of %s", 3, "four");
    const char *line = content(path);
    int part[7], end = 0;
    sscanf(line, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ info http: 3 of four\n%n", &part[0], &part[1],
           &part[2], &part[3], &part[4], &part[5], &part[6], &end);
    T_EQ(end, strlen(line));
}

static void levels_below_the_limit_are_not_written(void)
{
    start(LOG_FORMAT_TEXT, LOG_LEVEL_WARN);
    log_info("m", "no");
    log_debug("m", "no");
    T_STR(content(path), "");
    T_OK(!log_enabled(LOG_LEVEL_INFO));
    log_set_level(LOG_LEVEL_DEBUG);
    log_debug("m", "yes");
    T_STR(line_behind_time(), "debug m: yes\n");
}

static void strangers_cannot_forge_lines(void)
{
    start(LOG_FORMAT_TEXT, LOG_LEVEL_INFO);
    log_info("m", "%s", "a\nb\r\x1b[2J\x7f\xc2\x9b\xff\xe2\x80\xae \xc3\xa9 \"\\");
    T_STR(line_behind_time(),
          "info m: a\\nb\\x0d\\x1b[2J\\x7f\\x9b\\xff\\u202e \xc3\xa9 \"\\\n");
}

static void json_lines_stay_json(void)
{
    start(LOG_FORMAT_JSON, LOG_LEVEL_INFO);
    log_error("m", "%s", "a\nb\t\"\\ \xff \xc3\xa9");
    const char *line = content(path);
    T_MEM(line, "{\"time\":\"", 9);
    T_STR(strstr(line, "\",\"level\""), "\",\"level\":\"error\",\"module\":\"m\",\"message\":"
                                        "\"a\\nb\\u0009\\\"\\\\ \\ufffd \xc3\xa9\"}\n");
}

static void a_long_message_is_cut_off_and_ends_its_line(void)
{
    static char text[100000];

    memset(text, 1, sizeof text - 1);
    for (int format = LOG_FORMAT_TEXT; format <= LOG_FORMAT_JSON; format++) {
        start((enum log_format)format, LOG_LEVEL_INFO);
        log_info("m", "%s", text);
        const char *line = content(path);
        const size_t n = strlen(line);
        T_OK(n > 2000 && n < 20000);
        T_STR(line + n - 2, format == LOG_FORMAT_JSON ? "}\n" : "1\n");
        T_OK(strchr(line, '\n') == line + n - 1);
    }
}

static void errno_survives_and_m_works(void)
{
    start(LOG_FORMAT_TEXT, LOG_LEVEL_INFO);
    errno = ENOENT;
    log_info("m", "%m");
    T_EQ(errno, ENOENT);
    T_STR(line_behind_time(), "info m: No such file or directory\n");
}

static void reopening_follows_the_name(void)
{
    start(LOG_FORMAT_TEXT, LOG_LEVEL_INFO);
    log_info("m", "one");
    T_EQ(rename(path, moved), 0);
    log_info("m", "two");
    T_EQ(log_reopen(), RC_OK);
    log_info("m", "three");
    T_OK(strstr(content(moved), "one") && strstr(content(moved), "two"));
    T_STR(line_behind_time(), "info m: three\n");
}

static void a_log_that_cannot_be_opened_stays_where_it_was(void)
{
    start(LOG_FORMAT_TEXT, LOG_LEVEL_INFO);
    T_EQ(log_open("/nonexistent/x.log", LOG_FORMAT_JSON, LOG_LEVEL_DEBUG), RC_SYS);
    T_EQ(errno, ENOENT);
    log_info("m", "here");
    T_STR(line_behind_time(), "info m: here\n");
}

static void a_full_disk_costs_lines_and_nothing_else(void)
{
    const uint64_t before = log_dropped();

    T_EQ(log_open("/dev/full", LOG_FORMAT_TEXT, LOG_LEVEL_INFO), RC_OK);
    for (int i = 0; i < 100; i++)
        log_info("m", "line %d", i);
    T_EQ(log_dropped() - before, 100);
    start(LOG_FORMAT_TEXT, LOG_LEVEL_INFO);
    log_info("m", "on");
    T_STR(line_behind_time(), "info m: on\n");
}

/* Standard error into a file, while the log is somewhere full. */
static void standard_error_is_told_once(void)
{
    char told[80];
    const int kept = dup(STDERR_FILENO);

    snprintf(told, sizeof told, "%s/stderr", folder);
    const int fd = open(told, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    T_OK(fd >= 0 && dup2(fd, STDERR_FILENO) >= 0);
    T_EQ(log_open("/dev/full", LOG_FORMAT_TEXT, LOG_LEVEL_INFO), RC_OK);
    for (int i = 0; i < 10; i++)
        log_info("m", "line %d", i);
    dup2(kept, STDERR_FILENO);
    close(kept);
    close(fd);
    log_close();
    T_STR(content(told), "the log cannot be written to: No space left on device (/dev/full)\n");
    unlink(told);
}

/* A file that may not grow past a size takes half a line: the next one starts a line of its
 * own. */
static void a_torn_line_does_not_spoil_the_next(void)
{
    struct rlimit old, low;
    const uint64_t before = log_dropped();

    start(LOG_FORMAT_TEXT, LOG_LEVEL_INFO);
    T_EQ(getrlimit(RLIMIT_FSIZE, &old), 0);
    low = old;
    low.rlim_cur = 40;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &low);
    log_info("m", "a long line that does not fit");
    setrlimit(RLIMIT_FSIZE, &old);
    log_info("m", "whole");
    const char *text = content(path);
    T_EQ(strcspn(text, "\n"), 40);
    T_STR(text + 41 + strlen("2000-01-01T00:00:00.000Z "), "info m: whole\n");
    T_EQ(log_dropped() - before, 1);
}

enum { THREADS = 4, LINES = 500 };

static void *write_lines(void *arg)
{
    for (int i = 0; i < LINES; i++)
        log_info("m", "%s", (const char *)arg);
    return NULL;
}

static void lines_of_threads_do_not_mix(void)
{
    static const char *const texts[THREADS] = {"aaaaaaaa", "bbbbbbbbbbbb", "cc",
                                               "dddddddddddddddd"};
    union {
        const char *in;
        void *out;
    } arg;
    pthread_t threads[THREADS];
    int lines = 0;

    start(LOG_FORMAT_TEXT, LOG_LEVEL_INFO);
    for (int i = 0; i < THREADS; i++) {
        arg.in = texts[i];
        T_EQ(pthread_create(&threads[i], NULL, write_lines, arg.out), 0);
    }
    for (int i = 0; i < 20; i++)
        T_EQ(log_reopen(), RC_OK); /* the same name: nothing is lost */
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (const char *line = content(path); *line; line = strchr(line, '\n') + 1, lines++) {
        bool whole = false;
        const char *text = line + strlen("2000-01-01T00:00:00.000Z info m: ");
        for (int i = 0; i < THREADS; i++)
            whole |= strncmp(text, texts[i], strlen(texts[i])) == 0 &&
                     text[strlen(texts[i])] == '\n';
        T_OK(whole);
    }
    T_EQ(lines, THREADS * LINES);
}

static void levels_have_names(void)
{
    enum log_level level = LOG_LEVEL_ERROR;

    T_EQ(log_level_parse("debug", &level), RC_OK);
    T_EQ(level, LOG_LEVEL_DEBUG);
    T_EQ(log_level_parse("loud", &level), RC_BAD);
    T_EQ(level, LOG_LEVEL_DEBUG);
}

static const struct t_case cases[] = {
    T_CASE(a_line_has_time_level_module_and_message),
    T_CASE(levels_below_the_limit_are_not_written),
    T_CASE(strangers_cannot_forge_lines),
    T_CASE(json_lines_stay_json),
    T_CASE(a_long_message_is_cut_off_and_ends_its_line),
    T_CASE(errno_survives_and_m_works),
    T_CASE(reopening_follows_the_name),
    T_CASE(a_log_that_cannot_be_opened_stays_where_it_was),
    T_CASE(a_full_disk_costs_lines_and_nothing_else),
    T_CASE(standard_error_is_told_once),
    T_CASE(a_torn_line_does_not_spoil_the_next),
    T_CASE(lines_of_threads_do_not_mix),
    T_CASE(levels_have_names),
};

int main(int argc, char **argv)
{
    if (!mkdtemp(folder))
        return EXIT_FAILURE;
    snprintf(path, sizeof path, "%s/a.log", folder);
    snprintf(moved, sizeof moved, "%s.1", path);
    const int result = t_run(cases, ARRAY_LEN(cases), argc, argv);
    log_close();
    unlink(path);
    unlink(moved);
    rmdir(folder);
    return result;
}

#include "core/log.h"

#include "core/clock.h"
#include "core/metrics.h"
#include "core/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    MESSAGE_MAX = 2048,                     /* longer messages are cut off */
    LINE_MAX_BYTES = 6 * MESSAGE_MAX + 256, /* every byte as \u00XX, and the head of the line */
};

static const char *const level_names[] = {"error", "warn", "info", "debug"};

static _Atomic int max_level = LOG_LEVEL_INFO;
static _Atomic int line_format = LOG_FORMAT_TEXT;
static struct counter dropped;

/* Guards the three below, and keeps a line that was cut off from being glued to the next. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int file = STDERR_FILENO;
static char *file_path;      /* owned, NULL: standard error */
static bool torn;            /* the last write ended in the middle of a line */
static usec_t complain_next; /* when standard error may be told again */

/* --- one line ---------------------------------------------------------------------------- */

struct line {
    size_t n;
    char text[LINE_MAX_BYTES];
};

static void put(struct line *line, const char *text, size_t n)
{
    if (n > sizeof line->text - line->n)
        n = sizeof line->text - line->n;
    memcpy(line->text + line->n, text, n);
    line->n += n;
}

static void put_string(struct line *line, const char *text)
{
    put(line, text, strlen(text));
}

/* C0, DEL and C1 move cursors and forge lines; U+2028 and U+2029 are line ends to some readers,
 * and the bidirectional controls let text lie about its order. */
static bool is_control(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x2028 && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x2069);
}

static void put_escaped(struct line *line, uint32_t c, bool json)
{
    char text[16];

    if (c == '\n')
        snprintf(text, sizeof text, "\\n");
    else if (c < 0x100 && !json)
        snprintf(text, sizeof text, "\\x%02x", (unsigned)c);
    else
        snprintf(text, sizeof text, "\\u%04x", (unsigned)c);
    put_string(line, text);
}

/* Anything a stranger may have written, made safe for a terminal and for JSON. */
static void put_untrusted(struct line *line, const char *text, bool json)
{
    struct span rest = {(const uint8_t *)text, strlen(text)};

    while (rest.n > 0) {
        uint32_t c;
        size_t n = utf8_next(rest, &c);

        if (n == 0) {
            /* Not UTF-8: text shows the byte, JSON must stay valid. */
            put_escaped(line, json ? 0xfffd : rest.p[0], json);
            n = 1;
        } else if (is_control(c)) {
            put_escaped(line, c, json);
        } else {
            if (json && (c == '"' || c == '\\'))
                put_string(line, "\\");
            put(line, (const char *)rest.p, n);
        }
        rest.p += n;
        rest.n -= n;
    }
}

static void put_time(struct line *line)
{
    const usec_t wall = clock_wall();
    const time_t seconds = (time_t)(wall / SEC(1));
    struct tm tm;
    char text[64];

    gmtime_r(&seconds, &tm);
    const size_t n = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text + n, sizeof text - n, ".%03uZ", (unsigned)(wall % SEC(1) / 1000));
    put_string(line, text);
}

static void make_line(struct line *line, enum log_level level, const char *module,
                      const char *message)
{
    const bool json = line_format == LOG_FORMAT_JSON;

    line->n = 0;
    put_string(line, json ? "{\"time\":\"" : "");
    put_time(line);
    put_string(line, json ? "\",\"level\":\"" : " ");
    put_string(line, level_names[level]);
    put_string(line, json ? "\",\"module\":\"" : " ");
    put_string(line, module);
    put_string(line, json ? "\",\"message\":\"" : ": ");
    put_untrusted(line, message, json);
    put_string(line, json ? "\"}\n" : "\n");
}

/* --- the file ---------------------------------------------------------------------------- */

static void complain(int error)
{
    const usec_t now = clock_now();
    char text[256];

    if (!file_path || now < complain_next)
        return;
    complain_next = now + SEC(60);
    const int n = snprintf(text, sizeof text, "the log cannot be written to: %s (%s)\n",
                           strerror(error), file_path);
    if (n > 0) {
        const size_t len = (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
        if (write(STDERR_FILENO, text, len) < 0)
            return; /* there is nobody left to tell */
    }
}

/* Under the lock. One write: lines of processes that share the file do not mix either. */
static void write_line(const struct line *line)
{
    ssize_t n;

    if (torn && write(file, "\n", 1) == 1)
        torn = false;
    do
        n = write(file, line->text, line->n);
    while (n < 0 && errno == EINTR);

    if (n == (ssize_t)line->n)
        return;
    counter_add_shared(&dropped, 1);
    if (n > 0)
        torn = true;
    complain(n < 0 ? errno : ENOSPC);
}

void log_write(enum log_level level, const char *module, const char *format, ...)
{
    const int saved = errno; /* "could not …" lines come before the caller looks at errno */
    char message[MESSAGE_MAX];
    struct line line;
    va_list args;

    if (!log_enabled(level))
        return;
    va_start(args, format);
    errno = saved; /* for %m */
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    make_line(&line, level, module, message);

    pthread_mutex_lock(&lock);
    write_line(&line);
    pthread_mutex_unlock(&lock);
    errno = saved;
}

static int open_file(const char *path)
{
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
}

/* Under the lock. Takes both. */
static void replace_file(int fd, char *path)
{
    if (file != STDERR_FILENO)
        close(file);
    if (path != file_path)
        free(file_path);
    file = fd;
    file_path = path;
    torn = false;
    complain_next = 0;
}

int log_open(const char *path, enum log_format format, enum log_level level)
{
    const bool to_stderr = !path || strcmp(path, "stderr") == 0;
    char *copy = NULL;
    int fd = STDERR_FILENO;

    if (!to_stderr) {
        copy = strdup(path);
        if (!copy)
            return RC_NOMEM;
        fd = open_file(path);
        if (fd < 0) {
            free(copy);
            return RC_SYS;
        }
    }
    line_format = (int)format;
    max_level = (int)level;
    pthread_mutex_lock(&lock);
    replace_file(fd, copy);
    pthread_mutex_unlock(&lock);
    return RC_OK;
}

int log_reopen(void)
{
    int rc = RC_OK;

    pthread_mutex_lock(&lock);
    if (file_path) {
        const int fd = open_file(file_path);
        if (fd >= 0)
            replace_file(fd, file_path);
        else
            rc = RC_SYS;
    }
    pthread_mutex_unlock(&lock);
    return rc;
}

void log_close(void)
{
    pthread_mutex_lock(&lock);
    replace_file(STDERR_FILENO, NULL);
    pthread_mutex_unlock(&lock);
}

/* --- settings ---------------------------------------------------------------------------- */

void log_set_level(enum log_level level)
{
    max_level = (int)level;
}

bool log_enabled(enum log_level level)
{
    return (int)level <= atomic_load_explicit(&max_level, memory_order_relaxed);
}

int log_level_parse(const char *word, enum log_level *out)
{
    for (size_t i = 0; i < ARRAY_LEN(level_names); i++) {
        if (strcmp(word, level_names[i]) == 0) {
            *out = (enum log_level)i;
            return RC_OK;
        }
    }
    return RC_BAD;
}

uint64_t log_dropped(void)
{
    return counter_get(&dropped);
}

int log_register_metrics(void)
{
    return metrics_add("meetopia_log_dropped_total", "",
                       "Log lines that could not be written (disk full).", METRIC_COUNTER,
                       &dropped);
}

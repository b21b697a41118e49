/*
 * core/log.h - levelled log lines, as text or as JSON lines, to standard error or a file.
 *
 * Any thread. One write(2) per line, so lines of threads never mix. A line that cannot be
 * written (disk full) is dropped and counted, standard error is told once per minute, and the
 * server goes on. Control characters in what strangers sent are escaped. Secrets are never
 * logged. A message is cut off at 2 kB. log_write leaves errno as it was, and %m works. Not for
 * packet handlers: parsers do not log, callers count.
 */
#ifndef CORE_LOG_H
#define CORE_LOG_H

#include "core/base.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

/* Opens the log. path NULL or "stderr": standard error. RC_SYS when the file cannot be opened:
 * the log stays where it was. Call again to change settings; before the first call, text to
 * standard error at level info. */
int log_open(const char *path, enum log_format format, enum log_level level);
/* Opens the file again under its name (log rotation). Keeps the old one if that fails. */
int log_reopen(void);
void log_close(void);

void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);
/* "error", "warn", "info", "debug"; RC_BAD for another word. */
int log_level_parse(const char *word, enum log_level *out);

/* Lines lost so far because they could not be written. */
uint64_t log_dropped(void);
/* Registers that number on /metrics. Once, from main. */
int log_register_metrics(void);

/* `module` is a short constant: "relay", "http", "dtls". */
void log_write(enum log_level level, const char *module, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define log_error(module, ...) log_write(LOG_LEVEL_ERROR, module, __VA_ARGS__)
#define log_warn(module, ...) log_write(LOG_LEVEL_WARN, module, __VA_ARGS__)
#define log_info(module, ...) log_write(LOG_LEVEL_INFO, module, __VA_ARGS__)
#define log_debug(module, ...)                                                                 \
    do {                                                                                       \
        if (log_enabled(LOG_LEVEL_DEBUG))                                                      \
            log_write(LOG_LEVEL_DEBUG, module, __VA_ARGS__);                                   \
    } while (0)

#endif

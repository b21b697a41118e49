/*
 * core/options.h - one table of options; a file, the environment and flags all speak it.
 *
 * Rising precedence: default, file, environment (LISTENING_PORT, or else the row's alias),
 * flags (--listening-port=3478, --listening-port 3478, -p 3478). Sans-IO but for reading the
 * file. Values are checked when they are read; the error names the place (file:line, variable
 * or flag), and for an unknown name the nearest known one.
 *
 * A file is a turnserver.conf of coturn's: # begins a line of comment, `key=value` or `key
 * value` with any number of spaces, tabs and = between, quotes around a value are taken off, a
 * bare key is true, keys may repeat where the row says so or where the value is the same.
 */
#ifndef CORE_OPTIONS_H
#define CORE_OPTIONS_H

#include "core/base.h"

enum option_type {
    OPTION_BOOL,     /* bool: on/off, yes/no, true/false, 1/0 */
    OPTION_INT,      /* int64_t within [min, max] */
    OPTION_STRING,   /* char *, owned by the target struct */
    OPTION_LIST,     /* struct option_list: comma separated and repeatable */
    OPTION_LINES,    /* struct option_list: repeatable, each value as it is, commas and all */
    OPTION_CHOICE,   /* int: index into choices */
    OPTION_DURATION, /* usec_t: "120", "120s", "500ms", "2m", "1h"; bare numbers in `unit` */
    OPTION_IGNORED,  /* accepted, does nothing */
    /* Known elsewhere and not here: struct option_list, which several rows may share, and which
     * gets a sentence (place, name and help) each time that something stands there, unless it
     * says off or what `initial` is. Never read from the environment. */
    OPTION_UNSUPPORTED,
};

struct option_list {
    char **item; /* owned */
    size_t count;
};

struct option {
    const char *name;        /* "listening-port" */
    const char *environment; /* further variable besides LISTENING_PORT, or NULL */
    bool no_variable;        /* its name in capitals is somebody else's variable */
    char letter;             /* -p; 0: none */
    const char *bare;        /* what a bare key means; NULL: on, or an error */
    enum option_type type;
    size_t offset;              /* of the value in the target struct */
    const char *initial;        /* default as text, NULL: zero */
    int64_t min, max;           /* INT; DURATION in microseconds; both 0: any */
    usec_t unit;                /* DURATION: what a bare number means; 0: seconds */
    const char *const *choices; /* CHOICE: NULL-terminated */
    /* Further check or NULL; of each item of a list. RC_OK, or RC_BAD with the end of a
     * sentence in `error` ("x is not an address"). */
    int (*check)(const char *value, char *error, size_t size);
    bool reloadable;      /* SIGHUP may change it */
    bool secret;          /* never printed */
    const char *argument; /* for --help: "PORT" */
    const char *help;
};

#define OPTIONS_ERROR_MAX 256

/* Fills target (a zeroed struct) with the defaults. */
int options_defaults(const struct option *table, size_t count, void *target);
/* What a source says is read in order and takes effect at once: after an error the target holds
 * part of it, and is fit for options_clear only. A list grows within one source and replaces
 * what lower sources said; anything else may stand in a file once. A variable that is set to
 * nothing counts as not set. Flags: --name=value, --name value, --switch, --no-switch.
 *
 * RC_BAD with `error` filled (`relay.conf:3: unknown option …`); RC_SYS when the file cannot be
 * read (error says why). */
int options_read_file(const struct option *table, size_t count, void *target, const char *path,
                      char error[static OPTIONS_ERROR_MAX]);
/* The same for a text in memory; `name` stands for the path in errors. */
int options_read_text(const struct option *table, size_t count, void *target, const char *name,
                      struct span text, char error[static OPTIONS_ERROR_MAX]);
int options_read_environment(const struct option *table, size_t count, void *target,
                             char *const *environment, char error[static OPTIONS_ERROR_MAX]);
/* Reads argv[1…]. Flags named in `own` (NULL-terminated: "help", "version", "config"…) are left
 * to the caller and skipped, with their value if the name ends in '='. */
int options_read_arguments(const struct option *table, size_t count, void *target, int argc,
                           char *const *argv, const char *const *own,
                           char error[static OPTIONS_ERROR_MAX]);
/* Frees strings and lists of target. */
void options_clear(const struct option *table, size_t count, void *target);
/* Exchanges the reloadable ones that differ, so that `running` has the new values and `fresh`
 * the old; returns how many. */
size_t options_reload(const struct option *table, size_t count, void *running, void *fresh);

/* One more sentence in a list that OPTION_UNSUPPORTED rows fill. RC_NOMEM. */
int options_note(struct option_list *list, const char *sentence);

/* The text of --help for the table, wrapped at 80 columns, to `out` (a FILE *). */
void options_print_help(const struct option *table, size_t count, void *out);
/* name=value lines of what is in force, secrets hidden. */
void options_print(const struct option *table, size_t count, const void *target, void *out);
/* The known name nearest to `name`, or NULL when none is near. */
const char *options_nearest(const struct option *table, size_t count, const char *name);

#endif

#include "core/options.h"

#include "core/option_value.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum {
    NAME_MAX_BYTES = 64, /* longer names are nobody's */
    FILE_MAX_BYTES = 1 << 20,
    HELP_COLUMNS = 80,
    HELP_INDENT = 8,
};

/* One source that is being read: a file, the environment or the flags. */
struct reading {
    const struct option *table;
    size_t count;
    void *target;
    bool is_file;   /* where something stands does not name the option */
    unsigned *seen; /* owned: per row, the line (or place) where it came first, 0: not yet */
    char *error;
};

/* What the error begins with ("relay.conf:3", "PORT", "--port"), then the sentence. */
static int fail(const struct reading *r, const char *where, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int fail(const struct reading *r, const char *where, const char *format, ...)
{
    va_list args;

    const int n = snprintf(r->error, OPTIONS_ERROR_MAX, "%s: ", where);
    if (n > 0 && n < OPTIONS_ERROR_MAX) {
        va_start(args, format);
        vsnprintf(r->error + n, OPTIONS_ERROR_MAX - (size_t)n, format, args);
        va_end(args);
    }
    return RC_BAD;
}

static int begin(struct reading *r)
{
    r->seen = calloc(r->count ? r->count : 1, sizeof *r->seen);
    if (r->seen)
        return RC_OK;
    snprintf(r->error, OPTIONS_ERROR_MAX, "no memory");
    return RC_NOMEM;
}

/* --- names ------------------------------------------------------------------------------- */

/* PORT, port and listening_port are what people write. */
static char plain(char c)
{
    return c == '_' ? '-' : (char)tolower((unsigned char)c);
}

static size_t smallest(size_t a, size_t b, size_t c)
{
    const size_t ab = a < b ? a : b;

    return ab < c ? ab : c;
}

/* Levenshtein's distance, with two swapped neighbours as one mistake. */
static size_t distance(const char *a, size_t n, const char *b, size_t m)
{
    size_t rows[3][NAME_MAX_BYTES + 1];

    for (size_t j = 0; j <= m; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *row = rows[i % 3], *above = rows[(i - 1) % 3], *two_above = rows[(i + 1) % 3];

        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            const size_t wrong = plain(a[i - 1]) != plain(b[j - 1]);

            row[j] = smallest(above[j] + 1, row[j - 1] + 1, above[j - 1] + wrong);
            if (i > 1 && j > 1 && plain(a[i - 1]) == plain(b[j - 2]) &&
                plain(a[i - 2]) == plain(b[j - 1]))
                row[j] = smallest(row[j], two_above[j - 2] + 1, SIZE_MAX);
        }
    }
    return rows[n % 3][m];
}

const char *options_nearest(const struct option *table, size_t count, const char *name)
{
    const size_t n = strlen(name);
    const char *nearest = NULL;
    size_t best = n < 6 ? 2 : n / 3 + 1; /* what is further away than that is another word */

    if (n > NAME_MAX_BYTES)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        const size_t m = strlen(table[i].name);
        const size_t d = m > NAME_MAX_BYTES ? SIZE_MAX : distance(name, n, table[i].name, m);

        if (d <= best && (!nearest || d < best)) {
            best = d;
            nearest = table[i].name;
        }
    }
    return nearest;
}

static const struct option *find(const struct reading *r, const char *name)
{
    for (size_t i = 0; i < r->count; i++) {
        if (strcmp(r->table[i].name, name) == 0)
            return &r->table[i];
    }
    return NULL;
}

static int fail_unknown(const struct reading *r, const char *where, const char *dashes,
                        const char *name)
{
    const char *nearest = options_nearest(r->table, r->count, name);

    if (nearest)
        return fail(r, where, "unknown option \"%s%s\"; did you mean \"%s%s\"?", dashes, name,
                    dashes, nearest);
    return fail(r, where, "unknown option \"%s%s\"", dashes, name);
}

/* --- setting ----------------------------------------------------------------------------- */

/* A list grows within one source and replaces what lower sources said. */
static int set(struct reading *r, const struct option *row, const char *text, const char *where,
               unsigned place)
{
    char why[OPTIONS_ERROR_MAX];
    unsigned *seen = &r->seen[row - r->table];
    const int rc = option_value_set(row, r->target, text, *seen != 0, why);

    if (rc == RC_OK) {
        *seen = place;
        return RC_OK;
    }
    fail(r, where, "%s%s%s", r->is_file ? row->name : "", r->is_file ? ": " : "", why);
    return rc;
}

int options_defaults(const struct option *table, size_t count, void *target)
{
    char error[OPTIONS_ERROR_MAX];

    for (size_t i = 0; i < count; i++) {
        if (!table[i].initial)
            continue;
        const int rc = option_value_set(&table[i], target, table[i].initial, false, error);
        if (rc != RC_OK)
            return rc;
    }
    return RC_OK;
}

/* --- a file ------------------------------------------------------------------------------ */

static char *trim(char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    size_t n = strlen(text);
    while (n > 0 && isspace((unsigned char)text[n - 1]))
        n--;
    text[n] = '\0';
    return text;
}

static int read_line(struct reading *r, char *line, const char *where, unsigned number)
{
    char *name = trim(line);
    const char *value = "on"; /* a bare key */

    if (*name == '\0' || *name == '#')
        return RC_OK;
    char *equals = strchr(name, '=');
    if (equals) {
        *equals = '\0';
        name = trim(name);
        value = trim(equals + 1);
    }
    const struct option *row = find(r, name);
    if (!row)
        return fail_unknown(r, where, "", name);
    if (!equals && row->type != OPTION_BOOL && row->type != OPTION_IGNORED)
        return fail(r, where, "%s needs a value: %s=%s", name, name,
                    row->argument ? row->argument : "VALUE");
    const unsigned first = r->seen[row - r->table];
    if (first && row->type != OPTION_LIST && row->type != OPTION_IGNORED)
        return fail(r, where, "%s stands on line %u already", name, first);
    return set(r, row, value, where, number);
}

static int read_lines(struct reading *r, const char *name, struct span text)
{
    static const uint8_t byte_order_mark[] = {0xef, 0xbb, 0xbf};
    char where[OPTIONS_ERROR_MAX / 2];
    int rc = RC_OK;

    if (text.n >= 3 && memcmp(text.p, byte_order_mark, 3) == 0)
        text = (struct span){text.p + 3, text.n - 3};
    for (unsigned number = 1; text.n > 0 && rc == RC_OK; number++) {
        const uint8_t *end = memchr(text.p, '\n', text.n);
        const size_t n = end ? (size_t)(end - text.p) : text.n;
        char *line = strndup((const char *)text.p, n);

        snprintf(where, sizeof where, "%s:%u", name, number);
        if (!line)
            rc = RC_NOMEM;
        else if (strlen(line) != n)
            rc = fail(r, where, "a NUL byte; this is not a text file");
        else
            rc = read_line(r, line, where, number);
        free(line);
        text = (struct span){text.p + n + (end != NULL), text.n - n - (end != NULL)};
    }
    return rc;
}

int options_read_text(const struct option *table, size_t count, void *target, const char *name,
                      struct span text, char error[static OPTIONS_ERROR_MAX])
{
    struct reading r = {table, count, target, true, NULL, error};
    int rc = begin(&r);

    if (rc == RC_OK)
        rc = read_lines(&r, name, text);
    free(r.seen);
    return rc;
}

/* All of the file; NULL with errno set. */
static uint8_t *slurp(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = NULL;

    if (!file)
        return NULL;
    data = malloc(FILE_MAX_BYTES + 1);
    if (data) {
        *size = fread(data, 1, FILE_MAX_BYTES + 1, file);
        if (ferror(file) || *size > FILE_MAX_BYTES) {
            const int why = ferror(file) ? errno : EFBIG;
            free(data);
            data = NULL;
            errno = why;
        }
    }
    const int saved = errno;
    fclose(file);
    errno = saved;
    return data;
}

int options_read_file(const struct option *table, size_t count, void *target, const char *path,
                      char error[static OPTIONS_ERROR_MAX])
{
    size_t size = 0;
    uint8_t *data = slurp(path, &size);

    if (!data) {
        const int why = errno;
        snprintf(error, OPTIONS_ERROR_MAX, "%s: %s", path, strerror(why));
        errno = why;
        return RC_SYS;
    }
    const int rc =
        options_read_text(table, count, target, path, (struct span){data, size}, error);
    explicit_bzero(data, size); /* there may be secrets in it */
    free(data);
    return rc;
}

/* --- the environment --------------------------------------------------------------------- */

/* listening-port as LISTENING_PORT. */
static void variable_name(const char *option, char out[static NAME_MAX_BYTES + 1])
{
    size_t n = 0;

    for (; option[n] && n < NAME_MAX_BYTES; n++)
        out[n] = option[n] == '-' ? '_' : (char)toupper((unsigned char)option[n]);
    out[n] = '\0';
}

/* NULL when it is not set, or set to nothing, as a compose file leaves what has no value. */
static const char *lookup(char *const *environment, const char *name)
{
    const size_t n = strlen(name);

    for (; *environment; environment++) {
        if (strncmp(*environment, name, n) == 0 && (*environment)[n] == '=')
            return (*environment)[n + 1] ? *environment + n + 1 : NULL;
    }
    return NULL;
}

static int read_variables(struct reading *r, char *const *environment)
{
    for (size_t i = 0; i < r->count; i++) {
        const struct option *row = &r->table[i];
        char own_name[NAME_MAX_BYTES + 1];

        variable_name(row->name, own_name);
        const char *name = own_name;
        const char *value = lookup(environment, name);
        if (!value && row->environment) {
            name = row->environment;
            value = lookup(environment, name);
        }
        if (!value)
            continue;
        const int rc = set(r, row, value, name, 1);
        if (rc != RC_OK)
            return rc;
    }
    return RC_OK;
}

int options_read_environment(const struct option *table, size_t count, void *target,
                             char *const *environment, char error[static OPTIONS_ERROR_MAX])
{
    struct reading r = {table, count, target, false, NULL, error};
    int rc = begin(&r);

    if (rc == RC_OK)
        rc = read_variables(&r, environment);
    free(r.seen);
    return rc;
}

/* --- flags ------------------------------------------------------------------------------- */

enum owned { OWNED_NO, OWNED_ALONE, OWNED_WITH_VALUE };

/* Is it the caller's? `own` holds "help", and "config=" for one that takes a value. */
static enum owned find_own(const char *const *own, const char *name)
{
    const size_t n = strlen(name);

    for (; own && *own; own++) {
        if (strncmp(*own, name, n) != 0)
            continue;
        if ((*own)[n] == '\0')
            return OWNED_ALONE;
        if (strcmp(*own + n, "=") == 0)
            return OWNED_WITH_VALUE;
    }
    return OWNED_NO;
}

/* --no-x is --x=off. */
static const struct option *find_negated(const struct reading *r, const char *name)
{
    if (strncmp(name, "no-", 3) != 0)
        return NULL;
    const struct option *row = find(r, name + 3);
    return row && row->type == OPTION_BOOL ? row : NULL;
}

/* One flag; `next` is the argument behind it or NULL. Returns how many arguments it took. */
static int read_flag(struct reading *r, const char *argument, const char *next,
                     const char *const *own)
{
    char name[NAME_MAX_BYTES + 1], where[NAME_MAX_BYTES + 3];
    const char *dashes = argument[1] == '-' ? "--" : "-";
    const char *start = argument + strlen(dashes);
    const size_t n = strcspn(start, "=");
    const char *value = start[n] == '=' ? start + n + 1 : NULL;

    if (*argument != '-' || n == 0)
        return fail(r, argument, "unexpected argument");
    snprintf(name, sizeof name, "%.*s", n < sizeof name ? (int)n : NAME_MAX_BYTES, start);
    snprintf(where, sizeof where, "%s%s", dashes, name);

    const enum owned owned = find_own(own, name);
    if (owned != OWNED_NO)
        return owned == OWNED_WITH_VALUE && !value ? 2 : 1;
    const struct option *row = dashes[1] ? find(r, name) : NULL;
    const struct option *negated = row || !dashes[1] ? NULL : find_negated(r, name);
    if (negated && value)
        return fail(r, where, "takes no value");
    if (negated)
        return set(r, negated, "off", where, 1) == RC_OK ? 1 : RC_BAD;
    if (!row)
        return fail_unknown(r, "command line", "--", name);

    const bool alone = row->type == OPTION_BOOL || row->type == OPTION_IGNORED;
    if (!value && !alone && !next)
        return fail(r, where, "needs a value: --%s=%s", name,
                    row->argument ? row->argument : "VALUE");
    const int rc = set(r, row, value ? value : alone ? "on" : next, where, 1);
    return rc != RC_OK ? rc : value || alone ? 1 : 2;
}

int options_read_arguments(const struct option *table, size_t count, void *target, int argc,
                           char *const *argv, const char *const *own,
                           char error[static OPTIONS_ERROR_MAX])
{
    struct reading r = {table, count, target, false, NULL, error};
    int rc = begin(&r);

    for (int i = 1; i < argc && rc == RC_OK;) {
        const int taken = read_flag(&r, argv[i], i + 1 < argc ? argv[i + 1] : NULL, own);

        if (taken < 0)
            rc = taken;
        i += taken;
    }
    free(r.seen);
    return rc;
}

/* --- the rest of their life -------------------------------------------------------------- */

void options_clear(const struct option *table, size_t count, void *target)
{
    for (size_t i = 0; i < count; i++)
        option_value_clear(&table[i], target);
}

size_t options_reload(const struct option *table, size_t count, void *running, void *fresh)
{
    size_t changed = 0;

    for (size_t i = 0; i < count; i++) {
        if (!table[i].reloadable || option_value_equal(&table[i], running, fresh))
            continue;
        option_value_swap(&table[i], running, fresh);
        changed++;
    }
    return changed;
}

/* --- printing ---------------------------------------------------------------------------- */

/* Words of `text` behind what stands on the line already; returns the column reached. */
static size_t wrap(FILE *out, const char *text, size_t column)
{
    while (*text) {
        const size_t n = strcspn(text, " ");

        if (column > HELP_INDENT && column + 1 + n > HELP_COLUMNS) {
            fputc('\n', out);
            column = 0;
        }
        if (column == 0) {
            fprintf(out, "%*s", HELP_INDENT, "");
            column = HELP_INDENT;
        } else if (column > HELP_INDENT) {
            fputc(' ', out);
            column++;
        }
        fwrite(text, 1, n, out);
        column += n;
        text += n + strspn(text + n, " ");
    }
    return column;
}

static void print_choices(FILE *out, const struct option *row)
{
    for (int i = 0; row->choices[i]; i++)
        fprintf(out, "%s%s", i ? "|" : "=", row->choices[i]);
}

static void print_row(FILE *out, const struct option *row)
{
    char text[256], variable[NAME_MAX_BYTES + 1];

    fprintf(out, "  --%s", row->name);
    if (row->type == OPTION_CHOICE)
        print_choices(out, row);
    else if (row->type != OPTION_BOOL)
        fprintf(out, "=%s", row->argument ? row->argument : "VALUE");
    fputc('\n', out);

    size_t column = wrap(out, row->help ? row->help : "", 0);
    if (row->initial && *row->initial && !row->secret) {
        snprintf(text, sizeof text, "Default: %s.", row->initial);
        column = wrap(out, text, column);
    }
    variable_name(row->name, variable);
    snprintf(text, sizeof text, "[%s%s%s]", variable, row->environment ? ", " : "",
             row->environment ? row->environment : "");
    wrap(out, text, column);
    fputc('\n', out);
}

void options_print_help(const struct option *table, size_t count, void *out)
{
    for (size_t i = 0; i < count; i++) {
        if (table[i].type != OPTION_IGNORED)
            print_row(out, &table[i]);
    }
}

void options_print(const struct option *table, size_t count, const void *target, void *out)
{
    for (size_t i = 0; i < count; i++) {
        const struct option *row = &table[i];

        if (row->type == OPTION_IGNORED)
            continue;
        fprintf(out, "%s=", row->name);
        if (row->secret && !option_value_empty(row, target))
            fputs("(hidden)", out);
        else
            option_value_print(row, target, out);
        fputc('\n', out);
    }
}

#include "core/options.h"

#include "core/option_value.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    FILE_MAX_BYTES = 1 << 20,
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
    size_t rows[3][OPTION_NAME_MAX + 1];

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

    if (n > OPTION_NAME_MAX)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        const size_t m = strlen(table[i].name);
        const size_t d = m > OPTION_NAME_MAX ? SIZE_MAX : distance(name, n, table[i].name, m);

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

/* "turnserver.conf:3: oauth: not supported: …" */
static int note(struct reading *r, const struct option *row, const char *text,
                const char *where)
{
    char sentence[2 * OPTIONS_ERROR_MAX];

    if (option_value_is_off(text) || (row->initial && strcasecmp(text, row->initial) == 0))
        return RC_OK;
    snprintf(sentence, sizeof sentence, "%s: %s%s%s", where, r->is_file ? row->name : "",
             r->is_file ? ": " : "", row->help);
    return options_note((struct option_list *)(void *)((char *)r->target + row->offset),
                        sentence);
}

/* A list grows within one source and replaces what lower sources said. */
static int set(struct reading *r, const struct option *row, const char *text, const char *where,
               unsigned place)
{
    char why[OPTIONS_ERROR_MAX];
    unsigned *seen = &r->seen[row - r->table];

    if (row->type == OPTION_UNSUPPORTED)
        return note(r, row, text, where);
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
        if (!table[i].initial || table[i].type == OPTION_UNSUPPORTED)
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

/* Cuts `line` into its key and its value: NULL when there is none. The value lies in `line`. */
static char *split(char *line)
{
    char *value = line + strcspn(line, "= \t");

    if (*value == '\0')
        return NULL;
    *value++ = '\0';
    value += strspn(value, "= \t");
    const size_t n = strlen(value);
    if (n >= 2 && value[0] == '"' && value[n - 1] == '"') {
        value[n - 1] = '\0';
        value++;
    }
    return value;
}

/* Does the row say in `text` what its target has already? */
static bool says_the_same(const struct reading *r, const struct option *row, const char *text)
{
    char ignored[OPTIONS_ERROR_MAX];
    bool same = false;

    void *other = calloc(1, row->offset + sizeof(struct option_list));
    if (!other)
        return false;
    if (option_value_set(row, other, text, false, ignored) == RC_OK)
        same = option_value_equal(row, r->target, other);
    option_value_clear(row, other);
    free(other);
    return same;
}

static bool may_repeat(const struct option *row)
{
    return row->type == OPTION_LIST || row->type == OPTION_LINES ||
           row->type == OPTION_IGNORED || row->type == OPTION_UNSUPPORTED;
}

/* What a bare key means; NULL: it needs a value. */
static const char *bare_value(const struct option *row)
{
    if (row->bare)
        return row->bare;
    return row->type == OPTION_BOOL || row->type == OPTION_IGNORED ||
                   row->type == OPTION_UNSUPPORTED
               ? "on"
               : NULL;
}

static int read_line(struct reading *r, char *line, const char *where, unsigned number)
{
    char *name = trim(line);

    if (*name == '\0' || *name == '#')
        return RC_OK;
    const char *value = split(name);
    const struct option *row = find(r, name);
    if (!row)
        return fail_unknown(r, where, "", name);
    if (!value)
        value = bare_value(row);
    if (!value)
        return fail(r, where, "%s needs a value: %s=%s", name, name,
                    row->argument ? row->argument : "VALUE");
    const unsigned first = r->seen[row - r->table];
    if (first && !may_repeat(row))
        return says_the_same(r, row, value)
                   ? RC_OK
                   : fail(r, where, "%s stands on line %u already", name, first);
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
        char own_name[OPTION_NAME_MAX + 1];

        if (row->type == OPTION_UNSUPPORTED)
            continue;
        option_variable_name(row->name, own_name);
        const char *name = own_name;
        const char *value = row->no_variable ? NULL : lookup(environment, name);
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

/* -p */
static const struct option *find_letter(const struct reading *r, const char *name)
{
    for (size_t i = 0; i < r->count && name[1] == '\0'; i++) {
        if (r->table[i].letter == name[0])
            return &r->table[i];
    }
    return NULL;
}

/* One flag; `next` is the argument behind it or NULL. Returns how many arguments it took. */
static int read_flag(struct reading *r, const char *argument, const char *next,
                     const char *const *own)
{
    char name[OPTION_NAME_MAX + 1], where[OPTION_NAME_MAX + 3];
    const char *dashes = argument[1] == '-' ? "--" : "-";
    const char *start = argument + strlen(dashes);
    const size_t n = strcspn(start, "=");
    const char *value = start[n] == '=' ? start + n + 1 : NULL;

    if (*argument != '-' || n == 0)
        return fail(r, argument, "unexpected argument");
    snprintf(name, sizeof name, "%.*s", n < sizeof name ? (int)n : OPTION_NAME_MAX, start);
    snprintf(where, sizeof where, "%s%s", dashes, name);

    const enum owned owned = find_own(own, name);
    if (owned != OWNED_NO)
        return owned == OWNED_WITH_VALUE && !value ? 2 : 1;
    const struct option *row = dashes[1] ? find(r, name) : find_letter(r, name);
    const struct option *negated = row || !dashes[1] ? NULL : find_negated(r, name);
    if (negated && value)
        return fail(r, where, "takes no value");
    if (negated)
        return set(r, negated, "off", where, 1) == RC_OK ? 1 : RC_BAD;
    if (!row)
        return fail_unknown(r, "command line", "--", name);

    /* coturn's --stale-nonce takes no value but one behind "=". */
    const char *bare = row->argument && !row->bare ? NULL : bare_value(row);
    if (!value && !bare && !next)
        return fail(r, where, "needs a value: --%s=%s", row->name,
                    row->argument ? row->argument : "VALUE");
    const int rc = set(r, row, value ? value : bare ? bare : next, where, 1);
    return rc != RC_OK ? rc : value || bare ? 1 : 2;
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

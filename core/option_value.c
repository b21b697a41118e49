#include "core/option_value.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The value's place as the type that it has. */
#define AT(type, row, target) ((type *)(void *)((char *)(target) + (row)->offset))
#define AT_CONST(type, row, target)                                                            \
    ((type *)(const void *)((const char *)(target) + (row)->offset))

static const struct {
    const char *suffix;
    usec_t unit;
} units[] = {{"us", 1},      {"ms", MSEC(1)},  {"s", SEC(1)},
             {"m", SEC(60)}, {"h", SEC(3600)}, {"d", SEC(86400)}};

void option_variable_name(const char *option, char out[static OPTION_NAME_MAX + 1])
{
    size_t n = 0;

    for (; option[n] && n < OPTION_NAME_MAX; n++)
        out[n] = option[n] == '-' ? '_' : (char)toupper((unsigned char)option[n]);
    out[n] = '\0';
}

/* A secret does not even go into an error message. */
static const char *shown(const struct option *row, const char *text)
{
    return row->secret ? "this" : text;
}

static int say(char error[static OPTIONS_ERROR_MAX], int rc, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int say(char error[static OPTIONS_ERROR_MAX], int rc, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(error, OPTIONS_ERROR_MAX, format, args);
    va_end(args);
    return rc;
}

/* --- one reader a type ------------------------------------------------------------------- */

static bool is_word_of(const char *text, const char *const *words)
{
    for (; *words; words++) {
        if (strcasecmp(text, *words) == 0)
            return true;
    }
    return false;
}

bool option_value_is_off(const char *text)
{
    static const char *const words[] = {"off", "no", "false", "0", "f", NULL};

    return is_word_of(text, words);
}

static int read_bool(const struct option *row, const char *text, bool *out, char *error)
{
    static const char *const words[] = {"on", "yes", "true", "1", "t", NULL};
    const bool on = is_word_of(text, words);

    if (!on && !option_value_is_off(text))
        return say(error, RC_BAD, "%s is neither on nor off", shown(row, text));
    *out = on;
    return RC_OK;
}

static bool has_range(const struct option *row)
{
    return row->min != 0 || row->max != 0;
}

static int read_int(const struct option *row, const char *text, int64_t *out, char *error)
{
    char *end;

    errno = 0;
    const long long v = strtoll(text, &end, 10);
    const bool number =
        (isdigit((unsigned char)*text) || *text == '-') && end != text && *end == '\0';
    if (number && errno == 0 && (!has_range(row) || (v >= row->min && v <= row->max))) {
        *out = v;
        return RC_OK;
    }
    if (!has_range(row))
        return say(error, RC_BAD, "%s is not a number", shown(row, text));
    return say(error, RC_BAD, "%s is not a number from %" PRId64 " to %" PRId64,
               shown(row, text), row->min, row->max);
}

/* What stands behind the digits: 0 for none of our units. */
static usec_t find_unit(const struct option *row, const char *suffix)
{
    if (*suffix == '\0')
        return row->unit ? row->unit : SEC(1);
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (strcmp(suffix, units[i].suffix) == 0)
            return units[i].unit;
    }
    return 0;
}

/* "120s": the largest unit that divides it. */
static const char *format_duration(usec_t v, char *buf, size_t size)
{
    size_t i = ARRAY_LEN(units) - 1;

    while (i > 0 && (v == 0 || v % units[i].unit != 0))
        i--;
    snprintf(buf, size, "%" PRIu64 "%s", v / units[i].unit, v ? units[i].suffix : "");
    return buf;
}

static int read_duration(const struct option *row, const char *text, usec_t *out, char *error)
{
    char low[32], high[32], *end;

    errno = 0;
    const unsigned long long v = strtoull(text, &end, 10);
    const usec_t unit = find_unit(row, end);
    if (!isdigit((unsigned char)*text) || errno || !unit || v > (usec_t)INT64_MAX / unit)
        return say(error, RC_BAD, "%s is not a time like 500ms, 120s, 2m or 1h",
                   shown(row, text));
    const usec_t result = v * unit;
    if (has_range(row) && (result < (usec_t)row->min || result > (usec_t)row->max))
        return say(error, RC_BAD, "%s is not a time from %s to %s", shown(row, text),
                   format_duration((usec_t)row->min, low, sizeof low),
                   format_duration((usec_t)row->max, high, sizeof high));
    *out = result;
    return RC_OK;
}

static int read_choice(const struct option *row, const char *text, int *out, char *error)
{
    size_t n;

    for (int i = 0; row->choices[i]; i++) {
        if (strcasecmp(text, row->choices[i]) == 0) {
            *out = i;
            return RC_OK;
        }
    }
    say(error, RC_BAD, "%s is none of", shown(row, text));
    for (int i = 0; row->choices[i]; i++) {
        n = strlen(error);
        snprintf(error + n, OPTIONS_ERROR_MAX - n, "%s %s", i ? "," : "", row->choices[i]);
    }
    return RC_BAD;
}

static int check(const struct option *row, const char *text, char *error)
{
    if (!row->check)
        return RC_OK;
    snprintf(error, OPTIONS_ERROR_MAX, "%s is not valid here", shown(row, text));
    return row->check(text, error, OPTIONS_ERROR_MAX);
}

static int read_string(const char *text, char **out, char *error)
{
    char *copy = strdup(text);

    if (!copy)
        return say(error, RC_NOMEM, "no memory");
    free(*out);
    *out = copy;
    return RC_OK;
}

/* --- lists ------------------------------------------------------------------------------- */

static void list_clear(struct option_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        explicit_bzero(list->item[i], strlen(list->item[i])); /* some are secrets */
        free(list->item[i]);
    }
    free(list->item);
    *list = (struct option_list){0};
}

static int list_append(struct option_list *list, const char *text, size_t n)
{
    char **grown = realloc(list->item, (list->count + 1) * sizeof *grown);
    if (!grown)
        return RC_NOMEM;
    list->item = grown;
    list->item[list->count] = strndup(text, n);
    if (!list->item[list->count])
        return RC_NOMEM;
    list->count++;
    return RC_OK;
}

/* "a, b,,c" is a, b and c. */
static int list_split(struct option_list *list, const char *text)
{
    while (*text) {
        const size_t field = strcspn(text, ",");
        size_t start = 0, end = field;

        while (start < end && isspace((unsigned char)text[start]))
            start++;
        while (end > start && isspace((unsigned char)text[end - 1]))
            end--;
        if (end > start && list_append(list, text + start, end - start) != RC_OK)
            return RC_NOMEM;
        text += field + (text[field] == ',');
    }
    return RC_OK;
}

static int read_list(const struct option *row, const char *text, bool append,
                     struct option_list *out, char *error)
{
    const size_t kept = append ? out->count : 0;
    struct option_list fresh = {0};
    int rc = RC_OK;

    for (size_t i = 0; i < kept && rc == RC_OK; i++)
        rc = list_append(&fresh, out->item[i], strlen(out->item[i]));
    if (rc == RC_OK)
        rc = row->type == OPTION_LIST ? list_split(&fresh, text)
             : *text                  ? list_append(&fresh, text, strlen(text))
                                      : RC_OK;
    if (rc != RC_OK)
        say(error, rc, "no memory");
    for (size_t i = kept; i < fresh.count && rc == RC_OK; i++)
        rc = check(row, fresh.item[i], error);
    if (rc != RC_OK) {
        list_clear(&fresh);
        return rc;
    }
    list_clear(out);
    *out = fresh;
    return RC_OK;
}

static bool list_equal(const struct option_list *a, const struct option_list *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        if (strcmp(a->item[i], b->item[i]) != 0)
            return false;
    }
    return true;
}

/* --- all types --------------------------------------------------------------------------- */

static bool is_list(const struct option *row)
{
    return row->type == OPTION_LIST || row->type == OPTION_LINES ||
           row->type == OPTION_UNSUPPORTED;
}

int options_note(struct option_list *list, const char *sentence)
{
    return list_append(list, sentence, strlen(sentence));
}

int option_value_set(const struct option *row, void *target, const char *text, bool append,
                     char error[static OPTIONS_ERROR_MAX])
{
    if (row->type == OPTION_UNSUPPORTED)
        return RC_OK;
    if (is_list(row))
        return read_list(row, text, append, AT(struct option_list, row, target), error);
    const int rc = row->type == OPTION_IGNORED ? RC_OK : check(row, text, error);
    if (rc != RC_OK)
        return rc;

    switch (row->type) {
    case OPTION_BOOL:
        return read_bool(row, text, AT(bool, row, target), error);
    case OPTION_INT:
        return read_int(row, text, AT(int64_t, row, target), error);
    case OPTION_STRING:
        return read_string(text, AT(char *, row, target), error);
    case OPTION_CHOICE:
        return read_choice(row, text, AT(int, row, target), error);
    case OPTION_DURATION:
        return read_duration(row, text, AT(usec_t, row, target), error);
    case OPTION_LIST:
    case OPTION_LINES:
    case OPTION_IGNORED:
    case OPTION_UNSUPPORTED:
        break;
    }
    return RC_OK;
}

void option_value_clear(const struct option *row, void *target)
{
    if (is_list(row)) {
        list_clear(AT(struct option_list, row, target));
    } else if (row->type == OPTION_STRING) {
        char **text = AT(char *, row, target);
        if (*text && row->secret)
            explicit_bzero(*text, strlen(*text));
        free(*text);
        *text = NULL;
    }
}

static size_t value_size(const struct option *row)
{
    static const size_t sizes[] = {
        [OPTION_BOOL] = sizeof(bool),
        [OPTION_INT] = sizeof(int64_t),
        [OPTION_STRING] = sizeof(char *),
        [OPTION_LIST] = sizeof(struct option_list),
        [OPTION_LINES] = sizeof(struct option_list),
        [OPTION_CHOICE] = sizeof(int),
        [OPTION_DURATION] = sizeof(usec_t),
        [OPTION_IGNORED] = 0,
        [OPTION_UNSUPPORTED] = sizeof(struct option_list),
    };

    return sizes[row->type];
}

bool option_value_empty(const struct option *row, const void *target)
{
    if (is_list(row))
        return AT_CONST(const struct option_list, row, target)->count == 0;
    if (row->type == OPTION_STRING) {
        const char *text = *AT_CONST(char *const, row, target);
        return !text || *text == '\0';
    }
    return false;
}

bool option_value_equal(const struct option *row, const void *a, const void *b)
{
    if (is_list(row))
        return list_equal(AT_CONST(const struct option_list, row, a),
                          AT_CONST(const struct option_list, row, b));
    if (row->type == OPTION_STRING) {
        const char *x = *AT_CONST(char *const, row, a), *y = *AT_CONST(char *const, row, b);
        return x && y ? strcmp(x, y) == 0 : x == y;
    }
    return memcmp(AT_CONST(const char, row, a), AT_CONST(const char, row, b),
                  value_size(row)) == 0;
}

void option_value_swap(const struct option *row, void *a, void *b)
{
    uint8_t kept[sizeof(struct option_list)];
    const size_t size = value_size(row);

    memcpy(kept, AT(uint8_t, row, a), size);
    memcpy(AT(uint8_t, row, a), AT(uint8_t, row, b), size);
    memcpy(AT(uint8_t, row, b), kept, size);
}

/* Would reading take something off its ends? */
static bool needs_quotes(const char *first, const char *last)
{
    const size_t n = strlen(last);

    return (*first && strchr("= \t\"", *first)) ||
           (n > 0 && isspace((unsigned char)last[n - 1]));
}

static void print_text(const char *text, FILE *out)
{
    fprintf(out, needs_quotes(text, text) ? "\"%s\"" : "%s", text);
}

static void print_list(const struct option_list *list, const char *between, FILE *out)
{
    const bool quotes =
        list->count > 0 && needs_quotes(list->item[0], list->item[list->count - 1]);

    fputs(quotes ? "\"" : "", out);
    for (size_t i = 0; i < list->count; i++)
        fprintf(out, "%s%s", i ? between : "", list->item[i]);
    fputs(quotes ? "\"" : "", out);
}

void option_value_print(const struct option *row, const void *target, FILE *out)
{
    char buf[32];
    const char *text;

    switch (row->type) {
    case OPTION_BOOL:
        fputs(*AT_CONST(const bool, row, target) ? "on" : "off", out);
        break;
    case OPTION_INT:
        fprintf(out, "%" PRId64, *AT_CONST(const int64_t, row, target));
        break;
    case OPTION_STRING:
        text = *AT_CONST(char *const, row, target);
        print_text(text ? text : "", out);
        break;
    case OPTION_LIST:
        print_list(AT_CONST(const struct option_list, row, target), ",", out);
        break;
    case OPTION_LINES:
    case OPTION_UNSUPPORTED:
        print_list(AT_CONST(const struct option_list, row, target), "\n", out);
        break;
    case OPTION_CHOICE:
        fputs(row->choices[*AT_CONST(const int, row, target)], out);
        break;
    case OPTION_DURATION:
        fputs(format_duration(*AT_CONST(const usec_t, row, target), buf, sizeof buf), out);
        break;
    case OPTION_IGNORED:
        break;
    }
}

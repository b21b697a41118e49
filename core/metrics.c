#include "core/metrics.h"

#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum entry_type { ENTRY_COUNTER, ENTRY_CALLBACK, ENTRY_HISTOGRAM };

struct entry {
    const char *name, *labels, *help; /* borrowed */
    enum entry_type type;
    enum metric_kind kind;
    double (*read)(void *arg); /* of a callback */
    union {
        const struct counter *counter;
        const struct histogram *histogram;
        void *arg;
        const void *value; /* whichever it is: what metrics_remove looks at */
    };
};

/* A lock for whoever registers and whoever writes the page; those who count never take it. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct entry *entries; /* owned, sorted by name, then labels, then age */
static size_t entry_count, entry_capacity;

void histogram_init(struct histogram *h, const uint64_t *bounds, size_t count, double scale)
{
    memset(h, 0, sizeof *h);
    h->bounds = bounds;
    h->count = count < HISTOGRAM_BUCKETS_MAX ? count : HISTOGRAM_BUCKETS_MAX;
    h->scale = scale;
}

void histogram_observe(struct histogram *h, uint64_t value)
{
    size_t i = 0;

    while (i < h->count && value > h->bounds[i])
        i++;
    counter_add(&h->bucket[i], 1);
    counter_add(&h->sum, value);
}

/* --- what Prometheus accepts ------------------------------------------------------------- */

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool name_valid(const char *name)
{
    if (!is_letter(*name) && *name != ':')
        return false;
    while (is_letter(*name) || is_digit(*name) || *name == ':')
        name++;
    return *name == '\0';
}

/* Past one `key="value"`, NULL when there is none. */
static const char *skip_label(const char *p)
{
    if (!is_letter(*p))
        return NULL;
    while (is_letter(*p) || is_digit(*p))
        p++;
    if (p[0] != '=' || p[1] != '"')
        return NULL;
    for (p += 2; *p != '"'; p++) {
        if (*p == '\0' || *p == '\n')
            return NULL;
        if (*p == '\\' && *++p != '\\' && *p != '"' && *p != 'n')
            return NULL;
    }
    return p + 1;
}

static bool labels_valid(const char *p)
{
    if (*p == '\0')
        return true;
    for (;;) {
        p = skip_label(p);
        if (!p)
            return false;
        if (*p == '\0')
            return true;
        if (*p++ != ',')
            return false;
    }
}

static bool histogram_alike(const struct histogram *a, const struct histogram *b)
{
    return a->count == b->count && a->scale == b->scale &&
           memcmp(a->bounds, b->bounds, a->count * sizeof *a->bounds) == 0;
}

/* Entries of one name must be of one kind, and histograms that are summed of one shape. */
static bool entries_agree(const struct entry *a, const struct entry *b)
{
    if ((a->type == ENTRY_HISTOGRAM) != (b->type == ENTRY_HISTOGRAM))
        return false;
    if (a->type == ENTRY_HISTOGRAM)
        return histogram_alike(a->histogram, b->histogram);
    return a->kind == b->kind;
}

/* --- the registry ------------------------------------------------------------------------ */

static int entry_compare(const struct entry *a, const struct entry *b)
{
    const int by_name = strcmp(a->name, b->name);

    return by_name ? by_name : strcmp(a->labels, b->labels);
}

static int make_room(void)
{
    if (entry_count < entry_capacity)
        return RC_OK;

    const size_t capacity = entry_capacity ? entry_capacity * 2 : 128;
    struct entry *grown = realloc(entries, capacity * sizeof *grown);
    if (!grown)
        return RC_NOMEM;
    entries = grown;
    entry_capacity = capacity;
    return RC_OK;
}

static int insert(const struct entry *entry)
{
    for (size_t i = 0; i < entry_count; i++) {
        if (strcmp(entries[i].name, entry->name) == 0 && !entries_agree(&entries[i], entry))
            return RC_BAD;
    }
    const int rc = make_room();
    if (rc != RC_OK)
        return rc;

    size_t at = entry_count;
    while (at > 0 && entry_compare(&entries[at - 1], entry) > 0)
        at--;
    memmove(&entries[at + 1], &entries[at], (entry_count - at) * sizeof *entries);
    entries[at] = *entry;
    entry_count++;
    return RC_OK;
}

static int add(const struct entry *entry)
{
    if (!name_valid(entry->name) || !labels_valid(entry->labels))
        return RC_BAD;

    pthread_mutex_lock(&lock);
    const int rc = insert(entry);
    pthread_mutex_unlock(&lock);
    return rc;
}

int metrics_add(const char *name, const char *labels, const char *help, enum metric_kind kind,
                struct counter *value)
{
    return add(&(struct entry){
        .name = name,
        .labels = labels,
        .help = help,
        .type = ENTRY_COUNTER,
        .kind = kind,
        .counter = value,
    });
}

int metrics_add_rows(const struct metric_row *rows, size_t count)
{
    int rc = RC_OK;

    for (size_t i = 0; rc == RC_OK && i < count; i++)
        rc = metrics_add(rows[i].name, rows[i].labels, rows[i].help, rows[i].kind,
                         rows[i].value);
    return rc;
}

int metrics_add_histogram(const char *name, const char *labels, const char *help,
                          struct histogram *value)
{
    return add(&(struct entry){
        .name = name,
        .labels = labels,
        .help = help,
        .type = ENTRY_HISTOGRAM,
        .histogram = value,
    });
}

int metrics_add_callback(const char *name, const char *labels, const char *help,
                         enum metric_kind kind, double (*read)(void *arg), void *arg)
{
    return add(&(struct entry){
        .name = name,
        .labels = labels,
        .help = help,
        .type = ENTRY_CALLBACK,
        .kind = kind,
        .read = read,
        .arg = arg,
    });
}

void metrics_remove(const void *start, size_t size)
{
    const uintptr_t from = (uintptr_t)start;
    size_t kept = 0;

    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < entry_count; i++) {
        if ((uintptr_t)entries[i].value - from >= size)
            entries[kept++] = entries[i];
    }
    entry_count = kept;
    if (kept == 0) {
        free(entries);
        entries = NULL;
        entry_capacity = 0;
    }
    pthread_mutex_unlock(&lock);
}

/* --- the page ---------------------------------------------------------------------------- */

static void write_help(FILE *out, const char *help)
{
    for (; *help; help++) {
        if (*help == '\n')
            fputs("\\n", out);
        else if (*help == '\\')
            fputs("\\\\", out);
        else
            fputc(*help, out);
    }
}

static void write_head(FILE *out, const struct entry *entry)
{
    const char *type = entry->type == ENTRY_HISTOGRAM ? "histogram"
                       : entry->kind == METRIC_GAUGE  ? "gauge"
                                                      : "counter";

    fprintf(out, "# HELP %s ", entry->name);
    write_help(out, entry->help);
    fprintf(out, "\n# TYPE %s %s\n", entry->name, type);
}

static void write_double(FILE *out, double v)
{
    if (isnan(v))
        fputs("NaN", out);
    else if (isinf(v))
        fputs(v > 0 ? "+Inf" : "-Inf", out);
    else
        fprintf(out, "%.15g", v);
}

static void write_labels(FILE *out, const char *labels)
{
    if (*labels)
        fprintf(out, "{%s}", labels);
}

/* Whole numbers stay whole as long as nobody in the group computes: a byte counter outgrows a
 * double's 15 digits. */
static void write_numbers(FILE *out, const struct entry *group, size_t count)
{
    uint64_t whole = 0;
    double computed = 0;
    bool any_computed = false;

    for (size_t i = 0; i < count; i++) {
        if (group[i].type == ENTRY_COUNTER) {
            whole += counter_get(group[i].counter);
            continue;
        }
        computed += group[i].read(group[i].arg);
        any_computed = true;
    }
    fputs(group->name, out);
    write_labels(out, group->labels);
    fputc(' ', out);
    if (any_computed)
        write_double(out, computed + (double)whole);
    else
        fprintf(out, "%" PRIu64, whole);
    fputc('\n', out);
}

static uint64_t bucket_sum(const struct entry *group, size_t count, size_t bucket)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += counter_get(&group[i].histogram->bucket[bucket]);
    return sum;
}

static void write_histograms(FILE *out, const struct entry *group, size_t count)
{
    const struct histogram *shape = group->histogram;
    const char *comma = *group->labels ? "," : "";
    uint64_t below = 0, sum = 0;

    for (size_t b = 0; b <= shape->count; b++) {
        below += bucket_sum(group, count, b);
        fprintf(out, "%s_bucket{%s%sle=\"", group->name, group->labels, comma);
        write_double(out,
                     b < shape->count ? (double)shape->bounds[b] * shape->scale : INFINITY);
        fprintf(out, "\"} %" PRIu64 "\n", below);
    }
    for (size_t i = 0; i < count; i++)
        sum += counter_get(&group[i].histogram->sum);
    fprintf(out, "%s_sum", group->name);
    write_labels(out, group->labels);
    fputc(' ', out);
    write_double(out, (double)sum * shape->scale);
    fprintf(out, "\n%s_count", group->name);
    write_labels(out, group->labels);
    fprintf(out, " %" PRIu64 "\n", below);
}

static void write_page(FILE *out)
{
    for (size_t i = 0, n; i < entry_count; i += n) {
        const struct entry *group = &entries[i];

        for (n = 1; i + n < entry_count && entry_compare(group, &entries[i + n]) == 0; n++)
            continue;
        if (i == 0 || strcmp(entries[i - 1].name, group->name) != 0)
            write_head(out, group);
        if (group->type == ENTRY_HISTOGRAM)
            write_histograms(out, group, n);
        else
            write_numbers(out, group, n);
    }
}

char *metrics_write(void)
{
    char *page = NULL;
    size_t size;
    FILE *out = open_memstream(&page, &size);

    if (!out)
        return NULL;
    pthread_mutex_lock(&lock);
    write_page(out);
    pthread_mutex_unlock(&lock);

    const bool failed = ferror(out) != 0;
    if (fclose(out) != 0 || failed) {
        free(page);
        return NULL;
    }
    return page;
}

/*
 * core/metrics.h - counters, gauges and histograms, and the page that shows them (Prometheus
 * text format 0.0.4).
 *
 * A counter is a number that its owner embeds and bumps; the registry only holds a pointer to
 * it. counter_add is for numbers that one thread writes (no lock prefix, fit for the packet
 * path); counter_add_shared for those that several do. Reading from another thread is always
 * allowed. Registered numbers of the same name and labels are summed: each worker registers its
 * own.
 */
#ifndef CORE_METRICS_H
#define CORE_METRICS_H

#include "core/base.h"

#include <stdatomic.h>

struct counter {
    _Atomic uint64_t value;
};

static inline void counter_add(struct counter *c, uint64_t n)
{
    atomic_store_explicit(&c->value, atomic_load_explicit(&c->value, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

static inline void counter_add_shared(struct counter *c, uint64_t n)
{
    atomic_fetch_add_explicit(&c->value, n, memory_order_relaxed);
}

/* For gauges: one writer. */
static inline void counter_set(struct counter *c, uint64_t n)
{
    atomic_store_explicit(&c->value, n, memory_order_relaxed);
}

static inline uint64_t counter_get(const struct counter *c)
{
    return atomic_load_explicit(&c->value, memory_order_relaxed);
}

#define HISTOGRAM_BUCKETS_MAX 20

/* One writer thread. Bounds are upper bounds in the base unit times `scale` (1e-6: observed in
 * microseconds, shown in seconds). The array of bounds is borrowed and must be static. */
struct histogram {
    const uint64_t *bounds;
    size_t count; /* of bounds, at most HISTOGRAM_BUCKETS_MAX */
    double scale;
    struct counter bucket[HISTOGRAM_BUCKETS_MAX + 1];
    struct counter sum;
};

void histogram_init(struct histogram *h, const uint64_t *bounds, size_t count, double scale);
void histogram_observe(struct histogram *h, uint64_t value);

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE };

/* name, labels ("" or `code="x"`) and help are borrowed for as long as the entry is registered.
 * Any thread; RC_NOMEM, or RC_BAD for a name or labels that Prometheus would refuse, and for a
 * name that is registered as something else (other kind, other histogram bounds). */
int metrics_add(const char *name, const char *labels, const char *help, enum metric_kind kind,
                struct counter *value);

/* Several of them; everything is borrowed, the rows for the call alone. Stops at the first that
 * fails. */
struct metric_row {
    const char *name, *labels, *help;
    enum metric_kind kind;
    struct counter *value;
};
int metrics_add_rows(const struct metric_row *rows, size_t count);

int metrics_add_histogram(const char *name, const char *labels, const char *help,
                          struct histogram *value);
/* A number that is computed when somebody looks; called on the thread of metrics_write, under
 * the registry's lock: `read` must not call metrics_ functions. */
int metrics_add_callback(const char *name, const char *labels, const char *help,
                         enum metric_kind kind, double (*read)(void *arg), void *arg);
/* Forgets every entry whose value (or callback argument) lies inside [start, start + size): for
 * owners that go away. */
void metrics_remove(const void *start, size_t size);

/* The whole page, sorted by name, as a malloc'ed string, NULL without memory. Caller frees. */
char *metrics_write(void);

#endif

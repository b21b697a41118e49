#include "core/refusal.h"

#include "core/metrics.h"

static const struct {
    const char *code, *labels, *text;
} rows[REFUSAL_COUNT] = {[REFUSAL_NONE] = {"ok", "", "no objection"},
#define X(name, code, text) [REFUSAL_##name] = {code, "code=\"" code "\"", text},
                         REFUSAL_TABLE(X)
#undef X
};

static struct counter totals[REFUSAL_COUNT];

static bool known(enum refusal why)
{
    return (unsigned)why < REFUSAL_COUNT;
}

const char *refusal_code(enum refusal why)
{
    return known(why) ? rows[why].code : "unknown";
}

const char *refusal_text(enum refusal why)
{
    return known(why) ? rows[why].text : "unknown reason";
}

enum refusal refuse(enum refusal why)
{
    if (known(why) && why != REFUSAL_NONE)
        counter_add_shared(&totals[why], 1);
    return why;
}

uint64_t refusal_total(enum refusal why)
{
    return known(why) ? counter_get(&totals[why]) : 0;
}

int refusal_register_metrics(void)
{
    for (size_t i = REFUSAL_NONE + 1; i < REFUSAL_COUNT; i++) {
        const int rc =
            metrics_add("meetopia_refused_total", rows[i].labels,
                        "What the server said no to, by reason.", METRIC_COUNTER, &totals[i]);
        if (rc != RC_OK)
            return rc;
    }
    return RC_OK;
}

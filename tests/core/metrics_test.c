#include "core/metrics.h"
#include "core/refusal.h"
#include "tests/t.h"

#include <math.h>

/* Each case registers in here, so that one call forgets it all. */
static struct {
    struct counter a, b, c;
    struct histogram h, i;
    double read;
} numbers;

static void start(void)
{
    metrics_remove(&numbers, sizeof numbers); /* of a case that failed before */
    memset(&numbers, 0, sizeof numbers);
}

static void page_is(const char *expected)
{
    char *page = metrics_write();
    char copy[4096];

    T_OK(page != NULL);
    snprintf(copy, sizeof copy, "%s", page);
    free(page);
    T_STR(copy, expected);
}

static void finish(void)
{
    metrics_remove(&numbers, sizeof numbers);
    page_is("");
}

static void counters_of_one_name_are_one_group(void)
{
    start();
    T_EQ(metrics_add("z_last", "", "The last.", METRIC_GAUGE, &numbers.c), RC_OK);
    T_EQ(metrics_add("a_total", "code=\"x\"", "A \\ b\nc.", METRIC_COUNTER, &numbers.a), RC_OK);
    T_EQ(metrics_add("a_total", "", "A.", METRIC_COUNTER, &numbers.b), RC_OK);
    counter_add(&numbers.a, 2);
    counter_add_shared(&numbers.b, UINT64_MAX - 1);
    counter_set(&numbers.c, 7);
    page_is("# HELP a_total A.\n"
            "# TYPE a_total counter\n"
            "a_total 18446744073709551614\n"
            "a_total{code=\"x\"} 2\n"
            "# HELP z_last The last.\n"
            "# TYPE z_last gauge\n"
            "z_last 7\n");
    finish();
}

static void help_is_escaped(void)
{
    start();
    T_EQ(metrics_add("a", "", "A \\ b\nc.", METRIC_COUNTER, &numbers.a), RC_OK);
    page_is("# HELP a A \\\\ b\\nc.\n# TYPE a counter\na 0\n");
    finish();
}

static void numbers_of_the_same_name_and_labels_are_summed(void)
{
    start();
    T_EQ(metrics_add("n", "w=\"1\"", "N.", METRIC_COUNTER, &numbers.a), RC_OK);
    T_EQ(metrics_add("n", "w=\"1\"", "N.", METRIC_COUNTER, &numbers.b), RC_OK);
    T_EQ(metrics_add("n", "w=\"2\"", "N.", METRIC_COUNTER, &numbers.c), RC_OK);
    counter_add(&numbers.a, 1);
    counter_add(&numbers.b, 2);
    counter_add(&numbers.c, 4);
    page_is("# HELP n N.\n# TYPE n counter\nn{w=\"1\"} 3\nn{w=\"2\"} 4\n");
    metrics_remove(&numbers.a, sizeof numbers.a);
    page_is("# HELP n N.\n# TYPE n counter\nn{w=\"1\"} 2\nn{w=\"2\"} 4\n");
    finish();
}

static void histograms_are_cumulative_and_summed(void)
{
    static const uint64_t bounds[] = {1000, 2000};

    start();
    histogram_init(&numbers.h, bounds, 2, 1e-6);
    histogram_init(&numbers.i, bounds, 2, 1e-6);
    T_EQ(metrics_add_histogram("t_seconds", "q=\"1\"", "T.", &numbers.h), RC_OK);
    T_EQ(metrics_add_histogram("t_seconds", "q=\"1\"", "T.", &numbers.i), RC_OK);
    histogram_observe(&numbers.h, 0);
    histogram_observe(&numbers.h, 1000); /* bounds are inclusive */
    histogram_observe(&numbers.h, 1001);
    histogram_observe(&numbers.i, 5000);
    page_is("# HELP t_seconds T.\n"
            "# TYPE t_seconds histogram\n"
            "t_seconds_bucket{q=\"1\",le=\"0.001\"} 2\n"
            "t_seconds_bucket{q=\"1\",le=\"0.002\"} 3\n"
            "t_seconds_bucket{q=\"1\",le=\"+Inf\"} 4\n"
            "t_seconds_sum{q=\"1\"} 0.007001\n"
            "t_seconds_count{q=\"1\"} 4\n");
    finish();
}

static double read_number(void *arg)
{
    return *(double *)arg;
}

static void computed_numbers_are_read_when_somebody_looks(void)
{
    start();
    T_EQ(metrics_add_callback("g", "", "G.", METRIC_GAUGE, read_number, &numbers.read), RC_OK);
    numbers.read = 0.25;
    page_is("# HELP g G.\n# TYPE g gauge\ng 0.25\n");
    numbers.read = NAN;
    page_is("# HELP g G.\n# TYPE g gauge\ng NaN\n");
    numbers.read = INFINITY;
    page_is("# HELP g G.\n# TYPE g gauge\ng +Inf\n");
    finish();
}

static void what_prometheus_would_refuse_is_refused(void)
{
    static const char *const names[] = {"", "1a", "a-b", "a b", "\xc3\xa9"};
    static const char *const labels[] = {"x",        "x=",         "x=\"",          "x=\"a",
                                         "=\"a\"",   "x=\"a\",",   "x=\"a\" y",     "1=\"a\"",
                                         "x=\"\n\"", "x=\"a\\b\"", "x=\"a\"y=\"b\""};

    start();
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        T_EQ(metrics_add(names[i], "", "", METRIC_COUNTER, &numbers.a), RC_BAD);
    for (size_t i = 0; i < ARRAY_LEN(labels); i++)
        T_EQ(metrics_add("a", labels[i], "", METRIC_COUNTER, &numbers.a), RC_BAD);
    T_EQ(metrics_add("a:b_1", "x=\"a\\\"\\\\\\n\",y=\"\"", "", METRIC_COUNTER, &numbers.a),
         RC_OK);
    finish();
}

static void one_name_has_one_kind(void)
{
    static const uint64_t bounds[] = {1, 2}, others[] = {1, 3};

    start();
    histogram_init(&numbers.h, bounds, 2, 1);
    histogram_init(&numbers.i, others, 2, 1);
    T_EQ(metrics_add("a", "", "", METRIC_COUNTER, &numbers.a), RC_OK);
    T_EQ(metrics_add("a", "", "", METRIC_GAUGE, &numbers.b), RC_BAD);
    T_EQ(metrics_add_histogram("a", "", "", &numbers.h), RC_BAD);
    T_EQ(metrics_add_histogram("h", "", "", &numbers.h), RC_OK);
    T_EQ(metrics_add_histogram("h", "", "", &numbers.i), RC_BAD);
    finish();
}

static void refusals_are_counted_under_their_codes(void)
{
    const uint64_t before = refusal_total(REFUSAL_IP_LIMIT);

    T_EQ(refuse(REFUSAL_IP_LIMIT), REFUSAL_IP_LIMIT);
    T_EQ(refusal_total(REFUSAL_IP_LIMIT) - before, 1);
    T_EQ(refuse(REFUSAL_NONE), REFUSAL_NONE);
    T_EQ(refusal_total(REFUSAL_NONE), 0);
    T_STR(refusal_code(REFUSAL_IP_LIMIT), "ip_limit");
    T_STR(refusal_code(REFUSAL_NONE), "ok");
    T_STR(refusal_text(REFUSAL_CHAT_EMPTY), "the message is empty");

    T_EQ(refusal_register_metrics(), RC_OK);
    char *page = metrics_write();
    T_OK(page && strstr(page, "meetopia_refused_total{code=\"ip_limit\"} 1\n"));
    T_OK(strstr(page, "meetopia_refused_total{code=\"chat_empty\"} 0\n"));
    free(page);
}

static void every_refusal_has_a_code_of_its_own(void)
{
    for (int i = 0; i < REFUSAL_COUNT; i++) {
        const char *code = refusal_code((enum refusal)i);

        T_EQ(strspn(code, "abcdefghijklmnopqrstuvwxyz0123456789_"), strlen(code));
        T_OK(strlen(code) > 0 && strlen(refusal_text((enum refusal)i)) > 0);
        for (int k = 0; k < i; k++)
            T_OK(strcmp(refusal_code((enum refusal)k), code) != 0);
    }
}

static const struct t_case cases[] = {
    T_CASE(counters_of_one_name_are_one_group),
    T_CASE(help_is_escaped),
    T_CASE(numbers_of_the_same_name_and_labels_are_summed),
    T_CASE(histograms_are_cumulative_and_summed),
    T_CASE(computed_numbers_are_read_when_somebody_looks),
    T_CASE(what_prometheus_would_refuse_is_refused),
    T_CASE(one_name_has_one_kind),
    T_CASE(refusals_are_counted_under_their_codes),
    T_CASE(every_refusal_has_a_code_of_its_own),
};
T_MAIN(cases)

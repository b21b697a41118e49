#include "turn/turn_counters.h"

#include "tests/t.h"

static struct turn_counters counters;

static bool page_has(const char *line)
{
    char *page = metrics_write();
    const bool found = page && strstr(page, line) != NULL;

    free(page);
    return found;
}

static void the_page_has_coturns_names_and_what_is_counted_now(void)
{
    T_EQ(turn_counters_register(&counters, "example.org"), RC_OK);
    counter_add(&counters.turn_total_traffic_rcvb, 17);
    counter_set(&counters.turn_total_allocations[TURN_TLS], 3);
    counter_add(&counters.stun_binding_request, 5);
    T_OK(page_has("turn_total_traffic_rcvb 17\n"));
    T_OK(page_has("turn_traffic_rcvb{realm=\"example.org\"} 17\n"));
    T_OK(page_has("turn_traffic_peer_sentp{realm=\"example.org\"} 0\n"));
    T_OK(page_has("turn_total_allocations{type=\"TLS/TCP\"} 3\n"));
    T_OK(page_has("turn_total_allocations{type=\"UDP\"} 0\n"));
    T_OK(page_has("stun_binding_request 5\n"));
    metrics_remove(&counters, sizeof counters);
    T_OK(!page_has("turn_total_traffic_rcvb"));
}

static void a_realm_of_any_characters_makes_a_label(void)
{
    T_EQ(turn_counters_register(&counters, "a\"b\\c\nd"), RC_OK);
    T_OK(page_has("{realm=\"a_b_c_d\"}"));
    metrics_remove(&counters, sizeof counters);
}

static const struct t_case cases[] = {
    T_CASE(the_page_has_coturns_names_and_what_is_counted_now),
    T_CASE(a_realm_of_any_characters_makes_a_label),
};
T_MAIN(cases)

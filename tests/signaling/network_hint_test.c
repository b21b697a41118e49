#include "signaling/network_hint.h"
#include "tests/t.h"

static void what_a_client_says_of_its_network_becomes_a_round_trip(void)
{
    static const struct {
        const char *latency, *info;
        uint32_t rtt;
    } rows[] = {
        {"40", "", 40000},
        {"12.5", "", 12500},
        {"40", "{\"rtt\":300}", 40000},
        {"", "{\"rtt\":300,\"effectiveType\":\"2g\"}", 300000},
        {"", "{\"effectiveType\":\"2g\"}", 1400000},
        {"", "{\"rtt\":0,\"effectiveType\":\"3g\"}", 270000},
        {"", "{\"effectiveType\":\"4g\"}", 0},
        {"x", "{\"rtt\":300}", 300000},
        {"1e9", "", 60000000},
        {"inf", "", 60000000},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        T_EQ(network_hint_rtt(rows[i].latency, rows[i].info), rows[i].rtt);
}

static void what_makes_no_sense_says_nothing(void)
{
    static const char *const latencies[] = {"", " ", "abc", "40ms", "-40", "nan", "-inf", "0"};
    static const char *const infos[] = {
        "",
        "[object Object]",
        "{",
        "[]",
        "7",
        "{\"rtt\":\"300\"}",
        "{\"rtt\":-1}",
        "{\"effectiveType\":4}",
        "{\"rtt\":1,\"rtt\":2}",
    };

    for (size_t i = 0; i < ARRAY_LEN(latencies); i++)
        T_EQ(network_hint_rtt(latencies[i], ""), 0);
    for (size_t i = 0; i < ARRAY_LEN(infos); i++)
        T_EQ(network_hint_rtt("", infos[i]), 0);
}

static const struct t_case cases[] = {
    T_CASE(what_a_client_says_of_its_network_becomes_a_round_trip),
    T_CASE(what_makes_no_sense_says_nothing),
};

T_MAIN(cases)

#include "turn/turn_counters.h"

#include <stdio.h>

/* As coturn names them. */
static const char *const transport_label[TURN_TRANSPORTS] = {
    [TURN_UDP] = "type=\"UDP\"",
    [TURN_TCP] = "type=\"TCP\"",
    [TURN_TLS] = "type=\"TLS/TCP\"",
    [TURN_DTLS] = "type=\"DTLS\"",
};

/* The name of turn_total_traffic_x is turn_traffic_x where it has the realm. */
static int add_of_realm(struct turn_counters *c)
{
    const struct {
        const char *name;
        struct counter *value;
    } rows[] = {
        {"turn_traffic_rcvp", &c->turn_total_traffic_rcvp},
        {"turn_traffic_rcvb", &c->turn_total_traffic_rcvb},
        {"turn_traffic_sentp", &c->turn_total_traffic_sentp},
        {"turn_traffic_sentb", &c->turn_total_traffic_sentb},
        {"turn_traffic_peer_rcvp", &c->turn_total_traffic_peer_rcvp},
        {"turn_traffic_peer_rcvb", &c->turn_total_traffic_peer_rcvb},
        {"turn_traffic_peer_sentp", &c->turn_total_traffic_peer_sentp},
        {"turn_traffic_peer_sentb", &c->turn_total_traffic_peer_sentb},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const int rc = metrics_add(rows[i].name, c->realm_label, "Traffic of TURN, by realm",
                                   METRIC_COUNTER, rows[i].value);
        if (rc != RC_OK)
            return rc;
    }
    return RC_OK;
}

/* A realm may have any characters; a label's value escapes two of them, and here loses them. */
static void write_label(char *out, size_t size, const char *realm)
{
    int n = snprintf(out, size, "realm=\"%.128s\"", realm);

    for (int i = (int)sizeof "realm=\"" - 1; i < n - 1; i++) {
        if (out[i] == '"' || out[i] == '\\' || out[i] == '\n')
            out[i] = '_';
    }
}

int turn_counters_register(struct turn_counters *c, const char *realm)
{
    int rc = RC_OK;

    write_label(c->realm_label, sizeof c->realm_label, realm);
#define X(name, help)                                                                          \
    if (rc == RC_OK)                                                                           \
        rc = metrics_add(#name, "", help, METRIC_COUNTER, &c->name);
    TURN_COUNTERS(X)
#undef X
    for (int i = 0; rc == RC_OK && i < TURN_TRANSPORTS; i++)
        rc = metrics_add("turn_total_allocations", transport_label[i], "Allocations now",
                         METRIC_GAUGE, &c->turn_total_allocations[i]);
    return rc == RC_OK ? add_of_realm(c) : rc;
}

/*
 * turn/turn_state.h - what is inside a struct turn_server. Internal to turn/.
 */
#ifndef TURN_TURN_STATE_H
#define TURN_TURN_STATE_H

#include "turn/allocation.h"
#include "turn/reservation.h"
#include "turn/turn_limiter.h"
#include "turn/turn_mobility.h"
#include "turn/turn_server.h"
#include "turn/turn_tcp_relay.h"

struct turn_server {
    struct turn_server_options options; /* defaults filled in */
    struct turn_output out;
    struct turn_counters counters;
    struct chain_table by_client, by_relayed, by_number; /* of allocations; the last has all */
    struct turn_allocation *last; /* borrowed: whose message came before this one; or NULL */
    uint64_t next_number;
    uint64_t indications; /* makes their transaction ids */
    struct reservations reservations;
    struct tcp_relays tcp;
    struct turn_limiter limiter;
    struct turn_ticket_key ticket_key;
    uint16_t next_port; /* of synthetic addresses */
};

static inline void turn_dropped(struct turn_server *server)
{
    counter_add(&server->counters.turn_packet_dropped, 1);
}

#endif

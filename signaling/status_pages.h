/*
 * signaling/status_pages.h - what the server tells of itself over HTTP: /health, /status,
 * /metrics and /api/v1/ice-servers.
 *
 * Handlers for http_route rows; control thread. `arg` is a struct status_pages.
 */
#ifndef SIGNALING_STATUS_PAGES_H
#define SIGNALING_STATUS_PAGES_H

#include "signaling/http.h"
#include "signaling/ice_servers.h"
#include "signaling/lobby.h"
#include "signaling/source_limit.h"

struct status_pages {
    struct lobby *lobby;           /* borrowed */
    const char *version;           /* borrowed */
    usec_t started;                /* clock_now() then */
    const struct ice_servers *ice; /* borrowed; NULL: there is no TURN */
    struct source_limit ice_limit; /* of /api/v1/ice-servers */
};

http_handler_fn status_health, status_status, status_metrics, status_ice_servers;

#endif

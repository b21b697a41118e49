#include "signaling/status_pages.h"

#include "core/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* True now, and not a minute later. */
static const struct http_field NOT_STORED[] = {{"Cache-Control", "no-store"}, {NULL, NULL}};

static void respond_json(struct http_request *request, json_t *body)
{
    char *text = json_dumps(body, JSON_COMPACT);

    json_decref(body);
    if (!text) {
        http_refuse(request, 503, REFUSAL_SERVER_FULL);
        return;
    }
    http_respond(request, 200, HTTP_JSON, NOT_STORED,
                 (struct span){(const uint8_t *)text, strlen(text)});
    free(text);
}

/* Resident bytes, from the kernel. */
static json_int_t resident_memory(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    long long size = 0, resident = 0;

    if (!file)
        return 0;
    if (fscanf(file, "%lld %lld", &size, &resident) != 2)
        resident = 0;
    fclose(file);
    return (json_int_t)resident * sysconf(_SC_PAGESIZE);
}

void status_health(struct http_request *request, void *arg)
{
    const struct status_pages *pages = arg;

    if (lobby_is_draining(pages->lobby)) { /* a load balancer should send people elsewhere */
        http_refuse(request, 503, REFUSAL_SHUTTING_DOWN);
        return;
    }
    respond_json(request, json_pack("{s:s, s:s}", "status", "ok", "version", pages->version));
}

static json_int_t gauge(const struct counter *counter)
{
    return (json_int_t)counter_get(counter);
}

/* This version keeps nobody whose socket is gone: standby and reconnecting are always 0. */
static json_t *connections_json(struct lobby *lobby)
{
    const struct lobby_stats *stats = lobby_stats(lobby);
    const json_int_t total = (json_int_t)lobby_users(lobby);

    return json_pack("{s:I, s:I, s:i, s:i, s:I, s:I}", "total", total, "active", total,
                     "standby", 0, "reconnecting", 0, "waiting",
                     (json_int_t)lobby_waiting(lobby), "paired",
                     gauge(&stats->users[USER_MATCHED]));
}

static json_t *network_json(struct lobby *lobby)
{
    const struct quality_summary *quality = lobby_quality(lobby);

    return json_pack("{s:f, s:{s:I, s:I, s:I}}", "avgLatency", (double)quality->mean_rtt / 1000,
                     "qualityDistribution", "good", (json_int_t)quality->users[QUALITY_GOOD],
                     "fair", (json_int_t)quality->users[QUALITY_FAIR], "poor",
                     (json_int_t)quality->users[QUALITY_POOR]);
}

/* Of the peer connections that came up or failed; 1 while there are none. */
static double success_rate(const struct lobby_stats *stats)
{
    const double up = (double)counter_get(&stats->media_connected);
    const double failed = (double)counter_get(&stats->media_failed);

    return up > 0 ? up / (up + failed) : failed > 0 ? 0 : 1;
}

/* Points of the matches made so far; the mean is 0 while there are none. */
static json_t *scores_json(struct lobby *lobby)
{
    const struct waiting_room *room = lobby_waiting_room(lobby);
    const double matches = (double)counter_get(&lobby_stats(lobby)->matches);
    const double each = matches > 0 ? 1 / matches : 0;

    return json_pack("{s:f, s:f, s:f}", "average", each * (double)counter_get(&room->score.sum),
                     "optimalShare", each * (double)room->optimal, "averageWait",
                     each * (double)counter_get(&room->wait.sum) / 2 / 1000);
}

void status_status(struct http_request *request, void *arg)
{
    const struct status_pages *pages = arg;
    const struct lobby_stats *stats = lobby_stats(pages->lobby);
    const usec_t up = clock_now() - pages->started;

    respond_json(request,
                 json_pack("{s:o, s:o, s:I, s:o, s:I, s:I, s:f, s:I, s:I, s:s}", "connections",
                           connections_json(pages->lobby), "networkHealth",
                           network_json(pages->lobby), "matches", gauge(&stats->matches),
                           "matchScores", scores_json(pages->lobby), "mediaConnected",
                           gauge(&stats->media_connected), "mediaFailed",
                           gauge(&stats->media_failed), "connectionSuccessRate",
                           success_rate(stats), "uptime", (json_int_t)(up / SEC(1)), "memory",
                           resident_memory(), "version", pages->version));
}

void status_metrics(struct http_request *request, void *arg)
{
    char *text = metrics_write();
    (void)arg;

    if (!text) {
        http_refuse(request, 503, REFUSAL_SERVER_FULL);
        return;
    }
    http_respond(request, 200, "text/plain; version=0.0.4; charset=utf-8", NOT_STORED,
                 (struct span){(const uint8_t *)text, strlen(text)});
    free(text);
}

/* Who asks is no user, and is known by an address alone: quotas and revocation are the
 * address's. */
void status_ice_servers(struct http_request *request, void *arg)
{
    struct status_pages *pages = arg;
    char guest[ICE_USER_ID_MAX];

    if (!source_limit_take(&pages->ice_limit, &request->from, ICE_SERVERS_PER_SECOND,
                           clock_now())) {
        http_refuse(request, 429, REFUSAL_RATE_LIMIT);
        return;
    }
    ice_servers_guest(guest, &request->from);
    respond_json(request,
                 json_pack("{s:o}", "iceServers", ice_servers_list(pages->ice, guest)));
}

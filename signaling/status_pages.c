#include "signaling/status_pages.h"

#include "core/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void respond_json(struct http_request *request, json_t *body)
{
    char *text = json_dumps(body, JSON_COMPACT);

    json_decref(body);
    if (!text) {
        http_refuse(request, 503, REFUSAL_SERVER_FULL);
        return;
    }
    http_respond(request, 200, "application/json",
                 (const struct http_field[]){{"Cache-Control", "no-store"}, {NULL, NULL}},
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

    respond_json(request,
                 json_pack("{s:s, s:s}", "status", "ok", "version", pages->version));
}

void status_status(struct http_request *request, void *arg)
{
    const struct status_pages *pages = arg;
    struct lobby *lobby = pages->lobby;
    struct lobby_stats *stats = lobby_stats(lobby);
    const json_int_t paired = (json_int_t)counter_get(&stats->users[USER_MATCHED]);
    const json_int_t total = (json_int_t)lobby_users(lobby);
    const json_int_t up = (json_int_t)counter_get(&stats->media_connected);
    const json_int_t down = (json_int_t)counter_get(&stats->media_failed);
    uint32_t quality[3];

    lobby_quality(lobby, quality);
    json_t *body = json_pack(
        "{s:{s:I, s:I, s:i, s:i, s:i, s:I}, s:{s:f, s:{s:i, s:i, s:i}}}", "connections",
        "total", total, "active", total, "standby", 0, "reconnecting", 0, "waiting",
        (int)lobby_waiting(lobby), "paired", paired, "networkHealth", "avgLatency",
        (double)lobby_mean_rtt(lobby) / 1000, "qualityDistribution", "good", (int)quality[0],
        "fair", (int)quality[1], "poor", (int)quality[2]);
    json_object_set_new(body, "matches", json_integer((json_int_t)counter_get(&stats->matches)));
    json_object_set_new(body, "mediaConnected", json_integer(up));
    json_object_set_new(body, "mediaFailed", json_integer(down));
    json_object_set_new(body, "uptime",
                        json_integer((json_int_t)((clock_now() - pages->started) / SEC(1))));
    json_object_set_new(body, "memory", json_integer(resident_memory()));
    json_object_set_new(body, "version", json_string(pages->version));
    respond_json(request, body);
}

void status_metrics(struct http_request *request, void *arg)
{
    char *text = metrics_write();
    (void)arg;

    if (!text) {
        http_refuse(request, 503, REFUSAL_SERVER_FULL);
        return;
    }
    http_respond(request, 200, "text/plain; version=0.0.4; charset=utf-8", NULL,
                 (struct span){(const uint8_t *)text, strlen(text)});
    free(text);
}

/* This server's media needs none: it is ICE-lite on a public address. */
void status_ice_servers(struct http_request *request, void *arg)
{
    (void)arg;
    respond_json(request, json_pack("{s:[]}", "iceServers"));
}

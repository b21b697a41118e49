#include "signaling/network_hint.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define RTT_MAX_MS 60000.0

/* The round trips that define the types (Network Information API, section 6). */
static const struct {
    const char *name;
    double ms;
} types[] = {{"slow-2g", 2000}, {"2g", 1400}, {"3g", 270}};

static uint32_t from_ms(double ms)
{
    if (!(ms > 0)) /* not a number, too */
        return 0;
    return (uint32_t)((ms < RTT_MAX_MS ? ms : RTT_MAX_MS) * 1000);
}

static uint32_t from_type(const char *type)
{
    for (size_t i = 0; type && i < ARRAY_LEN(types); i++)
        if (strcmp(types[i].name, type) == 0)
            return from_ms(types[i].ms);
    return 0; /* "4g" is everything that is faster */
}

static uint32_t from_info(const char *text)
{
    json_t *info = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

    uint32_t rtt = from_ms(json_number_value(json_object_get(info, "rtt")));
    if (rtt == 0)
        rtt = from_type(json_string_value(json_object_get(info, "effectiveType")));
    json_decref(info);
    return rtt;
}

uint32_t network_hint_rtt(const char *latency, const char *network_info)
{
    char *end;
    const double ms = strtod(latency, &end);

    if (*latency && !*end && from_ms(ms) > 0)
        return from_ms(ms);
    return *network_info ? from_info(network_info) : 0;
}

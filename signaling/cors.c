#include "signaling/cors.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* An origin or a rule in its parts: "scheme://host:port", each but the host may be empty. */
struct parts {
    const char *scheme, *host, *port;
    size_t scheme_n, host_n, port_n;
};

struct rule {
    char *text; /* owned; parts point into it */
    struct parts parts;
    bool everybody;  /* "*" */
    bool opaque;     /* "null" */
    bool subdomains; /* "*.example.org": parts.host is ".example.org" */
};

struct cors {
    size_t count;
    struct rule *rule; /* owned */
};

static bool same(const char *a, size_t a_n, const char *b, size_t b_n)
{
    return a_n == b_n && strncasecmp(a, b, a_n) == 0;
}

static bool is_literal(const char *a, size_t n, const char *literal)
{
    return same(a, n, literal, strlen(literal));
}

/* Host names, IPv4 addresses and bracketed IPv6 addresses; nothing that could end a host. */
static bool host_is_clean(const char *host, size_t n)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";

    if (n == 0)
        return false;
    if (host[0] == '[')
        return host[n - 1] == ']' && strspn(host + 1, "0123456789abcdefABCDEF:.") == n - 2;
    return strspn(host, plain) >= n;
}

/* "host" or "host:port" of n characters. */
static bool split_authority(const char *text, size_t n, struct parts *out)
{
    const char *bracket = n > 0 && text[0] == '[' ? memchr(text, ']', n) : text;
    if (!bracket)
        return false;
    const char *colon = memchr(bracket, ':', n - (size_t)(bracket - text));

    out->host = text;
    out->host_n = colon ? (size_t)(colon - text) : n;
    out->port = colon ? colon + 1 : text + n;
    out->port_n = (size_t)(text + n - out->port);
    if (colon && (out->port_n == 0 || out->port_n > 5))
        return false;
    return strspn(out->port, "0123456789") >= out->port_n &&
           host_is_clean(out->host, out->host_n);
}

/* "scheme://authority"; without a scheme only where `bare` says so. */
static bool split_origin(const char *text, bool bare, struct parts *out)
{
    const char *slashes = strstr(text, "://");

    *out = (struct parts){.scheme = text};
    if (!slashes)
        return bare && split_authority(text, strlen(text), out);
    out->scheme_n = (size_t)(slashes - text);
    return out->scheme_n > 0 && split_authority(slashes + 3, strlen(slashes + 3), out);
}

/* The port that is meant, "" when nobody can tell. */
static struct span port_of(const struct parts *parts)
{
    if (parts->port_n > 0)
        return (struct span){(const uint8_t *)parts->port, parts->port_n};
    if (is_literal(parts->scheme, parts->scheme_n, "http"))
        return SPAN_LITERAL("80");
    if (is_literal(parts->scheme, parts->scheme_n, "https"))
        return SPAN_LITERAL("443");
    return (struct span){0};
}

static bool same_port(struct span a, struct span b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* ---- rules ------------------------------------------------------------------------------- */

static int rule_parse(struct rule *rule, const char *text)
{
    size_t n = strlen(text);

    if (n == 0 || n > CORS_ORIGIN_MAX)
        return RC_BAD;
    rule->text = strdup(text);
    if (!rule->text)
        return RC_NOMEM;
    if (n > 1 && text[n - 1] == '/')
        rule->text[--n] = '\0'; /* people copy it from the address bar */
    rule->everybody = strcmp(rule->text, "*") == 0;
    rule->opaque = strcmp(rule->text, "null") == 0;
    if (rule->everybody || rule->opaque)
        return RC_OK;

    /* The star is taken out, so that what is left is a host like any other. */
    char *star = strstr(rule->text, "*.");
    if (star) {
        if (star != rule->text && star[-1] != '/')
            return RC_BAD;
        memmove(star, star + 1, strlen(star));
        rule->subdomains = true;
    }
    if (!split_origin(rule->text, true, &rule->parts))
        return RC_BAD;
    return rule->subdomains && rule->parts.host_n < 2 ? RC_BAD : RC_OK;
}

static bool host_matches(const struct rule *rule, const struct parts *origin)
{
    const struct parts *wanted = &rule->parts;

    if (!rule->subdomains)
        return same(wanted->host, wanted->host_n, origin->host, origin->host_n);
    if (origin->host_n <= wanted->host_n)
        return false;
    return same(wanted->host, wanted->host_n, origin->host + origin->host_n - wanted->host_n,
                wanted->host_n);
}

static bool rule_matches(const struct rule *rule, const struct parts *origin)
{
    const struct parts *wanted = &rule->parts;

    if (rule->everybody)
        return true;
    if (rule->opaque || !host_matches(rule, origin))
        return false;
    if (wanted->scheme_n == 0)
        return wanted->port_n == 0 || same_port(port_of(wanted), port_of(origin));
    return same(wanted->scheme, wanted->scheme_n, origin->scheme, origin->scheme_n) &&
           same_port(port_of(wanted), port_of(origin));
}

int cors_create(struct cors **out, const char *const *rules, size_t count, size_t *bad)
{
    struct cors *cors = calloc(1, sizeof *cors);

    if (cors)
        cors->rule = calloc(count > 0 ? count : 1, sizeof *cors->rule);
    if (!cors || !cors->rule) {
        free(cors);
        return RC_NOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        cors->count = i + 1;
        const int rc = rule_parse(&cors->rule[i], rules[i]);
        if (rc != RC_OK) {
            if (bad)
                *bad = i;
            cors_free(cors);
            return rc;
        }
    }
    *out = cors;
    return RC_OK;
}

void cors_free(struct cors *cors)
{
    if (!cors)
        return;
    for (size_t i = 0; i < cors->count; i++)
        free(cors->rule[i].text);
    free(cors->rule);
    free(cors);
}

void cors_exchange(struct cors *a, struct cors *b)
{
    const struct cors rules = *a;

    *a = *b;
    *b = rules;
}

/* Is the origin a page of this server? A Host without a port means the origin's default port.
 */
static bool is_own(const struct parts *origin, const char *host)
{
    struct parts own = {.scheme = origin->scheme, .scheme_n = origin->scheme_n};

    if (!host || !split_authority(host, strlen(host), &own))
        return false;
    return same(own.host, own.host_n, origin->host, origin->host_n) &&
           same_port(port_of(&own), port_of(origin));
}

static enum cors_verdict check_opaque(const struct cors *cors)
{
    for (size_t i = 0; i < cors->count; i++) {
        if (cors->rule[i].everybody || cors->rule[i].opaque)
            return CORS_ALLOWED;
    }
    return CORS_REFUSED;
}

enum cors_verdict cors_check(const struct cors *cors, const char *origin, const char *host)
{
    struct parts parts;

    if (!origin)
        return CORS_NO_ORIGIN;
    if (strcmp(origin, "null") == 0)
        return check_opaque(cors);
    if (strlen(origin) > CORS_ORIGIN_MAX || !split_origin(origin, false, &parts))
        return CORS_REFUSED;
    if (is_own(&parts, host))
        return CORS_ALLOWED;
    for (size_t i = 0; i < cors->count; i++) {
        if (rule_matches(&cors->rule[i], &parts))
            return CORS_ALLOWED;
    }
    return CORS_REFUSED;
}

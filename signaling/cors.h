/*
 * signaling/cors.h - which pages may use this server from a browser (Fetch standard, CORS).
 *
 * Sans-IO. Changed by cors_exchange only: any thread without it, otherwise the one that
 * exchanges.
 *
 * A rule is `*` (everybody), an origin `https://app.example.org:8443` (exact; default ports may
 * be left out), or a host `app.example.org`, `app.example.org:8443` (any scheme; any port when
 * it names none). `*.example.org`, with or without a scheme, means every name below
 * example.org, not itself. `null` is the opaque origin of files and sandboxes. A page of this
 * server itself (Origin's host and port are those of the Host field) is always welcome.
 */
#ifndef SIGNALING_CORS_H
#define SIGNALING_CORS_H

#include "core/base.h"

#define CORS_ORIGIN_MAX 300 /* longer origins are refused: a host name has 253 characters */

struct cors;

/* An empty list: only pages of this server itself. RC_BAD for a rule of none of these forms
 * (its index in *bad, which may be NULL), RC_NOMEM. */
int cors_create(struct cors **out, const char *const *rules, size_t count, size_t *bad);
void cors_free(struct cors *cors); /* NULL is fine */
/* Each gets the other's rules, so that whoever borrowed a list sees new ones. */
void cors_exchange(struct cors *a, struct cors *b);

enum cors_verdict {
    CORS_NO_ORIGIN, /* not a browser's cross-origin request: nothing to add */
    CORS_ALLOWED,   /* echo the origin, allow credentials */
    CORS_REFUSED,   /* 403 */
};

/* origin and host: the request's fields, NULL when absent. */
enum cors_verdict cors_check(const struct cors *cors, const char *origin, const char *host);

#endif

/*
 * signaling/query.h - percent-encoding (RFC 3986 section 2.1) and the parameters of a query
 * (application/x-www-form-urlencoded). Sans-IO, any thread.
 */
#ifndef SIGNALING_QUERY_H
#define SIGNALING_QUERY_H

#include "core/base.h"

/* Decodes n bytes of text into out, which must hold n bytes and may be `text`. Returns the
 * length; RC_BAD for an escape that is none or that means NUL. */
int percent_decode(char *out, const char *text, size_t n, bool plus_is_space);

/* As http_query and http_query_has in signaling/http.h. */
int query_get(const char *query, const char *name, char *buf, size_t size);
bool query_has(const char *query, const char *name);

#endif

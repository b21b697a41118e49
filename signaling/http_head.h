/*
 * signaling/http_head.h - the head of an HTTP/1 request: request line and header fields (RFC
 * 9112).
 *
 * Sans-IO. Any thread. Parsed by http_parser, and stricter than it: what two implementations
 * could read in two ways is refused (request smuggling): Content-Length beside
 * Transfer-Encoding or twice, a bare CR or LF, folded lines, white space before the colon,
 * transfer codings other than chunked, no Host or two, an unencoded fragment, controls or NUL
 * in the path.
 */
#ifndef SIGNALING_HTTP_HEAD_H
#define SIGNALING_HTTP_HEAD_H

#include "core/base.h"
#include "core/refusal.h"

#define HTTP_HEAD_MAX                                                                          \
    16384 /* bytes with the empty line: cookies and a token fit, floods do not */
#define HTTP_FIELDS_MAX 64 /* header fields */

enum http_method_mask {
    METHOD_GET = 1 << 0,
    METHOD_HEAD = 1 << 1,
    METHOD_POST = 1 << 2,
    METHOD_PUT = 1 << 3,
    METHOD_DELETE = 1 << 4,
    METHOD_OPTIONS = 1 << 5,
    METHOD_PATCH = 1 << 6,
};

struct http_head {
    unsigned method; /* enum http_method_mask */
    const char *method_name;
    const char *path;  /* percent-decoded; may hold any byte but controls; not always UTF-8 */
    const char *query; /* as it came */
    bool chunked;
    bool keep_alive;
    bool http_1_0;
    uint64_t content_length; /* 0 when there is none */
    uint32_t field_count;
    struct {
        const char *name, *value;
    } field[HTTP_FIELDS_MAX];
};

/* Looks for the end of a head in `bytes`, of which the first `seen` held none. Length of the
 * head with its empty line, or 0. */
size_t http_head_end(struct span bytes, size_t seen);

/* Parses a whole head in place: strings of `out` point into `bytes`, which is changed (NULs and
 * decoded escapes) and must outlive it. 0, or the HTTP status that refuses it (400, 417, 431,
 * 501, 505); *why then tells the code. */
int http_head_parse(uint8_t *bytes, size_t n, struct http_head *out, enum refusal *why);

/* The n-th value (from 0) of the field `name` in any case, or NULL. */
const char *http_head_field(const struct http_head *head, const char *name, size_t nth);

/* Is `token` (any case) an element of the comma-separated list? */
bool http_list_has(const char *list, const char *token);

/* "Switching Protocols"; "Unknown" for a status that nobody assigned. */
const char *http_status_text(int status);

#endif

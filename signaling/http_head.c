#include "signaling/http_head.h"

#include "signaling/query.h"

#include <http_parser.h>
#include <string.h>
#include <strings.h>

size_t http_head_end(struct span bytes, size_t seen)
{
    size_t at = seen > 3 ? seen - 3 : 0;

    if (bytes.n < 4 || at > bytes.n - 4)
        return 0;
    const uint8_t *end = memmem(bytes.p + at, bytes.n - at, "\r\n\r\n", 4);
    return end ? (size_t)(end - bytes.p) + 4 : 0;
}

/* RFC 9112: a line ends with CRLF and nothing else (section 2.2), no line is folded
 * (section 5.2), there is no NUL. http_parser lets all of these pass. */
static bool lines_are_clean(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i] == '\0')
            return false;
        if (p[i] == '\r' && (i + 1 == n || p[i + 1] != '\n'))
            return false;
        if (p[i] != '\n')
            continue;
        if (i == 0 || p[i - 1] != '\r')
            return false;
        if (i + 1 < n && (p[i + 1] == ' ' || p[i + 1] == '\t'))
            return false;
    }
    return true;
}

/* ---- what http_parser finds ----------------------------------------------------------------
 */

struct reading {
    struct http_head *head;
    uint8_t *bytes;
    char *target; /* in bytes, like all the strings */
    size_t target_n;
    uint16_t name_n[HTTP_FIELDS_MAX], value_n[HTTP_FIELDS_MAX];
    bool too_many;
    bool complete;
};

static bool is_token(const char *p, size_t n)
{
    static const char chars[] = "!#$%&'*+-.^_`|~0123456789"
                                "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    for (size_t i = 0; i < n; i++) {
        if (!memchr(chars, p[i], sizeof chars - 1))
            return false;
    }
    return n > 0;
}

static int on_url(http_parser *parser, const char *at, size_t n)
{
    struct reading *reading = parser->data;

    reading->target = (char *)reading->bytes + (at - (const char *)reading->bytes);
    reading->target_n = n;
    return 0;
}

static int on_field(http_parser *parser, const char *at, size_t n)
{
    struct reading *reading = parser->data;
    struct http_head *head = reading->head;

    reading->too_many = head->field_count == HTTP_FIELDS_MAX;
    /* RFC 9112 section 5.1: no white space before the colon; http_parser is built to allow it.
     */
    if (reading->too_many || !is_token(at, n))
        return 1;
    reading->name_n[head->field_count] = (uint16_t)n;
    reading->value_n[head->field_count] = 0;
    head->field[head->field_count].name = at;
    head->field[head->field_count].value = "";
    head->field_count++;
    return 0;
}

static int on_value(http_parser *parser, const char *at, size_t n)
{
    struct reading *reading = parser->data;
    const uint32_t i = reading->head->field_count - 1;

    if (n == 0)
        return 0;
    while (n > 1 && (at[n - 1] == ' ' || at[n - 1] == '\t'))
        n--;
    reading->head->field[i].value = at;
    reading->value_n[i] = (uint16_t)n;
    return 0;
}

static int on_headers_complete(http_parser *parser)
{
    struct reading *reading = parser->data;
    struct http_head *head = reading->head;

    reading->complete = true;
    head->keep_alive = http_should_keep_alive(parser);
    head->http_1_0 = parser->http_minor == 0;
    return 1; /* no body: that is the connection's */
}

static const http_parser_settings settings = {
    .on_url = on_url,
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_headers_complete = on_headers_complete,
};

/* ---- what we make of it --------------------------------------------------------------------
 */

static unsigned method_mask(unsigned method)
{
    switch (method) {
    case HTTP_GET:
        return METHOD_GET;
    case HTTP_HEAD:
        return METHOD_HEAD;
    case HTTP_POST:
        return METHOD_POST;
    case HTTP_PUT:
        return METHOD_PUT;
    case HTTP_DELETE:
        return METHOD_DELETE;
    case HTTP_OPTIONS:
        return METHOD_OPTIONS;
    case HTTP_PATCH:
        return METHOD_PATCH;
    default:
        return 0;
    }
}

/* Ends the strings of the fields with NUL: over the colon and over the CR behind them. */
static void end_strings(struct reading *reading)
{
    for (uint32_t i = 0; i < reading->head->field_count; i++) {
        const size_t name =
            (size_t)((const uint8_t *)reading->head->field[i].name - reading->bytes);
        reading->bytes[name + reading->name_n[i]] = '\0';
        if (reading->value_n[i] == 0)
            continue;
        const size_t value =
            (size_t)((const uint8_t *)reading->head->field[i].value - reading->bytes);
        reading->bytes[value + reading->value_n[i]] = '\0';
    }
}

/* RFC 9112 section 3.2: origin-form, absolute-form or, for OPTIONS, an asterisk. */
static bool split_target(struct reading *reading)
{
    struct http_head *head = reading->head;
    char *target = reading->target;

    if (!target || memchr(target, '#', reading->target_n))
        return false;
    target[reading->target_n] = '\0';
    head->query = "";
    if (strcmp(target, "*") == 0) {
        head->path = target;
        return head->method == METHOD_OPTIONS;
    }
    if (target[0] != '/') {
        char *authority = strstr(target, "://");

        if (!authority)
            return false;
        target = authority + 3 + strcspn(authority + 3, "/?");
    }
    char *question = strchr(target, '?');
    if (question) {
        *question = '\0';
        head->query = question + 1;
    }
    head->path = target;
    if (*target == '\0') {
        head->path = "/";
        return true;
    }
    const int n = percent_decode(target, target, strlen(target), false);
    if (n < 0)
        return false;
    target[n] = '\0';
    for (const char *c = target; *c; c++) {
        if ((uint8_t)*c < 0x20 || *c == 0x7f)
            return false;
    }
    return true;
}

/* RFC 9112 section 3.2: exactly one Host; it names a host and nothing more. */
static bool host_is_clean(const struct http_head *head)
{
    const char *host = http_head_field(head, "Host", 0);

    if (!host)
        return head->http_1_0;
    return !http_head_field(head, "Host", 1) && !strpbrk(host, " \t/?#@,\\\"<>");
}

/* RFC 9112 section 6.3, read strictly: one way to find the end of the body, or none. Returns 0
 * or the status of the refusal. */
static int find_framing(struct http_head *head, uint64_t content_length)
{
    const char *coding = http_head_field(head, "Transfer-Encoding", 0);
    const char *length = http_head_field(head, "Content-Length", 0);

    if (coding && (length || head->http_1_0))
        return 400;
    if (http_head_field(head, "Transfer-Encoding", 1) ||
        http_head_field(head, "Content-Length", 1))
        return 400;
    if (coding) {
        head->chunked = true;
        return strcasecmp(coding, "chunked") == 0 ? 0 : 501;
    }
    if (!length)
        return 0;
    if (length[0] == '\0' || strspn(length, "0123456789") != strlen(length))
        return 400;
    head->content_length = content_length;
    return 0;
}

static int check(struct reading *reading, const http_parser *parser)
{
    struct http_head *head = reading->head;

    if (parser->http_major != 1)
        return 505;
    head->method = method_mask(parser->method);
    head->method_name = http_method_str((enum http_method)parser->method);
    if (!head->method)
        return 501;
    if (!split_target(reading) || !host_is_clean(head))
        return 400;
    const char *expect = http_head_field(head, "Expect", 0);
    if (expect && strcasecmp(expect, "100-continue") != 0)
        return 417;
    return find_framing(head, parser->content_length);
}

static int run_parser(struct reading *reading, http_parser *parser, size_t n)
{
    http_parser_init(parser, HTTP_REQUEST);
    parser->data = reading;
    http_parser_execute(parser, &settings, (const char *)reading->bytes, n);
    if (reading->too_many)
        return 431;
    if (!reading->complete || HTTP_PARSER_ERRNO(parser) != HPE_OK)
        return HTTP_PARSER_ERRNO(parser) == HPE_INVALID_VERSION ? 505 : 400;
    return 0;
}

/* http_parser does not look at the letters of "HTTP/1.1". */
static bool version_is_spelt(const uint8_t *bytes, size_t n)
{
    const uint8_t *end = memchr(bytes, '\r', n);

    return end && end - bytes > 9 && memcmp(end - 9, " HTTP/1.", 8) == 0;
}

int http_head_parse(uint8_t *bytes, size_t n, struct http_head *out, enum refusal *why)
{
    struct reading reading = {.head = out, .bytes = bytes};
    http_parser parser;
    int status = 400;

    *why = REFUSAL_BAD_HTTP;
    memset(out, 0, offsetof(struct http_head, field));
    if (!lines_are_clean(bytes, n))
        return status;
    status = run_parser(&reading, &parser, n);
    if (status == 0 && parser.http_major == 1 && !version_is_spelt(bytes, n))
        status = 400;
    if (status == 0) {
        end_strings(&reading);
        status = check(&reading, &parser);
    }
    if (status == 431)
        *why = REFUSAL_HEADER_TOO_LARGE;
    if (status == 501 && !out->chunked)
        *why = REFUSAL_METHOD_NOT_ALLOWED;
    return status;
}

/* ---- looking things up ---------------------------------------------------------------------
 */

const char *http_head_field(const struct http_head *head, const char *name, size_t nth)
{
    for (uint32_t i = 0; i < head->field_count; i++) {
        if (strcasecmp(head->field[i].name, name) == 0 && nth-- == 0)
            return head->field[i].value;
    }
    return NULL;
}

bool http_list_has(const char *list, const char *token)
{
    const size_t token_n = strlen(token);

    while (*list) {
        list += strspn(list, " \t,");
        const size_t n = strcspn(list, " \t,;");
        if (n == token_n && strncasecmp(list, token, n) == 0)
            return true;
        list += strcspn(list, ",");
    }
    return false;
}

const char *http_status_text(int status)
{
    switch (status) {
#define XX(number, name, text)                                                                 \
    case number:                                                                               \
        return #text;
        HTTP_STATUS_MAP(XX)
#undef XX
    default:
        return "Unknown";
    }
}

#include "turn/turn_capability.h"

#include "core/base64.h"

#include <stdio.h>
#include <string.h>

#define MARK "~cap="

#define RATE_MAX 99999999999999999u /* bit/s; a number has at most 17 digits */

enum { MARK_BYTES = sizeof MARK - 1 };

/* --- reading -------------------------------------------------------------------------------
 */

/* Cuts off what stands before the first `end`, or all; *more says whether there was one. */
static struct span cut(struct span *rest, char end, bool *more)
{
    const uint8_t *at = rest->n > 0 ? memchr(rest->p, end, rest->n) : NULL;
    const struct span part = {rest->p, at ? (size_t)(at - rest->p) : rest->n};

    *more = at != NULL;
    *rest = at ? (struct span){at + 1, rest->n - part.n - 1} : (struct span){rest->p, 0};
    return part;
}

static bool read_number(struct span text, uint64_t max, uint64_t *out)
{
    uint64_t v = 0;

    if (text.n == 0 || text.n > 17 || text.p[0] == '0')
        return false;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return false;
        v = v * 10 + (uint64_t)(text.p[i] - '0');
    }
    *out = v;
    return v <= max;
}

static bool read_net(struct span text, struct address_net *out)
{
    char copy[ADDRESS_TEXT_MAX];

    if (text.n == 0 || text.n >= sizeof copy || memchr(text.p, 0, text.n))
        return false;
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    return address_net_parse(out, copy) == RC_OK;
}

static bool read_peers(struct span text, struct turn_capability *out)
{
    bool more = true;

    if (text.n == 3 && memcmp(text.p, "sfu", 3) == 0) {
        out->sfu_only = true;
        return true;
    }
    while (more) {
        const struct span net = cut(&text, ',', &more);

        if (out->net_count == TURN_CAPABILITY_NETS || !read_net(net, &out->net[out->net_count]))
            return false;
        out->net_count++;
    }
    return true;
}

/* A key that has a value already stands twice. */
static bool read_item(struct span item, struct turn_capability *out)
{
    uint64_t number;

    if (item.n < 3 || item.p[1] != '=')
        return false;
    const struct span value = {item.p + 2, item.n - 2};
    switch (item.p[0]) {
    case 'p':
        return !out->sfu_only && out->net_count == 0 && read_peers(value, out);
    case 'b':
        if (out->max_bytes_second != 0 || !read_number(value, RATE_MAX, &number))
            return false;
        out->max_bytes_second = (number + 7) / 8;
        return true;
    case 'n':
        if (out->max_allocations != 0 || !read_number(value, UINT32_MAX, &number))
            return false;
        out->max_allocations = (uint32_t)number;
        return true;
    default:
        return false;
    }
}

static bool read_list(struct span list, struct turn_capability *out)
{
    bool more = true;

    while (more) {
        if (!read_item(cut(&list, ';', &more), out))
            return false;
    }
    return true;
}

int turn_capability_read(struct span userid, struct span *name, struct turn_capability *out)
{
    uint8_t list[TURN_CAPABILITY_LIST_MAX + 3];
    struct turn_capability capability = {0};
    size_t n;

    const uint8_t *mark = userid.n > 0 ? memmem(userid.p, userid.n, MARK, MARK_BYTES) : NULL;
    if (!mark) {
        *name = userid;
        *out = capability;
        return RC_OK;
    }
    const struct span head = {userid.p, (size_t)(mark - userid.p)};
    const struct span text = {mark + MARK_BYTES, userid.n - head.n - MARK_BYTES};
    if (head.n == 0 || text.n > base64url_encoded_length(TURN_CAPABILITY_LIST_MAX) ||
        base64url_decode(list, text, &n) != RC_OK ||
        !read_list((struct span){list, n}, &capability))
        return RC_BAD;
    *name = head;
    *out = capability;
    return RC_OK;
}

/* --- writing -------------------------------------------------------------------------------
 */

struct writing {
    char text[TURN_CAPABILITY_LIST_MAX + 1];
    size_t n;
    bool overflow;
};

static void add(struct writing *w, const char *before, const char *text)
{
    const int n = snprintf(w->text + w->n, sizeof w->text - w->n, "%s%s", before, text);

    if (n < 0 || (size_t)n >= sizeof w->text - w->n)
        w->overflow = true;
    else
        w->n += (size_t)n;
}

static void add_number(struct writing *w, const char *key, uint64_t number)
{
    char text[24];

    snprintf(text, sizeof text, "%s%llu", key, (unsigned long long)number);
    add(w, w->n > 0 ? ";" : "", text);
}

static void add_peers(struct writing *w, const struct turn_capability *capability)
{
    char ip[ADDRESS_TEXT_MAX], net[ADDRESS_TEXT_MAX + 4];

    if (capability->sfu_only) {
        add(w, "p=", "sfu");
        return;
    }
    for (unsigned i = 0; i < capability->net_count; i++) {
        const struct address_net *n = &capability->net[i];
        snprintf(net, sizeof net, "%s/%u", address_format_ip(&n->base, ip, sizeof ip), n->bits);
        add(w, i > 0 ? "," : "p=", net);
    }
}

int turn_capability_write(char out[static TURN_CAPABILITY_SUFFIX_MAX],
                          const struct turn_capability *capability)
{
    struct writing w = {.n = 0};
    size_t n = 0;

    add_peers(&w, capability);
    if (capability->max_bytes_second > RATE_MAX / 8)
        return RC_FULL;
    if (capability->max_bytes_second != 0)
        add_number(&w, "b=", capability->max_bytes_second * 8);
    if (capability->max_allocations != 0)
        add_number(&w, "n=", capability->max_allocations);
    if (w.overflow)
        return RC_FULL;
    if (w.n > 0) {
        memcpy(out, MARK, MARK_BYTES);
        n = MARK_BYTES +
            base64url_encode(out + MARK_BYTES, (struct span){(const uint8_t *)w.text, w.n});
    }
    out[n] = '\0';
    return RC_OK;
}

#include "signaling/forwarded.h"

#include <string.h>
#include <strings.h>

static bool is_trusted(const struct address *a, const struct address_net *trusted, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (address_net_contains(&trusted[i], a))
            return true;
    }
    return false;
}

/* Cuts the last element off the list in text[0..*n); false when nothing is left or it is none.
 */
static bool last_address(const char *text, size_t *n, struct address *out)
{
    size_t end = *n;
    while (end > 0 && strchr(" \t,", text[end - 1]))
        end--;
    size_t start = end;
    while (start > 0 && text[start - 1] != ',')
        start--;
    *n = start;
    while (start < end && (text[start] == ' ' || text[start] == '\t'))
        start++;

    char copy[ADDRESS_TEXT_MAX];
    if (start == end || end - start >= sizeof copy)
        return false;
    memcpy(copy, text + start, end - start);
    copy[end - start] = '\0';
    if (address_parse(out, copy) != RC_OK)
        return false;
    address_set_port(out, 0);
    return true;
}

/* Walks one field's list from the right; false when the walk has come to its end. */
static bool walk(const char *list, struct address *from, const struct address_net *trusted,
                 size_t count)
{
    size_t n = strlen(list);
    struct address next;

    while (n > 0) {
        if (!is_trusted(from, trusted, count) || !last_address(list, &n, &next))
            return false;
        *from = next;
    }
    return true;
}

struct forwarded forwarded_resolve(const struct http_head *head, const struct address *from,
                                   bool tls, const struct address_net *trusted, size_t count)
{
    struct forwarded out = {.from = *from, .tls = tls};
    size_t fields = 0;

    if (!is_trusted(from, trusted, count))
        return out;
    while (http_head_field(head, "X-Forwarded-For", fields))
        fields++;
    while (fields > 0 &&
           walk(http_head_field(head, "X-Forwarded-For", --fields), &out.from, trusted, count))
        continue;

    const char *proto = http_head_field(head, "X-Forwarded-Proto", 0);
    if (proto)
        out.tls = strcasecmp(proto, "https") == 0;
    return out;
}

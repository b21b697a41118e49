/*
 * Fuzzes address_parse(), address_net_parse() and address_from_sockaddr(): what is understood
 * can be written, read back and is equal; no v4-mapped address lives in a struct address.
 */
#include "core/address.h"

#include <stdlib.h>
#include <string.h>

#define MUST(cond) ((cond) ? (void)0 : abort()) /* active in every build, unlike assert */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_address(const struct address *a)
{
    char text[ADDRESS_TEXT_MAX];
    struct address again, v6;

    MUST(address_len(a) == sizeof a->v4 || address_len(a) == sizeof a->v6);
    MUST(a->sa.sa_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&a->v6.sin6_addr));
    address_format(a, text, sizeof text);
    MUST(strlen(text) + 1 < sizeof text || text[strlen(text) - 1] != ']');
    MUST(address_parse(&again, text) == RC_OK);
    MUST(address_equal(a, &again));
    MUST(address_hash(a) == address_hash(&again));
    MUST(address_classify(a) == address_classify(&again));
    address_to_v6(&v6, a);
    MUST(address_from_sockaddr(&again, &v6.sa, address_len(&v6)) == RC_OK);
    MUST(address_equal(a, &again));
}

static void check_net(const struct address_net *net)
{
    const unsigned total = net->base.sa.sa_family == AF_INET ? 32 : 128;

    MUST(net->bits <= total);
    MUST(address_net_contains(net, &net->base));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct address a;
    struct address_net net;

    char *text = malloc(size + 1);
    if (!text)
        return 0;
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    if (address_parse(&a, text) == RC_OK)
        check_address(&a);
    if (address_net_parse(&net, text) == RC_OK)
        check_net(&net);
    free(text);

    if (size >= sizeof(struct sockaddr) &&
        address_from_sockaddr(&a, (const struct sockaddr *)(const void *)data,
                              (socklen_t)size) == RC_OK)
        check_address(&a);
    return 0;
}

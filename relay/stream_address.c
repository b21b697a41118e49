#include "relay/stream_address.h"

#define STREAM_SCOPE 0x80000000u

struct address stream_address_make(const struct address *peer, uint32_t number)
{
    struct address a;

    address_to_v6(&a, peer);
    a.v6.sin6_scope_id = STREAM_SCOPE | number;
    return a;
}

uint32_t stream_address_number(const struct address *a)
{
    if (a->sa.sa_family != AF_INET6 || !(a->v6.sin6_scope_id & STREAM_SCOPE))
        return 0;
    return a->v6.sin6_scope_id & STREAM_NUMBER_MAX;
}

struct address stream_address_peer(const struct address *a)
{
    struct sockaddr_in6 plain;
    struct address peer;

    if (!stream_address_number(a))
        return *a;
    plain = a->v6;
    plain.sin6_scope_id = 0;
    (void)address_from_sockaddr(&peer, (const struct sockaddr *)&plain, sizeof plain);
    return peer;
}

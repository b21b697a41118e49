#include "relay/local_candidates.h"

#define FOUND_FRESH SEC(5) /* a machine's addresses may change (DHCP) */

void local_candidates_init(struct local_candidates *local, const struct relay_options *options)
{
    *local = (struct local_candidates){.options = options};
}

void local_candidates_set_tcp(struct local_candidates *local, const uint16_t *ports,
                              size_t count)
{
    local->tcp_count = 0;
    for (size_t i = 0; i < count && local->tcp_count < RELAY_TCP_PORTS_MAX; i++)
        local->tcp[local->tcp_count++] = ports[i];
}

static const struct address *addresses(struct local_candidates *local, usec_t now,
                                       size_t *count)
{
    const struct relay_options *o = local->options;

    if (o->external_count) {
        *count = o->external_count;
        return o->external;
    }
    if (o->listen_count) {
        *count = o->listen_count;
        return o->listen;
    }
    if (local->found_at == 0 || now - local->found_at > FOUND_FRESH) {
        const int n = address_local(local->found, RELAY_ADDRESSES_MAX);

        local->found_count = n > 0 ? (size_t)n : 0;
        local->found_at = now;
    }
    *count = local->found_count;
    return local->found;
}

static void make(struct candidate *out, enum candidate_transport transport,
                 const struct address *ip, uint16_t port, size_t index)
{
    struct address address = *ip;

    address_set_port(&address, port);
    candidate_make_host(out, transport, &address, (unsigned)index);
}

size_t local_candidates_make(struct local_candidates *local, uint16_t udp_port, usec_t now,
                             struct candidate out[static LOCAL_CANDIDATES_MAX])
{
    size_t count, n = 0;
    const struct address *ip = addresses(local, now, &count);

    for (size_t i = 0; i < count; i++, n++)
        make(&out[n], CANDIDATE_UDP, &ip[i], udp_port, n);
    const size_t most = n + LOCAL_CANDIDATES_TCP_MAX;
    for (size_t port = 0; port < local->tcp_count; port++)
        for (size_t i = 0; i < count && n < most; i++, n++)
            make(&out[n], CANDIDATE_TCP_PASSIVE, &ip[i], local->tcp[port], n);
    return n;
}

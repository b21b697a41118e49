#include "app/turn_discovery.h"

static unsigned port_behind(const struct relay_options *media)
{
    const unsigned first = media->media_port ? media->media_port : media->port;
    const unsigned next = media->port + 1u, end = first + media->workers;

    return media->workers > 1 && next >= first && next < end ? end : next;
}

static const struct address *next_of_family(const struct relay_options *media, size_t from,
                                            sa_family_t family)
{
    for (size_t i = from; i < media->listen_count; i++)
        if (media->listen[i].sa.sa_family == family && !address_is_wildcard(&media->listen[i]))
            return &media->listen[i];
    return NULL;
}

int turn_discovery_choose(struct address *primary, struct address *other,
                          const struct relay_options *media, uint16_t alt_port)
{
    const unsigned port = alt_port ? alt_port : port_behind(media);

    if (media->port == 0 || port > UINT16_MAX || port == media->port)
        return RC_BAD;
    for (size_t i = 0; i < media->listen_count; i++) {
        const struct address *first = &media->listen[i];
        const struct address *second = next_of_family(media, i + 1, first->sa.sa_family);

        if (!second || address_is_wildcard(first))
            continue;
        *primary = *first;
        *other = *second;
        address_set_port(primary, media->port);
        address_set_port(other, (uint16_t)port);
        return RC_OK;
    }
    return RC_BAD;
}

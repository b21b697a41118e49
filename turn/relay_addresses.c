#include "turn/relay_addresses.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { MACHINE_MAX = 16 }; /* addresses of the machine that are looked at */

struct relay_addresses {
    pthread_mutex_t lock;
    struct relay_address entry[RELAY_ADDRESSES_LIMIT];
    size_t count;
    bool fixed; /* relay-ip was given */
    struct relay_external external[RELAY_ADDRESSES_LIMIT];
    size_t external_count;
    uint16_t min_port, max_port;
};

static bool of_family(const struct address *a, sa_family_t family)
{
    return a->sa.sa_family == family;
}

struct address relay_addresses_told(const struct relay_addresses *addresses,
                                    const struct address *ip)
{
    struct address told = *ip;

    for (size_t i = 0; i < addresses->external_count; i++) {
        const struct relay_external *external = &addresses->external[i];

        if (!of_family(&external->public, ip->sa.sa_family))
            continue;
        if (address_equal_ip(&external->private, ip))
            return external->public;
        if (address_len(&external->private) == 0)
            told = external->public;
    }
    return told;
}

/* Under the lock, or alone. NULL: no place, no memory. */
static const struct relay_address *add(struct relay_addresses *addresses,
                                       const struct address *ip)
{
    struct relay_address *entry = &addresses->entry[addresses->count];

    if (addresses->count == RELAY_ADDRESSES_LIMIT ||
        relay_ports_create(&entry->ports, addresses->min_port, addresses->max_port) != RC_OK)
        return NULL;
    entry->bind = *ip;
    address_set_port(&entry->bind, 0);
    entry->told = relay_addresses_told(addresses, &entry->bind);
    addresses->count++;
    return entry;
}

static const struct relay_address *find_ip(const struct relay_addresses *addresses,
                                           const struct address *ip)
{
    for (size_t i = 0; i < addresses->count; i++)
        if (address_equal_ip(&addresses->entry[i].bind, ip))
            return &addresses->entry[i];
    return NULL;
}

static const struct relay_address *first_of(const struct relay_addresses *addresses,
                                            sa_family_t family)
{
    for (size_t i = 0; i < addresses->count; i++)
        if (of_family(&addresses->entry[i].bind, family))
            return &addresses->entry[i];
    return NULL;
}

/* A client named the server by a loopback address: nobody else can reach it there, so the
 * machine's loopback of the other family is what fits. */
static bool add_loopback(struct relay_addresses *addresses, sa_family_t family)
{
    struct address loopback;

    return address_parse(&loopback, family == AF_INET ? "127.0.0.1" : "::1") == RC_OK &&
           (find_ip(addresses, &loopback) || add(addresses, &loopback));
}

static void add_machine(struct relay_addresses *addresses, sa_family_t family,
                        const struct address *local)
{
    struct address machine[MACHINE_MAX];
    const int n = address_local(machine, MACHINE_MAX);
    bool found = false;

    for (int i = 0; i < n; i++)
        if (of_family(&machine[i], family) &&
            !(address_classify(&machine[i]) & ADDRESS_LOOPBACK))
            found = add(addresses, &machine[i]) || found;
    if (!found && address_classify(local) & ADDRESS_LOOPBACK)
        (void)add_loopback(addresses, family);
}

static const struct relay_address *choose(struct relay_addresses *addresses, sa_family_t family,
                                          const struct address *local)
{
    const struct relay_address *entry = NULL;
    const bool usable = of_family(local, family) && !address_is_wildcard(local);

    if (usable)
        entry = find_ip(addresses, local);
    if (!entry && usable && !addresses->fixed)
        entry = add(addresses, local);
    if (!entry)
        entry = first_of(addresses, family);
    if (!entry && !addresses->fixed) {
        add_machine(addresses, family, local);
        entry = first_of(addresses, family);
    }
    return entry;
}

const struct relay_address *relay_addresses_choose(struct relay_addresses *addresses,
                                                   sa_family_t family,
                                                   const struct address *local)
{
    pthread_mutex_lock(&addresses->lock);
    const struct relay_address *entry = choose(addresses, family, local);
    pthread_mutex_unlock(&addresses->lock);
    return entry;
}

/* --- life --------------------------------------------------------------------------------- */

static int build(struct relay_addresses *addresses,
                 const struct relay_addresses_options *options)
{
    const bool unset = options->min_port == 0 && options->max_port == 0;

    if (options->relay_ip_count > RELAY_ADDRESSES_LIMIT ||
        options->external_count > RELAY_ADDRESSES_LIMIT)
        return RC_BAD;
    addresses->min_port = unset ? RELAY_PORT_FIRST : options->min_port;
    addresses->max_port = unset ? RELAY_PORT_LAST : options->max_port;
    if (addresses->min_port == 0 || addresses->min_port > addresses->max_port)
        return RC_BAD;
    if (options->external_count)
        memcpy(addresses->external, options->external,
               options->external_count * sizeof *options->external);
    addresses->external_count = options->external_count;
    addresses->fixed = options->relay_ip_count > 0;
    for (size_t i = 0; i < options->relay_ip_count; i++)
        if (!find_ip(addresses, &options->relay_ip[i]) &&
            !add(addresses, &options->relay_ip[i]))
            return RC_NOMEM;
    return RC_OK;
}

int relay_addresses_create(struct relay_addresses **out,
                           const struct relay_addresses_options *options)
{
    struct relay_addresses *addresses = calloc(1, sizeof *addresses);

    if (!addresses)
        return RC_NOMEM;
    pthread_mutex_init(&addresses->lock, NULL);
    const int rc = build(addresses, options);
    if (rc != RC_OK) {
        relay_addresses_free(addresses);
        return rc;
    }
    *out = addresses;
    return RC_OK;
}

void relay_addresses_free(struct relay_addresses *addresses)
{
    if (!addresses)
        return;
    for (size_t i = 0; i < addresses->count; i++)
        relay_ports_free(addresses->entry[i].ports);
    pthread_mutex_destroy(&addresses->lock);
    free(addresses);
}

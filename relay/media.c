#include "relay/media.h"

#include "core/table.h"
#include "relay/peer.h"
#include "relay/rtp.h"
#include "relay/stream_address.h"
#include "relay/stun.h"

#include <stdlib.h>
#include <string.h>

#define INPUT_CHUNK 64 /* SRTP packets unprotected at a time */
#define ADDRESS_HOLD SEC(3) /* media comes all the time, checks every 2.5 s */

/* An address as a hash key: every byte counts and is set. */
struct address_key {
    uint8_t ip[16];
    uint32_t scope;
    uint16_t port, family;
};

struct address_entry {
    struct address_key key;
    struct peer *peer;
    UT_hash_handle hh;
};

struct ufrag_entry {
    char ufrag[ICE_UFRAG_LEN + 1];
    struct peer *peer;
    UT_hash_handle hh;
};

struct id_entry {
    uint64_t id;
    struct peer *peer;
    UT_hash_handle hh;
};

/* SRTP or SRTCP packets of one chunk, side by side with whose they are. */
struct input_list {
    size_t count;
    struct srtp_packet packet[INPUT_CHUNK];
    struct peer *peer[INPUT_CHUNK];
    const struct address *from[INPUT_CHUNK];
};

/* Datagrams of one batch that are the guest's. */
struct guest_list {
    size_t count;
    struct udp_datagram datagram[UDP_DELIVER_MAX];
};

struct media {
    struct media_context context;
    struct media_output output;
    uint32_t max_peers;
    struct handshake_queue handshakes;
    struct stun_budget stun_budget;
    struct address_entry *addresses;
    struct ufrag_entry *ufrags;
    struct id_entry *ids;
    struct peer *dirty;
    bool woken;
    bool splicing; /* what is read now has come through the guest */
    struct input_list rtp, rtcp;
    struct peer *sender[UDP_DELIVER_MAX]; /* of the datagrams of one call; NULL: of no peer */
    uint32_t hash[UDP_DELIVER_MAX];
    struct guest_list guest;
    struct media_stats stats;
};

/* --- tables ---------------------------------------------------------------------------------------- */

static struct address_key key_of(const struct address *address)
{
    struct address_key key = {.family = address->sa.sa_family};

    if (address->sa.sa_family == AF_INET) {
        memcpy(key.ip, &address->v4.sin_addr, 4);
        key.port = address->v4.sin_port;
    } else {
        memcpy(key.ip, &address->v6.sin6_addr, 16);
        key.port = address->v6.sin6_port;
        key.scope = address->v6.sin6_scope_id;
    }
    return key;
}

static struct address_entry *find_address(const struct media *media,
                                          const struct address *address)
{
    const struct address_key key = key_of(address);
    struct address_entry *entry;

    HASH_FIND_BYHASHVALUE(hh, media->addresses, &key, sizeof key, address_hash(address), entry);
    return entry;
}

static struct peer *peer_from(const struct media *media, const struct address *from)
{
    const struct address_entry *entry = find_address(media, from);

    return entry ? entry->peer : NULL;
}

static struct peer *peer_by_id(const struct media *media, uint64_t id)
{
    struct id_entry *entry;

    HASH_FIND(hh, media->ids, &id, sizeof id, entry);
    return entry ? entry->peer : NULL;
}

static bool was_heard(const struct peer *peer, const struct address *from, usec_t now)
{
    if (peer->state != PEER_CONNECTED)
        return false;
    for (uint8_t i = 0; i < peer->ice.path_count; i++)
        if (address_equal(&peer->ice.path[i].remote, from))
            return now - peer->ice.path[i].last_alive < ADDRESS_HOLD;
    return false;
}

void media_add_address(struct media *media, struct peer *peer, const struct address *address,
                       usec_t now)
{
    struct address_entry *entry = find_address(media, address);

    if (entry && (entry->peer == peer || was_heard(entry->peer, address, now)))
        return;
    if (entry) { /* a NAT gave it to another client: whoever proved it last has it */
        entry->peer = peer;
        return;
    }
    entry = calloc(1, sizeof *entry);
    if (!entry)
        return;
    entry->key = key_of(address);
    entry->peer = peer;
    HASH_ADD_BYHASHVALUE(hh, media->addresses, key, sizeof entry->key, address_hash(address),
                         entry);
}

void media_remove_address(struct media *media, struct peer *peer, const struct address *address)
{
    struct address_entry *entry = find_address(media, address);

    if (!entry || entry->peer != peer)
        return;
    HASH_DELETE(hh, media->addresses, entry);
    free(entry);
    if (!stream_address_number(address))
        return;
    peer_leg_gone(peer, address);
    if (media->output.stream_end)
        media->output.stream_end(media->output.arg, address);
}

struct relay_leg media_leg(const struct media *media, const struct address *to)
{
    struct relay_leg leg = {.path = RELAY_PATH_UDP};

    if (media->output.leg)
        media->output.leg(media->output.arg, to, &leg);
    return leg;
}

bool media_accepts(const struct media *media, const struct address *from)
{
    return find_address(media, from) != NULL;
}

void media_leg_report(struct media *media, const struct address *remote,
                      const struct relay_leg *leg)
{
    const struct address_entry *entry = find_address(media, remote);

    if (entry)
        peer_leg_report(entry->peer, remote, leg);
}

void media_leg_gone(struct media *media, const struct address *remote)
{
    const struct address_entry *entry = find_address(media, remote);

    if (entry)
        peer_leg_gone(entry->peer, remote);
}

void media_stream_lost(struct media *media, const struct address *remote, usec_t now)
{
    const struct address_entry *entry = find_address(media, remote);

    if (entry)
        peer_stream_lost(entry->peer, remote, now);
}

void media_add_ufrag(struct media *media, struct peer *peer, const char *ufrag)
{
    struct ufrag_entry *entry = calloc(1, sizeof *entry);

    if (!entry)
        return;
    memcpy(entry->ufrag, ufrag, sizeof entry->ufrag);
    entry->peer = peer;
    HASH_ADD_STR(media->ufrags, ufrag, entry);
}

void media_remove_ufrag(struct media *media, struct peer *peer, const char *ufrag)
{
    struct ufrag_entry *entry;

    HASH_FIND_STR(media->ufrags, ufrag, entry);
    if (!entry || entry->peer != peer)
        return;
    HASH_DEL(media->ufrags, entry);
    free(entry);
}

/* --- for peers --------------------------------------------------------------------------------------- */

const struct media_context *media_context(const struct media *media)
{
    return &media->context;
}

struct media_stats *media_stats(struct media *media)
{
    return &media->stats;
}

static void wake(struct media *media)
{
    if (media->woken)
        return;
    media->woken = true;
    if (media->output.wake)
        media->output.wake(media->output.arg);
}

static void mark(struct media *media, struct peer *peer)
{
    wake(media);
    if (peer->dirty)
        return;
    peer->dirty = true;
    peer->next_dirty = media->dirty;
    media->dirty = peer;
}

void media_mark_dirty(struct media *media, struct peer *peer)
{
    peer->stirred = true;
    mark(media, peer);
}

void media_emit(struct media *media, const struct peer *peer, const struct media_event *event)
{
    media->output.event(media->output.arg, peer->id, event);
}

void media_tell_remote(struct media *media, unsigned worker, uint64_t to,
                       const struct media_remote *what)
{
    wake(media);
    if (media->output.remote)
        media->output.remote(media->output.arg, worker, to, what);
}

void media_emit_data(struct media *media, const struct peer *peer, struct span packet)
{
    if (media->output.data)
        media->output.data(media->output.arg, peer->id, packet);
}

/* --- datagrams ----------------------------------------------------------------------------------------- */

static bool has_guest(const struct media *media)
{
    return media->output.guest && !media->splicing;
}

static void serve_guest(struct media *media, usec_t now)
{
    if (media->guest.count)
        media->output.guest(media->output.arg, media->guest.datagram, media->guest.count, now);
    media->guest.count = 0;
}

/* There is room: it is served after each batch. */
static void give_guest(struct media *media, const struct udp_datagram *datagram)
{
    media->guest.datagram[media->guest.count++] = *datagram;
}

static void answer_binding(struct media *media, const struct udp_datagram *datagram, usec_t now)
{
    const struct span bytes = {datagram->data, datagram->len};
    const struct address seen = stream_address_peer(&datagram->from);
    uint8_t reply[STUN_BINDING_REPLY_MAX];
    size_t len = 0;

    if (stun_binding_reply(&media->stun_budget, bytes, &seen, now, reply, &len) ==
            REFUSAL_NONE &&
        len > 0) {
        outbox_send_raw(media->context.outbox, &datagram->from, &datagram->local,
                        (struct span){reply, len});
        wake(media);
    }
}

/* Whose check is it? Anything but a Binding request is nobody's and is not read to find out. */
static struct peer *peer_checked(const struct media *media, struct span bytes)
{
    char ufrag[ICE_UFRAG_LEN + 1];
    struct ufrag_entry *entry = NULL;

    if (bytes.n < STUN_HEADER_LEN || load_be16(bytes.p) != STUN_BINDING_REQUEST)
        return NULL;
    if (ice_message_ufrag(bytes, ufrag) == RC_OK)
        HASH_FIND_STR(media->ufrags, ufrag, entry);
    return entry ? entry->peer : NULL;
}

static void on_stun(struct media *media, const struct udp_datagram *datagram, usec_t now)
{
    const struct span bytes = {datagram->data, datagram->len};
    struct peer *peer = peer_checked(media, bytes);

    counter_add(&media->stats.stun_in, 1);
    if (peer)
        peer_stun(peer, bytes, &datagram->from, &datagram->local, now);
    else if (has_guest(media))
        give_guest(media, datagram);
    else
        answer_binding(media, datagram, now);
}

static void on_dtls(struct media *media, const struct udp_datagram *datagram, usec_t now)
{
    struct peer *peer = peer_from(media, &datagram->from); /* a check of this batch may be new */

    counter_add(&media->stats.dtls_in, 1);
    if (peer)
        peer_dtls(peer, (struct span){datagram->data, datagram->len}, now);
    else if (has_guest(media))
        give_guest(media, datagram);
    else
        refuse(REFUSAL_DATAGRAM_NO_PEER);
}

static void on_channel_data(struct media *media, const struct udp_datagram *datagram)
{
    counter_add(&media->stats.channel_data_in, 1);
    if (has_guest(media))
        give_guest(media, datagram);
    else
        refuse(REFUSAL_DATAGRAM_UNKNOWN);
}

static void collect(struct media *media, struct input_list *list,
                    const struct udp_datagram *datagram, struct peer *peer)
{
    if (!peer) /* unknown when the batch came, but perhaps since its first check */
        peer = peer_from(media, &datagram->from);
    if (!peer || !peer->srtp_in || peer->state == PEER_FAILED) {
        refuse(REFUSAL_DATAGRAM_NO_PEER);
        return;
    }
    list->packet[list->count] = (struct srtp_packet){
        .context = peer->srtp_in,
        .data = datagram->data,
        .len = datagram->len,
        .capacity = datagram->len,
    };
    list->peer[list->count] = peer;
    list->from[list->count++] = &datagram->from;
}

static void take_rtp(struct media *media, struct input_list *list, usec_t now)
{
    for (size_t i = 0; i < list->count; i++)
        if (i == 0 || list->peer[i] != list->peer[i - 1])
            peer_prefetch_more(list->peer[i]);
    if (list->count)
        srtp_engine_unprotect(media->context.srtp, list->packet, list->count);
    for (size_t i = 0; i < list->count; i++) {
        struct peer *peer = list->peer[i];

        if (list->packet[i].refusal != REFUSAL_NONE)
            continue;
        if (!peer->dirty)
            peer_authenticated(peer, list->from[i], now);
        mark(media, peer); /* what it stirs up, it says itself */
        peer_rtp(peer, list->packet[i].data, list->packet[i].len, now);
    }
    counter_add(&media->stats.rtp_in, list->count);
    list->count = 0;
}

static void take_rtcp(struct media *media, struct input_list *list, usec_t now)
{
    if (list->count)
        srtp_engine_unprotect_rtcp(media->context.srtp, list->packet, list->count);
    for (size_t i = 0; i < list->count; i++) {
        struct peer *peer = list->peer[i];

        if (list->packet[i].refusal != REFUSAL_NONE)
            continue;
        if (!peer->dirty)
            peer_authenticated(peer, list->from[i], now);
        media_mark_dirty(media, peer);
        peer_rtcp(peer, (struct span){list->packet[i].data, list->packet[i].len}, now);
    }
    counter_add(&media->stats.rtcp_in, list->count);
    list->count = 0;
}

static void take_datagram(struct media *media, const struct udp_datagram *datagram,
                          struct peer *sender, usec_t now)
{
    switch (datagram_classify((struct span){datagram->data, datagram->len})) {
    case DATAGRAM_STUN:
        on_stun(media, datagram, now);
        break;
    case DATAGRAM_DTLS:
        on_dtls(media, datagram, now);
        break;
    case DATAGRAM_CHANNEL_DATA:
        on_channel_data(media, datagram);
        break;
    case DATAGRAM_RTP:
        collect(media, &media->rtp, datagram, sender);
        break;
    case DATAGRAM_RTCP:
        collect(media, &media->rtcp, datagram, sender);
        break;
    default:
        refuse(REFUSAL_DATAGRAM_UNKNOWN);
        break;
    }
}

/* Whose the datagrams are. Tables and peers of hundreds of people are in no cache: each step asks for
 * what the next one reads, for all datagrams before any is waited for. */
static void find_senders(struct media *media, const struct udp_datagram *batch, size_t count)
{
    struct address_entry *const table = media->addresses;
    size_t first[UDP_DELIVER_MAX], firsts = 0; /* of each run from one address */

    if (!table) {
        memset(media->sender, 0, count * sizeof *media->sender);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && address_equal(&batch[i].from, &batch[i - 1].from))
            continue;
        media->hash[i] = address_hash(&batch[i].from);
        __builtin_prefetch(&table->hh.tbl->buckets[media->hash[i] & (table->hh.tbl->num_buckets - 1)]);
        first[firsts++] = i;
    }
    for (size_t k = 0; k < firsts; k++) {
        const UT_hash_bucket *bucket =
            &table->hh.tbl->buckets[media->hash[first[k]] & (table->hh.tbl->num_buckets - 1)];

        if (bucket->hh_head) {
            __builtin_prefetch(bucket->hh_head);
            __builtin_prefetch(ELMT_FROM_HH(table->hh.tbl, bucket->hh_head));
        }
    }
    for (size_t k = 0; k < firsts; k++) {
        const struct address_key key = key_of(&batch[first[k]].from);
        struct address_entry *entry;

        HASH_FIND_BYHASHVALUE(hh, table, &key, sizeof key, media->hash[first[k]], entry);
        media->sender[first[k]] = entry ? entry->peer : NULL;
        if (entry)
            peer_prefetch_first(entry->peer);
    }
    for (size_t i = 0, k = 0; i < count; i++) {
        if (k < firsts && first[k] == i)
            k++;
        else
            media->sender[i] = media->sender[i - 1];
    }
    for (size_t k = 0; k < firsts; k++)
        if (media->sender[first[k]] && media->sender[first[k]]->srtp_in)
            peer_prefetch(media->sender[first[k]]);
    for (size_t k = 0; k < firsts; k++)
        if (media->sender[first[k]] && media->sender[first[k]]->srtp_in)
            peer_prefetch_partner(media->sender[first[k]]);
}

static void take_batch(struct media *media, const struct udp_datagram *batch, size_t count,
                       usec_t now)
{
    find_senders(media, batch, count);
    for (size_t i = 0; i < count; i++) {
        take_datagram(media, &batch[i], media->sender[i], now);
        if (media->rtp.count == INPUT_CHUNK)
            take_rtp(media, &media->rtp, now);
        if (media->rtcp.count == INPUT_CHUNK)
            take_rtcp(media, &media->rtcp, now);
    }
    take_rtp(media, &media->rtp, now);
    take_rtcp(media, &media->rtcp, now);
}

static size_t batch_of(size_t count)
{
    return count < UDP_DELIVER_MAX ? count : UDP_DELIVER_MAX;
}

void media_input(struct media *media, struct udp_datagram *batch, size_t count, usec_t now)
{
    for (size_t at = 0; at < count; at += UDP_DELIVER_MAX) {
        take_batch(media, batch + at, batch_of(count - at), now);
        serve_guest(media, now);
    }
}

void media_splice(struct media *media, struct udp_datagram *batch, size_t count, usec_t now)
{
    media->splicing = true;
    for (size_t at = 0; at < count; at += UDP_DELIVER_MAX)
        take_batch(media, batch + at, batch_of(count - at), now);
    media->splicing = false;
}

void media_flush(struct media *media, usec_t now)
{
    media->woken = true; /* what is marked from here on is looked after in this very loop */
    while (media->dirty) {
        struct peer *peer = media->dirty;

        media->dirty = peer->next_dirty;
        peer->dirty = false;
        peer_settle(peer, now);
    }
    media->woken = false;
    outbox_flush(media->context.outbox);
}

/* --- peers ------------------------------------------------------------------------------------------------ */

int media_create(struct media **out, const struct media_options *options,
                 const struct media_output *output)
{
    struct media *media = calloc(1, sizeof *media);
    if (!media)
        return RC_NOMEM;
    media->output = *output;
    media->max_peers = options->max_peers;
    handshake_queue_init(&media->handshakes, options->max_handshakes);
    media->context = (struct media_context){
        .dtls = options->dtls,
        .srtp = options->srtp,
        .timers = options->timers,
        .handshakes = &media->handshakes,
        .max_bitrate = options->max_bitrate,
    };

    int rc = ice_agent_create(&media->context.ice);
    if (rc == RC_OK)
        rc = outbox_create(&media->context.outbox, options->srtp, &output->sink);
    if (rc != RC_OK) {
        media_free(media);
        return rc;
    }
    *out = media;
    return RC_OK;
}

static void forget_keys(struct media *media, struct peer *peer)
{
    for (uint8_t i = 0; i < peer->ice.path_count; i++)
        media_remove_address(media, peer, &peer->ice.path[i].remote);
    media_remove_ufrag(media, peer, peer->ice.local.ufrag);
    media_remove_ufrag(media, peer, peer->ice.previous.ufrag);
}

/* At most a handful of peers are dirty at any time outside a batch. */
static void forget_dirty(struct media *media, struct peer *peer)
{
    struct peer **at = &media->dirty;

    while (*at && *at != peer)
        at = &(*at)->next_dirty;
    if (*at)
        *at = peer->next_dirty;
}

static void close_entry(struct media *media, struct id_entry *entry, usec_t now)
{
    struct peer *peer = entry->peer;

    HASH_DEL(media->ids, entry);
    free(entry);
    forget_keys(media, peer);
    peer_unlink(peer, now);
    forget_dirty(media, peer);
    peer_free(peer, now);
}

void media_free(struct media *media)
{
    struct id_entry *entry, *next;

    if (!media)
        return;
    HASH_ITER(hh, media->ids, entry, next) close_entry(media, entry, 0);
    outbox_free(media->context.outbox);
    ice_agent_free(media->context.ice);
    free(media);
}

int media_peer_open(struct media *media, const struct media_peer_options *options, usec_t now)
{
    struct peer *peer;

    if (peer_by_id(media, options->id))
        return RC_BAD;
    if (HASH_COUNT(media->ids) >= media->max_peers)
        return RC_FULL;
    struct id_entry *entry = calloc(1, sizeof *entry);
    if (!entry)
        return RC_NOMEM;
    const int rc = peer_create(&peer, media, options, now);
    if (rc != RC_OK) {
        free(entry);
        return rc;
    }
    entry->id = options->id;
    entry->peer = peer;
    HASH_ADD(hh, media->ids, id, sizeof entry->id, entry);
    media_add_ufrag(media, peer, peer->ice.local.ufrag);
    counter_set(&media->stats.peers, HASH_COUNT(media->ids));
    return RC_OK;
}

int media_peer_update(struct media *media, uint64_t id, const struct sdp_negotiated *negotiated,
                      const struct ice_credentials *restart, usec_t now)
{
    struct peer *peer = peer_by_id(media, id);

    if (!peer)
        return RC_BAD;
    peer_configure(peer, negotiated, now);
    if (restart)
        peer_restart_ice(peer, negotiated, restart, now);
    return RC_OK;
}

void media_peer_close(struct media *media, uint64_t id, usec_t now)
{
    struct id_entry *entry;

    HASH_FIND(hh, media->ids, &id, sizeof id, entry);
    if (!entry)
        return;
    close_entry(media, entry, now);
    counter_set(&media->stats.peers, HASH_COUNT(media->ids));
}

void media_link(struct media *media, uint64_t a, uint64_t b, usec_t now)
{
    struct peer *first = peer_by_id(media, a), *second = peer_by_id(media, b);

    if (first && second && first != second)
        peer_link(first, second, now);
}

void media_unlink(struct media *media, uint64_t a, uint64_t b, usec_t now)
{
    struct peer *first = peer_by_id(media, a), *second = peer_by_id(media, b);

    if (first && second && first->partner == second)
        peer_unlink(first, now);
}

void media_link_remote(struct media *media, uint64_t id, unsigned worker, uint64_t partner,
                       usec_t now)
{
    struct peer *peer = peer_by_id(media, id);

    if (!peer)
        return;
    peer_unlink(peer, now);
    peer_link_remote(peer, worker, partner);
}

void media_unlink_remote(struct media *media, uint64_t id, uint64_t partner, usec_t now)
{
    struct peer *peer = peer_by_id(media, id);
    (void)now;

    if (peer && peer->remote && peer->remote->id == partner)
        peer_unlink_remote(peer);
}

void media_remote_input(struct media *media, uint64_t id, const struct media_remote *what,
                        usec_t now)
{
    struct peer *peer = peer_by_id(media, id);

    /* After an unlink a few packets are still on their way. */
    if (peer && peer->remote && peer->remote->id == what->from)
        peer_remote_input(peer, what, now);
}

void media_peer_send_data(struct media *media, uint64_t id, struct span packet, usec_t now)
{
    struct peer *peer = peer_by_id(media, id);

    if (!peer)
        return;
    peer_send_data(peer, packet, now);
    wake(media);
}

#include "relay/sctp_association.h"

#include "core/refusal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <usrsctp.h>

/*
 * RFC 9260 section 3:
 *
 *  |       Source Port Number      |     Destination Port Number   |
 *  |                      Verification Tag                         |
 *  |                           Checksum                            |
 *  |   Chunk Type  |  Chunk Flags  |         Chunk Length          |  and so on
 */
enum {
    HEADER_LENGTH = 12,
    CHECKSUM_AT = 8,
    CHUNK_HEADER_LENGTH = 4,
    PACKET_IN_MAX = 2048, /* over every path MTU that a client would use */
    READ_FIRST = 2048,    /* of a buffer; any notification that we ask for fits */
    READ_LEAST = 512,
    FINISH_TRIES = 10,
};

struct sctp_association {
    struct sctp_stack *stack; /* borrowed */
    struct sctp_association_options options;
    struct socket *socket; /* owned */
    unsigned streams_out;  /* 0: not up */
    bool over;             /* SCTP_EVENT_DOWN was made */

    bool has_event;
    struct sctp_association_event event;

    uint8_t *buf; /* owned; NULL between messages */
    size_t len, capacity;
    bool discarding; /* the rest of a message that is too large */

    bool ready; /* in the stack's list */
    TAILQ_ENTRY(sctp_association) next_ready;
};

TAILQ_HEAD(association_list, sctp_association);

struct sctp_stack {
    struct sctp_output output;
    struct association_list ready;
    usec_t ticked; /* 0: not yet */
};

/* usrsctp is one per process, and its output callback is told nothing but an address. */
static struct sctp_stack *process_stack;
static bool initialised; /* also when an earlier usrsctp_finish did not succeed */

/* --- packets ------------------------------------------------------------------------------ */

/* An endpoint's AF_CONN address is its id: nothing that could dangle. */
static void *address_of(uint64_t id)
{
    return (void *)(uintptr_t)id;
}

static int on_output(void *address, void *bytes, size_t n, uint8_t tos, uint8_t set_df)
{
    struct sctp_stack *stack = process_stack;
    (void)tos;
    (void)set_df;

    if (!stack || n < HEADER_LENGTH)
        return 0;
    const uint32_t sum = usrsctp_crc32c(bytes, n); /* of a field of zeros, in wire order */
    memcpy((uint8_t *)bytes + CHECKSUM_AT, &sum, sizeof sum);
    stack->output.packet(stack->output.arg, (uint64_t)(uintptr_t)address,
                         (struct span){bytes, n});
    return 0;
}

/* Section 3.2: a chunk's length counts its header and not its padding, which is at most three
 * bytes; the last chunk's may be missing. */
static bool chunks_add_up(struct span chunks)
{
    while (chunks.n > 0) {
        if (chunks.n < CHUNK_HEADER_LENGTH)
            return false;
        const size_t length = load_be16(chunks.p + 2);
        if (length < CHUNK_HEADER_LENGTH || length > chunks.n)
            return false;
        const size_t padded = (length + 3) & ~(size_t)3;
        const size_t step = padded < chunks.n ? padded : chunks.n;
        chunks = (struct span){chunks.p + step, chunks.n - step};
    }
    return true;
}

/* Takes the checksum out and compares it. */
static bool checksum_is_right(uint8_t *packet, size_t n)
{
    uint32_t claimed;

    memcpy(&claimed, packet + CHECKSUM_AT, sizeof claimed);
    memset(packet + CHECKSUM_AT, 0, sizeof claimed);
    return usrsctp_crc32c(packet, n) == claimed;
}

static bool looks_right(const struct sctp_association *association, struct span packet)
{
    return packet.n >= HEADER_LENGTH + CHUNK_HEADER_LENGTH && packet.n <= PACKET_IN_MAX &&
           load_be16(packet.p) == association->options.remote_port &&
           load_be16(packet.p + 2) == association->options.local_port &&
           chunks_add_up((struct span){packet.p + HEADER_LENGTH, packet.n - HEADER_LENGTH});
}

int sctp_association_input(struct sctp_association *association, struct span packet)
{
    uint8_t copy[PACKET_IN_MAX];

    if (!looks_right(association, packet)) {
        refuse(REFUSAL_SCTP_MALFORMED);
        return RC_BAD;
    }
    memcpy(copy, packet.p, packet.n);
    if (!checksum_is_right(copy, packet.n)) {
        refuse(REFUSAL_SCTP_MALFORMED);
        return RC_BAD;
    }
    usrsctp_conninput(address_of(association->options.id), copy, packet.n, 0);
    return RC_OK;
}

/* --- the stack ---------------------------------------------------------------------------- */

static void configure_stack(void)
{
    /* Both checksums are ours: a wrong one is counted, and usrsctp does not look again. */
    usrsctp_enable_crc32c_offload();
    (void)usrsctp_sysctl_set_sctp_blackhole(2);
    (void)usrsctp_sysctl_set_sctp_auto_asconf(0);
    (void)usrsctp_sysctl_set_sctp_asconf_enable(0);
    (void)usrsctp_sysctl_set_sctp_auth_enable(0);
    (void)usrsctp_sysctl_set_sctp_ecn_enable(0);
    (void)usrsctp_sysctl_set_sctp_nrsack_enable(0);
    (void)usrsctp_sysctl_set_sctp_pktdrop_enable(0);
    (void)usrsctp_sysctl_set_sctp_pr_enable(1);
    (void)usrsctp_sysctl_set_sctp_reconfig_enable(1);
    (void)usrsctp_sysctl_set_sctp_rto_initial_default(1000);
    (void)usrsctp_sysctl_set_sctp_init_rto_max_default(10000);
    (void)usrsctp_sysctl_set_sctp_rto_min_default(300);
    (void)usrsctp_sysctl_set_sctp_rto_max_default(10000);
}

int sctp_stack_create(struct sctp_stack **out, const struct sctp_output *output)
{
    if (process_stack)
        return RC_FULL;
    struct sctp_stack *stack = calloc(1, sizeof *stack);
    if (!stack)
        return RC_NOMEM;
    stack->output = *output;
    TAILQ_INIT(&stack->ready);
    if (!initialised)
        usrsctp_init_nothreads(0, on_output, NULL);
    initialised = true;
    configure_stack();
    process_stack = stack;
    *out = stack;
    return RC_OK;
}

void sctp_stack_free(struct sctp_stack *stack)
{
    if (!stack)
        return;
    process_stack = NULL;
    free(stack);
    /* What was closed a moment ago may still be held by a timer of usrsctp. */
    for (int i = 0; i < FINISH_TRIES && initialised; i++) {
        initialised = usrsctp_finish() != 0;
        if (initialised)
            usrsctp_handle_timers(1000);
    }
}

void sctp_stack_tick(struct sctp_stack *stack, usec_t now)
{
    if (stack->ticked == 0 || now < stack->ticked) {
        stack->ticked = now;
        return;
    }
    const usec_t elapsed = (now - stack->ticked) / MSEC(1);

    if (elapsed == 0)
        return;
    stack->ticked += MSEC(elapsed);
    usrsctp_handle_timers((uint32_t)elapsed);
}

static void set_ready(struct sctp_association *association, bool ready)
{
    struct association_list *list = &association->stack->ready;

    if (association->ready == ready)
        return;
    association->ready = ready;
    if (ready)
        TAILQ_INSERT_TAIL(list, association, next_ready);
    else
        TAILQ_REMOVE(list, association, next_ready);
}

struct sctp_association *sctp_stack_next_ready(struct sctp_stack *stack)
{
    struct sctp_association *association = TAILQ_FIRST(&stack->ready);

    if (association)
        set_ready(association, false);
    return association;
}

static void on_upcall(struct socket *socket, void *arg, int flags)
{
    (void)socket;
    (void)flags;
    set_ready(arg, true); /* usrsctp holds its locks: read later */
}

/* --- open and close ----------------------------------------------------------------------- */

static bool set_option(struct socket *socket, int option, const void *value, size_t size)
{
    return usrsctp_setsockopt(socket, IPPROTO_SCTP, option, value, (socklen_t)size) == 0;
}

static bool subscribe(struct socket *socket)
{
    static const uint16_t types[] = {SCTP_ASSOC_CHANGE, SCTP_STREAM_RESET_EVENT,
                                     SCTP_PARTIAL_DELIVERY_EVENT};

    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        const struct sctp_event event = {
            .se_assoc_id = SCTP_ALL_ASSOC, .se_type = types[i], .se_on = 1};

        if (!set_option(socket, SCTP_EVENT, &event, sizeof event))
            return false;
    }
    return true;
}

static bool configure_socket(struct socket *socket)
{
    const struct linger abort_on_close = {.l_onoff = 1, .l_linger = 0};
    const struct sctp_initmsg init = {.sinit_num_ostreams = SCTP_STREAMS,
                                      .sinit_max_instreams = SCTP_STREAMS};
    const struct sctp_assoc_value reset = {.assoc_id = SCTP_ALL_ASSOC,
                                           .assoc_value = SCTP_ENABLE_RESET_STREAM_REQ};
    /* Whether the client is still there is ICE's to find out. */
    const struct sctp_paddrparams path = {
        .spp_flags = SPP_PMTUD_DISABLE | SPP_HB_DISABLE,
        .spp_pathmtu = SCTP_PACKET_MAX - HEADER_LENGTH,
    };
    const int on = 1, send_buffer = SCTP_SEND_BUFFER, receive_buffer = SCTP_RECEIVE_BUFFER;

    return usrsctp_set_non_blocking(socket, 1) == 0 &&
           usrsctp_setsockopt(socket, SOL_SOCKET, SO_LINGER, &abort_on_close,
                              sizeof abort_on_close) == 0 &&
           usrsctp_setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &send_buffer,
                              sizeof send_buffer) == 0 &&
           usrsctp_setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &receive_buffer,
                              sizeof receive_buffer) == 0 &&
           set_option(socket, SCTP_INITMSG, &init, sizeof init) &&
           set_option(socket, SCTP_ENABLE_STREAM_RESET, &reset, sizeof reset) &&
           set_option(socket, SCTP_PEER_ADDR_PARAMS, &path, sizeof path) &&
           set_option(socket, SCTP_NODELAY, &on, sizeof on) &&
           set_option(socket, SCTP_RECVRCVINFO, &on, sizeof on) && subscribe(socket);
}

static bool connect_socket(struct socket *socket,
                           const struct sctp_association_options *options)
{
    struct sockaddr_conn local = {.sconn_family = AF_CONN,
                                  .sconn_addr = address_of(options->id)};
    struct sockaddr_conn remote = local;

    store_be16((uint8_t *)&local.sconn_port, options->local_port);
    store_be16((uint8_t *)&remote.sconn_port, options->remote_port);
    if (usrsctp_bind(socket, (struct sockaddr *)&local, sizeof local) < 0)
        return false;
    return usrsctp_connect(socket, (struct sockaddr *)&remote, sizeof remote) == 0 ||
           errno == EINPROGRESS;
}

int sctp_association_open(struct sctp_association **out, struct sctp_stack *stack,
                          const struct sctp_association_options *options)
{
    struct sctp_association *association = calloc(1, sizeof *association);
    if (!association)
        return RC_NOMEM;
    association->stack = stack;
    association->options = *options;
    usrsctp_register_address(address_of(options->id));

    int rc = RC_NOMEM;
    association->socket =
        usrsctp_socket(AF_CONN, SOCK_STREAM, IPPROTO_SCTP, NULL, NULL, 0, NULL);
    if (!association->socket)
        goto fail;
    rc = RC_SYS;
    if (!configure_socket(association->socket) ||
        usrsctp_set_upcall(association->socket, on_upcall, association) < 0 ||
        !connect_socket(association->socket, options))
        goto fail;
    *out = association;
    return RC_OK;

fail:
    sctp_association_close(association);
    return rc;
}

void sctp_association_close(struct sctp_association *association)
{
    const int saved = errno;

    if (!association)
        return;
    if (association->socket) {
        (void)usrsctp_set_upcall(association->socket, NULL, NULL);
        usrsctp_close(association->socket);
    }
    usrsctp_deregister_address(address_of(association->options.id));
    set_ready(association, false);
    free(association->buf);
    free(association);
    errno = saved;
}

void *sctp_association_user(const struct sctp_association *association)
{
    return association->options.user;
}

/* --- events ------------------------------------------------------------------------------- */

static bool make_event(struct sctp_association *association,
                       const struct sctp_association_event *event)
{
    association->event = *event;
    association->has_event = true;
    return true;
}

static bool make_down(struct sctp_association *association)
{
    const struct sctp_association_event event = {.kind = SCTP_EVENT_DOWN};

    association->streams_out = 0;
    if (association->over)
        return false;
    association->over = true;
    return make_event(association, &event);
}

static bool on_change(struct sctp_association *association, struct span bytes)
{
    struct sctp_assoc_change change;

    if (bytes.n < sizeof change)
        return false;
    memcpy(&change, bytes.p, sizeof change);
    switch (change.sac_state) {
    case SCTP_COMM_UP:
    case SCTP_RESTART: {
        const unsigned in = change.sac_inbound_streams, out = change.sac_outbound_streams;
        const struct sctp_association_event event = {.kind = SCTP_EVENT_UP,
                                                     .stream_count = in < out ? in : out};

        association->streams_out = out;
        association->len = 0;
        return make_event(association, &event);
    }
    default: /* lost, shut down, or it never came about */
        return make_down(association);
    }
}

static uint64_t stream_mask(struct span list)
{
    uint64_t mask = 0;

    if (list.n == 0)
        return UINT64_MAX; /* none named: all of them */
    for (; list.n >= 2; list = (struct span){list.p + 2, list.n - 2}) {
        uint16_t stream;

        memcpy(&stream, list.p, sizeof stream);
        if (stream < SCTP_STREAMS)
            mask |= UINT64_C(1) << stream;
    }
    return mask;
}

static bool on_stream_reset(struct sctp_association *association, struct span bytes)
{
    struct sctp_stream_reset_event reset;

    if (bytes.n < sizeof reset)
        return false;
    memcpy(&reset, bytes.p, sizeof reset);

    /* One that the client denied or never answered is over as well: there is no second way. */
    const bool incoming = reset.strreset_flags & SCTP_STREAM_RESET_INCOMING_SSN;
    const struct sctp_association_event event = {
        .kind = incoming ? SCTP_EVENT_RESET : SCTP_EVENT_RESET_DONE,
        .streams = stream_mask((struct span){bytes.p + sizeof reset, bytes.n - sizeof reset}),
    };
    if (!incoming && !(reset.strreset_flags & SCTP_STREAM_RESET_OUTGOING_SSN))
        return false;
    return event.streams ? make_event(association, &event) : false;
}

/* True: it made an event. */
static bool on_notification(struct sctp_association *association, struct span bytes)
{
    uint16_t type;

    if (bytes.n < sizeof type)
        return false;
    memcpy(&type, bytes.p, sizeof type);
    switch (type) {
    case SCTP_ASSOC_CHANGE:
        return on_change(association, bytes);
    case SCTP_STREAM_RESET_EVENT:
        return on_stream_reset(association, bytes);
    case SCTP_PARTIAL_DELIVERY_EVENT: /* the client gave up a message in the middle */
        association->len = 0;
        association->discarding = false;
        return false;
    default:
        return false;
    }
}

/* --- reading ------------------------------------------------------------------------------ */

static bool make_room(struct sctp_association *association)
{
    if (association->capacity - association->len >= READ_LEAST)
        return true;

    const size_t capacity = association->capacity ? 2 * association->capacity : READ_FIRST;
    uint8_t *grown = realloc(association->buf, capacity);
    if (!grown)
        return false;
    association->buf = grown;
    association->capacity = capacity;
    return true;
}

static void release_buffer(struct sctp_association *association)
{
    if (association->len > 0)
        return;
    free(association->buf);
    association->buf = NULL;
    association->capacity = 0;
}

/* A part of a message is behind what there was. True: it made an event. */
static bool on_part(struct sctp_association *association, size_t n,
                    const struct sctp_rcvinfo *info, bool last)
{
    struct sctp_association_event event = {
        .kind = SCTP_EVENT_MESSAGE,
        .message = {.stream = info->rcv_sid,
                    .ppid = ntohl(info->rcv_ppid),
                    .delivery = {.unordered = info->rcv_flags & SCTP_UNORDERED}},
    };

    if (association->discarding) {
        association->discarding = !last;
        return false;
    }
    association->len += n;
    if (association->len > association->options.max_message_in) {
        refuse(REFUSAL_DATA_TOO_LARGE);
        association->discarding = !last;
        association->len = 0;
        event.kind = SCTP_EVENT_TOO_LARGE;
        return make_event(association, &event);
    }
    if (!last)
        return false;
    event.message.data = (struct span){association->buf, association->len};
    return make_event(association, &event);
}

enum read_result { READ_NOTHING, READ_MORE, READ_EVENT };

static enum read_result read_once(struct sctp_association *association)
{
    struct sctp_rcvinfo info = {0};
    struct sockaddr_conn from;
    socklen_t info_length = sizeof info, from_length = sizeof from;
    unsigned info_type = SCTP_RECVV_NOINFO;
    int flags = 0;

    if (!make_room(association))
        return READ_NOTHING; /* no memory: the client waits until there is */
    uint8_t *at = association->buf + association->len;
    const ssize_t n = usrsctp_recvv(
        association->socket, at, association->capacity - association->len,
        (struct sockaddr *)&from, &from_length, &info, &info_length, &info_type, &flags);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return READ_NOTHING;
    if (n <= 0)
        return make_down(association) ? READ_EVENT : READ_NOTHING;
    const bool made = (flags & MSG_NOTIFICATION)
                          ? on_notification(association, (struct span){at, (size_t)n})
                          : on_part(association, (size_t)n, &info, flags & MSG_EOR);
    return made ? READ_EVENT : READ_MORE;
}

bool sctp_association_peek(struct sctp_association *association,
                           struct sctp_association_event *event)
{
    while (!association->has_event) {
        if (association->over || read_once(association) == READ_NOTHING) {
            release_buffer(association);
            return false;
        }
    }
    *event = association->event;
    return true;
}

void sctp_association_pop(struct sctp_association *association)
{
    if (association->has_event && association->event.kind == SCTP_EVENT_MESSAGE)
        association->len = 0;
    association->has_event = false;
}

/* --- sending ------------------------------------------------------------------------------ */

static struct sctp_prinfo policy_of(const struct sctp_delivery *delivery)
{
    const uint32_t limit = delivery->limit;

    if (delivery->reliability == SCTP_DELIVER_RETRANSMITS)
        return (struct sctp_prinfo){SCTP_PR_SCTP_RTX, limit};
    /* A lifetime of nothing would end before the first try. */
    return (struct sctp_prinfo){SCTP_PR_SCTP_TTL, limit ? limit : 1};
}

int sctp_association_send(struct sctp_association *association,
                          const struct sctp_message *message)
{
    const struct sctp_delivery *delivery = &message->delivery;
    struct sctp_sendv_spa spa = {
        .sendv_flags = SCTP_SEND_SNDINFO_VALID,
        .sendv_sndinfo = {.snd_sid = message->stream, .snd_ppid = htonl(message->ppid)},
    };

    if (message->stream >= association->streams_out || message->data.n == 0)
        return RC_BAD;
    if (message->data.n > association->options.max_message_out)
        return RC_FULL;
    if (delivery->unordered)
        spa.sendv_sndinfo.snd_flags |= SCTP_UNORDERED;
    if (delivery->reliability != SCTP_DELIVER_ALL) {
        spa.sendv_flags |= SCTP_SEND_PRINFO_VALID;
        spa.sendv_prinfo = policy_of(delivery);
    }
    const ssize_t n = usrsctp_sendv(association->socket, message->data.p, message->data.n, NULL,
                                    0, &spa, sizeof spa, SCTP_SENDV_SPA, 0);
    if (n < 0)
        return errno == EAGAIN || errno == ENOBUFS ? RC_AGAIN : RC_BAD;
    return RC_OK;
}

int sctp_association_reset(struct sctp_association *association, uint16_t stream)
{
    union {
        struct sctp_reset_streams reset;
        uint8_t bytes[sizeof(struct sctp_reset_streams) + sizeof(uint16_t)];
    } request = {.reset = {.srs_flags = SCTP_STREAM_RESET_OUTGOING, .srs_number_streams = 1}};

    /* usrsctp 0.9.5 lets the id one past the end through. */
    if (stream >= association->streams_out)
        return RC_BAD;
    memcpy(request.bytes + sizeof request.reset, &stream, sizeof stream);
    if (set_option(association->socket, SCTP_RESET_STREAMS, &request, sizeof request))
        return RC_OK;
    return errno == EALREADY || errno == EBUSY || errno == EAGAIN ? RC_AGAIN : RC_BAD;
}

#include "core/greeter.h"

#include "core/proxy_protocol.h"
#include "core/refusal.h"
#include "core/ward.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum phase {
    PHASE_PROXY,     /* a proxy's header is awaited */
    PHASE_FIRST,     /* first bytes, of a protocol or of TLS */
    PHASE_HANDSHAKE, /* TLS */
    PHASE_INSIDE,    /* first bytes inside TLS */
};

/* Bytes that had to be read to be seen. */
struct inside {
    size_t n;
    uint8_t bytes[LISTENER_FIRST_BYTES];
};

struct guest {
    struct ward_entry entry;
    struct greeter *greeter; /* borrowed */
    enum phase phase;
    struct stream stream;
    struct event *event;   /* owned */
    unsigned wants;        /* of enum stream_wants: what the event waits for */
    size_t peeked;         /* bytes that the last look found */
    struct inside *inside; /* owned; PHASE_INSIDE only */
    struct address from;
};

struct greeter {
    struct loop *loop;
    struct greeter_options options;
    SSL_CTX *tls; /* a reference of our own, or NULL */
    struct ward waiting;
    uint32_t count;
};

/* --- ends -----------------------------------------------------------------------------------
 */

/* Frees it, but not its connection. */
static void forget(struct guest *guest)
{
    ward_remove(&guest->greeter->waiting, &guest->entry);
    guest->greeter->count--;
    if (guest->event)
        event_free(guest->event);
    free(guest->inside);
    free(guest);
}

static void close_guest(struct guest *guest)
{
    struct stream stream = guest->stream;

    forget(guest);
    stream_close(&stream);
}

static void drop(struct guest *guest)
{
    const struct greeter_options *o = &guest->greeter->options;

    close_guest(guest);
    o->lost(o->arg);
}

static void refuse_and_drop(struct guest *guest, enum refusal why)
{
    refuse(why);
    drop(guest);
}

static void on_late(void *arg, struct ward_entry *entry)
{
    struct guest *guest = (struct guest *)((char *)entry - offsetof(struct guest, entry));
    (void)arg;

    refuse_and_drop(guest, guest->stream.tls ? REFUSAL_TLS_FAILED : REFUSAL_REQUEST_TIMEOUT);
}

/* --- recognising ----------------------------------------------------------------------------
 */

/* The protocol that takes these first bytes, or in `more` whether more of them could decide. */
static const struct listener_protocol *recognise(const struct greeter *greeter,
                                                 const uint8_t *first, size_t n, bool *more)
{
    *more = false;
    for (size_t i = 0; i < greeter->options.protocol_count; i++) {
        const struct listener_protocol *protocol = &greeter->options.protocols[i];
        const enum recognition r = protocol->recognise(first, n);

        if (r == RECOGNISED_YES)
            return protocol;
        if (r == RECOGNISED_MORE && n < LISTENER_FIRST_BYTES)
            *more = true;
    }
    return NULL;
}

/* RFC 8446, 5.1: a handshake record (22) with a legacy version of 3.x. */
static enum recognition recognise_tls(const uint8_t *first, size_t n)
{
    if (first[0] != 0x16)
        return RECOGNISED_NO;
    if (n < 2)
        return RECOGNISED_MORE;
    return first[1] == 0x03 ? RECOGNISED_YES : RECOGNISED_NO;
}

/* From here on it is the protocol's. */
static void hand_over(struct guest *guest, const struct listener_protocol *protocol,
                      const uint8_t *first, size_t n)
{
    const struct greeter_options *o = &guest->greeter->options;
    struct inside *inside = guest->inside; /* `first` may point there */
    const struct greeting greeting = {
        .protocol = protocol,
        .stream = guest->stream,
        .from = guest->from,
        .first = {first, n},
    };

    guest->inside = NULL;
    forget(guest);
    o->understood(o->arg, &greeting);
    free(inside);
}

/* --- waiting --------------------------------------------------------------------------------
 */

static void on_event(evutil_socket_t fd, short what, void *arg);

/* False: no memory, and the guest is gone. */
static bool watch(struct guest *guest, unsigned wants)
{
    const short what = wants & STREAM_WANTS_WRITE ? EV_WRITE : EV_READ;

    if (guest->event && guest->wants == wants)
        return true;
    if (guest->event)
        event_free(guest->event);
    guest->wants = wants;
    guest->event = event_new(loop_base(guest->greeter->loop), guest->stream.fd,
                             (short)(what | EV_PERSIST), on_event, guest);
    if (guest->event && event_add(guest->event, NULL) == 0)
        return true;
    drop(guest);
    return false;
}

/* A level-triggered poll would report bytes that we only look at for ever: ask to be woken when
 * there are so many. */
static void wait_for_bytes(const struct guest *guest, size_t n)
{
    const int least = (int)n;

    setsockopt(guest->stream.fd, SOL_SOCKET, SO_RCVLOWAT, &least, sizeof least);
}

static void want_more(struct guest *guest, size_t have, size_t need)
{
    guest->peeked = have;
    wait_for_bytes(guest, need);
}

static void have_enough(struct guest *guest)
{
    if (guest->peeked)
        wait_for_bytes(guest, 1);
    guest->peeked = 0;
}

/* How many bytes lie there, with a copy of the first of them; 0: not now, or the guest is gone.
 */
static size_t look(struct guest *guest, uint8_t *buf, size_t size)
{
    const ssize_t n = recv(guest->stream.fd, buf, size, MSG_PEEK | MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n > 0 && (size_t)n != guest->peeked)
        return (size_t)n;
    drop(guest); /* hung up: before a word, or in the middle of one */
    return 0;
}

/* --- inside TLS -----------------------------------------------------------------------------
 */

static void read_inside(struct guest *guest)
{
    struct greeter *greeter = guest->greeter;
    struct inside *inside = guest->inside;
    bool more = true;

    while (inside->n < sizeof inside->bytes) {
        unsigned wants;
        const long n = stream_read(&guest->stream, inside->bytes + inside->n,
                                   sizeof inside->bytes - inside->n, &wants);
        if (n == RC_AGAIN) {
            (void)watch(guest, wants);
            return;
        }
        if (n <= 0) {
            refuse_and_drop(guest, REFUSAL_TLS_FAILED);
            return;
        }
        inside->n += (size_t)n;
        const struct listener_protocol *protocol =
            recognise(greeter, inside->bytes, inside->n, &more);
        if (protocol) {
            hand_over(guest, protocol, inside->bytes, inside->n);
            return;
        }
        if (!more)
            break;
    }
    refuse_and_drop(guest, REFUSAL_UNKNOWN_PROTOCOL);
}

static void shake_hands(struct guest *guest)
{
    unsigned wants;
    const int rc = stream_handshake(&guest->stream, &wants);

    if (rc == RC_AGAIN) {
        (void)watch(guest, wants);
        return;
    }
    if (rc == RC_OK)
        guest->inside = calloc(1, sizeof *guest->inside);
    if (!guest->inside) {
        refuse_and_drop(guest, REFUSAL_TLS_FAILED);
        return;
    }
    guest->phase = PHASE_INSIDE;
    read_inside(guest);
}

static void begin_tls(struct guest *guest)
{
    if (stream_begin_tls(&guest->stream, guest->greeter->tls) != RC_OK) {
        refuse_and_drop(guest, REFUSAL_TLS_FAILED);
        return;
    }
    guest->phase = PHASE_HANDSHAKE;
    shake_hands(guest);
}

/* --- outside --------------------------------------------------------------------------------
 */

static void look_at_first(struct guest *guest)
{
    struct greeter *greeter = guest->greeter;
    uint8_t first[LISTENER_FIRST_BYTES];
    bool more = false;

    const size_t n = look(guest, first, sizeof first);
    if (n == 0)
        return;
    const enum recognition tls = greeter->tls ? recognise_tls(first, n) : RECOGNISED_NO;
    const struct listener_protocol *protocol =
        tls == RECOGNISED_YES ? NULL : recognise(greeter, first, n, &more);

    if (tls != RECOGNISED_YES && !protocol && (more || tls == RECOGNISED_MORE)) {
        want_more(guest, n, n + 1);
        return;
    }
    have_enough(guest);
    if (tls == RECOGNISED_YES)
        begin_tls(guest);
    else if (protocol)
        hand_over(guest, protocol, first, n);
    else
        refuse_and_drop(guest, REFUSAL_UNKNOWN_PROTOCOL);
}

/* Takes the header off, and what it says for true. */
static void look_at_proxy(struct guest *guest)
{
    uint8_t bytes[PROXY_PROTOCOL_MAX];
    struct proxy_header header;
    size_t need = 0;

    const size_t n = look(guest, bytes, sizeof bytes);
    if (n == 0)
        return;
    const int rc = proxy_protocol_parse((struct span){bytes, n}, &header, &need);
    if (rc == RC_AGAIN) {
        want_more(guest, n, need);
        return;
    }
    if (rc != RC_OK ||
        recv(guest->stream.fd, bytes, header.len, MSG_DONTWAIT) != (ssize_t)header.len) {
        refuse_and_drop(guest, REFUSAL_PROXY_HEADER);
        return;
    }
    have_enough(guest);
    if (header.has_client)
        guest->from = header.from;
    guest->phase = PHASE_FIRST;
    if (n > header.len)
        look_at_first(guest);
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    static void (*const steps[])(struct guest *) = {
        [PHASE_PROXY] = look_at_proxy,
        [PHASE_FIRST] = look_at_first,
        [PHASE_HANDSHAKE] = shake_hands,
        [PHASE_INSIDE] = read_inside,
    };
    struct guest *guest = arg;
    struct loop *loop = guest->greeter->loop;
    (void)fd;
    (void)what;

    loop_enter(loop, "greeter");
    steps[guest->phase](guest);
    loop_leave(loop);
}

/* --- life -----------------------------------------------------------------------------------
 */

static bool is_proxy(const struct greeter *greeter, const struct address *from)
{
    for (size_t i = 0; i < greeter->options.proxy_count; i++)
        if (address_net_contains(&greeter->options.proxies[i], from))
            return true;
    return false;
}

int greeter_create(struct greeter **out, struct loop *loop,
                   const struct greeter_options *options)
{
    struct greeter *greeter = calloc(1, sizeof *greeter);

    if (!greeter)
        return RC_NOMEM;
    greeter->loop = loop;
    greeter->options = *options;
    ward_init(&greeter->waiting, loop_timers(loop), options->patience, on_late, greeter);
    *out = greeter;
    return RC_OK;
}

void greeter_free(struct greeter *greeter)
{
    struct ward_entry *entry;

    if (!greeter)
        return;
    while ((entry = ward_first(&greeter->waiting)))
        close_guest((struct guest *)((char *)entry - offsetof(struct guest, entry)));
    ward_stop(&greeter->waiting);
    SSL_CTX_free(greeter->tls);
    free(greeter);
}

void greeter_set_tls(struct greeter *greeter, SSL_CTX *tls)
{
    if (tls)
        SSL_CTX_up_ref(tls);
    SSL_CTX_free(greeter->tls);
    greeter->tls = tls;
}

void greeter_add(struct greeter *greeter, int fd, const struct address *from)
{
    struct guest *guest = calloc(1, sizeof *guest);

    if (!guest) {
        close(fd);
        greeter->options.lost(greeter->options.arg);
        return;
    }
    *guest = (struct guest){
        .greeter = greeter,
        .phase = is_proxy(greeter, from) ? PHASE_PROXY : PHASE_FIRST,
        .stream = {.fd = fd},
        .from = *from,
    };
    greeter->count++;
    ward_add(&greeter->waiting, &guest->entry, loop_now(greeter->loop));
    if (guest->phase != PHASE_PROXY && greeter->options.proxies_only)
        refuse_and_drop(guest, REFUSAL_PROXY_HEADER);
    else
        (void)watch(guest, STREAM_WANTS_READ);
}

uint32_t greeter_count(const struct greeter *greeter)
{
    return greeter->count;
}

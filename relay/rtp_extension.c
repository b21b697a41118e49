#include "relay/rtp_extension.h"

#include <string.h>

#define AUDIO_VIDEO (MEDIA_AUDIO | MEDIA_VIDEO)
#define MID_LEN_MAX 16 /* what fits the one-byte form */

/* clang-format off */
static const struct rtp_extension_info extensions[] = {
    {RTP_EXTENSION_MID, "urn:ietf:params:rtp-hdrext:sdes:mid",
     AUDIO_VIDEO, RTP_EXTENSION_WRITE},
    {RTP_EXTENSION_ABS_SEND_TIME, "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
     AUDIO_VIDEO, RTP_EXTENSION_WRITE},
    {RTP_EXTENSION_TRANSPORT_WIDE_CC,
     "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
     AUDIO_VIDEO, RTP_EXTENSION_WRITE},
    {RTP_EXTENSION_AUDIO_LEVEL, "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
     MEDIA_AUDIO, RTP_EXTENSION_PASS},
    {RTP_EXTENSION_VIDEO_ORIENTATION, "urn:3gpp:video-orientation",
     MEDIA_VIDEO, RTP_EXTENSION_PASS},
    {RTP_EXTENSION_PLAYOUT_DELAY, "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
     MEDIA_VIDEO, RTP_EXTENSION_PASS},
    {RTP_EXTENSION_ABS_CAPTURE_TIME,
     "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time",
     AUDIO_VIDEO, RTP_EXTENSION_PASS},
    {RTP_EXTENSION_DEPENDENCY_DESCRIPTOR,
     "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension",
     MEDIA_VIDEO, RTP_EXTENSION_PASS},
    {RTP_EXTENSION_TOFFSET, "urn:ietf:params:rtp-hdrext:toffset",
     MEDIA_VIDEO, RTP_EXTENSION_DROP},
};
/* clang-format on */

const struct rtp_extension_info *rtp_extension_info(enum rtp_extension_kind kind)
{
    if (kind <= RTP_EXTENSION_NONE || kind >= RTP_EXTENSION_COUNT)
        return NULL;
    return &extensions[kind - 1]; /* the rows are in the order of the enum: a test looks */
}

enum rtp_extension_kind rtp_extension_by_uri(struct span uri)
{
    for (size_t i = 0; i < ARRAY_LEN(extensions); i++) {
        if (uri.n == strlen(extensions[i].uri) && memcmp(uri.p, extensions[i].uri, uri.n) == 0)
            return extensions[i].kind;
    }
    return RTP_EXTENSION_NONE;
}

int rtp_extension_map_set(struct rtp_extension_map *map, unsigned id,
                          enum rtp_extension_kind kind)
{
    if (id == 0 || id > RTP_EXTENSION_ID_MAX || id == 15 || !rtp_extension_info(kind))
        return RC_BAD;
    if (map->kind_of[id] == kind)
        return RC_OK;
    if (map->kind_of[id] || map->id_of[kind])
        return RC_BAD;
    map->kind_of[id] = (uint8_t)kind;
    map->id_of[kind] = (uint8_t)id;
    return RC_OK;
}

void rtp_extension_begin(struct rtp_extension_iterator *it, const struct rtp_view *view)
{
    const bool two_byte = (view->extension_profile & 0xfff0) == RTP_EXTENSION_TWO_BYTE;
    const bool known = two_byte || view->extension_profile == RTP_EXTENSION_ONE_BYTE;

    it->two_byte = two_byte;
    it->rest = known ? view->extension : (struct span){NULL, 0};
}

/* Takes `head` + `len` bytes off the rest as one element; a lie about the length ends the walk.
 */
static bool take(struct rtp_extension_iterator *it, uint8_t id, size_t head, size_t len,
                 struct rtp_extension *out)
{
    if (it->rest.n - head < len) {
        it->rest.n = 0;
        return false;
    }
    *out = (struct rtp_extension){id, {it->rest.p + head, len}};
    it->rest = (struct span){it->rest.p + head + len, it->rest.n - head - len};
    return true;
}

bool rtp_extension_next(struct rtp_extension_iterator *it, struct rtp_extension *out)
{
    while (it->rest.n > 0) {
        const uint8_t first = it->rest.p[0];

        if (first == 0) { /* padding, in both forms */
            it->rest = (struct span){it->rest.p + 1, it->rest.n - 1};
            continue;
        }
        if (it->two_byte) {
            if (it->rest.n < 2)
                break;
            return take(it, first, 2, it->rest.p[1], out);
        }
        /* RFC 8285, section 4.2: id 15 stops the processing, whatever follows. An id of 0 with
         * a length is ignored with its data. */
        if (first >> 4 == 15)
            break;
        if (!take(it, first >> 4, 1, (size_t)(first & 0x0f) + 1, out))
            return false;
        if (out->id != 0)
            return true;
    }
    it->rest.n = 0;
    return false;
}

bool rtp_extension_find(const struct rtp_view *view, const struct rtp_extension_map *map,
                        enum rtp_extension_kind kind, struct span *data)
{
    const uint8_t id = map->id_of[kind];
    struct rtp_extension_iterator it;
    struct rtp_extension element;

    if (id == 0)
        return false;
    rtp_extension_begin(&it, view);
    while (rtp_extension_next(&it, &element)) {
        if (element.id == id) {
            *data = element.data;
            return true;
        }
    }
    return false;
}

bool rtp_extension_read_abs_send_time(struct span data, uint32_t *value)
{
    if (data.n != 3)
        return false;
    *value = load_be24(data.p);
    return true;
}

bool rtp_extension_read_transport_sequence(struct span data, uint16_t *value)
{
    if (data.n != 2)
        return false;
    *value = load_be16(data.p);
    return true;
}

/* |V| level | (RFC 6464, section 3); in the two-byte form a length over one is allowed. */
bool rtp_extension_read_audio_level(struct span data, uint8_t *level, bool *voice)
{
    if (data.n < 1)
        return false;
    *level = data.p[0] & 0x7f;
    *voice = data.p[0] & 0x80;
    return true;
}

/* |S|E| template id | frame number (16) | … */
bool rtp_extension_read_frame_number(struct span data, uint16_t *value)
{
    if (data.n < 3)
        return false;
    *value = load_be16(data.p + 1);
    return true;
}

uint32_t rtp_abs_send_time(usec_t now)
{
    return (uint32_t)((now % SEC(64) << 18) / SEC(1)) & 0xffffff;
}

/* The elements of the outgoing packet before they are written. */
struct outgoing {
    size_t count;
    size_t total; /* bytes of data */
    bool two_byte;
    struct rtp_extension element[RTP_EXTENSION_COUNT];
};

static void add(struct outgoing *list, const struct rtp_extension_map *to,
                enum rtp_extension_kind kind, struct span data)
{
    const uint8_t id = to->id_of[kind];

    if (id == 0 || data.n > 255)
        return;
    list->element[list->count++] = (struct rtp_extension){id, data};
    list->total += data.n;
    if (id > 14 || data.n < 1 || data.n > 16)
        list->two_byte = true;
}

static void add_passed(struct outgoing *list, const struct rtp_view *view,
                       const struct rtp_extension_map *from, const struct rtp_extension_map *to)
{
    bool seen[RTP_EXTENSION_COUNT] = {false};
    struct rtp_extension_iterator it;
    struct rtp_extension element;

    rtp_extension_begin(&it, view);
    while (rtp_extension_next(&it, &element)) {
        const uint8_t kind = from->kind_of[element.id];

        if (kind == RTP_EXTENSION_NONE || seen[kind])
            continue;
        seen[kind] = true;
        if (extensions[kind - 1].policy == RTP_EXTENSION_PASS)
            add(list, to, kind, element.data);
    }
}

/* Points the dependency descriptor in the list to a copy with another frame number. */
static void renumber_frame(struct outgoing *list, const struct rtp_extension_map *to,
                           uint16_t frame_number, uint8_t copy[static 255])
{
    for (size_t i = 0; i < list->count; i++) {
        struct span *data = &list->element[i].data;

        if (list->element[i].id != to->id_of[RTP_EXTENSION_DEPENDENCY_DESCRIPTOR])
            continue;
        if (data->n < 3)
            return;
        memcpy(copy, data->p, data->n);
        store_be16(copy + 1, frame_number);
        data->p = copy;
        return;
    }
}

static void write_elements(const struct outgoing *list, uint8_t *at)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct rtp_extension *element = &list->element[i];

        if (list->two_byte) {
            *at++ = element->id;
            *at++ = (uint8_t)element->data.n;
        } else {
            *at++ = (uint8_t)((unsigned)element->id << 4 | (unsigned)(element->data.n - 1));
        }
        if (element->data.n > 0)
            memcpy(at, element->data.p, element->data.n);
        at += element->data.n;
    }
}

int rtp_extension_rewrite(const struct rtp_view *view, const struct rtp_extension_map *from,
                          const struct rtp_extension_map *to,
                          const struct rtp_extension_fresh *fresh, uint8_t *out, size_t size)
{
    struct outgoing list;
    uint8_t send_time[3], transport_sequence[2], descriptor[255];

    list.count = list.total = 0;
    list.two_byte = false;
    if (fresh->mid.n > 0 && fresh->mid.n <= MID_LEN_MAX)
        add(&list, to, RTP_EXTENSION_MID, fresh->mid);
    if (fresh->has_abs_send_time) {
        store_be24(send_time, fresh->abs_send_time & 0xffffff);
        add(&list, to, RTP_EXTENSION_ABS_SEND_TIME, (struct span){send_time, 3});
    }
    if (fresh->has_transport_sequence) {
        store_be16(transport_sequence, fresh->transport_sequence);
        add(&list, to, RTP_EXTENSION_TRANSPORT_WIDE_CC, (struct span){transport_sequence, 2});
    }
    if (view->extension.n > 0)
        add_passed(&list, view, from, to);
    if (list.count == 0)
        return 0;

    if (fresh->has_frame_number)
        renumber_frame(&list, to, fresh->frame_number, descriptor);

    const size_t body = list.total + list.count * (list.two_byte ? 2 : 1);
    const size_t words = (body + 3) / 4;
    const size_t block = RTP_EXTENSION_HEADER_LEN + 4 * words;
    if (block > size || block > RTP_EXTENSION_BLOCK_MAX)
        return RC_FULL;

    store_be16(out, list.two_byte ? RTP_EXTENSION_TWO_BYTE : RTP_EXTENSION_ONE_BYTE);
    store_be16(out + 2, (uint16_t)words);
    write_elements(&list, out + RTP_EXTENSION_HEADER_LEN);
    memset(out + RTP_EXTENSION_HEADER_LEN + body, 0, 4 * words - body);
    return (int)block;
}

/*
 * Fuzzes leg_queue against a list: what comes out is what was put in, in order and whole, but
 * for data that was too late or did not fit; replies are never left out.
 *
 * Per step one byte of operation and one or two of arguments.
 */
#include "turn/leg_queue.h"

#include <stdlib.h>
#include <string.h>

#define MUST(cond) ((cond) ? (void)0 : abort()) /* active in every build, unlike assert */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LIMIT = 2000, MODEL_MAX = 4096 };

struct entry {
    usec_t since;
    size_t n;
    uint8_t fill;
    enum leg_kind kind;
};

static struct entry model[MODEL_MAX];
static size_t count;
static struct leg_queue queue;
static usec_t now;

static void forget(size_t i)
{
    memmove(model + i, model + i + 1, (count - i - 1) * sizeof *model);
    count--;
}

static void put(enum leg_kind kind, size_t n, uint8_t fill)
{
    uint8_t bytes[4096];
    const struct leg_message message = {
        .kind = kind, .head = {bytes, n / 3}, .data = {bytes, n - n / 3}};
    const uint64_t full = queue.dropped_full;

    memset(bytes, fill, n);
    const int rc = leg_queue_put(&queue, &message, now);
    MUST(rc == RC_OK || rc == RC_FULL);
    MUST(queue.dropped_full - full == (rc == RC_FULL && kind == LEG_DATA));
    if (rc == RC_OK && count < MODEL_MAX)
        model[count++] = (struct entry){now, n, fill, kind};
}

static void drop_late(void)
{
    while (count > 0 && model[0].kind == LEG_DATA && now - model[0].since > queue.age_limit)
        forget(0);
}

static void take(void)
{
    struct span message;
    const bool some = leg_queue_front(&queue, now, &message);

    drop_late();
    MUST(some == (count > 0));
    if (!some)
        return;
    MUST(message.n == model[0].n);
    for (size_t i = 0; i < message.n; i++)
        MUST(message.p[i] == model[0].fill);
    MUST(leg_queue_delay(&queue, now) == now - model[0].since);
    leg_queue_pop(&queue);
    forget(0);
}

static void drop_data(void)
{
    leg_queue_drop_data(&queue);
    for (size_t i = count; i > 0; i--)
        if (model[i - 1].kind == LEG_DATA)
            forget(i - 1);
}

static void check(void)
{
    size_t bytes = 0;

    drop_late();
    (void)leg_queue_front(&queue, now,
                          &(struct span){NULL, 0}); /* so that both have dropped it */
    for (size_t i = 0; i < count; i++)
        bytes += model[i].n;
    MUST(bytes == queue.bytes && bytes <= LIMIT + LEG_QUEUE_RESERVE);
    MUST((count == 0) == leg_queue_is_empty(&queue));
    MUST((count == 0) == !queue.memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    count = 0;
    now = SEC(1);
    leg_queue_init(&queue, LIMIT, MSEC(100));
    for (size_t i = 0; i + 2 < size; i += 3) {
        const size_t n = load_be16(data + i + 1) % 1500;

        switch (data[i] % 6) {
        case 0:
        case 1:
            put(LEG_DATA, n, data[i]);
            break;
        case 2:
            put(LEG_REPLY, n, data[i]);
            break;
        case 3:
            take();
            break;
        case 4:
            now += MSEC(data[i + 1]);
            break;
        default:
            drop_data();
        }
        check();
    }
    leg_queue_clear(&queue);
    return 0;
}

#include "core/mailbox.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { CACHE_LINE = 64 };

#define CAPACITY_MAX (1u << 24)

/* A cell at place p may be written when its turn is p, read when it is p + 1, and written again
 * a round later, when it is p + capacity. */
struct cell {
    _Atomic uint64_t turn;
    struct loop_message message;
};

struct mailbox {
    struct cell *cells; /* owned */
    uint64_t mask;
    _Alignas(CACHE_LINE) _Atomic uint64_t put; /* next place to write, by any thread */
    _Alignas(CACHE_LINE) uint64_t taken;       /* next place to read, by the reader alone */
};

int mailbox_create(struct mailbox **out, uint32_t capacity)
{
    uint32_t rounded = 2;

    if (capacity > CAPACITY_MAX)
        return RC_BAD;
    while (rounded < capacity)
        rounded *= 2;

    struct mailbox *mailbox = aligned_alloc(CACHE_LINE, sizeof *mailbox);
    if (!mailbox)
        return RC_NOMEM;
    *mailbox = (struct mailbox){.mask = rounded - 1};
    mailbox->cells = calloc(rounded, sizeof *mailbox->cells);
    if (!mailbox->cells) {
        free(mailbox);
        return RC_NOMEM;
    }
    for (uint32_t i = 0; i < rounded; i++)
        atomic_init(&mailbox->cells[i].turn, i);
    *out = mailbox;
    return RC_OK;
}

void mailbox_free(struct mailbox *mailbox)
{
    struct loop_message message;

    if (!mailbox)
        return;
    while (mailbox_take(mailbox, &message)) {
        if (message.discard)
            message.discard(message.payload);
    }
    free(mailbox->cells);
    free(mailbox);
}

int mailbox_put(struct mailbox *mailbox, const struct loop_message *message)
{
    uint64_t place = atomic_load_explicit(&mailbox->put, memory_order_relaxed);

    for (;;) {
        struct cell *cell = &mailbox->cells[place & mailbox->mask];
        const uint64_t turn = atomic_load_explicit(&cell->turn, memory_order_acquire);

        if ((int64_t)(turn - place) < 0)
            return RC_FULL;
        if (turn != place) {
            place = atomic_load_explicit(&mailbox->put, memory_order_relaxed);
            continue;
        }
        if (!atomic_compare_exchange_weak_explicit(&mailbox->put, &place, place + 1,
                                                   memory_order_relaxed, memory_order_relaxed))
            continue;
        cell->message = *message;
        atomic_store_explicit(&cell->turn, place + 1, memory_order_release);
        return RC_OK;
    }
}

bool mailbox_take(struct mailbox *mailbox, struct loop_message *out)
{
    const uint64_t place = mailbox->taken;
    struct cell *cell = &mailbox->cells[place & mailbox->mask];

    if (atomic_load_explicit(&cell->turn, memory_order_acquire) != place + 1)
        return false;
    *out = cell->message;
    atomic_store_explicit(&cell->turn, place + mailbox->mask + 1, memory_order_release);
    mailbox->taken = place + 1;
    return true;
}

void mailbox_forget(struct mailbox *mailbox, const void *target)
{
    /* Cells that are written belong to the reader until it takes them. */
    for (uint64_t place = mailbox->taken; place - mailbox->taken <= mailbox->mask; place++) {
        struct cell *cell = &mailbox->cells[place & mailbox->mask];
        struct loop_message *message = &cell->message;

        if (atomic_load_explicit(&cell->turn, memory_order_acquire) != place + 1)
            continue; /* empty, or of somebody else who is writing just now */
        if (message->target != target || !message->deliver)
            continue;
        if (message->discard)
            message->discard(message->payload);
        *message = (struct loop_message){.deliver = NULL};
    }
}

uint64_t mailbox_put_count(const struct mailbox *mailbox)
{
    return atomic_load_explicit(&mailbox->put, memory_order_relaxed);
}

uint64_t mailbox_taken_count(const struct mailbox *mailbox)
{
    return mailbox->taken;
}

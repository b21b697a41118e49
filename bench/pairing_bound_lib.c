#include "bench/pairing_bound_lib.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Prices are in eighths of a point, bids rise by at least one of them. */
#define STEP 8
#define NOBODY UINT32_MAX
#define ROUNDS 200 /* of exchanges between pairs; it stops when one brings nothing */

struct auction {
    const struct pairing *p;
    int32_t *price;   /* by who is chosen */
    uint32_t *choice; /* whom i has; NOBODY */
    uint32_t *holder; /* who has j; NOBODY */
    uint32_t *queue;  /* a stack of those without */
    uint32_t waiting;
};

static void *get(size_t n, size_t size)
{
    void *memory = calloc(n ? n : 1, size);

    if (!memory) {
        fprintf(stderr, "pairing_bound: no memory\n");
        exit(EXIT_FAILURE);
    }
    return memory;
}

static uint32_t weight(const struct pairing *p, uint32_t i, uint32_t j)
{
    return p->weight[(size_t)i * p->n + j];
}

static bool allowed(const struct pairing *p, uint32_t i, uint32_t j)
{
    return i != j && j >= p->from[i] && j < p->to[i];
}

/* The most that i gains, the second most, and with whom. */
static uint32_t best_of(const struct auction *a, uint32_t i, int32_t *first, int32_t *second)
{
    const struct pairing *p = a->p;
    uint32_t best = NOBODY;

    *first = *second = 0; /* to stay alone brings nothing and costs nothing */
    for (uint32_t j = p->from[i]; j < p->to[i]; j++) {
        const int32_t gain = (int32_t)weight(p, i, j) * STEP - a->price[j];

        if (gain <= *second || j == i)
            continue;
        if (gain <= *first) {
            *second = gain;
            continue;
        }
        *second = *first;
        *first = gain;
        best = j;
    }
    return best;
}

static void bid(struct auction *a, uint32_t i)
{
    int32_t first, second;
    const uint32_t j = best_of(a, i, &first, &second);

    if (j == NOBODY)
        return;
    const uint32_t loser = a->holder[j];
    a->price[j] += first - second + 1;
    a->holder[j] = i;
    a->choice[i] = j;
    if (loser == NOBODY)
        return;
    a->choice[loser] = NOBODY;
    a->queue[a->waiting++] = loser;
}

static double price_bound(const struct auction *a)
{
    int64_t sum = 0;

    for (uint32_t i = 0; i < a->p->n; i++) {
        int32_t first, second;

        (void)best_of(a, i, &first, &second);
        sum += a->price[i] + first;
    }
    return (double)sum / 2 / STEP;
}

/* --- a pairing from the choices ------------------------------------------------------------
 */

/* The choices make paths and cycles: every second edge of each is taken. */
static void pair_up(const struct auction *a, uint32_t *mate)
{
    for (uint32_t start = 0; start < a->p->n; start++) {
        for (uint32_t i = start; mate[i] == NOBODY;) {
            const uint32_t j = a->choice[i];
            if (j == NOBODY || mate[j] != NOBODY)
                break;
            mate[i] = j;
            mate[j] = i;
            if (a->choice[j] == NOBODY)
                break;
            i = a->choice[j];
        }
    }
}

/* Those left over, each with the best who is left over too. */
static void pair_rest(const struct pairing *p, uint32_t *mate)
{
    for (uint32_t i = 0; i < p->n; i++) {
        uint32_t best = NOBODY;

        for (uint32_t j = p->from[i]; mate[i] == NOBODY && j < p->to[i]; j++)
            if (j != i && mate[j] == NOBODY &&
                (best == NOBODY || weight(p, i, j) > weight(p, i, best)))
                best = j;
        if (best == NOBODY)
            continue;
        mate[i] = best;
        mate[best] = i;
    }
}

/* Does it bring more if i takes c and their mates take each other? */
static bool exchange(const struct pairing *p, uint32_t *mate, uint32_t i, uint32_t c)
{
    const uint32_t j = mate[i], d = mate[c];

    if (c == j || d == NOBODY || !allowed(p, i, c) || !allowed(p, j, d) ||
        weight(p, i, c) + weight(p, j, d) <= weight(p, i, j) + weight(p, c, d))
        return false;
    mate[i] = c;
    mate[c] = i;
    mate[j] = d;
    mate[d] = j;
    return true;
}

static bool improve(const struct pairing *p, uint32_t *mate)
{
    bool better = false;

    for (uint32_t i = 0; i < p->n; i++)
        for (uint32_t c = p->from[i]; mate[i] != NOBODY && c < p->to[i]; c++)
            if (c != i && exchange(p, mate, i, c))
                better = true;
    return better;
}

static void add_up(const struct pairing *p, const uint32_t *mate, struct pairing_bound *bound)
{
    for (uint32_t i = 0; i < p->n; i++) {
        if (mate[i] == NOBODY || mate[i] < i)
            continue;
        bound->lower += weight(p, i, mate[i]);
        bound->pairs++;
        bound->good += weight(p, i, mate[i]) >= p->good;
    }
}

struct pairing_bound pairing_bound(const struct pairing *pairing)
{
    const uint32_t n = pairing->n;
    struct pairing_bound bound = {0};
    struct auction a = {
        .p = pairing,
        .price = get(n, sizeof *a.price),
        .choice = get(n, sizeof *a.choice),
        .holder = get(n, sizeof *a.holder),
        .queue = get(n, sizeof *a.queue),
        .waiting = n,
    };
    uint32_t *mate = get(n, sizeof *mate);

    for (uint32_t i = 0; i < n; i++) {
        a.choice[i] = a.holder[i] = mate[i] = NOBODY;
        a.queue[i] = i;
    }
    while (a.waiting > 0)
        bid(&a, a.queue[--a.waiting]);
    bound.upper = price_bound(&a);

    pair_up(&a, mate);
    pair_rest(pairing, mate);
    for (int round = 0; round < ROUNDS && improve(pairing, mate); round++)
        continue;
    add_up(pairing, mate, &bound);
    free(a.price);
    free(a.choice);
    free(a.holder);
    free(a.queue);
    free(mate);
    return bound;
}

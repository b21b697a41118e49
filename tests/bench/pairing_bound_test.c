#include "bench/match_population_lib.h"
#include "bench/pairing_bound_lib.h"
#include "tests/t.h"

#define N_MAX 12

struct problem {
    uint32_t n, from[N_MAX], to[N_MAX];
    uint8_t weight[N_MAX * N_MAX];
};

static struct pairing pairing_of(const struct problem *p)
{
    return (struct pairing){p->n, p->weight, p->from, p->to, 1};
}

/* The best by trying everything: the first who is free stays alone, or takes each other. */
static uint64_t best_of_all(const struct problem *p, uint32_t taken)
{
    uint32_t i = 0;

    while (i < p->n && taken >> i & 1)
        i++;
    if (i == p->n)
        return 0;
    taken |= 1u << i;
    uint64_t best = best_of_all(p, taken);
    for (uint32_t j = i + 1; j < p->to[i]; j++) {
        if (taken >> j & 1)
            continue;
        const uint64_t sum = p->weight[i * p->n + j] + best_of_all(p, taken | 1u << j);
        if (sum > best)
            best = sum;
    }
    return best;
}

static void make_problem(struct chance *chance, uint32_t n, uint32_t window, struct problem *p)
{
    memset(p, 0, sizeof *p);
    p->n = n;
    for (uint32_t i = 0; i < n; i++) {
        p->from[i] = i > window ? i - window : 0;
        p->to[i] = i + window + 1 < n ? i + window + 1 : n;
        for (uint32_t j = 0; j < i; j++)
            p->weight[i * n + j] = p->weight[j * n + i] = (uint8_t)chance_below(chance, 130);
    }
}

static void the_best_pairing_is_never_above_the_bound_nor_below_the_one_that_exists(void)
{
    struct chance chance = {3};
    double upper = 0, lower = 0, best = 0;

    for (int round = 0; round < 300; round++) {
        struct problem p;
        make_problem(&chance, 2 + chance_below(&chance, N_MAX - 1),
                     1 + chance_below(&chance, N_MAX), &p);
        const struct pairing pairing = pairing_of(&p);
        const struct pairing_bound bound = pairing_bound(&pairing);
        const uint64_t exact = best_of_all(&p, 0);

        T_OK(bound.lower <= exact);
        T_OK((double)exact <= bound.upper + 1e-9);
        upper += bound.upper;
        lower += (double)bound.lower;
        best += (double)exact;
    }
    printf("# of the best: %.3f to %.3f\n", lower / best, upper / best);
    T_OK(lower > 0.9 * best &&
         upper < 1.1 * best); /* odd cycles matter when there are so few */
}

static void with_many_people_the_two_are_close(void)
{
    enum { N = 400 };
    static uint8_t weight[N * N];
    static uint32_t from[N], to[N];
    struct chance chance = {5};

    for (uint32_t i = 0; i < N; i++) {
        to[i] = N;
        for (uint32_t j = 0; j < i; j++)
            weight[i * N + j] = weight[j * N + i] = (uint8_t)chance_below(&chance, 130);
    }
    const struct pairing pairing = {N, weight, from, to, 1};
    const struct pairing_bound bound = pairing_bound(&pairing);
    T_EQ(bound.pairs, N / 2);
    T_OK((double)bound.lower > 0.98 * bound.upper);
}

static void nobody_and_one_alone_have_no_pair(void)
{
    const uint32_t from[1] = {0}, to[1] = {1};
    const uint8_t weight[1] = {100};
    const struct pairing none = {0, weight, from, to, 1}, one = {1, weight, from, to, 1};

    T_EQ(pairing_bound(&none).pairs, 0);
    const struct pairing_bound bound = pairing_bound(&one);
    T_EQ(bound.pairs, 0);
    T_OK(bound.upper < 1e-9);
}

static const struct t_case cases[] = {
    T_CASE(the_best_pairing_is_never_above_the_bound_nor_below_the_one_that_exists),
    T_CASE(with_many_people_the_two_are_close),
    T_CASE(nobody_and_one_alone_have_no_pair),
};

T_MAIN(cases)

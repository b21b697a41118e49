#include "bench/match_population_lib.h"
#include "signaling/match_line.h"
#include "tests/t.h"

#define PEOPLE 300

static void places_are_in_the_order_of_coming(void)
{
    struct match_line line = {0};
    uint32_t number[5];

    for (uint32_t i = 0; i < 5; i++)
        T_EQ(match_line_enter(&line, &number[i]), RC_OK);
    for (uint32_t i = 0; i < 5; i++)
        T_EQ(match_line_before(&line, &number[i]), i);
    T_EQ(line.count, 5);
    match_line_free(&line);
}

static void who_leaves_moves_those_behind_up(void)
{
    struct match_line line = {0};
    uint32_t number[5];

    for (uint32_t i = 0; i < 5; i++)
        T_EQ(match_line_enter(&line, &number[i]), RC_OK);
    match_line_leave(&line, &number[1]);
    T_EQ(match_line_before(&line, &number[0]), 0);
    T_EQ(match_line_before(&line, &number[2]), 1);
    T_EQ(match_line_before(&line, &number[4]), 3);
    T_EQ(match_line_enter(&line, &number[1]), RC_OK);
    T_EQ(match_line_before(&line, &number[1]), 4);
    match_line_free(&line);
}

/* Beside a list that is simply kept. */
struct model {
    uint32_t number[PEOPLE];
    bool inside[PEOPLE];
    uint32_t order[PEOPLE], count;
};

static void check(const struct match_line *line, const struct model *m)
{
    T_EQ(line->count, m->count);
    for (uint32_t i = 0; i < m->count; i++)
        T_EQ(match_line_before(line, &m->number[m->order[i]]), i);
}

static void leave(struct model *m, uint32_t who)
{
    uint32_t at = 0;

    while (m->order[at] != who)
        at++;
    m->count--;
    memmove(&m->order[at], &m->order[at + 1], (m->count - at) * sizeof *m->order);
}

static void it_agrees_with_a_plain_list_whatever_happens(void)
{
    struct match_line line = {0};
    struct chance chance = {42};
    static struct model m;

    memset(&m, 0, sizeof m);
    for (int step = 0; step < 20000; step++) {
        /* People come in waves, so that the line grows, and is numbered anew at every size. */
        const uint32_t who = chance_below(&chance, (step / 2000 % 2) ? 20 : PEOPLE);

        if (m.inside[who]) {
            match_line_leave(&line, &m.number[who]);
            leave(&m, who);
        } else {
            T_EQ(match_line_enter(&line, &m.number[who]), RC_OK);
            m.order[m.count++] = who;
        }
        m.inside[who] = !m.inside[who];
        if (step % 16 == 0)
            check(&line, &m);
    }
    T_OK(line.capacity <= 1024); /* it does not grow with those who have gone */
    match_line_free(&line);
}

static const struct t_case cases[] = {
    T_CASE(places_are_in_the_order_of_coming),
    T_CASE(who_leaves_moves_those_behind_up),
    T_CASE(it_agrees_with_a_plain_list_whatever_happens),
};

T_MAIN(cases)

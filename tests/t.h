/*
 * tests/t.h - the test harness: cases are functions named by the sentence they check, output is
 * TAP ("ok 1 - name"), and the first failed check ends its case.
 */
#ifndef TESTS_T_H
#define TESTS_T_H

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct t_case {
    const char *name;
    void (*run)(void);
};

static jmp_buf t_jump;

static inline void t_fail(const char *file, int line, const char *what)
{
    printf("# %s:%d: %s\n", file, line, what);
    longjmp(t_jump, 1);
}

#define T_OK(cond) ((cond) ? (void)0 : t_fail(__FILE__, __LINE__, #cond))
#define T_EQ(a, b)                                                                             \
    do {                                                                                       \
        const long long t_a = (long long)(a), t_b = (long long)(b);                            \
        if (t_a != t_b) {                                                                      \
            printf("# %lld != %lld\n", t_a, t_b);                                              \
            t_fail(__FILE__, __LINE__, #a " == " #b);                                          \
        }                                                                                      \
    } while (0)
#define T_STR(a, b)                                                                            \
    do {                                                                                       \
        const char *t_a = (a), *t_b = (b);                                                     \
        if (!t_a || !t_b || strcmp(t_a, t_b) != 0) {                                           \
            printf("# \"%s\" != \"%s\"\n", t_a ? t_a : "(null)", t_b ? t_b : "(null)");        \
            t_fail(__FILE__, __LINE__, #a " is " #b);                                          \
        }                                                                                      \
    } while (0)
#define T_MEM(a, b, n) T_OK(memcmp((a), (b), (n)) == 0)
#define T_CASE(fn)                                                                             \
    {                                                                                          \
        #fn, fn                                                                                \
    }

static inline int t_run(const struct t_case *cases, size_t count, int argc, char **argv)
{
    volatile size_t failed = 0;

    setvbuf(stdout, NULL, _IOLBF, 0);
    for (volatile size_t i = 0; i < count; i++) {
        if (argc > 1 && !strstr(cases[i].name, argv[1]))
            continue;
        if (setjmp(t_jump) == 0) {
            cases[i].run();
            printf("ok %zu - %s\n", i + 1, cases[i].name);
        } else {
            printf("not ok %zu - %s\n", i + 1, cases[i].name);
            failed++;
        }
    }
    printf("1..%zu\n", count);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#define T_MAIN(cases)                                                                          \
    int main(int argc, char **argv)                                                            \
    {                                                                                          \
        return t_run(cases, sizeof(cases) / sizeof *(cases), argc, argv);                      \
    }

#endif

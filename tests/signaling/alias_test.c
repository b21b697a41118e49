#include "signaling/alias.h"
#include "tests/t.h"

static void a_name_is_a_prefix_and_16_characters_and_means_one_person(void)
{
    struct alias_book book = {0};
    const char *alias = alias_make(&book, '!', 42);

    T_OK(alias);
    T_EQ(strlen(alias), ALIAS_LEN);
    T_EQ(alias[0], '!');
    T_EQ(strspn(alias + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"),
         16);
    T_EQ(alias_find(&book, alias), 42);
    alias_book_free(&book);
}

static void a_name_that_was_never_given_means_nobody(void)
{
    struct alias_book book = {0};

    T_EQ(alias_find(&book, "!AAAAAAAAAAAAAAAA"), 0);
    T_OK(alias_make(&book, '!', 42));
    T_EQ(alias_find(&book, ""), 0);
    T_EQ(alias_find(&book, "!"), 0);
    T_EQ(alias_find(&book, "!AAAAAAAAAAAAAAAA"), 0);
    alias_book_free(&book);
}

static void the_same_person_met_twice_has_two_names(void)
{
    struct alias_book book = {0};
    char first[ALIAS_LEN + 1];

    strcpy(first, alias_make(&book, '!', 42));
    const char *second = alias_make(&book, '!', 42);
    T_OK(strcmp(first, second) != 0);
    T_EQ(alias_find(&book, first), 42);
    T_EQ(alias_find(&book, second), 42);
    alias_book_free(&book);
}

static void the_last_64_are_remembered_and_older_ones_forgotten(void)
{
    struct alias_book book = {0};
    char alias[200][ALIAS_LEN + 1];

    for (uint64_t i = 0; i < 200; i++) {
        strcpy(alias[i], alias_make(&book, '~', i + 1));
        for (uint64_t j = 0; j <= i; j++)
            T_EQ(alias_find(&book, alias[j]), i - j < ALIAS_MAX ? j + 1 : 0);
    }
    T_EQ(book.size, ALIAS_MAX);
    alias_book_free(&book);
}

static void either_prefix_sorts_beyond_every_socket_id(void)
{
    static const char ids[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";

    for (const char *c = ids; *c; c++) {
        T_OK('!' < *c);
        T_OK('~' > *c);
    }
}

static void a_book_is_free_of_charge_until_somebody_is_met(void)
{
    struct alias_book book = {0};

    T_EQ(alias_find(&book, "x"), 0);
    T_OK(!book.entry);
    alias_book_free(&book);
    alias_book_free(&book);
}

static const struct t_case cases[] = {
    T_CASE(a_name_is_a_prefix_and_16_characters_and_means_one_person),
    T_CASE(a_name_that_was_never_given_means_nobody),
    T_CASE(the_same_person_met_twice_has_two_names),
    T_CASE(the_last_64_are_remembered_and_older_ones_forgotten),
    T_CASE(either_prefix_sorts_beyond_every_socket_id),
    T_CASE(a_book_is_free_of_charge_until_somebody_is_met),
};

T_MAIN(cases)

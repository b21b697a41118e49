#include "turn/splice_table.h"

#include "tests/t.h"

static struct splice_table *table;

static struct address at(const char *text)
{
    struct address a;

    T_EQ(address_parse(&a, text), RC_OK);
    return a;
}

static int find(const char *text)
{
    const struct address a = at(text);

    return splice_table_find(table, &a);
}

static void note(const char *text, unsigned origin, usec_t now)
{
    const struct address a = at(text);

    T_EQ(splice_table_note(table, &a, origin, now), RC_OK);
}

static void an_address_is_found_with_its_thread(void)
{
    T_EQ(splice_table_create(&table), RC_OK);
    T_EQ(find("192.0.2.1:50000"), -1);
    note("192.0.2.1:50000", 3, 1);
    note("192.0.2.1:50001", 0, 1);
    note("[2001:db8::1]:50000", 64, 1);
    for (int i = 0; i < 2; i++) {
        T_EQ(find("192.0.2.1:50000"), 3);
        T_EQ(find("192.0.2.1:50001"), 0);
        T_EQ(find("192.0.2.1:50002"), -1);
        T_EQ(find("192.0.2.2:50000"), -1);
        T_EQ(find("[2001:db8::1]:50000"), 64);
    }
    note("192.0.2.1:50000", 5, 2); /* it moved */
    T_EQ(find("192.0.2.1:50000"), 5);
    T_EQ(splice_table_count(table), 3);
    splice_table_free(table);
    splice_table_free(NULL);
}

static void what_is_forgotten_is_not_found(void)
{
    T_EQ(splice_table_create(&table), RC_OK);
    note("192.0.2.1:50000", 1, 1);
    T_EQ(find("192.0.2.1:50000"), 1);
    const struct address a = at("192.0.2.1:50000");
    splice_table_forget(table, &a);
    splice_table_forget(table, &a);
    T_EQ(find("192.0.2.1:50000"), -1);
    T_EQ(splice_table_count(table), 0);
    splice_table_free(table);
}

static void the_silent_go_and_the_others_stay(void)
{
    T_EQ(splice_table_create(&table), RC_OK);
    note("192.0.2.1:50000", 1, SEC(1));
    note("192.0.2.1:50001", 1, SEC(1));
    note("192.0.2.1:50001", 1, SEC(50));
    splice_table_sweep(table, SEC(61));
    T_EQ(splice_table_count(table), 2);
    splice_table_sweep(table, SEC(62));
    T_EQ(find("192.0.2.1:50000"), -1);
    T_EQ(find("192.0.2.1:50001"), 1);
    splice_table_sweep(table, SEC(1000));
    T_EQ(splice_table_count(table), 0);
    splice_table_free(table);
}

static void any_number_of_relay_ips_will_do(void)
{
    char text[64];

    T_EQ(splice_table_create(&table), RC_OK);
    for (int round = 0; round < 2; round++) {
        for (int i = 1; i < 20; i++) {
            snprintf(text, sizeof text, "192.0.2.%d:1000", i);
            note(text, (unsigned)i, SEC(1));
            T_EQ(find(text), i);
            T_EQ(find("198.51.100.1:1000"), -1);
        }
        for (int i = 1; i < 20; i++) {
            snprintf(text, sizeof text, "192.0.2.%d:1000", i);
            T_EQ(find(text), i);
        }
        splice_table_sweep(table, SEC(100));
        T_EQ(splice_table_count(table), 0);
    }
    splice_table_free(table);
}

static void it_has_an_end(void)
{
    struct address a = at("192.0.2.1");

    T_EQ(splice_table_create(&table), RC_OK);
    for (uint32_t i = 0; i < SPLICE_MAX; i++) {
        a.v4.sin_addr.s_addr = htonl(0x0a000000 + i / 60000);
        address_set_port(&a, (uint16_t)(i % 60000 + 1));
        T_EQ(splice_table_note(table, &a, 0, 1), RC_OK);
    }
    T_EQ(splice_table_note(table, &a, 1, 2), RC_OK); /* one that is here */
    address_set_port(&a, 60001);
    T_EQ(splice_table_note(table, &a, 0, 1), RC_FULL);
    splice_table_free(table);
}

static const struct t_case cases[] = {
    T_CASE(an_address_is_found_with_its_thread),
    T_CASE(what_is_forgotten_is_not_found),
    T_CASE(the_silent_go_and_the_others_stay),
    T_CASE(any_number_of_relay_ips_will_do),
    T_CASE(it_has_an_end),
};
T_MAIN(cases)

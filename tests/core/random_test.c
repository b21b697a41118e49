#include "core/clock.h"
#include "core/hash.h"
#include "core/random.h"
#include "tests/t.h"

static void letters_are_those_promised(void)
{
    static const char alphanumeric[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    char ice[4001], id[4001];
    bool seen[256] = {false};
    size_t kinds = 0;

    random_ice_chars(ice, 4000);
    random_id(id, 4000);
    T_EQ(strlen(ice), 4000);
    T_EQ(strlen(id), 4000);
    for (size_t i = 0; i < 4000; i++) {
        T_OK(strchr(alphanumeric, ice[i]) || strchr("+/", ice[i]));
        T_OK(strchr(alphanumeric, id[i]) || strchr("-_", id[i]));
        kinds += !seen[(uint8_t)ice[i]];
        seen[(uint8_t)ice[i]] = true;
    }
    T_EQ(kinds, 64); /* each missing with a chance of e^-63 */
}

static void no_two_are_alike(void)
{
    char a[33], b[33];

    random_id(a, 32);
    random_id(b, 32);
    T_OK(strcmp(a, b) != 0);
    T_OK(random_u64() != random_u64());
    T_OK(random_u32() != random_u32() || random_u32() != random_u32());
    random_id(a, 0);
    T_STR(a, "");
}

static void the_clock_never_goes_back(void)
{
    usec_t last = clock_now();

    T_OK(last > 0);
    for (int i = 0; i < 10000; i++) {
        const usec_t now = clock_now();
        T_OK(now >= last);
        last = now;
    }
    T_OK(clock_wall() > SEC(1700000000));
}

/* The key is random: what can be checked is that equal is equal, and that bits spread. */
static void a_hash_depends_on_every_byte_and_the_length(void)
{
    uint8_t data[64] = {0};

    for (size_t n = 0; n <= sizeof data; n++) {
        const uint64_t before = hash_bytes(data, n);

        T_OK(before == hash_bytes(data, n));
        T_OK(n == sizeof data || before != hash_bytes(data, n + 1));
        for (size_t i = 0; i < n; i++) {
            data[i] ^= 1;
            const uint64_t changed = before ^ hash_bytes(data, n);
            T_OK(__builtin_popcountll(changed) > 8);
            data[i] ^= 1;
        }
    }
}

static const struct t_case cases[] = {
    T_CASE(letters_are_those_promised),
    T_CASE(no_two_are_alike),
    T_CASE(the_clock_never_goes_back),
    T_CASE(a_hash_depends_on_every_byte_and_the_length),
};
T_MAIN(cases)

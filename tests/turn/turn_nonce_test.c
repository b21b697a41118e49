#include "tests/t.h"
#include "turn/turn_nonce.h"

static const int64_t NOW = 1700000000;
enum { LIFE = 600, BOTH = TURN_FEATURE_ALGORITHMS | TURN_FEATURE_USERHASH };

static struct address parsed(const char *text)
{
    struct address a;

    T_EQ(address_parse(&a, text), RC_OK);
    return a;
}

static struct stun_key key_of(const char *secret)
{
    struct stun_key key;

    stun_key_raw(&key, secret, strlen(secret));
    return key;
}

static struct span of(const char *text)
{
    return (struct span){(const uint8_t *)text, strlen(text)};
}

static void a_nonce_begins_with_the_cookie_and_the_features(void)
{
    static const struct {
        unsigned features;
        const char *begin;
    } rows[] = {
        {0, "obMatJos2AAAA"},
        {TURN_FEATURE_ALGORITHMS, "obMatJos2gAAA"},
        {TURN_FEATURE_USERHASH, "obMatJos2QAAA"},
        {BOTH, "obMatJos2wAAA"},
    };
    const struct stun_key key = key_of("k");
    const struct address client = parsed("192.0.2.1:1000");
    char nonce[TURN_NONCE_MAX];

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const size_t n = turn_nonce_write(nonce, &key, rows[i].features, &client, NOW);
        T_EQ(n, strlen(nonce));
        T_EQ(n, 35);
        T_MEM(nonce, rows[i].begin, strlen(rows[i].begin));
        T_EQ(turn_nonce_judge(of(nonce), &key, rows[i].features, LIFE, &client, NOW),
             TURN_NONCE_OK);
    }
}

static void a_nonce_lives_so_long(void)
{
    static const struct {
        int64_t later;
        uint32_t life;
        int verdict;
    } rows[] = {
        {0, LIFE, TURN_NONCE_OK},        {LIFE - 1, LIFE, TURN_NONCE_OK},
        {LIFE, LIFE, TURN_NONCE_STALE},  {86400 * 365, LIFE, TURN_NONCE_STALE},
        {86400 * 365, 0, TURN_NONCE_OK}, {-60, LIFE, TURN_NONCE_OK},
        {-61, LIFE, TURN_NONCE_STALE},   {-86400, LIFE, TURN_NONCE_STALE},
        {-86400, 0, TURN_NONCE_OK},
    };
    const struct stun_key key = key_of("k");
    const struct address client = parsed("[2001:db8::1]:1000");
    char nonce[TURN_NONCE_MAX];

    turn_nonce_write(nonce, &key, BOTH, &client, NOW);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        T_EQ(
            turn_nonce_judge(of(nonce), &key, BOTH, rows[i].life, &client, NOW + rows[i].later),
            rows[i].verdict);
    turn_nonce_write(nonce, &key, BOTH, &client, UINT32_MAX); /* in 2106 */
    T_EQ(turn_nonce_judge(of(nonce), &key, BOTH, LIFE, &client, (int64_t)UINT32_MAX + 5),
         TURN_NONCE_OK);
}

static void a_nonce_is_good_for_the_ip_that_it_was_made_for(void)
{
    const struct stun_key key = key_of("k"), other = key_of("l");
    const struct address client = parsed("192.0.2.1:1000"), port = parsed("192.0.2.1:2000"),
                         ip = parsed("192.0.2.2:1000"), v6 = parsed("[2001:db8::1]:1000");
    char nonce[TURN_NONCE_MAX];

    turn_nonce_write(nonce, &key, BOTH, &client, NOW);
    T_EQ(turn_nonce_judge(of(nonce), &key, BOTH, LIFE, &port, NOW), TURN_NONCE_OK);
    T_EQ(turn_nonce_judge(of(nonce), &key, BOTH, LIFE, &ip, NOW), TURN_NONCE_FOREIGN);
    T_EQ(turn_nonce_judge(of(nonce), &key, BOTH, LIFE, &v6, NOW), TURN_NONCE_FOREIGN);
    T_EQ(turn_nonce_judge(of(nonce), &other, BOTH, LIFE, &client, NOW), TURN_NONCE_FOREIGN);
}

static void features_that_changed_make_a_nonce_stale(void)
{
    const struct stun_key key = key_of("k");
    const struct address client = parsed("192.0.2.1:1000");
    char nonce[TURN_NONCE_MAX];

    turn_nonce_write(nonce, &key, TURN_FEATURE_ALGORITHMS, &client, NOW);
    T_EQ(turn_nonce_judge(of(nonce), &key, BOTH, LIFE, &client, NOW), TURN_NONCE_STALE);
}

static void no_changed_or_missing_byte_passes(void)
{
    const struct stun_key key = key_of("k");
    const struct address client = parsed("192.0.2.1:1000");
    char nonce[TURN_NONCE_MAX], changed[TURN_NONCE_MAX + 1];

    const size_t n = turn_nonce_write(nonce, &key, BOTH, &client, NOW);
    for (size_t i = 0; i < n; i++) {
        for (int c = 0; c < 256; c++) {
            memcpy(changed, nonce, n);
            changed[i] = (char)c;
            if (changed[i] == nonce[i])
                continue;
            T_EQ(turn_nonce_judge((struct span){(const uint8_t *)changed, n}, &key, BOTH, LIFE,
                                  &client, NOW),
                 TURN_NONCE_FOREIGN);
        }
        T_EQ(turn_nonce_judge((struct span){(const uint8_t *)nonce, i}, &key, BOTH, LIFE,
                              &client, NOW),
             TURN_NONCE_FOREIGN);
    }
    memcpy(changed, nonce, n);
    changed[n] = 'A';
    T_EQ(turn_nonce_judge((struct span){(const uint8_t *)changed, n + 1}, &key, BOTH, LIFE,
                          &client, NOW),
         TURN_NONCE_FOREIGN);
}

static const struct t_case cases[] = {
    T_CASE(a_nonce_begins_with_the_cookie_and_the_features),
    T_CASE(a_nonce_lives_so_long),
    T_CASE(a_nonce_is_good_for_the_ip_that_it_was_made_for),
    T_CASE(features_that_changed_make_a_nonce_stale),
    T_CASE(no_changed_or_missing_byte_passes),
};
T_MAIN(cases)

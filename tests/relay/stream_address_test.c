#include "relay/stream_address.h"

#include "tests/t.h"

static const char *const texts[] = {"192.0.2.7:4660", "[2001:db8::7]:4660", "127.0.0.1:1",
                                    "[::1]:65535"};

static struct address parsed(const char *text)
{
    struct address a;

    T_EQ(address_parse(&a, text), RC_OK);
    return a;
}

static void it_holds_the_client_and_the_connection(void)
{
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        const struct address peer = parsed(texts[i]);
        const uint32_t numbers[] = {1, 77, STREAM_NUMBER_MAX};

        T_EQ(stream_address_number(&peer), 0);
        for (size_t k = 0; k < ARRAY_LEN(numbers); k++) {
            const struct address a = stream_address_make(&peer, numbers[k]);
            const struct address back = stream_address_peer(&a);

            T_EQ(stream_address_number(&a), numbers[k]);
            T_OK(address_equal(&back, &peer));
            T_EQ(back.sa.sa_family, peer.sa.sa_family);
            T_EQ(address_port(&a), address_port(&peer));
        }
    }
}

static void it_equals_no_other_connection_and_no_datagrams_address(void)
{
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        const struct address peer = parsed(texts[i]);
        const struct address a = stream_address_make(&peer, 1),
                             b = stream_address_make(&peer, 2);

        T_OK(!address_equal(&a, &peer));
        T_OK(!address_equal(&a, &b));
        T_OK(address_hash(&a) != address_hash(&b));
        T_OK(address_hash(&a) != address_hash(&peer));
    }
}

static void an_ordinary_address_is_its_own_peer(void)
{
    const struct address local = parsed("[fe80::1%3]:9"), peer = stream_address_peer(&local);
    const struct address none = {0};

    T_EQ(stream_address_number(&local), 0);
    T_OK(address_equal(&peer, &local));
    T_EQ(stream_address_number(&none), 0);
}

static const struct t_case cases[] = {
    T_CASE(it_holds_the_client_and_the_connection),
    T_CASE(it_equals_no_other_connection_and_no_datagrams_address),
    T_CASE(an_ordinary_address_is_its_own_peer),
};
T_MAIN(cases)

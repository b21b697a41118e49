#include "app/turn_discovery.h"

#include "tests/t.h"

static struct relay_options media;
static struct address primary, other;

static void listen_on(const char *const *ip)
{
    media = (struct relay_options){.workers = 1, .port = 3478};
    for (; *ip; ip++)
        T_EQ(address_parse(&media.listen[media.listen_count++], *ip), RC_OK);
}

#define LISTEN_ON(...) listen_on((const char *const[]){__VA_ARGS__, NULL})

static bool is(const struct address *a, const char *text)
{
    struct address expected;

    T_EQ(address_parse(&expected, text), RC_OK);
    return address_equal(a, &expected);
}

static void two_addresses_of_one_family_are_chosen(void)
{
    LISTEN_ON("2001:db8::1", "192.0.2.1", "192.0.2.2", "192.0.2.3");
    T_EQ(turn_discovery_choose(&primary, &other, &media, 0), RC_OK);
    T_OK(is(&primary, "192.0.2.1:3478"));
    T_OK(is(&other, "192.0.2.2:3479"));
    LISTEN_ON("2001:db8::1", "192.0.2.1", "2001:db8::2");
    T_EQ(turn_discovery_choose(&primary, &other, &media, 5000), RC_OK);
    T_OK(is(&primary, "[2001:db8::1]:3478"));
    T_OK(is(&other, "[2001:db8::2]:5000"));
}

static void the_second_port_is_none_of_the_workers(void)
{
    LISTEN_ON("192.0.2.1", "192.0.2.2");
    media.workers = 4; /* 3478 to 3481 */
    T_EQ(turn_discovery_choose(&primary, &other, &media, 0), RC_OK);
    T_EQ(address_port(&other), 3482);
    media.media_port = 5000;
    T_EQ(turn_discovery_choose(&primary, &other, &media, 0), RC_OK);
    T_EQ(address_port(&other), 3479);
    media.media_port = 3479;
    T_EQ(turn_discovery_choose(&primary, &other, &media, 0), RC_OK);
    T_EQ(address_port(&other), 3483);
}

static void without_two_there_is_none(void)
{
    LISTEN_ON("192.0.2.1", "2001:db8::1");
    T_EQ(turn_discovery_choose(&primary, &other, &media, 0), RC_BAD);
    LISTEN_ON("192.0.2.1");
    T_EQ(turn_discovery_choose(&primary, &other, &media, 0), RC_BAD);
    LISTEN_ON("*", "2001:db8::1");
    T_EQ(turn_discovery_choose(&primary, &other, &media, 0), RC_BAD);
    media = (struct relay_options){.workers = 1, .port = 3478};
    T_EQ(turn_discovery_choose(&primary, &other, &media, 0), RC_BAD);
}

static void a_port_that_is_none_or_the_same_makes_none(void)
{
    LISTEN_ON("192.0.2.1", "192.0.2.2");
    T_EQ(turn_discovery_choose(&primary, &other, &media, 3478), RC_BAD);
    media.port = 0; /* any free one */
    T_EQ(turn_discovery_choose(&primary, &other, &media, 3479), RC_BAD);
    media.port = 65535;
    T_EQ(turn_discovery_choose(&primary, &other, &media, 0), RC_BAD);
}

static const struct t_case cases[] = {
    T_CASE(two_addresses_of_one_family_are_chosen),
    T_CASE(the_second_port_is_none_of_the_workers),
    T_CASE(without_two_there_is_none),
    T_CASE(a_port_that_is_none_or_the_same_makes_none),
};
T_MAIN(cases)

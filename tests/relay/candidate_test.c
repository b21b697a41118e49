#include "relay/candidate.h"
#include "tests/t.h"

#define HOST "candidate:1 1 udp 2122260223 192.0.2.1 54321 typ host"

static int parse(const char *text, struct candidate *out)
{
    return candidate_parse(text, strlen(text), out);
}

/* clang-format off */
static const struct {
    const char *what;
    const char *text;
    int rc;
} rows[] = {
    {"Chromium's host candidate", HOST " generation 0 ufrag Q8c0 network-id 1", RC_OK},
    {"a line of SDP", "a=" HOST "\r\n", RC_OK},
    {"without the prefix", "1 1 UDP 2122260223 192.0.2.1 54321 typ host", RC_OK},
    {"IPv6", "candidate:1 1 udp 2122260223 2001:db8::1 54321 typ host", RC_OK},
    {"mDNS", "candidate:0 1 UDP 2122187007 0fb8db43-2016-483f.local 42706 typ host", RC_OK},
    {"server reflexive", "candidate:1 1 udp 1 198.51.100.1 5 typ srflx raddr 0.0.0.0 rport 0", RC_OK},
    {"relayed", "candidate:1 1 udp 1 198.51.100.1 5 typ relay raddr 192.0.2.1 rport 9", RC_OK},
    {"TCP", "candidate:1 1 tcp 1518214911 192.0.2.1 9 typ host tcptype active", RC_OK},
    {"component 2", "candidate:1 2 udp 1 192.0.2.1 54321 typ host", RC_OK},
    {"TCP without tcptype", "candidate:1 1 tcp 1518214911 192.0.2.1 9 typ host", RC_BAD},
    {"unknown tcptype", "candidate:1 1 tcp 1518214911 192.0.2.1 9 typ host tcptype big", RC_BAD},
    {"unknown transport", "candidate:1 1 ssltcp 1 192.0.2.1 443 typ host", RC_OK},
    {"unknown type", "candidate:1 1 udp 1 192.0.2.1 54321 typ guest", RC_OK},
    {"no typ", "candidate:1 1 udp 1 192.0.2.1 54321 host", RC_BAD},
    {"component 0", "candidate:1 0 udp 1 192.0.2.1 54321 typ host", RC_BAD},
    {"component 257", "candidate:1 257 udp 1 192.0.2.1 54321 typ host", RC_BAD},
    {"priority of 33 bits", "candidate:1 1 udp 4294967296 192.0.2.1 54321 typ host", RC_BAD},
    {"port 65536", "candidate:1 1 udp 1 192.0.2.1 65536 typ host", RC_BAD},
    {"negative port", "candidate:1 1 udp 1 192.0.2.1 -1 typ host", RC_BAD},
    {"port in the address", "candidate:1 1 udp 1 192.0.2.1:5 54321 typ host", RC_BAD},
    {"address in brackets", "candidate:1 1 udp 1 [2001:db8::1] 54321 typ host", RC_BAD},
    {"half an extension", HOST " generation", RC_BAD},
    {"foundation of 33 characters",
     "candidate:123456789012345678901234567890123 1 udp 1 192.0.2.1 5 typ host", RC_BAD},
    {"foundation with a colon", "candidate:a:b 1 udp 1 192.0.2.1 5 typ host", RC_BAD},
    {"a second line", HOST "\r\na=evil", RC_BAD},
    {"nothing", "", RC_BAD},
    {"only the prefix", "candidate:", RC_BAD},
    {"another attribute", "a=mid:0", RC_BAD},
};
/* clang-format on */

static void every_row(void)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct candidate c = {.priority = 77};

        printf("#   %s\n", rows[i].what);
        T_EQ(parse(rows[i].text, &c), rows[i].rc);
        T_OK(rows[i].rc == RC_OK || c.priority == 77);
    }
}

static void fields_are_read(void)
{
    struct candidate c;
    char text[ADDRESS_TEXT_MAX];

    T_EQ(parse("candidate:a+/9 1 TCP 42 198.51.100.1 5 typ relay raddr 192.0.2.1 rport 9 "
               "tcptype passive",
               &c),
         RC_OK);
    T_STR(c.foundation, "a+/9");
    T_EQ(c.component, 1);
    T_EQ(c.transport, CANDIDATE_TCP_PASSIVE);
    T_EQ(c.priority, 42);
    T_EQ(c.type, CANDIDATE_RELAYED);
    T_STR(address_format(&c.address, text, sizeof text), "198.51.100.1:5");
    T_STR(address_format(&c.related, text, sizeof text), "192.0.2.1:9");
}

static void a_host_name_is_no_address(void)
{
    struct candidate c;

    T_EQ(parse("candidate:0 1 UDP 1 0fb8db43.local 42706 typ host", &c), RC_OK);
    T_EQ(c.address.sa.sa_family, AF_UNSPEC);
}

static void what_we_do_not_know_is_told_apart(void)
{
    struct candidate c;
    char text[CANDIDATE_TEXT_MAX];

    T_EQ(parse("candidate:1 1 ssltcp 1 192.0.2.1 443 typ guest", &c), RC_OK);
    T_EQ(c.transport, CANDIDATE_OTHER_TRANSPORT);
    T_EQ(c.type, CANDIDATE_OTHER_TYPE);
    T_EQ(candidate_format(&c, text, sizeof text), RC_BAD);
}

static void over_the_limit_is_refused(void)
{
    struct candidate c;
    char text[CANDIDATE_TEXT_MAX + 2];

    memset(text, ' ', sizeof text);
    T_EQ(candidate_parse(text, CANDIDATE_TEXT_MAX + 1, &c), RC_FULL);
    memcpy(text, HOST, strlen(HOST));
    T_EQ(candidate_parse(text, CANDIDATE_TEXT_MAX, &c), RC_OK);
}

static void the_end_is_recognised(void)
{
    T_OK(candidate_is_end("", 0));
    T_OK(candidate_is_end("a=end-of-candidates\r\n", 21));
    T_OK(candidate_is_end("end-of-candidates", 17));
    T_OK(!candidate_is_end(HOST, strlen(HOST)));
}

static void ours_reads_back_as_it_was_made(void)
{
    static const char *const addresses[] = {"192.0.2.9:3478", "[2001:db8::9]:3478"};
    static const enum candidate_transport transports[] = {CANDIDATE_UDP, CANDIDATE_TCP_PASSIVE};

    for (unsigned i = 0; i < ARRAY_LEN(addresses); i++) {
        struct address address;
        struct candidate made, read;
        char text[CANDIDATE_TEXT_MAX];

        T_EQ(address_parse(&address, addresses[i]), RC_OK);
        candidate_make_host(&made, transports[i], &address, i);
        const int n = candidate_format(&made, text, sizeof text);
        T_OK(n > 0);
        T_EQ(candidate_parse(text, (size_t)n, &read), RC_OK);
        T_STR(read.foundation, made.foundation);
        T_EQ(read.priority, made.priority);
        T_EQ(read.transport, transports[i]);
        T_OK(address_equal(&read.address, &address));
        T_EQ(candidate_format(&made, text, (size_t)n), RC_FULL);
    }
}

static void the_first_of_our_candidates_goes_first(void)
{
    struct address address;
    struct candidate first, second, tcp;

    T_EQ(address_parse(&address, "192.0.2.9:3478"), RC_OK);
    candidate_make_host(&first, CANDIDATE_UDP, &address, 0);
    candidate_make_host(&second, CANDIDATE_UDP, &address, 1);
    candidate_make_host(&tcp, CANDIDATE_TCP_PASSIVE, &address, 0);
    T_EQ(first.priority, 2130706431); /* RFC 8445, section 5.1.2.1 with 126, 65535, 1 */
    T_OK(first.priority > second.priority);
    T_OK(second.priority > tcp.priority);
    T_OK(strcmp(first.foundation, second.foundation) != 0);
}

static const struct t_case cases[] = {
    T_CASE(every_row),
    T_CASE(fields_are_read),
    T_CASE(a_host_name_is_no_address),
    T_CASE(what_we_do_not_know_is_told_apart),
    T_CASE(over_the_limit_is_refused),
    T_CASE(the_end_is_recognised),
    T_CASE(ours_reads_back_as_it_was_made),
    T_CASE(the_first_of_our_candidates_goes_first),
};
T_MAIN(cases)

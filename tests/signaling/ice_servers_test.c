#include "signaling/ice_servers.h"
#include "signaling/source_limit.h"
#include "signaling/status_pages.h"
#include "tests/signaling/web_lib.h"
#include "tests/t.h"

static const char *const stun[] = {"stun:a.example:3478"};
static const char *const turn[] = {"turn:a.example:3478?transport=udp",
                                   "turn:a.example:3003?transport=tcp"};
static char asked_for[ICE_USER_ID_MAX];
static int asked;

static int give(void *arg, const char *user_id, struct ice_credentials *out)
{
    *out = *(const struct ice_credentials *)arg;
    snprintf(asked_for, sizeof asked_for, "%s", user_id);
    asked++;
    return RC_OK;
}

static int refuse_all(void *arg, const char *user_id, struct ice_credentials *out)
{
    (void)arg;
    (void)user_id;
    (void)out;
    return RC_FULL;
}

static struct ice_credentials both(void)
{
    return (struct ice_credentials){.stun = stun,
                                    .turn = turn,
                                    .stun_count = 1,
                                    .turn_count = 2,
                                    .username = "1700000000:ann",
                                    .credential = "secret",
                                    .ttl = 600};
}

/* Takes `json`. */
static const char *text_of(json_t *json)
{
    static char text[1024];

    char *dump = json_dumps(json, JSON_COMPACT);
    T_OK(dump);
    snprintf(text, sizeof text, "%s", dump);
    free(dump);
    json_decref(json);
    return text;
}

static void a_client_is_told_as_its_browser_wants_it(void)
{
    struct ice_credentials c = both();
    struct ice_servers servers = {&c, give};

    T_STR(text_of(ice_servers_list(&servers, "ann")),
          "[{\"urls\":[\"stun:a.example:3478\"]},"
          "{\"urls\":[\"turn:a.example:3478?transport=udp\","
          "\"turn:a.example:3003?transport=tcp\"],"
          "\"username\":\"1700000000:ann\",\"credential\":\"secret\"}]");
    T_STR(asked_for, "ann");
    c.turn_count = 0;
    T_STR(text_of(ice_servers_list(&servers, "ann")), "[{\"urls\":[\"stun:a.example:3478\"]}]");
    c.stun_count = 0;
    T_STR(text_of(ice_servers_list(&servers, "ann")), "[]");
}

static void credentials_are_told_as_deployed_clients_want_them(void)
{
    struct ice_credentials c = both();
    struct ice_servers servers = {&c, give};
    json_t *json = NULL;

    T_EQ(ice_servers_turn(&servers, "ann", &json), RC_OK);
    T_STR(text_of(json),
          "{\"username\":\"1700000000:ann\",\"credential\":\"secret\",\"ttl\":600,"
          "\"uris\":[\"turn:a.example:3478?transport=udp\","
          "\"turn:a.example:3003?transport=tcp\"]}");
}

static void without_turn_there_is_nothing_to_tell(void)
{
    struct ice_credentials c = both();
    struct ice_servers none = {&c, NULL}, refusing = {&c, refuse_all}, stun_only = {&c, give};
    const struct ice_servers *const all[] = {NULL, &none, &refusing};
    json_t *json = NULL;

    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        T_STR(text_of(ice_servers_list(all[i], "ann")), "[]");
        T_EQ(ice_servers_turn(all[i], "ann", &json), RC_BAD);
    }
    c.turn_count = 0;
    T_EQ(ice_servers_turn(&stun_only, "ann", &json), RC_BAD);
    T_OK(!json);
}

static struct address parsed(const char *text)
{
    struct address a;

    T_EQ(address_parse(&a, text), RC_OK);
    return a;
}

static void a_guest_is_an_address_and_does_not_tell_it(void)
{
    const struct address a = parsed("192.0.2.1:1"), b = parsed("192.0.2.1:2"),
                         c = parsed("192.0.2.2:1"), d = parsed("[2001:db8::1]:1"),
                         e = parsed("[2001:db8::ffff:2]:1"), f = parsed("[2001:db8:0:1::1]:1");
    char text[6][ICE_USER_ID_MAX];

    ice_servers_guest(text[0], &a);
    ice_servers_guest(text[1], &b);
    ice_servers_guest(text[2], &c);
    ice_servers_guest(text[3], &d);
    ice_servers_guest(text[4], &e);
    ice_servers_guest(text[5], &f);
    T_EQ(strlen(text[0]), 6 + 16);
    T_STR(text[0], text[1]);
    T_OK(strcmp(text[0], text[2]) != 0);
    T_STR(text[3], text[4]);
    T_OK(strcmp(text[3], text[5]) != 0);
    T_OK(!strstr(text[0], "192"));
}

static void an_address_gets_so_many_answers_a_second(void)
{
    static struct source_limit limit;
    const struct address a = parsed("192.0.2.1:1"), b = parsed("198.51.100.1:1");

    for (int i = 0; i < 5; i++)
        T_OK(source_limit_take(&limit, &a, 5, SEC(10)));
    T_OK(!source_limit_take(&limit, &a, 5, SEC(10)));
    T_OK(source_limit_take(&limit, &b, 5, SEC(10)));
    T_OK(source_limit_take(&limit, &a, 5, SEC(10) + MSEC(201)));
    T_OK(!source_limit_take(&limit, &a, 5, SEC(10) + MSEC(202)));
}

/* --- /api/v1/ice-servers
 * ---------------------------------------------------------------------- */

static struct status_pages pages;
static struct web web;

/* The first line and the body of an answer; in a static buffer. */
static const char *get(struct web_client *client)
{
    static char text[2048];

    web_say(client, "GET /api/v1/ice-servers HTTP/1.1\r\nHost: a.example\r\n\r\n");
    web_settle(&web);
    T_OK(client->n > 0);
    const char *body = strstr(client->text, "\r\n\r\n");
    T_OK(body);
    snprintf(text, sizeof text, "%.12s %s", client->text, body + 4);
    web_take(client, client->n);
    return text;
}

static void the_page_has_what_a_guest_gets_and_not_too_often(void)
{
    const struct http_route route = {.path = "/api/v1/ice-servers",
                                     .methods = METHOD_GET,
                                     .handle = status_ice_servers,
                                     .arg = &pages};
    const struct http_options options = {.routes = &route, .route_count = 1};
    struct ice_credentials c = both();
    struct ice_servers servers = {&c, give};

    c.stun_count = 0;
    pages = (struct status_pages){.ice = &servers};
    web_open(&web, &options);
    struct web_client *client = web_connect(&web);
    asked = 0;
    T_STR(get(client), "HTTP/1.1 200 {\"iceServers\":[{\"urls\":["
                       "\"turn:a.example:3478?transport=udp\","
                       "\"turn:a.example:3003?transport=tcp\"],"
                       "\"username\":\"1700000000:ann\",\"credential\":\"secret\"}]}");
    T_OK(strncmp(asked_for, "guest-", 6) == 0);
    for (int i = 1; i < ICE_SERVERS_PER_SECOND; i++)
        T_OK(strncmp(get(client), "HTTP/1.1 200", 12) == 0);
    T_OK(strncmp(get(client), "HTTP/1.1 429 {\"code\":\"rate_limit\"", 33) == 0);
    T_EQ(asked, ICE_SERVERS_PER_SECOND);
    web_free(client);
    web_close(&web);
}

static void without_turn_the_page_has_an_empty_list(void)
{
    const struct http_route route = {.path = "/api/v1/ice-servers",
                                     .methods = METHOD_GET,
                                     .handle = status_ice_servers,
                                     .arg = &pages};
    const struct http_options options = {.routes = &route, .route_count = 1};

    pages = (struct status_pages){.ice = NULL};
    web_open(&web, &options);
    struct web_client *client = web_connect(&web);
    T_STR(get(client), "HTTP/1.1 200 {\"iceServers\":[]}");
    web_free(client);
    web_close(&web);
}

static const struct t_case cases[] = {
    T_CASE(a_client_is_told_as_its_browser_wants_it),
    T_CASE(credentials_are_told_as_deployed_clients_want_them),
    T_CASE(without_turn_there_is_nothing_to_tell),
    T_CASE(a_guest_is_an_address_and_does_not_tell_it),
    T_CASE(an_address_gets_so_many_answers_a_second),
    T_CASE(the_page_has_what_a_guest_gets_and_not_too_often),
    T_CASE(without_turn_the_page_has_an_empty_list),
};
T_MAIN(cases)

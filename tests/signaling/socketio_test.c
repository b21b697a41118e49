#include "signaling/socketio.h"

#include "tests/signaling/web_lib.h"
#include "tests/t.h"

/* ---- a server and what its handlers saw -------------------------------------------------- */

static struct web web;
static struct sio_server *server;
static struct sio_namespace *lobby, *room;
static struct sio_socket *last; /* connected last */
static enum refusal verdict;    /* of authorize */
static char seen[512];          /* by the last handler */
static unsigned connects, leaves, answers;
static void (*on_event)(struct sio_socket *socket, const struct sio_event *event);

static enum refusal authorize(void *arg, const struct sio_handshake *handshake, void **user)
{
    char who[32], address[ADDRESS_TEXT_MAX];
    char *const auth = json_dumps(sio_handshake_auth(handshake), JSON_COMPACT);
    const char *const agent = sio_handshake_header(handshake, "user-agent");

    T_OK(arg == &web);
    (void)sio_handshake_query(handshake, "who", who, sizeof who);
    address_format_ip(sio_handshake_address(handshake), address, sizeof address);
    snprintf(seen, sizeof seen, "%s %s %s %s %d", who, address, auth, agent ? agent : "-",
             sio_handshake_protocol(handshake));
    free(auth);
    *user = &verdict;
    return verdict;
}

static void connected(void *arg, struct sio_socket *socket)
{
    T_OK(arg == &web);
    T_OK(sio_user(socket) == &verdict);
    last = socket;
    connects++;
}

static void event_came(void *arg, struct sio_socket *socket, const struct sio_event *event)
{
    char *const args = json_dumps(event->args, JSON_COMPACT);

    T_OK(arg == &web);
    snprintf(seen, sizeof seen, "%s %s %zu %lld", event->name, args, event->attachment_count,
             (long long)event->ack_id);
    free(args);
    if (on_event)
        on_event(socket, event);
}

static void disconnected(void *arg, struct sio_socket *socket, const char *reason)
{
    T_OK(arg == &web);
    T_OK(!sio_connected(socket));
    T_EQ(sio_emit(socket, "too late", NULL), RC_BAD);
    T_EQ(sio_ack(socket, 1, NULL), RC_BAD);
    T_EQ(sio_protocol(socket) == 3 || sio_protocol(socket) == 4, 1);
    snprintf(seen, sizeof seen, "%s", reason);
    leaves++;
}

static const struct sio_handlers handlers = {authorize, connected, event_came, disconnected};

static void set_up(void)
{
    static const char *const kept[] = {"user-agent", NULL};
    static struct http_route routes[1];
    const struct http_options http = {.routes = routes, .route_count = 1};
    const struct sio_options options = {.engine = {.kept_headers = kept}};

    web_open(&web, &http);
    T_EQ(sio_server_create(&server, web.loop, &options), RC_OK);
    T_EQ(sio_namespace_create(&lobby, server, "/", &handlers, &web), RC_OK);
    T_EQ(sio_namespace_create(&room, server, "/room", &handlers, &web), RC_OK);
    routes[0] = sio_server_route(server);
    last = NULL;
    verdict = REFUSAL_NONE;
    connects = leaves = answers = 0;
    on_event = NULL;
}

static void tear_down(void)
{
    sio_server_free(server);
    web_close(&web);
    T_EQ(connects, leaves);
}

/* ---- clients ------------------------------------------------------------------------------
 */

/* Forgets what the client was sent so far. */
static void forget(struct web_client *client)
{
    web_take(client, client->n);
}

static bool got(const struct web_client *client, const char *text)
{
    return client->n > 0 && memmem(client->text, client->n, text, strlen(text));
}

static void say(struct web_client *client, const char *packet)
{
    web_send_frame(client, 0x81, packet, strlen(packet));
    web_settle(&web);
}

static void say_bytes(struct web_client *client, const char *bytes)
{
    web_send_frame(client, 0x82, bytes, strlen(bytes));
    web_settle(&web);
}

/* A WebSocket with an open session. */
static struct web_client *open_client(int eio)
{
    char path[128];
    struct web_client *const client = web_connect(&web);

    snprintf(path, sizeof path, "/socket.io/?EIO=%d&transport=websocket&who=m%%C3%%A9", eio);
    web_say_upgrade(client, path, "User-Agent: test\r\n");
    web_settle(&web);
    T_OK(got(client, "0{\"sid\":\""));
    return client;
}

/* The same, in the main namespace. */
static struct web_client *enter(void)
{
    struct web_client *const client = open_client(4);

    forget(client);
    say(client, "40");
    T_OK(got(client, "40{\"sid\":\""));
    forget(client);
    return client;
}

/* ---- entering ------------------------------------------------------------------------------
 */

static void authorize_is_told_who_asks(void)
{
    set_up();
    struct web_client *const client = open_client(4);
    say(client, "40{\"token\":7}");
    T_STR(seen, "m\xc3\xa9 192.0.2.1 {\"token\":7} test 4");
    T_EQ(connects, 1);
    T_OK(got(client, sio_id(last)));
    T_EQ(strlen(sio_id(last)), EIO_SID_LENGTH);
    T_OK(sio_namespace_of(last) == lobby);
    T_EQ(sio_transport(last), EIO_WEBSOCKET);
    T_EQ(sio_namespace_sockets(lobby), 1);
    web_free(client);
    tear_down();
    T_STR(seen, "transport close");
}

static void who_is_refused_is_told_the_code(void)
{
    set_up();
    struct web_client *const client = open_client(4);
    const uint64_t before = refusal_total(REFUSAL_IP_LIMIT);

    verdict = REFUSAL_IP_LIMIT;
    say(client, "40/room,");
    T_OK(got(client, "44/room,{\"message\":\"too many connections from this address\","
                     "\"data\":{\"code\":\"ip_limit\"}}"));
    T_EQ(connects, 0);
    T_EQ(refusal_total(REFUSAL_IP_LIMIT), before + 1);
    web_free(client);
    tear_down();
}

static void who_enters_nothing_is_closed_in_time(void)
{
    set_up();
    struct web_client *const client = open_client(4);
    const uint64_t before = refusal_total(REFUSAL_SIO_CONNECT_TIMEOUT);

    web_pass(&web, SEC(59));
    T_EQ(refusal_total(REFUSAL_SIO_CONNECT_TIMEOUT), before);
    web_pass(&web, SEC(61)); /* counted from the same moment */
    T_EQ(refusal_total(REFUSAL_SIO_CONNECT_TIMEOUT), before + 1);
    T_EQ(sio_server_sessions(server), 0);
    web_free(client);
    tear_down();
}

static void clients_of_revision_4_are_known_by_their_session(void)
{
    set_up();
    struct web_client *const client = open_client(3);
    char sid[EIO_SID_LENGTH + 1];

    const char *const at = memmem(client->text, client->n, "\"sid\":\"", 7);
    snprintf(sid, sizeof sid, "%s", at + 7);
    T_EQ(connects, 1);
    T_EQ(strlen(sio_id(last)), EIO_SID_LENGTH);
    T_MEM(sio_id(last), sid, EIO_SID_LENGTH);
    say(client, "40/room,");
    T_EQ(connects, 2);
    T_MEM(sio_id(last), "/room#", 6);
    T_MEM(sio_id(last) + 6, sid, EIO_SID_LENGTH);
    web_free(client);
    tear_down();
}

static void names_of_namespaces_are_checked(void)
{
    struct sio_namespace *other = NULL;

    set_up();
    T_EQ(sio_namespace_create(&other, server, "room", &handlers, &web), RC_BAD);
    T_EQ(sio_namespace_create(&other, server, "/a,b", &handlers, &web), RC_BAD);
    T_EQ(sio_namespace_create(&other, server, "/a?b", &handlers, &web), RC_BAD);
    T_EQ(sio_namespace_create(&other, server, "/room", &handlers, &web), RC_BAD);
    T_OK(!other);
    tear_down();
}

/* ---- events and acks -----------------------------------------------------------------------
 */

static void answer_it(struct sio_socket *socket, const struct sio_event *event)
{
    T_EQ(sio_ack(socket, event->ack_id, json_pack("{s:b}", "ok", 1)), RC_OK);
}

static void events_are_handed_on_and_acknowledged(void)
{
    set_up();
    struct web_client *const client = enter();

    on_event = answer_it;
    say(client, "42[\"a\",1,{\"b\":[]}]");
    T_STR(seen, "a [1,{\"b\":[]}] 0 -1");
    T_EQ(client->n, 0); /* nobody asked for an ack */
    say(client, "4212[\"a\"]");
    T_OK(got(client, "4312[{\"ok\":true}]"));
    web_free(client);
    tear_down();
}

static void attachments_come_with_their_event(void)
{
    set_up();
    struct web_client *const client = enter();

    say(client, "452-5[\"a\",{\"_placeholder\":true,\"num\":1}]");
    say_bytes(client, "one");
    T_STR(seen, "m\xc3\xa9 192.0.2.1 {} test 4"); /* not yet */
    say_bytes(client, "two");
    T_STR(seen, "a [{\"_placeholder\":true,\"num\":1}] 2 5");
    web_free(client);
    tear_down();
}

static void sending_makes_the_packets_of_the_protocol(void)
{
    const struct span bytes = SPAN_LITERAL("bytes");
    char large[6001];

    set_up();
    struct web_client *const client = enter();
    say(client, "40/room,");
    forget(client);

    T_EQ(sio_emit(last, "none", NULL), RC_OK);
    T_EQ(sio_emit(last, "one", json_integer(1)), RC_OK);
    T_EQ(sio_emit_args(last, "two", json_pack("[i,s]", 1, "x"), &bytes, 1), RC_OK);
    web_settle(&web);
    T_OK(got(client, "42/room,[\"none\"]"));
    T_OK(got(client, "42/room,[\"one\",1]"));
    T_OK(got(client, "451-/room,[\"two\",1,\"x\"]"));
    T_OK(got(client, "bytes"));
    forget(client);

    memset(large, 'y', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    T_EQ(sio_emit(last, "large", json_string(large)), RC_OK);
    web_settle(&web);
    T_OK(got(client, "42/room,[\"large\",\"yyy"));
    T_OK(client->n > sizeof large);
    T_OK(memcmp(client->text + client->n - 3, "y\"]", 3) == 0);

    T_EQ(sio_emit(last, "disconnect", json_integer(1)), RC_BAD);
    T_EQ(sio_emit_args(last, "many", NULL, &bytes, SIO_ATTACHMENTS_MAX + 1), RC_BAD);
    web_free(client);
    tear_down();
}

static void many_get_one_encoding(void)
{
    struct sio_socket *sockets[3];
    struct web_client *clients[3];

    set_up();
    for (int i = 0; i < 3; i++) {
        clients[i] = enter();
        sockets[i] = last;
    }
    T_EQ(sio_emit_all(lobby, sockets[1], "news", json_true()), 2);
    web_settle(&web);
    T_OK(got(clients[0], "42[\"news\",true]"));
    T_OK(!got(clients[1], "news"));
    T_OK(got(clients[2], "42[\"news\",true]"));
    T_EQ(sio_emit_many(sockets, 2, "two", NULL), 2);
    sio_disconnect(sockets[0], false);
    T_EQ(sio_emit_many(sockets, 3, "two", NULL), 2);
    T_EQ(sio_emit_many(sockets, 0, "two", json_true()), 0);
    T_EQ(sio_emit_all(room, NULL, "nobody", json_true()), 0);
    for (int i = 0; i < 3; i++)
        web_free(clients[i]);
    tear_down();
}

static void keep_answer(void *arg, struct sio_socket *socket, const struct sio_event *answer)
{
    char *const args = answer ? json_dumps(answer->args, JSON_COMPACT) : NULL;
    (void)socket;

    snprintf(arg, 64, "%s", args ? args : "nothing");
    free(args);
    answers++;
}

static void answers_come_once_or_not_at_all(void)
{
    char first[64] = "", second[64] = "", third[64] = "";

    set_up();
    struct web_client *const client = enter();
    T_EQ(sio_emit_with_ack(last, "q", NULL, SEC(5), keep_answer, first), RC_OK);
    T_EQ(sio_emit_with_ack(last, "q", json_true(), SEC(1), keep_answer, second), RC_OK);
    T_EQ(sio_emit_with_ack(last, "q", NULL, SEC(9), keep_answer, third), RC_OK);
    web_settle(&web);
    T_OK(got(client, "420[\"q\"]"));
    T_OK(got(client, "421[\"q\",true]"));
    say(client, "430[\"yes\",1]");
    T_STR(first, "[\"yes\",1]");
    say(client, "430[\"again\"]");
    T_STR(first, "[\"yes\",1]");
    web_pass(&web, SEC(2));
    T_STR(second, "nothing");
    say(client, "431[\"late\"]");
    T_STR(second, "nothing");
    T_STR(third, "");
    say(client, "41");
    T_STR(third, "nothing");
    T_EQ(answers, 3);
    web_free(client);
    tear_down();
}

static void awaited_answers_are_limited(void)
{
    char answer[64];

    set_up();
    struct web_client *const client = enter();
    for (int i = 0; i < SIO_ACKS_PENDING_MAX; i++)
        T_EQ(sio_emit_with_ack(last, "q", NULL, SEC(5), keep_answer, answer), RC_OK);
    T_EQ(sio_emit_with_ack(last, "q", NULL, SEC(5), keep_answer, answer), RC_FULL);
    T_OK(sio_connected(last));
    web_free(client);
    tear_down();
    T_EQ(answers, SIO_ACKS_PENDING_MAX);
}

/* ---- leaving -------------------------------------------------------------------------------
 */

static void leave_it(struct sio_socket *socket, const struct sio_event *event)
{
    (void)event;
    sio_disconnect(socket, false);
    T_EQ(leaves, 1);
    sio_disconnect(socket, true); /* harmless: it has left */
    T_OK(sio_id(socket)[0]);
}

static void a_handler_may_put_its_client_out(void)
{
    set_up();
    struct web_client *const client = enter();

    on_event = leave_it;
    say(client, "42[\"a\"]");
    T_STR(seen, "server namespace disconnect");
    T_OK(got(client, "41"));
    T_EQ(sio_namespace_sockets(lobby), 0);
    T_EQ(sio_server_sessions(server), 1);
    say(client, "40"); /* and it may come back */
    T_EQ(connects, 2);
    web_free(client);
    tear_down();
}

static void close_it(struct sio_socket *socket, const struct sio_event *event)
{
    (void)event;
    sio_disconnect(socket, true);
}

static void closing_leaves_every_namespace(void)
{
    set_up();
    struct web_client *const client = enter();

    say(client, "40/room,");
    on_event = close_it;
    say(client, "42/room,[\"a\"]");
    T_EQ(leaves, 2);
    T_OK(got(client, "41/room,"));
    T_EQ(sio_server_sessions(server), 0);
    web_free(client);
    tear_down();
}

static void a_malformed_packet_closes_and_is_counted(void)
{
    static const struct {
        const char *packet;
        enum refusal why;
    } bad[] = {
        {"4x", REFUSAL_SIO_BAD_PACKET},
        {"42{}", REFUSAL_SIO_BAD_PACKET},
        {"4511-[\"a\"]", REFUSAL_SIO_TOO_MANY_ATTACHMENTS},
        {"x", REFUSAL_EIO_BAD_PACKET},
    };

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        printf("    %s\n", bad[i].packet);
        const uint64_t before = refusal_total(bad[i].why);

        set_up();
        struct web_client *const client = enter();
        say(client, bad[i].packet);
        T_STR(seen, "parse error");
        T_EQ(refusal_total(bad[i].why), before + 1);
        web_free(client);
        tear_down();
    }
}

static void a_shutdown_closes_everybody_and_lets_nobody_in(void)
{
    set_up();
    struct web_client *const client = enter();
    struct web_client *const late = web_connect(&web);

    sio_server_shutdown(server);
    T_STR(seen, "server shutting down");
    T_EQ(leaves, 1);
    web_say(late, "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n");
    web_settle(&web);
    T_OK(got(late, "HTTP/1.1 503 "));
    T_OK(got(late, "\"code\":\"shutting_down\""));
    web_free(late);
    web_free(client);
    tear_down();
}

/* ---- polling --------------------------------------------------------------------------------
 */

static void get(struct web_client *client, const char *sid)
{
    char request[256];

    snprintf(request, sizeof request,
             "GET /socket.io/?EIO=4&transport=polling%s%s HTTP/1.1\r\nHost: x\r\n\r\n",
             sid ? "&sid=" : "", sid ? sid : "");
    web_say(client, request);
    web_settle(&web);
}

static void post(struct web_client *client, const char *sid, const char *body)
{
    char request[512];

    snprintf(request, sizeof request,
             "POST /socket.io/?EIO=4&transport=polling&sid=%s HTTP/1.1\r\nHost: x\r\n"
             "Content-Length: %zu\r\n\r\n%s",
             sid, strlen(body), body);
    web_say(client, request);
    web_settle(&web);
}

static void echo_it(struct sio_socket *socket, const struct sio_event *event)
{
    T_EQ(sio_emit_args(socket, "back", json_incref(event->args), NULL, 0), RC_OK);
}

/* A polling session; `sid` gets its id. */
static void open_polling(struct web_client *client, char sid[static EIO_SID_LENGTH + 1])
{
    get(client, NULL);
    const char *const at = memmem(client->text, client->n, "\"sid\":\"", 7);
    T_OK(at);
    snprintf(sid, EIO_SID_LENGTH + 1, "%s", at + 7);
    forget(client);
}

static void polling_carries_events_both_ways(void)
{
    char sid[EIO_SID_LENGTH + 1];

    set_up();
    struct web_client *const polls = web_connect(&web), *const posts = web_connect(&web);
    open_polling(polls, sid);
    post(posts, sid, "40");
    get(polls, sid);
    T_OK(got(polls, "40{\"sid\":\""));
    forget(polls);

    on_event = echo_it;
    get(polls, sid);
    T_EQ(polls->n, 0); /* it waits */
    post(posts, sid,
         "42[\"a\",1]\x1e"
         "42[\"a\",2]");
    T_OK(got(polls, "42[\"back\",1]\x1e"
                    "42[\"back\",2]"));
    T_EQ(sio_transport(last), EIO_POLLING);

    get(polls, sid);
    web_hang_up(polls); /* the client is gone */
    web_settle(&web);
    T_STR(seen, "transport close");
    web_free(polls);
    web_free(posts);
    tear_down();
}

static void a_server_that_ends_answers_the_polls_that_wait(void)
{
    char sid[EIO_SID_LENGTH + 1];

    set_up();
    struct web_client *const polls = web_connect(&web), *const posts = web_connect(&web);
    open_polling(polls, sid);
    post(posts, sid, "40");
    get(polls, sid);
    get(polls, sid);
    forget(polls);
    sio_server_free(server); /* before the HTTP server: also fine while the loop stands still */
    server = NULL;
    web_settle(&web);
    T_OK(got(polls, "\r\n\r\n1"));
    T_STR(seen, "server shutting down");
    web_free(polls);
    web_free(posts);
    tear_down();
}

static const struct t_case cases[] = {
    T_CASE(authorize_is_told_who_asks),
    T_CASE(who_is_refused_is_told_the_code),
    T_CASE(who_enters_nothing_is_closed_in_time),
    T_CASE(clients_of_revision_4_are_known_by_their_session),
    T_CASE(names_of_namespaces_are_checked),
    T_CASE(events_are_handed_on_and_acknowledged),
    T_CASE(attachments_come_with_their_event),
    T_CASE(sending_makes_the_packets_of_the_protocol),
    T_CASE(many_get_one_encoding),
    T_CASE(answers_come_once_or_not_at_all),
    T_CASE(awaited_answers_are_limited),
    T_CASE(a_handler_may_put_its_client_out),
    T_CASE(closing_leaves_every_namespace),
    T_CASE(a_malformed_packet_closes_and_is_counted),
    T_CASE(a_shutdown_closes_everybody_and_lets_nobody_in),
    T_CASE(polling_carries_events_both_ways),
    T_CASE(a_server_that_ends_answers_the_polls_that_wait),
};
T_MAIN(cases)

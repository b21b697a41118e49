/*
 * nice_relay - two of libnice's ICE agents that may use nothing but relayed candidates of a
 * TURN server meet, and each sends the other messages.
 *
 *   nice_relay --server=ADDRESS:PORT --user=NAME --password=WORD [--transport=udp|tcp]
 *              [--local=ADDRESS] [--messages=N]
 *
 * Prints "pair TYPE:ADDRESS TYPE:ADDRESS" for each agent and "received N M", and ends well when
 * all messages came, within 20 s.
 */
#include "core/address.h"

#include <agent.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TIME_LIMIT = 20, PACE_MS = 5, MESSAGE = 172 /* an RTP packet of Opus */ };

struct options {
    const char *user, *password, *local;
    struct address server;
    NiceRelayType transport;
    unsigned messages;
};

struct end {
    NiceAgent *agent; /* owned */
    guint stream;
    struct end *other; /* borrowed */
    struct meeting *meeting;
    bool gathered, ready;
    unsigned sent, received;
};

struct meeting {
    struct options options;
    GMainContext *context;
    struct end end[2];
    bool over; /* closing: states mean nothing any more */
    unsigned closed;
};

static void die(const char *what)
{
    fprintf(stderr, "nice_relay: %s\n", what);
    exit(EXIT_FAILURE);
}

static void on_message(NiceAgent *agent, guint stream, guint component, guint len, gchar *buf,
                       gpointer arg)
{
    struct end *end = arg;
    (void)agent;
    (void)stream;
    (void)component;

    if (len == MESSAGE && buf[0] == (char)0x80)
        end->received++;
}

/* Both have all their candidates: each is told the other's. */
static void exchange(struct end *to)
{
    gchar *ufrag = NULL, *password = NULL;
    GSList *candidates =
        nice_agent_get_local_candidates(to->other->agent, to->other->stream, 1);

    if (!candidates || !nice_agent_get_local_credentials(to->other->agent, to->other->stream,
                                                         &ufrag, &password))
        die("no relayed candidate");
    nice_agent_set_remote_credentials(to->agent, to->stream, ufrag, password);
    if (nice_agent_set_remote_candidates(to->agent, to->stream, 1, candidates) < 1)
        die("the candidates do not fit");
    g_slist_free_full(candidates, (GDestroyNotify)nice_candidate_free);
    g_free(ufrag);
    g_free(password);
}

static void on_gathered(NiceAgent *agent, guint stream, gpointer arg)
{
    struct end *end = arg;
    (void)agent;
    (void)stream;

    end->gathered = true;
    if (!end->other->gathered)
        return;
    exchange(end);
    exchange(end->other);
}

static void on_state(NiceAgent *agent, guint stream, guint component, guint state, gpointer arg)
{
    struct end *end = arg;
    (void)agent;
    (void)stream;
    (void)component;

    if (state == NICE_COMPONENT_STATE_FAILED && !end->meeting->over)
        die("the checks failed");
    end->ready = state == NICE_COMPONENT_STATE_READY;
}

static void open_end(struct end *end, bool controlling)
{
    const struct options *options = &end->meeting->options;
    char server[ADDRESS_TEXT_MAX];
    NiceAddress local;

    end->agent = nice_agent_new(end->meeting->context, NICE_COMPATIBILITY_RFC5245);
    g_object_set(end->agent, "controlling-mode", controlling, "upnp", FALSE, "ice-tcp", FALSE,
                 "force-relay", TRUE, NULL);
    nice_address_init(&local);
    if (!nice_address_set_from_string(&local, options->local) ||
        !nice_agent_add_local_address(end->agent, &local))
        die("no such local address");
    g_signal_connect(end->agent, "candidate-gathering-done", G_CALLBACK(on_gathered), end);
    g_signal_connect(end->agent, "component-state-changed", G_CALLBACK(on_state), end);
    end->stream = nice_agent_add_stream(end->agent, 1);
    nice_agent_attach_recv(end->agent, end->stream, 1, end->meeting->context, on_message, end);
    address_format_ip(&options->server, server, sizeof server);
    if (!nice_agent_set_relay_info(end->agent, end->stream, 1, server,
                                   address_port(&options->server), options->user,
                                   options->password, options->transport) ||
        !nice_agent_gather_candidates(end->agent, end->stream))
        die("nothing to gather");
}

static gboolean on_pace(gpointer arg)
{
    struct meeting *meeting = arg;
    char message[MESSAGE] = {(char)0x80};

    for (int i = 0; i < 2; i++) {
        struct end *end = &meeting->end[i];

        if (!end->ready || !end->other->ready || end->sent == meeting->options.messages)
            continue;
        if (nice_agent_send(end->agent, end->stream, 1, MESSAGE, message) == MESSAGE)
            end->sent++;
    }
    return G_SOURCE_CONTINUE;
}

static void print_pair(const struct end *end)
{
    static const char *const types[] = {"host", "srflx", "prflx", "relay"};
    NiceCandidate *pair[2];

    if (!nice_agent_get_selected_pair(end->agent, end->stream, 1, &pair[0], &pair[1]))
        die("no pair");
    printf("pair");
    for (int i = 0; i < 2; i++) {
        char text[NICE_ADDRESS_STRING_LEN];

        nice_address_to_string(&pair[i]->addr, text);
        printf(" %s:%s", types[pair[i]->type], text);
    }
    printf("\n");
}

static void on_closed(GObject *agent, GAsyncResult *result, gpointer arg)
{
    struct meeting *meeting = arg;
    (void)agent;
    (void)result;

    meeting->closed++;
}

static void run(struct meeting *meeting)
{
    const unsigned wanted = meeting->options.messages;
    GSource *pace = g_timeout_source_new(PACE_MS);

    g_source_set_callback(pace, on_pace, meeting, NULL);
    g_source_attach(pace, meeting->context);
    while (meeting->end[0].received < wanted || meeting->end[1].received < wanted)
        g_main_context_iteration(meeting->context, TRUE);
    print_pair(&meeting->end[0]);
    print_pair(&meeting->end[1]);
    printf("received %u %u\n", meeting->end[0].received, meeting->end[1].received);
    /* Until the allocations are ended. */
    meeting->over = true;
    for (int i = 0; i < 2; i++)
        nice_agent_close_async(meeting->end[i].agent, on_closed, meeting);
    while (meeting->closed < 2)
        g_main_context_iteration(meeting->context, TRUE);
    g_source_destroy(pace);
    g_source_unref(pace);
}

static void parse_options(struct options *options, int argc, char **argv)
{
    static const struct option names[] = {{"server", required_argument, NULL, 's'},
                                          {"user", required_argument, NULL, 'u'},
                                          {"password", required_argument, NULL, 'w'},
                                          {"local", required_argument, NULL, 'L'},
                                          {"transport", required_argument, NULL, 't'},
                                          {"messages", required_argument, NULL, 'n'},
                                          {NULL, 0, NULL, 0}};
    int option;

    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (option == 's' && address_parse(&options->server, optarg) != RC_OK)
            die("--server is no address");
        else if (option == 'u')
            options->user = optarg;
        else if (option == 'w')
            options->password = optarg;
        else if (option == 'L')
            options->local = optarg;
        else if (option == 't')
            options->transport = strcmp(optarg, "tcp") == 0 ? NICE_RELAY_TYPE_TURN_TCP
                                                            : NICE_RELAY_TYPE_TURN_UDP;
        else if (option == 'n')
            options->messages = (unsigned)atoi(optarg);
    }
    if (!address_port(&options->server) || !options->user || !options->password)
        die("--server, --user and --password are needed");
}

int main(int argc, char **argv)
{
    static struct meeting meeting = {.options = {.local = "127.0.0.1",
                                                 .transport = NICE_RELAY_TYPE_TURN_UDP,
                                                 .messages = 100}};

    setvbuf(stdout, NULL, _IOLBF, 0);
    parse_options(&meeting.options, argc, argv);
    alarm(TIME_LIMIT);
    meeting.context = g_main_context_new();
    g_main_context_push_thread_default(meeting.context); /* or closing never reports its end */
    for (int i = 0; i < 2; i++) {
        meeting.end[i].meeting = &meeting;
        meeting.end[i].other = &meeting.end[1 - i];
        open_end(&meeting.end[i], i == 0);
    }
    run(&meeting);
    for (int i = 0; i < 2; i++)
        g_object_unref(meeting.end[i].agent);
    g_main_context_pop_thread_default(meeting.context);
    g_main_context_unref(meeting.context);
    return EXIT_SUCCESS;
}

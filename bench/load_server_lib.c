#include "bench/load_server_lib.h"

#include "bench/process_cost_lib.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void die(const char *what)
{
    fprintf(stderr, "relay_load: %s\n", what);
    exit(EXIT_FAILURE);
}

static void become_server(const struct load_server *server, const char *program, int out)
{
    const char *words[] = {program,
                           "--port=0",
                           "--listening-port=0",
                           "--listening-ip=127.0.0.1",
                           "--workers=1",
                           "--max-connections-per-ip=0",
                           "--log-level=error",
                           server->turn ? "--lt-cred-mech" : NULL,
                           "--user=" LOAD_TURN_USER ":" LOAD_TURN_PASSWORD,
                           "--allow-loopback-peers",
                           NULL};
    char *arguments[ARRAY_LEN(words)];

    prctl(PR_SET_PDEATHSIG, SIGTERM); /* it does not outlive its measurement */
    dup2(out, STDOUT_FILENO);
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        arguments[i] = words[i] ? strdup(words[i]) : NULL;
    execv(program, arguments);
    fprintf(stderr, "relay_load: %s: %s\n", program, strerror(errno));
    _exit(127);
}

/* The number behind `key`, if it is there. */
static void read_port(const char *line, const char *key, unsigned *port)
{
    const char *at = strstr(line, key);

    if (at)
        (void)sscanf(at + strlen(key), "%u", port);
}

void load_server_start(struct load_server *server, const char *program)
{
    int pipe_ends[2];
    char line[256];
    unsigned page = 0, media = 0;

    if (pipe(pipe_ends) != 0)
        die("no pipe");
    server->pid = fork();
    if (server->pid < 0)
        die("cannot fork");
    if (server->pid == 0)
        become_server(server, program, pipe_ends[1]);
    close(pipe_ends[1]);
    FILE *out = fdopen(pipe_ends[0], "r");
    alarm(10);
    while (!(page && media) && out && fgets(line, sizeof line, out)) {
        read_port(line, "http://127.0.0.1:", &page);
        read_port(line, "media        UDP ", &media);
    }
    alarm(0);
    if (!page || !media)
        die("the server did not start");
    /* What it says later goes nowhere; the pipe stays open so that it may. */
    (void)address_parse(&server->page, "127.0.0.1");
    server->media = server->page;
    address_set_port(&server->page, (uint16_t)page);
    address_set_port(&server->media, (uint16_t)media);
}

void load_server_stop(struct load_server *server)
{
    if (server->pid <= 0)
        return;
    kill(server->pid, SIGTERM);
    waitpid(server->pid, NULL, 0);
    server->pid = 0;
}

uint64_t load_server_cpu(const struct load_server *server, const char *name)
{
    return process_cpu(server->pid, name);
}

uint64_t load_server_resident(const struct load_server *server)
{
    return process_resident(server->pid);
}

uint64_t load_server_resident_peak(const struct load_server *server)
{
    return process_resident_peak(server->pid);
}

long load_server_status(const struct load_server *server, const char *group, const char *name)
{
    static const char request[] = "GET /status HTTP/1.0\r\n\r\n";
    char text[16384];
    size_t len = 0;
    long value = -1;
    const int fd = socket(server->page.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, &server->page.sa, address_len(&server->page)) != 0 ||
        send(fd, request, sizeof request - 1, MSG_NOSIGNAL) < 0)
        die("no status page");
    for (ssize_t n;
         len + 1 < sizeof text && (n = read(fd, text + len, sizeof text - 1 - len)) > 0;)
        len += (size_t)n;
    close(fd);
    text[len] = '\0';
    const char *body = strstr(text, "\r\n\r\n");
    json_t *status = body ? json_loads(body + 4, 0, NULL) : NULL;
    const json_t *number = json_object_get(json_object_get(status, group), name);
    if (json_is_integer(number))
        value = (long)json_integer_value(number);
    json_decref(status);
    return value;
}

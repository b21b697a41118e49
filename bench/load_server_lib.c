#include "bench/load_server_lib.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
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

static void become_server(const char *program, int out)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM); /* it does not outlive its measurement */
    dup2(out, STDOUT_FILENO);
    execl(program, program, "--port=0", "--listening-port=0", "--listening-ip=127.0.0.1",
          "--workers=1", "--max-connections-per-ip=0", "--log-level=error", (char *)NULL);
    fprintf(stderr, "relay_load: %s: %s\n", program, strerror(errno));
    _exit(127);
}

void load_server_start(struct load_server *server, const char *program)
{
    int pipe_ends[2];
    char line[256];
    unsigned port = 0;

    if (pipe(pipe_ends) != 0)
        die("no pipe");
    server->pid = fork();
    if (server->pid < 0)
        die("cannot fork");
    if (server->pid == 0)
        become_server(program, pipe_ends[1]);
    close(pipe_ends[1]);
    FILE *out = fdopen(pipe_ends[0], "r");
    alarm(10);
    while (!port && out && fgets(line, sizeof line, out)) {
        const char *at = strstr(line, "http://127.0.0.1:");

        if (at)
            (void)sscanf(at, "http://127.0.0.1:%u", &port);
    }
    alarm(0);
    if (!port)
        die("the server did not start");
    /* What it says later goes nowhere; the pipe stays open so that it may. */
    (void)address_parse(&server->page, "127.0.0.1");
    address_set_port(&server->page, (uint16_t)port);
}

void load_server_stop(struct load_server *server)
{
    if (server->pid <= 0)
        return;
    kill(server->pid, SIGTERM);
    waitpid(server->pid, NULL, 0);
    server->pid = 0;
}

static bool read_task(pid_t pid, const char *task, const char *file, char *buf, int size)
{
    char path[300];

    snprintf(path, sizeof path, "/proc/%d/task/%s/%s", pid, task, file);
    FILE *in = fopen(path, "r");
    if (!in)
        return false;
    const bool ok = fgets(buf, size, in) != NULL;
    fclose(in);
    return ok;
}

uint64_t load_server_cpu(const struct load_server *server, const char *name)
{
    char path[64], text[128];
    uint64_t total = 0, ns;
    struct dirent *entry;

    snprintf(path, sizeof path, "/proc/%d/task", server->pid);
    DIR *tasks = opendir(path);
    if (!tasks)
        die("the server has ended");
    while ((entry = readdir(tasks))) {
        if (entry->d_name[0] == '.' ||
            !read_task(server->pid, entry->d_name, "comm", text, sizeof text) ||
            strncmp(text, name, strlen(name)) != 0)
            continue;
        /* Time on a CPU, in nanoseconds. */
        if (read_task(server->pid, entry->d_name, "schedstat", text, sizeof text) &&
            sscanf(text, "%" SCNu64, &ns) == 1)
            total += ns;
    }
    closedir(tasks);
    return total;
}

static uint64_t read_status(const struct load_server *server, const char *key)
{
    char path[64], line[256];
    uint64_t kb = 0;

    snprintf(path, sizeof path, "/proc/%d/status", server->pid);
    FILE *in = fopen(path, "r");
    if (!in)
        die("the server has ended");
    while (fgets(line, sizeof line, in))
        if (strncmp(line, key, strlen(key)) == 0)
            (void)sscanf(line + strlen(key), "%" SCNu64, &kb);
    fclose(in);
    return kb * 1024;
}

uint64_t load_server_resident(const struct load_server *server)
{
    return read_status(server, "VmRSS:");
}

uint64_t load_server_resident_peak(const struct load_server *server)
{
    return read_status(server, "VmHWM:");
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

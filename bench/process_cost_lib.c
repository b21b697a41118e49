#include "bench/process_cost_lib.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void die(pid_t pid)
{
    fprintf(stderr, "process %d has ended, or may not be looked at\n", pid);
    exit(EXIT_FAILURE);
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

uint64_t process_cpu(pid_t pid, const char *name)
{
    char path[64], text[128];
    uint64_t total = 0, ns;
    struct dirent *entry;

    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *tasks = opendir(path);
    if (!tasks)
        die(pid);
    while ((entry = readdir(tasks))) {
        if (entry->d_name[0] == '.' ||
            !read_task(pid, entry->d_name, "comm", text, sizeof text) ||
            strncmp(text, name, strlen(name)) != 0)
            continue;
        /* Time on a CPU, in nanoseconds. */
        if (read_task(pid, entry->d_name, "schedstat", text, sizeof text) &&
            sscanf(text, "%" SCNu64, &ns) == 1)
            total += ns;
    }
    closedir(tasks);
    return total;
}

/* The sizes, in the file's kB, behind each of `count` keys. */
static void read_sizes(pid_t pid, const char *file, const char *const *keys, uint64_t *bytes,
                       size_t count)
{
    char path[64], line[256];

    snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
    FILE *in = fopen(path, "r");
    if (!in)
        die(pid);
    while (fgets(line, sizeof line, in)) {
        for (size_t i = 0; i < count; i++) {
            uint64_t kb;

            if (strncmp(line, keys[i], strlen(keys[i])) == 0 &&
                sscanf(line + strlen(keys[i]), "%" SCNu64, &kb) == 1)
                bytes[i] = kb * 1024;
        }
    }
    fclose(in);
}

uint64_t process_resident(pid_t pid)
{
    uint64_t bytes = 0;

    read_sizes(pid, "status", (const char *[]){"VmRSS:"}, &bytes, 1);
    return bytes;
}

uint64_t process_resident_peak(pid_t pid)
{
    uint64_t bytes = 0;

    read_sizes(pid, "status", (const char *[]){"VmHWM:"}, &bytes, 1);
    return bytes;
}

struct process_memory process_memory(pid_t pid)
{
    uint64_t bytes[2] = {0};

    read_sizes(pid, "smaps_rollup", (const char *[]){"Rss:", "Anonymous:"}, bytes, 2);
    return (struct process_memory){.resident = bytes[0], .anonymous = bytes[1]};
}

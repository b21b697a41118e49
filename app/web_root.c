#include "app/web_root.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_folder(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

bool web_root_find(const char *named, char *out, size_t size)
{
    static const char *const places[] = {"web", "../share/meetopia-relay/web"};
    char program[PATH_MAX];

    if (named) {
        snprintf(out, size, "%s", named);
        return true;
    }
    const ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    if (n < 0)
        return false;
    program[n] = '\0';
    char *slash = strrchr(program, '/');
    if (slash)
        *slash = '\0';
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        if ((size_t)snprintf(out, size, "%s/%s", program, places[i]) < size && is_folder(out))
            return true;
    }
    return false;
}

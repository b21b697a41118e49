/*
 * Runs a fuzz target over the files given, or over its corpus: tests/fuzz/corpus/<target>/.
 * Linked instead of libFuzzer, so that any compiler replays the corpus and every past crash.
 * With -mutate=N it also runs N random mutations of the corpus, from a fixed seed.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUT_MAX (1u << 20)

static unsigned runs;
static unsigned mutations;
static uint64_t seed = 0x9e3779b97f4a7c15u;

static uint32_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 16);
}

/* An exact-size copy, so that the sanitizer sees the first byte past the end. */
static void run_once(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy)
        abort();
    if (size)
        memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
    runs++;
}

static void run_mutated(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size + 1);
    if (!copy)
        abort();
    for (unsigned i = 0; i < mutations; i++) {
        size_t n = size;

        memcpy(copy, data, size);
        for (uint32_t k = 1 + next_random() % 4; k > 0 && n > 0; k--)
            copy[next_random() % n] = (uint8_t)next_random();
        if (n > 0 && next_random() % 4 == 0)
            n = next_random() % n;
        run_once(copy, n);
    }
    free(copy);
}

static int run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = malloc(INPUT_MAX);
    if (!file || !data) {
        perror(path);
        exit(EXIT_FAILURE);
    }
    const size_t n = fread(data, 1, INPUT_MAX, file);
    fclose(file);
    run_once(data, n);
    if (mutations)
        run_mutated(data, n);
    free(data);
    return 0;
}

static void run_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    if (!dir) {
        printf("# no corpus in %s\n", folder);
        return;
    }
    for (const struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
        char path[1024];
        struct stat info;

        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (stat(path, &info) == 0 && S_ISREG(info.st_mode))
            run_file(path);
    }
    closedir(dir);
}

int main(int argc, char **argv)
{
    const char *slash = strrchr(argv[0], '/');
    const char *name = slash ? slash + 1 : argv[0];
    char folder[512];
    int files = 0;

    snprintf(folder, sizeof folder, "tests/fuzz/corpus/%s", name);
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "-mutate=", 8) == 0) {
            mutations = (unsigned)strtoul(argv[i] + 8, NULL, 10);
            continue;
        }
        run_file(argv[i]);
        files++;
    }
    if (!files)
        run_folder(folder);
    run_once((const uint8_t *)"", 0);
    printf("ok 1 - %s: %u inputs\n1..1\n", name, runs);
    return 0;
}

/*
 * Fuzzes the option file: an error is a sentence that fits and names its line, what was
 * accepted is within its bounds, and what is printed reads back as the same.
 */
#include "core/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MUST(cond) ((cond) ? (void)0 : abort()) /* active in every build, unlike assert */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct target {
    bool on;
    int64_t port, any;
    char *name, *secret;
    struct option_list list;
    int level;
    usec_t time, bounded;
    struct option_list lines, notes;
};

#define FIELD(f) .offset = offsetof(struct target, f)

static const char *const levels[] = {"error", "warn", "info", NULL};
static const struct option table[] = {
    {.name = "on", .type = OPTION_BOOL, FIELD(on)},
    {.name = "port", .type = OPTION_INT, FIELD(port), .initial = "3", .min = 1, .max = 65535},
    {.name = "any", .type = OPTION_INT, FIELD(any)},
    {.name = "name", .type = OPTION_STRING, FIELD(name), .initial = ""},
    {.name = "secret", .type = OPTION_STRING, FIELD(secret), .secret = true},
    {.name = "list", .type = OPTION_LIST, FIELD(list), .initial = "a,b"},
    {.name = "level", .type = OPTION_CHOICE, FIELD(level), .choices = levels},
    {.name = "time", .type = OPTION_DURATION, FIELD(time), .unit = MSEC(1)},
    {.name = "bounded",
     .type = OPTION_DURATION,
     FIELD(bounded),
     .initial = "2s",
     .min = 1000000,
     .max = 5000000},
    {.name = "ignored", .type = OPTION_IGNORED},
    {.name = "lines", .type = OPTION_LINES, FIELD(lines), .secret = true},
    {.name = "unknown", .type = OPTION_UNSUPPORTED, FIELD(notes), .help = "not here"},
};
enum { COUNT = ARRAY_LEN(table) };

static char *print(const struct target *target)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    MUST(out != NULL);
    options_print(table, COUNT, target, out);
    fclose(out);
    return text;
}

static void check_target(struct target *target)
{
    char error[OPTIONS_ERROR_MAX];
    struct target again = {0};

    MUST(target->port >= 1 && target->port <= 65535);
    MUST(target->bounded >= SEC(1) && target->bounded <= SEC(5));
    MUST(target->level >= 0 && target->level < 3);
    for (size_t i = 0; i < target->list.count; i++)
        MUST(target->list.item[i][0] != '\0' && !strchr(target->list.item[i], ','));
    for (size_t i = 0; i < target->notes.count; i++)
        MUST(strstr(target->notes.item[i], ": unknown: not here"));

    char *text = print(target);
    MUST(options_defaults(table, COUNT, &again) == RC_OK);
    MUST(options_read_text(table, COUNT, &again, "again",
                           (struct span){(const uint8_t *)text, strlen(text)}, error) == RC_OK);
    char *same = print(&again);
    MUST(strcmp(text, same) == 0);
    free(text);
    free(same);
    options_clear(table, COUNT, &again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char error[OPTIONS_ERROR_MAX] = "";
    struct target target = {0};

    MUST(options_defaults(table, COUNT, &target) == RC_OK);
    const int rc =
        options_read_text(table, COUNT, &target, "f", (struct span){data, size}, error);
    if (rc == RC_OK)
        check_target(&target);
    else
        MUST(rc == RC_BAD && strncmp(error, "f:", 2) == 0 && strlen(error) > 4);
    options_clear(table, COUNT, &target);
    return 0;
}

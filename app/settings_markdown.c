/*
 * The table of docs/configuration.md, made from the one in settings_table.c.
 */
#include "app/settings.h"

static void print_choices(const char *const *choices, FILE *out)
{
    for (; *choices; choices++)
        fprintf(out, "`%s`%s", *choices, choices[1] ? ", " : "");
}

/* A bare number of a duration is counted in the row's unit. */
static void print_duration(const struct option *row, FILE *out)
{
    if (row->unit == MSEC(1))
        fprintf(out, "milliseconds, or `500ms`, `30s`, `2m`");
    else
        fprintf(out, "seconds, or `500ms`, `30s`, `2m`");
}

static void print_values(const struct option *row, FILE *out)
{
    switch (row->type) {
    case OPTION_BOOL:
        fprintf(out, "`on`, `off`");
        break;
    case OPTION_INT:
        fprintf(out, "%lld to %lld", (long long)row->min, (long long)row->max);
        break;
    case OPTION_CHOICE:
        print_choices(row->choices, out);
        break;
    case OPTION_DURATION:
        print_duration(row, out);
        break;
    case OPTION_LIST:
        fprintf(out, "%s, several by comma or repeated", row->argument);
        break;
    case OPTION_LINES:
        fprintf(out, "%s, several by repeating", row->argument);
        break;
    case OPTION_STRING:
    case OPTION_IGNORED:
    case OPTION_UNSUPPORTED:
        fprintf(out, "%s", row->argument);
        break;
    }
}

/* A star would begin emphasis. */
static void print_text(const char *text, FILE *out)
{
    for (; *text; text++)
        fprintf(out, *text == '*' ? "\\%c" : "%c", *text);
}

static void print_row(const struct option *row, FILE *out)
{
    fprintf(out, "| `%s` ", row->name);
    if (row->environment)
        fprintf(out, "(%s `%s`) ", row->no_variable ? "variable" : "also", row->environment);
    if (row->initial)
        fprintf(out, "| `%s` | ", row->initial);
    else
        fputs("| | ", out);
    print_values(row, out);
    fprintf(out, " | %s | ", row->reloadable ? "yes" : "");
    print_text(row->help, out);
    fputs(" |\n", out);
}

/* What an operator who has it in a file must know. */
static const char *outcome(const struct option *row)
{
    if (row->type == OPTION_IGNORED)
        return "accepted";
    return row->offset == offsetof(struct settings, notes) ? "a warning"
                                                           : "the server does not start";
}

static void print_unused_row(const struct option *row, FILE *out)
{
    fprintf(out, "| `%s` | %s | ", row->name, outcome(row));
    print_text(row->help, out);
    fputs(" |\n", out);
}

static bool is_used(const struct option *row)
{
    return row->type != OPTION_IGNORED && row->type != OPTION_UNSUPPORTED;
}

void settings_print_markdown(FILE *out)
{
    fprintf(out, "| option | default | values | SIGHUP | what it does |\n"
                 "| --- | --- | --- | --- | --- |\n");
    for (size_t i = 0; i < settings_count; i++) {
        if (is_used(&settings_table[i]))
            print_row(&settings_table[i], out);
    }
    fprintf(out, "\nNames from elsewhere, most of them coturn's, that change nothing here:\n\n"
                 "| option | then | because |\n"
                 "| --- | --- | --- |\n");
    for (size_t i = 0; i < settings_count; i++) {
        if (!is_used(&settings_table[i]))
            print_unused_row(&settings_table[i], out);
    }
}

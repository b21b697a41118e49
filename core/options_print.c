#include "core/option_value.h"

#include <string.h>

enum {
    HELP_COLUMNS = 80,
    HELP_INDENT = 8,
};

/* Words of `text` behind what stands on the line already; returns the column reached. */
static size_t wrap(FILE *out, const char *text, size_t column)
{
    while (*text) {
        const size_t n = strcspn(text, " ");

        if (column > HELP_INDENT && column + 1 + n > HELP_COLUMNS) {
            fputc('\n', out);
            column = 0;
        }
        if (column == 0) {
            fprintf(out, "%*s", HELP_INDENT, "");
            column = HELP_INDENT;
        } else if (column > HELP_INDENT) {
            fputc(' ', out);
            column++;
        }
        fwrite(text, 1, n, out);
        column += n;
        text += n + strspn(text + n, " ");
    }
    return column;
}

static void print_choices(FILE *out, const struct option *row)
{
    for (int i = 0; row->choices[i]; i++)
        fprintf(out, "%s%s", i ? "|" : "=", row->choices[i]);
}

static void print_row(FILE *out, const struct option *row)
{
    char text[256], variable[OPTION_NAME_MAX + 1];

    fputs("  ", out);
    if (row->letter)
        fprintf(out, "-%c, ", row->letter);
    fprintf(out, "--%s", row->name);
    if (row->type == OPTION_CHOICE)
        print_choices(out, row);
    else if (row->type != OPTION_BOOL)
        fprintf(out, "=%s", row->argument ? row->argument : "VALUE");
    fputc('\n', out);

    size_t column = wrap(out, row->help ? row->help : "", 0);
    if (row->initial && *row->initial && !row->secret) {
        snprintf(text, sizeof text, "Default: %s.", row->initial);
        column = wrap(out, text, column);
    }
    option_variable_name(row->name, variable);
    snprintf(text, sizeof text, "[%s%s%s]", row->no_variable ? "" : variable,
             !row->no_variable && row->environment ? ", " : "",
             row->environment ? row->environment : "");
    if (strlen(text) > 2)
        wrap(out, text, column);
    fputc('\n', out);
}

void options_print_help(const struct option *table, size_t count, void *out)
{
    for (size_t i = 0; i < count; i++) {
        if (table[i].type != OPTION_IGNORED && table[i].type != OPTION_UNSUPPORTED)
            print_row(out, &table[i]);
    }
}

void options_print(const struct option *table, size_t count, const void *target, void *out)
{
    for (size_t i = 0; i < count; i++) {
        const struct option *row = &table[i];

        if (row->type == OPTION_IGNORED || row->type == OPTION_UNSUPPORTED)
            continue;
        fprintf(out, "%s=", row->name);
        if (row->secret && !option_value_empty(row, target))
            fputs("(hidden)", out);
        else
            option_value_print(row, target, out);
        fputc('\n', out);
    }
}

/*
 * core/option_value.h - one value of one row of an option table: read it, print it, free it.
 *
 * Sans-IO; the inside of core/options.h. Errors are the end of a sentence that begins with
 * where the value stood: `70000 is not a number from 1 to 65535`.
 */
#ifndef CORE_OPTION_VALUE_H
#define CORE_OPTION_VALUE_H

#include "core/options.h"

#include <stdio.h>

#define OPTION_NAME_MAX 64 /* longer names are nobody's */

/* listening-port as LISTENING_PORT. */
void option_variable_name(const char *option, char out[static OPTION_NAME_MAX + 1]);

/* Reads `text` into the row's place in `target`. append: a list keeps what it has. RC_OK,
 * RC_BAD with `error` filled, RC_NOMEM (error filled too). The old value stays unless RC_OK. */
int option_value_set(const struct option *row, void *target, const char *text, bool append,
                     char error[static OPTIONS_ERROR_MAX]);
void option_value_clear(const struct option *row, void *target);
/* A string or list without anything in it; other types are never empty. */
bool option_value_empty(const struct option *row, const void *target);
bool option_value_equal(const struct option *row, const void *a, const void *b);
/* Exchanges the value between two targets: what is owned goes along. */
void option_value_swap(const struct option *row, void *a, void *b);
/* What says that something is not wanted: off, no, false, 0… */
bool option_value_is_off(const char *text);
/* As option_value_set would read it again, but for OPTION_LINES, which takes a line each. */
void option_value_print(const struct option *row, const void *target, FILE *out);

#endif

/*
 * app/settings_check.h - what the values of options can be, beyond their types: the `check` of
 * rows in settings_table.c.
 *
 * RC_OK, or RC_BAD with the end of a sentence in `error`, which never has a secret in it.
 */
#ifndef APP_SETTINGS_CHECK_H
#define APP_SETTINGS_CHECK_H

#include "core/base.h"

int check_ip(const char *value, char *error, size_t size);
int check_external_ip(const char *value, char *error, size_t size); /* PUBLIC[/PRIVATE] */
int check_address(const char *value, char *error, size_t size);     /* IP[:PORT] */
int check_net(const char *value, char *error, size_t size);
int check_range(const char *value, char *error, size_t size); /* IP, IP-IP, network */
int check_codec(const char *value, char *error, size_t size);
int check_origin(const char *value, char *error, size_t size);
int check_host(const char *value, char *error, size_t size);
int check_realm(const char *value, char *error, size_t size);
int check_user(const char *value, char *error, size_t size); /* NAME:PASSWORD */
int check_secret(const char *value, char *error, size_t size);
int check_separator(const char *value, char *error, size_t size); /* one character */

#endif

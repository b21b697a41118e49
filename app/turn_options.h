/*
 * app/turn_options.h - what turn_host wants to know, made of the settings.
 *
 * Pure. Points into the settings and into itself: fill it in where it stays.
 */
#ifndef APP_TURN_OPTIONS_H
#define APP_TURN_OPTIONS_H

#include "app/settings.h"
#include "app/turn_host.h"

struct turn_options {
    struct turn_host_options host;
    const char *secret; /* the one to hand out credentials with, where none is configured */
    struct address relay_ip[RELAY_ADDRESSES_LIMIT];
    struct relay_external external[RELAY_ADDRESSES_LIMIT];
};

/* `secret` lives as long as the options; `media` is what relay_start gets. */
void turn_options_read(struct turn_options *out, const struct settings *settings,
                       const char *secret, const struct relay_options *media);

#endif

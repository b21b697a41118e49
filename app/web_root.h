/*
 * app/web_root.h - where the built page is.
 *
 * Looks at the disk. Any thread.
 */
#ifndef APP_WEB_ROOT_H
#define APP_WEB_ROOT_H

#include "core/base.h"

/* The folder that the option names, or else the one beside the program: web (a build folder) or
 * ../share/meetopia-relay/web (an installation). False: there is none. */
bool web_root_find(const char *named, char *out, size_t size);

#endif

/*
 * signaling/static_files.h - the built page, from a folder, served from memory.
 *
 * Glue: reads the folder once. Afterwards a request is a look-up in a table of the names that
 * were found then: no path can lead out of it, nothing is listed, symbolic links and names that
 * begin with a dot were never taken. Text is kept gzip-compressed as well and sent so to
 * clients that take it. ETags are strong (SHA-256 of what is sent); files under /assets/ have
 * hashed names and are immutable, everything else is asked for again (no-cache) and mostly
 * answered 304.
 *
 * "/" is index.html, "/x" also finds x.html and x/index.html. Belongs to the thread of its
 * server.
 */
#ifndef SIGNALING_STATIC_FILES_H
#define SIGNALING_STATIC_FILES_H

#include "core/base.h"
#include "signaling/http.h"

#define STATIC_FILES_MAX 4096                    /* files */
#define STATIC_FILE_BYTES_MAX (16 * 1024 * 1024) /* of one file; it lives in memory */
#define STATIC_BYTES_MAX (64 * 1024 * 1024)      /* of all */
#define STATIC_ERROR_MAX 256

struct static_files;

/* RC_SYS: a folder or file cannot be read; RC_FULL: a limit above; RC_NOMEM. `error` says what.
 */
int static_files_load(struct static_files **out, const char *folder,
                      char error[static STATIC_ERROR_MAX]);
/* Answers that are still being written keep what they need. NULL is fine. */
void static_files_free(struct static_files *files);
size_t static_files_count(const struct static_files *files);

/* Handler for a prefix route "/" with METHOD_GET; arg is the struct static_files. */
http_handler_fn static_files_handle;

#endif

/*
 * app/settings.h - every option of the server, in one table (settings.c): the configuration
 * file, the environment, the flags, --help and docs/configuration.md all come from it.
 */
#ifndef APP_SETTINGS_H
#define APP_SETTINGS_H

#include "core/options.h"

#include <stdio.h>

struct settings {
    /* where it listens */
    int64_t port;
    int64_t listening_port, tls_listening_port;
    struct option_list listening_ip;
    struct option_list external_ip;
    int64_t media_port;
    int64_t workers;
    char *cert, *pkey;

    /* who may come in, and how much of it */
    struct option_list allowed_origins;
    struct option_list trusted_proxy, proxy_protocol;
    int64_t max_connections;
    int64_t max_connections_per_ip;
    int64_t max_peers;
    int64_t max_bitrate;
    int64_t max_handshakes;
    int64_t events_per_second;

    /* Socket.IO */
    usec_t ping_interval, ping_timeout, upgrade_timeout, connect_timeout;
    int64_t max_payload;
    bool allow_eio3;

    /* media */
    struct option_list video_codecs;
    int srtp_engine; /* SETTINGS_SRTP_… */
    int64_t sock_buf_size;

    /* running */
    char *web_root;
    int log_level, log_format; /* indices, in the order of the enums of core/log.h */
    char *log_file;
    usec_t shutdown_grace;
};

enum { SETTINGS_SRTP_AUTO, SETTINGS_SRTP_LIBSRTP };

extern const struct option settings_table[];
extern const size_t settings_count;

/*
 * Defaults, then file, environment and flags. The file is the one that --config names, or none.
 * RC_OK, or with a sentence in `error`: RC_BAD, RC_SYS when the file cannot be read, RC_NOMEM.
 */
int settings_load(struct settings *out, int argc, char **argv, char **environment,
                  char error[static OPTIONS_ERROR_MAX]);
void settings_clear(struct settings *settings);

/* The table of docs/configuration.md, made by scripts/configuration-doc.sh. */
void settings_print_markdown(FILE *out);

#endif

/*
 * app/settings.h - every option of the server, in one table (settings_table.c): the
 * configuration file, the environment, the flags, --help and docs/configuration.md all come
 * from it.
 */
#ifndef APP_SETTINGS_H
#define APP_SETTINGS_H

#include "core/options.h"

#include <stdio.h>

struct settings {
    /* where it listens */
    int64_t port;
    int64_t listening_port;
    struct option_list listening_ip;
    struct option_list external_ip;
    int64_t media_port;
    int64_t workers;
    char *cert, *pkey, *pkey_pwd, *cipher_list;
    bool no_tlsv1_2;

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

    /* TURN: where. app/turn_settings.h makes of these what turn/ wants. */
    int64_t tls_listening_port;  /* for where cert is; 0: none */
    int64_t alt_listening_port;  /* 0: listening_port + 1 */
    bool rfc5780, no_rfc5780;    /* the second is the default said aloud */
    int64_t tcp_proxy_port;      /* 0: none */
    struct option_list relay_ip; /* IPs */
    int relay_ports;             /* SETTINGS_RELAY_PORTS_… */
    int64_t min_port, max_port;
    bool no_udp, no_tcp, no_tls, no_dtls; /* of clients */
    bool no_udp_relay, no_tcp_relay;      /* to peers */
    int64_t relay_threads;                /* is in workers already */

    /* TURN: who */
    char *realm, *server_name; /* server_name may be NULL */
    bool lt_cred_mech, use_auth_secret;
    struct option_list user; /* NAME:PASSWORD; of no effect where there is a secret */
    struct option_list static_auth_secret; /* none: make one to hand out with */
    char *rest_api_separator;
    usec_t turn_credential_ttl;
    int turn_credential_peers; /* SETTINGS_PEERS_… */
    bool strict_expiry;
    usec_t stale_nonce; /* 0: without end */
    char *stateless_nonce_secret;
    bool secure_stun, stun_only, no_stun;
    int64_t unauthorized_ratelimit_rps;

    /* TURN: to whom, and how much */
    struct option_list allowed_peer_ip, denied_peer_ip;
    bool allow_loopback_peers;
    int64_t user_quota, total_quota; /* 0: no limit */
    int64_t max_bps, bps_capacity;   /* bytes in a second; 0: no limit */
    usec_t max_allocate_lifetime, channel_lifetime, permission_lifetime;
    bool mobility;
    struct option_list alternate_server; /* IP[:PORT], port 0: 3478 */
    bool fingerprint;
    bool no_software_attribute, prod; /* the second is in the first already */

    /* What stood somewhere and is not supported: sentences that begin with the place. */
    struct option_list notes;   /* to be told */
    struct option_list refused; /* reasons not to start */
};

enum { SETTINGS_SRTP_AUTO, SETTINGS_SRTP_LIBSRTP };
enum { SETTINGS_RELAY_PORTS_ANY, SETTINGS_RELAY_PORTS_NONE };
enum { SETTINGS_PEERS_SFU, SETTINGS_PEERS_ANY };

extern const struct option settings_table[];
extern const size_t settings_count;

/*
 * Defaults, then file, environment and flags. The file is the one that --config or -c names, or
 * none. RC_OK, or with a sentence in `error`: RC_BAD, also when anything is refused; RC_SYS
 * when the file cannot be read; RC_NOMEM.
 */
int settings_load(struct settings *out, int argc, char **argv, char **environment,
                  char error[static OPTIONS_ERROR_MAX]);
/* The same, but what is refused is left to the caller to find in `refused`. */
int settings_read(struct settings *out, int argc, char **argv, char **environment,
                  char error[static OPTIONS_ERROR_MAX]);
void settings_clear(struct settings *settings);

/* The table of docs/configuration.md, made by scripts/configuration-doc.sh. */
void settings_print_markdown(FILE *out);

#endif

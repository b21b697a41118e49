/*
 * bench/load_server_lib.h - the real server as a child process, and what it costs: CPU time of
 * its threads and resident memory, as the kernel counts them in /proc.
 */
#ifndef BENCH_LOAD_SERVER_LIB_H
#define BENCH_LOAD_SERVER_LIB_H

#include "core/address.h"

#include <sys/types.h>

struct load_server {
    bool turn; /* set before it starts: its TURN server knows LOAD_TURN_USER */
    pid_t pid;
    struct address page;  /* TCP: HTTP and sockets */
    struct address media; /* UDP: media, STUN and TURN */
};
#define LOAD_TURN_USER "user"
#define LOAD_TURN_PASSWORD "password"

/* Starts `program` on free ports of 127.0.0.1 with one worker; ends this process with a word on
 * stderr when it does not come up within 10 s. */
void load_server_start(struct load_server *server, const char *program);
/* SIGTERM and wait. */
void load_server_stop(struct load_server *server);

/* Nanoseconds of CPU, user and kernel, of the threads whose name begins with `name`; "": all.
 */
uint64_t load_server_cpu(const struct load_server *server, const char *name);
/* Bytes. */
uint64_t load_server_resident(const struct load_server *server);
uint64_t load_server_resident_peak(const struct load_server *server);

/* A number of its status page, {group: {name: N}}; -1 when it is not there. */
long load_server_status(const struct load_server *server, const char *group, const char *name);

#endif

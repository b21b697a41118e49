/*
 * bench/process_cost_lib.h - what a process costs, as the kernel counts it in /proc: CPU time
 * of its threads and memory.
 *
 * Each function ends this process with a word on stderr when the other one has ended.
 */
#ifndef BENCH_PROCESS_COST_LIB_H
#define BENCH_PROCESS_COST_LIB_H

#include "core/base.h"

#include <sys/types.h>

/* Nanoseconds on a CPU, user and kernel, of the threads whose name begins with `name`; "": all.
 * Interrupts that the threads' system calls bring about (loopback's delivery) are in it. */
uint64_t process_cpu(pid_t pid, const char *name);

/* Bytes. */
uint64_t process_resident(pid_t pid);
uint64_t process_resident_peak(pid_t pid);

struct process_memory {
    uint64_t resident;
    uint64_t anonymous; /* of that: heap, stacks and whatever else is no file's */
};
/* smaps_rollup: exact, where process_resident may be some pages off. */
struct process_memory process_memory(pid_t pid);

#endif

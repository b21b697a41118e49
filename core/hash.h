/*
 * core/hash.h - SipHash-1-3 under a random key of this process, for tables whose keys strangers
 * choose. Values differ from run to run: never store or send one. Any thread.
 * core/table.h has hash tables on it.
 */
#ifndef CORE_HASH_H
#define CORE_HASH_H

#include "core/base.h"

uint64_t hash_bytes(const void *data, size_t n);

#endif

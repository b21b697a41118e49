/*
 * core/table.h - hash tables: uthash, with our keyed hash in place of its own, so that strangers
 * who choose keys cannot choose collisions. Include this, never uthash.h.
 */
#ifndef CORE_TABLE_H
#define CORE_TABLE_H

#include "core/hash.h"

#define HASH_FUNCTION(key, length, value) ((value) = (unsigned)hash_bytes((key), (length)))

#include <uthash.h>

#endif

/*
 * signaling/alias.h - the names under which one user knows the people it met.
 *
 * A peer id that a client sees is an alias for this pair, never a socket id, so strangers
 * cannot address each other; and it is built so that deployed clients, which compare ids to
 * decide who offers, both decide to offer: "!" sorts before every socket id, "~" after. The
 * last 64 are remembered. Sans-IO; embedded in the user; memory only once somebody was met.
 */
#ifndef SIGNALING_ALIAS_H
#define SIGNALING_ALIAS_H

#include "core/base.h"

#define ALIAS_MAX 64
#define ALIAS_LEN 17 /* prefix and 16 characters */

struct alias_entry {
    char alias[ALIAS_LEN + 1];
    uint64_t user;
};

struct alias_book {
    struct alias_entry *entry; /* owned, a ring once it is full */
    uint32_t size, count;
    uint32_t oldest; /* once count is ALIAS_MAX */
};

void alias_book_free(struct alias_book *book); /* harmless twice */
/* A new name for `user`, beginning with `prefix`; valid until 64 others were made. NULL without
 * memory. */
const char *alias_make(struct alias_book *book, char prefix, uint64_t user);
/* Whom `alias` means; 0: nobody that this user met. */
uint64_t alias_find(const struct alias_book *book, const char *alias);

#endif

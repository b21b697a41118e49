#include "signaling/alias.h"

#include "core/random.h"

#include <stdlib.h>
#include <string.h>

void alias_book_free(struct alias_book *book)
{
    free(book->entry);
    memset(book, 0, sizeof *book);
}

/* Sizes go 4, 8, … ALIAS_MAX. */
static bool grow(struct alias_book *book)
{
    const uint32_t size = book->size ? 2 * book->size : 4;
    struct alias_entry *entry = realloc(book->entry, size * sizeof *entry);

    if (!entry)
        return false;
    book->entry = entry;
    book->size = size;
    return true;
}

const char *alias_make(struct alias_book *book, char prefix, uint64_t user)
{
    if (book->count == book->size && book->size < ALIAS_MAX && !grow(book))
        return NULL;

    const bool full = book->count == book->size;
    struct alias_entry *entry = &book->entry[full ? book->oldest : book->count++];
    if (full)
        book->oldest = (book->oldest + 1) % book->size;
    entry->alias[0] = prefix;
    random_id(entry->alias + 1, ALIAS_LEN - 1);
    entry->user = user;
    return entry->alias;
}

uint64_t alias_find(const struct alias_book *book, const char *alias)
{
    for (uint32_t i = 0; i < book->count; i++)
        if (strcmp(book->entry[i].alias, alias) == 0)
            return book->entry[i].user;
    return 0;
}

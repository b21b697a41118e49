#include "app/addresses.h"

#include "relay/relay.h"

#include <stdio.h>
#include <string.h>

void addresses_read(const struct option_list *list, struct address *out, size_t *count)
{
    for (size_t i = 0; i < list->count && *count < RELAY_ADDRESSES_MAX; i++) {
        char text[ADDRESS_TEXT_MAX];

        snprintf(text, sizeof text, "%.*s", (int)strcspn(list->item[i], "/"), list->item[i]);
        if (address_parse(&out[*count], text) == RC_OK)
            (*count)++;
    }
}

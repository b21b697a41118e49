/*
 * app/addresses.h - lists of addresses out of the settings.
 */
#ifndef APP_ADDRESSES_H
#define APP_ADDRESSES_H

#include "core/address.h"
#include "core/options.h"

/* The IPs of a list whose form was checked when it was read; of coturn's PUBLIC/PRIVATE the
 * public half. Appends to the *count that are there, RELAY_ADDRESSES_MAX at most. */
void addresses_read(const struct option_list *list, struct address *out, size_t *count);

#endif

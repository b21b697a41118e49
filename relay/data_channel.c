#include "relay/data_channel.h"

#include "core/utf8.h"

#include <stdlib.h>
#include <string.h>

void data_channel_init(struct data_channel *channel, enum data_channel_origin origin,
                       uint16_t stream)
{
    *channel = (struct data_channel){
        .origin = origin,
        .state = DATA_CHANNEL_OPEN,
        .stream = stream,
    };
}

void data_channel_clear(struct data_channel *channel)
{
    free(channel->names);
    *channel = (struct data_channel){.origin = DATA_CHANNEL_NONE};
}

int data_channel_describe(struct data_channel *channel, const struct dcep_open *open)
{
    const struct span label = open->label, protocol = open->protocol;

    if (label.n + protocol.n > 0) {
        channel->names = malloc(label.n + protocol.n);
        if (!channel->names)
            return RC_NOMEM;
    }
    if (label.n)
        memcpy(channel->names, label.p, label.n);
    if (protocol.n)
        memcpy(channel->names + label.n, protocol.p, protocol.n);
    channel->label_len = (uint16_t)label.n; /* at most DCEP_NAME_MAX each */
    channel->protocol_len = (uint16_t)protocol.n;
    channel->delivery = open->delivery;
    channel->priority = open->priority;
    return RC_OK;
}

struct dcep_open data_channel_open(const struct data_channel *channel)
{
    const uint8_t *names = channel->names;

    return (struct dcep_open){
        .delivery = channel->delivery,
        .priority = channel->priority,
        .label = {names, channel->label_len},
        .protocol = {names ? names + channel->label_len : NULL, channel->protocol_len},
    };
}

bool data_channel_same_name(const struct data_channel *a, const struct data_channel *b)
{
    const size_t length = (size_t)a->label_len + a->protocol_len;

    return a->label_len == b->label_len && a->protocol_len == b->protocol_len &&
           (length == 0 || memcmp(a->names, b->names, length) == 0);
}

bool data_channel_is_single(const struct data_channel *channel)
{
    return channel->origin == DATA_CHANNEL_OWN && channel->state == DATA_CHANNEL_OPEN &&
           !channel->twin && !channel->left;
}

bool data_channel_carries(const struct sctp_message *message)
{
    switch (message->ppid) {
    case SCTP_PPID_STRING:
        return utf8_valid(message->data);
    case SCTP_PPID_BINARY:
    case SCTP_PPID_BINARY_PARTIAL:
    case SCTP_PPID_STRING_PARTIAL: /* may end within a character */
        return true;
    case SCTP_PPID_STRING_EMPTY:
    case SCTP_PPID_BINARY_EMPTY:
        return message->data.n == 1;
    default:
        return false;
    }
}

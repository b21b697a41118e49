/*
 * turn/turn_handlers.h - the requests and what they do, a file each. Internal to turn/.
 *
 * Each gets a request that has authenticated as the owner of its allocation (turn_binding: has
 * or need not; turn_allocate: there may be none), decides, acts, and answers exactly once.
 */
#ifndef TURN_TURN_HANDLERS_H
#define TURN_TURN_HANDLERS_H

#include "turn/turn_reply.h"

void turn_binding(struct turn_request *request);           /* RFC 8489, 5780 */
void turn_allocate(struct turn_request *request);          /* RFC 8656 section 7 */
void turn_refresh(struct turn_request *request);           /* section 8, and RFC 8016 */
void turn_create_permission(struct turn_request *request); /* section 10 */
void turn_channel_bind(struct turn_request *request);      /* section 12 */

/* The allocation that a Refresh's mobility ticket names, NULL with *code 400, 405 or 437. */
struct turn_allocation *turn_allocation_of_ticket(struct turn_server *server,
                                                  struct span ticket, unsigned *code);
/* MOBILITY-TICKET, the newest. */
void turn_put_ticket(struct stun_builder *builder, const struct turn_allocation *allocation);

/* Data from clients: ChannelData, and the Send indication. */
void turn_channel_data(struct turn_server *server, const struct turn_client *from,
                       struct span message, usec_t now);
void turn_send(struct turn_server *server, const struct turn_client *from,
               const struct stun_message *message, usec_t now);

#endif

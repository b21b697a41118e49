/*
 * app/relay_media.h - the relay (relay/relay.h) in the words of signaling/media_service.h.
 *
 * A struct media_peer is a struct relay_peer, a `user` is a struct user. Control thread.
 */
#ifndef APP_RELAY_MEDIA_H
#define APP_RELAY_MEDIA_H

#include "relay/relay.h"
#include "signaling/media_service.h"

struct media_service relay_media_service(struct relay *relay);
/* For relay_start. */
extern const struct relay_events relay_media_events;

#endif

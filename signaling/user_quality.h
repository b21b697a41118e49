/*
 * signaling/user_quality.h - how good a user's network path is, as far as anybody knows.
 *
 * Three accounts of it, each better than the one before: what the client says of its network
 * when it comes in, what it reports, and what the media relay measures. A worse account never
 * replaces a better one. Changes are told to the partner and to the matching. Sans-IO. Control
 * thread.
 */
#ifndef SIGNALING_USER_QUALITY_H
#define SIGNALING_USER_QUALITY_H

#include "signaling/media_service.h"
#include "signaling/user.h"

/* Of a fresh user: nothing is known. */
void user_quality_init(struct user *user);
/* Microseconds; 0 says nothing. */
void user_quality_hint(struct user *user, uint32_t rtt);
void user_quality_report(struct user *user, const struct media_quality *report);
void user_quality_measure(struct user *user, const struct media_quality *report);
/* The peer connection failed: as poor as can be, until another account comes. */
void user_quality_lost(struct user *user);

#endif

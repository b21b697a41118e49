/*
 * signaling/user_media.h - a user's peer connection with this server, and what the media
 * service tells of it.
 *
 * Sans-IO: the media service is an interface (media_service.h). Control thread.
 */
#ifndef SIGNALING_USER_MEDIA_H
#define SIGNALING_USER_MEDIA_H

#include "signaling/user.h"

/* One whose media is lost while matched has so long to come back with a new offer: until then
 * the partner reads peer-reconnecting, afterwards the pair is parted. A phone that changes from
 * one network to another needs a few seconds. */
#define USER_MEDIA_PATIENCE SEC(20)

void user_media_init(struct user *user);
/* Answers an offer; *answer is malloc'ed SDP. On refusal nothing has changed. */
enum refusal user_media_offer(struct user *user, const char *sdp, size_t length, char **answer);
/* WRONG_STATE before an offer. */
enum refusal user_media_candidate(struct user *user, const char *candidate);

/* May this one be matched for video? Not between an offer that is made before a match and the
 * moment when it has connected: a partner would see nothing. Clients that offer once they are
 * matched prove nothing before, and are not held up for it. */
bool user_media_may_meet(const struct user *user);

/* Lets the two of a pair see each other as soon as both have media; harmless before. */
void user_media_link(struct user *user);
/* Harmless when not linked. Ends the waiting for lost media, too. */
void user_media_unlink(struct user *user);
/* Ends the peer connection; harmless when there is none. */
void user_media_close(struct user *user);

/* What the media service calls; `user` is a struct user. */
extern const struct media_listener user_media_listener;

#endif

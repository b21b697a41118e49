#include "relay/keyframe_request.h"

void keyframe_request_init(struct keyframe_request *request)
{
    *request = (struct keyframe_request){.wanted = false};
}

void keyframe_request_want(struct keyframe_request *request)
{
    if (request->wanted)
        return;
    request->wanted = true;
    request->asked_count = 0;
}

void keyframe_request_new_route(struct keyframe_request *request)
{
    request->wanted = true;
    request->urgent = true;
    request->asked_count = 0;
}

void keyframe_request_cancel(struct keyframe_request *request)
{
    request->wanted = false;
    request->urgent = false;
}

void keyframe_request_arrived(struct keyframe_request *request)
{
    keyframe_request_cancel(request);
}

usec_t keyframe_request_deadline(const struct keyframe_request *request)
{
    if (!request->wanted)
        return USEC_NEVER;
    if (request->urgent || !request->asked_before)
        return 0;
    return request->asked + (request->asked_count < KEYFRAME_REQUEST_PATIENCE
                                 ? KEYFRAME_REQUEST_INTERVAL
                                 : KEYFRAME_REQUEST_SLOW);
}

bool keyframe_request_poll(struct keyframe_request *request, usec_t now)
{
    if (now < keyframe_request_deadline(request))
        return false;
    request->urgent = false;
    request->asked_before = true;
    request->asked = now;
    request->asked_count++;
    request->fir_seq++;
    return true;
}

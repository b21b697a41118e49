#include "relay/keyframe_request.h"
#include "tests/t.h"

static const usec_t T0 = SEC(1000);
static struct keyframe_request request;

static void asked_at(usec_t now)
{
    T_OK(keyframe_request_deadline(&request) <= now);
    T_OK(keyframe_request_poll(&request, now));
    T_OK(!keyframe_request_poll(&request, now));
}

static void setup(void)
{
    keyframe_request_init(&request);
}

static void nothing_is_asked_unless_wanted(void)
{
    setup();
    T_OK(keyframe_request_deadline(&request) == USEC_NEVER);
    T_OK(!keyframe_request_poll(&request, T0));
}

static void many_wishes_are_one_request(void)
{
    setup();
    keyframe_request_want(&request);
    keyframe_request_want(&request);
    asked_at(T0);
    keyframe_request_want(&request);
    T_OK(!keyframe_request_poll(&request, T0 + MSEC(100)));
}

static void it_is_repeated_until_a_key_frame_arrives(void)
{
    setup();
    keyframe_request_want(&request);
    asked_at(T0);
    T_OK(keyframe_request_deadline(&request) == T0 + MSEC(500));
    T_OK(!keyframe_request_poll(&request, T0 + MSEC(500) - 1));
    asked_at(T0 + MSEC(500));
    keyframe_request_arrived(&request);
    T_OK(keyframe_request_deadline(&request) == USEC_NEVER);
}

static void a_new_wish_keeps_the_distance(void)
{
    setup();
    keyframe_request_want(&request);
    asked_at(T0);
    keyframe_request_arrived(&request);
    keyframe_request_want(&request);
    T_OK(keyframe_request_deadline(&request) == T0 + MSEC(500));
    asked_at(T0 + MSEC(500));
}

static void a_new_route_does_not_wait(void)
{
    setup();
    keyframe_request_want(&request);
    asked_at(T0);
    keyframe_request_arrived(&request);
    keyframe_request_new_route(&request);
    asked_at(T0 + MSEC(1));
    T_OK(keyframe_request_deadline(&request) == T0 + MSEC(501));
}

static void a_route_that_ends_asks_no_more(void)
{
    setup();
    keyframe_request_new_route(&request);
    keyframe_request_cancel(&request);
    T_OK(keyframe_request_deadline(&request) == USEC_NEVER);
    keyframe_request_want(&request);
    asked_at(T0);
}

static void a_sender_that_never_answers_is_asked_less_often(void)
{
    usec_t now = T0;

    setup();
    keyframe_request_want(&request);
    asked_at(now);
    for (int i = 1; i < KEYFRAME_REQUEST_PATIENCE; i++) {
        now += MSEC(500);
        asked_at(now);
    }
    T_OK(keyframe_request_deadline(&request) == now + SEC(3));
    keyframe_request_new_route(&request);
    asked_at(now + 1);
    T_OK(keyframe_request_deadline(&request) == now + 1 + MSEC(500));
}

static void each_request_has_a_number_of_its_own(void)
{
    setup();
    keyframe_request_want(&request);
    asked_at(T0);
    const uint8_t first = request.fir_seq;
    asked_at(T0 + SEC(1));
    T_EQ(request.fir_seq, (uint8_t)(first + 1));
}

static const struct t_case cases[] = {
    T_CASE(nothing_is_asked_unless_wanted),
    T_CASE(many_wishes_are_one_request),
    T_CASE(it_is_repeated_until_a_key_frame_arrives),
    T_CASE(a_new_wish_keeps_the_distance),
    T_CASE(a_new_route_does_not_wait),
    T_CASE(a_route_that_ends_asks_no_more),
    T_CASE(a_sender_that_never_answers_is_asked_less_often),
    T_CASE(each_request_has_a_number_of_its_own),
};
T_MAIN(cases)

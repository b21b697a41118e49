#include "signaling/engineio_queue.h"
#include "tests/t.h"

static struct eio_message *text(const char *words)
{
    struct eio_message *const message = eio_message_create(false, strlen(words));

    T_OK(message);
    memcpy(eio_message_data(message), words, strlen(words));
    return message;
}

static void one_message_waits_in_many_queues(void)
{
    struct eio_queue a = {0}, b = {0};
    struct eio_message *const message = text("hello");
    bool octets;
    size_t n;

    T_EQ(eio_queue_push(&a, message, 10, 100), RC_OK);
    T_EQ(eio_queue_push(&b, message, 10, 100), RC_OK);
    eio_message_release(message);
    eio_queue_clear(&a);
    uint8_t *const payload = eio_queue_payload(&b, (struct eio_format){4, false}, &n, &octets);
    T_EQ(n, 6);
    T_MEM(payload, "4hello", 6);
    free(payload);
    eio_queue_clear(&b);
    T_OK(!b.item);
    T_EQ(b.bytes, 0);
}

static void both_limits_hold(void)
{
    struct eio_queue queue = {0};
    struct eio_message *const message = text("12345678"); /* 9 bytes with the type */

    T_EQ(eio_queue_push(&queue, message, 2, 100), RC_OK);
    T_EQ(eio_queue_push(&queue, message, 2, 17), RC_FULL);
    T_EQ(eio_queue_push(&queue, message, 2, 18), RC_OK);
    T_EQ(eio_queue_push(&queue, message, 2, 100), RC_FULL);
    T_EQ(eio_queue_push(&queue, message, 3, 18), RC_FULL);
    eio_queue_clear(&queue);
    eio_message_release(message);
}

static void control_packets_need_no_counting(void)
{
    struct eio_queue queue = {0};

    for (int i = 0; i < 3; i++)
        T_EQ(eio_queue_push(&queue, eio_message_control(EIO_PACKET_PING), 10, 10), RC_OK);
    eio_queue_clear(&queue);
    eio_message_release(eio_message_control(EIO_PACKET_PING));
    T_EQ(eio_message_raw(eio_message_control(EIO_PACKET_PING)).bytes.p[0], '2');
    T_EQ(eio_message_raw(eio_message_control(EIO_PACKET_NOOP)).bytes.p[0], '6');
}

static void an_empty_queue_is_an_empty_payload(void)
{
    const struct eio_queue queue = {0};
    bool octets;
    size_t n = 77;

    uint8_t *const payload =
        eio_queue_payload(&queue, (struct eio_format){4, false}, &n, &octets);
    T_EQ(n, 0);
    free(payload);
}

static const struct t_case cases[] = {
    T_CASE(one_message_waits_in_many_queues),
    T_CASE(both_limits_hold),
    T_CASE(control_packets_need_no_counting),
    T_CASE(an_empty_queue_is_an_empty_payload),
};
T_MAIN(cases)

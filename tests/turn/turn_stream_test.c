#include "turn/turn_stream.h"

#include "tests/t.h"
#include "tests/turn/stun_vectors_lib.h"
#include "turn/channel_data.h"
#include "turn/stun_message.h"

enum { STREAM_MAX = 4096 };

/* A stream of five messages, and where each ends. */
static uint8_t bytes[STREAM_MAX];
static size_t ends[8], count;

static void add(const void *message, size_t n)
{
    const size_t at = count ? ends[count - 1] : 0;

    memcpy(bytes + at, message, n);
    ends[count++] = at + n;
}

static void add_channel_data(size_t n)
{
    uint8_t message[STREAM_MAX] = {0};

    stun_channel_write(message, 0x4001, n);
    memset(message + STUN_CHANNEL_HEADER, 0x55, n);
    add(message, STUN_CHANNEL_HEADER + n + stun_padding(n));
}

static void make_stream(void)
{
    count = 0;
    add(rfc5769_request.p, rfc5769_request.n);
    add_channel_data(5);
    add_channel_data(0);
    add(rfc8489_request.p, rfc8489_request.n);
    add_channel_data(1001);
}

/* Feeds the pieces that `cut` makes: every message comes out once, whole and in order. */
static void comes_out_in_pieces_of(size_t first, size_t then)
{
    struct turn_stream stream = {0};
    const size_t total = ends[count - 1];
    size_t seen = 0;

    for (size_t at = 0, n = first; at < total; at += n, n = then) {
        if (n > total - at)
            n = total - at;
        uint8_t *exact = malloc(n); /* so that a sanitizer sees what is kept too long */
        struct span piece = {exact, n}, message;
        int rc;

        T_OK(exact);
        memcpy(exact, bytes + at, n);
        while ((rc = turn_stream_next(&stream, TURN_STREAM_MESSAGE_MAX, &piece, &message)) ==
               RC_OK) {
            const size_t start = seen ? ends[seen - 1] : 0;

            T_EQ(message.n, ends[seen] - start);
            T_MEM(message.p, bytes + start, message.n);
            seen++;
        }
        T_EQ(rc, RC_AGAIN);
        T_EQ(piece.n, 0);
        T_EQ(turn_stream_is_partial(&stream), at + n != (seen ? ends[seen - 1] : 0));
        free(exact);
    }
    T_EQ(seen, count);
    T_OK(!stream.partial); /* nothing is held between messages */
}

static void messages_come_out_however_they_are_cut(void)
{
    make_stream();
    for (size_t first = 1; first <= ends[count - 1]; first++)
        comes_out_in_pieces_of(first, STREAM_MAX);
    for (size_t n = 1; n < 64; n++)
        comes_out_in_pieces_of(n, n);
}

static void a_whole_message_is_not_copied(void)
{
    struct turn_stream stream = {0};

    make_stream();
    struct span piece = {bytes, ends[count - 1]}, message;
    for (size_t i = 0; i < count; i++) {
        T_EQ(turn_stream_next(&stream, TURN_STREAM_MESSAGE_MAX, &piece, &message), RC_OK);
        T_OK(message.p == bytes + (i ? ends[i - 1] : 0));
        T_OK(!stream.partial);
    }
}

static int feed(struct turn_stream *stream, const char *text, size_t n, size_t limit)
{
    struct span piece = {(const uint8_t *)text, n}, message;

    return turn_stream_next(stream, limit, &piece, &message);
}

static void garbage_ends_the_stream_at_its_first_byte(void)
{
    static const char *const beginnings[] = {"\x80", "\xff", "\xc0"};

    for (size_t i = 0; i < ARRAY_LEN(beginnings); i++) {
        struct turn_stream stream = {0};

        T_EQ(feed(&stream, beginnings[i], strlen(beginnings[i]), 2048), RC_BAD);
        T_EQ(feed(&stream, "\x40\x01\x00\x00", 4, 2048), RC_BAD); /* for good */
        T_OK(!stream.partial);
    }
}

static void a_wrong_cookie_ends_it_before_the_header_is_whole(void)
{
    struct turn_stream stream = {0};

    T_EQ(feed(&stream, "\x00\x03\x00\x08\x21", 5, 2048), RC_AGAIN);
    T_EQ(feed(&stream, "\x13", 1, 2048), RC_BAD);
}

static void a_length_that_lies_costs_no_more_memory_than_came(void)
{
    struct turn_stream stream = {0};

    T_EQ(feed(&stream,
              "\x40\x01\xff\xff"
              "abc",
              7, TURN_STREAM_MESSAGE_MAX),
         RC_AGAIN);
    T_OK(stream.capacity <= 512);
    turn_stream_clear(&stream);
}

static void a_message_over_the_limit_ends_the_stream(void)
{
    struct turn_stream stream = {0}, other = {0};

    T_EQ(feed(&stream, "\x40\x01\x07\xfc", 4, 2048), RC_AGAIN); /* 2044 and its header */
    turn_stream_clear(&stream);
    T_EQ(feed(&stream, "\x40\x01\x07\xfd", 4, 2048), RC_BAD);
    T_EQ(feed(&other,
              "\x00\x03\x10\x00\x21\x12\xa4\x42"
              "abcdefghijkl",
              20, 2048),
         RC_BAD);
}

static void what_follows_a_message_that_waited_is_not_lost(void)
{
    struct turn_stream stream = {0};
    struct span message;

    T_EQ(feed(&stream, "\x40\x01\x00\x01", 4, 2048), RC_AGAIN);
    struct span piece = {(const uint8_t *)"x\0\0\0\x40\x02\x00\x00\x40", 9};
    T_EQ(turn_stream_next(&stream, 2048, &piece, &message), RC_OK);
    T_EQ(message.n, 8);
    T_EQ(piece.n, 5);
    T_EQ(turn_stream_next(&stream, 2048, &piece, &message), RC_OK);
    T_EQ(load_be16(message.p), 0x4002);
    T_EQ(turn_stream_next(&stream, 2048, &piece, &message), RC_AGAIN);
    T_OK(turn_stream_is_partial(&stream));
    turn_stream_clear(&stream);
}

static const struct t_case cases[] = {
    T_CASE(messages_come_out_however_they_are_cut),
    T_CASE(a_whole_message_is_not_copied),
    T_CASE(garbage_ends_the_stream_at_its_first_byte),
    T_CASE(a_wrong_cookie_ends_it_before_the_header_is_whole),
    T_CASE(a_length_that_lies_costs_no_more_memory_than_came),
    T_CASE(a_message_over_the_limit_ends_the_stream),
    T_CASE(what_follows_a_message_that_waited_is_not_lost),
};
T_MAIN(cases)

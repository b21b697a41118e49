#include "core/rtp_glance.h"

#include "tests/t.h"

static void a_header_is_read_and_what_is_no_rtp_is_not(void)
{
    static const uint8_t rtp[12] = {0x90, 0xe0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
    static const struct {
        uint8_t first, second;
    } others[] = {
        {0x00, 0x01}, /* STUN */
        {0x16, 0xfe}, /* DTLS */
        {0x40, 0x00}, /* ChannelData */
        {0x80, 200},  /* RTCP, SR */
        {0x81, 206},  /* and PSFB */
        {0xc0, 0x60},
    };
    struct rtp_glance glance;
    uint8_t bytes[12] = {0};

    T_OK(rtp_glance((struct span){rtp, sizeof rtp}, &glance));
    T_EQ(glance.payload_type, 96);
    T_OK(glance.marker);
    T_EQ(glance.seq, 0x0102);
    T_EQ(glance.timestamp, 0x03040506);
    T_EQ(glance.ssrc, 0x0708090a);
    T_OK(!rtp_glance((struct span){rtp, 11}, &glance));
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        bytes[0] = others[i].first;
        bytes[1] = others[i].second;
        T_OK(!rtp_glance((struct span){bytes, sizeof bytes}, &glance));
    }
}

static struct rtp_streams streams;

static bool look(uint32_t ssrc, uint32_t timestamp, bool marker, size_t len)
{
    const struct rtp_glance glance = {.ssrc = ssrc, .timestamp = timestamp, .marker = marker};
    bool fresh;

    return rtp_streams_look(&streams, &glance, len, &fresh)->picture;
}

static void sound_is_sound_however_long_it_lasts(void)
{
    streams = (struct rtp_streams){.clock = 0};
    for (uint32_t i = 0; i < 2000; i++)
        T_OK(!look(1, 960 * i, i % 50 == 0, 60 + i % 200));
}

static void a_picture_is_known_by_its_packets(void)
{
    streams = (struct rtp_streams){.clock = 0};
    T_OK(look(1, 0, false, 1100)); /* by a large one */
    T_OK(look(1, 0, true, 80));

    T_OK(!look(2, 0, false, 300)); /* by several of one time */
    T_OK(!look(2, 0, true, 300));
    T_OK(!look(2, 3000, false, 300));
    T_OK(look(2, 3000, true, 300));

    bool picture = false; /* one small packet a frame: by their marks */
    for (uint32_t i = 0; i < 10; i++)
        picture = look(3, 3000 * i, true, 150);
    T_OK(picture);
    T_OK(look(3, 90000, false, 100));
}

static void a_frame_begins_with_another_timestamp(void)
{
    const struct rtp_glance first = {.ssrc = 9, .timestamp = 0},
                            next = {.ssrc = 9, .timestamp = 3000};
    bool fresh;

    streams = (struct rtp_streams){.clock = 0};
    (void)rtp_streams_look(&streams, &first, 100, &fresh);
    T_OK(fresh);
    (void)rtp_streams_look(&streams, &first, 100, &fresh);
    T_OK(!fresh);
    (void)rtp_streams_look(&streams, &next, 100, &fresh);
    T_OK(fresh);
}

static void what_the_owner_knows_is_not_judged_and_not_forgotten(void)
{
    streams = (struct rtp_streams){.clock = 0};
    rtp_streams_know(&streams, 1, true);
    rtp_streams_know(&streams, 2, false);
    T_OK(look(1, 0, false, 50));
    T_OK(!look(2, 0, false, 1200));
    for (uint32_t i = 0; i < 100; i++) /* strangers come and go */
        (void)look(1000 + i, 0, false, 50);
    T_OK(look(1, 0, false, 50));
    T_OK(!look(2, 0, false, 1200));
}

static const struct t_case cases[] = {
    T_CASE(a_header_is_read_and_what_is_no_rtp_is_not),
    T_CASE(sound_is_sound_however_long_it_lasts),
    T_CASE(a_picture_is_known_by_its_packets),
    T_CASE(a_frame_begins_with_another_timestamp),
    T_CASE(what_the_owner_knows_is_not_judged_and_not_forgotten),
};
T_MAIN(cases)

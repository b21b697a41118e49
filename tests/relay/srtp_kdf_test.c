#include "relay/srtp_kdf.h"
#include "tests/t.h"

/* RFC 3711, appendix B.3. */
static const uint8_t KEY_128[] = {0xe1, 0xf9, 0x7a, 0x0d, 0x3e, 0x01, 0x8b, 0xe0,
                                  0xd6, 0x4f, 0xa3, 0x2c, 0x06, 0xde, 0x41, 0x39};
static const uint8_t SALT_128[] = {0x0e, 0xc6, 0x75, 0xad, 0x49, 0x8a, 0xfe,
                                   0xeb, 0xb6, 0x96, 0x0b, 0x3a, 0xab, 0xe6};
/* RFC 6188, section 7.2. */
static const uint8_t KEY_256[] = {0xf0, 0xf0, 0x49, 0x14, 0xb5, 0x13, 0xf2, 0x76,
                                  0x3a, 0x1b, 0x1f, 0xa1, 0x30, 0xf1, 0x0e, 0x29,
                                  0x98, 0xf6, 0xf6, 0xe4, 0x3e, 0x43, 0x09, 0xd1,
                                  0xe6, 0x22, 0xa0, 0xe3, 0x32, 0xb9, 0xf1, 0xb6};
static const uint8_t SALT_256[] = {0x3b, 0x04, 0x80, 0x3d, 0xe5, 0x1e, 0xe7,
                                   0xc9, 0x64, 0x23, 0xab, 0x5b, 0x78, 0xd2};

#define SPAN(array) ((struct span){(array), sizeof(array)})

static void generates(enum srtp_kdf_label label, struct span key, struct span salt,
                      const char *expected, size_t n)
{
    uint8_t out[64];

    T_EQ(srtp_kdf_generate(out, n, label, key, salt), RC_OK);
    T_MEM(out, expected, n);
}

static void derives_the_keys_of_rfc_3711(void)
{
    const struct span key = SPAN(KEY_128), salt = SPAN(SALT_128);

    generates(SRTP_LABEL_RTP_KEY, key, salt,
              "\xc6\x1e\x7a\x93\x74\x4f\x39\xee\x10\x73\x4a\xfe\x3f\xf7\xa0\x87", 16);
    generates(SRTP_LABEL_RTP_SALT, key, salt,
              "\x30\xcb\xbc\x08\x86\x3d\x8c\x85\xd4\x9d\xb3\x4a\x9a\xe1", 14);
    generates(SRTP_LABEL_RTP_AUTH, key, salt,
              "\xce\xbe\x32\x1f\x6f\xf7\x71\x6b\x6f\xd4\xab\x49\xaf\x25\x6a\x15"
              "\x6d\x38\xba\xa4\x8f\x0a\x0a\xcf\x3c\x34\xe2\x35\x9e\x6c\xdb\xce",
              32);
}

static void derives_the_keys_of_rfc_6188(void)
{
    const struct span key = SPAN(KEY_256), salt = SPAN(SALT_256);

    generates(SRTP_LABEL_RTP_KEY, key, salt,
              "\x5b\xa1\x06\x4e\x30\xec\x51\x61\x3c\xad\x92\x6c\x5a\x28\xef\x73"
              "\x1e\xc7\xfb\x39\x7f\x70\xa9\x60\x65\x3c\xaf\x06\x55\x4c\xd8\xc4",
              32);
    generates(SRTP_LABEL_RTP_SALT, key, salt,
              "\xfa\x31\x79\x16\x85\xca\x44\x4a\x9e\x07\xc6\xc6\x4e\x93", 14);
    generates(SRTP_LABEL_RTP_AUTH, key, salt,
              "\xfd\x9c\x32\xd3\x9e\xd5\xfb\xb5\xa9\xdc\x96\xb3\x08\x18\x45\x4d"
              "\x13\x13\xdc\x05",
              20);
}

/* RFC 7714, 11: 96 bits of salt count as 112 with zeros at the end. */
static void a_short_salt_is_filled_up_with_zeros(void)
{
    uint8_t padded[SRTP_SALT_MAX] = {0}, a[32], b[32];

    memcpy(padded, SALT_128, 12);
    T_EQ(srtp_kdf_generate(a, 32, SRTP_LABEL_RTCP_KEY, SPAN(KEY_256), SPAN(padded)), RC_OK);
    T_EQ(srtp_kdf_generate(b, 32, SRTP_LABEL_RTCP_KEY, SPAN(KEY_256),
                           (struct span){SALT_128, 12}),
         RC_OK);
    T_MEM(a, b, 32);
}

static void a_profile_gets_six_different_keys(void)
{
    const struct srtp_profile_info *profile = srtp_profile_find(SRTP_PROFILE_AES128_CM_SHA1_80);
    struct srtp_session_keys keys;

    T_EQ(srtp_kdf_derive(&keys, profile, SPAN(KEY_128), SPAN(SALT_128)), RC_OK);
    T_OK(memcmp(keys.rtp_key, keys.rtcp_key, 16) != 0);
    T_OK(memcmp(keys.rtp_salt, keys.rtcp_salt, 14) != 0);
    T_OK(memcmp(keys.rtp_auth, keys.rtcp_auth, 20) != 0);
    T_MEM(keys.rtp_auth, "\xce\xbe\x32\x1f", 4);
}

static void lengths_that_are_not_the_profiles_are_refused(void)
{
    const struct srtp_profile_info *gcm = srtp_profile_find(SRTP_PROFILE_AEAD_AES_128_GCM);
    struct srtp_session_keys keys = {.rtp_key = {0xaa}};
    uint8_t out[4];

    T_EQ(srtp_kdf_derive(&keys, gcm, SPAN(KEY_256), (struct span){SALT_128, 12}), RC_BAD);
    T_EQ(srtp_kdf_derive(&keys, gcm, SPAN(KEY_128), SPAN(SALT_128)), RC_BAD);
    T_EQ(keys.rtp_key[0], 0xaa); /* untouched on failure */
    T_EQ(srtp_kdf_generate(out, 4, SRTP_LABEL_RTP_KEY, (struct span){KEY_256, 24},
                           SPAN(SALT_128)),
         RC_BAD);
}

static const struct t_case cases[] = {
    T_CASE(derives_the_keys_of_rfc_3711),
    T_CASE(derives_the_keys_of_rfc_6188),
    T_CASE(a_short_salt_is_filled_up_with_zeros),
    T_CASE(a_profile_gets_six_different_keys),
    T_CASE(lengths_that_are_not_the_profiles_are_refused),
};
T_MAIN(cases)

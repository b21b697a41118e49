#include "core/dtls_record.h"
#include "tests/t.h"

#include <string.h>

enum { APPLICATION_DATA = 23, HANDSHAKE = 22 };

static uint8_t bytes[256];
static size_t filled;

static void add(uint8_t type, uint16_t epoch, size_t length)
{
    uint8_t *p = bytes + filled;

    memset(p, 0, DTLS_RECORD_HEADER + length);
    p[0] = type;
    p[1] = 0xfe;
    p[2] = 0xfd;
    store_be16(p + 3, epoch);
    store_be16(p + 11, (uint16_t)length);
    filled += DTLS_RECORD_HEADER + length;
}

static size_t usable(size_t n)
{
    const struct span all = {bytes, n};
    const struct span part = dtls_usable_records(all, DTLS_GCM_OVERHEAD);

    T_OK(part.p == all.p && part.n <= all.n);
    return part.n;
}

static void whole_records_pass_and_what_is_cut_off_does_not(void)
{
    filled = 0;
    add(HANDSHAKE, 0, 5);
    const size_t first = filled;
    add(APPLICATION_DATA, 1, DTLS_GCM_OVERHEAD);
    for (size_t n = 0; n < first; n++)
        T_EQ(usable(n), 0);
    for (size_t n = first; n < filled; n++)
        T_EQ(usable(n), first);
    T_EQ(usable(filled), filled);
    T_EQ(usable(filled + 4), filled); /* nothing follows in four bytes */
}

static void an_encrypted_record_without_room_for_its_overhead_ends_the_usable_part(void)
{
    for (uint16_t epoch = 0; epoch < 3; epoch++) {
        for (size_t length = 0; length < 2 * DTLS_GCM_OVERHEAD; length++) {
            filled = 0;
            add(HANDSHAKE, 0, 1);
            const size_t before = filled;
            add(APPLICATION_DATA, epoch, length);
            add(HANDSHAKE, 0, 1);
            T_EQ(usable(filled), epoch > 0 && length < DTLS_GCM_OVERHEAD ? before : filled);
        }
    }
}

static void an_alert_under_chacha_is_long_enough(void)
{
    filled = 0;
    add(21, 1, 2 + DTLS_CHACHA_OVERHEAD);
    const struct span all = {bytes, filled};
    T_EQ(dtls_usable_records(all, DTLS_CHACHA_OVERHEAD).n, filled);
    T_EQ(dtls_usable_records(all, DTLS_GCM_OVERHEAD).n, 0);
}

static void a_client_hello_is_known_by_its_first_bytes(void)
{
    filled = 0;
    add(HANDSHAKE, 0, 40);
    bytes[DTLS_RECORD_HEADER] = 1;
    T_OK(dtls_is_client_hello((struct span){bytes, filled}));
    T_OK(!dtls_is_client_hello((struct span){bytes, DTLS_RECORD_HEADER}));
    T_OK(!dtls_is_client_hello((struct span){bytes, 0}));
    bytes[DTLS_RECORD_HEADER] = 2; /* ServerHello */
    T_OK(!dtls_is_client_hello((struct span){bytes, filled}));
    bytes[DTLS_RECORD_HEADER] = 1;
    store_be16(bytes + 3, 1); /* encrypted */
    T_OK(!dtls_is_client_hello((struct span){bytes, filled}));
}

static const struct t_case cases[] = {
    T_CASE(whole_records_pass_and_what_is_cut_off_does_not),
    T_CASE(an_encrypted_record_without_room_for_its_overhead_ends_the_usable_part),
    T_CASE(an_alert_under_chacha_is_long_enough),
    T_CASE(a_client_hello_is_known_by_its_first_bytes),
};
T_MAIN(cases)

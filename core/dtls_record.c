#include "core/dtls_record.h"

/* type (1), version (2), epoch (2), sequence number (6), length (2); then the fragment. */
enum { EPOCH_AT = 3, LENGTH_AT = 11 };

bool dtls_is_client_hello(struct span datagram)
{
    enum { HANDSHAKE = 22, MAJOR = 0xfe, CLIENT_HELLO = 1, MESSAGE_HEADER = 12 };
    const uint8_t *p = datagram.p;

    return datagram.n >= DTLS_RECORD_HEADER + MESSAGE_HEADER && p[0] == HANDSHAKE &&
           p[1] == MAJOR && load_be16(p + EPOCH_AT) == 0 &&
           p[DTLS_RECORD_HEADER] == CLIENT_HELLO;
}

struct span dtls_usable_records(struct span datagram, size_t overhead)
{
    size_t used = 0;

    while (datagram.n - used >= DTLS_RECORD_HEADER) {
        const uint8_t *header = datagram.p + used;
        const size_t length = load_be16(header + LENGTH_AT);
        const bool encrypted = load_be16(header + EPOCH_AT) > 0;

        if (length > datagram.n - used - DTLS_RECORD_HEADER || (encrypted && length < overhead))
            break;
        used += DTLS_RECORD_HEADER + length;
    }
    return (struct span){datagram.p, used};
}

size_t dtls_record_overhead(const SSL *ssl)
{
    const SSL_CIPHER *cipher = SSL_get_current_cipher(ssl);

    if (!cipher)
        cipher = SSL_get_pending_cipher(ssl);
    return cipher && SSL_CIPHER_get_cipher_nid(cipher) == NID_chacha20_poly1305
               ? DTLS_CHACHA_OVERHEAD
               : DTLS_GCM_OVERHEAD;
}

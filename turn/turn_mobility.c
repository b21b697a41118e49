#include "turn/turn_mobility.h"

#include "core/random.h"
#include "turn/stun_message.h"
#include "turn/turn_server.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

enum { PLAIN_BYTES = 13, SEAL_BYTES = TURN_TICKET_BYTES - PLAIN_BYTES };

void turn_ticket_key_make(struct turn_ticket_key *out)
{
    random_bytes(out->bytes, sizeof out->bytes);
}

static void seal(uint8_t out[static SEAL_BYTES], const struct turn_ticket_key *key,
                 const uint8_t plain[static PLAIN_BYTES])
{
    uint8_t digest[EVP_MAX_MD_SIZE] = {0};
    unsigned n = 0;

    HMAC(EVP_sha256(), key->bytes, sizeof key->bytes, plain, PLAIN_BYTES, digest, &n);
    memcpy(out, digest, SEAL_BYTES);
}

void turn_ticket_write(uint8_t out[static TURN_TICKET_BYTES], const struct turn_ticket_key *key,
                       const struct turn_ticket *ticket)
{
    out[0] = ticket->worker;
    store_be64(out + 1, ticket->allocation);
    store_be32(out + 9, ticket->sequence);
    seal(out + PLAIN_BYTES, key, out);
}

int turn_ticket_read(struct turn_ticket *out, const struct turn_ticket_key *key,
                     struct span bytes)
{
    uint8_t expected[SEAL_BYTES];

    if (bytes.n != TURN_TICKET_BYTES)
        return RC_BAD;
    seal(expected, key, bytes.p);
    if (CRYPTO_memcmp(expected, bytes.p + PLAIN_BYTES, SEAL_BYTES) != 0)
        return RC_BAD;
    *out = (struct turn_ticket){bytes.p[0], load_be64(bytes.p + 1), load_be32(bytes.p + 9)};
    return RC_OK;
}

int turn_ticket_worker(struct span message)
{
    struct stun_message m;

    if (message.n < STUN_HEADER_BYTES || message.p[0] >> 6 != 0 ||
        load_be16(message.p) != STUN_REFRESH || stun_read(&m, message) != RC_OK)
        return -1;
    const struct span ticket = stun_get(&m, STUN_HAS_MOBILITY_TICKET);
    return ticket.n == TURN_TICKET_BYTES ? ticket.p[0] : -1;
}

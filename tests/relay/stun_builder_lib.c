#include "tests/relay/stun_builder_lib.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static void set_length(struct stun_builder *builder, size_t n)
{
    store_be16(builder->bytes + 2, (uint16_t)(n - 20));
}

void stun_builder_begin(struct stun_builder *builder, uint16_t type,
                        const uint8_t id[static 12])
{
    store_be16(builder->bytes, type);
    store_be32(builder->bytes + 4, 0x2112A442);
    memcpy(builder->bytes + 8, id, 12);
    builder->n = 20;
    builder->pad = 0;
    set_length(builder, 20);
}

void stun_builder_append(struct stun_builder *builder, uint16_t type, const void *value,
                         size_t n)
{
    const size_t padded = (n + 3) & ~(size_t)3;

    if (STUN_BUILDER_MAX - builder->n < 4 + padded)
        abort();
    store_be16(builder->bytes + builder->n, type);
    store_be16(builder->bytes + builder->n + 2, (uint16_t)n);
    memset(builder->bytes + builder->n + 4, builder->pad, padded);
    if (n)
        memcpy(builder->bytes + builder->n + 4, value, n);
    builder->n += 4 + padded;
    set_length(builder, builder->n);
}

void stun_builder_append32(struct stun_builder *builder, uint16_t type, uint32_t value)
{
    uint8_t bytes[4];

    store_be32(bytes, value);
    stun_builder_append(builder, type, bytes, sizeof bytes);
}

void stun_builder_append64(struct stun_builder *builder, uint16_t type, uint64_t value)
{
    uint8_t bytes[8];

    store_be64(bytes, value);
    stun_builder_append(builder, type, bytes, sizeof bytes);
}

void stun_builder_integrity(struct stun_builder *builder, const char *pwd)
{
    uint8_t hmac[20];
    unsigned length = sizeof hmac;

    set_length(builder, builder->n + 24);
    if (!HMAC(EVP_sha1(), pwd, (int)strlen(pwd), builder->bytes, builder->n, hmac, &length))
        abort();
    stun_builder_append(builder, 0x0008, hmac, sizeof hmac);
}

void stun_builder_fingerprint(struct stun_builder *builder)
{
    set_length(builder, builder->n + 8);
    const uint32_t crc = (uint32_t)crc32(0, builder->bytes, (uInt)builder->n) ^ 0x5354554eu;
    stun_builder_append32(builder, 0x8028, crc);
}

struct span stun_builder_span(const struct stun_builder *builder)
{
    return (struct span){builder->bytes, builder->n};
}

/*
 * Fuzzes permessage-deflate payloads and offers. What comes out of the inflater is within its
 * limit, the same the second time, and comes back through the deflater.
 */
#include "signaling/message_codec.h"

#include <stdlib.h>
#include <string.h>

#define MUST(cond) ((cond) ? (void)0 : abort())
enum { MAX = 20000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct message_codec *codec;

static void offer(const uint8_t *data, size_t size)
{
    char text[512];

    if (size >= sizeof text)
        return;
    memcpy(text, data, size);
    text[size] = '\0';
    const char *answer = deflate_negotiate(text);
    MUST(!answer || strcasestr(text, "permessage-deflate"));
}

static void round_trip(struct span text)
{
    static uint8_t copy[MAX];
    struct span small, again;

    memcpy(copy, text.p, text.n);
    if (message_deflate(codec, (struct span){copy, text.n}, &small) != RC_OK)
        return;
    MUST(small.n < text.n);
    MUST(message_inflate(codec, small, text.n, &again) == RC_OK);
    MUST(again.n == text.n && memcmp(again.p, copy, text.n) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t first[MAX];
    struct span out = {0};

    if (!codec && message_codec_create(&codec) != RC_OK)
        abort();
    offer(data, size);
    const int rc = message_inflate(codec, (struct span){data, size}, MAX, &out);
    MUST(rc == RC_OK || rc == RC_BAD || rc == RC_FULL);
    if (rc != RC_OK)
        return 0;
    MUST(out.n <= MAX);
    const size_t n = out.n;
    if (n > 0)
        memcpy(first, out.p, n);
    MUST(message_inflate(codec, (struct span){data, size}, MAX, &out) == RC_OK);
    MUST(out.n == n && (n == 0 || memcmp(out.p, first, n) == 0));
    if (n > 0) {
        MUST(message_inflate(codec, (struct span){data, size}, n - 1, &out) == RC_FULL);
        round_trip((struct span){first, n});
    }
    return 0;
}

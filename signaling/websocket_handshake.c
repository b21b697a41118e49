#include "signaling/websocket_handshake.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

enum { KEY_LENGTH = 24 }; /* 16 bytes: 22 characters and two of padding */

#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

bool websocket_key_valid(const char *key)
{
    static const char base64[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    return strlen(key) == KEY_LENGTH && strspn(key, base64) == KEY_LENGTH - 2 &&
           strcmp(key + KEY_LENGTH - 2, "==") == 0;
}

void websocket_key_accept(const char *key, char accept[static WEBSOCKET_ACCEPT_MAX])
{
    char text[KEY_LENGTH + sizeof GUID];
    uint8_t digest[SHA_DIGEST_LENGTH];
    const int n = snprintf(text, sizeof text, "%.*s" GUID, KEY_LENGTH, key);

    SHA1((const uint8_t *)text, (size_t)n, digest);
    EVP_EncodeBlock((uint8_t *)accept, digest, sizeof digest);
}

#include "app/settings_check.h"

#include "core/address.h"
#include "signaling/cors.h"
#include "turn/turn_auth.h"
#include "turn/turn_ranges.h"
#include "turn/turn_text.h"
#include "turn/turn_users.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

int check_ip(const char *value, char *error, size_t size)
{
    struct address address;

    if (address_parse(&address, value) == RC_OK && address_port(&address) == 0)
        return RC_OK;
    snprintf(error, size, "\"%s\" is not an IP address", value);
    return RC_BAD;
}

/* coturn's form PUBLIC/PRIVATE is accepted: the private half is what the machine itself has. */
int check_external_ip(const char *value, char *error, size_t size)
{
    const char *slash = strchr(value, '/');
    char public_ip[ADDRESS_TEXT_MAX];

    if (!slash)
        return check_ip(value, error, size);
    const size_t n = (size_t)(slash - value);
    if (n >= sizeof public_ip) {
        snprintf(error, size, "\"%s\" is not an IP address", value);
        return RC_BAD;
    }
    memcpy(public_ip, value, n);
    public_ip[n] = '\0';
    const int rc = check_ip(public_ip, error, size);
    return rc == RC_OK ? check_ip(slash + 1, error, size) : rc;
}

int check_net(const char *value, char *error, size_t size)
{
    struct address_net net;

    if (address_net_parse(&net, value) == RC_OK)
        return RC_OK;
    snprintf(error, size, "\"%s\" is neither an IP address nor a network like 10.0.0.0/8",
             value);
    return RC_BAD;
}

int check_codec(const char *value, char *error, size_t size)
{
    static const char *const known[] = {"VP8", "H264", "VP9", "AV1"};

    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (strcasecmp(value, known[i]) == 0)
            return RC_OK;
    snprintf(error, size, "\"%s\" is none of VP8, H264, VP9, AV1", value);
    return RC_BAD;
}

int check_origin(const char *value, char *error, size_t size)
{
    struct cors *cors;

    const int rc = cors_create(&cors, &value, 1, NULL);
    if (rc == RC_OK)
        cors_free(cors);
    else
        snprintf(error, size, "\"%s\" is not an origin like https://a.example", value);
    return rc;
}

int check_address(const char *value, char *error, size_t size)
{
    struct address address;

    if (address_parse(&address, value) == RC_OK && !address_is_wildcard(&address))
        return RC_OK;
    snprintf(error, size, "\"%s\" is not an address like 192.0.2.1:3478 or [2001:db8::1]:3478",
             value);
    return RC_BAD;
}

int check_range(const char *value, char *error, size_t size)
{
    struct turn_range range;

    if (turn_range_parse(&range, value) == RC_OK)
        return RC_OK;
    snprintf(
        error, size,
        "\"%s\" is no IP address, range like 10.0.0.0-10.0.0.255 or network like 10.0.0.0/8",
        value);
    return RC_BAD;
}

/* It goes into URIs (RFC 7065: reg-name), so nothing that would have to be escaped. An IP is
 * fine. */
int check_host(const char *value, char *error, size_t size)
{
    struct address ip;
    bool good = *value != '\0' && strlen(value) <= 253;

    for (const char *c = value; *c; c++)
        good = good && (isalnum((unsigned char)*c) || strchr("-._", *c));
    if (good || (address_parse(&ip, value) == RC_OK && address_port(&ip) == 0))
        return RC_OK;
    snprintf(error, size, "\"%s\" is neither a host name nor an IP address", value);
    return RC_BAD;
}

static struct span span_of(const char *text)
{
    return (struct span){(const uint8_t *)text, strlen(text)};
}

int check_realm(const char *value, char *error, size_t size)
{
    if (turn_text_ok(span_of(value), TURN_REALM_MAX))
        return RC_OK;
    snprintf(error, size, "it is empty, longer than %d bytes or no text", TURN_REALM_MAX);
    return RC_BAD;
}

/* As the server itself will read it; what it says begins with the option's name, as the place
 * does that stands before it here. */
int check_user(const char *value, char *error, size_t size)
{
    static const char begin[] = "user: ";
    struct turn_users *users;
    char text[256];

    if (turn_users_build(&users, "r", &value, 1, text, sizeof text) == RC_OK) {
        turn_users_free(users);
        return RC_OK;
    }
    const bool named = strncmp(text, begin, sizeof begin - 1) == 0;
    snprintf(error, size, "%s", named ? text + sizeof begin - 1 : text);
    return RC_BAD;
}

int check_secret(const char *value, char *error, size_t size)
{
    if (*value && strlen(value) <= TURN_SECRET_MAX)
        return RC_OK;
    snprintf(error, size, "it is empty or longer than %d bytes", TURN_SECRET_MAX);
    return RC_BAD;
}

int check_separator(const char *value, char *error, size_t size)
{
    const unsigned char c = (unsigned char)*value;

    if (isgraph(c) && !isdigit(c) && value[1] == '\0')
        return RC_OK;
    snprintf(error, size, "\"%s\" is not one character that is no digit", value);
    return RC_BAD;
}

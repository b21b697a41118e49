/*
 * Fuzzes what a USERNAME can be: turn_rest_parse(), turn_capability_read() and
 * turn_auth_find(). What is understood as a capability can be written and reads back as the
 * same; what finds a user has a name within its limits, and restricts what its capability
 * restricts.
 */
#include "turn/turn_auth.h"
#include "turn/turn_capability.h"
#include "turn/turn_rest.h"

#include <stdlib.h>
#include <string.h>

#define MUST(cond) ((cond) ? (void)0 : abort()) /* active in every build, unlike assert */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct turn_auth *make_auth(void)
{
    static const char *const secret[] = {"north"}, *const user[] = {"ann:secret"};
    const struct turn_auth_options options = {
        .realm = "r", .secret = secret, .secret_count = 1, .user = user, .user_count = 1};
    struct turn_auth *auth;
    char error[128];

    MUST(turn_auth_create(&auth, &options, error, sizeof error) == RC_OK);
    return auth;
}

static bool is_empty(const struct turn_capability *c)
{
    return !c->sfu_only && c->net_count == 0 && c->max_bytes_second == 0 &&
           c->max_allocations == 0;
}

static void check_capability(struct span userid)
{
    struct turn_capability c, back;
    char suffix[TURN_CAPABILITY_SUFFIX_MAX], again[TURN_CAPABILITY_SUFFIX_MAX + 4] = "ann";
    struct span name;

    if (turn_capability_read(userid, &name, &c) != RC_OK)
        return;
    MUST(name.p == userid.p && name.n <= userid.n);
    MUST(is_empty(&c) == (name.n == userid.n));
    MUST(c.net_count <= TURN_CAPABILITY_NETS && !(c.sfu_only && c.net_count > 0));
    if (turn_capability_write(suffix, &c) != RC_OK)
        return; /* written out in full it may be longer than it was */
    memcpy(again + 3, suffix, strlen(suffix) + 1);
    MUST(turn_capability_read((struct span){(const uint8_t *)again, strlen(again)}, &name,
                              &back) == RC_OK);
    MUST(name.n == 3 && memcmp(&c, &back, sizeof c) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct turn_auth *auth;
    const struct span text = {data, size}, nothing = {NULL, 0};
    struct turn_rest_name name;
    struct turn_user user;

    if (!auth)
        auth = make_auth();
    check_capability(text);
    if (turn_rest_parse(&name, text, ':') == RC_OK) {
        MUST(name.expires > 0 && name.userid.n < size);
        if (name.userid.p)
            check_capability(name.userid);
    }
    const int rc = turn_auth_find(auth, text, nothing, STUN_PASSWORD_MD5, 1700000000, &user);
    if (rc != RC_BAD) {
        MUST(size > 0 && size <= TURN_USERNAME_MAX && !memchr(data, 0, size));
        MUST((rc == RC_AGAIN) == (user.expires != 0 && user.expires <= 1700000000));
    }
    return 0;
}

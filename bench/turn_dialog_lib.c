#include "bench/turn_dialog_lib.h"

#include "core/random.h"

#include <string.h>

#define PROTOCOL_UDP ((uint32_t)17 << 24) /* REQUESTED-TRANSPORT, RFC 8656 section 18.6 */

static struct span text_span(const char *text)
{
    return (struct span){(const uint8_t *)text, strlen(text)};
}

static enum stun_method method_of(enum turn_ask ask)
{
    switch (ask) {
    case TURN_ASK_PERMISSION:
        return STUN_CREATE_PERMISSION;
    case TURN_ASK_CHANNEL:
        return STUN_CHANNEL_BIND;
    case TURN_ASK_END:
        return STUN_REFRESH;
    default:
        return STUN_ALLOCATE;
    }
}

/* Never the same twice; a generator fit for keys would be a tenth of an Allocate's cost. */
static void new_id(uint8_t id[static STUN_ID_BYTES])
{
    static uint32_t run;
    static uint64_t count;

    if (!run)
        run = random_u32() | 1;
    store_be32(id, run);
    store_be64(id + 4, ++count);
}

size_t turn_dialog_ask(struct turn_dialog *dialog, enum turn_ask ask,
                       const struct address *peer, uint8_t out[static TURN_ASK_MAX])
{
    const struct turn_account *account = dialog->account;
    struct stun_builder b;

    dialog->asked = ask;
    new_id(dialog->id);
    stun_begin(&b, out, TURN_ASK_MAX, STUN_REQUEST, (uint16_t)method_of(ask), dialog->id);
    if (method_of(ask) == STUN_ALLOCATE)
        stun_put_u32(&b, STUN_ATTR_REQUESTED_TRANSPORT, PROTOCOL_UDP);
    if (ask == TURN_ASK_CHANNEL)
        stun_put_u32(&b, STUN_ATTR_CHANNEL_NUMBER, (uint32_t)dialog->channel << 16);
    if (ask == TURN_ASK_CHANNEL || ask == TURN_ASK_PERMISSION)
        stun_put_address(&b, STUN_ATTR_XOR_PEER_ADDRESS, peer);
    if (ask == TURN_ASK_END)
        stun_put_u32(&b, STUN_ATTR_LIFETIME, 0);
    if (ask != TURN_ASK_NONCE) {
        stun_put(&b, STUN_ATTR_USERNAME, account->name, strlen(account->name));
        stun_put(&b, STUN_ATTR_REALM, account->realm, strlen(account->realm));
        stun_put(&b, STUN_ATTR_NONCE, dialog->nonce, dialog->nonce_len);
        stun_put_integrity(&b, &account->key, STUN_INTEGRITY_SHA1);
    }
    return stun_finish(&b, false);
}

/* False: a realm or a nonce that no place is kept for. */
static bool learn(struct turn_dialog *dialog, const struct stun_message *reply)
{
    struct turn_account *account = dialog->account;
    const struct span nonce = stun_get(reply, STUN_HAS_NONCE);
    const struct span realm = stun_get(reply, STUN_HAS_REALM);

    if (!nonce.n || nonce.n > sizeof dialog->nonce)
        return false;
    memcpy(dialog->nonce, nonce.p, nonce.n);
    dialog->nonce_len = (uint8_t)nonce.n;
    if (account->known)
        return true;
    if (!realm.n || realm.n >= sizeof account->realm)
        return false;
    memcpy(account->realm, realm.p, realm.n);
    stun_key_long_term(&account->key, STUN_PASSWORD_MD5, text_span(account->name), realm,
                       text_span(account->password));
    account->known = true;
    return true;
}

static enum turn_verdict answer_error(struct turn_dialog *dialog,
                                      const struct stun_message *reply, unsigned *code)
{
    *code = stun_get_error(reply);
    if (dialog->asked == TURN_ASK_NONCE)
        return *code == 401 && learn(dialog, reply) ? TURN_GRANTED : TURN_REFUSED;
    return *code == 438 && learn(dialog, reply) ? TURN_ASK_ANEW : TURN_REFUSED;
}

enum turn_verdict turn_dialog_answer(struct turn_dialog *dialog, struct span datagram,
                                     unsigned *code)
{
    struct stun_message reply;

    *code = 0;
    if (stun_read(&reply, datagram) != RC_OK ||
        memcmp(reply.id, dialog->id, STUN_ID_BYTES) != 0)
        return TURN_NOT_MINE;
    if (reply.class == STUN_ERROR)
        return answer_error(dialog, &reply, code);
    if (reply.class != STUN_SUCCESS || dialog->asked == TURN_ASK_NONCE ||
        !stun_verify(&reply, &dialog->account->key, STUN_INTEGRITY_SHA1))
        return TURN_REFUSED;
    if (dialog->asked == TURN_ASK_ALLOCATION &&
        stun_get_address(&reply, STUN_HAS_XOR_RELAYED_ADDRESS, &dialog->relayed) != RC_OK)
        return TURN_REFUSED;
    return TURN_GRANTED;
}

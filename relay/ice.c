#include "relay/ice.h"

#include "core/random.h"
#include "relay/stream_address.h"

#include <stdlib.h>
#include <string.h>

#include <stun/stunagent.h>
#include <stun/usages/ice.h>

struct ice_agent {
    StunAgent stun;
};

/* The engine keeps the pointer. What is missing here is answered 420. */
static const uint16_t known_attributes[] = {
    STUN_ATTRIBUTE_USERNAME,           STUN_ATTRIBUTE_MESSAGE_INTEGRITY,
    STUN_ATTRIBUTE_PRIORITY,           STUN_ATTRIBUTE_USE_CANDIDATE,
    STUN_ATTRIBUTE_ERROR_CODE,         STUN_ATTRIBUTE_XOR_MAPPED_ADDRESS,
    STUN_ATTRIBUTE_UNKNOWN_ATTRIBUTES, 0,
};

int ice_agent_create(struct ice_agent **out)
{
    struct ice_agent *agent = calloc(1, sizeof *agent);

    if (!agent)
        return RC_NOMEM;
    stun_agent_init(&agent->stun, known_attributes, STUN_COMPATIBILITY_RFC5389,
                    STUN_AGENT_USAGE_SHORT_TERM_CREDENTIALS | STUN_AGENT_USAGE_USE_FINGERPRINT);
    *out = agent;
    return RC_OK;
}

void ice_agent_free(struct ice_agent *agent)
{
    free(agent);
}

/* --- credentials -----------------------------------------------------------------------------
 */

/* RFC 8839 section 5.4: ice-char = ALPHA / DIGIT / "+" / "/" */
static bool is_ice_text(struct span text, size_t min, size_t max)
{
    if (text.n < min || text.n > max)
        return false;
    for (size_t i = 0; i < text.n; i++) {
        const uint8_t c = text.p[i];
        const uint8_t lower = c | 0x20;

        if (!(c >= '0' && c <= '9') && !(lower >= 'a' && lower <= 'z') && c != '+' && c != '/')
            return false;
    }
    return true;
}

static bool remote_is_valid(struct span ufrag, struct span pwd)
{
    return is_ice_text(ufrag, 4, ICE_REMOTE_UFRAG_MAX) &&
           is_ice_text(pwd, 22, ICE_REMOTE_PWD_MAX);
}

static void copy_text(char *out, struct span text)
{
    memcpy(out, text.p, text.n);
    out[text.n] = '\0';
}

void ice_credentials_make(struct ice_credentials *out)
{
    random_ice_chars(out->ufrag, ICE_UFRAG_LEN);
    random_ice_chars(out->pwd, ICE_PWD_LEN);
}

void ice_session_use(struct ice_session *session, const struct ice_credentials *local)
{
    session->local = *local;
}

static void set_credentials(struct ice_session *session, struct span ufrag, struct span pwd)
{
    ice_credentials_make(&session->local);
    copy_text(session->remote_ufrag, ufrag);
    copy_text(session->remote_pwd, pwd);
}

static void retire_previous(struct ice_session *session, struct ice_output *out)
{
    if (!session->previous.ufrag[0])
        return;
    memcpy(out->retired_ufrag, session->previous.ufrag, sizeof out->retired_ufrag);
    out->events |= ICE_EVENT_UFRAG_RETIRED;
    session->previous = (struct ice_credentials){0};
}

/* The part before the colon; empty when there is none. */
static struct span local_part(struct span username)
{
    const uint8_t *colon = username.n ? memchr(username.p, ':', username.n) : NULL;

    return (struct span){username.p, colon ? (size_t)(colon - username.p) : 0};
}

/* Does the part behind the colon name the client as it calls itself now? */
static bool is_from_present_client(const struct ice_session *session, struct span username)
{
    const size_t before = local_part(username).n + 1;

    return username.n == before + strlen(session->remote_ufrag) &&
           memcmp(username.p + before, session->remote_ufrag, username.n - before) == 0;
}

static bool is_ufrag(const struct ice_credentials *credentials, struct span ufrag)
{
    return credentials->ufrag[0] && ufrag.n == ICE_UFRAG_LEN &&
           memcmp(credentials->ufrag, ufrag.p, ICE_UFRAG_LEN) == 0;
}

int ice_message_ufrag(struct span datagram, char out[static ICE_UFRAG_LEN + 1])
{
    struct stun_view view;

    if (stun_scan(datagram, &view) < 0 || view.type != STUN_BINDING_REQUEST)
        return RC_BAD;
    const struct span ufrag = local_part(view.username);
    if (!is_ice_text(ufrag, ICE_UFRAG_LEN, ICE_UFRAG_LEN))
        return RC_BAD;
    copy_text(out, ufrag);
    return RC_OK;
}

/* --- life ------------------------------------------------------------------------------------
 */

static void output_reset(struct ice_output *out)
{
    out->events = 0;
    out->reply_len = 0;
    out->removed_count = 0;
}

int ice_session_init(struct ice_session *session, struct span remote_ufrag,
                     struct span remote_pwd, usec_t now)
{
    if (!remote_is_valid(remote_ufrag, remote_pwd))
        return RC_BAD;
    *session = (struct ice_session){.started = now, .selected = -1};
    set_credentials(session, remote_ufrag, remote_pwd);
    return RC_OK;
}

int ice_session_restart(struct ice_session *session, struct span remote_ufrag,
                        struct span remote_pwd, usec_t now, struct ice_output *out)
{
    output_reset(out);
    if (!remote_is_valid(remote_ufrag, remote_pwd))
        return RC_BAD;

    retire_previous(session, out);
    session->previous = session->local;
    session->previous_until = now + ICE_CONSENT_TIMEOUT;
    set_credentials(session, remote_ufrag, remote_pwd);
    for (unsigned i = 0; i < session->path_count; i++) {
        session->path[i].nomination = ICE_PATH_UNCHECKED;
        session->path[i].nominated_at = 0;
    }
    if (session->state != ICE_CONNECTED) {
        session->state = session->path_count ? ICE_CHECKING : ICE_NEW;
        session->why = REFUSAL_NONE;
        session->started = now;
    }
    return RC_OK;
}

/* --- paths -----------------------------------------------------------------------------------
 */

const struct ice_path *ice_selected(const struct ice_session *session)
{
    return session->selected < 0 ? NULL : &session->path[session->selected];
}

bool ice_accepts(const struct ice_session *session, const struct address *from)
{
    for (unsigned i = 0; i < session->path_count; i++) {
        if (address_equal(&session->path[i].remote, from))
            return true;
    }
    return false;
}

static int path_find(const struct ice_session *session, const struct address *remote,
                     const struct address *local)
{
    for (unsigned i = 0; i < session->path_count; i++) {
        const struct ice_path *path = &session->path[i];

        if (address_equal(&path->remote, remote) && address_equal(&path->local, local))
            return (int)i;
    }
    return -1;
}

static void path_select(struct ice_session *session, int index, struct ice_output *out)
{
    if (session->selected == index)
        return;
    session->selected = (int8_t)index;
    if (index >= 0)
        out->events |= ICE_EVENT_PATH;
}

/* The last one moves into its place. */
static void path_remove(struct ice_session *session, int index)
{
    const int last = --session->path_count;

    session->path[index] = session->path[last];
    if (session->selected == index)
        session->selected = -1;
    else if (session->selected == last)
        session->selected = (int8_t)index;
}

static void tell_removed(const struct ice_session *session, const struct address *remote,
                         struct ice_output *out)
{
    if (ice_accepts(session, remote))
        return;
    out->removed[out->removed_count++] = *remote;
    out->events |= ICE_EVENT_ADDRESS_REMOVED;
}

/* The one that was silent longest, never the selected one. */
static int path_to_evict(const struct ice_session *session)
{
    int oldest = -1;

    for (int i = 0; i < session->path_count; i++) {
        if (i == session->selected)
            continue;
        if (oldest < 0 || session->path[i].last_alive < session->path[oldest].last_alive)
            oldest = i;
    }
    return oldest;
}

static int path_add(struct ice_session *session, const struct address *remote,
                    const struct address *local, struct ice_output *out)
{
    const bool known = ice_accepts(session, remote);
    struct address evicted = {0};

    if (session->path_count == ICE_PATHS_MAX) {
        const int index = path_to_evict(session);
        evicted = session->path[index].remote;
        path_remove(session, index);
    }

    const int added = session->path_count++;
    session->path[added] = (struct ice_path){.remote = *remote, .local = *local};
    if (evicted.sa.sa_family != AF_UNSPEC)
        tell_removed(session, &evicted, out);
    if (!known) {
        out->added = *remote;
        out->events |= ICE_EVENT_ADDRESS_ADDED;
    }
    return added;
}

/* When the selected path is gone: the one that the client chose last, else heard last. */
static int path_best(const struct ice_session *session)
{
    int best = -1;

    for (int i = 0; i < session->path_count; i++) {
        const struct ice_path *a = &session->path[i];
        const struct ice_path *b = best < 0 ? NULL : &session->path[best];

        if (!b || a->nominated_at > b->nominated_at ||
            (a->nominated_at == b->nominated_at && a->last_check > b->last_check))
            best = i;
    }
    return best;
}

/* With another path there, those that are lost are of no use any more. */
static void remove_lost(struct ice_session *session, struct ice_output *out)
{
    int i = 0;

    while (i < session->path_count && session->path_count > 1) {
        const struct ice_path path = session->path[i];

        if (!path.lost) {
            i++;
            continue;
        }
        path_remove(session, i);
        tell_removed(session, &path.remote, out);
    }
    if (session->selected < 0)
        path_select(session, path_best(session), out);
}

void ice_lost(struct ice_session *session, const struct address *remote, struct ice_output *out)
{
    output_reset(out);
    for (unsigned i = 0; i < session->path_count; i++) {
        if (address_equal(&session->path[i].remote, remote))
            session->path[i].lost = true;
    }
    remove_lost(session, out);
}

/* --- nomination ------------------------------------------------------------------------------
 */

/* Does a nominating check on `path` win over the selected one? See ice_input's contract. */
static bool nomination_wins(const struct ice_path *path, bool was_plain,
                            const struct ice_path *selected, usec_t now)
{
    if (!selected || !selected->nominated_at || was_plain)
        return true;
    if (path->priority != selected->priority)
        return path->priority > selected->priority ||
               now - selected->nominated_at >= ICE_NOMINATION_HOLD;
    return !address_equal(&path->remote, &selected->remote) ||
           now - selected->nominated_at >= ICE_NOMINATION_HOLD;
}

static void become_connected(struct ice_session *session, struct ice_output *out)
{
    if (session->state == ICE_CONNECTED)
        return;
    session->state = ICE_CONNECTED;
    out->events |= ICE_EVENT_CONNECTED;
}

static void on_nomination(struct ice_session *session, int index, usec_t now,
                          struct ice_output *out)
{
    struct ice_path *path = &session->path[index];
    const bool was_plain = path->nomination == ICE_PATH_PLAIN;
    const struct ice_path *selected = ice_selected(session);

    if (path == selected || nomination_wins(path, was_plain, selected, now))
        path_select(session, index, out);
    path->nomination = ICE_PATH_NOMINATED;
    path->nominated_at = now;
    become_connected(session, out);
}

/* What a check says, once it is authenticated. */
struct check {
    const struct address *from;
    const struct address *local;
    uint32_t priority;
    bool use_candidate;
    bool previous; /* made with our credentials of before the restart */
    bool history;  /* and with the client's of then, too */
};

static void on_check(struct ice_session *session, const struct check *check, usec_t now,
                     struct ice_output *out)
{
    int index = path_find(session, check->from, check->local);
    if (index < 0) {
        (void)path_add(session, check->from, check->local, out);
        remove_lost(session, out);
        index = path_find(session, check->from, check->local);
    }

    struct ice_path *path = &session->path[index];
    path->last_check = path->last_alive = now;
    if (session->state == ICE_NEW)
        session->state = ICE_CHECKING;
    if (session->selected < 0)
        path_select(session, index, out);
    if (check->history)
        return; /* consent, and no more: what it chooses is history */
    if (check->previous)
        session->previous_until = now + ICE_CONSENT_TIMEOUT;

    path->priority = check->priority;
    if (!check->use_candidate) {
        path->nomination = ICE_PATH_PLAIN;
        return;
    }
    on_nomination(session, index, now, out);
    if (!check->previous)
        retire_previous(session, out);
}

/* --- replays ---------------------------------------------------------------------------------
 *
 * A check is bound to no address: MESSAGE-INTEGRITY does not cover where it comes from, and a
 * lite agent makes no check of its own that a false address could not answer. So one that came
 * from elsewhere before makes no new path. It still counts on a path that there is: whoever is
 * quick enough to send a copy first must not keep the original out.
 */

static bool is_replay(const struct ice_session *session, uint64_t id,
                      const struct address *from)
{
    for (unsigned i = 0; i < ICE_SEEN_MAX; i++) {
        if (session->seen[i].id == id)
            return session->seen[i].from != address_hash(from) && !ice_accepts(session, from);
    }
    return false;
}

static void remember(struct ice_session *session, uint64_t id, const struct address *from)
{
    for (unsigned i = 0; i < ICE_SEEN_MAX; i++) {
        if (session->seen[i].id == id)
            return; /* where it came from first is what counts */
    }
    session->seen[session->seen_next] = (struct ice_seen){id, address_hash(from)};
    session->seen_next = (uint8_t)((session->seen_next + 1) % ICE_SEEN_MAX);
}

/* Never 0. */
static uint64_t check_id(const struct stun_view *view)
{
    const uint64_t high = (uint64_t)load_be32(view->id) << 32;
    const uint64_t id = (high | load_be32(view->id + 4)) ^ load_be32(view->id + 8);

    return id ? id : 1;
}

/* --- input -----------------------------------------------------------------------------------
 */

/* The engine asks for the password of a USERNAME. It is only asked for those that fit. */
static bool give_password(StunAgent *stun, StunMessage *message, uint8_t *username,
                          uint16_t username_len, uint8_t **password, size_t *password_len,
                          void *arg)
{
    struct ice_credentials *credentials = arg;
    (void)stun;
    (void)message;
    (void)username;
    (void)username_len;

    *password = (uint8_t *)credentials->pwd;
    *password_len = ICE_PWD_LEN;
    return true;
}

/* What needs no key to refuse. Pure. */
static enum refusal form_refusal(const struct ice_session *session,
                                 const struct stun_view *view)
{
    if (view->type != STUN_BINDING_REQUEST)
        return REFUSAL_STUN_MALFORMED;
    if (!view->has_fingerprint)
        return REFUSAL_STUN_MALFORMED; /* ICE wants it in every check */
    if (!view->username.p || !view->has_integrity)
        return REFUSAL_STUN_UNAUTHORIZED;
    const struct span ufrag = local_part(view->username);
    if (session->state == ICE_FAILED ||
        (!is_ufrag(&session->local, ufrag) && !is_ufrag(&session->previous, ufrag)))
        return REFUSAL_STUN_UNKNOWN_USER;
    return REFUSAL_NONE;
}

/* A success or an error reply. True: a success, so this check counts. We are lite, so the
 * client is controlling (RFC 8445 section 6.1.1): with a tie-breaker of 0 any other opinion is
 * answered 487 and the client gives way. Should its own be 0 as well, the engine says
 * “switched”: we do not. */
static bool write_reply(struct ice_agent *agent, StunMessage *request,
                        const struct address *from, struct ice_output *out)
{
    const struct address seen = stream_address_peer(from);
    struct sockaddr_storage source = {0};
    StunMessage reply;
    bool control = false;
    size_t n = sizeof out->reply;

    memcpy(&source, &seen.sa, address_len(&seen));
    (void)stun_usage_ice_conncheck_create_reply(&agent->stun, request, &reply, out->reply, &n,
                                                &source, address_len(&seen), &control, 0,
                                                STUN_USAGE_ICE_COMPATIBILITY_RFC5245);
    out->reply_len = n;
    return n > 0 && stun_message_get_class(&reply) == STUN_RESPONSE;
}

static void write_unknown(struct ice_agent *agent, const StunMessage *request,
                          struct ice_output *out)
{
    StunMessage reply;

    out->reply_len = stun_agent_build_unknown_attributes_error(&agent->stun, &reply, out->reply,
                                                               sizeof out->reply, request);
}

enum refusal ice_input(struct ice_agent *agent, struct ice_session *session,
                       struct span datagram, const struct address *from,
                       const struct address *local, usec_t now, struct ice_output *out)
{
    struct stun_view view;
    StunMessage request;

    output_reset(out);
    if (stun_scan(datagram, &view) < 0)
        return refuse(REFUSAL_STUN_MALFORMED);
    const enum refusal why = form_refusal(session, &view);
    if (why)
        return refuse(why);

    const bool previous = !is_ufrag(&session->local, local_part(view.username));
    switch (stun_agent_validate(&agent->stun, &request, datagram.p, datagram.n, give_password,
                                previous ? &session->previous : &session->local)) {
    case STUN_VALIDATION_SUCCESS:
        break;
    case STUN_VALIDATION_UNKNOWN_REQUEST_ATTRIBUTE:
        write_unknown(agent, &request, out);
        return REFUSAL_NONE;
    case STUN_VALIDATION_UNAUTHORIZED:
    case STUN_VALIDATION_UNAUTHORIZED_BAD_REQUEST:
        return refuse(REFUSAL_STUN_UNAUTHORIZED);
    default:
        return refuse(REFUSAL_STUN_MALFORMED);
    }

    const uint64_t id = check_id(&view);
    if (is_replay(session, id, from))
        return refuse(REFUSAL_STUN_REPLAY);
    remember(session, id, from);

    const struct check check = {
        .from = from,
        .local = local,
        .priority = stun_usage_ice_conncheck_priority(&request),
        .use_candidate = stun_usage_ice_conncheck_use_candidate(&request),
        .previous = previous,
        .history = previous && !is_from_present_client(session, view.username),
    };
    if (write_reply(agent, &request, from, out))
        on_check(session, &check, now, out);
    return REFUSAL_NONE;
}

/* --- consent ---------------------------------------------------------------------------------
 */

void ice_alive(struct ice_session *session, const struct address *from, usec_t now)
{
    for (unsigned i = 0; i < session->path_count; i++) {
        if (address_equal(&session->path[i].remote, from))
            session->path[i].last_alive = now;
    }
}

static void earlier(usec_t *deadline, usec_t due)
{
    if (due < *deadline)
        *deadline = due;
}

usec_t ice_deadline(const struct ice_session *session)
{
    usec_t deadline = USEC_NEVER;

    for (unsigned i = 0; i < session->path_count; i++)
        earlier(&deadline, session->path[i].last_alive + ICE_CONSENT_TIMEOUT);
    if (session->previous.ufrag[0])
        earlier(&deadline, session->previous_until);
    if (session->state == ICE_NEW || session->state == ICE_CHECKING)
        earlier(&deadline, session->started + ICE_CONNECT_TIMEOUT);
    return deadline;
}

static void remove_silent(struct ice_session *session, usec_t now, struct ice_output *out)
{
    int i = 0;

    while (i < session->path_count) {
        const struct ice_path path = session->path[i];

        if (path.last_alive + ICE_CONSENT_TIMEOUT > now) {
            i++;
            continue;
        }
        path_remove(session, i);
        tell_removed(session, &path.remote, out);
    }
}

static void fail(struct ice_session *session, enum refusal why, struct ice_output *out)
{
    while (session->path_count > 0) {
        const struct address remote = session->path[session->path_count - 1].remote;

        path_remove(session, session->path_count - 1);
        tell_removed(session, &remote, out);
    }
    retire_previous(session, out);
    session->state = ICE_FAILED;
    session->why = refuse(why);
    out->events |= ICE_EVENT_FAILED;
}

void ice_tick(struct ice_session *session, usec_t now, struct ice_output *out)
{
    output_reset(out);
    if (session->previous.ufrag[0] && session->previous_until <= now)
        retire_previous(session, out);
    remove_silent(session, now, out);
    if (session->state == ICE_CONNECTED && session->path_count == 0) {
        fail(session, REFUSAL_ICE_CONSENT_EXPIRED, out);
        return;
    }
    if ((session->state == ICE_NEW || session->state == ICE_CHECKING) &&
        session->started + ICE_CONNECT_TIMEOUT <= now) {
        fail(session, REFUSAL_ICE_TIMEOUT, out);
        return;
    }
    if (session->selected < 0)
        path_select(session, path_best(session), out);
}

#include "signaling/waiting_room.h"

#include "core/clock.h"
#include "signaling/match_word.h"
#include "signaling/pair.h"
#include "signaling/user_media.h"

#include <stdlib.h>
#include <string.h>

/* One less than round numbers, because scores are whole: up to 99 is below 100. */
static const uint64_t score_bounds[] = {19, 39, 49, 59, 69, 79, 89, 99, 109, 119};

static const uint64_t wait_bounds[] = {MSEC(50), MSEC(100), MSEC(250), MSEC(500), SEC(1),
                                       SEC(2),   SEC(3),    SEC(4),    SEC(6),    SEC(10),
                                       SEC(20),  SEC(30),   SEC(60),   SEC(120)};

/* --- what is known of a user ---------------------------------------------------------------
 */

static void take_words(struct match_card *card, const struct search *search)
{
    memcpy(card->interest, search->interest, sizeof card->interest);
    memcpy(card->language, search->language, sizeof card->language);
}

static void take_region(struct match_card *card, const struct user *user, uint8_t wishes)
{
    card->region = match_region_id(user->region);
    card->area = match_area_id(user->region);
    /* The same region as nobody knows which cannot be wished for. */
    card->wishes = card->region ? wishes : (uint8_t)(wishes & ~MATCH_WISH_REGION);
}

static void take_network(struct match_ticket *ticket, const struct user *user)
{
    ticket->card.quality = user->path_quality;
    ticket->proven = user_media_may_meet(user);
}

/* --- life ----------------------------------------------------------------------------------
 */

static struct seeker *need_seeker(struct user *user)
{
    if (user->seeker)
        return user->seeker;
    user->seeker = calloc(1, sizeof *user->seeker);
    if (!user->seeker)
        return NULL;
    user->seeker->user = user;
    user->seeker->ticket.user = user->number;
    return user->seeker;
}

void seeker_free(struct seeker *seeker)
{
    if (!seeker)
        return;
    free(seeker->avoid);
    free(seeker);
}

static void look_again_later(struct waiting_room *room)
{
    const usec_t due = match_deadline(room->match);

    if (due == USEC_NEVER)
        timers_clear(room->timers, &room->next_look);
    else
        (void)timers_set(room->timers, &room->next_look, due);
}

/* --- pairs ---------------------------------------------------------------------------------
 */

static struct user *user_of(struct match_ticket *ticket)
{
    return ((struct seeker *)(void *)((char *)ticket - offsetof(struct seeker, ticket)))->user;
}

static void note_match(struct waiting_room *room, const struct match_found *found)
{
    struct match_record record = {
        .kind = (enum match_kind)found->a->card.kind,
        .parts = found->parts,
        .waited = {found->waited_a, found->waited_b},
        .at = clock_wall(),
    };

    memcpy(record.id, user_of(found->a)->match_id, sizeof record.id);
    match_records_note(&room->records, &record);
    room->optimal += found->parts.total >= match_options(room->match)->weights.optimal;
    histogram_observe(&room->score, (uint64_t)found->parts.total);
    histogram_observe(&room->wait, found->waited_a);
    histogram_observe(&room->wait, found->waited_b);
}

/* Without memory both wait on. */
static bool join(struct waiting_room *room, const struct match_found *found, usec_t now)
{
    if (pair_make(user_of(found->a), user_of(found->b), found->parts.total) != RC_OK)
        return false;
    match_commit(room->match, found, now);
    note_match(room, found);
    return true;
}

static void on_next_look(struct timer *timer, void *arg, usec_t now)
{
    struct waiting_room *room = arg;
    uint32_t looks = MATCH_LOOKS_MAX;
    struct match_found found;
    (void)timer;

    while (match_next(room->match, now, &looks, &found)) {
        if (!join(room, &found, now))
            break;
        pair_announce(user_of(found.a));
    }
    look_again_later(room);
}

bool waiting_room_find(struct waiting_room *room, struct user *user, usec_t now)
{
    struct match_found found;

    const bool joined =
        match_find(room->match, &user->seeker->ticket, now, &found) && join(room, &found, now);
    look_again_later(room);
    return joined;
}

/* --- coming and going ----------------------------------------------------------------------
 */

/* In a queue of its own there is no place to keep for one who looks for something else now. */
static int change_kind(struct waiting_room *room, struct match_ticket *ticket,
                       enum match_kind kind, usec_t now)
{
    const uint8_t before = ticket->card.kind;

    if (before == kind || !ticket->waiting) {
        ticket->card.kind = (uint8_t)kind;
        return RC_OK;
    }
    match_remove(room->match, ticket);
    ticket->card.kind = (uint8_t)kind;
    if (match_add(room->match, ticket, now) == RC_OK)
        return RC_OK;
    ticket->card.kind = before;
    /* What was just given back is there: this one cannot fail. */
    (void)match_add(room->match, ticket, now);
    return RC_NOMEM;
}

/* A copy of the list, NULL for an empty one. */
static int copy_avoided(const struct search *search, uint64_t **out)
{
    const size_t size = search->avoid_count * sizeof *search->avoid;

    *out = NULL;
    if (size == 0)
        return RC_OK;
    *out = malloc(size);
    if (!*out)
        return RC_NOMEM;
    memcpy(*out, search->avoid, size);
    return RC_OK;
}

int waiting_room_seek(struct waiting_room *room, struct user *user, const struct search *search,
                      usec_t now)
{
    struct seeker *seeker = need_seeker(user);
    uint64_t *avoid;

    if (!seeker || copy_avoided(search, &avoid) != RC_OK)
        return RC_NOMEM;
    if (change_kind(room, &seeker->ticket, search->kind, now) != RC_OK) {
        free(avoid);
        return RC_NOMEM;
    }
    free(seeker->avoid);
    seeker->ticket.avoid = seeker->avoid = avoid;
    seeker->ticket.avoid_count = search->avoid_count;
    take_words(&seeker->ticket.card, search);
    take_region(&seeker->ticket.card, user, search->wishes);
    take_network(&seeker->ticket, user);
    match_update(room->match, &seeker->ticket);
    return RC_OK;
}

int waiting_room_enter(struct waiting_room *room, struct user *user, bool first, usec_t now)
{
    struct match_ticket *ticket = &user->seeker->ticket;

    take_network(ticket, user);
    const int rc =
        first ? match_add_first(room->match, ticket, now) : match_add(room->match, ticket, now);
    if (rc != RC_OK)
        return rc;
    user_set_state(user, USER_WAITING);
    look_again_later(room);
    return RC_OK;
}

void waiting_room_leave(struct waiting_room *room, struct user *user)
{
    match_remove(room->match, &user->seeker->ticket);
    user_set_state(user, USER_CONNECTED);
    look_again_later(room);
}

void waiting_room_update(struct waiting_room *room, struct user *user)
{
    if (user->state != USER_WAITING)
        return;
    take_network(&user->seeker->ticket, user);
    match_update(room->match, &user->seeker->ticket);
    look_again_later(room);
}

void waiting_room_heard(struct waiting_room *room, struct user *user, usec_t now)
{
    if (user->seeker)
        match_heard(room->match, &user->seeker->ticket, now);
}

/* --- life and numbers ----------------------------------------------------------------------
 */

uint32_t waiting_room_count(const struct waiting_room *room)
{
    return match_waiting(room->match, MATCH_VIDEO) + match_waiting(room->match, MATCH_TEXT);
}

int waiting_room_open(struct waiting_room *room, struct timers *timers,
                      const struct match_options *options)
{
    memset(room, 0, sizeof *room);
    int rc = match_create(&room->match, options);
    if (rc != RC_OK)
        return rc;
    rc = match_records_init(&room->records);
    if (rc != RC_OK) {
        match_free(room->match);
        return rc;
    }
    room->timers = timers;
    timer_init(&room->next_look, on_next_look, room);
    histogram_init(&room->score, score_bounds, ARRAY_LEN(score_bounds), 1);
    histogram_init(&room->wait, wait_bounds, ARRAY_LEN(wait_bounds), 1e-6);
    /* Without memory for it a number is missing on the page: no reason not to serve. */
    (void)metrics_add_histogram("meetopia_match_score", "", "points of each match made",
                                &room->score);
    (void)metrics_add_histogram("meetopia_match_wait_seconds", "",
                                "how long each person matched had waited", &room->wait);
    return RC_OK;
}

void waiting_room_close(struct waiting_room *room)
{
    timers_clear(room->timers, &room->next_look);
    metrics_remove(room, sizeof *room);
    match_records_free(&room->records);
    match_free(room->match);
}

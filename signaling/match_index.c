#include "signaling/match_index.h"

#include "core/table.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS_MIN 64

/* For "whichever" in a key. No card has them: regions and languages are hashes, of which these
 * values are mapped away (signaling/search.c), and there are three grades. */
#define ANY_REGION UINT32_MAX
#define ANY_LANGUAGE UINT16_MAX
#define ANY_GRADE UINT8_MAX

enum { GRADE_GOOD, GRADE_FAIR, GRADE_POOR, GRADE_COUNT };

/* Two for each language and two more. */
#define MEMBERSHIPS_MAX (2 * MATCH_LANGUAGES_MAX + 2)
#define MEMBERSHIP_BITS 4 /* an entry of a bucket is slot << 4 | number of the membership */

_Static_assert(MEMBERSHIPS_MAX <= 1 << MEMBERSHIP_BITS, "a membership's number fits");

struct key {
    uint32_t region;
    uint16_t language;
    uint8_t kind, grade;
};

struct bucket {
    struct key key;
    uint32_t *entry; /* owned */
    uint32_t count, capacity;
    UT_hash_handle hh;
};

/* Where a slot stands. */
struct membership {
    struct bucket *bucket;
    uint32_t at;
};

struct match_index {
    struct match_card *card;                          /* owned, by slot */
    struct membership (*membership)[MEMBERSHIPS_MAX]; /* owned, by slot */
    uint32_t *vacant;                                 /* owned, a stack of free slots */
    uint32_t vacant_count, capacity, used;
    uint32_t count[MATCH_KIND_COUNT];
    struct bucket *buckets; /* owned, by key */
    uint64_t chance;        /* for where in a bucket a search begins */
};

/* --- life ----------------------------------------------------------------------------------
 */

int match_index_create(struct match_index **out)
{
    struct match_index *index = calloc(1, sizeof *index);

    if (!index)
        return RC_NOMEM;
    index->chance = 0x9e3779b97f4a7c15;
    *out = index;
    return RC_OK;
}

static void bucket_free(struct match_index *index, struct bucket *bucket)
{
    HASH_DEL(index->buckets, bucket);
    free(bucket->entry);
    free(bucket);
}

void match_index_free(struct match_index *index)
{
    struct bucket *bucket, *next;

    if (!index)
        return;
    HASH_ITER(hh, index->buckets, bucket, next)
    bucket_free(index, bucket);
    free(index->card);
    free(index->membership);
    free(index->vacant);
    free(index);
}

struct match_card *match_index_card(struct match_index *index, uint32_t slot)
{
    return &index->card[slot];
}

uint32_t match_index_count(const struct match_index *index, enum match_kind kind)
{
    return index->count[kind];
}

/* --- slots ---------------------------------------------------------------------------------
 */

static int grow(struct match_index *index)
{
    const uint32_t capacity = index->capacity ? 2 * index->capacity : SLOTS_MIN;

    /* Aligned, so that a card is one cache line; hence no realloc. */
    struct match_card *card = aligned_alloc(sizeof *card, capacity * sizeof *card);
    void *membership = realloc(index->membership, capacity * sizeof *index->membership);
    if (membership)
        index->membership = membership;
    uint32_t *vacant = realloc(index->vacant, capacity * sizeof *vacant);
    if (vacant)
        index->vacant = vacant;
    if (!card || !membership || !vacant) {
        free(card);
        return RC_NOMEM;
    }
    if (index->card)
        memcpy(card, index->card, index->used * sizeof *card);
    free(index->card);
    index->card = card;
    index->capacity = capacity;
    return RC_OK;
}

static int take_slot(struct match_index *index, uint32_t *slot)
{
    if (index->vacant_count > 0) {
        *slot = index->vacant[--index->vacant_count];
        return RC_OK;
    }
    if (index->used == index->capacity && grow(index) != RC_OK)
        return RC_NOMEM;
    *slot = index->used++;
    return RC_OK;
}

static void give_slot(struct match_index *index, uint32_t slot)
{
    index->vacant[index->vacant_count++] = slot;
}

/* --- buckets -------------------------------------------------------------------------------
 */

static uint8_t grade_of(const struct match_card *card)
{
    const uint32_t quality =
        card->quality == MATCH_QUALITY_UNKNOWN ? MATCH_QUALITY_BEST : card->quality;

    return quality >= 75 ? GRADE_GOOD : quality >= 45 ? GRADE_FAIR : GRADE_POOR;
}

static struct bucket *find_bucket(struct match_index *index, struct key key)
{
    struct bucket *bucket;

    HASH_FIND(hh, index->buckets, &key, sizeof key, bucket);
    return bucket;
}

static struct bucket *need_bucket(struct match_index *index, struct key key)
{
    struct bucket *bucket = find_bucket(index, key);

    if (bucket)
        return bucket;
    bucket = calloc(1, sizeof *bucket);
    if (!bucket)
        return NULL;
    bucket->key = key;
    HASH_ADD(hh, index->buckets, key, sizeof key, bucket);
    return bucket;
}

static void leave_bucket(struct match_index *index, const struct membership *membership)
{
    struct bucket *bucket = membership->bucket;
    const uint32_t last = bucket->entry[--bucket->count];

    bucket->entry[membership->at] = last;
    index->membership[last >> MEMBERSHIP_BITS][last & ((1u << MEMBERSHIP_BITS) - 1)].at =
        membership->at;
    if (bucket->count == 0)
        bucket_free(index, bucket);
}

static int enter_bucket(struct match_index *index, uint32_t slot, uint32_t number,
                        struct key key)
{
    struct bucket *bucket = need_bucket(index, key);

    if (!bucket)
        return RC_NOMEM;
    if (bucket->count == bucket->capacity) {
        const uint32_t capacity = bucket->capacity ? 2 * bucket->capacity : 4;
        uint32_t *entry = realloc(bucket->entry, capacity * sizeof *entry);
        if (!entry) {
            if (bucket->count == 0)
                bucket_free(index, bucket);
            return RC_NOMEM;
        }
        bucket->entry = entry;
        bucket->capacity = capacity;
    }
    index->membership[slot][number] = (struct membership){bucket, bucket->count};
    bucket->entry[bucket->count++] = slot << MEMBERSHIP_BITS | number;
    return RC_OK;
}

/* The languages of a card; 0 stands for none, and is one of its own. */
static uint32_t language_count(const struct match_card *card)
{
    uint32_t n = 1;

    while (n < MATCH_LANGUAGES_MAX && card->language[n])
        n++;
    return n;
}

/* All buckets of a card; returns how many. */
static uint32_t list_keys(const struct match_card *card, struct key key[MEMBERSHIPS_MAX])
{
    const uint32_t languages = language_count(card);
    const uint8_t kind = card->kind, grade = grade_of(card);
    uint32_t n = 0;

    for (uint32_t i = 0; i < languages; i++) {
        key[n++] = (struct key){card->region, card->language[i], kind, grade};
        key[n++] = (struct key){ANY_REGION, card->language[i], kind, ANY_GRADE};
    }
    key[n++] = (struct key){card->region, ANY_LANGUAGE, kind, ANY_GRADE};
    key[n++] = (struct key){ANY_REGION, ANY_LANGUAGE, kind, ANY_GRADE};
    return n;
}

int match_index_add(struct match_index *index, const struct match_card *card, uint32_t *slot)
{
    struct key key[MEMBERSHIPS_MAX];
    const uint32_t keys = list_keys(card, key);
    uint32_t taken, n;

    if (take_slot(index, &taken) != RC_OK)
        return RC_NOMEM;
    for (n = 0; n < keys; n++)
        if (enter_bucket(index, taken, n, key[n]) != RC_OK)
            goto fail;
    index->card[taken] = *card;
    index->count[card->kind]++;
    *slot = taken;
    return RC_OK;

fail:
    while (n-- > 0)
        leave_bucket(index, &index->membership[taken][n]);
    give_slot(index, taken);
    return RC_NOMEM;
}

void match_index_remove(struct match_index *index, uint32_t slot)
{
    const struct match_card *card = &index->card[slot];
    const uint32_t keys = 2 * language_count(card) + 2;

    index->count[card->kind]--;
    for (uint32_t n = 0; n < keys; n++)
        leave_bucket(index, &index->membership[slot][n]);
    give_slot(index, slot);
}

/* --- searching -----------------------------------------------------------------------------
 */

/* What is gathered so far. */
struct harvest {
    struct match_index *index;
    uint32_t *slot;
    uint32_t count;
};

/* xorshift64*. By chance, and not one search after the other, because searches come in
 * patterns: going round, the same person could look at the same others each time. */
static uint32_t somewhere(struct match_index *index, uint32_t n)
{
    index->chance ^= index->chance >> 12;
    index->chance ^= index->chance << 25;
    index->chance ^= index->chance >> 27;
    return (uint32_t)((index->chance * 0x2545f4914f6cdd1d >> 32) * n >> 32);
}

/* Up to `want` of a bucket, neighbours from somewhere on. */
static void take_from(struct harvest *harvest, struct key key, uint32_t want)
{
    struct bucket *bucket = find_bucket(harvest->index, key);

    if (!bucket)
        return;
    const uint32_t n = want < bucket->count ? want : bucket->count;
    uint32_t at = n < bucket->count ? somewhere(harvest->index, bucket->count) : 0;
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t slot = bucket->entry[at] >> MEMBERSHIP_BITS;

        /* Cards are all over memory: by the time they are looked at they are here. */
        __builtin_prefetch(&harvest->index->card[slot]);
        harvest->slot[harvest->count++] = slot;
        at = at + 1 < bucket->count ? at + 1 : 0;
    }
}

static void gather_near(struct harvest *harvest, const struct match_card *card)
{
    const uint32_t languages = language_count(card);
    const uint8_t own = grade_of(card);

    for (uint32_t i = 0; i < languages; i++) {
        for (uint8_t grade = 0; grade < GRADE_COUNT; grade++) {
            const uint32_t want = grade == own ? 64 : 16;

            take_from(harvest, (struct key){card->region, card->language[i], card->kind, grade},
                      want / languages);
        }
    }
}

static void gather_far(struct harvest *harvest, const struct match_card *card)
{
    const uint32_t languages = language_count(card);
    const uint8_t kind = card->kind;

    for (uint32_t i = 0; i < languages; i++)
        take_from(harvest, (struct key){ANY_REGION, card->language[i], kind, ANY_GRADE},
                  64 / languages);
    take_from(harvest, (struct key){card->region, ANY_LANGUAGE, kind, ANY_GRADE}, 32);
    take_from(harvest, (struct key){ANY_REGION, ANY_LANGUAGE, kind, ANY_GRADE}, 16);
}

uint32_t match_index_gather(struct match_index *index, const struct match_card *card,
                            enum match_reach reach, uint32_t slots[static MATCH_NEAR_MAX])
{
    struct harvest harvest = {index, slots, 0};

    if (reach == MATCH_NEAR)
        gather_near(&harvest, card);
    else if (reach == MATCH_FAR)
        gather_far(&harvest, card);
    else
        take_from(&harvest, (struct key){ANY_REGION, ANY_LANGUAGE, card->kind, ANY_GRADE},
                  MATCH_NEAR_MAX);
    return harvest.count;
}

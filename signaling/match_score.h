/*
 * signaling/match_score.h - how well two people go together, in points.
 *
 * The parts of a score, what each is worth and what is known of a person. All weights stand in
 * one table, match_weights_default. 100 points and more is an optimal match.
 *
 * Sans-IO and without state: values in, points out. Words are ids here (signaling/search.c
 * makes them): equal ids are equal words.
 */
#ifndef SIGNALING_MATCH_SCORE_H
#define SIGNALING_MATCH_SCORE_H

#include "core/base.h"
#include "signaling/media_service.h"

enum match_kind { MATCH_VIDEO, MATCH_TEXT, MATCH_KIND_COUNT };

/* Words that count; further ones are left out. */
#define MATCH_INTERESTS_MAX 8
#define MATCH_LANGUAGES_MAX 4

/* What a person may wish; points are taken from partners who don't meet it. */
enum { MATCH_WISH_REGION = 1, MATCH_WISH_LANGUAGE = 2 };

#define MATCH_QUALITY_BEST 100
#define MATCH_QUALITY_UNKNOWN 255 /* nothing was measured yet */

/* What is known of one person and counts in a score. A cache line, because a search looks at
 * more than a hundred of them. */
struct match_card {
    uint16_t interest[MATCH_INTERESTS_MAX]; /* ids; 0 from the first free place on */
    uint16_t language[MATCH_LANGUAGES_MAX]; /* likewise */
    usec_t since;                           /* when the waiting began */
    usec_t heard;                           /* the last sign of life */
    struct match_ticket *ticket;            /* whose card it is; not looked at here */
    uint32_t region, area; /* ids, 0: unknown; the area is the first part of the region */
    int16_t best;          /* points that an equal would bring: match_score_best */
    uint8_t kind;          /* enum match_kind */
    uint8_t quality;       /* of the network path: match_quality, or MATCH_QUALITY_UNKNOWN */
    uint8_t wishes;        /* MATCH_WISH_… */
    bool content;          /* takes anybody */
};

struct match_weights {
    int16_t quality;                     /* both paths are perfect; falls with the worse one */
    int16_t quality_alike;               /* both are equally good; nothing from 50 apart on */
    uint8_t quality_unknown;             /* what counts for a path that was not measured */
    uint8_t path_cost[MEDIA_PATH_COUNT]; /* taken from the quality of a path */
    int16_t region, area;                /* the same region; another one of the same area */
    int16_t region_unknown;              /* at least one named none */
    int16_t language;                    /* one in common */
    int16_t language_unknown;            /* at least one named none */
    int16_t interest[4];      /* by the number in common, the last for three and more */
    int16_t interest_unknown; /* at least one named none */
    int16_t fresh;            /* both heard of in the last fresh_full; falls until fresh_end */
    usec_t fresh_full, fresh_end;
    int16_t waiting; /* who waited longer waited for waiting_full; proportional below */
    usec_t waiting_full;
    int16_t met; /* taken when they have just met; falls until met_end */
    usec_t met_end;
    int16_t wish;    /* taken for each wish of either that is not met */
    int16_t optimal; /* from here on a match is as good as it needs to be */
};

extern const struct match_weights match_weights_default;

/* The parts of one score; their sum, but never less than 0, is the total. */
struct match_parts {
    int16_t quality, region, language, interest, fresh, waiting, met, wish;
    int16_t total;
};

/* 0…100 from what was measured: rtt in microseconds (0: not measured), loss 0…1. */
uint8_t match_quality(const struct match_weights *weights, uint32_t rtt, float loss,
                      enum media_path path);

/* Two of one kind, with what `now` makes of it. Symmetric. Whether they have met lately is not
 * on a card: `met_at` is when they parted, 0 for never. */
struct match_parts match_score(const struct match_weights *weights, const struct match_card *a,
                               const struct match_card *b, usec_t met_at, usec_t now);
/* The total alone, without that they met: a little faster. */
int match_score_total(const struct match_weights *weights, const struct match_card *a,
                      const struct match_card *b, usec_t now);
/* What somebody with the same card would bring, before any waiting: nobody can hope for much
 * more. */
int match_score_best(const struct match_weights *weights, const struct match_card *card);

#endif

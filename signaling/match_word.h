/*
 * signaling/match_word.h - words of clients as small numbers, so that comparing them is cheap.
 *
 * Equal words have equal ids, without regard to case (of ASCII) and to spaces around. Ids are
 * keyed hashes: different words have the same id with a chance of 1 in 65 000, and nobody can
 * choose words that have. They differ from run to run; never store or send one. Any thread.
 */
#ifndef SIGNALING_MATCH_WORD_H
#define SIGNALING_MATCH_WORD_H

#include "core/base.h"

#define MATCH_WORD_MAX 64 /* bytes; what is longer counts up to there */

/* Never 0 nor UINT16_MAX; 0 for a word of nothing but spaces. */
uint16_t match_word_id(const char *text);
/* The same of a language tag (RFC 5646): its first part, so that de-AT and de-DE are one. */
uint16_t match_language_id(const char *tag);
/* Of a region, and of the area that it is in, which is the part before the first hyphen or
 * underscore (eu-west, eu-north: eu). Never UINT32_MAX; both 0 for "". */
uint32_t match_region_id(const char *region);
uint32_t match_area_id(const char *region);

#endif

/*
 * tests/relay/sdp_lib.h - offers to test with, and what must hold of every answer. Shared by
 * the tests and the fuzz targets.
 */
#ifndef TESTS_RELAY_SDP_LIB_H
#define TESTS_RELAY_SDP_LIB_H

#include "relay/sdp_answer.h"

#define SDP_LIB_TEXT_MAX 131072

/* An offer of audio (Opus, RED), video (VP8, H264, RTX) and a data channel, written to be
 * edited. */
extern const char sdp_lib_offer[];

/* The names of the files in tests/relay/data/. */
extern const char *const sdp_lib_files[];
extern const size_t sdp_lib_file_count;

/* Reads tests/relay/data/<name> into buf, NUL-terminated; ends the process if it cannot. */
void sdp_lib_load(const char *name, char buf[static SDP_LIB_TEXT_MAX]);

/* Replaces every `from` in the text; ends the process when there is none. */
void sdp_lib_replace(char buf[static SDP_LIB_TEXT_MAX], const char *from, const char *to);

/* What a server says of itself: two candidates, VP8 before H264 before VP9 before AV1. */
struct sdp_local sdp_lib_local(void);

/* What is wrong with this answer to this offer; NULL: nothing. Every answer has the m= lines of
 * its offer in order, only ids that were offered, no line over SDP_LINE_MAX, and parses. */
const char *sdp_lib_fault(const struct sdp_offer *offer, const struct sdp_local *local,
                          const struct sdp_negotiated *n, const char *answer);

#endif

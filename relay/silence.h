/*
 * relay/silence.h - does a person speak? From RFC 6464 levels where they are negotiated, else
 * from the size of Opus packets (DTX, RFC 7587 section 3.1.3, and digital silence) and their
 * absence.
 *
 * Sans-IO: told of each packet and of time, returns events. Plain value, embed it in the
 * incoming audio track. One worker. Hysteresis both ways: a click is not speech, a breath is
 * not silence.
 */
#ifndef RELAY_SILENCE_H
#define RELAY_SILENCE_H

#include "core/base.h"

#define SILENCE_SPEAK_LEVEL 50 /* -dBov; at most this much is speech… */
#define SILENCE_QUIET_LEVEL 60 /* …and from here on it is silence; between, as before */
#define SILENCE_QUIET_BYTES 12 /* an Opus payload of at most this many bytes is silence */
#define SILENCE_SPEAK_AFTER MSEC(100)   /* of speech, pauses under SILENCE_PAUSE included */
#define SILENCE_PAUSE MSEC(200)         /* a longer one starts that count afresh */
#define SILENCE_SILENT_AFTER MSEC(2000) /* without speech */

enum silence_event { SILENCE_NOTHING, SILENCE_SPEAKING, SILENCE_SILENT };

struct silence {
    bool speaking;
    bool loud;         /* the last level, with hysteresis */
    bool has_levels;   /* this stream has carried levels: sizes don't count any more */
    usec_t since;      /* begin of the present stretch of speech */
    usec_t last_voice; /* last packet with speech; 0: none yet */
};

struct silence_packet {
    bool has_level;
    uint8_t level;       /* -dBov, 0 to 127 */
    size_t payload_size; /* bytes of Opus, RED already stripped */
};

/* Begins silent. */
void silence_init(struct silence *silence);
enum silence_event silence_input(struct silence *silence, const struct silence_packet *packet,
                                 usec_t now);
/* At silence_deadline, or any time: packets may have stopped coming. */
enum silence_event silence_tick(struct silence *silence, usec_t now);
/* When silence_tick wants to be called; USEC_NEVER while silent. */
usec_t silence_deadline(const struct silence *silence);

#endif

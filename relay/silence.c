#include "relay/silence.h"

void silence_init(struct silence *silence)
{
    *silence = (struct silence){0};
}

/* Does this packet carry speech? Levels count where there are any; a packet without one, in a
 * stream that has them, says nothing new. */
static bool carries_speech(struct silence *silence, const struct silence_packet *packet)
{
    if (packet->has_level) {
        silence->has_levels = true;
        if (packet->level <= SILENCE_SPEAK_LEVEL)
            silence->loud = true;
        else if (packet->level >= SILENCE_QUIET_LEVEL)
            silence->loud = false;
    }
    if (silence->has_levels)
        return silence->loud;
    return packet->payload_size > SILENCE_QUIET_BYTES;
}

enum silence_event silence_input(struct silence *silence, const struct silence_packet *packet,
                                 usec_t now)
{
    if (!carries_speech(silence, packet))
        return silence_tick(silence, now);

    const usec_t previous = silence->last_voice;
    if (previous == 0 || now - previous > SILENCE_PAUSE)
        silence->since = now;
    silence->last_voice = now;
    if (silence->speaking || now - silence->since < SILENCE_SPEAK_AFTER)
        return SILENCE_NOTHING;
    silence->speaking = true;
    return SILENCE_SPEAKING;
}

enum silence_event silence_tick(struct silence *silence, usec_t now)
{
    if (now < silence_deadline(silence))
        return SILENCE_NOTHING;
    silence->speaking = false;
    silence->loud = false;
    return SILENCE_SILENT;
}

usec_t silence_deadline(const struct silence *silence)
{
    return silence->speaking ? silence->last_voice + SILENCE_SILENT_AFTER : USEC_NEVER;
}

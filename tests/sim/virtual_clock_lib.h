/*
 * tests/sim/virtual_clock_lib.h - what OpenSSL's DTLS timer takes for the time of day.
 *
 * A program that links this gets its own gettimeofday(), which libssl then calls too. Until the
 * first virtual_clock_set it tells the real time.
 */
#ifndef TESTS_SIM_VIRTUAL_CLOCK_LIB_H
#define TESTS_SIM_VIRTUAL_CLOCK_LIB_H

#include "core/base.h"

void virtual_clock_set(usec_t now);

#endif

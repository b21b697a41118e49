/*
 * tests/sim/ice_checker_lib.h - the controlling side of ICE, as a browser plays it towards an
 * ICE-lite server: connectivity checks made and their answers read by libnice's STUN engine.
 *
 * Sans-IO. A plain struct of 14 kB: embed it, nothing to free; do not move it while requests
 * are out (the engine keeps pointers to the password).
 */
#ifndef TESTS_SIM_ICE_CHECKER_LIB_H
#define TESTS_SIM_ICE_CHECKER_LIB_H

#include "core/address.h"
#include "core/base.h"

#include <stun/stunagent.h>

/* Unanswered requests that we still know. The engine keeps 200 and then fails for ever. */
#define ICE_CHECKER_OUTSTANDING 32

struct ice_checker {
    StunAgent stun;
    char username[600];
    char pwd[257];
    uint64_t tie;
    bool controlled; /* to provoke a role conflict */
    StunTransactionId outstanding[ICE_CHECKER_OUTSTANDING];
    unsigned sent;
};

/* ufrag and pwd are the server's; own_ufrag is this client's. */
void ice_checker_init(struct ice_checker *checker, const char *ufrag, const char *pwd,
                      const char *own_ufrag, uint64_t tie);

/* Writes a check; its length. */
size_t ice_checker_request(struct ice_checker *checker, uint32_t priority, bool use_candidate,
                           uint8_t *buf, size_t capacity);

/* 0: an authenticated success, *mapped is the reflexive address. The STUN error code of an
 * error response (487, 420…). -1: no answer to a request of ours. */
int ice_checker_response(struct ice_checker *checker, struct span datagram,
                         struct address *mapped);

#endif

#include "tests/sim/ice_checker_lib.h"

#include <stdio.h>
#include <string.h>

#include <stun/usages/ice.h>

static const uint16_t known_attributes[] = {
    STUN_ATTRIBUTE_USERNAME,
    STUN_ATTRIBUTE_MESSAGE_INTEGRITY,
    STUN_ATTRIBUTE_PRIORITY,
    STUN_ATTRIBUTE_ERROR_CODE,
    STUN_ATTRIBUTE_XOR_MAPPED_ADDRESS,
    STUN_ATTRIBUTE_USE_CANDIDATE,
    0,
};

void ice_checker_init(struct ice_checker *checker, const char *ufrag, const char *pwd,
                      const char *own_ufrag, uint64_t tie)
{
    memset(checker, 0, sizeof *checker);
    stun_agent_init(&checker->stun, known_attributes, STUN_COMPATIBILITY_RFC5389,
                    STUN_AGENT_USAGE_SHORT_TERM_CREDENTIALS | STUN_AGENT_USAGE_USE_FINGERPRINT);
    snprintf(checker->username, sizeof checker->username, "%s:%s", ufrag, own_ufrag);
    snprintf(checker->pwd, sizeof checker->pwd, "%s", pwd);
    checker->tie = tie;
}

size_t ice_checker_request(struct ice_checker *checker, uint32_t priority, bool use_candidate,
                           uint8_t *buf, size_t capacity)
{
    StunMessage message;
    uint8_t *slot = checker->outstanding[checker->sent % ICE_CHECKER_OUTSTANDING];

    if (checker->sent >= ICE_CHECKER_OUTSTANDING)
        stun_agent_forget_transaction(&checker->stun, slot);
    const size_t n = stun_usage_ice_conncheck_create(
        &checker->stun, &message, buf, capacity, (const uint8_t *)checker->username,
        strlen(checker->username), (const uint8_t *)checker->pwd, strlen(checker->pwd),
        use_candidate, !checker->controlled, priority, checker->tie, NULL,
        STUN_USAGE_ICE_COMPATIBILITY_RFC5245);
    stun_message_id(&message, slot);
    checker->sent++;
    return n;
}

int ice_checker_response(struct ice_checker *checker, struct span datagram,
                         struct address *mapped)
{
    StunMessage message;
    struct sockaddr_storage storage;
    socklen_t len = sizeof storage;
    int code = -1;

    const StunValidationStatus status =
        stun_agent_validate(&checker->stun, &message, datagram.p, datagram.n, NULL, NULL);
    if (status != STUN_VALIDATION_SUCCESS && status != STUN_VALIDATION_UNKNOWN_ATTRIBUTE)
        return -1;
    if (stun_message_get_class(&message) == STUN_ERROR)
        return stun_message_find_error(&message, &code) == STUN_MESSAGE_RETURN_SUCCESS ? code
                                                                                       : -1;
    if (stun_usage_ice_conncheck_process(&message, &storage, &len,
                                         STUN_USAGE_ICE_COMPATIBILITY_RFC5245) !=
        STUN_USAGE_ICE_RETURN_SUCCESS)
        return -1;
    return address_from_sockaddr(mapped, (const struct sockaddr *)&storage, len) == RC_OK ? 0
                                                                                          : -1;
}

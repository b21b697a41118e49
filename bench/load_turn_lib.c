#include "bench/load_turn_lib.h"

#include "bench/turn_dialog_lib.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { REPLY_MS = 500, TRIES = 8 };

struct load_turn {
    struct turn_account account;
};

struct load_turn *load_turn_create(const char *user, const char *password)
{
    struct load_turn *turn = calloc(1, sizeof *turn);

    if (turn)
        turn->account = (struct turn_account){.name = user, .password = password};
    return turn;
}

void load_turn_free(struct load_turn *turn)
{
    free(turn);
}

/* RC_AGAIN: nothing came in time. */
static int ask(struct turn_dialog *dialog, int fd, enum turn_ask what,
               const struct address *peer)
{
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    uint8_t message[2048];
    unsigned code;
    const size_t n = turn_dialog_ask(dialog, what, peer, message);

    if (send(fd, message, n, 0) < 0)
        return RC_SYS;
    while (poll(&readable, 1, REPLY_MS) == 1) {
        const ssize_t got = recv(fd, message, sizeof message, 0);
        const struct span reply = {message, got > 0 ? (size_t)got : 0};
        const enum turn_verdict verdict = turn_dialog_answer(dialog, reply, &code);

        if (verdict != TURN_NOT_MINE)
            return verdict == TURN_GRANTED ? RC_OK : RC_BAD;
    }
    return RC_AGAIN;
}

int load_turn_open(struct load_turn *turn, int fd, uint16_t channel, const struct address *peer)
{
    static const enum turn_ask asks[] = {TURN_ASK_NONCE, TURN_ASK_ALLOCATION, TURN_ASK_CHANNEL};
    struct turn_dialog dialog = {.account = &turn->account, .channel = channel};
    int rc = RC_AGAIN;

    for (size_t i = 0; i < ARRAY_LEN(asks); i++) {
        rc = RC_AGAIN;
        for (int tries = 0; rc == RC_AGAIN && tries < TRIES; tries++)
            rc = ask(&dialog, fd, asks[i], peer);
        if (rc != RC_OK)
            break;
    }
    return rc;
}

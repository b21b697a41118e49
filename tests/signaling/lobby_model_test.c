/*
 * A hundred thousand things that may happen to fifty people, by chance; after each the books
 * are checked (world_check): pairs are symmetric, nobody is in two states, gauges add up, names
 * resolve, media is linked exactly for pairs that have it, and what each client was told is
 * what is.
 */
#include "signaling/user_media.h"
#include "tests/signaling/lobby_world_lib.h"
#include "tests/t.h"

#define PEOPLE 50
#define STEPS 100000

static struct world w;

/* xorshift64*: the same story for the same seed. */
static uint64_t state;

static uint32_t chance(uint32_t n)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (uint32_t)((state * 0x2545f4914f6cdd1d) >> 33) % n;
}

static json_t *search(const struct client *client)
{
    json_t *payload = json_object();
    const struct alias_book *book = &client->user->aliases;

    static const char *const words[] = {"chess", "go", "music", "cars", "films"};

    if (chance(4) == 0)
        json_object_set_new(payload, "type", json_string("text"));
    if (chance(2))
        json_object_set_new(payload, "interests",
                            json_pack("[s, s]", words[chance(5)], words[chance(5)]));
    if (chance(2))
        json_object_set_new(payload, "languages", json_pack("[s]", words[chance(5)]));
    if (chance(4) == 0)
        json_object_set_new(payload, "preferences",
                            json_pack("{s:b, s:b}", "sameRegion", 1, "sameLanguage", 1));
    if (book->count > 0 && chance(3) == 0)
        json_object_set_new(payload, "avoidPeers",
                            json_pack("[s]", book->entry[chance(book->count)].alias));
    return payload;
}

static void say_something(struct client *client)
{
    const char *partner = client->user->partner_alias;

    switch (chance(15)) {
    case 0:
    case 1:
    case 2:
        world_say(client, "find-match", search(client));
        break;
    case 3:
        (void)world_ask(client, "find-user", search(client));
        break;
    case 4:
        (void)world_ask(client, "leave-chat", NULL);
        break;
    case 5:
    case 6:
        world_say(client, "offer", offer_of(chance(8) ? "v=0" : "refuse"));
        break;
    case 7:
        world_say(client, "call-user",
                  json_pack("{s:{s:s}, s:s}", "offer", "sdp", "v=0", "to", partner));
        break;
    case 8:
        world_say(client, "ice-candidate", json_null());
        break;
    case 9:
    case 10:
        (void)world_ask(client, "chat-message", json_pack("{s:s}", "text", "hello"));
        break;
    case 11:
        world_say(client, "typing-start", NULL);
        break;
    case 12:
        world_say(client, "restore-connection", json_pack("{s:s}", "peerId", partner));
        break;
    case 13:
        (void)world_ask(client, "report-quality",
                        json_pack("{s:i, s:f}", "latency", (int)chance(1000), "packetLoss",
                                  (double)chance(200) / 1000));
        break;
    default:
        world_say(client, "ping", NULL);
        break;
    }
}

static void media_says_something(struct client *client)
{
    static const enum refusal why[] = {REFUSAL_NONE, REFUSAL_ICE_CONSENT_EXPIRED,
                                       REFUSAL_DTLS_FAILED};
    struct user *user = client->user;

    if (!user->media)
        return;
    switch (chance(4)) {
    case 0:
        user_media_listener.state(user, MEDIA_FAILED, why[chance(ARRAY_LEN(why))]);
        break;
    case 1:
        user_media_listener.state(user, MEDIA_CONNECTED, REFUSAL_NONE);
        break;
    case 2:
        user_media_listener.quality(
            user, &(struct media_quality){.rtt = chance(700000),
                                          .up_loss = (float)chance(200) / 1000});
        break;
    default:
        user_media_listener.silence(user, chance(2));
        break;
    }
}

static void something_happens(void)
{
    struct client *client = &w.client[chance(PEOPLE)];

    if (!client->user) {
        (void)world_join(&w, "192.0.2.1", NULL);
        return;
    }
    const uint32_t what = chance(100);
    if (what < 4)
        world_leave(client);
    else if (what < 14)
        media_says_something(client);
    else if (what < 24)
        world_pass(&w, MSEC(chance(2000)));
    else
        say_something(client);
}

static void run(uint64_t seed, int steps)
{
    state = seed;
    world_open(&w, PEOPLE, 1000);
    for (int i = 0; i < steps; i++) {
        something_happens();
        world_check(&w);
    }
    printf("# %llu matches, %d links, %d offers\n",
           (unsigned long long)counter_get(&lobby_stats(w.lobby)->matches), w.links, w.offers);
    T_OK(counter_get(&lobby_stats(w.lobby)->matches) > (uint64_t)steps / 100);
    T_OK(w.links > 0 || steps < STEPS);
    world_close(&w);
}

static void the_books_are_right_after_each_of_100000_events(void)
{
    run(0x9e3779b97f4a7c15, STEPS);
}

static void the_books_are_right_in_short_lives_too(void)
{
    for (uint64_t seed = 1; seed <= 50; seed++)
        run(seed * 0x9e3779b97f4a7c15, 400);
}

static const struct t_case cases[] = {
    T_CASE(the_books_are_right_after_each_of_100000_events),
    T_CASE(the_books_are_right_in_short_lives_too),
};

T_MAIN(cases)

#include "signaling/user_quality.h"

#include "signaling/lobby.h"

void user_quality_init(struct user *user)
{
    user->quality = QUALITY_UNKNOWN;
    user->path_quality = MATCH_QUALITY_UNKNOWN;
    user->quality_measured = false;
    lobby_quality(user->lobby)->users[QUALITY_UNKNOWN]++;
}

static void tell_partner(struct user *user, const struct media_quality *report)
{
    user_emit(user->partner, "peer-quality-changed",
              json_pack("{s:s, s:{s:f, s:f}}", "quality", quality_name(user->quality),
                        "metrics", "latency", (double)report->rtt / 1000, "packetLoss",
                        (double)report->up_loss));
}

static void set_quality(struct user *user, const struct media_quality *report)
{
    struct quality_summary *summary = lobby_quality(user->lobby);
    struct waiting_room *room = lobby_waiting_room(user->lobby);
    const enum quality before = user->quality;
    const float loss =
        report->up_loss > report->down_loss ? report->up_loss : report->down_loss;

    user->quality = quality_of(report);
    user->path_quality =
        match_quality(&match_options(room->match)->weights, report->rtt, loss, report->path);
    summary->users[before]--;
    summary->users[user->quality]++;
    waiting_room_update(room, user);
    if (user->quality != before && user->partner)
        tell_partner(user, report);
}

void user_quality_hint(struct user *user, uint32_t rtt)
{
    if (rtt > 0)
        set_quality(user, &(struct media_quality){.rtt = rtt});
}

void user_quality_report(struct user *user, const struct media_quality *report)
{
    if (!user->quality_measured)
        set_quality(user, report);
}

void user_quality_measure(struct user *user, const struct media_quality *report)
{
    user->quality_measured = true;
    quality_note_rtt(lobby_quality(user->lobby), report);
    set_quality(user, report);
}

void user_quality_lost(struct user *user)
{
    user->quality_measured = false;
    user->path_quality = 0;
    waiting_room_update(lobby_waiting_room(user->lobby), user);
}

#include "core/ward.h"

#include "tests/t.h"

static struct {
    struct timers *timers;
    struct ward ward;
    struct ward_entry entry[3];
    unsigned late[3];
} world;

static void on_late(void *arg, struct ward_entry *entry)
{
    (void)arg;
    world.late[entry - world.entry]++;
    ward_remove(&world.ward, entry);
}

static void begin(void)
{
    memset(&world, 0, sizeof world);
    T_EQ(timers_create(&world.timers), RC_OK);
    ward_init(&world.ward, world.timers, MSEC(10), on_late, NULL);
}

static void end(void)
{
    ward_stop(&world.ward);
    T_EQ(timers_count(world.timers), 0);
    timers_free(world.timers);
}

static void each_is_late_at_its_own_deadline(void)
{
    begin();
    ward_add(&world.ward, &world.entry[0], 1000);
    ward_add(&world.ward, &world.entry[1], 3000);
    timers_run(world.timers, 10999);
    T_EQ(world.late[0], 0);
    timers_run(world.timers, 11000);
    T_EQ(world.late[0], 1);
    T_EQ(world.late[1], 0);
    T_EQ(timers_next(world.timers), 13000);
    timers_run(world.timers, 20000);
    T_EQ(world.late[1], 1);
    T_EQ(timers_next(world.timers), USEC_NEVER);
    end();
}

static void who_left_is_not_late_and_the_others_still_are(void)
{
    begin();
    for (size_t i = 0; i < 3; i++)
        ward_add(&world.ward, &world.entry[i], 1000 * i);
    ward_remove(&world.ward, &world.entry[0]);
    T_OK(ward_first(&world.ward) == &world.entry[1]);
    timers_run(world.timers, 10000);
    timers_run(world.timers, 11000);
    T_EQ(world.late[0], 0);
    T_EQ(world.late[1], 1);
    T_EQ(world.late[2], 0);
    timers_run(world.timers, 12000);
    T_EQ(world.late[2], 1);
    T_OK(ward_first(&world.ward) == NULL);
    end();
}

static void a_newcomer_after_everybody_left_has_a_timer(void)
{
    begin();
    ward_add(&world.ward, &world.entry[0], 0);
    timers_run(world.timers, 10000);
    ward_add(&world.ward, &world.entry[1], 50000);
    T_EQ(timers_next(world.timers), 60000);
    timers_run(world.timers, 60000);
    T_EQ(world.late[1], 1);
    end();
}

static const struct t_case cases[] = {
    T_CASE(each_is_late_at_its_own_deadline),
    T_CASE(who_left_is_not_late_and_the_others_still_are),
    T_CASE(a_newcomer_after_everybody_left_has_a_timer),
};
T_MAIN(cases)

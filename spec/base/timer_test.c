/* The wheel against an array of due times, with random operations. */
#include "base/timer.h"

#include "base/random.h"
#include "check.h"

#define TIMERS        64
#define STEPS         40000
#define LANE_MS       32000
#define SHORT_LANE_MS 5000

struct item {
    struct timer timer;
    uint64_t due_ms; /* the model: 0 when stopped */
    struct world *world;
};

struct world {
    struct timers timers;
    struct item items[TIMERS];
    struct random random;
    uint64_t last_ms; /* due time of the timer that fired last */
    size_t fired;
};

static void fire(void *arg);

/* Delays of every magnitude, so that every level of the wheel is used, and those of lanes. */
static uint64_t random_delay(struct random *random)
{
    switch (random_below(random, 6)) {
    case 0: return LANE_MS;
    case 1: return SHORT_LANE_MS;
    default: break;
    }
    unsigned bits = random_below(random, 38);
    return random_u64(random) & (((uint64_t)1 << bits) - 1);
}

static void start(struct world *world, struct item *item, uint64_t delay_ms)
{
    const uint64_t longest_ms = (uint64_t)1 << 35;
    if (delay_ms > longest_ms)
        delay_ms = longest_ms;
    timer_start(&world->timers, &item->timer, delay_ms, fire, item);
    item->due_ms = world->timers.now_ms + (delay_ms ? delay_ms : 1);
}

static void fire(void *arg)
{
    struct item *item = arg;
    struct world *world = item->world;
    assert_int_equal(world->timers.now_ms, item->due_ms);
    assert_true(item->due_ms >= world->last_ms);
    world->last_ms = item->due_ms;
    world->fired++;
    item->due_ms = 0;
    assert_false(timer_is_running(&item->timer));
    struct item *other = &world->items[random_below(&world->random, TIMERS)];
    switch (random_below(&world->random, 6)) { /* handlers start and stop any timer */
    case 0: start(world, item, random_delay(&world->random)); break;
    case 1: start(world, other, random_delay(&world->random)); break;
    case 2:
        timer_stop(&world->timers, &other->timer);
        other->due_ms = 0;
        break;
    default: break;
    }
}

static uint64_t earliest(const struct world *world)
{
    uint64_t first = UINT64_MAX;
    for (size_t i = 0; i < TIMERS; i++)
        if (world->items[i].due_ms && world->items[i].due_ms < first)
            first = world->items[i].due_ms;
    return first;
}

static size_t running(const struct world *world)
{
    size_t count = 0;
    for (size_t i = 0; i < TIMERS; i++) {
        assert_int_equal(timer_is_running(&world->items[i].timer), world->items[i].due_ms != 0);
        count += world->items[i].due_ms != 0;
    }
    return count;
}

static void step(struct world *world)
{
    struct item *item = &world->items[random_below(&world->random, TIMERS)];
    uint64_t now = world->timers.now_ms, next;
    switch (random_below(&world->random, 4)) {
    case 0:
    case 1: start(world, item, random_delay(&world->random)); break;
    case 2:
        timer_stop(&world->timers, &item->timer);
        item->due_ms = 0;
        break;
    default:
        next = timers_next_ms(&world->timers);
        now += random_below(&world->random, 3) ? random_delay(&world->random) : 0;
        if (random_below(&world->random, 2) && next != UINT64_MAX)
            now = next; /* as a loop does */
        timers_advance(&world->timers, now);
        assert_int_equal(world->timers.now_ms, now);
        assert_true(earliest(world) > now);
    }
    assert_true(timers_next_ms(&world->timers) <= earliest(world));
    assert_int_equal(world->timers.count, running(world));
    assert_int_equal(timers_next_ms(&world->timers) == UINT64_MAX, world->timers.count == 0);
}

static void run_from(uint64_t now_ms, uint64_t seed)
{
    static struct world world;
    world = (struct world){0};
    timers_init(&world.timers, now_ms);
    timers_expect(&world.timers, LANE_MS);
    timers_expect(&world.timers, SHORT_LANE_MS);
    timers_expect(&world.timers, LANE_MS); /* has one */
    random_seed(&world.random, seed);
    for (size_t i = 0; i < TIMERS; i++)
        world.items[i].world = &world;
    for (int i = 0; i < STEPS; i++)
        step(&world);
    assert_true(world.fired > STEPS / 20);
}

static void agrees_with_an_array(void **state)
{
    (void)state;
    run_from(0, 1);
    run_from(1234567890123u, 2);          /* milliseconds since the epoch */
    run_from(((uint64_t)1 << 36) - 5, 3); /* where the top level wraps */
    run_from((uint64_t)63 << 30 | 0x3fffffffu, 4);
}

static void record(void *arg)
{
    char **at = arg;
    *(*at)++ = 'x';
}

struct order {
    struct timer timer;
    char letter;
    char **at;
};

static void write_letter(void *arg)
{
    struct order *order = arg;
    *(*order->at)++ = order->letter;
}

static void fires_those_of_one_millisecond_in_the_same_order_always(void **state)
{
    (void)state;
    char first[8] = "", second[8] = "";
    for (int run = 0; run < 2; run++) {
        char *at = run ? second : first;
        struct timers timers;
        struct order orders[4] = {0};
        timers_init(&timers, 100);
        for (int i = 0; i < 4; i++) {
            orders[i].letter = (char)('a' + i);
            orders[i].at = &at;
            timer_start(&timers, &orders[i].timer, 500, write_letter, &orders[i]);
        }
        timers_advance(&timers, 1000);
    }
    assert_int_equal(strlen(first), 4);
    assert_string_equal(first, second);
}

static void fires_those_of_lanes_and_of_the_wheel_in_the_order_of_their_start(void **state)
{
    (void)state;
    static const uint64_t starts_ms[] = {100, 300, 500, 500, 700}; /* 300 and 500: lanes */
    enum { COUNT = sizeof starts_ms / sizeof starts_ms[0], DUE_MS = 1300 };
    char text[COUNT + 1] = "", *at = text;
    struct timers timers;
    struct order orders[COUNT] = {0};
    timers_init(&timers, 0);
    timers_expect(&timers, DUE_MS - 300);
    timers_expect(&timers, DUE_MS - 500);
    for (int i = 0; i < COUNT; i++) {
        timers_advance(&timers, starts_ms[i]);
        orders[i].letter = (char)('a' + i);
        orders[i].at = &at;
        timer_start(&timers, &orders[i].timer, DUE_MS - starts_ms[i], write_letter, &orders[i]);
    }
    timers_advance(&timers, DUE_MS - 1);
    assert_string_equal(text, "");
    timers_advance(&timers, DUE_MS);
    assert_string_equal(text, "abcde");
}

static void a_delay_of_zero_is_one_millisecond(void **state)
{
    (void)state;
    char text[4] = "", *at = text;
    struct timers timers;
    struct timer timer = {0};
    timers_init(&timers, 10);
    timer_start(&timers, &timer, 0, record, &at);
    timers_advance(&timers, 10);
    assert_string_equal(text, "");
    timers_advance(&timers, 11);
    assert_string_equal(text, "x");
    timer_stop(&timers, &timer); /* not running: nothing happens */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_an_array),
        cmocka_unit_test(fires_those_of_one_millisecond_in_the_same_order_always),
        cmocka_unit_test(fires_those_of_lanes_and_of_the_wheel_in_the_order_of_their_start),
        cmocka_unit_test(a_delay_of_zero_is_one_millisecond),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

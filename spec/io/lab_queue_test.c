/* The order of the lab's events. */
#include "io/lab_world.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* ---- queue ---- */

static void the_queue_sorts_by_time_then_order(void **state)
{
    (void)state;
    enum { COUNT = 500 };
    static struct lab_event events[COUNT];
    struct lab_queue queue = {0};
    struct random random;
    random_seed(&random, 5);
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < COUNT; i++)
            lab_queue_push(&queue, &events[i], random_below(&random, 50));
        unsigned left = COUNT;
        for (int i = 0; i < COUNT / 3; i++) {
            struct lab_event *event = &events[random_below(&random, COUNT)];
            left -= event->is_queued;
            lab_queue_remove(&queue, event);
        }
        uint64_t time_us = 0, sequence = 0;
        for (struct lab_event *event; (event = lab_queue_pop(&queue)); left--) {
            assert_true(event->time_us >= time_us);
            assert_true(event->time_us > time_us || event->sequence >= sequence);
            time_us = event->time_us;
            sequence = event->sequence;
        }
        assert_int_equal(left, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_queue_sorts_by_time_then_order),
    };
    return cmocka_run_group_tests_name("event queue", tests, NULL, NULL);
}

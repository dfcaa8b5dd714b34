/* The mailbox of a worker: a flood neither keeps its owner from its timers nor tasks from running. */
#include "worker/handover.h"

#include "base/error.h"
#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define MAILBOX 256 /* limits.mailbox: the least */

/* Two workers; what the first one receives belongs to the second. */
struct world {
    uint64_t live;
    struct io *io;
    struct log log;
    struct configuration configuration;
    struct listener listener;
    struct worker *workers[2];
    size_t wakes, tasks;
};

static void on_wake(void *arg)
{
    struct world *w = arg;
    w->wakes++;
    handover_receive(worker_handover(w->workers[1]));
}

static void open_worker(struct world *w, unsigned index)
{
    const struct worker_options options = {
        .io = w->io,
        .index = index,
        .count = 2,
        .workers = w->workers,
        .configuration = &w->configuration,
        .log = &w->log,
    };
    const struct listener *failed;
    assert_int_equal(worker_create(&w->workers[index], &options, &failed), 0);
}

static int open_world(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    w->live = memory_live();
    assert_int_equal(io_lab_create(&w->io, 1), 0);
    settings_default(&w->configuration.settings);
    w->configuration.settings.limits_mailbox = MAILBOX;
    w->listener = (struct listener){.interface = "public"};
    assert_int_equal(address_parse(&w->listener.local, TEXT("10.0.0.1:5060"), 5060), 0);
    w->configuration.listeners = &w->listener;
    w->configuration.listener_count = 1;
    for (unsigned i = 0; i < 2; i++)
        open_worker(w, i);
    loop_set_handlers(worker_loop(w->workers[1]),
                      &(struct loop_handlers){.wake = on_wake, .arg = w});
    assert_int_equal(loop_start(worker_loop(w->workers[1])), 0);
    *state = w;
    return 0;
}

static int close_world(void **state)
{
    struct world *w = *state;
    memory_release(w->workers[0]);
    memory_release(w->workers[1]);
    memory_release(w->io);
    int is_leaked = memory_live() != w->live;
    free(w);
    return is_leaked;
}

/* Give @p count datagrams to the second worker, as a flood. */
static void flood(struct world *w, unsigned count)
{
    struct address peer;
    assert_int_equal(address_parse(&peer, TEXT("10.0.0.9:5060"), 5060), 0);
    for (unsigned i = 0; i < count; i++)
        handover_bytes(worker_handover(w->workers[0]), 1, &w->listener, &peer, TEXT("nonsense"));
}

static uint64_t counted(struct worker *worker, enum counter counter)
{
    return counter_read(worker_counters(worker), counter);
}

static void on_task(struct worker *worker, void *arg)
{
    struct world *w = arg;
    assert_ptr_equal(worker, w->workers[1]);
    w->tasks++;
}

static void takes_a_part_and_comes_back_for_the_rest(void **state)
{
    struct world *w = *state;
    flood(w, MAILBOX);
    handover_receive(worker_handover(w->workers[1]));
    uint64_t first = counted(w->workers[1], COUNTER_SIP_MALFORMED);
    assert_in_range(first, 1, MAILBOX / 2);
    while (lab_step(w->io, UINT64_MAX))
        ;
    assert_int_equal(counted(w->workers[1], COUNTER_SIP_MALFORMED), MAILBOX);
    assert_in_range(w->wakes, 2, MAILBOX);
}

static void drops_and_counts_what_finds_it_full(void **state)
{
    struct world *w = *state;
    flood(w, MAILBOX + 10);
    assert_int_equal(counted(w->workers[0], COUNTER_SIP_HANDED_OVER), MAILBOX);
    assert_int_equal(counted(w->workers[0], COUNTER_SIP_MAILBOX_FULL), 10);
}

static void runs_tasks_however_full_it_is(void **state)
{
    struct world *w = *state;
    flood(w, MAILBOX + 10);
    assert_int_equal(worker_post(w->workers[1], on_task, w), 0);
    assert_int_equal(worker_post(w->workers[1], on_task, w), 0);
    handover_receive(worker_handover(w->workers[1]));
    assert_int_equal(w->tasks, 2);
}

static void says_when_there_is_no_memory_for_a_task(void **state)
{
    struct world *w = *state;
    memory_fail_after(0);
    int error = worker_post(w->workers[1], on_task, w);
    memory_fail_never();
    assert_int_equal(error, ERROR_MEMORY);
    handover_receive(worker_handover(w->workers[1]));
    assert_int_equal(w->tasks, 0);
}

int main(void)
{
#define WORLD(test) cmocka_unit_test_setup_teardown(test, open_world, close_world)
    const struct CMUnitTest tests[] = {
        WORLD(takes_a_part_and_comes_back_for_the_rest),
        WORLD(drops_and_counts_what_finds_it_full),
        WORLD(runs_tasks_however_full_it_is),
        WORLD(says_when_there_is_no_memory_for_a_task),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

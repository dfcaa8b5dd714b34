/* The lock-free queue: bounds, and many threads that push and pop. */
#include "base/ring.h"

#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#define PUSHERS               4
#define POPPERS               2
#define ENTRIES               50000 /* of each pusher */
#define ENTRY(pusher, number) ((void *)((uintptr_t)(pusher)*ENTRIES + (number) + 1))

static void is_bounded_and_in_order(void **state)
{
    (void)state;
    struct ring *ring;
    assert_int_equal(ring_create(&ring, 0), ERROR_ARGUMENT);
    assert_int_equal(ring_create(&ring, 3), ERROR_ARGUMENT);
    assert_int_equal(ring_create(&ring, 4), 0);
    assert_null(ring_pop(ring));
    for (int round = 0; round < 100; round++) {
        for (uintptr_t i = 0; i < 4; i++)
            assert_true(ring_push(ring, ENTRY(0, i)));
        assert_false(ring_push(ring, ENTRY(0, 9)));
        for (uintptr_t i = 0; i < 4; i++)
            assert_ptr_equal(ring_pop(ring), ENTRY(0, i));
        assert_null(ring_pop(ring));
    }
    memory_release(ring);
}

struct pusher {
    pthread_t thread;
    struct ring *ring;
    uintptr_t number;
};

struct popper {
    pthread_t thread;
    struct ring *ring;
    _Atomic size_t *left;
    uintptr_t last[PUSHERS]; /* number of the last entry of each pusher, plus one */
    uint64_t sum;
    bool is_ordered;
};

static void *push_all(void *arg)
{
    struct pusher *pusher = arg;
    for (uintptr_t i = 0; i < ENTRIES; i++)
        while (!ring_push(pusher->ring, ENTRY(pusher->number, i)))
            sched_yield();
    return NULL;
}

static void *pop_all(void *arg)
{
    struct popper *popper = arg;
    while (atomic_load(popper->left)) {
        void *entry = ring_pop(popper->ring);
        if (!entry) {
            sched_yield();
            continue;
        }
        atomic_fetch_sub(popper->left, 1);
        uintptr_t value = (uintptr_t)entry - 1, pusher = value / ENTRIES, number = value % ENTRIES;
        if (number + 1 <= popper->last[pusher])
            popper->is_ordered = false;
        popper->last[pusher] = number + 1;
        popper->sum += value;
    }
    return NULL;
}

static void run(size_t poppers)
{
    struct ring *ring;
    struct pusher pushers[PUSHERS];
    struct popper readers[POPPERS];
    _Atomic size_t left = PUSHERS * ENTRIES;
    uint64_t sum = 0, total = (uint64_t)PUSHERS * ENTRIES;
    assert_int_equal(ring_create(&ring, 256), 0);
    for (size_t i = 0; i < poppers; i++) {
        readers[i] = (struct popper){.ring = ring, .left = &left, .is_ordered = true};
        assert_int_equal(pthread_create(&readers[i].thread, NULL, pop_all, &readers[i]), 0);
    }
    for (size_t i = 0; i < PUSHERS; i++) {
        pushers[i] = (struct pusher){.ring = ring, .number = i};
        assert_int_equal(pthread_create(&pushers[i].thread, NULL, push_all, &pushers[i]), 0);
    }
    for (size_t i = 0; i < PUSHERS; i++)
        pthread_join(pushers[i].thread, NULL);
    for (size_t i = 0; i < poppers; i++) {
        pthread_join(readers[i].thread, NULL);
        assert_true(readers[i].is_ordered);
        sum += readers[i].sum;
    }
    assert_true(sum == total * (total - 1) / 2); /* each once, none lost */
    assert_null(ring_pop(ring));
    memory_release(ring);
}

static void loses_nothing_between_threads(void **state)
{
    (void)state;
    run(1);
    run(POPPERS);
}

static void survives_failed_allocations(void **state)
{
    (void)state;
    uint64_t live = memory_live();
    struct ring *ring;
    for (uint64_t n = 0; n < 2; n++) {
        memory_fail_after(n);
        assert_int_equal(ring_create(&ring, 4), ERROR_MEMORY);
        memory_fail_never();
    }
    assert_int_equal(memory_live(), live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_bounded_and_in_order),
        cmocka_unit_test(loses_nothing_between_threads),
        cmocka_unit_test(survives_failed_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Counted objects and the switch that makes allocations fail. */
#include "base/memory.h"

#include "check.h"

#include <pthread.h>

#define OBJECTS 500
#define THREADS 4

static void count_destroyed(void *object)
{
    ++**(int **)object;
}

static void destroys_at_the_last_reference(void **state)
{
    (void)state;
    uint64_t live = memory_live();
    int destroyed = 0;
    int **object = memory_alloc(sizeof *object, count_destroyed);
    assert_null(*object); /* zeroed */
    *object = &destroyed;
    assert_int_equal(memory_live(), live + 1);
    assert_ptr_equal(memory_ref(object), object);
    assert_null(memory_release(object));
    assert_int_equal(destroyed, 0);
    assert_null(memory_release(object));
    assert_int_equal(destroyed, 1);
    assert_int_equal(memory_live(), live);
    assert_null(memory_release(NULL));
    assert_null(memory_ref(NULL));
}

static void fails_when_told_to(void **state)
{
    (void)state;
    memory_fail_after(2);
    void *first = memory_alloc(1, NULL), *second = memory_raw(1);
    void *third = memory_alloc(1, NULL), *fourth = memory_raw_resize(NULL, 1);
    memory_fail_never();
    assert_non_null(first);
    assert_non_null(second);
    assert_null(third);
    assert_null(fourth);
    memory_release(first);
    memory_free_raw(second);
}

/* What threads hand to each other: each has a reference to every object, any may be the last. */
static void *release_all(void *arg)
{
    void **objects = arg;
    for (size_t i = 0; i < OBJECTS; i++)
        memory_release(objects[i]);
    return NULL;
}

static void counts_what_other_threads_release(void **state)
{
    (void)state;
    uint64_t live = memory_live();
    void *objects[OBJECTS];
    pthread_t threads[THREADS];
    for (size_t i = 0; i < OBJECTS; i++) {
        objects[i] = memory_alloc(8, NULL);
        for (size_t t = 1; t < THREADS; t++)
            memory_ref(objects[i]);
    }
    assert_int_equal(memory_live(), live + OBJECTS);
    for (size_t t = 0; t < THREADS; t++)
        assert_int_equal(pthread_create(&threads[t], NULL, release_all, objects), 0);
    for (size_t t = 0; t < THREADS; t++)
        pthread_join(threads[t], NULL);
    assert_int_equal(memory_live(), live);
}

/* Whether it does cannot be told in a sanitized build; what an object is like, can in each. */
static void gives_zeroed_objects_from_what_it_keeps(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 48, 64, 1000, 4000, 4096, 10000};
    uint64_t live = memory_live();
    void *objects[OBJECTS];
    memory_recycle(true);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < OBJECTS; i++) {
            size_t size_bytes = sizes[i % (sizeof sizes / sizeof *sizes)];
            char *object = objects[i] = memory_alloc_local(size_bytes, round, NULL);
            assert_non_null(object);
            for (size_t n = 0; n < size_bytes; n++)
                assert_int_equal(object[n], 0);
            memset(object, 'x', size_bytes + (size_t)round);
        }
        for (size_t i = 0; i < OBJECTS; i++)
            memory_release(objects[i]);
        if (round == 1)
            memory_trim_thread();
    }
    memory_fail_after(0); /* what is kept is no way around the switch */
    assert_null(memory_alloc_local(48, 0, NULL));
    memory_fail_never();
    memory_recycle(false);
    assert_int_equal(memory_live(), live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(destroys_at_the_last_reference),
        cmocka_unit_test(fails_when_told_to),
        cmocka_unit_test(gives_zeroed_objects_from_what_it_keeps),
        cmocka_unit_test(counts_what_other_threads_release),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

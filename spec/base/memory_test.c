/* Counted objects and the switch that makes allocations fail. */
#include "base/memory.h"

#include "check.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(destroys_at_the_last_reference),
        cmocka_unit_test(fails_when_told_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Which lines ran: files told apart, counts, and memory that is refused. */
#include "script/coverage.h"

#include "base/error.h"
#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_counts(void **state)
{
    struct coverage *coverage;
    (void)state;
    uint64_t live = memory_live();
    assert_int_equal(coverage_create(&coverage), 0);
    assert_int_equal(coverage_files(coverage), 0);
    coverage_count(coverage, "@b.lua", 3);
    coverage_count(coverage, "@a.lua", 1000);
    coverage_count(coverage, "@b.lua", 3);
    coverage_count(coverage, "@b.lua", 300);
    assert_int_equal(coverage_files(coverage), 2);
    struct coverage_file b = coverage_file(coverage, 0), a = coverage_file(coverage, 1);
    assert_string_equal(b.path, "b.lua");
    assert_true(b.lines > 300);
    assert_int_equal(b.count[2], 0);
    assert_int_equal(b.count[3], 2);
    assert_int_equal(b.count[299], 0);
    assert_int_equal(b.count[300], 1);
    assert_string_equal(a.path, "a.lua");
    assert_int_equal(a.count[1000], 1);
    memory_release(coverage);
    assert_int_equal(memory_live(), live);
}

static void test_passed_over(void **state)
{
    struct coverage *coverage;
    (void)state;
    assert_int_equal(coverage_create(&coverage), 0);
    coverage_count(coverage, "=lunasip", 1); /* no file */
    coverage_count(coverage, "return 1", 1);
    coverage_count(coverage, "@a.lua", -1); /* a line that Lua does not know */
    coverage_count(NULL, "@a.lua", 1);      /* nobody wants to know */
    assert_int_equal(coverage_files(coverage), 0);
    memory_release(coverage);
}

static void test_without_memory(void **state)
{
    (void)state;
    uint64_t live = memory_live();
    for (uint64_t n = 0; n < 8; n++) {
        struct coverage *coverage = NULL;
        memory_fail_after(n);
        int error = coverage_create(&coverage);
        if (!error) {
            coverage_count(coverage, "@a.lua", 5);
            coverage_count(coverage, "@b.lua", 5);
        }
        memory_fail_never();
        assert_int_equal(error, n ? 0 : ERROR_MEMORY);
        if (!error)
            coverage_count(coverage, "@a.lua", 5); /* goes on as soon as there is memory again */
        if (!error)
            assert_true(coverage_file(coverage, 0).count[5] > 0);
        memory_release(coverage);
        assert_int_equal(memory_live(), live);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_passed_over),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

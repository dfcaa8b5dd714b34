/* check_run() without an engine: what it gives, and without memory. spec/lua/check_spec.lua has the faults. */
#include "script/check.h"

#include "base/error.h"
#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define SAMPLE LUNASIP_SOURCE_DIR "/conf/sbc.lua"

static const struct check_options sample = {.conf_path = SAMPLE, .lua_dir = LUNASIP_LUA_DIR};

static void test_a_sample_has_no_fault(void **state)
{
    struct check_report *report;
    char *fault;
    (void)state;
    uint64_t live = memory_live();
    assert_int_equal(check_run(&report, &sample, &fault), 0);
    assert_string_equal(check_text(report), "");
    assert_string_equal(check_json(report), "[]\n");
    assert_null(check_note(report));
    assert_int_equal(check_fault_count(report) + check_warning_count(report), 0);
    memory_release(report);
    assert_int_equal(memory_live(), live);
}

static void test_a_missing_file_is_a_fault(void **state)
{
    struct check_report *report;
    char *fault;
    (void)state;
    uint64_t live = memory_live();
    struct check_options options = {.conf_path = "/nowhere.lua", .lua_dir = LUNASIP_LUA_DIR};
    assert_int_equal(check_run(&report, &options, &fault), 0);
    assert_int_equal(check_fault_count(report), 1);
    assert_non_null(strstr(check_text(report), "/nowhere.lua:1:1: cannot be read"));
    memory_release(report);
    assert_int_equal(memory_live(), live);
}

static void test_a_missing_library_is_an_error(void **state)
{
    struct check_report *report;
    char *fault;
    (void)state;
    uint64_t live = memory_live();
    struct check_options options = {.conf_path = SAMPLE, .lua_dir = "/nowhere"};
    assert_int_equal(check_run(&report, &options, &fault), ERROR_SCRIPT);
    assert_non_null(strstr(fault, "not found"));
    memory_free_raw(fault);
    assert_int_equal(memory_live(), live);
}

/** The nth allocation fails, for a sample of all n. */
static void test_checking_survives_without_memory(void **state)
{
    (void)state;
    uint64_t live = memory_live();
    bool is_complete = false;
    for (uint64_t n = 0; !is_complete; n += n < 40 ? 1 : n / 5) {
        struct check_report *report = NULL;
        char *fault = NULL;
        memory_fail_after(n);
        int error = check_run(&report, &sample, &fault);
        memory_fail_never();
        assert_true(error == 0 || error == ERROR_MEMORY || error == ERROR_SCRIPT);
        is_complete = error == 0 && check_fault_count(report) == 0;
        memory_free_raw(fault);
        memory_release(report);
        assert_int_equal(memory_live(), live);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_sample_has_no_fault),
        cmocka_unit_test(test_a_missing_file_is_a_fault),
        cmocka_unit_test(test_a_missing_library_is_an_error),
        cmocka_unit_test(test_checking_survives_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The growing buffer. */
#include "base/buffer.h"

#include "check.h"

static void writes(void **state)
{
    (void)state;
    struct buffer buffer = {0};
    assert_text(buffer_text(&buffer), "");
    buffer_append(&buffer, TEXT("a"));
    buffer_append(&buffer, TEXT_NONE);
    buffer_append_char(&buffer, 'b');
    buffer_append_u64(&buffer, 0);
    buffer_append_u64(&buffer, UINT64_MAX);
    buffer_printf(&buffer, "<%s>", "c");
    assert_text(buffer_text(&buffer), "ab018446744073709551615<c>");
    buffer_clear(&buffer);
    assert_text(buffer_text(&buffer), "");
    for (int i = 0; i < 10000; i++)
        buffer_append_char(&buffer, (char)('a' + i % 26));
    assert_int_equal(buffer.n, 10000);
    for (int i = 0; i < 10000; i++)
        assert_int_equal(buffer.p[i], 'a' + i % 26);
    buffer_release(&buffer);
}

static void remembers_its_first_error(void **state)
{
    (void)state;
    struct buffer buffer = {0};
    memory_fail_after(0);
    buffer_append(&buffer, TEXT("lost"));
    memory_fail_never();
    buffer_append(&buffer, TEXT("lost too"));
    buffer_printf(&buffer, "and %s", "this");
    assert_int_equal(buffer.error, ERROR_MEMORY);
    assert_int_equal(buffer.n, 0);
    buffer_clear(&buffer);
    buffer_append(&buffer, TEXT("kept"));
    assert_int_equal(buffer.error, 0);
    assert_text(buffer_text(&buffer), "kept");
    buffer_reserve(&buffer, SIZE_MAX - 2); /* must not wrap around */
    assert_int_equal(buffer.error, ERROR_MEMORY);
    buffer_release(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes),
        cmocka_unit_test(remembers_its_first_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Borrowed text. */
#include "base/text.h"

#include "check.h"

#include <stdio.h>

static void compares(void **state)
{
    (void)state;
    assert_true(text_equal(TEXT("a"), TEXT("a")));
    assert_false(text_equal(TEXT("a"), TEXT("A")));
    assert_true(text_equal(TEXT_NONE, TEXT("")));
    assert_true(text_equal_nocase(TEXT("cAlL-iD"), TEXT("Call-ID")));
    assert_false(text_equal_nocase(TEXT("@"), TEXT("`"))); /* 32 apart, but no letters */
    assert_true(text_compare_nocase(TEXT("a"), TEXT("B")) < 0);
    assert_true(text_compare_nocase(TEXT("ab"), TEXT("a")) > 0);
    assert_true(text_starts_with(TEXT("sip:x"), TEXT("sip:")));
    assert_false(text_starts_with(TEXT("si"), TEXT("sip:")));
    assert_true(text_starts_with_nocase(TEXT("SIP:x"), TEXT("sip:")));
}

static void finds(void **state)
{
    (void)state;
    struct text t = TEXT("a;b;c");
    assert_ptr_equal(text_find(t, ';'), t.p + 1);
    assert_null(text_find(t, 'x'));
    assert_null(text_find(TEXT_NONE, 'x'));
    assert_ptr_equal(text_search(t, TEXT("b;")), t.p + 2);
    assert_null(text_search(t, TEXT("")));
    assert_null(text_search(TEXT_NONE, TEXT("a")));
}

static void cuts(void **state)
{
    (void)state;
    assert_text(text_trim(TEXT(" \t\r\na b \r\n")), "a b");
    assert_text(text_trim(TEXT("  ")), "");
    assert_false(text_is_set(text_trim(TEXT_NONE)));
    struct text rest = TEXT("a;;b");
    assert_text(text_split(&rest, ';'), "a");
    assert_text(text_split(&rest, ';'), "");
    assert_text(text_split(&rest, ';'), "b");
    assert_false(text_is_set(rest));
    rest = TEXT("a;");
    text_split(&rest, ';');
    assert_true(text_is_set(rest)); /* an empty rest is not an absent one */
    rest = TEXT("  one\r\n two ");
    assert_text(text_word(&rest), "one");
    assert_text(text_word(&rest), "two");
    assert_false(text_is_set(text_word(&rest)));
}

static void reads_numbers(void **state)
{
    (void)state;
    uint64_t big = 7;
    uint32_t small;
    assert_int_equal(text_to_u64(TEXT("18446744073709551615"), &big), 0);
    assert_true(big == UINT64_MAX);
    assert_int_equal(text_to_u64(TEXT("18446744073709551616"), &big), ERROR_SYNTAX);
    assert_int_equal(text_to_u64(TEXT("00000000000000000000000000000000042"), &big), 0);
    assert_int_equal(big, 42);
    assert_int_equal(text_to_u32(TEXT("4294967295"), &small), 0);
    assert_int_equal(text_to_u32(TEXT("4294967296"), &small), ERROR_SYNTAX);
    static const char *const bad[] = {"", "-1", "+1", " 1", "1 ", "0x1", "1a"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(text_to_u64(text_of(bad[i]), &big), ERROR_SYNTAX);
    assert_int_equal(text_to_u64(TEXT_NONE, &big), ERROR_SYNTAX);
}

static void copies(void **state)
{
    (void)state;
    char array[4] = "xyz";
    assert_true(text_to_array(TEXT("abc"), array, sizeof array));
    assert_string_equal(array, "abc");
    assert_false(text_to_array(TEXT("abcd"), array, sizeof array));
    assert_string_equal(array, "");
    assert_true(text_to_array(TEXT_NONE, array, sizeof array));
    char *copy = text_strdup(TEXT("copy"));
    assert_string_equal(copy, "copy");
    memory_free_raw(copy);
    memory_fail_after(0);
    assert_null(text_strdup(TEXT("copy")));
    memory_fail_never();
}

static void prints_hexadecimal_digits(void **state)
{
    (void)state;
    static const uint64_t v[] = {0, UINT64_MAX, 0x0123456789abcdefu, 0xfedcba9876543210u, 0xa0u};
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
        char expected[TEXT_HEX64_BYTES + 1], out[TEXT_HEX64_BYTES];
        snprintf(expected, sizeof expected, "%016llx", (unsigned long long)v[i]);
        text_print_hex64(v[i], out);
        assert_memory_equal(out, expected, sizeof out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prints_hexadecimal_digits),
        cmocka_unit_test(compares),
        cmocka_unit_test(finds),
        cmocka_unit_test(cuts),
        cmocka_unit_test(reads_numbers),
        cmocka_unit_test(copies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Scanning by the ABNF (RFC 3261 s25.1). */
#include "sip/scan.h"

#include "sample.h"

#define MOST_BYTES 13

/* Four bytes at a step end where one at a step would: each byte, at each place, in each length. */
static void cut_run(enum char_set set, char usual)
{
    char bytes[MOST_BYTES];
    memset(bytes, usual, sizeof bytes);
    for (size_t n = 0; n <= MOST_BYTES; n++)
        for (size_t at = 0; at < n; at++) {
            for (unsigned c = 0; c < 256; c++) {
                bool is_in = char_is_in(set, (char)c);
                struct text rest = {bytes, n};
                bytes[at] = (char)c;
                assert_int_equal(scan_is_all(rest, set), is_in);
                assert_int_equal(scan_set(&rest, set).n, is_in ? n : at);
                assert_ptr_equal(rest.p, bytes + (is_in ? n : at));
                assert_int_equal(rest.n, is_in ? 0 : n - at);
            }
            bytes[at] = usual;
        }
}

static void cuts_runs_of_every_set(void **state)
{
    (void)state;
    for (unsigned set = CHARS_TOKEN; set <= CHARS_VISIBLE; set <<= 1)
        cut_run((enum char_set)set, '1');
    cut_run(CHARS_ORDINARY, 'a'); /* in other sets as well, which must not count */
    cut_run(CHARS_QUOTED, '!');
}

/* Sixteen bytes at a step say the same: each byte, at each place, in each length. */
static void knows_what_is_ordinary_and_visible(void **state)
{
    (void)state;
    char bytes[50];
    memset(bytes, 'a', sizeof bytes);
    for (size_t n = 0; n <= sizeof bytes; n++)
        for (size_t at = 0; at < n; at++) {
            for (unsigned c = 0; c < 256; c++) {
                bytes[at] = (char)c;
                struct text t = {bytes, n};
                assert_int_equal(scan_is_ordinary(t), char_is_in(CHARS_ORDINARY, (char)c));
                assert_int_equal(scan_is_visible(t), char_is_in(CHARS_VISIBLE, (char)c));
            }
            bytes[at] = 'a';
        }
    assert_true(scan_is_ordinary(TEXT_NONE));
    assert_true(scan_is_visible(TEXT_NONE));
}

static void cuts_nothing_off_absent_texts(void **state)
{
    (void)state;
    struct text none = TEXT_NONE;
    assert_int_equal(scan_set(&none, CHARS_HOST).n, 0);
    assert_true(scan_is_all(TEXT_NONE, CHARS_ORDINARY));
}

static void visible_is_all_but_space_and_control(void **state)
{
    (void)state;
    for (unsigned c = 0; c < 256; c++)
        assert_int_equal(char_is_in(CHARS_VISIBLE, (char)c), c > ' ');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cuts_runs_of_every_set),
        cmocka_unit_test(knows_what_is_ordinary_and_visible),
        cmocka_unit_test(cuts_nothing_off_absent_texts),
        cmocka_unit_test(visible_is_all_but_space_and_control),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

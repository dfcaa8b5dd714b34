/* Scanning by the ABNF (RFC 3261 s25.1). */
#include "sip/scan.h"

#include "sample.h"

#define MOST_BYTES 50

/* Sixteen bytes at a step know the same set as the table: each byte, at each place, in each length. */
static void knows_ordinary_bytes(void **state)
{
    (void)state;
    char bytes[MOST_BYTES];
    memset(bytes, 'a', sizeof bytes);
    for (size_t n = 0; n <= MOST_BYTES; n++)
        for (size_t at = 0; at < n; at++) {
            for (unsigned c = 0; c < 256; c++) {
                bytes[at] = (char)c;
                assert_int_equal(scan_is_ordinary((struct text){bytes, n}),
                                 char_is_in(CHARS_ORDINARY, (char)c));
            }
            bytes[at] = 'a';
        }
    assert_true(scan_is_ordinary(TEXT_NONE));
}

/* A host is cut off the front as scan_set() does it with the table. */
static void cut_host(const char *bytes, size_t n)
{
    struct text plain = {bytes, n}, fast = plain;
    struct text expected = scan_set(&plain, CHARS_HOST), host = scan_host(&fast);
    assert_ptr_equal(host.p, expected.p);
    assert_int_equal(host.n, expected.n);
    assert_ptr_equal(fast.p, plain.p);
    assert_int_equal(fast.n, plain.n);
}

static void cuts_hosts(void **state)
{
    (void)state;
    char bytes[MOST_BYTES];
    memset(bytes, 'a', sizeof bytes);
    for (size_t n = 0; n <= MOST_BYTES; n++)
        for (size_t at = 0; at < n; at++) {
            for (unsigned c = 0; c < 256; c++) {
                bytes[at] = (char)c;
                cut_host(bytes, n);
            }
            bytes[at] = 'a';
        }
    struct text none = TEXT_NONE;
    assert_int_equal(scan_host(&none).n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_ordinary_bytes),
        cmocka_unit_test(cuts_hosts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

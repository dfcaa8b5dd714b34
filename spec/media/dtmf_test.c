/* Keys among RTP (RFC 4733 s2.3, s2.5). */
#include "media/dtmf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static struct dtmf_digit told;

/* One packet of an event. @return was a digit told? */
static bool feed(struct dtmf_source *source, unsigned stamp, unsigned event, unsigned duration,
                 bool is_end)
{
    char p[16] = {(char)0x80, 101};
    p[6] = (char)(stamp >> 8);
    p[7] = (char)stamp;
    p[12] = (char)event;
    p[13] = (char)(is_end ? 0x8a : 0x0a);
    p[14] = (char)(duration >> 8);
    p[15] = (char)duration;
    return dtmf_packet(source, (struct text){p, sizeof p}, &told);
}

static void tells_each_once(void **state)
{
    struct dtmf_source source = {0};
    (void)state;
    assert_false(feed(&source, 100, 5, 160, false));
    assert_false(feed(&source, 100, 5, 320, false));
    assert_true(feed(&source, 100, 5, 480, true));
    assert_int_equal(told.digit, '5');
    assert_int_equal(told.duration, 480);
    assert_false(feed(&source, 100, 5, 480, true));
    assert_false(feed(&source, 100, 5, 480, true));
    assert_true(feed(&source, 900, 5, 400, true));  /* the same key again */
    assert_false(feed(&source, 100, 5, 480, true)); /* late, of the first */
    assert_true(feed(&source, 1800, 11, 400, true));
    assert_int_equal(told.digit, '#');
    assert_true(feed(&source, 2600, 15, 400, true));
    assert_int_equal(told.digit, 'D');
}

static void tells_one_whose_end_was_lost(void **state)
{
    struct dtmf_source source = {0};
    (void)state;
    assert_false(feed(&source, 100, 1, 160, false));
    assert_false(feed(&source, 100, 1, 320, false));
    assert_true(feed(&source, 900, 2, 160, false));
    assert_int_equal(told.digit, '1');
    assert_int_equal(told.duration, 320);
    assert_true(feed(&source, 900, 2, 320, true));
    assert_int_equal(told.digit, '2');
    assert_false(feed(&source, 1700, 3, 160, false));
    assert_true(feed(&source, 2500, 4, 160, true)); /* two are to be told: the older one first */
    assert_int_equal(told.digit, '3');
    assert_true(feed(&source, 2500, 4, 160, true));
    assert_int_equal(told.digit, '4');
}

static bool is_told(const char *bytes, size_t n)
{
    struct dtmf_source source = {0};
    return dtmf_packet(&source, (struct text){bytes, n}, &told);
}

static void reads_no_further_than_the_packet(void **state)
{
    static const char csrc[] = "\x81\x65\0\1\0\0\0\1\0\0\0\1\0\0\0\2\x07\x80\0\x50";
    static const char extended[] = "\x90\x65\0\1\0\0\0\1\0\0\0\1\xbe\xde\0\1zzzz\x07\x80\0\x50";
    (void)state;
    assert_true(is_told(csrc, sizeof csrc - 1));
    assert_int_equal(told.digit, '7');
    assert_true(is_told(extended, sizeof extended - 1));
    for (size_t n = 16; n < sizeof csrc - 1; n++)
        assert_false(is_told(csrc, n));
    for (size_t n = 12; n < sizeof extended - 1; n++)
        assert_false(is_told(extended, n) && told.digit == '7');
    struct dtmf_source source = {0};
    assert_false(feed(&source, 1, 16, 80, true)); /* flash is no key */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_each_once),
        cmocka_unit_test(tells_one_whose_end_was_lost),
        cmocka_unit_test(reads_no_further_than_the_packet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

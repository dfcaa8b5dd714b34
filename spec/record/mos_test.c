/* The E-model against values that G.107 and G.113 give, or that follow from them by hand. */
#include "../base/check.h"
#include "record/mos.h"

#include <math.h>

static double mos(const char *codec, double loss_percent, double delay_ms)
{
    return mos_of_rating(mos_rating(&(struct mos_input){text_of(codec), loss_percent, delay_ms}));
}

static void assert_near(double actual, double expected, double tolerance)
{
    if (fabs(actual - expected) > tolerance)
        fail_msg("%f is not %f", actual, expected);
}

/* G.107 s7.7 and Annex B: with all defaults R = 93.2, which is a MOS of 4.41. */
static void test_best(void **state)
{
    (void)state;
    assert_near(mos_rating(&(struct mos_input){TEXT("pcmu"), 0, 0}), 93.2, 0.001);
    assert_near(mos("PCMA", 0, 0), 4.41, 0.005);
}

/* Annex B, table B.1: R of 90, 80, 70, 60, 50 are MOS of 4.34, 4.03, 3.60, 3.10, 2.58. */
static void test_annex_b(void **state)
{
    static const double pairs[][2] = {{90, 4.34}, {80, 4.03}, {70, 3.60}, {60, 3.10}, {50, 2.58}};
    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        assert_near(mos_of_rating(pairs[i][0]), pairs[i][1], 0.01);
    assert_near(mos_of_rating(0), 1, 0);
    assert_near(mos_of_rating(3), 1, 0); /* where the cubic would fall below */
    assert_near(mos_of_rating(-5), 1, 0);
}

/* Ie of G.113 table I.4 without loss, and Ie,eff of G.107 s7.5 at 2 % by hand. */
static void test_codecs(void **state)
{
    (void)state;
    assert_near(mos_rating(&(struct mos_input){TEXT("G729"), 0, 0}), 82.2, 0.001);
    assert_near(mos_rating(&(struct mos_input){TEXT("G723"), 0, 0}), 78.2, 0.001);
    assert_near(mos_rating(&(struct mos_input){TEXT("PCMU"), 2, 0}), 93.2 - 95 * 2 / 27.1, 0.001);
    assert_near(mos_rating(&(struct mos_input){TEXT("G729"), 2, 0}),
                93.2 - 11 - (95 - 11) * 2 / 21.0, 0.001);
}

/* No figures are better than wrong ones. */
static void test_unknown_codec(void **state)
{
    (void)state;
    assert_true(mos_rating(&(struct mos_input){TEXT("opus"), 0, 0}) < 0);
    assert_true(mos_rating(&(struct mos_input){TEXT_NONE, 0, 0}) < 0);
}

/* Id grows slowly up to 177.3 ms and fast from there on. */
static void test_delay(void **state)
{
    (void)state;
    assert_near(mos_rating(&(struct mos_input){TEXT("PCMU"), 0, 100}), 90.8, 0.001);
    assert_near(mos_rating(&(struct mos_input){TEXT("PCMU"), 0, 400}),
                93.2 - 9.6 - 0.11 * (400 - 177.3), 0.001);
}

static void test_nonsense(void **state)
{
    (void)state;
    assert_near(mos("PCMU", -3, -7), 4.41, 0.005);
    assert_near(mos("PCMU", 1e9, 1e9), 1, 0);
    for (double loss = 0; loss <= 100; loss += 0.5) {
        double is = mos("G729", loss, 50);
        assert_true(is >= 1 && is <= 4.5);
        assert_true(is <= mos("G729", loss - 0.5, 50));
    }
}

/* The receiver's count has what was lost before the relay in it, too. */
static void test_stream(void **state)
{
    (void)state;
    assert_near(mos_of_stream(TEXT("PCMU"), 1000, 0, 0, 0, 0), mos("PCMU", 0, 20), 0);
    assert_near(mos_of_stream(TEXT("PCMU"), 990, 10, 20, 5, 60), mos("PCMU", 2, 60), 1e-9);
    assert_near(mos_of_stream(TEXT("PCMU"), 990, 10, 0, 5, 60), mos("PCMU", 1, 60), 1e-9);
    assert_near(mos_of_stream(TEXT("PCMU"), 1000, -5, -1, 0, 0), mos("PCMU", 0, 20), 0);
    assert_near(mos_of_stream(TEXT("PCMU"), 0, 0, 0, 0, 0), 0, 0);
    assert_near(mos_of_stream(TEXT("opus"), 1000, 0, 0, 0, 0), 0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_best),   cmocka_unit_test(test_annex_b),
        cmocka_unit_test(test_codecs), cmocka_unit_test(test_unknown_codec),
        cmocka_unit_test(test_delay),  cmocka_unit_test(test_nonsense),
        cmocka_unit_test(test_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Random numbers: reproducible from a seed, unpredictable without. */
#include "base/random.h"

#include "check.h"

static void depends_on_the_seed_alone(void **state)
{
    (void)state;
    struct random a, b, c;
    random_seed(&a, 7);
    random_seed(&b, 7);
    random_seed(&c, 8);
    bool differs = false;
    for (int i = 0; i < 100; i++) {
        uint64_t n = random_u64(&a);
        assert_true(n == random_u64(&b));
        differs = differs || n != random_u64(&c);
    }
    assert_true(differs);
}

static void secret_seeds_differ(void **state)
{
    (void)state;
    struct random a, b;
    random_seed_secret(&a);
    random_seed_secret(&b);
    assert_true(random_u64(&a) != random_u64(&b));
}

static void stays_below_and_reaches_all(void **state)
{
    (void)state;
    struct random random;
    unsigned seen[10] = {0};
    random_seed(&random, 1);
    for (int i = 0; i < 10000; i++) {
        uint32_t n = random_below(&random, 10);
        assert_true(n < 10);
        seen[n]++;
    }
    for (int i = 0; i < 10; i++)
        assert_in_range(seen[i], 850, 1150);
    assert_int_equal(random_below(&random, 1), 0);
}

static void writes_tokens(void **state)
{
    (void)state;
    struct random random;
    char token[64], other[64];
    random_seed(&random, 1);
    token[63] = '#';
    random_token(&random, token, 63);
    random_token(&random, other, 63);
    assert_int_equal(token[63], '#');
    assert_memory_not_equal(token, other, 63);
    for (int i = 0; i < 63; i++)
        assert_true((token[i] >= 'a' && token[i] <= 'z') || (token[i] >= '0' && token[i] <= '9'));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(depends_on_the_seed_alone),
        cmocka_unit_test(secret_seeds_differ),
        cmocka_unit_test(stays_below_and_reaches_all),
        cmocka_unit_test(writes_tokens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Requests per second of one source: token buckets in a bounded table. */
#include "base/rate.h"

#include "base/error.h"
#include "base/memory.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct hash_key key = {1, 2};

static struct counters counters;

static struct rate *make(size_t most)
{
    struct rate *rate;
    assert_int_equal(rate_create(&rate, &key, most), 0);
    return rate;
}

static bool take(struct rate *rate, const char *source, uint64_t now_ms, uint32_t per_second)
{
    struct address address;
    assert_int_equal(address_parse(&address, text_of(source), 5060), 0);
    return rate_take(rate, &address, now_ms, per_second, &counters);
}

/* How many of @p count requests at @p now_ms pass. */
static unsigned burst(struct rate *rate, const char *source, uint64_t now_ms, uint32_t per_second,
                      unsigned count)
{
    unsigned passed = 0;
    while (count--)
        passed += take(rate, source, now_ms, per_second);
    return passed;
}

static void a_burst_of_one_second_passes_then_the_rate(void **state)
{
    struct rate *rate = make(16);
    (void)state;
    assert_int_equal(burst(rate, "10.0.0.1", 5000, 10, 100), 10);
    assert_int_equal(burst(rate, "10.0.0.1", 5099, 10, 10), 0);
    assert_int_equal(burst(rate, "10.0.0.1", 5100, 10, 10), 1);
    assert_int_equal(burst(rate, "10.0.0.1", 5600, 10, 10), 5);
    assert_int_equal(burst(rate, "10.0.0.1", 99000, 10, 100), 10); /* never more than a second's */
    unsigned passed = 0;
    for (uint64_t now_ms = 100000; now_ms < 200000; now_ms++) /* 1,000 a second for 100 s */
        passed += take(rate, "10.0.0.1", now_ms, 37);
    assert_in_range(passed, 3700, 3700 + 37);
    memory_release(rate);
}

static void sources_do_not_share(void **state)
{
    struct rate *rate = make(16);
    (void)state;
    assert_int_equal(burst(rate, "10.0.0.1", 0, 3, 9), 3);
    assert_int_equal(burst(rate, "10.0.0.2", 0, 3, 9), 3);
    assert_int_equal(burst(rate, "10.0.0.1:9999", 0, 3, 9), 0); /* another port: the same source */
    assert_int_equal(burst(rate, "[2001:db8:0:1::1]", 0, 3, 9), 3);
    assert_int_equal(burst(rate, "[2001:db8:0:1:ffff::2]", 0, 3, 9), 0); /* the same /64 */
    assert_int_equal(burst(rate, "[2001:db8:0:2::1]", 0, 3, 9), 3);
    assert_int_equal(rate_count(rate), 4);
    memory_release(rate);
}

static void no_limit_remembers_nobody(void **state)
{
    struct rate *rate = make(16);
    (void)state;
    assert_int_equal(burst(rate, "10.0.0.1", 0, 0, 1000), 1000);
    assert_true(rate_take(rate, &(struct address){0}, 0, 1, &counters));
    assert_int_equal(rate_count(rate), 0);
    memory_release(rate);
}

static void the_limit_may_change(void **state)
{
    struct rate *rate = make(16);
    (void)state;
    assert_int_equal(burst(rate, "10.0.0.1", 0, 100, 50), 50);
    assert_int_equal(burst(rate, "10.0.0.1", 0, 10, 50), 10); /* what is beyond the new is lost */
    assert_int_equal(burst(rate, "10.0.0.1", 500, 1000, 5000), 500);
    memory_release(rate);
}

static void time_does_not_go_back(void **state)
{
    struct rate *rate = make(16);
    (void)state;
    assert_int_equal(burst(rate, "10.0.0.1", 10000, 10, 20), 10);
    assert_int_equal(burst(rate, "10.0.0.1", 9000, 10, 20), 0);
    assert_int_equal(burst(rate, "10.0.0.1", 10200, 10, 20), 2);
    memory_release(rate);
}

static void the_longest_silent_is_forgotten_first(void **state)
{
    struct rate *rate = make(3);
    uint64_t forgotten = counter_read(&counters, COUNTER_SIP_SOURCE_FORGOTTEN);
    (void)state;
    burst(rate, "10.0.0.1", 1, 5, 9);
    burst(rate, "10.0.0.2", 2, 5, 9);
    burst(rate, "10.0.0.3", 3, 5, 9);
    assert_false(take(rate, "10.0.0.1", 4, 5)); /* heard again */
    assert_int_equal(burst(rate, "10.0.0.4", 5, 5, 9), 5);
    assert_int_equal(rate_count(rate), 3);
    assert_false(take(rate, "10.0.0.1", 6, 5));
    assert_false(take(rate, "10.0.0.3", 6, 5));
    assert_true(take(rate, "10.0.0.2", 6, 5)); /* forgotten: begins with a full bucket */
    char source[32];
    for (unsigned i = 0; i < 10000; i++) { /* a flood of sources keeps the table's size */
        snprintf(source, sizeof source, "10.1.%u.%u", i / 250, i % 250);
        take(rate, source, 7, 5);
    }
    assert_int_equal(rate_count(rate), 3);
    assert_int_equal(counter_read(&counters, COUNTER_SIP_SOURCE_FORGOTTEN) - forgotten, 10002);
    memory_release(rate);
}

static void without_memory_calls_pass(void **state)
{
    uint64_t live = memory_live();
    struct rate *rate;
    (void)state;
    memory_fail_after(0);
    assert_int_equal(rate_create(&rate, &key, 4), ERROR_MEMORY);
    memory_fail_never();
    for (uint64_t n = 0; n < 4; n++) {
        rate = make(4);
        memory_fail_after(n);
        assert_int_equal(burst(rate, "10.0.0.1", 0, 2, 5), n < 2 ? 5 : 2);
        assert_int_equal(burst(rate, "10.0.0.2", 0, 2, 5), n < 2 ? 5 : 2);
        memory_fail_never();
        assert_int_equal(rate_count(rate), n < 2 ? 0 : n - 1);
        memory_release(rate);
        assert_int_equal(memory_live(), live);
    }
}

static struct rate *shared;
static _Atomic unsigned all_passed;

static void *work(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < 2000; i++)
        atomic_fetch_add(&all_passed, take(shared, "10.0.0.1", i, 100));
    return NULL;
}

static void workers_share_one_limit(void **state)
{
    pthread_t threads[4];
    (void)state;
    shared = make(16);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, NULL), 0);
    for (unsigned i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_in_range(all_passed, 290, 300); /* a burst of 100 and two seconds of 100 */
    memory_release(shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_of_one_second_passes_then_the_rate),
        cmocka_unit_test(sources_do_not_share),
        cmocka_unit_test(no_limit_remembers_nobody),
        cmocka_unit_test(the_limit_may_change),
        cmocka_unit_test(time_does_not_go_back),
        cmocka_unit_test(the_longest_silent_is_forgotten_first),
        cmocka_unit_test(without_memory_calls_pass),
        cmocka_unit_test(workers_share_one_limit),
    };
    return cmocka_run_group_tests_name("rate", tests, NULL, NULL);
}

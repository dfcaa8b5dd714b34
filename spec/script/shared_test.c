/* Dictionaries across workers: limits, expiry, threads. */
#include "script/shared.h"

#include "base/error.h"
#include "base/memory.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define NOW 1700000000000u /* milliseconds */

static struct value number(double value)
{
    return (struct value){.type = VALUE_NUMBER, .number = value};
}

static struct value string(const char *value)
{
    return (struct value){.type = VALUE_TEXT, .text = text_of(value)};
}

static bool is_string(struct shared *shared, const char *key, uint64_t now_ms, const char *wanted)
{
    struct value value;
    assert_int_equal(shared_get(shared, TEXT("d"), text_of(key), now_ms, &value), 0);
    bool is_same = value.type == VALUE_TEXT && wanted && text_equal(value.text, text_of(wanted));
    bool is_absent = value.type == VALUE_NONE && !wanted;
    if (value.type == VALUE_TEXT)
        memory_free_raw((void *)value.text.p);
    return is_same || is_absent;
}

static void test_values(void **state)
{
    struct shared *shared;
    struct value value;
    (void)state;
    uint64_t live = memory_live();
    assert_int_equal(shared_create(&shared, 65536), 0);
    assert_true(is_string(shared, "k", NOW, NULL));
    value = string("one");
    assert_int_equal(shared_set(shared, TEXT("d"), TEXT("k"), NOW, &value, 0), 0);
    assert_true(is_string(shared, "k", NOW, "one"));
    value = string("a longer one");
    assert_int_equal(shared_set(shared, TEXT("d"), TEXT("k"), NOW, &value, 0), 0);
    assert_true(is_string(shared, "k", NOW, "a longer one"));
    assert_int_equal(shared_add(shared, TEXT("d"), TEXT("k"), NOW, &value, 0), ERROR_STATE);
    value = number(5);
    assert_int_equal(shared_set(shared, TEXT("d"), TEXT("k"), NOW, &value, 0), 0);
    /* "d" + "k" is not "dk" + "": names are not glued together. */
    assert_int_equal(shared_get(shared, TEXT("dk"), TEXT(""), NOW, &value), 0);
    assert_int_equal(value.type, VALUE_NONE);
    assert_int_equal(shared_get(shared, TEXT("d"), TEXT("k"), NOW, &value), 0);
    assert_true(value.type == VALUE_NUMBER && value.number == 5);
    assert_true(shared_delete(shared, TEXT("d"), TEXT("k"), NOW));
    assert_false(shared_delete(shared, TEXT("d"), TEXT("k"), NOW));
    assert_int_equal(shared_bytes(shared), 0);
    memory_release(shared);
    assert_int_equal(memory_live(), live);
}

static void test_counting(void **state)
{
    struct shared *shared;
    struct value value = string("text");
    double result;
    (void)state;
    assert_int_equal(shared_create(&shared, 65536), 0);
    assert_int_equal(shared_increment(shared, TEXT("d"), TEXT("n"), NOW, 1, 5000, &result), 0);
    assert_int_equal(shared_increment(shared, TEXT("d"), TEXT("n"), NOW, 2, 5000, &result), 0);
    assert_true(result == 3);
    /* A step does not prolong the life: a window of calls per second ends. */
    assert_int_equal(shared_increment(shared, TEXT("d"), TEXT("n"), NOW + 4999, 1, 5000, &result),
                     0);
    assert_true(result == 4);
    assert_int_equal(shared_increment(shared, TEXT("d"), TEXT("n"), NOW + 5000, 1, 5000, &result),
                     0);
    assert_true(result == 1);
    assert_int_equal(shared_set(shared, TEXT("d"), TEXT("n"), NOW, &value, 0), 0);
    assert_int_equal(shared_increment(shared, TEXT("d"), TEXT("n"), NOW, 1, 0, &result),
                     ERROR_ARGUMENT);
    memory_release(shared);
}

static void test_expiry(void **state)
{
    struct shared *shared;
    struct value value = string("v");
    (void)state;
    assert_int_equal(shared_create(&shared, 65536), 0);
    assert_int_equal(shared_set(shared, TEXT("d"), TEXT("k"), NOW, &value, 2000), 0);
    assert_true(is_string(shared, "k", NOW + 1999, "v"));
    assert_true(is_string(shared, "k", NOW + 2000, NULL));
    assert_int_equal(shared_bytes(shared), 0);
    /* A new value without a time to live stays. */
    assert_int_equal(shared_set(shared, TEXT("d"), TEXT("k"), NOW + 3000, &value, 2000), 0);
    assert_int_equal(shared_set(shared, TEXT("d"), TEXT("k"), NOW + 3000, &value, 0), 0);
    assert_true(is_string(shared, "k", NOW + 99999, "v"));
    memory_release(shared);
}

static void test_full(void **state)
{
    struct shared *shared;
    struct value value = string("0123456789012345678901234567890123456789");
    char key[32];
    int error = 0, count = 0;
    (void)state;
    assert_int_equal(shared_create(&shared, 65536), 0);
    while (error == 0 && count < 100000) {
        snprintf(key, sizeof key, "key-%d", count);
        error = shared_set(shared, TEXT("d"), text_of(key), NOW, &value, 1000);
        count++;
    }
    assert_int_equal(error, ERROR_LIMIT);
    assert_true(count > 100);
    assert_true(shared_bytes(shared) <= 65536);
    /* What is there stays, and can be changed to what takes no more. */
    assert_true(is_string(shared, "key-0", NOW, value.text.p));
    /* Expired entries make room, each in the shard that is asked. */
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "new-%d", i);
        is_string(shared, key, NOW + 1001, NULL);
    }
    assert_int_equal(shared_bytes(shared), 0);
    memory_release(shared);
}

#define THREADS 4
#define STEPS   20000

static void *count_up(void *arg)
{
    struct shared *shared = arg;
    double result;
    char key[16];
    for (int i = 0; i < STEPS; i++) {
        struct value value = string("value");
        snprintf(key, sizeof key, "%d", i % 50);
        shared_increment(shared, TEXT("d"), TEXT("n"), NOW, 1, 0, &result);
        shared_set(shared, TEXT("e"), text_of(key), NOW + (uint64_t)i, &value, 5);
        shared_get(shared, TEXT("e"), text_of(key), NOW + (uint64_t)i, &value);
        if (value.type == VALUE_TEXT)
            memory_free_raw((void *)value.text.p);
    }
    return NULL;
}

static void test_threads(void **state)
{
    struct shared *shared;
    struct value value;
    pthread_t threads[THREADS];
    (void)state;
    assert_int_equal(shared_create(&shared, 65536), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_up, shared), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(shared_get(shared, TEXT("d"), TEXT("n"), NOW, &value), 0);
    assert_true(value.number == (double)THREADS * STEPS);
    memory_release(shared);
}

static void test_no_memory(void **state)
{
    (void)state;
    uint64_t live = memory_live();
    for (uint64_t n = 0; n < 10; n++) {
        struct shared *shared;
        struct value value = string("v"), read;
        memory_fail_after(n);
        if (shared_create(&shared, 65536) == 0) {
            shared_set(shared, TEXT("d"), TEXT("k"), NOW, &value, 5);
            shared_set(shared, TEXT("d"), TEXT("k"), NOW, &value, 5);
            if (shared_get(shared, TEXT("d"), TEXT("k"), NOW, &read) == 0 &&
                read.type == VALUE_TEXT)
                memory_free_raw((void *)read.text.p);
            memory_release(shared);
        }
        memory_fail_never();
        assert_int_equal(memory_live(), live);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),  cmocka_unit_test(test_counting),
        cmocka_unit_test(test_expiry),  cmocka_unit_test(test_full),
        cmocka_unit_test(test_threads), cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

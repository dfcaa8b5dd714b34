/* Counts of calls by profile, as several workers use them at once. */
#include "base/error.h"
#include "base/memory.h"
#include "dialog/profiles.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define THREADS 4
#define ROUNDS  2000
#define LIMIT   5

static struct profile_request request(struct text profile, struct text value, uint64_t most)
{
    return (struct profile_request){profile, value, most, 100};
}

static struct profile_place *join(struct profiles *profiles, const char *profile, const char *value,
                                  uint64_t most, int wanted)
{
    struct profile_place *place = NULL;
    const struct profile_request asked =
        request(text_of(profile), value ? text_of(value) : TEXT_NONE, most);
    assert_int_equal(profiles_join(&place, profiles, &asked), wanted);
    return place;
}

static void counts_values_and_the_whole(void **state)
{
    struct profiles *profiles;
    (void)state;
    uint64_t live = memory_live();
    assert_int_equal(profiles_create(&profiles), 0);
    struct profile_place *a = join(profiles, "trunk", "out", 1, 0);
    struct profile_place *b = join(profiles, "trunk", "in", 1, 0);
    struct profile_place *c = join(profiles, "trunk", NULL, 0, 0);
    join(profiles, "trunk", "out", 1, ERROR_STATE);
    assert_int_equal(profiles_count(profiles, TEXT("trunk"), TEXT_NONE), 3);
    assert_int_equal(profiles_count(profiles, TEXT("trunk"), TEXT("out")), 1);
    assert_int_equal(profiles_count(profiles, TEXT("trunk"), TEXT("")), 1);
    assert_int_equal(profiles_count(profiles, TEXT("trunkout"), TEXT_NONE), 0);
    memory_release(a);
    assert_int_equal(profiles_count(profiles, TEXT("trunk"), TEXT("out")), 0);
    a = join(profiles, "trunk", "out", 1, 0);
    memory_release(profiles); /* the places hold it */
    memory_release(a);
    memory_release(b);
    memory_release(c);
    assert_int_equal(memory_live(), live);
}

static void gives_nothing_away_without_memory(void **state)
{
    struct profiles *profiles;
    struct profile_place *place = NULL;
    const struct profile_request asked = request(TEXT("trunk"), TEXT("out"), 1);
    (void)state;
    assert_int_equal(profiles_create(&profiles), 0);
    int error = ERROR_MEMORY;
    for (uint64_t n = 0; error; n++) {
        memory_fail_after(n);
        error = profiles_join(&place, profiles, &asked);
        memory_fail_never();
        assert_true(!error || error == ERROR_MEMORY);
        assert_int_equal(profiles_count(profiles, TEXT("trunk"), TEXT("out")), error ? 0 : 1);
        assert_int_equal(profiles_count(profiles, TEXT("trunk"), TEXT_NONE), error ? 0 : 1);
    }
    memory_release(place);
    memory_release(profiles);
}

struct worker {
    pthread_t thread;
    struct profiles *profiles;
    unsigned taken;
    bool is_over; /* more than the limit were seen */
};

static void *take_and_give(void *arg)
{
    struct worker *worker = arg;
    const struct profile_request asked = request(TEXT("trunk"), TEXT("out"), LIMIT);
    struct profile_place *places[LIMIT] = {NULL};
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct profile_place **at = &places[i * 7 % LIMIT];
        *at = memory_release(*at);
        if (profiles_join(at, worker->profiles, &asked) == 0)
            worker->taken++;
        if (profiles_count(worker->profiles, TEXT("trunk"), TEXT("out")) > LIMIT)
            worker->is_over = true;
    }
    for (unsigned i = 0; i < LIMIT; i++)
        memory_release(places[i]);
    return NULL;
}

static void never_drifts_between_threads(void **state)
{
    struct worker workers[THREADS];
    struct profiles *profiles;
    unsigned taken = 0;
    (void)state;
    assert_int_equal(profiles_create(&profiles), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.profiles = profiles};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, take_and_give, &workers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        assert_false(workers[i].is_over);
        taken += workers[i].taken;
    }
    assert_true(taken > LIMIT);
    assert_int_equal(profiles_count(profiles, TEXT("trunk"), TEXT_NONE), 0);
    memory_release(profiles);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_values_and_the_whole),
        cmocka_unit_test(gives_nothing_away_without_memory),
        cmocka_unit_test(never_drifts_between_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

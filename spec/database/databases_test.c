/* The databases of an engine: one per URL, as long as somebody uses it. */
#include "bench.h"

#include "database/databases.h"

struct many {
    struct bench bench;
    struct databases *databases;
};

static void begin(struct many *many, bool is_started)
{
    bench_open(&many->bench);
    assert_int_equal(databases_create(&many->databases,
                                      &(struct databases_options){
                                          .io = many->bench.io,
                                          .settings = &many->bench.settings,
                                          .log = &many->bench.log,
                                      }),
                     0);
    if (is_started)
        assert_int_equal(databases_start(many->databases), 0);
}

static void end(struct many *many)
{
    databases_stop(many->databases);
    many->databases = memory_release(many->databases);
    bench_close(&many->bench);
}

static struct database *open_one(struct many *many, const char *url)
{
    struct database *database = NULL;
    assert_int_equal(databases_open(many->databases, url, &database), 0);
    return database;
}

static int ask(struct many *many, struct database *database)
{
    struct database_home home = {bench_post, &many->bench};
    return database_ask(database, &(struct database_query){.sql = TEXT("SELECT 1")}, &home,
                        bench_done, NULL);
}

static void are_shared_by_url(void **state)
{
    (void)state;
    struct many many;
    begin(&many, true);
    struct database *a = open_one(&many, "sqlite::memory:");
    assert_ptr_equal(a, open_one(&many, "sqlite::memory:"));
    assert_ptr_equal(a, databases_find(many.databases, "sqlite::memory:"));
    assert_null(databases_find(many.databases, "sqlite:other"));
    assert_int_equal(ask(&many, a), 0);
    memory_release(bench_answer(&many.bench));
    assert_int_equal(counter_read(databases_counters(many.databases), COUNTER_DATABASE_ASKED), 1);
    end(&many);
}

static void count(void *arg, struct database *database)
{
    (void)database;
    (*(int *)arg)++;
}

static int open_now(struct many *many)
{
    int n = 0;
    databases_for_each(many->databases, count, &n);
    return n;
}

static void close_when_nobody_uses_them(void **state)
{
    (void)state;
    struct many many;
    begin(&many, true);
    struct database *a = open_one(&many, "sqlite::memory:");
    open_one(&many, "sqlite::memory:");
    databases_close(many.databases, a);
    databases_sweep(many.databases);
    assert_int_equal(open_now(&many), 1);
    databases_close(many.databases, a);
    assert_int_equal(open_now(&many), 1); /* a reload may open it again meanwhile */
    assert_ptr_equal(a, open_one(&many, "sqlite::memory:"));
    databases_close(many.databases, a);
    databases_sweep(many.databases);
    assert_int_equal(open_now(&many), 0);
    assert_non_null(strstr(many.bench.lines, "sqlite::memory:: closed"));
    end(&many);
}

static void connect_when_they_are_started(void **state)
{
    (void)state;
    struct many many;
    begin(&many, false);
    struct database *a = open_one(&many, "sqlite::memory:");
    assert_int_equal(ask(&many, a), ERROR_STATE);
    assert_int_equal(databases_start(many.databases), 0);
    assert_int_equal(ask(&many, a), 0);
    memory_release(bench_answer(&many.bench));
    end(&many);
}

static void open_none_after_the_stop(void **state)
{
    (void)state;
    struct many many;
    struct database *database;
    begin(&many, true);
    struct database *a = open_one(&many, "sqlite::memory:");
    databases_stop(many.databases);
    assert_int_equal(databases_open(many.databases, "sqlite:b", &database), ERROR_STATE);
    assert_int_equal(ask(&many, a), ERROR_STATE);
    databases_close(many.databases, a);
    end(&many);
}

static void refuse_what_is_no_url(void **state)
{
    (void)state;
    struct many many;
    struct database *database;
    begin(&many, true);
    assert_int_equal(databases_open(many.databases, "http://x/y", &database), ERROR_ARGUMENT);
    assert_int_equal(open_now(&many), 0);
    end(&many);
}

static void survive_without_memory(void **state)
{
    (void)state;
    struct many many;
    struct database *database;
    begin(&many, true);
    int error = ERROR_MEMORY;
    for (uint64_t n = 0; error; n++) {
        memory_fail_after(n);
        error = databases_open(many.databases, "sqlite::memory:", &database);
        memory_fail_never();
        assert_true(error == 0 || error == ERROR_MEMORY);
        assert_int_equal(open_now(&many), error ? 0 : 1);
    }
    end(&many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(are_shared_by_url),
        cmocka_unit_test(close_when_nobody_uses_them),
        cmocka_unit_test(connect_when_they_are_started),
        cmocka_unit_test(open_none_after_the_stop),
        cmocka_unit_test(refuse_what_is_no_url),
        cmocka_unit_test(survive_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

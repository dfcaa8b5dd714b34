/* SQLite on a real file: types, keys, batches, limits, and a process that is killed. */
#include "bench.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "/tmp/lunasip-sqlite-XXXXXX";
static char url[128];

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder + sizeof folder - 7, "XXXXXX");
    if (!mkdtemp(folder))
        return 1;
    snprintf(url, sizeof url, "sqlite:%s/test.db", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static void brings_back_every_type(void **state)
{
    (void)state;
    struct bench bench;
    bench_open(&bench);
    bench_connect(&bench, url);
    bench_exec(&bench, "CREATE TABLE t (n INTEGER, x REAL, s TEXT, b BLOB)", 0);
    struct database_answer *answer =
        bench_query(&bench, "INSERT INTO t VALUES (?, ?, ?, ?)",
                    VALUES(INTEGER(INT64_MIN), REAL(0.1), WORDS("it's"), WORDS("a\0b\xff")));
    assert_int_equal(answer->error, 0);
    assert_int_equal(answer->affected_rows, 1);
    assert_int_equal(answer->column_count, 0);
    memory_release(answer);
    memory_release(bench_query(&bench, "INSERT INTO t VALUES (?, ?, ?, ?)",
                               VALUES(NOTHING, NOTHING, WORDS(""), NOTHING)));
    answer = bench_query(&bench, "SELECT * FROM t ORDER BY n DESC", NULL, 0);
    assert_int_equal(answer->error, 0);
    assert_int_equal(answer->row_count, 2);
    assert_int_equal(answer->column_count, 4);
    assert_string_equal(answer->names[2], "s");
    assert_true(database_at(answer, 0, 0)->integer == INT64_MIN);
    assert_true(database_at(answer, 0, 1)->real == 0.1);
    assert_words(database_at(answer, 0, 2), "it's");
    assert_words(database_at(answer, 0, 3), "a\0b\xff");
    assert_int_equal(database_at(answer, 1, 0)->type, DATABASE_NULL);
    assert_words(database_at(answer, 1, 2), "");
    memory_release(answer);
    answer = bench_query(&bench, "SELECT n FROM t WHERE s = ?", VALUES(WORDS("none")));
    assert_int_equal(answer->row_count, 0);
    assert_string_equal(answer->names[0], "n");
    memory_release(answer);
    bench_close(&bench);
}

static void names_what_is_wrong(void **state)
{
    (void)state;
    struct bench bench;
    bench_open(&bench);
    bench.settings.database_answer_bytes = 1024;
    bench_connect(&bench, url);
    bench_exec(&bench, "CREATE TABLE k (name TEXT PRIMARY KEY, n INTEGER NOT NULL)", 0);
    bench_exec(&bench, "INSERT INTO k VALUES ('a', 1)", 0);
    bench_exec(&bench, "INSERT INTO k VALUES ('a', 2)", ERROR_STATE);
    bench_exec(&bench, "INSERT INTO k VALUES ('b', NULL)", ERROR_SYNTAX);
    bench_exec(&bench, "SELEC 1", ERROR_SYNTAX);
    bench_exec(&bench, "SELECT * FROM nowhere", ERROR_SYNTAX);
    bench_exec(&bench, "SELECT 1; SELECT 2", ERROR_SYNTAX);
    bench_exec(&bench, "-- nothing", ERROR_SYNTAX);
    bench_exec(&bench, "SELECT randomblob(2000)", ERROR_LIMIT);
    assert_int_equal(counter_read(&bench.counters, COUNTER_DATABASE_TOO_LARGE), 1);
    struct database_query query = {.sql = TEXT("SELECT ?")};
    assert_int_equal(bench_ask(&bench, query, 0), ERROR_ARGUMENT);
    bench_close(&bench);
}

static void keeps_ordered_queries_in_order(void **state)
{
    (void)state;
    enum { count = 500 };
    struct bench bench;
    bench_open(&bench);
    bench_connect(&bench, url);
    bench_exec(&bench, "CREATE TABLE o (i INTEGER PRIMARY KEY)", 0);
    for (int i = 0; i < count; i++) {
        /* Each tenth violates the key: it fails alone, whatever batch it is in. */
        struct database_value value = INTEGER(i % 10 == 9 ? i - 1 : i);
        struct database_query query = {.sql = TEXT("INSERT INTO o VALUES (?)"),
                                       .values = &value,
                                       .value_count = 1,
                                       .is_ordered = true};
        assert_int_equal(bench_ask(&bench, query, (uintptr_t)i), 0);
    }
    for (int i = 0; i < count; i++) {
        struct database_answer *answer = bench_answer(&bench);
        assert_int_equal(bench_mark(answer), i);
        assert_int_equal(answer->error, i % 10 == 9 ? ERROR_STATE : 0);
        memory_release(answer);
    }
    struct database_answer *answer = bench_query(&bench, "SELECT count(*) FROM o", NULL, 0);
    assert_int_equal(database_at(answer, 0, 0)->integer, count - count / 10);
    memory_release(answer);
    bench_close(&bench);
}

/* Writes until it is killed, and says how far acknowledged. */
static void write_until_killed(int out)
{
    struct bench bench;
    bench_open(&bench);
    bench_connect(&bench, url);
    bench_exec(&bench, "CREATE TABLE w (i INTEGER PRIMARY KEY)", 0);
    for (int i = 0;; i++) {
        struct database_value value = INTEGER(i);
        struct database_query query = {.sql = TEXT("INSERT INTO w VALUES (?)"),
                                       .values = &value,
                                       .value_count = 1,
                                       .is_ordered = true};
        if (bench_ask(&bench, query, 0))
            abort();
        memory_release(bench_answer(&bench));
        if (write(out, &i, sizeof i) != sizeof i)
            abort();
    }
}

static void loses_nothing_acknowledged_when_killed(void **state)
{
    (void)state;
    int ends[2], last = -1, i;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        write_until_killed(ends[1]);
        _exit(1);
    }
    close(ends[1]);
    while (last < 200 && read(ends[0], &i, sizeof i) == sizeof i)
        last = i;
    kill(child, SIGKILL);
    while (read(ends[0], &i, sizeof i) == sizeof i)
        last = i;
    waitpid(child, NULL, 0);
    close(ends[0]);
    assert_true(last >= 200);
    struct bench bench;
    bench_open(&bench);
    bench_connect(&bench, url);
    struct database_answer *answer =
        bench_query(&bench, "SELECT count(*) FROM w WHERE i <= ?", VALUES(INTEGER(last)));
    assert_int_equal(answer->error, 0);
    assert_int_equal(database_at(answer, 0, 0)->integer, last + 1);
    memory_release(answer);
    bench_close(&bench);
}

static void one_connection_serves_a_database_in_memory(void **state)
{
    (void)state;
    struct bench bench;
    bench_open(&bench);
    bench_connect(&bench, "sqlite::memory:");
    bench_exec(&bench, "CREATE TABLE t (n INTEGER)", 0);
    struct database_query query = {.sql = TEXT("INSERT INTO t VALUES (1)"), .is_ordered = true};
    assert_int_equal(bench_ask(&bench, query, 0), 0);
    memory_release(bench_answer(&bench));
    struct database_answer *answer = bench_query(&bench, "SELECT n FROM t", NULL, 0);
    assert_int_equal(answer->row_count, 1);
    memory_release(answer);
    bench_close(&bench);
}

static void says_why_a_file_cannot_be_opened(void **state)
{
    (void)state;
    struct bench bench;
    bench_open(&bench);
    bench_connect(&bench, "sqlite:/nowhere/at/all.db");
    bench_exec(&bench, "SELECT 1", ERROR_TRANSPORT);
    bench_close(&bench);
    assert_non_null(strstr(bench.lines, "sqlite:/nowhere/at/all.db: no connection"));
}

/* An endless statement is given up at its deadline; and a stop does not wait for one. */
static void ends_an_endless_statement(void **state)
{
    (void)state;
    static const char endless[] = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) "
                                  "SELECT count(*) FROM c";
    struct bench bench;
    bench_open(&bench);
    bench_connect(&bench, url);
    struct database_query query = {.sql = text_of(endless), .deadline_ms = 10};
    assert_int_equal(bench_ask(&bench, query, 0), 0);
    struct database_answer *answer = bench_answer(&bench);
    assert_int_equal(answer->error, ERROR_TIMEOUT);
    memory_release(answer);
    query.deadline_ms = 0;
    assert_int_equal(bench_ask(&bench, query, 0), 0);
    database_stop(bench.database);
    answer = bench_answer(&bench);
    assert_int_equal(answer->error, ERROR_CANCELLED);
    memory_release(answer);
    assert_int_equal(bench_ask(&bench, query, 0), ERROR_STATE);
    bench_close(&bench);
}

/* It may hold passwords. A file that is there keeps its mode. */
static void makes_a_file_for_its_owner_alone(void **state)
{
    (void)state;
    struct stat made;
    char path[128];
    struct bench bench;
    snprintf(url, sizeof url, "sqlite:%s/inner/test.db", folder);
    snprintf(path, sizeof path, "%s/inner/test.db", folder);
    mode_t mask = umask(0);
    for (int i = 0; i < 2; i++) {
        bench_open(&bench);
        bench_connect(&bench, url);
        bench_exec(&bench, i ? "DROP TABLE t" : "CREATE TABLE t (n INTEGER)", 0);
        bench_close(&bench);
        assert_int_equal(stat(path, &made), 0);
        assert_int_equal(made.st_mode & 0777, i ? 0640 : 0600);
        assert_int_equal(chmod(path, 0640), 0);
    }
    umask(mask);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(brings_back_every_type, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(names_what_is_wrong, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(keeps_ordered_queries_in_order, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(loses_nothing_acknowledged_when_killed, make_folder,
                                        remove_folder),
        cmocka_unit_test(one_connection_serves_a_database_in_memory),
        cmocka_unit_test(says_why_a_file_cannot_be_opened),
        cmocka_unit_test_setup_teardown(makes_a_file_for_its_owner_alone, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(ends_an_endless_statement, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

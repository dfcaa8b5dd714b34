/*
 * PostgreSQL and MariaDB: real servers that this test starts on Unix sockets in a folder of its own, kills,
 * stops and starts again. What both must do is one list of functions; `server` says which one is meant.
 */
#include "bench.h"

#include <sys/stat.h>
#include <unistd.h>

static struct server {
    const char *kind;  /**< as spec/support/database_server.sh names it */
    const char *slow;  /**< SELECT that takes five seconds */
    const char *bytes; /**< type of a column of bytes */
    char folder[64], url[256];
} servers[] = {
    {.kind = "postgres", .slow = "SELECT pg_sleep(5)", .bytes = "bytea"},
    {.kind = "mysql", .slow = "SELECT sleep(5)", .bytes = "blob"},
};
static struct server *server;
static char folder[] = "/tmp/lunasip-servers-XXXXXX";

static int control(const char *verb)
{
    char command[512];
    snprintf(command, sizeof command, "'%s/spec/support/database_server.sh' %s '%s' %s",
             LUNASIP_SOURCE_DIR, server->kind, server->folder, verb);
    return system(command);
}

static int begin(struct server *which)
{
    server = which;
    bool is_postgres = which == &servers[0];
    snprintf(which->folder, sizeof which->folder, "%s/%s", folder, which->kind);
    snprintf(which->url, sizeof which->url, "%s://sip:geheim@localhost/sip?socket=%s%s",
             which->kind, which->folder, is_postgres ? "" : "/mysql.sock");
    return control("init");
}

static int begin_postgres(void **state)
{
    (void)state;
    return begin(&servers[0]);
}

static int begin_mysql(void **state)
{
    (void)state;
    return begin(&servers[1]);
}

static int end(void **state)
{
    (void)state;
    return control("stop");
}

/* An answer's words beside the number that was not expected. */
static void expect(struct database_answer *answer, int error)
{
    if (answer->error != error)
        print_error("%s: %s\n", error_text(answer->error), answer->problem);
    assert_int_equal(answer->error, error);
}

static void open_server(struct bench *bench)
{
    bench_open(bench);
    bench_connect(bench, server->url);
}

static void brings_back_every_type(void **state)
{
    (void)state;
    struct bench bench;
    char sql[256];
    open_server(&bench);
    bench_exec(&bench, "DROP TABLE IF EXISTS t", 0);
    snprintf(sql, sizeof sql,
             "CREATE TABLE t (n bigint, x double precision, s varchar(64), b %s, d decimal(8,2), "
             "at timestamp NULL, yes boolean)",
             server->bytes);
    bench_exec(&bench, sql, 0);
    struct database_answer *answer =
        bench_query(&bench, "INSERT INTO t VALUES (?, ?, ?, ?, ?, '2026-01-02 03:04:05', ?)",
                    VALUES(INTEGER(INT64_MIN), REAL(0.1), WORDS("it's \xc3\xa9"),
                           WORDS("a\0b\xff\\"), REAL(12.5), INTEGER(1)));
    expect(answer, 0);
    assert_int_equal(answer->affected_rows, 1);
    memory_release(answer);
    answer = bench_query(&bench, "INSERT INTO t VALUES (?, ?, ?, ?, ?, ?, ?)",
                         VALUES(NOTHING, NOTHING, WORDS(""), NOTHING, NOTHING, NOTHING, NOTHING));
    expect(answer, 0);
    memory_release(answer);
    answer = bench_query(&bench, "SELECT n, x, s, b, d, at AS moment, yes FROM t WHERE n = ?",
                         VALUES(INTEGER(INT64_MIN)));
    expect(answer, 0);
    assert_int_equal(answer->row_count, 1);
    assert_int_equal(answer->column_count, 7);
    assert_string_equal(answer->names[5], "moment");
    assert_true(database_at(answer, 0, 0)->integer == INT64_MIN);
    assert_true(database_at(answer, 0, 1)->real == 0.1);
    assert_words(database_at(answer, 0, 2), "it's \xc3\xa9");
    assert_words(database_at(answer, 0, 3), "a\0b\xff\\");
    assert_true(database_at(answer, 0, 4)->real == 12.5);
    assert_words(database_at(answer, 0, 5), "2026-01-02 03:04:05");
    assert_int_equal(database_at(answer, 0, 6)->type, DATABASE_INTEGER);
    assert_int_equal(database_at(answer, 0, 6)->integer, 1);
    memory_release(answer);
    answer = bench_query(&bench, "SELECT n, s FROM t WHERE n IS NULL", NULL, 0);
    assert_int_equal(answer->row_count, 1);
    assert_int_equal(database_at(answer, 0, 0)->type, DATABASE_NULL);
    assert_words(database_at(answer, 0, 1), "");
    memory_release(answer);
    answer = bench_query(&bench, "SELECT n FROM t WHERE s = ?", VALUES(INTEGER(1001)));
    expect(answer, 0); /* a number where a column is text */
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
    bench.settings.database_answer_bytes = 4096;
    bench_connect(&bench, server->url);
    bench_exec(&bench, "DROP TABLE IF EXISTS k", 0);
    bench_exec(&bench, "CREATE TABLE k (name varchar(64) PRIMARY KEY, n integer NOT NULL)", 0);
    bench_exec(&bench, "INSERT INTO k VALUES ('a', 1)", 0);
    bench_exec(&bench, "INSERT INTO k VALUES ('a', 2)", ERROR_STATE);
    bench_exec(&bench, "INSERT INTO k VALUES ('b', NULL)", ERROR_SYNTAX);
    bench_exec(&bench, "SELEC 1", ERROR_SYNTAX);
    bench_exec(&bench, "SELECT * FROM nowhere", ERROR_SYNTAX);
    bench_exec(&bench, "SELECT 1; SELECT 2", ERROR_SYNTAX);
    struct database_answer *answer =
        bench_query(&bench, "SELECT repeat('x', 10000) FROM k", NULL, 0);
    expect(answer, ERROR_LIMIT);
    memory_release(answer);
    /* A statement that hides its BEGIN leaves no transaction behind. */
    memory_release(bench_query(&bench, "/* hidden */ BEGIN", NULL, 0));
    for (int i = 0; i < 8; i++)
        memory_release(bench_query(&bench, "UPDATE k SET n = n + 1", NULL, 0));
    answer = bench_query(&bench, "SELECT n FROM k", NULL, 0);
    expect(answer, 0);
    assert_true(database_at(answer, 0, 0)->integer >= 8);
    memory_release(answer);
    bench_close(&bench);
}

static void a_slow_query_delays_no_other(void **state)
{
    (void)state;
    struct bench bench;
    open_server(&bench);
    struct database_query slow = {.sql = text_of(server->slow)};
    assert_int_equal(bench_ask(&bench, slow, 1), 0);
    for (uintptr_t i = 2; i < 100; i++) {
        struct database_query fast = {.sql = TEXT("SELECT 1"), .is_ordered = i % 2};
        assert_int_equal(bench_ask(&bench, fast, i), 0);
        struct database_answer *answer = bench_answer(&bench);
        expect(answer, 0);
        assert_int_equal(bench_mark(answer), i);
        memory_release(answer);
    }
    struct database_answer *answer = bench_answer(&bench);
    expect(answer, 0);
    assert_int_equal(bench_mark(answer), 1);
    memory_release(answer);
    bench_close(&bench);
}

static void insert_ordered(struct bench *bench, int i)
{
    struct database_value value = INTEGER(i);
    struct database_query query = {.sql = TEXT("INSERT INTO o (i) VALUES (?)"),
                                   .values = &value,
                                   .value_count = 1,
                                   .is_ordered = true};
    assert_int_equal(bench_ask(bench, query, (uintptr_t)i), 0);
}

static void ordered_queries_are_answered_in_order(void **state)
{
    (void)state;
    enum { count = 300 };
    struct bench bench;
    open_server(&bench);
    bench_exec(&bench, "DROP TABLE IF EXISTS o", 0);
    bench_exec(&bench, "CREATE TABLE o (i integer PRIMARY KEY)", 0);
    for (int i = 0; i < count; i++)
        insert_ordered(&bench, i % 10 == 9 ? i - 1 : i);
    for (int i = 0; i < count; i++) {
        struct database_answer *answer = bench_answer(&bench);
        assert_int_equal(bench_mark(answer), i % 10 == 9 ? i - 1 : i);
        expect(answer, i % 10 == 9 ? ERROR_STATE : 0);
        memory_release(answer);
    }
    struct database_answer *answer = bench_query(&bench, "SELECT count(*) FROM o", NULL, 0);
    assert_int_equal(database_at(answer, 0, 0)->integer, count - count / 10);
    memory_release(answer);
    bench_close(&bench);
}

/** Ask until it is well, and say how often it was not. */
static int ask_until_well(struct bench *bench, const char *sql)
{
    for (int failures = 0;; failures++) {
        struct database_answer *answer = bench_query(bench, sql, NULL, 0);
        int error = answer->error;
        memory_release(answer);
        if (!error)
            return failures;
        assert_int_equal(error, ERROR_TRANSPORT);
    }
}

static void comes_back_with_its_server(void **state)
{
    (void)state;
    struct bench bench;
    struct database_state now;
    open_server(&bench);
    bench_exec(&bench, "SELECT 1", 0);
    assert_int_equal(control("kill"), 0);
    /* What was idle when the server went is noticed before a query is given to it. */
    struct database_answer *answer = bench_query(&bench, "SELECT 1", NULL, 0);
    expect(answer, ERROR_TRANSPORT);
    memory_release(answer);
    assert_int_equal(control("start"), 0);
    ask_until_well(&bench, "SELECT 1");
    /* A restart between two queries costs none: the dead connections are seen, and made again. */
    assert_int_equal(control("stop"), 0);
    assert_int_equal(control("start"), 0);
    do {
        ask_until_well(&bench, "SELECT 2");
        database_get_state(bench.database, &now);
    } while (!now.is_connected);
    assert_true(counter_read(&bench.counters, COUNTER_DATABASE_DISCONNECTED) > 0);
    bench_close(&bench);
    assert_non_null(strstr(bench.lines, "no connection, queries fail until it is back"));
    assert_null(strstr(bench.lines, "geheim"));
}

static void acknowledged_writes_outlive_a_kill(void **state)
{
    (void)state;
    struct bench bench;
    open_server(&bench);
    bench_exec(&bench, "DROP TABLE IF EXISTS o", 0);
    bench_exec(&bench, "CREATE TABLE o (i integer PRIMARY KEY)", 0);
    int acknowledged = 0, asked = 200;
    for (int i = 0; i < asked; i++)
        insert_ordered(&bench, i);
    for (int i = 0; i < asked; i++) {
        struct database_answer *answer = bench_answer(&bench);
        acknowledged += !answer->error;
        memory_release(answer);
        if (i == 20)
            assert_int_equal(control("kill"), 0);
    }
    assert_int_equal(control("start"), 0);
    ask_until_well(&bench, "SELECT 1");
    struct database_answer *answer = bench_query(&bench, "SELECT count(*) FROM o", NULL, 0);
    expect(answer, 0);
    assert_true(acknowledged >= 21);
    assert_true(database_at(answer, 0, 0)->integer >= acknowledged);
    memory_release(answer);
    bench_close(&bench);
}

static void keeps_the_deadline_when_the_server_hangs(void **state)
{
    (void)state;
    struct bench bench;
    open_server(&bench);
    bench_exec(&bench, "SELECT 1", 0);
    assert_int_equal(control("hang"), 0);
    for (int i = 0; i < 10; i++) {
        struct database_query query = {.sql = TEXT("SELECT 1"), .deadline_ms = 50};
        query.is_ordered = i % 2;
        assert_int_equal(bench_ask(&bench, query, 1), 0);
        struct database_answer *answer = bench_answer(&bench);
        expect(answer, ERROR_TIMEOUT);
        memory_release(answer);
    }
    assert_int_equal(counter_read(&bench.counters, COUNTER_DATABASE_LATE), 10);
    assert_int_equal(control("resume"), 0);
    ask_until_well(&bench, "SELECT 1");
    bench_close(&bench);
}

static void prepares_anew_when_a_table_changes(void **state)
{
    (void)state;
    struct bench bench;
    bench_open(&bench);
    bench.settings.database_connections = 1;
    bench.settings.database_statements = 4;
    bench_connect(&bench, server->url);
    bench_exec(&bench, "DROP TABLE IF EXISTS c", 0);
    bench_exec(&bench, "CREATE TABLE c (a integer)", 0);
    bench_exec(&bench, "SELECT * FROM c", 0);
    bench_exec(&bench, "ALTER TABLE c ADD b integer", 0);
    /* PostgreSQL refuses the old plan once. */
    memory_release(bench_query(&bench, "SELECT * FROM c", NULL, 0));
    struct database_answer *answer = bench_query(&bench, "SELECT * FROM c", NULL, 0);
    expect(answer, 0);
    assert_int_equal(answer->column_count, 2);
    memory_release(answer);
    for (int i = 0; i < 40; i++) {
        char sql[64];
        snprintf(sql, sizeof sql, "SELECT %d FROM c", i % 20);
        bench_exec(&bench, sql, 0);
    }
    bench_close(&bench);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) && !chmod(folder, 0755) ? 0 : 1;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

#define SERVER_TESTS                                                                               \
    cmocka_unit_test(brings_back_every_type), cmocka_unit_test(names_what_is_wrong),               \
        cmocka_unit_test(a_slow_query_delays_no_other),                                            \
        cmocka_unit_test(ordered_queries_are_answered_in_order),                                   \
        cmocka_unit_test(comes_back_with_its_server),                                              \
        cmocka_unit_test(acknowledged_writes_outlive_a_kill),                                      \
        cmocka_unit_test(keeps_the_deadline_when_the_server_hangs),                                \
        cmocka_unit_test(prepares_anew_when_a_table_changes)

int main(void)
{
    const struct CMUnitTest postgres[] = {SERVER_TESTS};
    const struct CMUnitTest mysql[] = {SERVER_TESTS};
    make_folder(NULL);
    int failed = cmocka_run_group_tests_name("PostgreSQL", postgres, begin_postgres, end);
    failed += cmocka_run_group_tests_name("MariaDB", mysql, begin_mysql, end);
    remove_folder(NULL);
    return failed;
}

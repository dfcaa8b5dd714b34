/* Databases of a virtual world: real SQL on the virtual clock. */
#include "bench.h"

struct lab_bench {
    struct bench bench;
    struct loop *loop;
    struct mailbox mailbox;
    char trace[512]; /**< "MS mark error;" of each answer */
};

static void on_wake(void *arg)
{
    struct lab_bench *lab = arg;
    mailbox_run(&lab->mailbox);
}

struct question {
    struct lab_bench *lab;
    int mark;
};

static void note(void *arg, const struct database_answer *answer)
{
    struct question *question = arg;
    struct lab_bench *lab = question->lab;
    size_t n = strlen(lab->trace);
    long long value = answer->row_count ? (long long)database_at(answer, 0, 0)->integer : 0;
    snprintf(lab->trace + n, sizeof lab->trace - n, "%u %d %d %lld;",
             (unsigned)(lab_now_us(lab->bench.io) / 1000), question->mark, answer->error, value);
}

static int open_lab(struct lab_bench *lab)
{
    struct bench *bench = &lab->bench;
    struct database_options options = bench_options(bench, "postgres://u:secret@db.example/sip");
    int error = loop_create(&lab->loop, bench->io, "asker");
    if (error)
        return error;
    loop_set_handlers(lab->loop, &(struct loop_handlers){.wake = on_wake, .arg = lab});
    loop_start(lab->loop);
    lab->mailbox.loop = lab->loop;
    return database_create(&bench->database, &options);
}

static void begin(struct lab_bench *lab)
{
    memset(lab, 0, sizeof *lab);
    bench_open(&lab->bench);
    memory_release(lab->bench.io);
    assert_int_equal(io_lab_create(&lab->bench.io, 1), 0);
    lab->bench.settings.database_timeout_ms = 2000;
}

static void end(struct lab_bench *lab)
{
    lab->bench.database = memory_release(lab->bench.database);
    mailbox_drop(&lab->mailbox);
    memory_release(lab->loop);
    bench_close(&lab->bench);
}

static int lab_ask(struct lab_bench *lab, struct question *question, const char *sql)
{
    struct database_home home = database_mailbox_home(&lab->mailbox);
    struct database_query query = {.sql = text_of(sql)};
    question->lab = lab;
    return database_ask(lab->bench.database, &query, &home, note, question);
}

static void run(struct lab_bench *lab, unsigned ms)
{
    uint64_t until_us = lab_now_us(lab->bench.io) + ms * 1000u;
    while (lab_step(lab->bench.io, until_us))
        ;
}

static void runs_real_sql(void **state)
{
    (void)state;
    struct lab_bench lab;
    struct question first = {.mark = 1}, second = {.mark = 2};
    const char *problem = NULL;
    begin(&lab);
    assert_int_equal(open_lab(&lab), 0);
    assert_string_equal(database_kind(lab.bench.database), "sqlite");
    assert_int_equal(database_lab_load(lab.bench.database,
                                       "CREATE TABLE t (n INTEGER); INSERT INTO t VALUES (7)",
                                       &problem),
                     0);
    assert_int_equal(database_lab_load(lab.bench.database, "CREATE", &problem), ERROR_SYNTAX);
    assert_non_null(problem);
    assert_int_equal(lab_ask(&lab, &first, "SELECT n FROM t"), 0);
    assert_string_equal(lab.trace, "");
    run(&lab, 0);
    assert_int_equal(lab_ask(&lab, &second, "SELECT n FROM nowhere"), 0);
    run(&lab, 0);
    assert_string_equal(lab.trace, "0 1 0 7;0 2 -2 0;");
    end(&lab);
}

static void delays_and_fails_as_told(void **state)
{
    (void)state;
    struct lab_bench lab;
    struct database_state now;
    struct question q[5] = {{.mark = 0}, {.mark = 1}, {.mark = 2}, {.mark = 3}, {.mark = 4}};
    begin(&lab);
    assert_int_equal(open_lab(&lab), 0);
    database_lab_impair(lab.bench.database, 500, 0);
    lab_ask(&lab, &q[0], "SELECT 1");
    run(&lab, 100);
    database_lab_impair(lab.bench.database, 100, 0);
    lab_ask(&lab, &q[1], "SELECT 2");
    run(&lab, 900);
    assert_string_equal(lab.trace, "200 1 0 2;500 0 0 1;");
    database_lab_impair(lab.bench.database, 3000, 0);
    lab_ask(&lab, &q[2], "CREATE TABLE late (n INTEGER)");
    run(&lab, 5000);
    database_lab_impair(lab.bench.database, 0, ERROR_TRANSPORT);
    lab_ask(&lab, &q[3], "SELECT 3");
    database_get_state(lab.bench.database, &now);
    assert_false(now.is_connected);
    run(&lab, 0);
    database_lab_impair(lab.bench.database, 0, 0);
    lab_ask(&lab, &q[4], "SELECT count(*) + 10 FROM late");
    run(&lab, 0);
    assert_string_equal(lab.trace, "200 1 0 2;500 0 0 1;3000 2 -6 0;6000 3 -5 0;6000 4 0 10;");
    database_get_state(lab.bench.database, &now);
    assert_int_equal(now.late, 1);
    assert_int_equal(now.failed, 2);
    end(&lab);
}

static void a_stop_cancels(void **state)
{
    (void)state;
    struct lab_bench lab;
    struct question q[2] = {{.mark = 1}, {.mark = 2}};
    begin(&lab);
    assert_int_equal(open_lab(&lab), 0);
    database_lab_impair(lab.bench.database, 500, 0);
    lab_ask(&lab, &q[0], "SELECT 1");
    run(&lab, 10);
    lab_ask(&lab, &q[1], "SELECT 1");
    database_stop(lab.bench.database);
    run(&lab, 1000);
    assert_string_equal(lab.trace, "10 1 -9 0;10 2 -9 0;");
    end(&lab);
}

/* Each allocation of making, asking, carrying out and answering fails once. */
static void memory_may_run_out(void **state)
{
    (void)state;
    int error = ERROR_MEMORY;
    for (uint64_t n = 0; error; n++) {
        struct lab_bench lab;
        struct question question = {.mark = 1};
        begin(&lab);
        memory_fail_after(n);
        error = open_lab(&lab);
        if (!error)
            error = lab_ask(&lab, &question, "SELECT 'text', 5");
        if (!error) {
            run(&lab, 0);
            assert_int_not_equal(lab.trace[0], 0);
            error = strstr(lab.trace, "0 1 0 0;") ? 0 : ERROR_MEMORY;
        }
        memory_fail_never();
        end(&lab);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_real_sql),
        cmocka_unit_test(delays_and_fails_as_told),
        cmocka_unit_test(a_stop_cancels),
        cmocka_unit_test(memory_may_run_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

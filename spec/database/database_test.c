/*
 * Lanes, deadlines and reconnecting, with a fake kind of database whose server does what a test says. A
 * statement is one letter: 'f' is answered at once, 's' when the test opens the gate, 'l' loses the
 * connection, 'h' hangs until it is interrupted, 'm' finds no memory.
 */
#include "bench.h"

static struct fake {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_away, is_open; /**< server; gate */
    int connected, interrupted, slow;
    char order[64];
} fake;

struct database_connection {
    bool is_interrupted;
};

static void set(bool *what, bool value)
{
    pthread_mutex_lock(&fake.lock);
    *what = value;
    pthread_cond_broadcast(&fake.changed);
    pthread_mutex_unlock(&fake.lock);
}

static void wait_for(const int *what, int value)
{
    pthread_mutex_lock(&fake.lock);
    while (*what < value)
        pthread_cond_wait(&fake.changed, &fake.lock);
    pthread_mutex_unlock(&fake.lock);
}

static int fake_connect(struct database_connection **connectionp, const struct database_url *url,
                        const struct database_limits *limits, char *problem)
{
    (void)url, (void)limits;
    pthread_mutex_lock(&fake.lock);
    bool is_away = fake.is_away;
    fake.connected += !is_away;
    pthread_cond_broadcast(&fake.changed);
    pthread_mutex_unlock(&fake.lock);
    snprintf(problem, DATABASE_PROBLEM_BYTES, "it is away");
    if (is_away)
        return ERROR_TRANSPORT;
    *connectionp = calloc(1, sizeof **connectionp);
    return 0;
}

static bool fake_is_alive(struct database_connection *connection)
{
    (void)connection;
    pthread_mutex_lock(&fake.lock);
    bool is_away = fake.is_away;
    pthread_mutex_unlock(&fake.lock);
    return !is_away;
}

static void wait_slow(struct database_connection *connection, bool heeds_gate)
{
    fake.slow++;
    pthread_cond_broadcast(&fake.changed);
    while (!(heeds_gate && fake.is_open) && !connection->is_interrupted)
        pthread_cond_wait(&fake.changed, &fake.lock);
    fake.slow--;
}

static int fake_run(struct database_connection *connection, const struct database_statement *v,
                    struct answer_builder *const *builders, size_t count)
{
    static const char *const names[] = {"n"};
    int error = 0;
    pthread_mutex_lock(&fake.lock);
    for (size_t i = 0; i < count && !error; i++) {
        char what = v[i].sql[0];
        size_t n = strlen(fake.order);
        if (n + 1 < sizeof fake.order)
            fake.order[n] = what;
        if (what == 's' || what == 'h')
            wait_slow(connection, what == 's');
        if (what == 'l' || connection->is_interrupted)
            error = ERROR_TRANSPORT;
        if (what == 'm')
            memory_fail_after(0);
        answer_columns(builders[i], 1, names);
        answer_value(builders[i], &INTEGER((int64_t)i));
        if (what == 'm')
            memory_fail_never();
        if (error)
            answer_problem(builders[i], error, "lost");
    }
    pthread_mutex_unlock(&fake.lock);
    return error;
}

static void fake_interrupt(struct database_connection *connection)
{
    pthread_mutex_lock(&fake.lock);
    connection->is_interrupted = true;
    fake.interrupted++;
    pthread_cond_broadcast(&fake.changed);
    pthread_mutex_unlock(&fake.lock);
}

static void fake_close(struct database_connection *connection)
{
    free(connection);
}

static const struct database_operations fake_operations = {
    .schemes = {"fake"},
    .placeholder = '?',
    .connect = fake_connect,
    .is_alive = fake_is_alive,
    .run = fake_run,
    .interrupt = fake_interrupt,
    .close = fake_close,
};

static int create(struct bench *bench)
{
    struct database_options options = bench_options(bench, "");
    struct database_url *url = memory_alloc(sizeof *url, NULL);
    if (!url)
        return ERROR_MEMORY;
    url->operations = &fake_operations;
    url->shown = "fake:";
    return database_create_url(&bench->database, &options, url);
}

static void fake_open(struct bench *bench, unsigned connections)
{
    memset(&fake, 0, sizeof fake);
    pthread_mutex_init(&fake.lock, NULL);
    pthread_cond_init(&fake.changed, NULL);
    bench_open(bench);
    bench->settings.database_connections = connections;
}

static void ask(struct bench *bench, const char *sql, uintptr_t mark)
{
    struct database_query query = {.sql = text_of(sql)};
    assert_int_equal(bench_ask(bench, query, mark), 0);
}

static void ask_ordered(struct bench *bench, const char *sql, uintptr_t mark)
{
    struct database_query query = {.sql = text_of(sql), .is_ordered = true};
    assert_int_equal(bench_ask(bench, query, mark), 0);
}

static void expect(struct bench *bench, uintptr_t mark, int error)
{
    struct database_answer *answer = bench_answer(bench);
    assert_int_equal(bench_mark(answer), mark);
    assert_int_equal(answer->error, error);
    memory_release(answer);
}

static void a_slow_query_delays_no_other(void **state)
{
    (void)state;
    struct bench bench;
    fake_open(&bench, 2);
    assert_int_equal(create(&bench), 0);
    ask(&bench, "s", 1);
    wait_for(&fake.slow, 1);
    for (uintptr_t i = 10; i < 20; i++) {
        ask(&bench, "f", i);
        expect(&bench, i, 0);
    }
    ask_ordered(&bench, "f", 2);
    expect(&bench, 2, 0);
    set(&fake.is_open, true);
    expect(&bench, 1, 0);
    bench_close(&bench);
}

static void ordered_queries_wait_for_each_other(void **state)
{
    (void)state;
    struct bench bench;
    fake_open(&bench, 2);
    assert_int_equal(create(&bench), 0);
    ask_ordered(&bench, "s", 1);
    wait_for(&fake.slow, 1);
    for (uintptr_t i = 2; i < 10; i++)
        ask_ordered(&bench, i % 2 ? "a" : "b", i);
    ask(&bench, "f", 20);
    expect(&bench, 20, 0);
    set(&fake.is_open, true);
    for (uintptr_t i = 1; i < 10; i++)
        expect(&bench, i, 0);
    assert_string_equal(fake.order, "sfbabababa");
    bench_close(&bench);
}

static void the_deadline_is_kept_whatever_the_server_does(void **state)
{
    (void)state;
    struct bench bench;
    struct database_state now;
    fake_open(&bench, 1);
    assert_int_equal(create(&bench), 0);
    struct database_query hang = {.sql = TEXT("h"), .deadline_ms = 20};
    struct database_query behind = {.sql = TEXT("f"), .deadline_ms = 30};
    assert_int_equal(bench_ask(&bench, hang, 1), 0);
    assert_int_equal(bench_ask(&bench, behind, 2), 0);
    expect(&bench, 1, ERROR_TIMEOUT);
    expect(&bench, 2, ERROR_TIMEOUT);
    database_get_state(bench.database, &now);
    assert_int_equal(now.late, 2);
    assert_int_equal(now.waiting, 0);
    assert_int_equal(counter_read(&bench.counters, COUNTER_DATABASE_LATE), 2);
    /* A connection that says nothing is given up for a new one. */
    wait_for(&fake.interrupted, 1);
    ask(&bench, "f", 3);
    expect(&bench, 3, 0);
    bench_close(&bench);
}

static void a_late_answer_is_dropped(void **state)
{
    (void)state;
    struct bench bench;
    fake_open(&bench, 1);
    assert_int_equal(create(&bench), 0);
    struct database_query slow = {.sql = TEXT("s"), .deadline_ms = 20};
    assert_int_equal(bench_ask(&bench, slow, 1), 0);
    expect(&bench, 1, ERROR_TIMEOUT);
    set(&fake.is_open, true);
    ask(&bench, "f", 2);
    expect(&bench, 2, 0);
    bench_close(&bench);
}

static void fails_at_once_while_the_server_is_away(void **state)
{
    (void)state;
    struct bench bench;
    struct database_state now;
    fake_open(&bench, 2);
    fake.is_away = true;
    assert_int_equal(create(&bench), 0);
    ask(&bench, "f", 1);
    expect(&bench, 1, ERROR_TRANSPORT);
    ask_ordered(&bench, "f", 2);
    expect(&bench, 2, ERROR_TRANSPORT);
    database_get_state(bench.database, &now);
    assert_false(now.is_connected);
    assert_int_equal(now.failed, 2);
    set(&fake.is_away, false);
    while (!now.is_connected) {
        ask(&bench, "f", 3);
        memory_release(bench_answer(&bench));
        database_get_state(bench.database, &now);
    }
    ask(&bench, "f", 4);
    expect(&bench, 4, 0);
    bench_close(&bench);
    assert_non_null(strstr(bench.lines, "fake:: connected"));
}

static void a_lost_connection_is_made_again(void **state)
{
    (void)state;
    struct bench bench;
    fake_open(&bench, 1);
    assert_int_equal(create(&bench), 0);
    for (uintptr_t i = 0; i < 5; i++) {
        ask(&bench, "l", i);
        expect(&bench, i, ERROR_TRANSPORT);
        ask(&bench, "f", i);
        expect(&bench, i, 0);
    }
    assert_int_equal(counter_read(&bench.counters, COUNTER_DATABASE_DISCONNECTED), 5);
    bench_close(&bench);
}

static void texts_of_statements_are_forgotten(void **state)
{
    (void)state;
    struct bench bench;
    fake_open(&bench, 1);
    bench.settings.database_statements = 2;
    assert_int_equal(create(&bench), 0);
    static const char *const texts[] = {"f", "f1", "f", "f2", "f1"}; /* the last two for another */
    for (uintptr_t i = 0; i < 5; i++) {
        ask(&bench, texts[i], i);
        expect(&bench, i, 0);
    }
    assert_int_equal(counter_read(&bench.counters, COUNTER_DATABASE_STATEMENT_FORGOTTEN), 2);
    bench_close(&bench);
}

static void the_queue_has_an_end(void **state)
{
    (void)state;
    struct bench bench;
    fake_open(&bench, 1);
    bench.settings.database_queue = 3;
    assert_int_equal(create(&bench), 0);
    ask(&bench, "s", 1);
    ask(&bench, "f", 2);
    ask(&bench, "f", 3);
    struct database_query query = {.sql = TEXT("f")};
    assert_int_equal(bench_ask(&bench, query, 4), ERROR_LIMIT);
    assert_int_equal(counter_read(&bench.counters, COUNTER_DATABASE_QUEUE_FULL), 1);
    set(&fake.is_open, true);
    expect(&bench, 1, 0);
    expect(&bench, 2, 0);
    expect(&bench, 3, 0);
    bench_close(&bench);
}

static void a_stop_answers_everything(void **state)
{
    (void)state;
    struct bench bench;
    fake_open(&bench, 1);
    assert_int_equal(create(&bench), 0);
    ask(&bench, "h", 1);
    wait_for(&fake.slow, 1);
    for (uintptr_t i = 2; i < 10; i++)
        i % 2 ? ask(&bench, "f", i) : ask(&bench, "s", i);
    ask_ordered(&bench, "h", 10);
    database_stop(bench.database);
    bool seen[11] = {false};
    for (uintptr_t i = 1; i <= 10; i++) {
        struct database_answer *answer = bench_answer(&bench);
        assert_int_equal(answer->error, ERROR_CANCELLED);
        assert_false(seen[bench_mark(answer)]);
        seen[bench_mark(answer)] = true;
        memory_release(answer);
    }
    bench_close(&bench);
}

static bool refuse(void *arg, struct database_answer *answer)
{
    (void)arg, (void)answer;
    return false;
}

static void an_answer_that_nobody_takes_is_counted(void **state)
{
    (void)state;
    struct bench bench;
    fake_open(&bench, 1);
    assert_int_equal(create(&bench), 0);
    struct database_home home = {refuse, NULL};
    struct database_query query = {.sql = TEXT("f")};
    assert_int_equal(database_ask(bench.database, &query, &home, bench_done, NULL), 0);
    ask(&bench, "f", 1);
    expect(&bench, 1, 0);
    database_stop(bench.database);
    assert_int_equal(counter_read(&bench.counters, COUNTER_DATABASE_LOST_ANSWER), 1);
    bench_close(&bench);
}

/* The allocations of the asker, one after the other; those of a lane are the fake's 'm'. */
static void memory_may_run_out(void **state)
{
    (void)state;
    struct bench bench;
    fake_open(&bench, 2);
    int error = ERROR_MEMORY;
    for (uint64_t n = 0; error; n++) {
        memory_fail_after(n);
        error = create(&bench);
        memory_fail_never();
        assert_true(error == 0 || error == ERROR_MEMORY);
    }
    struct database_value value = WORDS("x");
    struct database_query query = {.sql = TEXT("f ?"), .values = &value, .value_count = 1};
    error = ERROR_MEMORY;
    for (uint64_t n = 0; error; n++) {
        memory_fail_after(n);
        error = bench_ask(&bench, query, 1);
        memory_fail_never();
        assert_true(error == 0 || error == ERROR_MEMORY);
    }
    expect(&bench, 1, 0);
    ask(&bench, "m", 2);
    expect(&bench, 2, ERROR_MEMORY);
    ask(&bench, "f", 3);
    expect(&bench, 3, 0);
    bench_close(&bench);
}

/* ---- many threads ---- */

enum { THREADS = 4, QUERIES = 400 };

struct asker {
    struct bench *bench;
    pthread_t thread;
};

static void *ask_many(void *arg)
{
    static const char *const kinds[] = {"f", "f", "f", "l", "s", "m", "f"};
    struct asker *asker = arg;
    for (int i = 0; i < QUERIES; i++) {
        struct database_query query = {.sql = text_of(kinds[i % 7]),
                                       .is_ordered = i % 3 == 0,
                                       .deadline_ms = i % 11 == 0 ? 1 : 0};
        if (bench_ask(asker->bench, query, 0))
            abort();
    }
    return NULL;
}

static void many_threads_ask_at_once(void **state)
{
    (void)state;
    struct bench bench;
    struct asker askers[THREADS];
    struct database_state now;
    fake_open(&bench, 3);
    fake.is_open = true;
    assert_int_equal(create(&bench), 0);
    for (int i = 0; i < THREADS; i++) {
        askers[i].bench = &bench;
        assert_int_equal(pthread_create(&askers[i].thread, NULL, ask_many, &askers[i]), 0);
    }
    for (int i = 0; i < THREADS * QUERIES; i++) {
        memory_release(bench_answer(&bench));
        if (i % 100 == 0)
            database_get_state(bench.database, &now);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(askers[i].thread, NULL);
    database_get_state(bench.database, &now);
    assert_int_equal(now.asked, THREADS * QUERIES);
    assert_int_equal(now.waiting, 0);
    bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slow_query_delays_no_other),
        cmocka_unit_test(ordered_queries_wait_for_each_other),
        cmocka_unit_test(the_deadline_is_kept_whatever_the_server_does),
        cmocka_unit_test(a_late_answer_is_dropped),
        cmocka_unit_test(fails_at_once_while_the_server_is_away),
        cmocka_unit_test(a_lost_connection_is_made_again),
        cmocka_unit_test(texts_of_statements_are_forgotten),
        cmocka_unit_test(the_queue_has_an_end),
        cmocka_unit_test(a_stop_answers_everything),
        cmocka_unit_test(an_answer_that_nobody_takes_is_counted),
        cmocka_unit_test(memory_may_run_out),
        cmocka_unit_test(many_threads_ask_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

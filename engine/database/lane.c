/*
 * Lanes: one thread with one connection each. The lanes of a pool take queries from its queue one at a time,
 * so a slow one occupies its own lane only; ordered queries have a pool with a single lane, which takes
 * what waits as one batch. The clock answers what is over its deadline, whatever the lane does; a lane
 * that is still at it LATE_MS later is interrupted, which costs it its connection.
 *
 * Lock: everything is under database->lock but connecting, running, closing and posting what was claimed.
 */
#include "database/internal.h"

#include "base/error.h"
#include "base/memory.h"

#include <signal.h>
#include <stdio.h>
#include <time.h>

#define LATE_MS          2000 /* a connection whose answer is late by more is given up */
#define PAUSE_FIRST_MS   100  /* between attempts to connect */
#define PAUSE_LONGEST_MS 5000
#define LOOK_MS          1000 /* an idle lane looks at its connection so often */
#define STOP_MS          50   /* a lane that does not end is interrupted again after this */

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/** @return false when the time was over */
static bool wait_until(pthread_cond_t *cond, struct database *database, uint64_t until_ms)
{
    struct timespec until = {(time_t)(until_ms / 1000), (long)(until_ms % 1000) * 1000000};
    return pthread_cond_timedwait(cond, &database->lock, &until) == 0;
}

/* ---- queries of a lane ---- */

/** A deadline has passed; on the clock's thread, under the lock. */
static void on_deadline(void *arg)
{
    struct query *query = arg;
    struct database *database = query->database;
    if (query->answer) {
        query_fail(query, ERROR_TIMEOUT, "no answer within the deadline");
        if (query->lane) {
            timer_start(&database->timers, &query->timer, LATE_MS, on_deadline, query);
            return;
        }
        list_remove(&query->link);
        memory_release(query);
        return;
    }
    if (query->lane->is_running)
        database->operations->interrupt(query->lane->connection);
}

/** Is there, or may there soon be, a connection? A pool without lanes stands for nobody. */
static bool can_serve(const struct pool *pool)
{
    return pool->down < pool->lanes;
}

void lanes_take(struct database *database, struct query *query, bool is_ordered)
{
    struct pool *pool = &database->pools[is_ordered && database->pools[1].lanes ? 1 : 0];
    if (!can_serve(pool)) {
        query_fail(query, ERROR_TRANSPORT, "no connection to the database");
        memory_release(query);
        return;
    }
    uint64_t due_ms = now_ms() + query->deadline_ms;
    /* The wheel stands at the last look of the clock. */
    timer_start(&database->timers, &query->timer, due_ms - database->timers.now_ms, on_deadline,
                query);
    if (due_ms < database->clock_wakes_ms)
        pthread_cond_signal(&database->clock_work);
    list_append(&pool->waiting, &query->link);
    pthread_cond_signal(&pool->work);
}

/** Answer all that waits in a pool whose lanes are all down. */
static void fail_waiting(struct pool *pool, struct database *database, int error, const char *words)
{
    for (struct link *link; (link = list_pop(&pool->waiting));) {
        struct query *query = CONTAINER_OF(link, struct query, link);
        timer_stop(&database->timers, &query->timer);
        query_fail(query, error, words);
        memory_release(query);
    }
}

/* ---- connections ---- */

/** Is there a connection for every query? Under the lock. */
bool lanes_are_connected(const struct database *database)
{
    const struct pool *pools = database->pools;
    return pools[0].up && (pools[1].up || !pools[1].lanes);
}

/** One line when some queries begin to fail, one when none does any more. */
static void tell(struct database *database, const struct pool *pool, const char *words)
{
    if (!can_serve(pool) && database->told != TOLD_AWAY) {
        database->told = TOLD_AWAY;
        log_warning(database->log, LOG_DATABASE, TEXT_NONE,
                    "%s: no connection, queries fail until it is back: %s", database->url->shown,
                    words);
    } else if (lanes_are_connected(database) && database->told != TOLD_CONNECTED) {
        database->told = TOLD_CONNECTED;
        log_info(database->log, LOG_DATABASE, TEXT_NONE, "%s: connected", database->url->shown);
    }
}

static void set_state(struct lane *lane, enum lane_state state, const char *words)
{
    struct pool *pool = lane->pool;
    pool->down += (state == LANE_DOWN) - (lane->state == LANE_DOWN);
    pool->up += (state == LANE_UP) - (lane->state == LANE_UP);
    lane->state = state;
    tell(lane->database, pool, words);
    if (!can_serve(pool))
        fail_waiting(pool, lane->database, ERROR_TRANSPORT, words);
}

static void drop_connection(struct lane *lane)
{
    struct database *database = lane->database;
    struct database_connection *connection = lane->connection;
    lane->connection = NULL;
    pthread_mutex_unlock(&database->lock);
    database->operations->close(connection);
    pthread_mutex_lock(&database->lock);
}

static void lose_connection(struct lane *lane)
{
    struct database *database = lane->database;
    drop_connection(lane);
    database_count(database, COUNTER_DATABASE_DISCONNECTED);
    log_debug(database->log, LOG_DATABASE, TEXT_NONE, "%s: connection lost", database->url->shown);
    set_state(lane, LANE_CONNECTING, "");
}

static void connect_lane(struct lane *lane)
{
    struct database *database = lane->database;
    struct database_connection *connection = NULL;
    char problem[DATABASE_PROBLEM_BYTES] = "";
    pthread_mutex_unlock(&database->lock);
    int error =
        database->operations->connect(&connection, database->url, &database->limits, problem);
    pthread_mutex_lock(&database->lock);
    if (!error) {
        lane->connection = connection;
        lane->pause_ms = PAUSE_FIRST_MS;
        set_state(lane, LANE_UP, "");
        return;
    }
    set_state(lane, LANE_DOWN, problem[0] ? problem : error_text(error));
    uint64_t until_ms = now_ms() + lane->pause_ms;
    while (!database->is_stopping && wait_until(&database->stopping, database, until_ms))
        ;
    lane->pause_ms = lane->pause_ms * 2 < PAUSE_LONGEST_MS ? lane->pause_ms * 2 : PAUSE_LONGEST_MS;
}

/** Look at a connection that was idle: what hung up in the meantime costs no query. */
static bool is_alive(struct lane *lane)
{
    struct database *database = lane->database;
    pthread_mutex_unlock(&database->lock);
    bool alive = database->operations->is_alive(lane->connection);
    pthread_mutex_lock(&database->lock);
    return alive;
}

/* ---- carrying out ---- */

struct batch {
    struct query *queries[DATABASE_BATCH_MOST];
    struct database_statement statements[DATABASE_BATCH_MOST];
    struct answer_builder builders[DATABASE_BATCH_MOST];
    struct answer_builder *builder_list[DATABASE_BATCH_MOST];
    size_t count;
};

static void take_batch(struct lane *lane, struct batch *batch)
{
    struct database *database = lane->database;
    batch->count = 0;
    while (batch->count < lane->pool->batch && lane->pool->waiting.first) {
        struct query *query = CONTAINER_OF(list_pop(&lane->pool->waiting), struct query, link);
        query->lane = lane;
        list_append(&database->running, &query->link);
        size_t i = batch->count++;
        batch->queries[i] = query;
        batch->statements[i] = (struct database_statement){
            query->statement->id, query->statement->sql, query->values, query->value_count};
        batch->builders[i] = (struct answer_builder){.bytes_most = database->answer_bytes};
        batch->builder_list[i] = &batch->builders[i];
    }
}

/** Answer a query, unless its deadline has. Called under the lock, and left under it. */
static void finish(struct query *query, struct answer_builder *builder)
{
    struct database *database = query->database;
    timer_stop(&database->timers, &query->timer);
    list_remove(&query->link);
    struct database_answer *plain = query_claim(query);
    pthread_mutex_unlock(&database->lock);
    if (plain) {
        if (builder->error == ERROR_LIMIT)
            database_count(database, COUNTER_DATABASE_TOO_LARGE);
        query_post(query, answer_finish(builder, plain));
    } else {
        answer_clear(builder);
    }
    memory_release(query);
    pthread_mutex_lock(&database->lock);
}

static void carry_out(struct lane *lane, struct batch *batch)
{
    struct database *database = lane->database;
    lane->is_running = true;
    pthread_mutex_unlock(&database->lock);
    int error = database->operations->run(lane->connection, batch->statements, batch->builder_list,
                                          batch->count);
    pthread_mutex_lock(&database->lock);
    lane->is_running = false;
    for (size_t i = 0; i < batch->count; i++)
        finish(batch->queries[i], &batch->builders[i]);
    if (error)
        lose_connection(lane);
}

static void serve(struct lane *lane, struct batch *batch)
{
    struct database *database = lane->database;
    if (!lane->pool->waiting.first) {
        uint64_t look_ms = now_ms() + LOOK_MS;
        if (wait_until(&lane->pool->work, database, look_ms) || database->is_stopping)
            return;
    }
    if (!is_alive(lane)) {
        lose_connection(lane);
        return;
    }
    take_batch(lane, batch);
    if (batch->count)
        carry_out(lane, batch);
}

static void *lane_main(void *arg)
{
    struct lane *lane = arg;
    struct database *database = lane->database;
    struct batch *batch = memory_raw(sizeof *batch);
    pthread_mutex_lock(&database->lock);
    while (!database->is_stopping && batch) {
        if (!lane->connection)
            connect_lane(lane);
        else
            serve(lane, batch);
    }
    if (!batch)
        set_state(lane, LANE_DOWN, error_text(ERROR_MEMORY));
    if (lane->connection)
        drop_connection(lane);
    lane->has_ended = true;
    pthread_cond_broadcast(&database->lane_ended);
    pthread_mutex_unlock(&database->lock);
    memory_free_raw(batch);
    return NULL;
}

static void *clock_main(void *arg)
{
    struct database *database = arg;
    pthread_mutex_lock(&database->lock);
    while (!database->is_stopping) {
        timers_advance(&database->timers, now_ms());
        uint64_t next_ms = timers_next_ms(&database->timers);
        database->clock_wakes_ms = next_ms;
        if (next_ms == UINT64_MAX)
            pthread_cond_wait(&database->clock_work, &database->lock);
        else
            wait_until(&database->clock_work, database, next_ms);
    }
    pthread_mutex_unlock(&database->lock);
    return NULL;
}

/* ---- start and stop ---- */

/** Signals are for the main thread. */
static int start_thread(pthread_t *thread, const char *name, void *(*run)(void *), void *arg)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(thread, NULL, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed)
        return ERROR_LIMIT;
    pthread_setname_np(*thread, name);
    return 0;
}

int lanes_start(struct database *database)
{
    timers_init(&database->timers, now_ms());
    database->clock_wakes_ms = UINT64_MAX;
    if (start_thread(&database->clock, "database-clock", clock_main, database))
        return ERROR_LIMIT;
    database->has_clock = true;
    for (unsigned i = 0; i < database->lane_count; i++) {
        struct lane *lane = &database->lanes[i];
        lane->database = database;
        lane->pool = &database->pools[database->pools[1].lanes && i == 0 ? 1 : 0];
        lane->pause_ms = PAUSE_FIRST_MS;
        char name[16];
        snprintf(name, sizeof name, "database-%u", i % 1000);
        if (start_thread(&lane->thread, name, lane_main, lane))
            return ERROR_LIMIT;
        lane->has_thread = true;
    }
    return 0;
}

static bool all_ended(const struct database *database)
{
    for (unsigned i = 0; i < database->lane_count; i++) {
        if (database->lanes[i].has_thread && !database->lanes[i].has_ended)
            return false;
    }
    return true;
}

static void interrupt_all(struct database *database)
{
    for (unsigned i = 0; i < database->lane_count; i++) {
        struct lane *lane = &database->lanes[i];
        if (lane->is_running)
            database->operations->interrupt(lane->connection);
    }
}

void lanes_stop(struct database *database)
{
    static const char words[] = "lunasip stops";
    pthread_mutex_lock(&database->lock);
    for (size_t i = 0; i < 2; i++) {
        fail_waiting(&database->pools[i], database, ERROR_CANCELLED, words);
        pthread_cond_broadcast(&database->pools[i].work);
    }
    LIST_FOR_EACH (link, &database->running) {
        query_fail(CONTAINER_OF(link, struct query, link), ERROR_CANCELLED, words);
    }
    pthread_cond_broadcast(&database->stopping);
    pthread_cond_broadcast(&database->clock_work);
    while (!all_ended(database)) {
        interrupt_all(database);
        wait_until(&database->lane_ended, database, now_ms() + STOP_MS);
    }
    pthread_mutex_unlock(&database->lock);
    for (unsigned i = 0; i < database->lane_count; i++) {
        if (database->lanes[i].has_thread)
            pthread_join(database->lanes[i].thread, NULL);
        database->lanes[i].has_thread = false;
    }
    if (database->has_clock)
        pthread_join(database->clock, NULL);
    database->has_clock = false;
}

/* Databases as others see them. */
#include "database/internal.h"

#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"

/* ---- making ---- */

static void init_condition(pthread_cond_t *cond)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attributes);
    pthread_condattr_destroy(&attributes);
}

static void database_destructor(void *object)
{
    struct database *database = object;
    database_stop(database);
    statements_release(&database->statements);
    memory_free_raw(database->lanes);
    memory_release(database->url);
    for (size_t i = 0; i < 2; i++)
        pthread_cond_destroy(&database->pools[i].work);
    pthread_cond_destroy(&database->stopping);
    pthread_cond_destroy(&database->lane_ended);
    pthread_cond_destroy(&database->clock_work);
    pthread_mutex_destroy(&database->lock);
}

/** One lane for all, or one for ordered queries and the others for the rest. */
static int plan_lanes(struct database *database, unsigned connections)
{
    const struct database_operations *operations = database->operations;
    bool is_single = operations->is_single && operations->is_single(database->url);
    database->pools[0].lanes = is_single ? 1 : connections;
    database->pools[1].lanes = is_single ? 0 : 1;
    database->pools[0].batch = 1;
    database->pools[1].batch = DATABASE_BATCH_MOST;
    unsigned count = database->pools[0].lanes + database->pools[1].lanes;
    size_t size_bytes = count * sizeof *database->lanes;
    database->lanes = memory_raw(size_bytes);
    if (!database->lanes)
        return ERROR_MEMORY;
    memset(database->lanes, 0, size_bytes);
    database->lane_count = count;
    return 0;
}

static void init(struct database *database, const struct database_options *options,
                 struct database_url *url)
{
    const struct settings *settings = options->settings;
    database->url = url;
    /* What the lab has instead of a server speaks SQLite's dialect. */
    database->operations = io_is_virtual(options->io) ? &database_sqlite : url->operations;
    database->limits = (struct database_limits){(uint32_t)settings->database_timeout_ms,
                                                settings->database_statements};
    database->queue_most = settings->database_queue;
    database->answer_bytes = settings->database_answer_bytes;
    database->log = options->log;
    database->counters = options->counters;
    pthread_mutex_init(&database->lock, NULL);
    for (size_t i = 0; i < 2; i++)
        init_condition(&database->pools[i].work);
    init_condition(&database->stopping);
    init_condition(&database->lane_ended);
    init_condition(&database->clock_work);
    struct random random = {0};
    io_seed_random(options->io, &random);
    struct hash_key key = {random_u64(&random), random_u64(&random)};
    statements_init(&database->statements, database->operations, &key,
                    settings->database_statements);
}

int database_create_url(struct database **databasep, const struct database_options *options,
                        struct database_url *url)
{
    struct database *database = memory_alloc(sizeof *database, database_destructor);
    if (!database) {
        memory_release(url);
        return ERROR_MEMORY;
    }
    init(database, options, url);
    int error;
    if (io_is_virtual(options->io))
        error = lab_start(database, options->io, options->url);
    else
        error = plan_lanes(database, (unsigned)options->settings->database_connections);
    if (!error && !options->is_held)
        error = database_start(database);
    if (error)
        memory_release(database);
    else
        *databasep = database;
    return error;
}

int database_create(struct database **databasep, const struct database_options *options)
{
    struct database_url *url = NULL;
    const char *problem;
    int error = database_url_parse(&url, options->url, &problem);
    return error ? error : database_create_url(databasep, options, url);
}

int database_start(struct database *database)
{
    int error = 0;
    pthread_mutex_lock(&database->lock);
    if (!database->has_started && !database->is_stopping && !database->lab)
        error = lanes_start(database);
    database->has_started = true;
    pthread_mutex_unlock(&database->lock);
    return error;
}

void database_stop(struct database *database)
{
    pthread_mutex_lock(&database->lock);
    bool was_stopping = database->is_stopping;
    database->is_stopping = true;
    pthread_mutex_unlock(&database->lock);
    if (was_stopping)
        return;
    if (database->lab)
        lab_stop(database);
    else
        lanes_stop(database);
}

/* ---- asking ---- */

int database_statement(struct database *database, struct text sql, struct statement **statementp)
{
    unsigned forgotten = 0;
    int error = statements_get(&database->statements, sql, statementp, &forgotten);
    if (forgotten)
        database_count(database, COUNTER_DATABASE_STATEMENT_FORGOTTEN);
    return error;
}

/** Under the lock. @param queryp returned owned */
static int make_query(struct database *database, struct query **queryp,
                      const struct database_query *ask, const struct database_home *home,
                      database_done_handler *done, void *arg)
{
    if (database->is_stopping || !database->has_started)
        return ERROR_STATE;
    if (database->waiting >= database->queue_most) {
        database_count(database, COUNTER_DATABASE_QUEUE_FULL);
        return ERROR_LIMIT;
    }
    struct statement *statement = NULL;
    int error = database_statement(database, ask->sql, &statement);
    if (error)
        return error;
    if (statement->placeholders != ask->value_count) {
        memory_release(statement);
        return ERROR_ARGUMENT;
    }
    *queryp = query_create(database, statement, ask, home, done, arg);
    return *queryp ? 0 : ERROR_MEMORY;
}

int database_ask(struct database *database, const struct database_query *ask,
                 const struct database_home *home, database_done_handler *done, void *arg)
{
    struct query *query = NULL;
    pthread_mutex_lock(&database->lock);
    int error = make_query(database, &query, ask, home, done, arg);
    if (!error) {
        if (!query->deadline_ms)
            query->deadline_ms = database->limits.timeout_ms;
        database->waiting++;
        database->asked++;
        database_count(database, COUNTER_DATABASE_ASKED);
        if (database->lab)
            lab_take(database, query);
        else
            lanes_take(database, query, ask->is_ordered);
    }
    pthread_mutex_unlock(&database->lock);
    return error;
}

/* ---- looking ---- */

void database_get_state(struct database *database, struct database_state *state)
{
    pthread_mutex_lock(&database->lock);
    *state = (struct database_state){
        .is_connected = database->lab ? lab_is_connected(database) : lanes_are_connected(database),
        .waiting = database->waiting,
        .asked = database->asked,
        .failed = atomic_load_explicit(&database->failed, memory_order_relaxed),
        .late = atomic_load_explicit(&database->late, memory_order_relaxed),
    };
    pthread_mutex_unlock(&database->lock);
}

const char *database_kind(const struct database *database)
{
    return database->operations->schemes[0];
}

const char *database_name(const struct database *database)
{
    return database->url->shown;
}

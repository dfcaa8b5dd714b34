/* Private to this folder: a database, its queries, and the threads that carry them out. */
#pragma once

#include "base/timer.h"
#include "database/answer.h"
#include "database/statement.h"

#include <pthread.h>

/* ---- queries (query.c) ---- */

/** Counted. A query from database_ask() to its answer; the lock of its database guards it. */
struct query {
    struct link link;            /**< in pool.waiting or database.running, lab.waiting */
    struct timer timer;          /**< its deadline; then how long a late answer is waited for */
    struct database *database;   /**< borrowed */
    struct lane *lane;           /**< that carries it out; NULL while it waits */
    struct statement *statement; /**< owned */
    struct database_home home;
    struct database_answer *answer; /**< owned, NULL once it is posted */
    struct database_answer *result; /**< owned; the lab's, until it is due */
    uint32_t deadline_ms;
    size_t value_count;
    struct database_value values[];
};

/** @param statement given, on an error too. @return returned owned; NULL without memory */
struct query *query_create(struct database *database, struct statement *statement,
                           const struct database_query *ask, const struct database_home *home,
                           database_done_handler *done, void *arg);
/**
 * Take the right to answer it: nobody else will. Under the lock.
 * @return its plain answer, returned owned; NULL: it is answered
 */
struct database_answer *query_claim(struct query *query);
/** Count an answer's outcome and send it home. Any thread, with or without the lock. @param answer given */
void query_post(struct query *query, struct database_answer *answer);
/** Claim it and post an error, unless it is answered. Under the lock. */
void query_fail(struct query *query, int error, const char *words);

/* ---- lanes (lane.c) ---- */

enum lane_state {
    LANE_CONNECTING, /**< first attempt, or first after a loss: queries wait for it */
    LANE_UP,
    LANE_DOWN /**< the last attempt failed */
};

#define DATABASE_BATCH_MOST 64 /* queries that a lane takes at once */

/** Queries and the lanes that carry them out. */
struct pool {
    struct list waiting; /**< struct query, oldest first */
    pthread_cond_t work;
    unsigned lanes;    /**< that serve it */
    unsigned up, down; /**< of them, LANE_UP, LANE_DOWN */
    size_t batch;      /**< queries that a lane takes at once */
};

/** A connection and its thread. */
struct lane {
    struct database *database; /**< borrowed */
    struct pool *pool;         /**< borrowed */
    pthread_t thread;
    bool has_thread, has_ended;
    enum lane_state state;
    struct database_connection *connection; /**< NULL: none. Only its thread changes it */
    bool is_running;                        /**< within run(): may be interrupted */
    uint32_t pause_ms;                      /**< before the next attempt */
};

struct lab_database;

struct database {
    struct database_url *url; /**< owned */
    const struct database_operations *operations;
    struct database_limits limits;
    size_t queue_most, answer_bytes;
    struct log *log;
    struct counters *counters;
    pthread_mutex_t lock; /**< guards all below */
    struct statements statements;
    struct pool pools[2]; /**< in any order; ordered, unless one lane must do for all */
    struct lane *lanes;   /**< owned */
    unsigned lane_count;
    enum { TOLD_NOTHING, TOLD_CONNECTED, TOLD_AWAY } told; /**< by the last log line */
    struct list running; /**< struct query that a lane carries out */
    size_t waiting;      /**< queries not answered */
    uint64_t asked;
    _Atomic uint64_t failed, late;
    bool has_started, is_stopping;
    pthread_cond_t stopping; /**< ends pauses */
    pthread_cond_t lane_ended;
    /* The clock: a thread that sleeps until the next deadline. */
    pthread_t clock;
    bool has_clock;
    pthread_cond_t clock_work;
    struct timers timers;
    uint64_t clock_wakes_ms;  /**< when it looks again by itself */
    struct lab_database *lab; /**< owned; NULL in the real world, which has no lanes in the lab */
};

/** database_create() of a URL that is read. @param url given, on an error too */
int database_create_url(struct database **databasep, const struct database_options *options,
                        struct database_url *url);

/** Start clock and lanes; under the lock. @return 0 or ERROR_LIMIT, ERROR_MEMORY */
int lanes_start(struct database *database);
/** End clock and lanes, whatever they do. */
void lanes_stop(struct database *database);
/** Hand a query to a lane; under the lock. @param query given */
void lanes_take(struct database *database, struct query *query, bool is_ordered);

/** Is there a connection for every query? Under the lock. */
bool lanes_are_connected(const struct database *database);

/* ---- the lab (lab.c) ---- */

int lab_start(struct database *database, struct io *io, const char *url);
void lab_stop(struct database *database);
/** @param query given */
void lab_take(struct database *database, struct query *query);
bool lab_is_connected(const struct database *database);

/** statements_get() of this database; what is forgotten is counted. Under the lock, but in the lab. */
int database_statement(struct database *database, struct text sql, struct statement **statementp);
/** Count one where several threads count. */
static inline void database_count(struct database *database, enum counter counter)
{
    atomic_fetch_add_explicit(&database->counters->value[counter], 1, memory_order_relaxed);
}

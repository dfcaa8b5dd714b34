/*
 * SQL without waiting. A query is asked on one thread, carried out on the database's own, and answered
 * on the thread that asked: a slow server delays nobody but those who need its answer.
 *
 * GLOSSARY
 *   database  one URL of the configuration or of a script; one per engine, shared by its workers
 *   query     one statement with its values bound, never pasted into the text; answered exactly once
 *   answer    rows, or why there are none
 *   home      who asked: answers are posted to its mailbox, as an owned reference
 *
 * URLs: sqlite:PATH (sqlite::memory:), postgres://USER:PASSWORD@HOST:PORT/NAME, mysql:// likewise (MariaDB).
 * To add a kind: implement struct database_operations (operations.h) and list it in database.c.
 */
#pragma once

#include "base/counter.h"
#include "base/log.h"
#include "base/settings.h"
#include "io/io.h"

struct database; /* counted */

enum database_type { DATABASE_NULL, DATABASE_INTEGER, DATABASE_REAL, DATABASE_TEXT };

/** One value, bound or answered. @p text may hold any bytes. */
struct database_value {
    enum database_type type;
    int64_t integer;
    double real;
    struct text text;
};

struct database_answer;
/** Runs on the home's thread, from database_answer_deliver(). @p answer borrowed */
typedef void database_done_handler(void *arg, const struct database_answer *answer);

/** Counted. What a query brought; read-only. */
struct database_answer {
    int error; /**< 0; ERROR_TIMEOUT (deadline), ERROR_TRANSPORT (no connection), ERROR_SYNTAX
                                  (the server refuses the statement), ERROR_STATE (a key is there already),
                                  ERROR_LIMIT (too many queries wait), ERROR_CANCELLED (the engine stops) */
    const char *problem;    /**< the server's own words, or ""; owned by the answer */
    uint64_t affected_rows; /**< of INSERT, UPDATE, DELETE */
    size_t row_count, column_count;
    const char *const *names;            /**< of the columns */
    const struct database_value *values; /**< row after row */
    database_done_handler *done;
    void *arg;
};
static inline const struct database_value *database_at(const struct database_answer *answer,
                                                       size_t row, size_t column)
{
    return &answer->values[row * answer->column_count + column];
}

/** Where answers go. @p post takes over the reference when it returns true; any thread. */
struct database_home {
    bool (*post)(void *arg, struct database_answer *answer);
    void *arg;
};
/** What the home does with a posted answer: runs its handler and releases it. */
void database_answer_deliver(struct database_answer *answer);

struct database_options {
    struct io *io; /**< borrowed; a virtual one makes a virtual database, see below */
    const char *url;
    const struct settings
        *settings;             /**< borrowed; block database: connections, queue, timeout_ms */
    struct counters *counters; /**< borrowed */
    struct log *log; /**< borrowed; connection lost and back: one line each, without password */
};

/** Is the URL one that database_create() takes? @return 0 or ERROR_ARGUMENT with *problem, static */
int database_check_url(const char *url, const char **problem);
/**
 * Make it and begin to connect; a server that is away is tried again with growing pauses (up to 5 s),
 * and queries fail at once with ERROR_TRANSPORT meanwhile.
 * @return 0, ERROR_ARGUMENT (URL), ERROR_MEMORY
 */
int database_create(struct database **databasep, const struct database_options *options);
/** Answer everything that waits with ERROR_CANCELLED, end the threads; before memory_release(). */
void database_stop(struct database *database);

/** One statement; everything is copied. Placeholders are '?' whatever the server calls them. */
struct database_query {
    struct text sql;
    const struct database_value *values;
    size_t value_count;
    uint32_t deadline_ms; /**< 0: the setting */
    bool is_ordered;      /**< after every ordered query asked before, on one connection */
};
/**
 * Ask; any thread.
 * @return 0; ERROR_LIMIT (the queue is full), ERROR_ARGUMENT (placeholders and values differ in number),
 *         ERROR_MEMORY: @p done is then not called
 */
int database_ask(struct database *database, const struct database_query *query,
                 const struct database_home *home, database_done_handler *done, void *arg);

/** For status. */
struct database_state {
    bool is_connected;
    size_t waiting;               /**< queries not answered */
    uint64_t asked, failed, late; /**< late: over their deadline */
};
void database_get_state(struct database *database, struct database_state *state);
/** "postgres", "mysql", "sqlite": dialects differ where a statement replaces a row. */
const char *database_kind(const struct database *database);

/*
 * In a virtual io every URL is a SQLite database in memory on a loop of the world, one per URL text, so that
 * specs run real SQL on the virtual clock.
 */
/** Every answer comes so much later; any query from now on fails with @p error (0: none does). */
void database_lab_impair(struct database *database, uint32_t delay_ms, int error);

/*
 * SQL without waiting. A query is asked on one thread, carried out on one of the database's own, and
 * answered on the thread that asked: a slow server delays nobody but those who need its answer.
 *
 * GLOSSARY
 *   database  one URL of the configuration or of a script; one per engine, shared by its workers
 *   query     one statement with its values bound, never pasted into the text; answered exactly once
 *   answer    rows, or why there are none
 *   home      who asked: answers are posted there, as an owned reference
 *
 * URLs: sqlite:PATH (sqlite::memory:), postgres://USER:PASSWORD@HOST:PORT/NAME, mysql:// likewise (MariaDB);
 * url.h has the options behind '?'. To add a kind: implement struct database_operations (operations.h)
 * and list it in url.c.
 *
 * Every statement is a transaction of its own. There is no BEGIN: between two queries of one asker
 * those of others are carried out, on the same connection.
 */
#pragma once

#include "base/counter.h"
#include "base/log.h"
#include "base/settings.h"
#include "io/mailbox.h"

struct database; /* counted */

enum database_type { DATABASE_NULL, DATABASE_INTEGER, DATABASE_REAL, DATABASE_TEXT };

/** One value, bound or answered. */
struct database_value {
    enum database_type type;
    int64_t integer;
    double real;
    struct text text; /**< any bytes, NUL too */
};

struct database_answer;
/** Runs on the home's thread, from database_answer_deliver() or mailbox_run(). @p answer borrowed */
typedef void database_done_handler(void *arg, const struct database_answer *answer);

/** Counted. What a query brought; read-only. */
struct database_answer {
    struct mail mail; /**< how it comes home where a mailbox is the home */
    int error; /**< 0; ERROR_TIMEOUT (deadline), ERROR_TRANSPORT (no connection, or lost before
                                 the answer: whether it was carried out is unknown), ERROR_SYNTAX (the
                                 server refuses the statement), ERROR_STATE (a key is there already),
                                 ERROR_LIMIT (more rows than database.answer_bytes hold; the server is
                                 full), ERROR_MEMORY, ERROR_CANCELLED (the engine stops) */
    const char *problem;    /**< the server's own words, or ""; owned by the answer */
    uint64_t affected_rows; /**< of INSERT, UPDATE, DELETE */
    size_t row_count, column_count;
    const char *const *names;            /**< of the columns; there without rows, too */
    const struct database_value *values; /**< row after row */
    database_done_handler *done;
    void *arg;
};
static inline const struct database_value *database_at(const struct database_answer *answer,
                                                       size_t row, size_t column)
{
    return &answer->values[row * answer->column_count + column];
}

/** Where answers go. */
struct database_home {
    /**
     * Takes over the reference when it returns true; any thread, sometimes from within database_ask().
     * It must not call the database. Refusing loses the answer, which is counted.
     */
    bool (*post)(void *arg, struct database_answer *answer);
    void *arg;
};
/** What the home does with a posted answer: runs its handler and releases it. */
void database_answer_deliver(struct database_answer *answer);

/** The home that posts into @p mailbox, which must outlive what is asked with it. */
struct database_home database_mailbox_home(struct mailbox *mailbox);

struct database_options {
    struct io *io; /**< borrowed; a virtual one makes a virtual database, see below */
    const char *url;
    const struct settings *settings; /**< block database; copied */
    struct counters *counters; /**< borrowed; of databases alone, whose threads all write them */
    struct log *log; /**< borrowed; connection lost and back: one line each, without password */
    bool is_held;    /**< connect only at database_start(): under the account that serves */
};

/** Is the URL one that database_create() takes? @return 0 or ERROR_ARGUMENT with *problem, static */
int database_check_url(const char *url, const char **problem);
/**
 * Make it and begin to connect; a server that is away is tried again with growing pauses (up to 5 s),
 * and queries fail at once with ERROR_TRANSPORT meanwhile. Until the first attempt has ended they wait.
 * @return 0, ERROR_ARGUMENT (URL), ERROR_LIMIT (threads), ERROR_MEMORY
 */
int database_create(struct database **databasep, const struct database_options *options);
/** Begin to connect, where database_create() did not. @return 0; ERROR_LIMIT (threads), ERROR_MEMORY */
int database_start(struct database *database);
/**
 * Answer everything that waits with ERROR_CANCELLED, end the threads; before memory_release(). Takes at
 * most as long as an attempt to connect.
 */
void database_stop(struct database *database);

/** One statement; everything is copied. Placeholders are '?' whatever the server calls them. */
struct database_query {
    struct text sql;
    const struct database_value *values;
    size_t value_count;
    uint32_t deadline_ms; /**< 0: the setting */
    bool is_ordered; /**< after every ordered query asked before, on one connection of their own */
};
/**
 * Ask; any thread.
 * @return 0; ERROR_LIMIT (the queue is full), ERROR_ARGUMENT (placeholders and values differ in number, or
 *         a statement that begins or ends a transaction), ERROR_STATE (stopped, or not started),
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
/** The URL without user and password, for people. */
const char *database_name(const struct database *database);

/*
 * In a virtual io every URL is a SQLite database in memory, so that specs run real SQL on the virtual clock.
 * All databases of one URL in one world share their tables, as they would share a server; the tables are
 * there as long as one of them is.
 */
/** Every answer comes so much later; any query from now on fails with @p error (0: none does). */
void database_lab_impair(struct database *database, uint32_t delay_ms, int error);
/** Run statements separated by ';' at once: a schema. @return 0 or ERROR_SYNTAX with *problem, borrowed */
int database_lab_load(struct database *database, const char *sql, const char **problem);
/** Carry out one statement at once, whatever is impaired. @return its answer, returned owned; NULL without memory */
struct database_answer *database_lab_run(struct database *database, struct text sql);

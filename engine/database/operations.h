/*
 * Private to this folder: what a kind of database is. All of it runs on the database's own thread of that
 * connection and may block there, except interrupt().
 */
#pragma once

#include "database/database.h"

struct database_connection; /* the kind's own struct */

/** Fills an answer; allocation failures are remembered and told by the finished answer. */
struct answer_builder;
void answer_columns(struct answer_builder *builder, size_t count, const char *const *names);
void answer_value(struct answer_builder *builder,
                  const struct database_value *value); /**< copied */
void answer_affected(struct answer_builder *builder, uint64_t rows);
void answer_problem(struct answer_builder *builder, int error, const char *words); /**< copied */

/** One statement as the kinds get it. */
struct database_statement {
    const char *
        sql; /**< NUL-terminated, placeholders as the kind wants them; equal texts are equal pointers */
    const struct database_value *values;
    size_t value_count;
    uint64_t deadline_us; /**< io clock */
};

struct database_operations {
    const char *scheme; /**< "postgres" */
    char placeholder;   /**< '?' or '$' ($1, $2 …) */
    bool is_single;     /**< one connection is all that it can use (SQLite) */
    /** @return 0, ERROR_TRANSPORT with words in @p problem */
    int (*connect)(struct database_connection **connectionp, const char *url, uint32_t timeout_ms,
                   char *problem, size_t problem_bytes);
    /**
     * Carry out @p count statements in order, several at once where the server can (pipeline mode), each
     * with its own builder. @return 0, or ERROR_TRANSPORT: the connection is lost; builders without an
     * answer then are answered so by the caller
     */
    int (*run)(struct database_connection *connection, const struct database_statement *v,
               struct answer_builder *const *builders, size_t count);
    void (*close)(struct database_connection *connection);
};

extern const struct database_operations database_sqlite, database_postgres, database_mysql;

/*
 * Private to this folder: what a kind of database is. All of it runs on the database's own thread of that
 * connection and may block there, except interrupt().
 */
#pragma once

#include "database/database.h"
#include "database/url.h"

struct database_connection; /* the kind's own struct */

#define DATABASE_PROBLEM_BYTES 256 /* of a server's words that are kept, with the NUL */

/** Fills an answer; allocation failures are remembered and told by the finished answer. */
struct answer_builder;
void answer_columns(struct answer_builder *builder, size_t count, const char *const *names);
void answer_value(struct answer_builder *builder,
                  const struct database_value *value); /**< copied */
void answer_affected(struct answer_builder *builder, uint64_t rows);
/** The first one counts; rows that came before are forgotten. @param words copied; NULL: none */
void answer_problem(struct answer_builder *builder, int error, const char *words);
/** Did a problem come? Then more values are of no use. */
bool answer_has_failed(const struct answer_builder *builder);

/** One statement as the kinds get it. */
struct database_statement {
    uint64_t id;     /**< the same for equal texts; never used again for another */
    const char *sql; /**< NUL-terminated, placeholders as the kind wants them */
    const struct database_value *values; /**< a NUL follows each text */
    size_t value_count;
};

/** How a kind connects. */
struct database_limits {
    uint32_t timeout_ms; /**< of an attempt to connect */
    size_t statements;   /**< prepared ones that a connection keeps */
};

struct database_operations {
    const char *schemes[3]; /**< of its URLs, the first is its name; NULL ends them */
    char placeholder;       /**< '?' or '$' ($1, $2 …) */
    bool escapes_quotes;    /**< a backslash within '' escapes the next byte */
    /** Can one connection alone use it? NULL: never. */
    bool (*is_single)(const struct database_url *url);
    /** @return 0; ERROR_TRANSPORT, ERROR_MEMORY with words in @p problem */
    int (*connect)(struct database_connection **connectionp, const struct database_url *url,
                   const struct database_limits *limits, char *problem);
    /** Has the other side not hung up since? Asks the kernel, not the server. */
    bool (*is_alive)(struct database_connection *connection);
    /**
     * Carry out @p count statements in order, several at once where the server can (pipeline mode), each
     * with its own builder and each its own transaction as far as failures go.
     * @return 0, or ERROR_TRANSPORT: the connection is lost; builders without an answer then have failed so
     */
    int (*run)(struct database_connection *connection, const struct database_statement *v,
               struct answer_builder *const *builders, size_t count);
    /** Make a run() that is under way end soon; any thread, the connection is not closed meanwhile. */
    void (*interrupt)(struct database_connection *connection);
    void (*close)(struct database_connection *connection);
};

extern const struct database_operations database_sqlite, database_postgres, database_mysql;

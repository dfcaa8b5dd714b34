/* Private to this folder: making answers. */
#pragma once

#include "base/buffer.h"
#include "database/operations.h"

/** Zero-initialised but for bytes_most is empty and ready. */
struct answer_builder {
    size_t bytes_most;    /**< of values; more is ERROR_LIMIT */
    struct buffer names;  /**< each with its NUL */
    struct buffer values; /**< struct database_value; a text's p is its offset in bytes */
    struct buffer bytes;  /**< of texts */
    size_t column_count, value_count;
    uint64_t affected_rows;
    int error;
    char problem[DATABASE_PROBLEM_BYTES];
};

/**
 * An answer without rows, made before it is needed: so every query can be answered, memory or not.
 * @return returned owned; NULL without memory
 */
struct database_answer *answer_plain(database_done_handler *done, void *arg);
/** Say what went wrong in an answer of answer_plain(). */
void answer_fail(struct database_answer *plain, int error, const char *words);
/**
 * Make the answer of what was built and forget it; without memory that is ERROR_MEMORY.
 * @param plain  given. @return returned owned
 */
struct database_answer *answer_finish(struct answer_builder *builder,
                                      struct database_answer *plain);
/** Forget what was built; the builder is empty and ready again. */
void answer_clear(struct answer_builder *builder);

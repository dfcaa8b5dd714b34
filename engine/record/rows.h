/* The rows that a record's line becomes; private to this folder. */
#pragma once

#include "base/arena.h"
#include "database/database.h"

enum row_table { ROW_ACC, ROW_MISSED, ROW_CDR, ROW_TABLE_COUNT };
/** "acc" and so on. */
const char *row_table_name(enum row_table table);

/** Further columns of one table: "column=name". */
struct row_extra {
    const char *const *v; /**< borrowed */
    size_t count;
};

struct row {
    struct row *next;
    enum row_table table;
    struct database_value *values; /**< row_columns() of them */
    struct text line;              /**< that it came from, with its end */
};

/** Columns of a row. */
size_t row_columns(enum row_table table, const struct row_extra *extra);
/** "INSERT INTO acc (...) VALUES (...), (...)" for @p count rows. */
struct text row_statement(enum row_table table, const struct row_extra *extra, size_t count,
                          struct arena *arena);
#define ROW_KEY_MOST 6
/**
 * "SELECT count(*) FROM acc WHERE ...": is that row there? Its values are row_key()'s.
 * @return absent: rows of that table cannot be told apart (acc_cdrs without a column for call_id), or no memory
 */
struct text row_question(enum row_table table, const struct row_extra *extra, struct arena *arena);
/** @param key  borrowed from @p row. @return how many, 0 where there is no question */
size_t row_key(const struct row *row, const struct row_extra *extra,
               struct database_value key[ROW_KEY_MOST]);

/**
 * The rows of one line, in the order of their events; texts are in the arena.
 * @param extra        of each table
 * @param wants_missed  a call that nobody answered has one in missed_calls, too
 * @param last   where they are appended: *last is the first new one
 * @return 0, ERROR_MEMORY, ERROR_SYNTAX (it is no record)
 */
int rows_of_line(struct text line, const struct row_extra extra[ROW_TABLE_COUNT], bool wants_missed,
                 struct arena *arena, struct row **last);

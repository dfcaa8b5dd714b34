/*
 * One batch at a time: lines from the spool become rows, rows of one table go together into statements,
 * and when the database has answered all of them the spool moves on. A statement that it refuses is cut
 * into single rows; of a row that it refuses by itself the line is put aside, and the others go on.
 * A statement is carried out whole or not at all: when its answer is lost, its first row tells.
 */
#include "record/sql.h"

#include "base/error.h"
#include "base/memory.h"
#include "record/file.h"
#include "record/rows.h"

#define LINES_AT_ONCE 64
#define RETRY_MS      500

static const size_t sizes[] = {32, 8, 1}; /* rows of a statement: few texts stay prepared */

/* Rows of one table that one statement writes. */
struct chunk {
    struct chunk *next;
    struct batch *batch;
    struct row *first;
    size_t count;
    bool is_asked, is_done;
    bool is_uncertain; /* it may be there already */
};

/* Counted: each statement under way holds it. */
struct batch {
    struct record_sql *sql;
    struct arena arena;
    struct buffer lines;
    struct chunk *chunks;
    size_t under_way;
    int error; /* of the database as such: it is tried again */
};

struct record_sql {
    struct record_sql_options options;
    struct row_extra extra[ROW_TABLE_COUNT];
    struct record_file *refused; /* owned; NULL: none */
    struct batch *batch;         /* owned; NULL: none */
    uint64_t retry_us;           /* wall clock: not before */
    bool is_away;                /* and it was said */
    bool is_made;                /* SQLite: the tables are there */
    bool wants_missed;
    bool has_leftover; /* an earlier process was at the first lines of the spool */
};

static void batch_destroy(void *object)
{
    struct batch *batch = object;
    arena_reset(&batch->arena);
    buffer_release(&batch->lines);
}

static void destroy(void *object)
{
    struct record_sql *sql = object;
    memory_release(sql->batch);
    memory_release(sql->refused);
}

int record_sql_create(struct record_sql **sqlp, const struct record_sql_options *options)
{
    struct record_sql *sql = memory_alloc(sizeof *sql, destroy);
    if (!sql)
        return ERROR_MEMORY;
    sql->options = *options;
    sql->extra[ROW_ACC] = sql->extra[ROW_MISSED] =
        (struct row_extra){options->acc_extra, options->acc_extra_count};
    sql->has_leftover = spool_waiting_bytes(options->spool) > 0;
    sql->extra[ROW_CDR] = (struct row_extra){options->cdr_extra, options->cdr_extra_count};
    int error = options->refused_path
                    ? record_file_create(&sql->refused, options->refused_path, options->log)
                    : 0;
    if (error) {
        memory_release(sql);
        return error;
    }
    *sqlp = sql;
    return 0;
}

void record_sql_set_missed(struct record_sql *sql, bool wants_missed)
{
    sql->wants_missed = wants_missed;
}

/* ---- what the database says ---- */

static void note_away(struct record_sql *sql, int error, const char *problem)
{
    if (!sql->is_away)
        log_warning(sql->options.log, LOG_RECORD, TEXT_NONE,
                    "records cannot be stored: %s%s%s; they wait in the spool", error_text(error),
                    problem[0] ? ": " : "", problem);
    sql->is_away = true;
    sql->retry_us = io_wall_us(sql->options.io) + RETRY_MS * 1000;
}

static void note_back(struct record_sql *sql)
{
    if (sql->is_away)
        log_info(sql->options.log, LOG_RECORD, TEXT_NONE, "records are stored again");
    sql->is_away = false;
}

/* The row is at fault, not the database: to write it again is of no use. */
static bool is_refusal(int error)
{
    return error == ERROR_SYNTAX || error == ERROR_ARGUMENT || error == ERROR_STATE;
}

static void put_aside(struct record_sql *sql, const struct row *row, int error, const char *problem)
{
    log_error(sql->options.log, LOG_RECORD, TEXT_NONE, "the database refuses a row of %s: %s%s%s",
              row_table_name(row->table), error_text(error), problem[0] ? ": " : "", problem);
    counter_count(sql->options.counters, COUNTER_RECORDS_REFUSED);
    if (sql->refused)
        record_file_append(sql->refused, row->line, io_wall_us(sql->options.io) / 1000);
}

/* ---- statements ---- */

static void finish(struct record_sql *sql);

static struct chunk *add_chunk(struct batch *batch, struct row *first, size_t count,
                               struct chunk **at)
{
    struct chunk *chunk = arena_zalloc(&batch->arena, sizeof *chunk);
    if (!chunk)
        return NULL;
    *chunk = (struct chunk){.next = *at, .batch = batch, .first = first, .count = count};
    *at = chunk;
    return chunk;
}

/* Each row by itself from now on. */
static int split(struct chunk *chunk)
{
    struct row *row = chunk->first;
    struct chunk *behind = chunk->next;
    for (size_t i = 0; i < chunk->count; i++, row = row->next)
        if (!add_chunk(chunk->batch, row, 1, &chunk->next)) {
            chunk->next = behind; /* it is split anew when it is refused again */
            return ERROR_MEMORY;
        }
    chunk->is_done = true;
    return 0;
}

/* @param error  of the database as such */
static void take_answer(struct chunk *chunk, int error, const char *problem)
{
    struct batch *batch = chunk->batch;
    struct record_sql *sql = batch->sql;
    if (error) {
        batch->error = error;
        note_away(sql, error, problem);
    }
    if (--batch->under_way == 0 && error != ERROR_CANCELLED)
        finish(sql);
    memory_release(batch);
}

static void note_stored(struct chunk *chunk)
{
    struct record_sql *sql = chunk->batch->sql;
    chunk->is_done = true;
    counter_add(sql->options.counters, COUNTER_RECORDS_STORED, chunk->count);
    note_back(sql);
}

/* What the database does not tell is taken as not there: better twice than lost. */
static void on_told(void *arg, const struct database_answer *answer)
{
    struct chunk *chunk = arg;
    int error = is_refusal(answer->error) ? 0 : answer->error;
    chunk->is_asked = false;
    chunk->is_uncertain = error != 0;
    if (!answer->error && answer->row_count && database_at(answer, 0, 0)->integer > 0)
        note_stored(chunk);
    take_answer(chunk, error, answer->problem);
}

static void on_answer(void *arg, const struct database_answer *answer)
{
    struct chunk *chunk = arg;
    struct record_sql *sql = chunk->batch->sql;
    int error = answer->error;
    chunk->is_asked = false;
    chunk->is_uncertain = error == ERROR_TRANSPORT || error == ERROR_TIMEOUT;
    if (!error) {
        note_stored(chunk);
    } else if (is_refusal(error) && chunk->count > 1) {
        error = split(chunk);
    } else if (is_refusal(error)) {
        put_aside(sql, chunk->first, error, answer->problem);
        chunk->is_done = true;
        error = 0;
    }
    take_answer(chunk, error, answer->problem);
}

static int ask(struct chunk *chunk, struct text statement, const struct database_value *values,
               size_t count, database_done_handler *done)
{
    struct record_sql *sql = chunk->batch->sql;
    int error = database_ask(
        sql->options.database,
        &(struct database_query){
            .sql = statement, .values = values, .value_count = count, .is_ordered = true},
        &sql->options.home, done, chunk);
    if (error)
        return error;
    chunk->is_asked = true;
    chunk->batch->under_way++;
    memory_ref(chunk->batch);
    return 0;
}

/* Is it there? @return whether that was asked; *error is why it could not be */
static bool ask_first(struct record_sql *sql, struct chunk *chunk, int *error)
{
    const struct row_extra *extra = &sql->extra[chunk->first->table];
    struct database_value key[ROW_KEY_MOST];
    size_t count = row_key(chunk->first, extra, key);
    struct arena scratch = {0};
    if (!chunk->is_uncertain || !count)
        return false;
    struct text question = row_question(chunk->first->table, extra, &scratch);
    *error = question.p ? ask(chunk, question, key, count, on_told) : ERROR_MEMORY;
    arena_reset(&scratch);
    return true;
}

/* An outage may last, and this is tried twice a second: nothing of it stays with the batch. */
static int write_rows(struct record_sql *sql, struct chunk *chunk)
{
    struct arena scratch = {0};
    enum row_table table = chunk->first->table;
    size_t columns = row_columns(table, &sql->extra[table]);
    struct text statement = row_statement(table, &sql->extra[table], chunk->count, &scratch);
    struct database_value *values = arena_alloc(&scratch, chunk->count * columns * sizeof *values);
    const struct row *row = chunk->first;
    int error = statement.p && values ? 0 : ERROR_MEMORY;
    for (size_t i = 0; i < chunk->count && !error; i++, row = row->next)
        memcpy(values + i * columns, row->values, columns * sizeof *values);
    if (!error)
        error = ask(chunk, statement, values, chunk->count * columns, on_answer);
    arena_reset(&scratch);
    return error;
}

static int write_or_ask(struct record_sql *sql, struct chunk *chunk)
{
    int error;
    return ask_first(sql, chunk, &error) ? error : write_rows(sql, chunk);
}

static void ask_all(struct record_sql *sql)
{
    struct batch *batch = sql->batch;
    batch->error = 0;
    memory_ref(batch);
    for (struct chunk *chunk = batch->chunks; chunk && !batch->error; chunk = chunk->next)
        if (!chunk->is_done && !chunk->is_asked && (batch->error = write_or_ask(sql, chunk)))
            note_away(sql, batch->error, "");
    if (!batch->under_way)
        finish(sql);
    memory_release(batch);
}

/* ---- batches ---- */

static struct chunk **end_of_chunks(struct batch *batch)
{
    struct chunk **last = &batch->chunks;
    while (*last)
        last = &(*last)->next;
    return last;
}

/* Rows of one table become statements behind those that are there. */
static int make_chunks(struct batch *batch, struct row *rows)
{
    struct chunk **last = end_of_chunks(batch);
    size_t count = 0;
    for (const struct row *row = rows; row; row = row->next)
        count++;
    for (size_t i = 0; count;) {
        while (sizes[i] > count || (sizes[i] > 1 && batch->sql->has_leftover))
            i++;
        struct chunk *chunk = add_chunk(batch, rows, sizes[i], last);
        if (!chunk)
            return ERROR_MEMORY;
        chunk->is_uncertain = batch->sql->has_leftover;
        last = &chunk->next;
        for (size_t k = 0; k < sizes[i]; k++)
            rows = rows->next;
        count -= sizes[i];
    }
    return 0;
}

/* A line's rows go to the lists of their tables. */
static int read_line(struct record_sql *sql, struct batch *batch, struct text line,
                     struct row **lasts[ROW_TABLE_COUNT])
{
    struct row *rows = NULL;
    int error = rows_of_line(line, sql->extra, sql->wants_missed, &batch->arena, &rows);
    if (error == ERROR_SYNTAX) {
        log_error(sql->options.log, LOG_RECORD, TEXT_NONE, "a line of the spool is no record");
        return 0;
    }
    for (struct row *next; rows && !error; rows = next) {
        next = rows->next;
        rows->next = NULL;
        *lasts[rows->table] = rows;
        lasts[rows->table] = &rows->next;
    }
    return error;
}

static int make_rows(struct record_sql *sql, struct batch *batch)
{
    struct row *tables[ROW_TABLE_COUNT] = {NULL}, **lasts[ROW_TABLE_COUNT];
    struct text rest = buffer_text(&batch->lines);
    int error = 0;
    for (size_t i = 0; i < ROW_TABLE_COUNT; i++)
        lasts[i] = &tables[i];
    while (rest.n && !error) {
        const char *end = text_find(rest, '\n');
        struct text line = text_span(rest.p, end ? end + 1 : rest.p + rest.n);
        error = read_line(sql, batch, line, lasts);
        rest = text_span(line.p + line.n, rest.p + rest.n);
    }
    for (size_t i = 0; i < ROW_TABLE_COUNT && !error; i++)
        error = make_chunks(batch, tables[i]);
    return error;
}

#define CREATE_EVENTS(name)                                                                        \
    "CREATE TABLE IF NOT EXISTS " name " (id INTEGER PRIMARY KEY NOT NULL, "                       \
    "method VARCHAR(16) DEFAULT '' NOT NULL, from_tag VARCHAR(128) DEFAULT '' NOT NULL, "          \
    "to_tag VARCHAR(128) DEFAULT '' NOT NULL, callid VARCHAR(255) DEFAULT '' NOT NULL, "           \
    "sip_code VARCHAR(3) DEFAULT '' NOT NULL, sip_reason VARCHAR(128) DEFAULT '' NOT NULL, "       \
    "time TIMESTAMP NOT NULL)"

static const char *const create_tables[] = {
    CREATE_EVENTS("acc"),
    CREATE_EVENTS("missed_calls"),
    "CREATE TABLE IF NOT EXISTS acc_cdrs (id INTEGER PRIMARY KEY NOT NULL, "
    "start_time TIMESTAMP DEFAULT '2000-01-01 00:00:00' NOT NULL, "
    "end_time TIMESTAMP DEFAULT '2000-01-01 00:00:00' NOT NULL, "
    "duration FLOAT(10,3) DEFAULT 0 NOT NULL)",
};

/* Why it was not, what follows, ordered, tells. */
static void on_created(void *arg, const struct database_answer *answer)
{
    struct record_sql *sql = arg;
    if (answer->error)
        sql->is_made = false;
}

/* In SQLite, which nobody has prepared, the tables are made. */
static int make_tables(struct record_sql *sql)
{
    int error = 0;
    if (sql->is_made || strcmp(database_kind(sql->options.database), "sqlite") != 0)
        return 0;
    sql->is_made = true;
    for (size_t i = 0; i < ROW_TABLE_COUNT && !error; i++)
        error = database_ask(
            sql->options.database,
            &(struct database_query){.sql = text_of(create_tables[i]), .is_ordered = true},
            &sql->options.home, on_created, sql);
    if (error)
        sql->is_made = false;
    return error;
}

static int read_batch(struct record_sql *sql)
{
    struct batch *batch = memory_alloc(sizeof *batch, batch_destroy);
    if (!batch)
        return ERROR_MEMORY;
    batch->sql = sql;
    int error = spool_read(sql->options.spool, &batch->lines, LINES_AT_ONCE);
    if (!error)
        error = make_rows(sql, batch);
    if (error)
        memory_release(batch);
    else
        sql->batch = batch;
    return error;
}

/* Nothing of the batch is under way. */
static void finish(struct record_sql *sql)
{
    struct batch *batch = sql->batch;
    for (const struct chunk *chunk = batch->chunks; chunk; chunk = chunk->next)
        if (!chunk->is_done) {
            if (!batch->error) /* a statement was cut into rows */
                ask_all(sql);
            return;
        }
    spool_done(sql->options.spool, batch->lines.n);
    sql->has_leftover = false; /* it was at no more than a batch */
    sql->batch = NULL;
    memory_release(batch);
    record_sql_run(sql);
}

void record_sql_run(struct record_sql *sql)
{
    if ((sql->batch && sql->batch->under_way) || io_wall_us(sql->options.io) < sql->retry_us ||
        (!sql->batch && !spool_waiting_bytes(sql->options.spool)))
        return;
    int error = make_tables(sql);
    if (!error && !sql->batch)
        error = read_batch(sql);
    if (error)
        note_away(sql, error, "");
    else
        ask_all(sql);
}

bool record_sql_is_busy(const struct record_sql *sql)
{
    bool is_asking = sql->batch && sql->batch->under_way;
    return is_asking || (!sql->is_away && spool_waiting_bytes(sql->options.spool));
}

/*
 * SQLite: embedded, a file. WAL with synchronous=FULL: a COMMIT returns when its log is on the disk, so
 * what was acknowledged outlives a kill of the process and of the machine. A batch is one transaction,
 * hence one sync; a statement that fails in it fails alone.
 */
#include "database/sqlite.h"

#include "base/error.h"
#include "base/memory.h"
#include "database/prepared.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define SQLITE_COLUMNS_MOST 2000 /* SQLITE_MAX_COLUMN, as it is compiled */

struct database_connection {
    sqlite3 *db;
    struct prepared_cache cache;
};

struct prepared_sqlite {
    struct prepared base;
    sqlite3_stmt *statement;
};

static void end_prepared(void *arg, struct prepared *prepared)
{
    (void)arg;
    sqlite3_finalize(((struct prepared_sqlite *)prepared)->statement);
    memory_free_raw(prepared);
}

static void sqlite_close_connection(struct database_connection *connection)
{
    prepared_release(&connection->cache);
    sqlite3_close(connection->db);
    memory_free_raw(connection);
}

static int configure(sqlite3 *db, const struct database_limits *limits)
{
    sqlite3_extended_result_codes(db, 1);
    sqlite3_busy_timeout(db, (int)limits->timeout_ms);
    return sqlite3_exec(db,
                        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                        "PRAGMA foreign_keys = ON",
                        NULL, NULL, NULL);
}

static int open_with(struct database_connection **connectionp, const char *path, int more_flags,
                     const struct database_limits *limits, char *problem)
{
    struct database_connection *connection = memory_raw(sizeof *connection);
    if (!connection)
        return ERROR_MEMORY;
    *connection =
        (struct database_connection){.cache = {.most = limits->statements, .end = end_prepared}};
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | more_flags;
    int status = sqlite3_open_v2(path, &connection->db, flags, NULL);
    if (status == SQLITE_OK)
        status = configure(connection->db, limits);
    if (status == SQLITE_OK) {
        *connectionp = connection;
        return 0;
    }
    snprintf(problem, DATABASE_PROBLEM_BYTES, "%s",
             connection->db ? sqlite3_errmsg(connection->db) : sqlite3_errstr(status));
    sqlite_close_connection(connection);
    return status == SQLITE_NOMEM ? ERROR_MEMORY : ERROR_TRANSPORT;
}

int sqlite_open(struct database_connection **connectionp, const char *path,
                const struct database_limits *limits, char *problem)
{
    return open_with(connectionp, path, 0, limits, problem);
}

int sqlite_open_shared(struct database_connection **connectionp, const char *name,
                       const struct database_limits *limits, char *problem)
{
    char path[128];
    snprintf(path, sizeof path, "file:/%s?vfs=memdb", name);
    return open_with(connectionp, path, SQLITE_OPEN_URI, limits, problem);
}

int sqlite_load(struct database_connection *connection, const char *sql, const char **problem)
{
    if (sqlite3_exec(connection->db, sql, NULL, NULL, NULL) == SQLITE_OK)
        return 0;
    *problem = sqlite3_errmsg(connection->db);
    return ERROR_SYNTAX;
}

/**
 * A new file is for its owner alone: it may hold passwords. Its folder is made when it lacks only itself. A file that
 * is there is left alone: to close another descriptor of it would drop SQLite's locks.
 */
static void make_file(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
    int descriptor = open(path, flags, 0600);
    if (descriptor < 0 && errno == ENOENT && slash &&
        text_to_array(text_span(path, slash), folder, sizeof folder) &&
        (mkdir(folder, 0755) == 0 || errno == EEXIST)) /* another connection was quicker */
        descriptor = open(path, flags, 0600);
    if (descriptor >= 0)
        close(descriptor);
}

static int sqlite_connect(struct database_connection **connectionp, const struct database_url *url,
                          const struct database_limits *limits, char *problem)
{
    if (strcmp(url->name, ":memory:") != 0)
        make_file(url->name);
    return sqlite_open(connectionp, url->name, limits, problem);
}

static bool sqlite_is_single(const struct database_url *url)
{
    return strcmp(url->name, ":memory:") == 0; /* every connection would have its own */
}

static bool sqlite_is_alive(struct database_connection *connection)
{
    (void)connection; /* a file does not hang up */
    return true;
}

/* ---- one statement ---- */

static int error_of(int status)
{
    switch (status & 0xff) {
    case SQLITE_NOMEM: return ERROR_MEMORY;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_INTERRUPT: return ERROR_TIMEOUT;
    case SQLITE_FULL: return ERROR_LIMIT;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return ERROR_TRANSPORT;
    case SQLITE_CONSTRAINT: break;
    default: return ERROR_SYNTAX;
    }
    bool is_key = status == SQLITE_CONSTRAINT_PRIMARYKEY || status == SQLITE_CONSTRAINT_UNIQUE ||
                  status == SQLITE_CONSTRAINT_ROWID;
    return is_key ? ERROR_STATE : ERROR_SYNTAX;
}

static void fail(struct database_connection *connection, struct answer_builder *builder, int status)
{
    answer_problem(builder, error_of(status), sqlite3_errmsg(connection->db));
}

static struct prepared_sqlite *prepare(struct database_connection *connection,
                                       const struct database_statement *statement,
                                       struct answer_builder *builder)
{
    struct prepared *known = prepared_find(&connection->cache, statement->id);
    if (known)
        return (struct prepared_sqlite *)known;
    struct prepared_sqlite *prepared = memory_raw(sizeof *prepared);
    if (!prepared) {
        answer_problem(builder, ERROR_MEMORY, "");
        return NULL;
    }
    *prepared = (struct prepared_sqlite){0};
    const char *tail = "";
    int status = sqlite3_prepare_v3(connection->db, statement->sql, -1, SQLITE_PREPARE_PERSISTENT,
                                    &prepared->statement, &tail);
    if (status != SQLITE_OK)
        fail(connection, builder, status);
    else if (!prepared->statement || text_trim(text_of(tail)).n)
        answer_problem(builder, ERROR_SYNTAX, "one statement is needed, and no more");
    else if (prepared_put(&connection->cache, &prepared->base, statement->id))
        answer_problem(builder, ERROR_MEMORY, "");
    else
        return prepared;
    end_prepared(NULL, &prepared->base);
    return NULL;
}

static int bind_value(sqlite3_stmt *statement, int i, const struct database_value *value)
{
    switch (value->type) {
    case DATABASE_INTEGER: return sqlite3_bind_int64(statement, i, value->integer);
    case DATABASE_REAL: return sqlite3_bind_double(statement, i, value->real);
    case DATABASE_TEXT:
        return sqlite3_bind_text64(statement, i, value->text.p, value->text.n, SQLITE_STATIC,
                                   SQLITE_UTF8);
    case DATABASE_NULL: break;
    }
    return sqlite3_bind_null(statement, i);
}

static void take_columns(sqlite3_stmt *statement, struct answer_builder *builder)
{
    const char *names[SQLITE_COLUMNS_MOST];
    int count = sqlite3_column_count(statement);
    if (count > SQLITE_COLUMNS_MOST) {
        answer_problem(builder, ERROR_LIMIT, "too many columns");
        return;
    }
    for (int i = 0; i < count; i++) {
        names[i] = sqlite3_column_name(statement, i);
        if (!names[i])
            names[i] = "";
    }
    answer_columns(builder, (size_t)count, names);
}

static void take_row(sqlite3_stmt *statement, struct answer_builder *builder)
{
    int count = sqlite3_column_count(statement);
    for (int i = 0; i < count; i++) {
        struct database_value value = {.type = DATABASE_NULL};
        switch (sqlite3_column_type(statement, i)) {
        case SQLITE_INTEGER:
            value.type = DATABASE_INTEGER;
            value.integer = sqlite3_column_int64(statement, i);
            break;
        case SQLITE_FLOAT:
            value.type = DATABASE_REAL;
            value.real = sqlite3_column_double(statement, i);
            break;
        case SQLITE_NULL: break;
        default:
            value.type = DATABASE_TEXT;
            value.text.p = sqlite3_column_blob(statement, i);
            value.text.n = (size_t)sqlite3_column_bytes(statement, i);
            break;
        }
        answer_value(builder, &value);
    }
}

static void run_one(struct database_connection *connection,
                    const struct database_statement *statement, struct answer_builder *builder)
{
    struct prepared_sqlite *prepared = prepare(connection, statement, builder);
    if (!prepared)
        return;
    sqlite3_stmt *handle = prepared->statement;
    int status = SQLITE_OK;
    for (size_t i = 0; i < statement->value_count && status == SQLITE_OK; i++)
        status = bind_value(handle, (int)i + 1, &statement->values[i]);
    sqlite3_int64 changes = sqlite3_total_changes64(connection->db);
    if (status == SQLITE_OK)
        status = sqlite3_step(handle);
    if (sqlite3_column_count(handle) > 0)
        take_columns(handle, builder);
    while (status == SQLITE_ROW && !answer_has_failed(builder)) {
        take_row(handle, builder);
        status = sqlite3_step(handle);
    }
    if (status != SQLITE_DONE && status != SQLITE_ROW)
        fail(connection, builder, status);
    else if (sqlite3_total_changes64(connection->db) != changes)
        answer_affected(builder, (uint64_t)sqlite3_changes64(connection->db));
    sqlite3_reset(handle);
    sqlite3_clear_bindings(handle);
}

/* ---- batches ---- */

static int simple(struct database_connection *connection, const char *sql)
{
    return sqlite3_exec(connection->db, sql, NULL, NULL, NULL);
}

/** A failure that rolled the transaction back took the statements before it along. */
static int sqlite_run(struct database_connection *connection, const struct database_statement *v,
                      struct answer_builder *const *builders, size_t count)
{
    bool is_batch = count > 1;
    int status = is_batch ? simple(connection, "BEGIN IMMEDIATE") : SQLITE_OK;
    for (size_t i = 0; i < count && status == SQLITE_OK; i++)
        run_one(connection, &v[i], builders[i]);
    if (is_batch && status == SQLITE_OK)
        status = simple(connection, "COMMIT");
    for (size_t i = 0; i < count && status != SQLITE_OK; i++)
        fail(connection, builders[i], status);
    if (!sqlite3_get_autocommit(connection->db))
        simple(connection, "ROLLBACK");
    prepared_trim(&connection->cache);
    return 0;
}

static void sqlite_interrupt_run(struct database_connection *connection)
{
    sqlite3_interrupt(connection->db);
}

const struct database_operations database_sqlite = {
    .schemes = {"sqlite"},
    .placeholder = '?',
    .is_single = sqlite_is_single,
    .connect = sqlite_connect,
    .is_alive = sqlite_is_alive,
    .run = sqlite_run,
    .interrupt = sqlite_interrupt_run,
    .close = sqlite_close_connection,
};

/*
 * MariaDB and MySQL through MariaDB Connector/C. Statements are prepared once per connection and carried
 * out one after the other: the protocol has no pipeline for prepared statements. Rows are read as
 * they come, so that an answer that is too large is not held twice.
 */
#include "database/operations.h"

#include "base/error.h"
#include "base/memory.h"
#include "database/prepared.h"

#include <errmsg.h>
#include <mysql.h>
#include <mysqld_error.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define MYSQL_COLUMNS_MOST 4096 /* the server's own limit */
#define IN_TRANSACTION     1u   /* SERVER_STATUS_IN_TRANS of the protocol */

struct database_connection {
    MYSQL *mysql;
    int descriptor; /**< a duplicate of the socket: the library may close its own at any time */
    struct prepared_cache cache;
};

struct prepared_mysql {
    struct prepared base;
    MYSQL_STMT *statement;
};

/* ---- connecting ---- */

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void init_library(void)
{
    mysql_server_init(0, NULL, NULL); /* mysql_init() would, but not for two threads at once */
}

static void end_prepared(void *arg, struct prepared *prepared)
{
    (void)arg;
    mysql_stmt_close(((struct prepared_mysql *)prepared)->statement);
    memory_free_raw(prepared);
}

static void mysql_close_connection(struct database_connection *connection)
{
    prepared_release(&connection->cache);
    if (connection->mysql)
        mysql_close(connection->mysql);
    if (connection->descriptor >= 0)
        close(connection->descriptor);
    memory_free_raw(connection);
}

static void set_options(MYSQL *mysql, const struct database_url *url, bool wants_tls,
                        uint32_t timeout_ms)
{
    unsigned timeout_s = (timeout_ms + 999) / 1000;
    my_bool yes = 1, wants = wants_tls, verify = url->tls == DATABASE_TLS_VERIFY;
    mysql_options(mysql, MYSQL_OPT_CONNECT_TIMEOUT, &timeout_s);
    mysql_options(mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    mysql_options(mysql, MYSQL_REPORT_DATA_TRUNCATION, &yes);
    mysql_options(mysql, MYSQL_OPT_SSL_ENFORCE, &wants);
    mysql_options(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
    if (wants_tls && url->ca)
        mysql_options(mysql, MYSQL_OPT_SSL_CA, url->ca);
    if (wants_tls && url->certificate)
        mysql_options(mysql, MYSQL_OPT_SSL_CERT, url->certificate);
    if (wants_tls && url->key)
        mysql_options(mysql, MYSQL_OPT_SSL_KEY, url->key);
}

/** @return NULL with words in @p problem and the number in *number */
static MYSQL *open_once(const struct database_url *url, bool wants_tls, uint32_t timeout_ms,
                        char *problem, unsigned *number)
{
    MYSQL *mysql = mysql_init(NULL);
    if (!mysql)
        return NULL;
    set_options(mysql, url, wants_tls, timeout_ms);
    if (mysql_real_connect(mysql, url->host, url->user, url->password, url->name, url->port,
                           url->socket, 0))
        return mysql;
    *number = mysql_errno(mysql);
    snprintf(problem, DATABASE_PROBLEM_BYTES, "%s", mysql_error(mysql));
    mysql_close(mysql);
    return NULL;
}

/** Where TLS is preferred, a server that has none is asked again without; a Unix socket needs none. */
static MYSQL *open_mysql(const struct database_url *url, uint32_t timeout_ms, char *problem)
{
    unsigned number = 0;
    bool wants_tls = url->tls != DATABASE_TLS_OFF && !url->socket;
    MYSQL *mysql = open_once(url, wants_tls, timeout_ms, problem, &number);
    bool may_go_without = wants_tls && url->tls == DATABASE_TLS_PREFER;
    if (!mysql && may_go_without && number == CR_SSL_CONNECTION_ERROR)
        mysql = open_once(url, false, timeout_ms, problem, &number);
    return mysql;
}

static int mysql_connect_once(struct database_connection **connectionp,
                              const struct database_url *url, const struct database_limits *limits,
                              char *problem)
{
    pthread_once(&once, init_library);
    struct database_connection *connection = memory_raw(sizeof *connection);
    if (!connection)
        return ERROR_MEMORY;
    *connection = (struct database_connection){
        .descriptor = -1, .cache = {.most = limits->statements, .end = end_prepared}};
    connection->mysql = open_mysql(url, limits->timeout_ms, problem);
    if (connection->mysql)
        connection->descriptor = dup((int)mysql_get_socket(connection->mysql));
    if (connection->descriptor >= 0) {
        *connectionp = connection;
        return 0;
    }
    mysql_close_connection(connection);
    return ERROR_TRANSPORT;
}

static bool mysql_is_alive(struct database_connection *connection)
{
    struct pollfd poller = {connection->descriptor, POLLIN | POLLRDHUP, 0};
    if (poll(&poller, 1, 0) <= 0)
        return true;
    /* A server does not speak unasked, but TLS may. */
    return !(poller.revents & ~POLLIN) && mysql_ping(connection->mysql) == 0;
}

static void mysql_interrupt(struct database_connection *connection)
{
    shutdown(connection->descriptor, SHUT_RDWR);
}

/* ---- what went wrong ---- */

static int error_of(unsigned number)
{
    switch (number) {
    case ER_DUP_ENTRY:
    case ER_DUP_ENTRY_WITH_KEY_NAME: return ERROR_STATE;
    case ER_LOCK_WAIT_TIMEOUT:
    case ER_LOCK_DEADLOCK: /* to be tried again, too */
    case ER_QUERY_INTERRUPTED:
    case ER_STATEMENT_TIMEOUT: return ERROR_TIMEOUT;
    case ER_RECORD_FILE_FULL:
    case ER_DISK_FULL: return ERROR_LIMIT;
    case ER_SERVER_SHUTDOWN:
    case ER_CONNECTION_KILLED: return ERROR_TRANSPORT;
    case CR_OUT_OF_MEMORY: return ERROR_MEMORY;
    default: break;
    }
    return number >= CR_MIN_ERROR && number <= CR_MAX_ERROR ? ERROR_TRANSPORT : ERROR_SYNTAX;
}

static void fail(struct answer_builder *builder, MYSQL_STMT *statement)
{
    answer_problem(builder, error_of(mysql_stmt_errno(statement)), mysql_stmt_error(statement));
}

/** Is the connection of no use after this failure? */
static bool is_lost(MYSQL_STMT *statement)
{
    unsigned number = mysql_stmt_errno(statement);
    return number && error_of(number) == ERROR_TRANSPORT;
}

static bool is_in_transaction(const struct database_connection *connection)
{
    return connection->mysql->server_status & IN_TRANSACTION;
}

/* ---- asking ---- */

static struct prepared_mysql *prepare(struct database_connection *connection,
                                      const struct database_statement *statement,
                                      struct answer_builder *builder, bool *lost)
{
    struct prepared *known = prepared_find(&connection->cache, statement->id);
    if (known)
        return (struct prepared_mysql *)known;
    struct prepared_mysql *prepared = memory_raw(sizeof *prepared);
    MYSQL_STMT *handle = prepared ? mysql_stmt_init(connection->mysql) : NULL;
    if (!handle) {
        answer_problem(builder, ERROR_MEMORY, "");
        memory_free_raw(prepared);
        return NULL;
    }
    *prepared = (struct prepared_mysql){.statement = handle};
    if (mysql_stmt_prepare(handle, statement->sql, strlen(statement->sql))) {
        *lost = is_lost(handle);
        fail(builder, handle);
    } else if (mysql_stmt_param_count(handle) != statement->value_count) {
        answer_problem(builder, ERROR_SYNTAX, "placeholders and values differ in number");
    } else if (prepared_put(&connection->cache, &prepared->base, statement->id)) {
        answer_problem(builder, ERROR_MEMORY, "");
    } else {
        return prepared;
    }
    end_prepared(NULL, &prepared->base);
    return NULL;
}

/** Is it UTF-8? What is not is bound as bytes; text as bytes would compare byte by byte. */
static bool is_utf8(struct text t)
{
    for (size_t i = 0; i < t.n;) {
        unsigned char c = (unsigned char)t.p[i++];
        size_t more = c < 0x80 ? 0 : c < 0xc2 ? SIZE_MAX : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
        if (c >= 0xf5 || more > t.n - i)
            return false;
        for (; more; more--, i++) {
            if (((unsigned char)t.p[i] & 0xc0) != 0x80)
                return false;
        }
    }
    return true;
}

static MYSQL_BIND bind_value(const struct database_value *value)
{
    switch (value->type) {
    case DATABASE_INTEGER:
        return (MYSQL_BIND){.buffer_type = MYSQL_TYPE_LONGLONG, .buffer = (void *)&value->integer};
    case DATABASE_REAL:
        return (MYSQL_BIND){.buffer_type = MYSQL_TYPE_DOUBLE, .buffer = (void *)&value->real};
    case DATABASE_TEXT:
        return (MYSQL_BIND){.buffer_type =
                                is_utf8(value->text) ? MYSQL_TYPE_STRING : MYSQL_TYPE_BLOB,
                            .buffer = (void *)value->text.p,
                            .buffer_length = value->text.n};
    case DATABASE_NULL: break;
    }
    return (MYSQL_BIND){.buffer_type = MYSQL_TYPE_NULL};
}

/** @return false with the builder failed */
static bool execute(MYSQL_STMT *handle, const struct database_statement *statement,
                    struct answer_builder *builder)
{
    MYSQL_BIND *binds = memory_raw(statement->value_count * sizeof *binds + 1);
    if (!binds) {
        answer_problem(builder, ERROR_MEMORY, "");
        return false;
    }
    for (size_t i = 0; i < statement->value_count; i++)
        binds[i] = bind_value(&statement->values[i]);
    bool is_done = !mysql_stmt_bind_param(handle, binds) && !mysql_stmt_execute(handle);
    if (!is_done)
        fail(builder, handle);
    memory_free_raw(binds);
    return is_done;
}

/* ---- rows ---- */

/** One column of the row that was fetched. */
struct cell {
    enum database_type type;
    long long integer;
    double real;
    unsigned long size_bytes;
    my_bool is_null, is_unsigned, was_cut;
};

static void bind_cell(MYSQL_BIND *bind, struct cell *cell, const MYSQL_FIELD *field)
{
    *bind = (MYSQL_BIND){.buffer_type = MYSQL_TYPE_STRING,
                         .length = &cell->size_bytes,
                         .is_null = &cell->is_null,
                         .error = &cell->was_cut};
    *cell = (struct cell){.type = DATABASE_TEXT, .is_unsigned = !!(field->flags & UNSIGNED_FLAG)};
    switch (field->type) {
    case MYSQL_TYPE_TINY:
    case MYSQL_TYPE_SHORT:
    case MYSQL_TYPE_INT24:
    case MYSQL_TYPE_LONG:
    case MYSQL_TYPE_LONGLONG:
    case MYSQL_TYPE_YEAR:
        cell->type = DATABASE_INTEGER;
        bind->buffer_type = MYSQL_TYPE_LONGLONG;
        bind->buffer = &cell->integer;
        bind->is_unsigned = cell->is_unsigned;
        break;
    case MYSQL_TYPE_FLOAT:
    case MYSQL_TYPE_DOUBLE:
    case MYSQL_TYPE_DECIMAL:
    case MYSQL_TYPE_NEWDECIMAL:
        cell->type = DATABASE_REAL;
        bind->buffer_type = MYSQL_TYPE_DOUBLE;
        bind->buffer = &cell->real;
        break;
    default: break;
    }
}

static void take_text(MYSQL_STMT *handle, unsigned column, struct cell *cell,
                      struct answer_builder *builder)
{
    char *bytes = memory_raw(cell->size_bytes + 1);
    my_bool was_cut = 0;
    unsigned long size_bytes = cell->size_bytes;
    MYSQL_BIND bind = {.buffer_type = MYSQL_TYPE_STRING,
                       .buffer = bytes,
                       .buffer_length = cell->size_bytes,
                       .length = &size_bytes,
                       .is_null = &cell->is_null,
                       .error = &was_cut};
    if (!bytes)
        answer_problem(builder, ERROR_MEMORY, "");
    else if (mysql_stmt_fetch_column(handle, &bind, column, 0))
        fail(builder, handle);
    else
        answer_value(builder,
                     &(struct database_value){DATABASE_TEXT, .text = {bytes, cell->size_bytes}});
    memory_free_raw(bytes);
}

static void take_row(MYSQL_STMT *handle, struct cell *cells, unsigned count,
                     struct answer_builder *builder)
{
    for (unsigned i = 0; i < count && !answer_has_failed(builder); i++) {
        struct cell *cell = &cells[i];
        struct database_value value = {.type = DATABASE_NULL};
        if (!cell->is_null && cell->type == DATABASE_TEXT) {
            take_text(handle, i, cell, builder);
            continue;
        }
        if (!cell->is_null) {
            value.type = cell->type;
            value.integer = cell->integer;
            value.real = cell->real;
        }
        if (value.type == DATABASE_INTEGER && cell->is_unsigned && cell->integer < 0) {
            value.type = DATABASE_REAL; /* beyond int64_t */
            value.real = (double)(unsigned long long)cell->integer;
        }
        answer_value(builder, &value);
    }
}

static void fetch(MYSQL_STMT *handle, MYSQL_RES *columns, MYSQL_BIND *binds, struct cell *cells,
                  struct answer_builder *builder)
{
    unsigned count = mysql_num_fields(columns);
    const char *names[MYSQL_COLUMNS_MOST];
    for (unsigned i = 0; i < count && i < MYSQL_COLUMNS_MOST; i++) {
        const MYSQL_FIELD *field = mysql_fetch_field_direct(columns, i);
        names[i] = field->name;
        bind_cell(&binds[i], &cells[i], field);
    }
    answer_columns(builder, count, names);
    int status = mysql_stmt_bind_result(handle, binds) ? 1 : 0;
    while (!status && !answer_has_failed(builder)) {
        status = mysql_stmt_fetch(handle);
        if (status != 0 && status != MYSQL_DATA_TRUNCATED)
            break;
        status = 0; /* texts are cut to nothing, and fetched one by one */
        take_row(handle, cells, count, builder);
    }
    if (status == 1)
        fail(builder, handle);
}

static void take_rows(MYSQL_STMT *handle, struct answer_builder *builder)
{
    MYSQL_RES *columns = mysql_stmt_result_metadata(handle);
    unsigned count = columns ? mysql_num_fields(columns) : 0;
    char *block = memory_raw(count * (sizeof(MYSQL_BIND) + sizeof(struct cell)) + 1);
    if (columns && block) {
        MYSQL_BIND *binds = (MYSQL_BIND *)block;
        fetch(handle, columns, binds, (struct cell *)(binds + count), builder);
    } else {
        answer_problem(builder, ERROR_MEMORY, "");
    }
    memory_free_raw(block);
    if (columns)
        mysql_free_result(columns);
}

/** A procedure may bring several results; the first is the answer. */
static void drop_others(MYSQL_STMT *handle)
{
    mysql_stmt_free_result(handle);
    while (mysql_stmt_more_results(handle) && mysql_stmt_next_result(handle) == 0)
        mysql_stmt_free_result(handle);
}

/**
 * @param is_batch  a transaction is open, and stays so
 * @return false when the connection is lost
 */
static bool run_one(struct database_connection *connection,
                    const struct database_statement *statement, struct answer_builder *builder,
                    bool is_batch)
{
    bool lost = false;
    struct prepared_mysql *prepared = prepare(connection, statement, builder, &lost);
    if (!prepared)
        return !lost;
    MYSQL_STMT *handle = prepared->statement;
    if (execute(handle, statement, builder)) {
        if (mysql_stmt_field_count(handle))
            take_rows(handle, builder);
        else
            answer_affected(builder, mysql_stmt_affected_rows(handle));
    }
    lost = is_lost(handle);
    if (!lost)
        drop_others(handle);
    if (!is_batch && is_in_transaction(connection))
        lost = lost || mysql_rollback(connection->mysql);
    return !lost;
}

/** BEGIN or COMMIT. @return false with all failed */
static bool simple(struct database_connection *connection, const char *sql,
                   struct answer_builder *const *builders, size_t count)
{
    MYSQL *mysql = connection->mysql;
    if (!mysql_query(mysql, sql))
        return true;
    int error = error_of(mysql_errno(mysql));
    for (size_t i = 0; i < count; i++)
        answer_problem(builders[i], error, mysql_error(mysql));
    return false;
}

/**
 * A batch is one transaction, hence one sync of the server's log. A statement that fails in it fails alone,
 * unless the server rolled all back (a deadlock): then those before it failed likewise.
 */
static int mysql_run(struct database_connection *connection, const struct database_statement *v,
                     struct answer_builder *const *builders, size_t count)
{
    bool is_batch = count > 1;
    if (is_batch && !simple(connection, "START TRANSACTION", builders, count))
        return ERROR_TRANSPORT;
    for (size_t i = 0; i < count; i++) {
        if (!run_one(connection, &v[i], builders[i], is_batch)) {
            for (size_t j = 0; j < count; j++)
                answer_problem(builders[j], ERROR_TRANSPORT, "connection lost");
            return ERROR_TRANSPORT;
        }
        bool is_rolled_back =
            is_batch && answer_has_failed(builders[i]) && !is_in_transaction(connection);
        for (size_t j = 0; is_rolled_back && j < i; j++)
            answer_problem(builders[j], ERROR_TIMEOUT, "the transaction was rolled back");
    }
    if (is_batch && !simple(connection, "COMMIT", builders, count))
        return ERROR_TRANSPORT;
    prepared_trim(&connection->cache);
    return 0;
}

const struct database_operations database_mysql = {
    .schemes = {"mysql", "mariadb"},
    .placeholder = '?',
    .escapes_quotes = true,
    .connect = mysql_connect_once,
    .is_alive = mysql_is_alive,
    .run = mysql_run,
    .interrupt = mysql_interrupt,
    .close = mysql_close_connection,
};

/*
 * PostgreSQL through libpq. Statements are prepared once per connection. A batch is sent in pipeline mode:
 * one round trip for all, with a synchronisation point behind each, so that each is a transaction of its own.
 *
 * Values travel as text and take the type that the server infers from the statement, so that a number may
 * be bound where a column is text and the other way round; only bytea is bound as bytes.
 */
#include "database/operations.h"

#include "base/error.h"
#include "base/memory.h"
#include "database/prepared.h"

#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Types of columns that are not text, from PostgreSQL's catalogue pg_type. */
enum postgres_type {
    TYPE_BOOL = 16,
    TYPE_BYTEA = 17,
    TYPE_INT8 = 20,
    TYPE_INT2 = 21,
    TYPE_INT4 = 23,
    TYPE_OID = 26,
    TYPE_FLOAT4 = 700,
    TYPE_FLOAT8 = 701,
    TYPE_NUMERIC = 1700
};

#define POSTGRES_COLUMNS_MOST 1664 /* the server's own limit */
#define NUMBER_BYTES          32   /* a number as text */
#define CHECK_CLIENT_VERSION  140000

struct database_connection {
    PGconn *pg;
    int descriptor; /**< a duplicate of the socket: libpq may close its own at any time */
    struct prepared_cache cache;
    uint64_t last_name; /**< of a prepared statement: s1, s2 … */
};

struct prepared_postgres {
    struct prepared base;
    char name[24];
    size_t value_count;
    bool is_bytes[]; /**< per value: bytea */
};

/* ---- waiting ---- */

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/** Send and read until a result is there. @return false when the connection is lost */
static bool settle(PGconn *pg)
{
    while (PQisBusy(pg)) {
        int unsent = PQflush(pg);
        struct pollfd poller = {PQsocket(pg), (short)(POLLIN | (unsent > 0 ? POLLOUT : 0)), 0};
        if (unsent < 0 || poller.fd < 0 || poll(&poller, 1, -1) < 0)
            return false;
        if ((poller.revents & ~POLLOUT) && !PQconsumeInput(pg))
            return false;
    }
    return true;
}

/* ---- connecting ---- */

/** What a server remarks beside an answer ("table does not exist, skipping") would go to stderr. */
static void drop_notice(void *arg, const PGresult *result)
{
    (void)arg, (void)result;
}

static void end_prepared(void *arg, struct prepared *prepared)
{
    struct database_connection *connection = arg;
    char sql[64];
    snprintf(sql, sizeof sql, "DEALLOCATE %s", ((struct prepared_postgres *)prepared)->name);
    if (PQstatus(connection->pg) == CONNECTION_OK)
        PQclear(PQexec(connection->pg, sql));
    memory_free_raw(prepared);
}

static void free_prepared(void *arg, struct prepared *prepared)
{
    (void)arg;
    memory_free_raw(prepared);
}

static void postgres_close(struct database_connection *connection)
{
    connection->cache.end = free_prepared; /* the server forgets them with the connection */
    prepared_release(&connection->cache);
    PQfinish(connection->pg);
    if (connection->descriptor >= 0)
        close(connection->descriptor);
    memory_free_raw(connection);
}

static PGconn *start_connecting(const struct database_url *url)
{
    static const char *const modes[] = {"prefer", "disable", "require", "verify-full"};
    char port[8] = "";
    if (url->port)
        snprintf(port, sizeof port, "%u", url->port);
    const char *keys[] = {"host",        "port",    "user",   "password",        "dbname",
                          "sslmode",     "sslcert", "sslkey", "client_encoding", "application_name",
                          "sslrootcert", NULL};
    const char *values[] = {url->socket ? url->socket : url->host,
                            port,
                            url->user,
                            url->password,
                            url->name,
                            modes[url->tls],
                            url->certificate,
                            url->key,
                            "UTF8",
                            "lunasip",
                            url->ca,
                            NULL};
    return PQconnectStartParams(keys, values, 0);
}

/** @return false when it failed or took too long */
static bool finish_connecting(PGconn *pg, uint32_t timeout_ms)
{
    uint64_t until_ms = now_ms() + timeout_ms, at_ms;
    PostgresPollingStatusType status = PGRES_POLLING_WRITING;
    while (status != PGRES_POLLING_OK) {
        short events = status == PGRES_POLLING_READING ? POLLIN : POLLOUT;
        struct pollfd poller = {PQsocket(pg), events, 0};
        at_ms = now_ms();
        if (PQstatus(pg) == CONNECTION_BAD || status == PGRES_POLLING_FAILED || at_ms >= until_ms)
            return false;
        if (poll(&poller, 1, (int)(until_ms - at_ms)) > 0)
            status = PQconnectPoll(pg);
    }
    return true;
}

static int postgres_connect(struct database_connection **connectionp,
                            const struct database_url *url, const struct database_limits *limits,
                            char *problem)
{
    struct database_connection *connection = memory_raw(sizeof *connection);
    if (!connection)
        return ERROR_MEMORY;
    *connection = (struct database_connection){
        .descriptor = -1, .cache = {.most = limits->statements, .end = end_prepared}};
    connection->cache.arg = connection;
    connection->pg = start_connecting(url);
    if (connection->pg)
        PQsetNoticeReceiver(connection->pg, drop_notice, NULL);
    if (connection->pg && finish_connecting(connection->pg, limits->timeout_ms))
        connection->descriptor = dup(PQsocket(connection->pg));
    if (connection->descriptor < 0) {
        const char *words = PQerrorMessage(connection->pg);
        snprintf(problem, DATABASE_PROBLEM_BYTES, "%s", words[0] ? words : "no answer");
        postgres_close(connection);
        return ERROR_TRANSPORT;
    }
    /* A server that works for a connection that was given up notices, and stops. */
    if (PQserverVersion(connection->pg) >= CHECK_CLIENT_VERSION)
        PQclear(PQexec(connection->pg, "SET client_connection_check_interval = 1000"));
    PQsetnonblocking(connection->pg, 1);
    *connectionp = connection;
    return 0;
}

static bool is_readable(int descriptor, short *events)
{
    struct pollfd poller = {descriptor, POLLIN | POLLRDHUP, 0};
    if (poll(&poller, 1, 0) <= 0)
        return false;
    *events = poller.revents;
    return true;
}

static bool postgres_is_alive(struct database_connection *connection)
{
    short events;
    while (is_readable(connection->descriptor, &events)) {
        if ((events & ~POLLIN) || !PQconsumeInput(connection->pg))
            return false;
        PQisBusy(connection->pg); /* takes in a notice, or the server's farewell */
        if (PQstatus(connection->pg) != CONNECTION_OK)
            return false;
    }
    return true;
}

static void postgres_interrupt(struct database_connection *connection)
{
    shutdown(connection->descriptor, SHUT_RDWR);
}

/* ---- what went wrong ---- */

static int error_of(const PGresult *result)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    if (!state) /* libpq's own: the connection */
        return ERROR_TRANSPORT;
    if (!strcmp(state, "23505"))
        return ERROR_STATE;
    if (!strcmp(state, "57014"))
        return ERROR_TIMEOUT;
    if (!strncmp(state, "08", 2) || !strncmp(state, "57P", 3))
        return ERROR_TRANSPORT;
    return strncmp(state, "53", 2) ? ERROR_SYNTAX : ERROR_LIMIT;
}

static void fail(struct answer_builder *builder, const PGresult *result)
{
    const char *words = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    answer_problem(builder, error_of(result), words ? words : PQresultErrorMessage(result));
}

/** The server has forgotten the statement, or its tables have changed: prepare it anew next time. */
static bool is_stale(const PGresult *result)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    return state && (!strcmp(state, "26000") || !strcmp(state, "0A000"));
}

/* ---- preparing ---- */

static struct prepared_postgres *describe(struct database_connection *connection,
                                          const struct database_statement *statement,
                                          const char *name, struct answer_builder *builder)
{
    PGresult *result = PQdescribePrepared(connection->pg, name);
    struct prepared_postgres *prepared = NULL;
    if (PQresultStatus(result) != PGRES_COMMAND_OK)
        fail(builder, result);
    else if (PQnparams(result) != (int)statement->value_count)
        answer_problem(builder, ERROR_SYNTAX, "placeholders and values differ in number");
    else
        prepared = memory_raw(sizeof *prepared + statement->value_count);
    if (prepared) {
        *prepared = (struct prepared_postgres){.value_count = statement->value_count};
        snprintf(prepared->name, sizeof prepared->name, "%s", name);
        for (size_t i = 0; i < statement->value_count; i++)
            prepared->is_bytes[i] = PQparamtype(result, (int)i) == TYPE_BYTEA;
    }
    PQclear(result);
    if (prepared && !prepared_put(&connection->cache, &prepared->base, statement->id))
        return prepared;
    memory_free_raw(prepared);
    answer_problem(builder, ERROR_MEMORY, "");
    return NULL;
}

static struct prepared_postgres *prepare(struct database_connection *connection,
                                         const struct database_statement *statement,
                                         struct answer_builder *builder)
{
    struct prepared *known = prepared_find(&connection->cache, statement->id);
    if (known)
        return (struct prepared_postgres *)known;
    char name[24];
    snprintf(name, sizeof name, "s%llx", (unsigned long long)++connection->last_name);
    PGresult *result = PQprepare(connection->pg, name, statement->sql, 0, NULL);
    bool is_prepared = PQresultStatus(result) == PGRES_COMMAND_OK;
    if (!is_prepared)
        fail(builder, result);
    PQclear(result);
    return is_prepared ? describe(connection, statement, name, builder) : NULL;
}

/* ---- sending ---- */

/** The values of one statement as libpq wants them: four arrays in one block. */
struct parameters {
    const char **values;
    int *lengths, *formats;
    char (*numbers)[NUMBER_BYTES];
};

static void set_parameter(struct parameters *parameters, size_t i,
                          const struct database_value *value, bool is_bytes)
{
    char *number = parameters->numbers[i];
    parameters->lengths[i] = (int)value->text.n;
    parameters->formats[i] = value->type == DATABASE_TEXT && is_bytes;
    switch (value->type) {
    case DATABASE_NULL: parameters->values[i] = NULL; return;
    case DATABASE_TEXT: parameters->values[i] = value->text.p; return;
    case DATABASE_INTEGER: snprintf(number, NUMBER_BYTES, "%lld", (long long)value->integer); break;
    case DATABASE_REAL: snprintf(number, NUMBER_BYTES, "%.17g", value->real); break;
    }
    parameters->values[i] = number;
}

/** A NUL byte has no text form: as text the value would end there. */
static bool holds_nul(const struct database_value *value, bool is_bytes)
{
    return value->type == DATABASE_TEXT && !is_bytes && value->text.n &&
           memchr(value->text.p, 0, value->text.n);
}

/**
 * Queue a statement and the synchronisation point behind it.
 * @return false: the connection is of no use any more. A statement that was not queued has failed
 */
static bool send_one(PGconn *pg, const struct prepared_postgres *prepared,
                     const struct database_statement *statement, struct answer_builder *builder)
{
    size_t n = statement->value_count;
    struct parameters parameters;
    size_t each = sizeof *parameters.values + 2 * sizeof(int) + NUMBER_BYTES;
    char *block = memory_raw(n * each + 1);
    if (!block) {
        answer_problem(builder, ERROR_MEMORY, "");
        return true;
    }
    parameters.values = (const char **)block;
    parameters.lengths = (int *)(parameters.values + n);
    parameters.formats = parameters.lengths + n;
    parameters.numbers = (char(*)[NUMBER_BYTES])(parameters.formats + n);
    for (size_t i = 0; i < n; i++) {
        if (holds_nul(&statement->values[i], prepared->is_bytes[i]))
            answer_problem(builder, ERROR_SYNTAX, "a text may not hold a NUL byte");
        set_parameter(&parameters, i, &statement->values[i], prepared->is_bytes[i]);
    }
    bool is_sent = true;
    if (!answer_has_failed(builder))
        is_sent = PQsendQueryPrepared(pg, prepared->name, (int)n, parameters.values,
                                      parameters.lengths, parameters.formats, 0) &&
                  PQpipelineSync(pg);
    memory_free_raw(block);
    return is_sent;
}

/* ---- answers ---- */

static void take_bytes(struct answer_builder *builder, const char *escaped)
{
    size_t n = 0;
    unsigned char *bytes = PQunescapeBytea((const unsigned char *)escaped, &n);
    if (!bytes) {
        answer_problem(builder, ERROR_MEMORY, "");
        return;
    }
    answer_value(builder,
                 &(struct database_value){DATABASE_TEXT, .text = {(const char *)bytes, n}});
    PQfreemem(bytes);
}

static void take_value(struct answer_builder *builder, const PGresult *result, int row, int column)
{
    struct database_value value = {.type = DATABASE_NULL};
    const char *text = PQgetvalue(result, row, column);
    if (!PQgetisnull(result, row, column)) {
        switch (PQftype(result, column)) {
        case TYPE_BOOL:
            value.type = DATABASE_INTEGER;
            value.integer = text[0] == 't';
            break;
        case TYPE_INT2:
        case TYPE_INT4:
        case TYPE_INT8:
        case TYPE_OID:
            value.type = DATABASE_INTEGER;
            value.integer = strtoll(text, NULL, 10);
            break;
        case TYPE_FLOAT4:
        case TYPE_FLOAT8:
        case TYPE_NUMERIC:
            value.type = DATABASE_REAL;
            value.real = strtod(text, NULL);
            break;
        case TYPE_BYTEA: take_bytes(builder, text); return;
        default:
            value.type = DATABASE_TEXT;
            value.text = (struct text){text, (size_t)PQgetlength(result, row, column)};
            break;
        }
    }
    answer_value(builder, &value);
}

static void take_rows(struct answer_builder *builder, const PGresult *result, bool *has_columns)
{
    const char *names[POSTGRES_COLUMNS_MOST];
    int columns = PQnfields(result);
    for (int i = 0; i < columns && i < POSTGRES_COLUMNS_MOST; i++)
        names[i] = PQfname(result, i);
    if (!*has_columns)
        answer_columns(builder, (size_t)columns, names);
    *has_columns = true;
    for (int row = 0; row < PQntuples(result) && !answer_has_failed(builder); row++) {
        for (int column = 0; column < columns; column++)
            take_value(builder, result, row, column);
    }
}

static void take_affected(struct answer_builder *builder, PGresult *result)
{
    const char *rows = PQcmdTuples(result);
    if (rows[0] && strncmp(PQcmdStatus(result), "SELECT", 6))
        answer_affected(builder, strtoull(rows, NULL, 10));
}

/** Take in the results of one statement, up to its synchronisation point. @return false: connection lost */
static bool take_answer(struct database_connection *connection, uint64_t id,
                        struct answer_builder *builder)
{
    PGconn *pg = connection->pg;
    bool has_columns = false, is_over = false, was_stale = false, has_ended = false;
    PQsetSingleRowMode(pg); /* rows beyond the limit are then dropped as they come */
    while (!is_over) {
        if (!settle(pg))
            return false;
        PGresult *result = PQgetResult(pg);
        if (!result && (has_ended || PQstatus(pg) != CONNECTION_OK))
            return false; /* the statement's end comes once */
        has_ended |= !result;
        switch (result ? PQresultStatus(result) : PGRES_EMPTY_QUERY) {
        case PGRES_SINGLE_TUPLE: take_rows(builder, result, &has_columns); break;
        case PGRES_TUPLES_OK: take_rows(builder, result, &has_columns); /* fall through */
        case PGRES_COMMAND_OK: take_affected(builder, result); break;
        case PGRES_PIPELINE_SYNC: is_over = true; break;
        case PGRES_EMPTY_QUERY: break;
        default:
            fail(builder, result);
            was_stale |= is_stale(result);
            break;
        }
        PQclear(result);
        if (PQstatus(pg) != CONNECTION_OK)
            return false;
    }
    struct prepared *prepared = was_stale ? prepared_find(&connection->cache, id) : NULL;
    if (prepared)
        prepared->id = 0; /* no statement's; it goes when there are too many */
    return true;
}

static int lose(const struct database_connection *connection,
                struct answer_builder *const *builders, size_t count)
{
    const char *words = PQerrorMessage(connection->pg);
    for (size_t i = 0; i < count; i++)
        answer_problem(builders[i], ERROR_TRANSPORT, words[0] ? words : "connection lost");
    return ERROR_TRANSPORT;
}

static int postgres_run(struct database_connection *connection, const struct database_statement *v,
                        struct answer_builder *const *builders, size_t count)
{
    PGconn *pg = connection->pg;
    for (size_t i = 0; i < count && PQstatus(pg) == CONNECTION_OK; i++)
        prepare(connection, &v[i], builders[i]);
    if (PQstatus(pg) != CONNECTION_OK || !PQenterPipelineMode(pg))
        return lose(connection, builders, count);
    for (size_t i = 0; i < count; i++) {
        struct prepared *prepared =
            answer_has_failed(builders[i]) ? NULL : prepared_find(&connection->cache, v[i].id);
        if (prepared && !send_one(pg, (struct prepared_postgres *)prepared, &v[i], builders[i]))
            return lose(connection, builders, count);
    }
    for (size_t i = 0; i < count; i++) {
        if (answer_has_failed(builders[i]))
            continue; /* it was not sent */
        if (!take_answer(connection, v[i].id, builders[i]))
            return lose(connection, builders + i, count - i);
    }
    if (!PQexitPipelineMode(pg) || PQtransactionStatus(pg) != PQTRANS_IDLE)
        return ERROR_TRANSPORT;
    prepared_trim(&connection->cache);
    return 0;
}

const struct database_operations database_postgres = {
    .schemes = {"postgres", "postgresql"},
    .placeholder = '$',
    .connect = postgres_connect,
    .is_alive = postgres_is_alive,
    .run = postgres_run,
    .interrupt = postgres_interrupt,
    .close = postgres_close,
};

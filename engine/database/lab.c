/*
 * Databases of a virtual world: SQLite in memory, carried out on a loop of the world. A name in memory
 * made of world and URL is what databases of one URL share. A statement takes
 * effect when it is asked, as on a server whose answer is late; the answer comes after the delay, or the
 * deadline's in its place.
 */
#include "database/internal.h"

#include "base/error.h"
#include "base/memory.h"
#include "database/sqlite.h"

#include <stdio.h>

struct lab_database {
    struct loop *loop;                      /**< owned */
    struct database_connection *connection; /**< owned */
    struct list incoming;                   /**< struct query, owned; not looked at */
    struct list late;                       /**< struct query, owned; their answer is delayed */
    uint32_t delay_ms;
    int error;
};

struct database_answer *database_lab_run(struct database *database, struct text sql)
{
    struct statement *statement = NULL;
    struct answer_builder builder = {.bytes_most = database->answer_bytes};
    struct answer_builder *builders[] = {&builder};
    struct database_answer *plain = answer_plain(NULL, NULL);
    if (!plain)
        return NULL;
    int error = database_statement(database, sql, &statement);
    if (!engine_check(database->lab))
        error = ERROR_STATE;
    if (error)
        answer_problem(&builder, error, error_text(error));
    else
        database->operations->run(
            database->lab->connection,
            &(struct database_statement){.id = statement->id, .sql = statement->sql}, builders, 1);
    memory_release(statement);
    return answer_finish(&builder, plain);
}

/** Carry it out; its plain answer stays, for what may happen until the result is due. */
static bool run_query(struct database *database, struct query *query)
{
    struct lab_database *lab = database->lab;
    struct database_statement statement = {query->statement->id, query->statement->sql,
                                           query->values, query->value_count};
    struct answer_builder builder = {.bytes_most = database->answer_bytes};
    struct answer_builder *builders[] = {&builder};
    struct database_answer *plain = answer_plain(query->answer->done, query->answer->arg);
    if (!plain)
        return false;
    if (lab->error)
        answer_problem(&builder, lab->error, "the lab wants it to fail");
    else
        database->operations->run(lab->connection, &statement, builders, 1);
    if (builder.error == ERROR_LIMIT)
        database_count(database, COUNTER_DATABASE_TOO_LARGE);
    query->result = answer_finish(&builder, plain);
    return true;
}

static void answer_query(void *arg)
{
    struct query *query = arg;
    struct database_answer *result = query->result;
    list_remove(&query->link);
    query->result = NULL;
    memory_release(query_claim(query));
    query_post(query, result);
    memory_release(query);
}

static void give_up(void *arg)
{
    struct query *query = arg;
    list_remove(&query->link);
    query_fail(query, ERROR_TIMEOUT, "no answer within the deadline");
    memory_release(query);
}

static void begin_query(struct database *database, struct query *query)
{
    struct lab_database *lab = database->lab;
    struct timers *timers = loop_timers(lab->loop);
    if (!run_query(database, query)) {
        query_fail(query, ERROR_MEMORY, "");
        memory_release(query);
        return;
    }
    list_append(&lab->late, &query->link);
    if (lab->delay_ms >= query->deadline_ms)
        timer_start(timers, &query->timer, query->deadline_ms, give_up, query);
    else if (lab->delay_ms)
        timer_start(timers, &query->timer, lab->delay_ms, answer_query, query);
    else
        answer_query(query);
}

static void on_wake(void *arg)
{
    struct database *database = arg;
    for (struct link *link; (link = list_pop(&database->lab->incoming));)
        begin_query(database, CONTAINER_OF(link, struct query, link));
}

void lab_take(struct database *database, struct query *query)
{
    list_append(&database->lab->incoming, &query->link);
    loop_wake(database->lab->loop);
}

int lab_start(struct database *database, struct io *io, const char *url)
{
    struct lab_database *lab = memory_alloc(sizeof *lab, NULL);
    if (!lab)
        return ERROR_MEMORY;
    database->lab = lab;
    char problem[DATABASE_PROBLEM_BYTES] = "", name[64];
    uint64_t hash = hash_text(&(struct hash_key){0}, text_of(url));
    snprintf(name, sizeof name, "lunasip-%p-%016llx", (void *)io, (unsigned long long)hash);
    int error = sqlite_open_shared(&lab->connection, name, &database->limits, problem);
    if (!error)
        error = loop_create(&lab->loop, io, "database");
    if (error)
        return error;
    loop_set_handlers(lab->loop, &(struct loop_handlers){.wake = on_wake, .arg = database});
    return loop_start(lab->loop);
}

static void cancel(struct list *list, struct lab_database *lab)
{
    for (struct link *link; (link = list_pop(list));) {
        struct query *query = CONTAINER_OF(link, struct query, link);
        timer_stop(loop_timers(lab->loop), &query->timer);
        query_fail(query, ERROR_CANCELLED, "lunasip stops");
        memory_release(query);
    }
}

void lab_stop(struct database *database)
{
    struct lab_database *lab = database->lab;
    if (lab->loop) {
        cancel(&lab->late, lab);
        cancel(&lab->incoming, lab);
        loop_stop(lab->loop);
        lab->loop = memory_release(lab->loop);
    }
    if (lab->connection)
        database->operations->close(lab->connection);
    memory_release(lab);
    database->lab = NULL;
}

bool lab_is_connected(const struct database *database)
{
    return database->lab->error != ERROR_TRANSPORT;
}

void database_lab_impair(struct database *database, uint32_t delay_ms, int error)
{
    if (!engine_check(database->lab))
        return;
    database->lab->delay_ms = delay_ms;
    database->lab->error = error;
}

int database_lab_load(struct database *database, const char *sql, const char **problem)
{
    *problem = "this is no database of the lab";
    if (!engine_check(database->lab))
        return ERROR_STATE;
    return sqlite_load(database->lab->connection, sql, problem);
}

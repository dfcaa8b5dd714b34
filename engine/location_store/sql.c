/* The operations of a location store as statements. All are ordered: no write overtakes another. */
#include "location_store/sql.h"

#include "base/error.h"
#include "base/memory.h"
#include "location_store/row.h"

#include <stdio.h>

#define UPSERT_BYTES 2048

struct location_sql {
    struct database *database;       /* borrowed */
    const struct settings *settings; /* borrowed */
    char upsert[UPSERT_BYTES];
};

static const char create_table[] =
    "CREATE TABLE IF NOT EXISTS location (id INTEGER PRIMARY KEY NOT NULL, "
    "ruid VARCHAR(64) DEFAULT '' NOT NULL, username VARCHAR(64) DEFAULT '' NOT NULL, "
    "domain VARCHAR(64) DEFAULT NULL, contact VARCHAR(512) DEFAULT '' NOT NULL, "
    "received VARCHAR(128) DEFAULT NULL, path VARCHAR(512) DEFAULT NULL, "
    "expires TIMESTAMP DEFAULT '2030-05-28 21:32:15' NOT NULL, q REAL DEFAULT 1.0 NOT NULL, "
    "callid VARCHAR(255) DEFAULT 'Default-Call-ID' NOT NULL, cseq INTEGER DEFAULT 1 NOT NULL, "
    "last_modified TIMESTAMP DEFAULT '2000-01-01 00:00:01' NOT NULL, "
    "flags INTEGER DEFAULT 0 NOT NULL, cflags INTEGER DEFAULT 0 NOT NULL, "
    "user_agent VARCHAR(255) DEFAULT '' NOT NULL, socket VARCHAR(64) DEFAULT NULL, "
    "methods INTEGER DEFAULT NULL, instance VARCHAR(255) DEFAULT NULL, "
    "reg_id INTEGER DEFAULT 0 NOT NULL, server_id INTEGER DEFAULT 0 NOT NULL, "
    "connection_id INTEGER DEFAULT 0 NOT NULL, keepalive INTEGER DEFAULT 0 NOT NULL, "
    "partition INTEGER DEFAULT 0 NOT NULL, CONSTRAINT location_ruid_idx UNIQUE (ruid))";

/* ---- statements ---- */

static const char values_places[] = "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?";

/** A row that is there is changed; each kind of database says that in its own way. */
static void print_upsert(struct location_sql *sql)
{
    static const char *const changed[] = {
        "username",   "domain", "contact", "received",      "path",  "expires",
        "q",          "callid", "cseq",    "last_modified", "flags", "cflags",
        "user_agent", "socket", "methods", "instance",      "reg_id"};
    bool is_mysql = strcmp(database_kind(sql->database), "mysql") == 0;
    int n = snprintf(sql->upsert, sizeof sql->upsert, "INSERT INTO location (%s) VALUES (%s) %s",
                     ROW_COLUMNS, values_places,
                     is_mysql ? "ON DUPLICATE KEY UPDATE " : "ON CONFLICT (ruid) DO UPDATE SET ");
    for (size_t i = 0; i < sizeof changed / sizeof *changed; i++)
        n += snprintf(sql->upsert + n, sizeof sql->upsert - (size_t)n,
                      is_mysql ? "%s%s = VALUES(%s)" : "%s%s = excluded.%s", i ? ", " : "",
                      changed[i], changed[i]);
}

/* ---- answers ---- */

/** Counted. One operation: its queries, and whom to tell. */
struct job {
    struct location_sql *sql; /* borrowed */
    struct location_reply reply;
    struct database_home home;
    struct row_clock clock;
    int64_t last_id;
    size_t left; /* queries not answered */
    int error;   /* the first one */
};

static struct job *job_create(struct location_sql *sql, const struct location_reply *reply)
{
    struct job *job = memory_alloc(sizeof *job, NULL);
    if (!job)
        return NULL;
    job->sql = sql;
    job->reply = *reply;
    job->home = *(const struct database_home *)reply->home;
    return job;
}

static int ask(struct job *job, const char *statement, const struct database_value *values,
               size_t count, database_done_handler *done)
{
    struct database_query query = {
        .sql = text_of(statement), .values = values, .value_count = count, .is_ordered = true};
    int error = database_ask(job->sql->database, &query, &job->home, done, job);
    if (!error)
        job->left++;
    return error;
}

static void finish(struct job *job)
{
    if (job->reply.done)
        job->reply.done(job->reply.arg, job->error);
    memory_release(job);
}

/** One query of the job is answered. */
static void on_done(void *arg, const struct database_answer *answer)
{
    struct job *job = arg;
    if (!job->error)
        job->error = answer->error;
    if (--job->left == 0)
        finish(job);
}

/* ---- writing ---- */

static int ask_change(struct job *job, struct text aor, const struct location_change *change)
{
    if (change->kind == LOCATION_REMOVED || change->kind == LOCATION_EXPIRED) {
        struct database_value ruid = {.type = DATABASE_TEXT, .text = change->binding->ruid};
        return ask(job, "DELETE FROM location WHERE ruid = ?", &ruid, 1, on_done);
    }
    struct database_value values[ROW_COLUMN_COUNT];
    struct row_scratch scratch;
    row_write(values, &scratch, aor, change->binding, job->sql->settings->location_use_domain);
    return ask(job, job->sql->upsert, values, ROW_COLUMN_COUNT, on_done);
}

static int sql_write(void *store, const struct location_changes *changes,
                     const struct location_reply *reply)
{
    struct job *job = job_create(store, reply);
    if (!job)
        return ERROR_MEMORY;
    int error = changes->count ? 0 : ERROR_ARGUMENT;
    for (size_t i = 0; i < changes->count && !error; i++)
        error = ask_change(job, changes->aor, &changes->v[i]);
    if (error && !job->left) {
        memory_release(job);
        return error;
    }
    job->error = error;
    return 0;
}

static int sql_purge(void *store, uint64_t now_ms, const struct location_reply *reply)
{
    struct job *job = job_create(store, reply);
    char now[ROW_TIME_BYTES], never[ROW_TIME_BYTES];
    if (!job)
        return ERROR_MEMORY;
    row_print_time(now, now_ms);
    row_print_time(never, LOCATION_NEVER);
    const struct database_value values[] = {
        {.type = DATABASE_TEXT, .text = text_of(now)},
        {.type = DATABASE_TEXT, .text = text_of(never)},
    };
    int error =
        ask(job, "DELETE FROM location WHERE expires < ? AND expires > ?", values, 2, on_done);
    if (error)
        memory_release(job);
    return error;
}

/* ---- reading ---- */

/** @return false: enough */
static bool give_rows(struct job *job, const struct database_answer *answer)
{
    bool use_domain = job->sql->settings->location_use_domain;
    for (size_t i = 0; i < answer->row_count; i++) {
        const struct database_value *row = database_at(answer, i, 0);
        struct arena arena = {0};
        struct location_binding binding;
        struct text aor = TEXT_NONE;
        int error = row_read(row, use_domain, &job->clock, &arena, &aor, &binding);
        /* A row that makes no sense is given without contact: the service refuses and counts it. */
        if (error == ERROR_SYNTAX)
            binding = (struct location_binding){.expires_ms = LOCATION_NEVER};
        bool goes_on =
            error == ERROR_MEMORY ? false : job->reply.row(job->reply.arg, aor, &binding);
        arena_reset(&arena);
        if (error == ERROR_MEMORY)
            job->error = error;
        if (!goes_on)
            return false;
    }
    return true;
}

static int ask_batch(struct job *job);

static void on_batch(void *arg, const struct database_answer *answer)
{
    struct job *job = arg;
    job->left--;
    job->error = answer->error;
    bool goes_on = !job->error && answer->row_count && give_rows(job, answer);
    if (goes_on) {
        job->last_id = database_at(answer, answer->row_count - 1, ROW_COLUMN_COUNT)->integer;
        job->error = ask_batch(job);
        goes_on = !job->error;
    }
    if (!goes_on)
        finish(job);
}

/** By the key, so that each batch costs the same. */
static int ask_batch(struct job *job)
{
    const struct database_value values[] = {
        {.type = DATABASE_INTEGER, .integer = job->last_id},
        {.type = DATABASE_INTEGER, .integer = (int64_t)job->sql->settings->location_load_batch},
    };
    return ask(job, "SELECT " ROW_COLUMNS ", id FROM location WHERE id > ? ORDER BY id LIMIT ?",
               values, 2, on_batch);
}

static void on_created(void *arg, const struct database_answer *answer)
{
    struct job *job = arg;
    job->left--;
    job->error = answer->error;
    if (!job->error)
        job->error = ask_batch(job);
    if (job->error)
        finish(job);
}

static int sql_load(void *store, uint64_t now_ms, const struct location_reply *reply)
{
    struct location_sql *sql = store;
    struct job *job = job_create(sql, reply);
    (void)now_ms; /* the service looks at the time of each row */
    if (!job)
        return ERROR_MEMORY;
    bool is_sqlite = strcmp(database_kind(sql->database), "sqlite") == 0;
    int error = is_sqlite ? ask(job, create_table, NULL, 0, on_created) : ask_batch(job);
    if (error)
        memory_release(job);
    return error;
}

static void on_fetched(void *arg, const struct database_answer *answer)
{
    struct job *job = arg;
    job->error = answer->error;
    if (!job->error)
        give_rows(job, answer);
    finish(job);
}

static int sql_fetch(void *store, struct text aor, uint64_t now_ms,
                     const struct location_reply *reply)
{
    struct location_sql *sql = store;
    struct job *job = job_create(sql, reply);
    struct location_binding wanted = {.q = CONTACT_Q_NONE};
    struct database_value values[ROW_COLUMN_COUNT];
    struct row_scratch scratch;
    (void)now_ms;
    if (!job)
        return ERROR_MEMORY;
    row_write(values, &scratch, aor, &wanted, sql->settings->location_use_domain);
    bool has_domain = values[1].type == DATABASE_TEXT;
    int error =
        ask(job,
            has_domain ? "SELECT " ROW_COLUMNS " FROM location WHERE username = ? AND domain = ?"
                       : "SELECT " ROW_COLUMNS " FROM location WHERE username = ?",
            values, has_domain ? 2 : 1, on_fetched);
    if (error)
        memory_release(job);
    return error;
}

static int sql_page(void *store, struct text after, uint32_t most,
                    const struct location_reply *reply)
{
    struct location_sql *sql = store;
    struct job *job = job_create(sql, reply);
    bool use_domain = sql->settings->location_use_domain;
    const char *at = use_domain && text_is_set(after) ? text_find(after, '@') : NULL;
    if (!job)
        return ERROR_MEMORY;
    struct database_value user = {.type = DATABASE_TEXT, .text = after}, domain = user;
    user.text = !text_is_set(after) ? TEXT("") : at ? text_span(after.p, at) : after;
    domain.text = at ? text_span(at + 1, after.p + after.n) : TEXT("");
    const struct database_value limit = {.type = DATABASE_INTEGER, .integer = most};
    /* The first condition is what an index is for. */
    int error =
        use_domain
            ? ask(job,
                  "SELECT " ROW_COLUMNS " FROM location WHERE username >= ? AND (username > ? OR "
                  "domain > ?) ORDER BY username, domain LIMIT ?",
                  (struct database_value[]){user, user, domain, limit}, 4, on_fetched)
            : ask(job,
                  "SELECT " ROW_COLUMNS " FROM location WHERE username > ? ORDER BY username "
                  "LIMIT ?",
                  (struct database_value[]){user, limit}, 2, on_fetched);
    if (error)
        memory_release(job);
    return error;
}

/* ---- making ---- */

int location_sql_create(struct location_sql **sqlp, struct database *database,
                        const struct settings *settings)
{
    struct location_sql *sql = memory_alloc(sizeof *sql, NULL);
    if (!sql)
        return ERROR_MEMORY;
    sql->database = database;
    sql->settings = settings;
    print_upsert(sql);
    *sqlp = sql;
    return 0;
}

struct location_store location_sql_store(struct location_sql *sql)
{
    static const struct location_store_operations operations = {
        .name = "sql",
        .load = sql_load,
        .fetch = sql_fetch,
        .page = sql_page,
        .write = sql_write,
        .purge = sql_purge,
    };
    return (struct location_store){&operations, sql};
}

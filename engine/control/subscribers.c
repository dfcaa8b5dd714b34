/* Users as statements, asked one after the other by a thread that waits. */
#include "control/subscribers.h"

#include "base/error.h"
#include "base/memory.h"
#include "database/database.h"
#include "sip/digest.h"

#include <pthread.h>
#include <stdio.h>

#define PAGE "1000" /* users that one query lists */

static const char create_table[] =
    "CREATE TABLE IF NOT EXISTS subscriber (id INTEGER PRIMARY KEY NOT NULL, "
    "username VARCHAR(64) DEFAULT '' NOT NULL, domain VARCHAR(64) DEFAULT '' NOT NULL, "
    "password VARCHAR(64) DEFAULT '' NOT NULL, ha1 VARCHAR(128) DEFAULT '' NOT NULL, "
    "ha1b VARCHAR(128) DEFAULT '' NOT NULL, "
    "CONSTRAINT subscriber_account_idx UNIQUE (username, domain))";

struct subscribers {
    struct database *database;
    struct counters counters;
    struct log log; /* keeps its last line: answers after a failed attempt do not say why */
    pthread_mutex_t lock;
    pthread_cond_t answered;
    struct database_answer *answer; /* under the lock until it is there; NULL: none */
    char words[512];                /* under the lock: that line */
};

static void keep_words(void *arg, enum log_level level, enum log_group group, struct text call_id,
                       struct text line)
{
    struct subscribers *subscribers = arg;
    (void)level, (void)group, (void)call_id;
    pthread_mutex_lock(&subscribers->lock);
    snprintf(subscribers->words, sizeof subscribers->words, "%.*s", TEXT_ARG(line));
    pthread_mutex_unlock(&subscribers->lock);
}

static void subscribers_destructor(void *object)
{
    struct subscribers *subscribers = object;
    if (subscribers->database)
        database_stop(subscribers->database);
    memory_release(subscribers->database);
    memory_release(subscribers->answer);
    pthread_cond_destroy(&subscribers->answered);
    pthread_mutex_destroy(&subscribers->lock);
}

/* ---- asking ---- */

static struct database_value text_value(struct text text)
{
    return (struct database_value){.type = DATABASE_TEXT, .text = text};
}

static bool post(void *arg, struct database_answer *answer)
{
    struct subscribers *subscribers = arg;
    pthread_mutex_lock(&subscribers->lock);
    subscribers->answer = answer;
    pthread_cond_signal(&subscribers->answered);
    pthread_mutex_unlock(&subscribers->lock);
    return true;
}

/** Nobody delivers: whoever asked takes the answer. */
static void on_done(void *arg, const struct database_answer *answer)
{
    (void)arg, (void)answer;
}

/** Ask and wait; the answer stays until the next one. @return 0, as database_ask() or the answer */
static int ask(struct subscribers *subscribers, const char *sql,
               const struct database_value *values, size_t count)
{
    struct database_home home = {post, subscribers};
    struct database_query query = {.sql = text_of(sql), .values = values, .value_count = count};
    subscribers->answer = memory_release(subscribers->answer);
    int error = database_ask(subscribers->database, &query, &home, on_done, NULL);
    if (error)
        return error;
    pthread_mutex_lock(&subscribers->lock);
    while (!subscribers->answer)
        pthread_cond_wait(&subscribers->answered, &subscribers->lock);
    pthread_mutex_unlock(&subscribers->lock);
    return subscribers->answer->error;
}

void subscribers_problem(struct subscribers *subscribers, char *room, size_t size_bytes)
{
    const struct database_answer *answer = subscribers->answer;
    pthread_mutex_lock(&subscribers->lock);
    bool is_away = answer && answer->error == ERROR_TRANSPORT && subscribers->words[0];
    snprintf(room, size_bytes, "%s", is_away ? subscribers->words : answer ? answer->problem : "");
    pthread_mutex_unlock(&subscribers->lock);
}

int subscribers_open(struct subscribers **subscribersp, struct io *io, const char *url,
                     const struct settings *settings)
{
    struct subscribers *subscribers = memory_alloc(sizeof *subscribers, subscribers_destructor);
    if (!subscribers)
        return ERROR_MEMORY;
    pthread_mutex_init(&subscribers->lock, NULL);
    pthread_cond_init(&subscribers->answered, NULL);
    subscribers->log = (struct log){.level = LOG_WARNING, .sink = keep_words, .arg = subscribers};
    int error = database_create(&subscribers->database,
                                &(struct database_options){.io = io,
                                                           .url = url,
                                                           .settings = settings,
                                                           .counters = &subscribers->counters,
                                                           .log = &subscribers->log});
    if (error)
        subscribers = memory_release(subscribers);
    *subscribersp = subscribers;
    return error;
}

/* ---- one user ---- */

/** password, ha1 and ha1b as they are kept. */
struct secrets {
    char account[256];
    struct digest_hex ha1, ha1b;
    struct database_value values[3];
};

static int fill(struct secrets *secrets, const struct subscriber *user)
{
    int n = snprintf(secrets->account, sizeof secrets->account, "%.*s@%.*s", (int)user->username.n,
                     user->username.p, (int)user->domain.n, user->domain.p);
    if (n < 0 || (size_t)n >= sizeof secrets->account)
        return ERROR_LIMIT;
    struct text account = {secrets->account, (size_t)n};
    int error = digest_ha1(DIGEST_MD5, user->username, user->domain, user->password, &secrets->ha1);
    if (!error)
        error = digest_ha1(DIGEST_MD5, account, user->domain, user->password, &secrets->ha1b);
    secrets->values[0] = text_value(user->is_ha1_only ? TEXT("") : user->password);
    secrets->values[1] = text_value(digest_hex_text(&secrets->ha1));
    secrets->values[2] = text_value(digest_hex_text(&secrets->ha1b));
    return error;
}

static int make_table(struct subscribers *subscribers)
{
    if (strcmp(database_kind(subscribers->database), "sqlite") != 0)
        return 0;
    return ask(subscribers, create_table, NULL, 0);
}

int subscribers_add(struct subscribers *subscribers, const struct subscriber *user)
{
    struct secrets secrets;
    int error = fill(&secrets, user);
    if (!error)
        error = make_table(subscribers);
    if (error)
        return error;
    const struct database_value values[] = {text_value(user->username), text_value(user->domain),
                                            secrets.values[0], secrets.values[1],
                                            secrets.values[2]};
    return ask(subscribers,
               "INSERT INTO subscriber (username, domain, password, ha1, ha1b) "
               "VALUES (?, ?, ?, ?, ?)",
               values, 5);
}

/** Looked for apart: MariaDB counts rows that stay as they were as not affected. */
static int find(struct subscribers *subscribers, struct text username, struct text domain)
{
    const struct database_value values[] = {text_value(username), text_value(domain)};
    int error = make_table(subscribers);
    if (!error)
        error = ask(subscribers,
                    "SELECT username FROM subscriber WHERE username = ? AND domain = ?", values, 2);
    if (!error && !subscribers->answer->row_count)
        error = ERROR_NOT_FOUND;
    return error;
}

int subscribers_change(struct subscribers *subscribers, const struct subscriber *user)
{
    struct secrets secrets;
    int error = fill(&secrets, user);
    if (!error)
        error = find(subscribers, user->username, user->domain);
    if (error)
        return error;
    const struct database_value values[] = {secrets.values[0], secrets.values[1], secrets.values[2],
                                            text_value(user->username), text_value(user->domain)};
    return ask(subscribers,
               "UPDATE subscriber SET password = ?, ha1 = ?, ha1b = ? "
               "WHERE username = ? AND domain = ?",
               values, 5);
}

int subscribers_remove(struct subscribers *subscribers, struct text username, struct text domain)
{
    const struct database_value values[] = {text_value(username), text_value(domain)};
    int error = find(subscribers, username, domain);
    if (error)
        return error;
    return ask(subscribers, "DELETE FROM subscriber WHERE username = ? AND domain = ?", values, 2);
}

/* ---- all of them ---- */

static const char all[] = "SELECT username, domain FROM subscriber "
                          "WHERE username > ? OR (username = ? AND domain > ?) "
                          "ORDER BY username, domain LIMIT " PAGE;
static const char of_domain[] = "SELECT username, domain FROM subscriber "
                                "WHERE (username > ? OR (username = ? AND domain > ?)) "
                                "AND domain = ? ORDER BY username, domain LIMIT " PAGE;

/** The page behind a user, whose name and domain are in the answer before. */
static int ask_page(struct subscribers *subscribers, struct text domain,
                    const struct database_answer *before)
{
    struct database_value last[2] = {text_value(TEXT("")), text_value(TEXT(""))};
    if (before)
        for (size_t i = 0; i < 2; i++)
            last[i] = *database_at(before, before->row_count - 1, i);
    const struct database_value values[] = {last[0], last[0], last[1], text_value(domain)};
    bool is_one = text_is_set(domain);
    return ask(subscribers, is_one ? of_domain : all, values, is_one ? 4 : 3);
}

static void visit_page(const struct database_answer *answer, subscriber_visitor *visit, void *arg)
{
    for (size_t row = 0; row < answer->row_count; row++)
        visit(arg, database_at(answer, row, 0)->text, database_at(answer, row, 1)->text);
}

int subscribers_list(struct subscribers *subscribers, struct text domain, subscriber_visitor *visit,
                     void *arg)
{
    int error = make_table(subscribers);
    struct database_answer *before = NULL;
    while (!error) {
        error = ask_page(subscribers, domain, before);
        memory_release(before);
        before = NULL;
        if (error || !subscribers->answer->row_count)
            break;
        visit_page(subscribers->answer, visit, arg);
        before = memory_ref(subscribers->answer);
    }
    memory_release(before);
    return error;
}

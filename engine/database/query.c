/* One query from question to answer. */
#include "database/internal.h"

#include "base/error.h"
#include "base/memory.h"

static void query_destructor(void *object)
{
    struct query *query = object;
    memory_release(query->statement);
    memory_release(query->answer);
    memory_release(query->result);
}

static size_t text_bytes(const struct database_query *ask)
{
    size_t n = 0;
    for (size_t i = 0; i < ask->value_count; i++)
        n += ask->values[i].type == DATABASE_TEXT ? ask->values[i].text.n + 1 : 0;
    return n;
}

struct query *query_create(struct database *database, struct statement *statement,
                           const struct database_query *ask, const struct database_home *home,
                           database_done_handler *done, void *arg)
{
    size_t values_bytes = ask->value_count * sizeof ask->values[0];
    struct query *query =
        memory_alloc_room(sizeof *query, values_bytes + text_bytes(ask), query_destructor);
    if (!query) {
        memory_release(statement);
        return NULL;
    }
    query->statement = statement;
    query->database = database;
    query->home = *home;
    query->deadline_ms = ask->deadline_ms;
    query->answer = answer_plain(done, arg);
    if (!query->answer)
        return memory_release(query);
    query->value_count = ask->value_count;
    char *bytes = (char *)query->values + values_bytes;
    for (size_t i = 0; i < ask->value_count; i++) {
        struct database_value value = ask->values[i];
        if (value.type == DATABASE_TEXT) {
            if (value.text.n)
                memcpy(bytes, value.text.p, value.text.n);
            value.text.p = bytes;
            bytes[value.text.n] = 0;
            bytes += value.text.n + 1;
        } else {
            value.text = TEXT_NONE;
        }
        query->values[i] = value;
    }
    return query;
}

struct database_answer *query_claim(struct query *query)
{
    struct database_answer *answer = query->answer;
    query->answer = NULL;
    if (answer)
        query->database->waiting--;
    return answer;
}

void query_post(struct query *query, struct database_answer *answer)
{
    struct database *database = query->database;
    if (answer->error) {
        atomic_fetch_add_explicit(&database->failed, 1, memory_order_relaxed);
        database_count(database, COUNTER_DATABASE_FAILED);
    }
    if (answer->error == ERROR_TIMEOUT) {
        atomic_fetch_add_explicit(&database->late, 1, memory_order_relaxed);
        database_count(database, COUNTER_DATABASE_LATE);
    }
    if (!query->home.post(query->home.arg, answer)) {
        database_count(database, COUNTER_DATABASE_LOST_ANSWER);
        memory_release(answer);
    }
}

void query_fail(struct query *query, int error, const char *words)
{
    struct database_answer *answer = query_claim(query);
    if (!answer)
        return;
    answer_fail(answer, error, words);
    query_post(query, answer);
}

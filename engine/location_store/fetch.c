/*
 * Reading through (db_mode 3): before an AoR is used, the store's rows of it take the place of what the service holds,
 * which is a cache. It is asked and answered on the asker's thread. What is still to be written counts more than what
 * the store says, and so does what changed while it was asked.
 *
 * The cache is bounded by location.aors: when it is full, AoRs are forgotten that nothing is to be written of. Those
 * of the last minute stay: their changes may not have been noted yet.
 */
#include "base/error.h"
#include "base/memory.h"
#include "location_store/internal.h"

#define EVICT_RECORDS 64    /* looked at to make room */
#define SETTLED_MS    60000 /* a change is noted long before */

/** Counted. One AoR that is asked for. */
struct fetch {
    struct keeper *keeper;            /**< borrowed: answers are taken before it ends */
    struct location_refresh *refresh; /**< owned */
    database_done_handler *done;
    void *arg;
    int error; /**< of a row: no memory */
};

static void destroy(void *object)
{
    struct fetch *fetch = object;
    memory_release(fetch->refresh);
}

/** Does the service know better than the store? Then what it holds is still to be written. */
static bool has_changes(struct keeper *keeper, struct text aor)
{
    pthread_mutex_lock(&keeper->lock);
    bool has = keeper->has_missed || queue_find(&keeper->queue, aor) != NULL;
    pthread_mutex_unlock(&keeper->lock);
    return has;
}

/* ---- room ---- */

static bool is_settled(const struct location_record *record, uint64_t now_ms)
{
    for (size_t i = 0; i < location_record_count(record); i++)
        if (location_record_at(record, i)->modified_ms + SETTLED_MS > now_ms)
            return false;
    return true;
}

/** @return AoRs forgotten */
static size_t make_room(struct keeper *keeper, uint64_t now_ms)
{
    struct location *location = keeper->options.location;
    struct location_record *v[EVICT_RECORDS];
    size_t n, forgotten = 0;
    pthread_mutex_lock(&keeper->lock);
    n = location_walk(location, &keeper->evicting, v, EVICT_RECORDS);
    if (!n)
        keeper->evicting = (struct location_cursor){0};
    pthread_mutex_unlock(&keeper->lock);
    for (size_t i = 0; i < n; i++) {
        if (is_settled(v[i], now_ms) && !has_changes(keeper, location_record_aor(v[i])))
            forgotten += !location_forget(location, v[i], now_ms);
        memory_release(v[i]);
    }
    keeper_count(keeper, COUNTER_LOCATION_EVICTED, forgotten);
    return forgotten;
}

/* ---- one AoR ---- */

static bool on_row(void *arg, struct text aor, const struct location_binding *row)
{
    struct fetch *fetch = arg;
    (void)aor; /* the one that was asked for, in the case that the store has it */
    int error = location_refresh_add(fetch->refresh, row);
    if (error == ERROR_MEMORY)
        fetch->error = error;
    else if (error)
        log_warning(fetch->keeper->options.log, LOG_LOCATION, TEXT_NONE,
                    "a row of %.*s makes no sense", TEXT_ARG(location_refresh_aor(fetch->refresh)));
    return !fetch->error;
}

/** @return 0, also where the service knows better; or why what it holds may not be all */
static int put_in(struct fetch *fetch)
{
    struct keeper *keeper = fetch->keeper;
    uint64_t now_ms = keeper_wall_ms(keeper);
    if (has_changes(keeper, location_refresh_aor(fetch->refresh)))
        return 0;
    int error = location_refresh_end(fetch->refresh, now_ms);
    /* A walk that came to its end begins again: everything is looked at once. */
    for (unsigned tries = 0; error == ERROR_LIMIT && tries < 2; tries++)
        if (make_room(keeper, now_ms))
            error = location_refresh_end(fetch->refresh, now_ms);
    return error == ERROR_STATE ? 0 : error;
}

static void on_fetched(void *arg, int error)
{
    struct fetch *fetch = arg;
    struct database_answer answer = {.problem = ""};
    if (!error)
        error = fetch->error;
    if (!error)
        error = put_in(fetch);
    if (error)
        keeper_count(fetch->keeper, COUNTER_LOCATION_FETCH_FAILED, 1);
    answer.error = error;
    fetch->done(fetch->arg, &answer);
    memory_release(fetch);
}

int keeper_fetch(struct keeper *keeper, struct text aor, const struct database_home *home,
                 database_done_handler *done, void *arg)
{
    if (has_changes(keeper, aor))
        return ERROR_STATE;
    struct fetch *fetch = memory_alloc(sizeof *fetch, destroy);
    if (!fetch)
        return ERROR_MEMORY;
    *fetch = (struct fetch){.keeper = keeper, .done = done, .arg = arg};
    struct location_reply reply = {on_row, on_fetched, fetch, home};
    int error = location_refresh_begin(&fetch->refresh, keeper->options.location, aor);
    if (!error)
        error = keeper->options.store.operations->fetch(keeper->options.store.store, aor,
                                                        keeper_wall_ms(keeper), &reply);
    keeper_count(keeper, error ? COUNTER_LOCATION_FETCH_FAILED : COUNTER_LOCATION_FETCHED, 1);
    if (error)
        memory_release(fetch);
    return error == ERROR_STATE ? ERROR_TRANSPORT : error;
}

int keeper_page(struct keeper *keeper, struct text after, uint32_t most,
                const struct location_reply *reply)
{
    const struct location_store *store = &keeper->options.store;
    return store->operations->page(store->store, after, most, reply);
}

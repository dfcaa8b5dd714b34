/*
 * The keeper. Its lock guards the queue and what is said of the store's state; the store is called, and the
 * service asked, on the keeper's thread alone and without the lock. An entry that is being written is the
 * thread's own but for what is added to its rows.
 */
#include "location_store/keeper.h"

#include "base/error.h"
#include "base/memory.h"
#include "location_store/internal.h"

#include <time.h>

#define ENTRIES_AT_ONCE 256   /* AoRs that are being written; the database batches them */
#define RETRY_MS        500   /* while the store is away */
#define PURGE_MS        60000 /* expired rows go this often */
#define WALK_RECORDS    64    /* of all that is written again, at once */

/** Tell those who waited, each on its own thread. @param waiter given */
static void tell(struct waiter *waiter, int error)
{
    for (struct waiter *next; waiter; waiter = next) {
        next = waiter->next;
        waiter->answer.error = error;
        waiter->home.post(waiter->home.arg, &waiter->answer);
    }
}

/* ---- what is to be written ---- */

/** Under the lock. @return 0; ERROR_LIMIT, ERROR_MEMORY: it is not remembered */
static int remember(struct keeper *keeper, struct text aor, const struct location_binding *binding)
{
    if (keeper->queue.rows >= keeper->settings.location_store_queue)
        return ERROR_LIMIT;
    struct entry *entry = queue_get(&keeper->queue, aor);
    return entry ? queue_add(&keeper->queue, entry, binding) : ERROR_MEMORY;
}

void keeper_changed(void *arg, const struct location_changes *changes)
{
    struct keeper *keeper = arg;
    pthread_mutex_lock(&keeper->lock);
    for (size_t i = 0; i < changes->count; i++) {
        const struct location_change *change = &changes->v[i];
        /* Expired rows go together, see purge(). */
        if (change->kind == LOCATION_EXPIRED || !remember(keeper, changes->aor, change->binding))
            continue;
        keeper->has_missed = true;
        keeper_count(keeper, COUNTER_LOCATION_STORE_QUEUE_FULL, 1);
    }
    /* Once for all that changes until it is written: waking a thread costs more than a row. */
    bool is_first = keeper_writes_through(keeper) && !keeper->is_gathering;
    keeper->is_gathering |= is_first;
    pthread_mutex_unlock(&keeper->lock);
    if (is_first)
        loop_wake(keeper->loop);
}

int keeper_wait(struct keeper *keeper, struct text aor, const struct database_home *home,
                database_done_handler *done, void *arg)
{
    struct waiter *waiter = memory_alloc(sizeof *waiter, NULL);
    if (!waiter)
        return ERROR_MEMORY;
    waiter->answer = (struct database_answer){.problem = "", .done = done, .arg = arg};
    waiter->home = *home;
    int error = 0;
    bool is_durable = false;
    pthread_mutex_lock(&keeper->lock);
    struct entry *entry = queue_find(&keeper->queue, aor);
    if (keeper->has_missed) {
        error = ERROR_LIMIT;
    } else if (keeper->is_away || keeper->is_stopping) {
        error = ERROR_TRANSPORT;
    } else if (!entry) {
        is_durable = true;
    } else {
        struct waiter **list = entry->rows.count ? &entry->waiters : &entry->sent_waiters;
        waiter->next = *list;
        *list = waiter;
    }
    pthread_mutex_unlock(&keeper->lock);
    if (error)
        memory_release(waiter);
    else if (is_durable)
        tell(waiter, 0);
    return error;
}

/* ---- state of the store ---- */

static void on_timer(void *arg);

/** The store did something, or did not. On the keeper's thread. */
static void note_state(struct keeper *keeper, int error)
{
    pthread_mutex_lock(&keeper->lock);
    bool was_away = keeper->is_away;
    size_t rows = keeper->queue.rows;
    keeper->is_away = error != 0;
    pthread_mutex_unlock(&keeper->lock);
    if (error && !was_away)
        log_warning(keeper->options.log, LOG_LOCATION, TEXT_NONE,
                    "bindings cannot be stored: %s; they are kept in memory and written when the "
                    "database is back",
                    error_text(error));
    else if (!error && was_away)
        log_info(keeper->options.log, LOG_LOCATION, TEXT_NONE,
                 "bindings are stored again; %zu rows wait", rows);
    if (error)
        timer_start(loop_timers(keeper->loop), &keeper->timer, RETRY_MS, on_timer, keeper);
}

/** Is a row at fault rather than the store? Then writing it again is of no use. */
static bool is_refusal(int error)
{
    return error == ERROR_SYNTAX || error == ERROR_ARGUMENT || error == ERROR_STATE;
}

/* ---- writing ---- */

static void flush(struct keeper *keeper);

struct writing {
    struct keeper *keeper;
    struct entry *entry;
};

static void finish_entry(struct keeper *keeper, struct entry *entry, int error)
{
    size_t rows = entry->sent.count;
    if (is_refusal(error))
        log_error(keeper->options.log, LOG_LOCATION, TEXT_NONE,
                  "the database refuses what %.*s registered: %s", TEXT_ARG(entry->aor),
                  error_text(error));
    keeper_count(keeper,
                 !error              ? COUNTER_LOCATION_STORED
                 : is_refusal(error) ? COUNTER_LOCATION_STORE_REFUSED
                                     : COUNTER_LOCATION_STORE_FAILED,
                 rows);
    keeper->writing--;
    pthread_mutex_lock(&keeper->lock);
    struct waiter *waiters = queue_finish(&keeper->queue, entry, error && !is_refusal(error));
    if (!keeper->queue.rows)
        pthread_cond_broadcast(&keeper->progress);
    pthread_mutex_unlock(&keeper->lock);
    if (!is_refusal(error))
        note_state(keeper, error);
    tell(waiters, error);
}

static void on_written(void *arg, int error)
{
    struct writing *writing = arg;
    struct keeper *keeper = writing->keeper;
    finish_entry(keeper, writing->entry, error);
    memory_free_raw(writing);
    if (!error && keeper->is_behind && keeper->writing < ENTRIES_AT_ONCE / 2)
        flush(keeper);
}

static const struct location_binding *binding_now(const struct location_record *record,
                                                  struct text ruid)
{
    for (size_t i = 0; record && i < location_record_count(record); i++)
        if (text_equal(location_record_at(record, i)->ruid, ruid))
            return location_record_at(record, i);
    return NULL;
}

/** What the service holds now of the rows that changed. */
static int write_entry(struct keeper *keeper, struct entry *entry)
{
    size_t rows = entry->sent.count;
    struct location_change *v = memory_raw(rows * sizeof *v);
    struct writing *writing = memory_raw(sizeof *writing);
    struct location_record *record = location_find(keeper->options.location, entry->aor);
    int error = v && writing ? 0 : ERROR_MEMORY;
    for (size_t i = 0; i < rows && !error; i++) {
        const struct location_binding *now = binding_now(record, entry->sent.v[i]->ruid);
        v[i] = (struct location_change){.kind = now ? LOCATION_UPDATED : LOCATION_REMOVED,
                                        .binding = now ? now : entry->sent.v[i]};
    }
    if (!error) {
        struct location_changes changes = {
            .aor = entry->aor, .record = record, .v = v, .count = rows};
        struct location_reply reply = {.done = on_written, .arg = writing, .home = &keeper->home};
        *writing = (struct writing){keeper, entry};
        error =
            keeper->options.store.operations->write(keeper->options.store.store, &changes, &reply);
    }
    memory_release(record);
    memory_free_raw(v);
    if (error)
        memory_free_raw(writing);
    return error;
}

/** Remember all bindings, after some were not. */
static void remember_all(struct keeper *keeper)
{
    struct location_record *v[WALK_RECORDS];
    struct location_cursor cursor = {0};
    size_t n;
    pthread_mutex_lock(&keeper->lock);
    keeper->has_missed = false;
    pthread_mutex_unlock(&keeper->lock);
    while ((n = location_walk(keeper->options.location, &cursor, v, WALK_RECORDS))) {
        pthread_mutex_lock(&keeper->lock);
        for (size_t i = 0; i < n; i++) {
            struct entry *entry = queue_get(&keeper->queue, location_record_aor(v[i]));
            for (size_t j = 0; entry && j < location_record_count(v[i]); j++)
                if (queue_add(&keeper->queue, entry, location_record_at(v[i], j)))
                    keeper->has_missed = true;
            if (!entry)
                keeper->has_missed = true;
        }
        pthread_mutex_unlock(&keeper->lock);
        for (size_t i = 0; i < n; i++)
            memory_release(v[i]);
    }
}

/** Where the store is the truth, what was not remembered was not acknowledged either: it comes again. */
static void forgive_missed(struct keeper *keeper)
{
    pthread_mutex_lock(&keeper->lock);
    keeper->has_missed = false;
    pthread_mutex_unlock(&keeper->lock);
}

static struct entry *take(struct keeper *keeper)
{
    pthread_mutex_lock(&keeper->lock);
    struct entry *entry = keeper->has_loaded ? queue_take(&keeper->queue) : NULL;
    pthread_mutex_unlock(&keeper->lock);
    return entry;
}

/** Write what waits, unless much is being written. On the keeper's thread. */
static void flush(struct keeper *keeper)
{
    struct entry *entry = NULL;
    while (keeper->writing < ENTRIES_AT_ONCE && (entry = take(keeper))) {
        keeper->writing++;
        int error = entry->sent.count ? write_entry(keeper, entry) : 0;
        if (error || !entry->sent.count) {
            finish_entry(keeper, entry, error);
            if (error)
                return;
        }
    }
    keeper->is_behind = entry != NULL;
}

/* ---- loading ---- */

/** A row whose binding is there already: who registered meanwhile knows better. */
static bool is_known(const struct keeper *keeper, struct text aor,
                     const struct location_binding *row)
{
    struct location_record *record = location_find(keeper->options.location, aor);
    bool is_there = false;
    for (size_t i = 0; record && i < location_record_count(record) && !is_there; i++) {
        const struct location_binding *binding = location_record_at(record, i);
        is_there =
            text_equal(binding->ruid, row->ruid) ||
            (text_equal(binding->contact, row->contact) && text_equal(binding->path, row->path));
    }
    memory_release(record);
    return is_there;
}

static bool on_row(void *arg, struct text aor, const struct location_binding *row)
{
    struct keeper *keeper = arg;
    if (keeper_reads_through(keeper))
        return false; /* the store answers: that is all we wanted */
    return (row->contact.n && is_known(keeper, aor, row)) ||
           location_load_row(&keeper->loading, aor, row);
}

static void on_loaded(void *arg, int error)
{
    struct keeper *keeper = arg;
    struct location_loading *loading = &keeper->loading;
    if (!error)
        error = loading->error;
    keeper->is_loading = false;
    keeper_count(keeper, COUNTER_LOCATION_LOADED, loading->loaded);
    pthread_mutex_lock(&keeper->lock);
    keeper->has_loaded = !error;
    keeper->has_tried = true;
    pthread_cond_broadcast(&keeper->progress);
    pthread_mutex_unlock(&keeper->lock);
    if (!error && keeper_reads_through(keeper))
        log_info(keeper->options.log, LOG_LOCATION, TEXT_NONE, "bindings are in the database");
    else if (!error)
        log_info(keeper->options.log, LOG_LOCATION, TEXT_NONE,
                 "%llu bindings loaded, %llu had expired, %llu make no sense",
                 (unsigned long long)loading->loaded, (unsigned long long)loading->expired,
                 (unsigned long long)loading->refused);
    note_state(keeper, error);
    if (!error)
        flush(keeper);
}

static void load(struct keeper *keeper)
{
    struct location_reply reply = {on_row, on_loaded, keeper, &keeper->home};
    keeper->loading = (struct location_loading){.location = keeper->options.location,
                                                .now_ms = keeper_wall_ms(keeper)};
    keeper->is_loading = true;
    int error = keeper->options.store.operations->load(keeper->options.store.store,
                                                       keeper->loading.now_ms, &reply);
    if (error)
        on_loaded(keeper, error);
}

/* ---- the loop ---- */

static void on_purged(void *arg, int error)
{
    (void)arg, (void)error; /* they are asked for again */
}

static void purge(void *arg)
{
    struct keeper *keeper = arg;
    struct location_reply reply = {.done = on_purged, .arg = keeper, .home = &keeper->home};
    if (keeper->has_loaded)
        keeper->options.store.operations->purge(keeper->options.store.store, keeper_wall_ms(keeper),
                                                &reply);
    timer_start(loop_timers(keeper->loop), &keeper->purge_timer, PURGE_MS, purge, keeper);
}

static void on_timer(void *arg)
{
    struct keeper *keeper = arg;
    pthread_mutex_lock(&keeper->lock);
    bool has_loaded = keeper->has_loaded;
    bool has_missed = keeper->has_missed && !keeper->queue.rows;
    pthread_mutex_unlock(&keeper->lock);
    timer_start(loop_timers(keeper->loop), &keeper->timer,
                keeper_writes_through(keeper) ? RETRY_MS : keeper->settings.location_write_back_ms,
                on_timer, keeper);
    if (has_missed && keeper_reads_through(keeper))
        forgive_missed(keeper);
    else if (has_missed)
        remember_all(keeper);
    if (has_loaded)
        flush(keeper);
    else if (!keeper->is_loading)
        load(keeper);
}

static void on_gathered(void *arg)
{
    struct keeper *keeper = arg;
    pthread_mutex_lock(&keeper->lock);
    keeper->is_gathering = false;
    bool is_away = keeper->is_away;
    pthread_mutex_unlock(&keeper->lock);
    if (!is_away)
        flush(keeper);
}

static void on_wake(void *arg)
{
    struct keeper *keeper = arg;
    mailbox_run(&keeper->answers);
    if (!timer_is_running(&keeper->purge_timer)) {
        timer_start(loop_timers(keeper->loop), &keeper->purge_timer, PURGE_MS, purge, keeper);
        on_timer(keeper);
    }
    pthread_mutex_lock(&keeper->lock);
    bool is_stopping = keeper->is_stopping && !keeper->is_away;
    bool gathers = keeper->is_gathering;
    pthread_mutex_unlock(&keeper->lock);
    if (is_stopping)
        flush(keeper);
    else if (gathers && !timer_is_running(&keeper->gather_timer))
        timer_start(loop_timers(keeper->loop), &keeper->gather_timer,
                    keeper->settings.location_write_through_ms, on_gathered, keeper);
}

/* ---- life ---- */

static void destroy(void *arg)
{
    struct keeper *keeper = arg;
    queue_release(&keeper->queue); /* nobody waits any more: keeper_take_answers() */
    memory_release(keeper->loop);
    pthread_cond_destroy(&keeper->progress);
    pthread_mutex_destroy(&keeper->lock);
}

int keeper_create(struct keeper **keeperp, const struct keeper_options *options)
{
    struct keeper *keeper = memory_alloc(sizeof *keeper, destroy);
    if (!keeper)
        return ERROR_MEMORY;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&keeper->progress, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&keeper->lock, NULL);
    keeper->options = *options;
    keeper->settings = *options->settings;
    struct random random = {0};
    io_seed_random(options->io, &random);
    keeper->queue.key = (struct hash_key){random_u64(&random), random_u64(&random)};
    int error = loop_create(&keeper->loop, options->io, "location");
    if (error) {
        memory_release(keeper);
        return error;
    }
    keeper->answers.loop = keeper->loop;
    keeper->home = database_mailbox_home(&keeper->answers);
    loop_set_handlers(keeper->loop, &(struct loop_handlers){.wake = on_wake, .arg = keeper});
    *keeperp = keeper;
    return 0;
}

int keeper_start(struct keeper *keeper)
{
    keeper->has_started = true;
    loop_wake(keeper->loop);
    return loop_start(keeper->loop);
}

void keeper_await_load(struct keeper *keeper)
{
    if (io_is_virtual(keeper->options.io))
        return;
    pthread_mutex_lock(&keeper->lock);
    while (!keeper->has_tried)
        pthread_cond_wait(&keeper->progress, &keeper->lock);
    pthread_mutex_unlock(&keeper->lock);
}

/** Until nothing is left to write, or the time is over. Under the lock. */
static void await_writes(struct keeper *keeper)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    uint64_t ms = keeper->settings.database_timeout_ms;
    until.tv_sec += (time_t)(ms / 1000);
    while (keeper->queue.rows && !keeper->is_away &&
           pthread_cond_timedwait(&keeper->progress, &keeper->lock, &until) == 0)
        ;
}

void keeper_stop(struct keeper *keeper)
{
    if (!keeper->has_started)
        return;
    pthread_mutex_lock(&keeper->lock);
    keeper->is_stopping = true;
    loop_wake(keeper->loop);
    if (!io_is_virtual(keeper->options.io))
        await_writes(keeper);
    pthread_mutex_unlock(&keeper->lock);
    if (io_is_virtual(keeper->options.io))
        while (keeper->queue.rows && lab_step(keeper->options.io, lab_now_us(keeper->options.io)))
            ;
    loop_stop(keeper->loop);
    loop_join(keeper->loop);
    if (keeper->queue.rows)
        log_warning(keeper->options.log, LOG_LOCATION, TEXT_NONE,
                    "%zu rows of bindings could not be written", keeper->queue.rows);
    timer_stop(loop_timers(keeper->loop), &keeper->timer);
    timer_stop(loop_timers(keeper->loop), &keeper->purge_timer);
    timer_stop(loop_timers(keeper->loop), &keeper->gather_timer);
}

void keeper_take_answers(struct keeper *keeper)
{
    /* The store has stopped: each answer may ask for more, which is refused. */
    while (mailbox_run(&keeper->answers))
        ;
    timer_stop(loop_timers(keeper->loop), &keeper->timer);
    tell(queue_release(&keeper->queue), ERROR_CANCELLED);
}

/* ---- reading ---- */

bool keeper_writes_through(const struct keeper *keeper)
{
    return keeper->settings.location_db_mode == 1 || keeper_reads_through(keeper);
}

bool keeper_reads_through(const struct keeper *keeper)
{
    return keeper->settings.location_db_mode == 3;
}

const struct counters *keeper_counters(const struct keeper *keeper)
{
    return &keeper->counters;
}

size_t keeper_waiting(struct keeper *keeper)
{
    pthread_mutex_lock(&keeper->lock);
    size_t rows = keeper->queue.rows;
    pthread_mutex_unlock(&keeper->lock);
    return rows;
}

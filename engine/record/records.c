/*
 * Records wait in the inbox, then as lines in <lines> from <done> on, until the file has taken them. All
 * of them together are <waiting>, which records.queue bounds. Woken once for all that comes within
 * records.gather_ms: waking a thread costs more than a line.
 */
#include "record/records.h"

#include "record/sql.h"

#include "base/error.h"
#include "base/list.h"
#include "base/memory.h"

#include <pthread.h>
#include <time.h>

#define TICK_MS      250 /* a full disk is tried again, a file's age is looked at */
#define ORDER_MOST_S 5   /* how long an operator waits for a disk */

struct records {
    struct records_options options;
    struct loop *loop; /* owned */
    struct mailbox inbox, answers;
    _Atomic size_t waiting;
    _Atomic uint64_t queue; /* records.queue */
    _Atomic bool is_gathering;
    pthread_mutex_t lock; /* of the next seven */
    pthread_cond_t progress;
    struct settings changed;
    bool has_changed;
    bool is_stopping, is_idle; /* the stop waits until nothing is to be done */
    struct records_state state;
    bool has_order; /* about the file; answered with the next */
    enum records_order order;
    int order_error;
    /* of the thread */
    struct settings settings;
    struct counters counters;
    struct timer gather, tick;
    struct record_file *file; /* owned; NULL: none */
    struct buffer lines;
    size_t done;
    struct spool *spool;    /* owned; NULL: no database */
    struct record_sql *sql; /* owned; the same */
    struct buffer unspooled;
    char *refused; /* owned: path of what the database refuses */
    bool is_full;  /* the spool was, and it was said */
    uint64_t synced_ms;
    bool is_started;
};

static uint64_t wall_ms(const struct records *records)
{
    return io_wall_us(records->options.io) / 1000;
}

/* ---- writing ---- */

static size_t count_lines(struct text t)
{
    size_t count = 0;
    for (const char *at; (at = text_find(t, '\n')); count++)
        t = text_span(at + 1, t.p + t.n);
    return count;
}

static void count_written(struct records *records, struct text taken)
{
    size_t count = count_lines(taken);
    counter_add(&records->counters, COUNTER_RECORDS_WRITTEN, count);
    atomic_fetch_sub(&records->waiting, count);
}

static void count_rotations(struct records *records)
{
    uint64_t known = counter_read(&records->counters, COUNTER_RECORDS_ROTATED);
    counter_add(&records->counters, COUNTER_RECORDS_ROTATED,
                record_file_rotations(records->file) - known);
}

static void write_lines(struct records *records)
{
    struct text all = buffer_text(&records->lines);
    struct text rest = {all.p + records->done, all.n - records->done};
    if (!records->file || !rest.n)
        return;
    size_t n = record_file_append(records->file, rest, wall_ms(records));
    count_rotations(records);
    count_written(records, (struct text){rest.p, n});
    records->done += n;
    if (records->done == all.n) {
        buffer_clear(&records->lines);
        records->done = 0;
    }
}

/* ---- the database's way ---- */

static void forget_unspooled(struct records *records, size_t count)
{
    counter_add(&records->counters, COUNTER_RECORDS_SPOOL_FULL, count);
    if (!records->is_full)
        log_error(records->options.log, LOG_RECORD, TEXT_NONE,
                  "records are lost to the database: records.spool_mib is reached");
    records->is_full = true;
    buffer_clear(&records->unspooled);
}

static void spool_lines(struct records *records)
{
    struct text lines = buffer_text(&records->unspooled);
    uint64_t most_bytes = records->settings.records_spool_mib << 20;
    if (!records->spool || !lines.n)
        return;
    size_t count = count_lines(lines);
    int error = spool_append(records->spool, lines, most_bytes);
    if (error == ERROR_TRANSPORT && lines.n <= most_bytes)
        return; /* the disk is full: later */
    if (!records->file)
        atomic_fetch_sub(&records->waiting, count);
    if (error) {
        forget_unspooled(records, count);
        return;
    }
    counter_add(&records->counters, COUNTER_RECORDS_SPOOLED, count);
    records->is_full = false;
    buffer_clear(&records->unspooled);
}

/* What the stop waits for. */
static void note_idle(struct records *records)
{
    bool is_idle = !records->sql || !record_sql_is_busy(records->sql);
    pthread_mutex_lock(&records->lock);
    records->is_idle = is_idle;
    if (is_idle)
        pthread_cond_broadcast(&records->progress);
    pthread_mutex_unlock(&records->lock);
}

static void store(struct records *records)
{
    spool_lines(records);
    if (records->sql)
        record_sql_run(records->sql);
}

/* ---- printing ---- */

/* A line for the database, too. Without memory it lacks this one, those before wait on. */
static void keep_for_spool(struct records *records, struct text line)
{
    size_t before = records->unspooled.n;
    buffer_append(&records->unspooled, line);
    if (!records->unspooled.error)
        return;
    records->unspooled.n = before;
    records->unspooled.error = 0;
    counter_count(&records->counters, COUNTER_RECORDS_SPOOL_FULL);
    log_error(records->options.log, LOG_RECORD, TEXT_NONE,
              "a record is lost to the database: there is no memory");
    if (!records->file)
        atomic_fetch_sub(&records->waiting, 1);
}

static void print(struct mail *mail)
{
    struct call_record *record = CONTAINER_OF(mail, struct call_record, mail);
    struct records *records = record->records;
    size_t before = records->lines.n;
    int error = call_record_print(record, &records->lines);
    if (error) {
        records->lines.error = 0; /* the next one may find memory */
        counter_count(&records->counters, COUNTER_RECORDS_DROPPED);
        log_error(records->options.log, LOG_RECORD, record->caller.call_id,
                  "the record of a call is lost: %s", error_text(error));
    } else if (records->options.tap) {
        records->options.tap(records->options.arg, (struct text){records->lines.p + before,
                                                                 records->lines.n - before - 1});
    }
    if (!error && records->spool)
        keep_for_spool(records,
                       (struct text){records->lines.p + before, records->lines.n - before});
    if (error || !(records->file || records->spool))
        atomic_fetch_sub(&records->waiting, 1);
    if (!records->file)
        buffer_clear(&records->lines);
}

/* For who looks from another thread. */
static void publish(struct records *records)
{
    struct records_state state = {
        .file = records->file ? records->options.file : NULL,
        .has_database = records->spool != NULL,
    };
    if (records->file) {
        state.file_bytes = record_file_size_bytes(records->file);
        state.is_refused = record_file_is_refused(records->file);
    }
    if (records->spool)
        state.spool_bytes = spool_waiting_bytes(records->spool);
    pthread_mutex_lock(&records->lock);
    records->state = state;
    pthread_mutex_unlock(&records->lock);
}

static void take_all(struct records *records)
{
    atomic_exchange(&records->is_gathering, false); /* who puts from now on wakes us again */
    mailbox_run(&records->inbox);
    write_lines(records);
    store(records);
    publish(records);
}

static int carry_out(struct records *records, enum records_order order)
{
    int error = order == RECORDS_ROTATE ? record_file_rotate(records->file, wall_ms(records))
                                        : record_file_reopen(records->file);
    count_rotations(records);
    if (error)
        return error;
    record_file_tick(records->file, wall_ms(records));
    return record_file_is_refused(records->file) ? ERROR_TRANSPORT : 0;
}

static void take_order(struct records *records)
{
    pthread_mutex_lock(&records->lock);
    bool has_order = records->has_order;
    enum records_order order = records->order;
    pthread_mutex_unlock(&records->lock);
    if (!has_order)
        return;
    take_all(records);
    int error = carry_out(records, order);
    publish(records);
    pthread_mutex_lock(&records->lock);
    records->order_error = error;
    records->has_order = false;
    pthread_cond_broadcast(&records->progress);
    pthread_mutex_unlock(&records->lock);
}

/* ---- the loop ---- */

static void apply_settings(struct records *records)
{
    const struct settings *settings = &records->settings;
    atomic_store(&records->queue, settings->records_queue);
    if (records->sql)
        record_sql_set_missed(records->sql, settings->records_missed != 0);
    if (records->file)
        record_file_set_limits(records->file,
                               &(struct record_file_limits){
                                   .rotate_bytes = settings->records_rotate_mib << 20,
                                   .rotate_ms = settings->records_rotate_s * 1000,
                                   .keep = settings->records_keep,
                               });
}

/* @return is the end near? */
static bool take_change(struct records *records)
{
    pthread_mutex_lock(&records->lock);
    bool has_changed = records->has_changed;
    if (has_changed)
        records->settings = records->changed;
    records->has_changed = false;
    bool is_stopping = records->is_stopping;
    pthread_mutex_unlock(&records->lock);
    if (has_changed) {
        apply_settings(records);
        if (records->file)
            record_file_reopen(records->file);
    }
    return is_stopping;
}

static void sync_all(struct records *records)
{
    if (records->file)
        record_file_sync(records->file);
    if (records->spool)
        spool_sync(records->spool);
}

static void on_tick(void *arg)
{
    struct records *records = arg;
    uint64_t now_ms = loop_now_ms(records->loop), sync_ms = records->settings.records_sync_ms;
    write_lines(records);
    store(records);
    if (records->file) {
        record_file_tick(records->file, wall_ms(records));
        count_rotations(records);
    }
    if (sync_ms && now_ms >= records->synced_ms + sync_ms) {
        sync_all(records);
        records->synced_ms = now_ms;
    }
    publish(records);
    timer_start(loop_timers(records->loop), &records->tick, TICK_MS, on_tick, records);
}

static void on_gathered(void *arg)
{
    take_all(arg);
}

static void on_wake(void *arg)
{
    struct records *records = arg;
    mailbox_run(&records->answers);
    take_order(records);
    bool is_stopping = take_change(records);
    if ((records->file || records->spool) && !timer_is_running(&records->tick))
        timer_start(loop_timers(records->loop), &records->tick, TICK_MS, on_tick, records);
    if (!records->settings.records_gather_ms || io_is_virtual(records->options.io) || is_stopping)
        take_all(records);
    else if (!timer_is_running(&records->gather))
        timer_start(loop_timers(records->loop), &records->gather,
                    records->settings.records_gather_ms, on_gathered, records);
    if (is_stopping)
        note_idle(records);
}

/* ---- life ---- */

static void destroy(void *object)
{
    struct records *records = object;
    mailbox_drop(&records->inbox);
    memory_release(records->sql);
    memory_release(records->spool);
    memory_free_raw(records->refused);
    buffer_release(&records->unspooled);
    memory_release(records->file);
    memory_release(records->loop);
    buffer_release(&records->lines);
    pthread_cond_destroy(&records->progress);
    pthread_mutex_destroy(&records->lock);
}

int records_create(struct records **recordsp, const struct records_options *options)
{
    struct records *records = memory_alloc(sizeof *records, destroy);
    if (!records)
        return ERROR_MEMORY;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&records->progress, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&records->lock, NULL);
    records->options = *options;
    records->settings = *options->settings;
    int error = loop_create(&records->loop, options->io, "records");
    if (!error && options->file && !options->tap)
        error = record_file_create(&records->file, options->file, options->log);
    if (error) {
        memory_release(records);
        return error;
    }
    records->inbox.loop = records->answers.loop = records->loop;
    loop_set_handlers(records->loop, &(struct loop_handlers){.wake = on_wake, .arg = records});
    apply_settings(records);
    *recordsp = records;
    return 0;
}

static int open_database(struct records *records)
{
    const struct records_options *options = &records->options;
    bool is_virtual = io_is_virtual(options->io);
    if (!options->database || (options->tap && !is_virtual))
        return 0;
    int error = spool_create(&records->spool, is_virtual ? NULL : options->spool, options->log);
    if (!error && !is_virtual) {
        struct buffer path = {0};
        buffer_printf(&path, "%s.refused", options->spool);
        records->refused = path.error ? NULL : text_strdup(buffer_text(&path));
        buffer_release(&path);
        error = records->refused ? 0 : ERROR_MEMORY;
    }
    if (error)
        return error;
    return record_sql_create(&records->sql, &(struct record_sql_options){
                                                .io = options->io,
                                                .database = options->database,
                                                .spool = records->spool,
                                                .home = database_mailbox_home(&records->answers),
                                                .counters = &records->counters,
                                                .log = options->log,
                                                .acc_extra = options->acc_extra,
                                                .acc_extra_count = options->acc_extra_count,
                                                .cdr_extra = options->cdr_extra,
                                                .cdr_extra_count = options->cdr_extra_count,
                                                .refused_path = records->refused,
                                            });
}

int records_start(struct records *records)
{
    int error = open_database(records);
    if (error)
        return error;
    apply_settings(records);
    records->is_started = true;
    loop_wake(records->loop);
    return loop_start(records->loop);
}

int records_put(struct records *records, struct call_record *record)
{
    if (atomic_fetch_add(&records->waiting, 1) >= atomic_load(&records->queue)) {
        atomic_fetch_sub(&records->waiting, 1);
        return ERROR_LIMIT;
    }
    record->records = records;
    record->mail.deliver = print;
    mailbox_add(&records->inbox, &record->mail);
    if (!atomic_exchange(&records->is_gathering, true))
        loop_wake(records->loop);
    return 0;
}

void records_change(struct records *records, const struct settings *settings)
{
    pthread_mutex_lock(&records->lock);
    records->changed = *settings;
    records->has_changed = true;
    pthread_mutex_unlock(&records->lock);
    loop_wake(records->loop);
}

static struct timespec after_s(uint64_t seconds)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)seconds;
    return until;
}

int records_order_file(struct records *records, enum records_order order)
{
    struct timespec until = after_s(ORDER_MOST_S);
    if (!records->file || !records->is_started)
        return ERROR_NOT_FOUND;
    pthread_mutex_lock(&records->lock);
    records->order = order;
    records->has_order = true;
    loop_wake(records->loop);
    while (records->has_order &&
           pthread_cond_timedwait(&records->progress, &records->lock, &until) == 0)
        ;
    int error = records->has_order ? ERROR_TIMEOUT : records->order_error;
    pthread_mutex_unlock(&records->lock);
    return error;
}

void records_get_state(struct records *records, struct records_state *state)
{
    pthread_mutex_lock(&records->lock);
    *state = records->state;
    pthread_mutex_unlock(&records->lock);
}

/* Until the database has what waits, does not want it, or takes too long. */
static void await_database(struct records *records)
{
    struct io *io = records->options.io;
    struct timespec until = after_s(records->settings.database_timeout_ms / 1000 + 1);
    pthread_mutex_lock(&records->lock);
    records->is_stopping = true;
    records->is_idle = false;
    loop_wake(records->loop);
    while (!io_is_virtual(io) && !records->is_idle &&
           pthread_cond_timedwait(&records->progress, &records->lock, &until) == 0)
        ;
    pthread_mutex_unlock(&records->lock);
    while (io_is_virtual(io) && !records->is_idle && lab_step(io, lab_now_us(io)))
        ;
}

void records_stop(struct records *records)
{
    if (!records->is_started)
        return;
    records->is_started = false;
    await_database(records);
    loop_stop(records->loop);
    loop_join(records->loop);
    timer_stop(loop_timers(records->loop), &records->gather);
    timer_stop(loop_timers(records->loop), &records->tick);
    take_all(records);
    sync_all(records);
    if (records_waiting(records))
        log_error(records->options.log, LOG_RECORD, TEXT_NONE,
                  "%zu records of calls are lost: they could not be written",
                  records_waiting(records));
}

void records_take_answers(struct records *records)
{
    while (mailbox_run(&records->answers))
        ;
    timer_stop(loop_timers(records->loop), &records->tick);
}

const struct counters *records_counters(const struct records *records)
{
    return &records->counters;
}

size_t records_waiting(const struct records *records)
{
    return atomic_load(&((struct records *)records)->waiting);
}

/*
 * Where the records of calls go: workers put them here, a thread of its own prints and writes them. No
 * worker ever waits, for a disk or for memory of another: what cannot be kept is counted by who made it.
 */
#pragma once

#include "base/counter.h"
#include "base/settings.h"
#include "io/io.h"
#include "record/file.h"
#include "record/record.h"

struct records; /* counted */

/** Hears each line, without its end, on the thread of the records: the lab's way to them. */
typedef void records_tap(void *arg, struct text line);

struct records_options {
    struct io *io;                   /**< borrowed */
    const struct settings *settings; /**< block records; copied */
    struct log *log;                 /**< borrowed */
    const char *file;                /**< path; NULL: none. With a tap nothing is written */
    struct database *database;       /**< borrowed; NULL: none */
    const char *spool;               /**< path, where there is a database; not used in the lab */
    const char *const *acc_extra;    /**< further columns, see sql.h; borrowed */
    size_t acc_extra_count;
    const char *const *cdr_extra;
    size_t cdr_extra_count;
    records_tap *tap; /**< NULL: none */
    void *arg;
};

/** @param recordsp  returned owned. @return 0, ERROR_MEMORY, ERROR_TRANSPORT */
int records_create(struct records **recordsp, const struct records_options *options);
/** Open the spool and read what waits there, start the thread. @return 0 or an error, which was logged */
int records_start(struct records *records);
/**
 * Any thread.
 * @param record  given when it returns 0
 * @return 0, ERROR_LIMIT (records.queue)
 */
int records_put(struct records *records, struct call_record *record);
/** After a reload: other numbers, and the file is opened again. One thread at a time. */
void records_change(struct records *records, const struct settings *settings);
/** What is done about the file. */
enum records_order {
    RECORDS_REOPEN, /**< somebody moved it: what comes next goes to a file of its name */
    RECORDS_ROTATE  /**< it is put aside */
};
/**
 * Do it, and wait until it is done: nothing goes to the old file any more. Not from the records' thread;
 * one thread at a time.
 * @return 0, ERROR_NOT_FOUND (there is no file), ERROR_STATE (half a line waits for a disk that is full),
 *         ERROR_TRANSPORT (the file cannot be opened or put aside, which was logged), ERROR_TIMEOUT (the
 *         disk does not answer; it will be done)
 */
int records_order_file(struct records *records, enum records_order order);

/** How they stand, of one moment. */
struct records_state {
    const char *file; /**< path, borrowed; NULL: there is none */
    uint64_t file_bytes;
    bool is_refused; /**< the disk takes nothing at the moment */
    bool has_database;
    uint64_t spool_bytes; /**< what the database does not have yet */
};
void records_get_state(struct records *records, struct records_state *state);
/** Write what waits and end the thread; after the workers, before databases stop. Waits for the database, for
 * at most database.timeout_ms; what it does not take then stays in the spool. */
void records_stop(struct records *records);
/** Take what the database answers that has stopped; after records_stop(). */
void records_take_answers(struct records *records);
/** What it counted; for status. */
const struct counters *records_counters(const struct records *records);
/** Records that are not written yet. */
size_t records_waiting(const struct records *records);

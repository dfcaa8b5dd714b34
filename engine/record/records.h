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
    records_tap *tap;                /**< NULL: none */
    void *arg;
};

/** @param recordsp  returned owned. @return 0, ERROR_MEMORY, ERROR_TRANSPORT */
int records_create(struct records **recordsp, const struct records_options *options);
int records_start(struct records *records);
/**
 * Any thread.
 * @param record  given when it returns 0
 * @return 0, ERROR_LIMIT (records.queue)
 */
int records_put(struct records *records, struct call_record *record);
/** After a reload: other numbers, and the file is opened again. One thread at a time. */
void records_change(struct records *records, const struct settings *settings);
/** Write what waits and end the thread; after the workers. */
void records_stop(struct records *records);
/** What it counted; for status. */
const struct counters *records_counters(const struct records *records);
/** Records that are not written yet. */
size_t records_waiting(const struct records *records);

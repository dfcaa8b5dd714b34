/*
 * Who keeps bindings durable: observes the location service and drives a store, on a thread of its own.
 * Modes are Kamailio's db_mode: 1 writes through (a REGISTER is answered when its rows are durable), 2 writes
 * back (soon after), 3 writes through and reads through (fetch.c). In 1 and 2 the service in memory stays what lookups
 * read, so a store that is away delays no call; in 3 it is a cache of the store.
 *
 * What is to be written is remembered per AoR as the ruids that changed; when their turn comes, what the
 * service holds of them then is written. So rows that change often are written once, and what failed is
 * simply still to be written. Beyond location.store_queue rows, changes are not remembered one by one: once
 * the store is back, all bindings are written again (in 3 they are not: nobody was told that they are bound).
 */
#pragma once

#include "base/counter.h"
#include "base/log.h"
#include "base/settings.h"
#include "database/database.h"
#include "io/io.h"
#include "location/store.h"

struct keeper; /* counted */

struct keeper_options {
    struct io *io;                   /**< borrowed */
    struct location *location;       /**< borrowed */
    struct location_store store;     /**< borrowed, outlives it */
    const struct settings *settings; /**< copied; block location */
    struct log *log;                 /**< borrowed */
};

/** @param keeperp  returned owned. @return 0; ERROR_MEMORY, ERROR_TRANSPORT */
int keeper_create(struct keeper **keeperp, const struct keeper_options *options);
/** A location_change_handler; @p arg is the keeper. */
location_change_handler keeper_changed;
/** Begin to load what the store has; then to write. @return 0 or an error */
int keeper_start(struct keeper *keeper);
/**
 * Wait until all is loaded, or the store turned out to be away: then it is tried again until it is back.
 * Before workers start; in the lab it does not wait.
 */
void keeper_await_load(struct keeper *keeper);
/** Write what waits, for at most database.timeout_ms; end the thread. After workers, before the database. */
void keeper_stop(struct keeper *keeper);
/** Take what the store answers that has stopped; after keeper_stop(). */
void keeper_take_answers(struct keeper *keeper);

/** Does a REGISTER wait for its rows? */
bool keeper_writes_through(const struct keeper *keeper);
/** Is the store asked before each use of an AoR (db_mode 3)? */
bool keeper_reads_through(const struct keeper *keeper);
/**
 * Bring what the store has of an AoR into the service; any thread.
 * @param home  where @p done runs, with an answer that has nothing but error
 * @return 0; ERROR_STATE: there is no need, what the service has is still to be written; ERROR_LIMIT (the queue of
 *         the database is full), ERROR_MEMORY: @p done is then not called
 */
int keeper_fetch(struct keeper *keeper, struct text aor, const struct database_home *home,
                 database_done_handler *done, void *arg);
/**
 * Rows of the store itself, where it alone counts; any thread. What is still to be written is not in them.
 * @param after  AoR behind which they begin; absent: all
 * @param reply  its home is a struct database_home. @return as keeper_fetch(); no handler runs then
 */
int keeper_page(struct keeper *keeper, struct text after, uint32_t most,
                const struct location_reply *reply);
/**
 * Be told when what changed of an AoR so far is durable, or could not be made so; any thread.
 * @param home  where @p done runs, with an answer that has nothing but error
 * @return 0; ERROR_TRANSPORT (the store is away), ERROR_LIMIT (location.store_queue), ERROR_MEMORY: @p done is
 *         then not called
 */
int keeper_wait(struct keeper *keeper, struct text aor, const struct database_home *home,
                database_done_handler *done, void *arg);

/** What it counted; for status. */
const struct counters *keeper_counters(const struct keeper *keeper);
/** Rows that wait to be written. */
size_t keeper_waiting(struct keeper *keeper);

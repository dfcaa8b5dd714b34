/*
 * Where bindings outlive the process: SQL tables, a file, a test's memory. A store keeps rows; the
 * location service in memory is what lookups read, after `fetch` where the store alone counts. The
 * modes (write-through, write-back, database only) are policies of whoever observes the service
 * and drives a store; a store knows none of them.
 *
 * A row is an AoR and a struct location_binding; its ruid is the key. flow_id means nothing beyond
 * this run and is not kept. Nothing here waits: whatever takes time is answered through a handler.
 */
#pragma once

#include "location/location.h"

/** One row; borrowed during the call. @return false: enough, no more rows are wanted */
typedef bool location_row_handler(void *arg, struct text aor, const struct location_binding *row);
/**
 * @param error  0; ERROR_TRANSPORT (the store is away), ERROR_TIMEOUT, ERROR_LIMIT (its queue is
 * full) ...
 */
typedef void location_done_handler(void *arg, int error);

/** Who is answered, and how. */
struct location_reply {
    location_row_handler *row;   /**< NULL: rows are not wanted */
    location_done_handler *done; /**< exactly once, after the last row, if the call returned 0 */
    void *arg;
    const void
        *home; /**< on which thread: a struct database_home, or whatever the store's own floor
                           answers to; NULL: on any */
};

/**
 * To be implemented by a store. Any thread may call; each returns 0 or an error, and then no
 * handler runs.
 */
struct location_store_operations {
    const char *name; /**< "sql" */
    /** Give every row that has not expired. */
    int (*load)(void *store, uint64_t now_ms, const struct location_reply *reply);
    /** Give the rows of one AoR (database only). */
    int (*fetch)(void *store, struct text aor, uint64_t now_ms, const struct location_reply *reply);
    /**
     * Give rows in the order of their AoRs, beginning behind one (database only): at most so many, so that the last
     * AoR of a full page may lack some.
     * @param after  absent: from the beginning
     */
    int (*page)(void *store, struct text after, uint32_t most, const struct location_reply *reply);
    /**
     * Keep the changes of one record, all or none; later ones of the same AoR must not overtake.
     * What is needed longer is copied, or referred to by memory_ref().
     */
    int (*write)(void *store, const struct location_changes *changes,
                 const struct location_reply *reply);
    /** Remove rows that expired before @p now_ms (the leavings of an earlier run). */
    int (*purge)(void *store, uint64_t now_ms, const struct location_reply *reply);
};

/** A store and its own state. */
struct location_store {
    const struct location_store_operations *operations;
    void *store; /**< first argument of each operation; owned by whoever made it */
};

/** A location_row_handler that puts rows into the service; @p arg is a struct location_loading. */
location_row_handler location_load_row;
/** What it needs and finds. */
struct location_loading {
    struct location *location;
    uint64_t now_ms;
    uint64_t loaded, expired, refused; /**< rows; refused: beyond a limit, or no sense in them */
    int error;                         /**< ERROR_MEMORY ended it, else 0 */
};

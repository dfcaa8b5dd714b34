/* Private to this folder: what is to be written, per AoR. Not thread-safe: the keeper's lock guards it. */
#pragma once

#include "base/hash.h"
#include "base/list.h"
#include "database/database.h"
#include "location/location.h"

/** Counted. Somebody who waits for an AoR. The answer is first: released as such. */
struct waiter {
    struct database_answer answer;
    struct database_home home;
    struct waiter *next;
};

/** Bindings whose row changed; a reference each, for their ruid. */
struct rows {
    struct location_binding **v; /**< owned */
    size_t count, room;
};

/** An AoR with rows to be written. */
struct entry {
    struct hash_link hash;
    struct link link;       /**< in queue.due, while it is not being written */
    struct text aor;        /**< behind it */
    struct rows rows, sent; /**< to be written; being written */
    struct waiter *waiters; /**< for rows, and for sent */
    struct waiter *sent_waiters;
};

struct queue {
    struct hash_key key;
    struct hash_table table; /**< of entries */
    struct list due;         /**< entries that nobody writes now */
    size_t rows;             /**< of all entries */
};

/** @return NULL when nothing of that AoR is to be written */
struct entry *queue_find(struct queue *queue, struct text aor);
/** The entry of an AoR, made when there is none; NULL without memory. */
struct entry *queue_get(struct queue *queue, struct text aor);
/** The row of a binding is to be written. @return 0 or ERROR_MEMORY */
int queue_add(struct queue *queue, struct entry *entry, const struct location_binding *binding);
/** The next one to write; its rows become those that are sent. NULL: none is due. */
struct entry *queue_take(struct queue *queue);
/**
 * It was written, or was not.
 * @param is_again  its rows are to be written again
 * @return those who waited for it, given; the entry may be gone
 */
struct waiter *queue_finish(struct queue *queue, struct entry *entry, bool is_again);
/** Forget everything. @return all who wait, given */
struct waiter *queue_release(struct queue *queue);

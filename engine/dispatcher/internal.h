/*
 * What this folder's files share of the dispatcher.
 *
 * Locks, taken in this order:
 *   list_mutex  serialises those who change the list (reload, resolved addresses); held for long
 *   mutex       guards the three pointers and the latency sums; held for a few instructions
 * A worker holds `mutex` only to take a reference to the snapshot or the terms.
 */
#pragma once

#include "dispatcher/snapshot.h"
#include "dispatcher/sources.h"

#include <pthread.h>

#define REPLY_CODES 700 /* 100 ... 699 are asked for */

/** What a reload may change beside the list. */
struct dispatcher_terms {
    struct dispatcher_options options; /**< its lists are copies, owned: of who reloads alone */
    struct gateway_rules rules;
    bool good_replies[REPLY_CODES]; /**< a ping answered so is answered well */
};

struct dispatcher {
    struct dispatcher_terms *terms; /**< owned; guarded by mutex */
    struct log *log;                /**< borrowed; NULL: silent */
    pthread_mutex_t list_mutex, mutex;
    struct snapshot *snapshot;  /**< guarded by mutex */
    struct sources *sources;    /**< guarded by mutex */
    struct hash_table gateways; /**< by set and URI, one reference each; list_mutex */
    uint64_t generation;        /**< of the last load; list_mutex */
};

/** @return a reference to the snapshot in force */
struct snapshot *dispatcher_snapshot(struct dispatcher *dispatcher);
/** Say in the log that a gateway came or went. */
void dispatcher_log_state(struct dispatcher *dispatcher,
                          const struct dispatcher_destination *destination, const char *why);
/** @return 0, ERROR_SYNTAX with @p fault, ERROR_MEMORY; memory_release() */
int dispatcher_terms_create(struct dispatcher_terms **termsp,
                            const struct dispatcher_options *options, char **fault);
/** @return a reference to the terms in force */
struct dispatcher_terms *dispatcher_terms(struct dispatcher *dispatcher);
/** Fill good_replies from "class=2;code=403". @return 0 or ERROR_SYNTAX with @p fault */
int dispatcher_parse_reply_codes(struct dispatcher_terms *terms, char **fault);
/** A hash_visit_handler: take a gateway out of the table. */
void dispatcher_forget_gateway(struct hash_link *link, void *arg);

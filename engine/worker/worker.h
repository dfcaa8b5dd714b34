/*
 * A worker: one loop with everything that handles SIP for the calls it owns, put together from the
 * floors below. Calls belong to the worker that their Call-ID hashes to; what arrives at another
 * worker's socket is handed over through a mailbox before anything else is done with it.
 */
#pragma once

#include "base/ring.h"
#include "record/records.h"
#include "script/script.h"

struct engine;
struct recorder;
struct trunk_client;
struct worker; /* counted */

#define WORKERS_MAX 64 /* bits of a mask */

struct worker_options {
    struct io *io;
    unsigned index, count;   /**< this worker, all workers */
    struct worker **workers; /**< all of them, for hand-over; borrowed, filled before the start */
    const struct configuration *configuration;
    struct media *media;           /**< NULL: none */
    struct dispatcher *dispatcher; /**< NULL: none */
    struct profiles *profiles;     /**< of the engine */
    struct masks *masks;           /**< of the engine */
    struct records *records;       /**< where records of calls go, borrowed; NULL: none are made */
    struct location *location;     /**< of the engine */
    struct keeper *keeper;         /**< of the location service; NULL: none */
    struct trunks *trunks;         /**< of the engine */
    struct rate *rate;             /**< of all sources; NULL: limits.cps_per_source is 0 */
    struct log *log;
    struct hash_key hash_key; /**< the same in every worker: it decides who owns a call */
};

/** Make it and bind its sockets. @param failed  listener that could not be bound. @return 0 or an error */
int worker_create(struct worker **workerp, const struct worker_options *options,
                  const struct listener **failed);
/** Start receiving: in the uv world on a thread of its own. @param generation given */
int worker_start(struct worker *worker, struct generation *generation);
/** End calls, close sockets, end the thread; then memory_release(). */
void worker_stop(struct worker *worker);
/** Take what databases and HTTP answer that have stopped; after worker_stop(), databases_stop(), http_stop(). */
void worker_take_answers(struct worker *worker);

/** What a reload brings to one worker. */
struct worker_change {
    struct generation *generation;   /**< given: serves new calls from now on */
    const struct settings *settings; /**< copied; those that are fixed at the start are the same */
    void (*done)(void *arg);         /**< called when it has taken both, on its thread */
    void *arg;
};
/**
 * Have the worker take @p change before anything else; from the control thread, one at a time. It
 * needs no memory and no room in the mailbox: it cannot fail. In the lab at once.
 * @param change  borrowed until done() is called
 */
void worker_change(struct worker *worker, struct worker_change *change);

/** Work to be done on the worker's thread. */
typedef void worker_task(struct worker *worker, void *arg);
/** Have @p task run on the worker's thread soon, however full its mailbox; any thread. @return 0 or ERROR_MEMORY */
int worker_post(struct worker *worker, worker_task *task, void *arg);
/**
 * Run @p task on the worker's thread and wait for it; only from the control thread. It needs no memory
 * and no room in the mailbox: it cannot fail. In the lab at once.
 */
void worker_ask(struct worker *worker, worker_task *task, void *arg);

/** The worker that owns a call. */
unsigned worker_owner(const struct worker_options *options, struct text call_id);

/**
 * Draw a Call-ID for a request of the first worker that hashes home, so that the answer stays there.
 * It would be at home there among any number of workers: how many there are then changes nothing in
 * what is sent. On its thread.
 */
void worker_draw_call_id(struct worker *worker, char *out, size_t size_bytes);

/* On the worker's thread, or while it does not run. */
struct proxy *worker_proxy(struct worker *worker);
struct script *worker_script(struct worker *worker);
struct transport *worker_transport(struct worker *worker);
/** Its flight recorder (recorder.h), borrowed; NULL: none. */
const struct recorder *worker_recorder(const struct worker *worker);
struct trunk_client *worker_trunk_client(struct worker *worker);
struct loop *worker_loop(struct worker *worker);
struct resolver *worker_resolver(struct worker *worker);
const struct worker_options *worker_get_options(const struct worker *worker);
/** Any thread. */
struct counters *worker_counters(struct worker *worker);
/** Refuse new calls with 503 while draining; on its thread. */
void worker_set_draining(struct worker *worker, bool is_draining);

/*
 * A running lunasip: configuration, dispatcher, media relay, workers, script generations. Several
 * can live in one process; the lab holds as many as a test wants.
 */
#pragma once

#include "base/buffer.h"
#include "worker/worker.h"

struct engine; /* counted */

struct engine_options {
    struct io *io;            /**< borrowed, outlives the engine */
    const char *conf_path;    /**< configuration file */
    const char *lua_dir;      /**< holds lunasip/runtime.lua */
    const char *route_path;   /**< instead of the configuration's; may be NULL */
    unsigned workers;         /**< instead of the configuration's; 0: as configured */
    log_sink *log_sink;       /**< NULL: where the configuration says, at its level */
    enum log_level log_level; /**< of log_sink */
    void *log_arg;
    records_tap *record_tap; /**< hears every record, in the place of the file; NULL: the file */
    void *record_arg;
    struct coverage *coverage; /**< lab: counts the lines of scripts; borrowed, NULL: not wanted */
};

/**
 * Load the configuration and the script, make everything, bind every socket.
 * @param fault  on error one line for the operator, memory_free_raw(); may be NULL on ERROR_MEMORY
 * @return 0, ERROR_SCRIPT (configuration or script), ERROR_IN_USE, ERROR_ARGUMENT, ...
 */
int engine_create(struct engine **enginep, const struct engine_options *options, char **fault);
/** Start threads and receive. @return 0 or an error */
int engine_start(struct engine *engine);
/** End every call, stop all threads, close all sockets; then memory_release(). */
void engine_stop(struct engine *engine);

/**
 * Read configuration, script and lists again: loaded and checked aside, then put in force in one
 * step on all workers. Only from the control thread.
 * @param route_path  another script; NULL: the one of the last time, or of the configuration when
 *                    that names another one now
 * @return 0 or an error with *fault as in engine_create(), ERROR_STATE for what cannot change while
 *         it runs; nothing has changed then
 */
int engine_reload(struct engine *engine, const char *route_path, char **fault);
/** Files that the engine is made of: see sources_list(). @return borrowed until the next reload */
char *const *engine_files(const struct engine *engine, size_t *count);

/** What engine_try() found. */
struct reload_trial {
    uint64_t hash; /**< of all texts: equal texts, equal hashes */
    char **specs;  /**< files that try the script; names_free() */
    size_t spec_count;
};
/**
 * Load and check aside as engine_reload() does, change nothing, and name the script's specs: those of
 * the configuration, or the file beside the script, for route.lua route_spec.lua.
 * @param trial  receives what was found; its specs are owned by the caller
 * @return 0, ERROR_NOT_FOUND (there are no specs), or as engine_reload(), with *fault
 */
int engine_try(struct engine *engine, const char *route_path, struct reload_trial *trial,
               char **fault);
/**
 * engine_reload(), but only of what engine_try() has seen.
 * @param hash  of the trial
 * @return as engine_reload(); ERROR_STATE without a fault: a file has changed since
 */
int engine_reload_tested(struct engine *engine, const char *route_path, uint64_t hash,
                         char **fault);

/**
 * Give the memory of generations that have ended back to the system; from the control thread, now
 * and then after a reload.
 * @return whether old generations are still alive: ask again
 */
bool engine_tidy(struct engine *engine);
/** Does it take new calls? Others than ENGINE_SERVES refuse them with 503 and Retry-After. */
enum engine_intake {
    ENGINE_SERVES,
    ENGINE_DRAINS, /**< until it is told to serve again */
    ENGINE_STOPS,  /**< for good */
};
/** @return "serving", "draining" or "stopping" */
const char *engine_intake_name(enum engine_intake intake);
/** From the control thread. @return 0, or ERROR_STATE: it stops, and nothing takes that back */
int engine_set_intake(struct engine *engine, enum engine_intake intake);
enum engine_intake engine_get_intake(const struct engine *engine);

/* For control and status. */
const struct configuration *engine_configuration(const struct engine *engine);
/** NULL: no records are made. */
struct records *engine_records(const struct engine *engine);
struct dispatcher *engine_dispatcher(const struct engine *engine);
struct io *engine_io(const struct engine *engine); /**< borrowed */
struct media *engine_media(const struct engine *engine);
/** How many calls are in which profile; borrowed. */
struct profiles *engine_profiles(const struct engine *engine);
struct location *engine_location(const struct engine *engine);
struct keeper *engine_keeper(const struct engine *engine); /**< NULL: none */
struct trunks *engine_trunks(const struct engine *engine);
struct databases *engine_databases(const struct engine *engine);
struct http *engine_http(const struct engine *engine);
/** What its HTTP client counted. */
const struct counters *engine_http_counters(const struct engine *engine);
/** The control thread's own: it is the only writer. */
struct counters *engine_control_counters(struct engine *engine);
struct log *engine_log(struct engine *engine);
unsigned engine_worker_count(const struct engine *engine);
struct worker *engine_worker(const struct engine *engine, unsigned i);
uint64_t engine_uptime_s(const struct engine *engine);
/** One generation of the script. @return age in seconds */
uint64_t engine_generation_age_s(const struct engine *engine, unsigned number);
/** Number of the newest generation, counted from 1. */
unsigned engine_generation(const struct engine *engine);

/*
 * A reload: everything that can fail is done aside first; then, in one step, other settings, lists,
 * ports and a generation of the script for each worker. The order is that of what can fail:
 * configuration, its changes, generations (a state each: the expensive part, on a thread that gives
 * way to the workers), the dispatcher's lists, and from there on nothing fails. A worker takes the
 * new one by a pointer, and gives away the state of the old one without closing it (reaper.h).
 */
#include "base/error.h"
#include "base/memory.h"
#include "script/check.h"
#include "script/reaper.h"
#include "worker/aside.h"
#include "worker/changes.h"
#include "worker/internal.h"
#include "worker/sources.h"
#include "worker/trunk_changes.h"

#include <pthread.h>

/* ---- generations ---- */

int engine_load_generations(struct engine *engine, struct configuration *configuration,
                            const char *route_path, struct generation *generations[], char **fault)
{
    int error = 0;
    for (unsigned i = 0; i < engine->worker_count && !error; i++)
        error =
            generation_create(&generations[i],
                              &(struct generation_options){
                                  .io = engine->io,
                                  .settings = &configuration->settings,
                                  .log = &engine->log,
                                  .configuration = configuration,
                                  .shared = engine->shared,
                                  .auth = engine->auth,
                                  .databases = engine->databases,
                                  .http = engine->http,
                                  .lua_dir = engine->lua_dir,
                                  .library = engine->library,
                                  .reaper = engine->reaper,
                                  .route_path = route_path ? route_path : configuration->route_path,
                                  .source = !route_path && configuration->route_source
                                                ? text_of(configuration->route_source)
                                                : TEXT_NONE,
                                  .worker = i,
                                  .number = engine->generation + 1,
                                  .is_deterministic = io_is_virtual(engine->io),
                                  .coverage = engine->coverage,
                              },
                              fault);
    if (error)
        for (unsigned i = 0; i < engine->worker_count; i++)
            generations[i] = memory_release(generations[i]);
    return error;
}

void engine_count_generation(struct engine *engine)
{
    engine->generation++;
    engine->generation_born_us[engine->generation % GENERATIONS_MAX] = io_wall_us(engine->io);
}

/* ---- the swap ---- */

/* How many workers have yet to take what is new. */
struct swap {
    struct worker_change changes[WORKERS_MAX];
    pthread_mutex_t mutex;
    pthread_cond_t done;
    unsigned pending;
};

static void on_changed(void *arg)
{
    struct swap *swap = arg;
    pthread_mutex_lock(&swap->mutex);
    if (--swap->pending == 0)
        pthread_cond_signal(&swap->done);
    pthread_mutex_unlock(&swap->mutex);
}

/* All workers are told before one is waited for. */
static void change_workers(struct engine *engine, const struct settings *settings,
                           struct generation *generations[])
{
    struct swap swap = {
        .mutex = PTHREAD_MUTEX_INITIALIZER,
        .done = PTHREAD_COND_INITIALIZER,
        .pending = engine->worker_count,
    };
    for (unsigned i = 0; i < engine->worker_count; i++) {
        swap.changes[i] = (struct worker_change){generations[i], settings, on_changed, &swap};
        worker_change(engine->workers[i], &swap.changes[i]);
    }
    pthread_mutex_lock(&swap.mutex);
    while (swap.pending)
        pthread_cond_wait(&swap.done, &swap.mutex);
    pthread_mutex_unlock(&swap.mutex);
}

/* ---- the whole ---- */

/* What a reload has ready before anything changes. */
struct prepared {
    struct configuration *configuration; /* owned */
    char *route_path;                    /* owned; NULL: the configuration's */
    struct generation *generations[WORKERS_MAX];
    char **files; /* owned */
    size_t file_count;
    uint64_t hash;               /* see sources_hash() */
    struct trunks_change trunks; /* owned */
};

/* A script that `ctl reload PATH` named stays until the configuration names another. */
static int choose_route(struct engine *engine, const char *route_path, struct prepared *prepared)
{
    const char *before = engine->configuration->route_path;
    const char *path = route_path ? route_path : engine->route_path;
    bool is_moved = !text_equal(text_of(prepared->configuration->route_path), text_of(before));
    if (!path || (is_moved && !route_path))
        return 0;
    prepared->route_path = text_strdup(text_of(path));
    return prepared->route_path ? 0 : ERROR_MEMORY;
}

/* Everything that `lunasip check` finds, in its words. @return 0, ERROR_SCRIPT, ERROR_MEMORY */
static int check(struct engine *engine, const char *route_path, char **fault)
{
    struct check_report *report;
    char *problem = NULL;
    int error = check_run(&report,
                          &(struct check_options){
                              .conf_path = engine->conf_path,
                              .route_path = route_path,
                              .lua_dir = engine->lua_dir,
                              .library = engine->library,
                          },
                          &problem);
    if (error) {
        memory_free_raw(problem);
        return error;
    }
    if (check_fault_count(report)) {
        memory_free_raw(*fault);
        *fault = text_strdup(text_trim(text_of(check_text(report))));
        error = ERROR_SCRIPT;
    }
    memory_release(report);
    return error;
}

/* Load the script. What is wrong with it is said by the check, which knows better. */
static int load_script(struct engine *engine, struct prepared *prepared, char **fault)
{
    int error = engine_load_generations(engine, prepared->configuration, prepared->route_path,
                                        prepared->generations, fault);
    if (error == ERROR_SCRIPT)
        check(engine, prepared->route_path, fault);
    if (!error)
        error =
            sources_hash(prepared->configuration, prepared->generations[0], &prepared->hash, fault);
    if (!error && prepared->hash != engine->checked_hash)
        error = check(engine, prepared->route_path, fault);
    if (error)
        return error;
    engine->checked_hash = prepared->hash;
    return sources_list(prepared->configuration, prepared->generations[0], &prepared->files,
                        &prepared->file_count);
}

/* Close the states that workers have given away; in a row of reloads before each of them. */
static void reap(void *arg)
{
    struct engine *engine = arg;
    if (engine->reaper)
        reaper_run(engine->reaper);
}

static int prepare_aside(struct engine *engine, const char *route_path, struct prepared *prepared,
                         char **fault)
{
    reap(engine);
    int error = configuration_load(&prepared->configuration, engine->conf_path, engine->lua_dir,
                                   engine->library, fault);
    if (error == ERROR_SCRIPT)
        check(engine, route_path ? route_path : engine->route_path, fault);
    if (!error)
        error = changes_check(engine->first, prepared->configuration, fault);
    if (!error)
        error = choose_route(engine, route_path, prepared);
    if (!error)
        error = load_script(engine, prepared, fault);
    if (!error)
        error = trunk_changes_prepare(engine, prepared->configuration, &prepared->trunks);
    return error;
}

struct preparation {
    struct engine *engine;
    const char *route_path;
    struct prepared *prepared;
    char **fault;
    int error;
};

static void run_preparation(void *arg)
{
    struct preparation *work = arg;
    work->error = prepare_aside(work->engine, work->route_path, work->prepared, work->fault);
}

/* @param prepared  filled as far as it came; commit() or discard(). @return 0 or what is wrong, with a fault */
static int prepare(struct engine *engine, const char *route_path, struct prepared *prepared,
                   char **fault)
{
    struct preparation work = {engine, route_path, prepared, fault, 0};
    aside_run(engine->io, run_preparation, &work);
    return work.error;
}

static void discard(struct engine *engine, struct prepared *prepared)
{
    for (unsigned i = 0; i < engine->worker_count; i++)
        memory_release(prepared->generations[i]);
    trunks_discard(&prepared->trunks);
    names_free(prepared->files, prepared->file_count);
    memory_free_raw(prepared->route_path);
    memory_release(prepared->configuration);
    databases_sweep(engine->databases);
}

static void commit(struct engine *engine, struct prepared *prepared)
{
    struct configuration *old = engine->configuration, *new = prepared->configuration;
    memory_free_raw(engine->route_path);
    engine->route_path = prepared->route_path;
    engine->configuration = new;
    names_free(engine->files, engine->file_count);
    engine->files = prepared->files;
    engine->file_count = prepared->file_count;
    changes_log(&engine->log, old, new);
    if (new->log_level != old->log_level)
        engine->log.level = (int)new->log_level;
    if (engine->media)
        media_change(engine->media, &new->settings, new->media_port_least, new->media_port_most);
    if (engine->records)
        records_change(engine->records, &new->settings);
    engine_count_generation(engine);
    engine->is_untidy = true;
    change_workers(engine, &new->settings, prepared->generations);
    trunk_changes_commit(engine, &prepared->trunks);
    memory_release(old);
}

/* @param hash  of the texts that are wanted; 0: any */
static int reload(struct engine *engine, const char *route_path, uint64_t hash, char **fault)
{
    struct prepared prepared = {0};
    *fault = NULL;
    int error = prepare(engine, route_path, &prepared, fault);
    if (!error && hash && prepared.hash != hash)
        error = ERROR_STATE;
    else if (!error && engine->dispatcher)
        error = dispatcher_reload(engine->dispatcher, &prepared.configuration->dispatcher, fault);
    if (error) {
        discard(engine, &prepared);
        if (engine->records) /* logrotate has moved the file, whatever the script is like */
            records_change(engine->records, &engine->configuration->settings);
        return error;
    }
    commit(engine, &prepared);
    databases_sweep(engine->databases);
    log_info(&engine->log, LOG_SCRIPT, TEXT_NONE, "generation %u serves new calls",
             engine->generation);
    return 0;
}

int engine_reload(struct engine *engine, const char *route_path, char **fault)
{
    return reload(engine, route_path, 0, fault);
}

int engine_reload_tested(struct engine *engine, const char *route_path, uint64_t hash, char **fault)
{
    return reload(engine, route_path, hash, fault);
}

int engine_try(struct engine *engine, const char *route_path, struct reload_trial *trial,
               char **fault)
{
    struct prepared prepared = {0};
    *trial = (struct reload_trial){0};
    *fault = NULL;
    int error = prepare(engine, route_path, &prepared, fault);
    if (!error)
        error = sources_specs(prepared.configuration, prepared.route_path, &trial->specs,
                              &trial->spec_count, fault);
    trial->hash = prepared.hash;
    discard(engine, &prepared);
    return error;
}

char *const *engine_files(const struct engine *engine, size_t *count)
{
    *count = engine->file_count;
    return engine->files;
}

/* ---- afterwards ---- */

static void count_old(struct worker *worker, void *arg)
{
    *(size_t *)arg += script_generations(worker_script(worker)) - 1;
}

static void trim_thread(struct worker *worker, void *arg)
{
    (void)worker, (void)arg;
    memory_trim_thread();
}

bool engine_tidy(struct engine *engine)
{
    size_t old = 0;
    if (!engine->is_untidy)
        return false;
    for (unsigned i = 0; i < engine->worker_count; i++)
        worker_ask(engine->workers[i], count_old, &old);
    engine->is_untidy = old > 0;
    if (old < engine->old_generations || old == 0) {
        aside_run(engine->io, reap, engine);
        databases_sweep(engine->databases);
        for (unsigned i = 0; i < engine->worker_count; i++)
            worker_ask(engine->workers[i], trim_thread, NULL);
        memory_trim();
    }
    engine->old_generations = old;
    return engine->is_untidy;
}

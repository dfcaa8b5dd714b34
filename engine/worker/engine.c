/* Start and stop as one readable list, and what concerns all workers at once. */
#include "worker/engine.h"

#include "base/error.h"
#include "base/memory.h"
#include "base/rate.h"
#include "route/masks.h"
#include "script/reaper.h"
#include "worker/internal.h"
#include "worker/sources.h"
#include "worker/syslog.h"
#include "worker/trunk_changes.h"

#include <stdio.h>
#include <unistd.h>

static void destroy(void *arg)
{
    struct engine *engine = arg;
    for (unsigned i = 0; i < engine->worker_count; i++) {
        memory_release(engine->newborn[i]);
        memory_release(engine->workers[i]);
    }
    memory_release(engine->keeper);
    memory_release(engine->location_sql);
    memory_release(engine->trunks);
    memory_release(engine->rate);
    memory_release(engine->media);
    memory_release(engine->location);
    memory_release(engine->dispatcher);
    memory_release(engine->profiles);
    memory_release(engine->masks);
    memory_release(engine->shared);
    memory_release(engine->auth);
    memory_release(engine->databases);
    memory_release(engine->http);
    memory_release(engine->records);
    memory_release(engine->configuration);
    memory_release(engine->first);
    names_free(engine->files, engine->file_count);
    memory_free_raw(engine->conf_path);
    memory_free_raw(engine->lua_dir);
    memory_release(engine->library);
    memory_release(engine->reaper);
    memory_free_raw(engine->route_path);
    log_flush(&engine->log);
    memory_release(engine->log.buffer);
}

/* ---- faults ---- */

static char *fault_line(const char *format, const char *what, int error)
{
    char line[512];
    snprintf(line, sizeof line, format, what, error_text(error));
    return text_strdup(text_of(line));
}

static char *listener_fault(const struct listener *listener, int error)
{
    char address[ADDRESS_TEXT_BYTES], line[256];
    address_print(&listener->local, address);
    const char *what = error_text(error);
    const char *advice = "check the listen block, and whether this account may use the port";
    if (error == ERROR_IN_USE) {
        advice = "another process listens there; stop it, or change the listen block";
    } else if (error == ERROR_ARGUMENT) {
        what = "this machine has no such address";
        advice = "change the listen block";
    }
    snprintf(line, sizeof line, "%s:%s (%s): %s; %s", transport_kind_name(listener->kind), address,
             listener->interface, what, advice);
    return text_strdup(text_of(line));
}

/* ---- the parts ---- */

static int load(struct engine *engine, const struct engine_options *options, char **fault)
{
    int error = library_create(&engine->library);
    if (!error && !io_is_virtual(engine->io))
        error = reaper_create(&engine->reaper);
    if (!error)
        error = configuration_load(&engine->configuration, options->conf_path, options->lua_dir,
                                   engine->library, fault);
    if (error)
        return error;
    engine->first = memory_ref(engine->configuration);
    engine->conf_path = text_strdup(text_of(options->conf_path));
    engine->lua_dir = text_strdup(text_of(options->lua_dir));
    if (options->route_path)
        engine->route_path = text_strdup(text_of(options->route_path));
    if (!engine->conf_path || !engine->lua_dir || (options->route_path && !engine->route_path))
        return ERROR_MEMORY;
    if (profiles_create(&engine->profiles) || masks_create(&engine->masks))
        return ERROR_MEMORY;
    return shared_create(&engine->shared, engine->configuration->settings.shared_bytes);
}

/* Where lines go: to who made this engine, or as configured. */
static int open_log(struct engine *engine, const struct engine_options *options)
{
    struct log *log = &engine->log;
    if (options->log_sink) {
        log->level = options->log_level;
        log->sink = options->log_sink;
        log->arg = options->log_arg;
        return 0;
    }
    log->level = engine->configuration->log_level;
    if (!engine->configuration->is_log_syslog)
        return log_buffer_create(&log->buffer);
    syslog_open();
    log->sink = syslog_line;
    return 0;
}

static int create_dispatcher(struct engine *engine, char **fault)
{
    if (!engine->configuration->has_dispatcher)
        return 0;
    struct dispatcher_options options = engine->configuration->dispatcher;
    options.log = &engine->log;
    return dispatcher_create(&engine->dispatcher, &options, fault);
}

/** Can a socket of the relay be bound there? Else every call would find out anew. */
static int probe_media_address(struct engine *engine, const struct media_interface *interface,
                               const struct address *local, char **fault)
{
    struct udp *udp;
    char host[ADDRESS_TEXT_BYTES], line[256];
    if (!address_is_set(local))
        return 0;
    int error = udp_open(&udp, engine->io, local, &(struct udp_options){0});
    if (!error) {
        udp_close(udp);
        return 0;
    }
    address_print_host(local, host);
    snprintf(line, sizeof line, "%s (media %s): %s; change the media block", host, interface->name,
             error == ERROR_ARGUMENT ? "this machine has no such address" : error_text(error));
    *fault = text_strdup(text_of(line));
    return error;
}

static int probe_media(struct engine *engine, char **fault)
{
    const struct configuration *configuration = engine->configuration;
    int error = 0;
    for (size_t i = 0; i < configuration->media_count && !error; i++) {
        const struct media_interface *interface = &configuration->media[i];
        error = probe_media_address(engine, interface, &interface->v4.local, fault);
        if (!error)
            error = probe_media_address(engine, interface, &interface->v6.local, fault);
    }
    return error;
}

static int create_media(struct engine *engine, char **fault)
{
    const struct configuration *configuration = engine->configuration;
    if (configuration->media_count == 0)
        return 0;
    int error = probe_media(engine, fault);
    if (error)
        return error;
    error = media_create(&engine->media, engine->io,
                         &(struct media_options){
                             .interfaces = configuration->media,
                             .interface_count = configuration->media_count,
                             .port_least = configuration->media_port_least,
                             .port_most = configuration->media_port_most,
                             .threads = configuration->media_threads,
                             .settings = &configuration->settings,
                             .log = &engine->log,
                         });
    if (error)
        *fault = fault_line("%s: %s; check the media block", configuration->path, error);
    return error;
}

/* Its limits are those of the start: a reload may change what one REGISTER gets, not what is kept. */
static int create_location(struct engine *engine)
{
    int error = location_create(&engine->location, &(struct location_options){
                                                       .settings = &engine->first->settings,
                                                       .hash_key = engine->hash_key,
                                                       .start_ms = io_wall_us(engine->io) / 1000,
                                                   });
    return error ? error : location_observe(engine->location, script_location_changed, NULL);
}

static int create_rate(struct engine *engine)
{
    return rate_create(&engine->rate, &engine->hash_key,
                       engine->configuration->settings.limits_sources);
}

static int create_auth(struct engine *engine)
{
    struct random random;
    const char *secret = engine->configuration->auth_secret;
    io_seed_random(engine->io, &random);
    return auth_create(&engine->auth, secret ? text_of(secret) : TEXT_NONE, &random);
}

/* Their settings are those of the start: connections are in use. */
static int create_databases(struct engine *engine)
{
    return databases_create(&engine->databases, &(struct databases_options){
                                                    .io = engine->io,
                                                    .settings = &engine->first->settings,
                                                    .log = &engine->log,
                                                });
}

static int create_keeper(struct engine *engine)
{
    const struct settings *settings = &engine->first->settings;
    const char *url = engine->configuration->location_database;
    if (!url || !settings->location_db_mode)
        return 0;
    int error = databases_open(engine->databases, url, &engine->location_database);
    if (!error)
        error = location_sql_create(&engine->location_sql, engine->location_database, settings);
    if (!error)
        error =
            keeper_create(&engine->keeper, &(struct keeper_options){
                                               .io = engine->io,
                                               .location = engine->location,
                                               .store = location_sql_store(engine->location_sql),
                                               .settings = settings,
                                               .log = &engine->log,
                                           });
    return error ? error : location_observe(engine->location, keeper_changed, engine->keeper);
}

/* Its settings are those of the start, too. */
static int create_http(struct engine *engine)
{
    return http_create(&engine->http, &(struct http_options){
                                          .io = engine->io,
                                          .settings = &engine->first->settings,
                                          .counters = &engine->http_counters,
                                      });
}

static int create_trunks(struct engine *engine)
{
    struct trunks_change change;
    int error = trunks_create(&engine->trunks);
    if (!error)
        error = trunk_changes_prepare(engine, engine->configuration, &change);
    if (!error)
        trunks_commit(engine->trunks, &change);
    return error;
}

static int create_records(struct engine *engine, const struct engine_options *options)
{
    const struct configuration *configuration = engine->configuration;
    struct database *database = NULL;
    if (!configuration->has_records)
        return 0;
    if (configuration->records_database) {
        int error = databases_open(engine->databases, configuration->records_database, &database);
        if (error)
            return error;
    }
    return records_create(&engine->records,
                          &(struct records_options){
                              .io = engine->io,
                              .settings = &configuration->settings,
                              .log = &engine->log,
                              .file = configuration->records_file,
                              .database = database,
                              .spool = configuration->records_spool,
                              .acc_extra = (const char *const *)engine->first->acc_extra,
                              .acc_extra_count = engine->first->acc_extra_count,
                              .cdr_extra = (const char *const *)engine->first->cdr_extra,
                              .cdr_extra_count = engine->first->cdr_extra_count,
                              .tap = options->record_tap,
                              .arg = options->record_arg,
                          });
}

static unsigned choose_workers(const struct engine *engine, const struct engine_options *options)
{
    unsigned count = options->workers ? options->workers : engine->configuration->workers;
    if (count == 0) {
        long cores = sysconf(_SC_NPROCESSORS_ONLN);
        count = cores > 0 ? (unsigned)cores : 1;
    }
    return count < WORKERS_MAX ? count : WORKERS_MAX;
}

static int create_workers(struct engine *engine, unsigned count, char **fault)
{
    const struct listener *failed = NULL;
    const struct configuration *configuration = engine->configuration;
    int error = transport_probe(engine->io, configuration->listeners, configuration->listener_count,
                                &failed);
    for (unsigned i = 0; i < count && !error; i++) {
        error = worker_create(&engine->workers[i],
                              &(struct worker_options){
                                  .io = engine->io,
                                  .index = i,
                                  .count = count,
                                  .workers = engine->workers,
                                  .configuration = configuration,
                                  .media = engine->media,
                                  .dispatcher = engine->dispatcher,
                                  .profiles = engine->profiles,
                                  .masks = engine->masks,
                                  .records = engine->records,
                                  .location = engine->location,
                                  .keeper = engine->keeper,
                                  .trunks = engine->trunks,
                                  .rate = engine->rate,
                                  .log = &engine->log,
                                  .hash_key = engine->hash_key,
                              },
                              &failed);
        if (!error)
            engine->worker_count++;
    }
    if (error && failed)
        *fault = listener_fault(failed, error);
    return error;
}

/* ---- making and starting ---- */

static void seed(struct engine *engine)
{
    struct random random;
    io_seed_random(engine->io, &random);
    engine->hash_key = (struct hash_key){random_u64(&random), random_u64(&random)};
}

int engine_create(struct engine **enginep, const struct engine_options *options, char **fault)
{
    *fault = NULL;
    struct engine *engine = memory_alloc(sizeof *engine, destroy);
    if (!engine)
        return ERROR_MEMORY;
    engine->io = options->io;
    engine->coverage = options->coverage;
    seed(engine);
    int error = load(engine, options, fault);
    if (!error)
        error = open_log(engine, options);
    if (!error)
        error = create_dispatcher(engine, fault);
    if (!error)
        error = create_media(engine, fault);
    if (!error)
        error = create_location(engine);
    if (!error)
        error = create_rate(engine);
    if (!error)
        error = create_auth(engine);
    if (!error)
        error = create_databases(engine);
    if (!error)
        error = create_keeper(engine);
    if (!error)
        error = create_http(engine);
    if (!error)
        error = create_trunks(engine);
    if (!error)
        error = create_records(engine, options);
    if (!error)
        error = create_workers(engine, choose_workers(engine, options), fault);
    if (!error)
        error = engine_load_generations(engine, engine->configuration, engine->route_path,
                                        engine->newborn, fault);
    if (!error)
        error = sources_list(engine->configuration, engine->newborn[0], &engine->files,
                             &engine->file_count);
    if (error) {
        if (!*fault)
            *fault = fault_line("%s: %s", options->conf_path, error);
        memory_release(engine);
        return error;
    }
    *enginep = engine;
    return 0;
}

int engine_start(struct engine *engine)
{
    int error = 0;
    engine_count_generation(engine);
    engine->started_us = io_wall_us(engine->io);
    engine->is_started = true;
    error = databases_start(engine->databases);
    if (engine->keeper && !error && (error = keeper_start(engine->keeper)) == 0)
        keeper_await_load(engine->keeper);
    if (!error)
        error = http_start(engine->http);
    if (engine->records && !error)
        error = records_start(engine->records);
    if (engine->media && !error)
        error = media_start(engine->media);
    for (unsigned i = 0; i < engine->worker_count && !error; i++)
        if ((error = worker_start(engine->workers[i], engine->newborn[i])) == 0)
            engine->newborn[i] = NULL; /* the worker has it now */
    return error;
}

/* ---- life ---- */

void engine_stop(struct engine *engine)
{
    if (!engine->is_started)
        return;
    engine->is_started = false;
    for (unsigned i = 0; i < engine->worker_count; i++)
        worker_stop(engine->workers[i]);
    if (engine->records)
        records_stop(engine->records);
    if (engine->keeper)
        keeper_stop(engine->keeper);
    databases_stop(engine->databases);
    if (engine->keeper)
        keeper_take_answers(engine->keeper);
    if (engine->records)
        records_take_answers(engine->records);
    http_stop(engine->http);
    for (unsigned i = 0; i < engine->worker_count; i++)
        worker_take_answers(engine->workers[i]);
    if (engine->media)
        media_stop(engine->media);
}

static void set_draining(struct worker *worker, void *arg)
{
    worker_set_draining(worker, *(bool *)arg);
}

const char *engine_intake_name(enum engine_intake intake)
{
    switch (intake) {
    case ENGINE_SERVES: return "serving";
    case ENGINE_DRAINS: return "draining";
    case ENGINE_STOPS: return "stopping";
    }
    return "unknown";
}

int engine_set_intake(struct engine *engine, enum engine_intake intake)
{
    bool is_draining = intake != ENGINE_SERVES;
    if (engine->intake == ENGINE_STOPS && intake != ENGINE_STOPS)
        return ERROR_STATE;
    engine->intake = intake;
    for (unsigned i = 0; i < engine->worker_count; i++)
        worker_ask(engine->workers[i], set_draining, &is_draining);
    return 0;
}

enum engine_intake engine_get_intake(const struct engine *engine)
{
    return engine->intake;
}

/* ---- reading ---- */

const struct configuration *engine_configuration(const struct engine *engine)
{
    return engine->configuration;
}

struct dispatcher *engine_dispatcher(const struct engine *engine)
{
    return engine->dispatcher;
}

struct records *engine_records(const struct engine *engine)
{
    return engine->records;
}

struct media *engine_media(const struct engine *engine)
{
    return engine->media;
}

struct io *engine_io(const struct engine *engine)
{
    return engine->io;
}

struct profiles *engine_profiles(const struct engine *engine)
{
    return engine->profiles;
}

struct location *engine_location(const struct engine *engine)
{
    return engine->location;
}

struct keeper *engine_keeper(const struct engine *engine)
{
    return engine->keeper;
}

struct trunks *engine_trunks(const struct engine *engine)
{
    return engine->trunks;
}

struct databases *engine_databases(const struct engine *engine)
{
    return engine->databases;
}

struct http *engine_http(const struct engine *engine)
{
    return engine->http;
}

const struct counters *engine_http_counters(const struct engine *engine)
{
    return &engine->http_counters;
}

struct counters *engine_control_counters(struct engine *engine)
{
    return &engine->control_counters;
}

struct log *engine_log(struct engine *engine)
{
    return &engine->log;
}

unsigned engine_worker_count(const struct engine *engine)
{
    return engine->worker_count;
}

struct worker *engine_worker(const struct engine *engine, unsigned i)
{
    return engine->workers[i];
}

uint64_t engine_uptime_s(const struct engine *engine)
{
    return (io_wall_us(engine->io) - engine->started_us) / 1000000;
}

uint64_t engine_generation_age_s(const struct engine *engine, unsigned number)
{
    uint64_t born_us = engine->generation_born_us[number % GENERATIONS_MAX];
    return (io_wall_us(engine->io) - born_us) / 1000000;
}

unsigned engine_generation(const struct engine *engine)
{
    return engine->generation;
}

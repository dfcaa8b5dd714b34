/* What the files that make and change an engine share of it. */
#pragma once

#include "location_store/sql.h"
#include "worker/engine.h"

#define GENERATIONS_MAX 256 /* birthdays remembered for `ctl status` */

struct engine {
    struct io *io; /* borrowed */
    struct log log;
    char *conf_path, *lua_dir; /* owned */
    struct library *library;   /* owned */
    struct reaper *reaper;     /* owned; NULL in the lab, where nobody waits for a worker */
    char *route_path;          /* owned; NULL: the configuration's */
    char **files;              /* owned; see engine_files() */
    size_t file_count;
    uint64_t checked_hash;               /* of texts that check_run() found fine; 0: none */
    struct configuration *configuration; /* in force; owned reference */
    struct configuration *first;         /* of the start, whose listeners are in use; the same */
    struct shared *shared;               /* owned */
    struct profiles *profiles;           /* owned */
    struct masks *masks;                 /* owned */
    struct auth *auth;                   /* owned */
    struct databases *databases;         /* owned */
    struct http *http;                   /* owned */
    struct records *records;             /* owned; NULL: none are made */
    struct counters http_counters;       /* of the above */
    struct counters control_counters;    /* of the control thread */
    struct dispatcher *dispatcher;       /* owned; NULL: none */
    struct media *media;                 /* owned; NULL: none */
    struct location *location;           /* owned */
    struct database *location_database;  /* of databases; NULL: none */
    struct location_sql *location_sql;   /* owned; NULL: none */
    struct keeper *keeper;               /* owned; NULL: bindings are in memory alone */
    struct rate *rate;                   /* owned */
    struct trunks *trunks;               /* owned */
    struct coverage *coverage;           /* borrowed; NULL: not wanted */
    struct worker *workers[WORKERS_MAX]; /* owned */
    struct generation
        *newborn[WORKERS_MAX]; /* owned until engine_start() gives them to the workers */
    unsigned worker_count;
    unsigned generation; /* number of the newest */
    uint64_t generation_born_us[GENERATIONS_MAX];
    uint64_t started_us; /* wall clock */
    struct hash_key hash_key;
    size_t old_generations; /* alive when engine_tidy() last looked, all workers */
    enum engine_intake intake;
    bool is_started, is_untidy;
};

/**
 * Load the script once for each worker; nothing that runs is touched.
 * @param route_path   NULL: the configuration's
 * @param generations  one for each worker, returned owned
 * @return 0 or an error with *fault as in engine_create()
 */
int engine_load_generations(struct engine *engine, struct configuration *configuration,
                            const char *route_path, struct generation *generations[], char **fault);
/** The generation that was loaded has begun to serve. */
void engine_count_generation(struct engine *engine);

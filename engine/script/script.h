/*
 * The script host: runs the user's route script for one worker.
 *
 * GLOSSARY
 *   generation  one loaded script in one LuaJIT state of one worker. A transaction, a tracked dialog
 *               and a waiting handler hold the generation that they began in; a reload only adds a
 *               newer one. The state is closed with the last reference.
 *   run         one call of one handler, in a coroutine of its generation. It may wait (sleep, name
 *               resolution): the worker goes on meanwhile.
 *   handle      what a script holds of a message (`req`, `reply`); dead once its run has ended.
 *
 * A generation is made on any thread, typically the control thread, and given to its worker; from
 * then on only that worker's thread touches it. This folder is the only one that knows Lua.
 */
#pragma once

#include "auth/auth.h"
#include "base/counter.h"
#include "base/log.h"
#include "base/settings.h"
#include "database/databases.h"
#include "http/http.h"
#include "io/io.h"
#include "location/location.h"
#include "location_store/keeper.h"
#include "route/proxy.h"
#include "script/configuration.h"
#include "script/coverage.h"
#include "script/library.h"
#include "script/shared.h"
#include "trunk/trunk.h"

struct script;
struct generation; /* counted */

/* ---- generations ---- */

/** All borrowed, and outliving the generation, unless said otherwise. */
struct generation_options {
    struct io *io; /**< NULL: no clock, random numbers from the kernel */
    const struct settings *settings;
    struct log *log;                           /**< NULL: silent */
    const struct configuration *configuration; /**< shared: listeners, groups; NULL: none */
    struct shared *shared;                     /**< shared; NULL: no dictionaries */
    struct auth *auth;                         /**< shared; NULL: nothing is authenticated */
    struct databases *databases;               /**< shared; NULL: none can be asked */
    struct http *http;                         /**< shared; NULL: no requests can be made */
    struct library *library;                   /**< shared; NULL: every file of lua/ is parsed */
    struct reaper *reaper;  /**< shared, closes the state; NULL: whoever releases it last does */
    const char *lua_dir;    /**< holds lunasip/runtime.lua; copied */
    const char *route_path; /**< the script; copied, and its name in errors */
    struct text source; /**< its text, when it does not come from the file; absent: read the file */
    unsigned worker;    /**< index of the worker that will use it */
    unsigned number;    /**< of the reload, from 1; for the log */
    bool is_deterministic;     /**< lab: the JIT compiler stays off, random numbers come from io */
    struct coverage *coverage; /**< counts the lines that run; NULL: nobody wants to know */
};

/**
 * Load the script aside: nothing that runs is touched.
 * @param generationp  returned owned
 * @param fault        on error one line "file:line: message", memory_free_raw(); may be NULL on
 *                     ERROR_MEMORY
 * @return 0, ERROR_SCRIPT or ERROR_MEMORY
 */
int generation_create(struct generation **generationp, const struct generation_options *options,
                      char **fault);
/** @return the number given at creation */
unsigned generation_number(const struct generation *generation);
/** Files that were loaded: the script and what it required. @return borrowed, *count of them */
char *const *generation_files(const struct generation *generation, size_t *count);
/** A hash of their texts: equal texts, equal hashes. */
uint64_t generation_sources_hash(const struct generation *generation);
/** Bytes that its Lua state holds now. */
size_t generation_memory_bytes(const struct generation *generation);

/**
 * Load a script and throw it away, for check_run().
 * @param route_path  NULL: the configuration's
 * @return as generation_create()
 */
int script_check(const struct configuration *configuration, const char *route_path,
                 const char *lua_dir, struct library *library, struct io *io, struct log *log,
                 char **fault);

/* ---- the host of one worker ---- */

struct script_options {
    struct io *io;
    struct loop *loop;
    const struct settings *settings;
    struct counters *counters;
    struct log *log;
    struct location *location; /**< borrowed; NULL: none */
    struct keeper *keeper;     /**< borrowed; NULL: bindings are in memory alone */
    struct trunks *trunks;     /**< borrowed; NULL: none */
    struct mailbox
        *answers;    /**< borrowed; where databases and HTTP servers answer: on its thread */
    unsigned worker; /**< index; the first one runs the timers that only one worker runs */
};

/** @param scriptp  returned owned; memory_release() after script_stop(). @return 0 or ERROR_MEMORY */
int script_create(struct script **scriptp, const struct script_options *options);
/** What the proxy core calls; valid as long as @p script. */
struct route_handlers script_handlers(struct script *script);
/** The proxy that the handlers belong to; before the first message. @param proxy borrowed */
void script_attach(struct script *script, struct proxy *proxy);
/**
 * A location_change_handler: runs event_route["registration:..."] for each change that a worker made;
 * changes->by is its struct script, NULL: nobody is told.
 */
void script_location_changed(void *arg, const struct location_changes *changes);
/** A trunk_changed_handler: runs event_route["trunk:up"] or ["trunk:down"]. @param arg struct script */
void script_trunk_changed(void *arg, const struct trunk_view *view, struct text call_id);
/**
 * From now on new calls go to @p generation: its timers start, those of the one before stop, and it
 * enters with what that one leaves (event_route["reload:leave"], ["reload:enter"]). Beyond
 * script.generations alive, the dialogs of the oldest move to this one.
 * @param generation  given
 */
void script_use(struct script *script, struct generation *generation);
/** Newest generation, returned borrowed; NULL before the first script_use(). */
struct generation *script_newest(const struct script *script);
/** Visit the generations alive, oldest first. */
void script_for_each(const struct script *script,
                     void (*visit)(void *arg, const struct generation *generation), void *arg);
/** Generations alive, the newest included. */
size_t script_generations(const struct script *script);
/** Handlers that wait now. */
size_t script_waiting(const struct script *script);
/**
 * No handler may wait any more: those that sleep or wait for an answer go on at once, with nil and "cancelled", so that what
 * they decide still leaves; before proxy_stop().
 */
void script_wake_all(struct script *script);
/** Drop waiting handlers, stop timers, let the newest generation go; after proxy_stop(). */
void script_stop(struct script *script);

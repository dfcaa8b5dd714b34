/*
 * The configuration as the engine uses it: lua/lunasip/config.lua runs the file in a sandbox and
 * checks it against its schema; what it returns is read into this struct once, before anything
 * starts. Immutable and counted; everything below lives as long as it.
 */
#pragma once

#include "base/log.h"
#include "base/settings.h"
#include "base/source_list.h"
#include "dispatcher/dispatcher.h"
#include "media/media.h"
#include "script/library.h"
#include "transport/transport.h"
#include "trunk/trunk.h"

/** Where a block or an assigned name stands in the file. */
struct configuration_place {
    char name[24];
    unsigned line;
};

struct configuration {
    char *path; /**< the file, as given */
    struct configuration_place *places;
    size_t place_count;
    struct listener *listeners; /**< id is the index */
    size_t listener_count;
    struct media_interface *media; /**< empty: no media configured */
    size_t media_count;
    uint16_t media_port_least, media_port_most;
    bool has_dispatcher;
    struct dispatcher_options dispatcher; /**< log is NULL: the engine sets it in its copy */
    char **dispatcher_files;              /**< what dispatcher.files points to */
    char *dispatcher_list;                /**< what dispatcher.inline_list points to */
    char *route_path;                     /**< absolute or relative to the working directory */
    char *route_source;      /**< the script's text when it was given as such; else NULL */
    char *control_path;      /**< NULL: no control socket */
    char *user, *group;      /**< accounts to run as; NULL: stay who we are */
    char *auth_secret;       /**< what nonces are signed with; NULL: drawn at the start */
    char *auth_domain;       /**< of users who are named without one; NULL: none */
    char *location_database; /**< URL of where bindings are kept; NULL: in memory alone */
    char *records_file;      /**< where records of calls are appended; NULL: nowhere */
    char *records_database;  /**< URL of where records are stored; NULL: nowhere */
    char *records_spool;     /**< where they wait for it */
    char **acc_extra;        /**< "column=name": further columns of acc */
    size_t acc_extra_count;
    char **cdr_extra; /**< of acc_cdrs */
    size_t cdr_extra_count;
    bool has_records;            /**< there is a records block: records are made */
    char *database_url;          /**< the database that is meant where none is named; NULL: none */
    struct trunk_terms **trunks; /**< owned, with a reference to each */
    size_t trunk_count;
    enum log_level log_level;
    bool is_log_syslog; /**< to syslog; else stderr */
    bool is_drain_bye;  /**< calls that outlive the drain deadline get BYE; else they are left */
    unsigned workers;   /**< 0: one per core */
    unsigned media_threads; /**< 0: the default */
    struct settings settings;
    struct source_list *sources; /**< named networks, for `sip.source_in(req, NAME)` */
    char **files;                /**< that the blocks name: script, lists, specs */
    size_t file_count;
    char **specs; /**< of `ctl reload --test`; none: the script's own */
    size_t spec_count;
    char **dictionaries; /**< names given in `shared`; the store takes any name */
    size_t dictionary_count;
    char **unknown; /**< blocks that are faulty or not there; only in configuration_load_partly() */
    size_t unknown_count;
};

/**
 * @param configurationp  returned owned; memory_release()
 * @param path            configuration file
 * @param lua_dir         holds lunasip/config.lua
 * @param library         compiled files of it; NULL: none are known
 * @param fault           on error a line for each fault that says where, what and what to do;
 *                        memory_free_raw(). May be NULL on ERROR_MEMORY
 * @return 0, ERROR_SCRIPT (the file is faulty or missing), ERROR_MEMORY
 */
int configuration_load(struct configuration **configurationp, const char *path, const char *lua_dir,
                       struct library *library, char **fault);
/**
 * The same for a check of the script, which a faulty configuration is to be no obstacle to: holds
 * what could be read; not to be run.
 * @param faults  a line for each fault, or NULL: there are none; memory_free_raw()
 * @return 0 (also when there are faults), ERROR_MEMORY
 */
int configuration_load_partly(struct configuration **configurationp, const char *path,
                              const char *lua_dir, struct library *library, char **faults);
/** Of a configuration that was loaded partly: is that block faulty or not there? */
bool configuration_is_unknown(const struct configuration *configuration, const char *block);
/** Line of a block or an assigned name; 1 when it is not there. */
unsigned configuration_line(const struct configuration *configuration, const char *name);
/** Is @p address in a network of the group? ERROR_NOT_FOUND when there is no such group. @return 1, 0 or the error */
int configuration_group_contains(const struct configuration *configuration, struct text group,
                                 const struct address *address);

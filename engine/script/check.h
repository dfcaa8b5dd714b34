/*
 * What is wrong with a configuration file and its script, before anything uses them: `lunasip check`,
 * and what a reload asks first. Reads files and makes Lua states of its own; an engine that runs is
 * not touched, so any thread may ask, as often as it likes.
 */
#pragma once

#include "script/library.h"

#include <stdbool.h>

struct check_report; /* counted; memory_release() */

/** All borrowed during the call. */
struct check_options {
    const char *conf_path;   /**< configuration file */
    const char *route_path;  /**< script to check instead of the configuration's; NULL: that one */
    const char *lua_dir;     /**< holds lunasip/check.lua and types/ */
    struct library *library; /**< compiled files of it; NULL: none are known */
};

/**
 * Read the configuration, the dispatcher lists, the script and what it requires, and collect every
 * fault. The script's chunk is run, in a state that is thrown away, only when nothing was found
 * before.
 * @param reportp  returned owned, with or without faults
 * @param fault    on ERROR_SCRIPT one line, memory_free_raw()
 * @return 0 (also when there are faults), ERROR_MEMORY, or ERROR_SCRIPT: the Lua library itself is
 *         missing or broken
 */
int check_run(struct check_report **reportp, const struct check_options *options, char **fault);

/** How many faults: what must not be run. */
unsigned check_fault_count(const struct check_report *report);
/** How many warnings: what can be run and is likely a slip. */
unsigned check_warning_count(const struct check_report *report);
/**
 * Faults and warnings in the order of their places: "file:line:column: what; what to do", then the
 * line of the source and a caret below the place. Each line ends with a newline; "" when there is
 * nothing to say. Returned borrowed.
 */
const char *check_text(const struct check_report *report);
/** The same as a JSON array of { file, line, column, severity, code, message }. Returned borrowed. */
const char *check_json(const struct check_report *report);
/** Why only the checks of loading were done, in one line; NULL when all were. Returned borrowed. */
const char *check_note(const struct check_report *report);

/*
 * `ctl reload --test [PATH]`: what is new is loaded and checked aside, the specs of the script run, then
 * it is reloaded. One at a time. Whoever asked and leaves has changed their mind: nothing is reloaded.
 */
#pragma once

#include "control/commands.h"
#include "control/spec_run.h"

/** One under way; {.client = -1} is none. */
struct tested_reload {
    struct spec_run *run; /**< owned */
    char *path;           /**< script to load; owned; NULL: as before */
    int client;           /**< of the control socket: whoever waits for the answer */
    uint64_t hash;        /**< of what the specs are about */
    uint64_t until_ms;    /**< reload.test_s is over */
};

/** Is it `reload --test ...`? @param words JSON array of strings; borrowed */
bool tested_reload_is_asked(const json_t *words);
/**
 * Start the specs.
 * @param client  kept when it begins
 * @return whether it began; else @p answer says why
 */
bool tested_reload_begin(struct tested_reload *tested, struct engine *engine, const json_t *words,
                         int client, uint64_t now_ms, struct command_answer *answer);
/**
 * The specs have ended: reload if they have passed. Afterwards none is under way.
 * @return the client, whom the caller answers and closes
 */
int tested_reload_end(struct tested_reload *tested, struct engine *engine,
                      struct command_answer *answer);
/** Does somebody wait for the answer? Only while one is under way. */
bool tested_reload_has_client(const struct tested_reload *tested);
/** Give it up. */
void tested_reload_release(struct tested_reload *tested);

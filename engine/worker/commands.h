/* The verbs of `lunasip ctl`. */
#pragma once

#include "worker/engine.h"

#include <jansson.h>

/** What a verb answers. */
struct command_answer {
    int code;        /**< exit code of `lunasip ctl` */
    char text[4096]; /**< for people; empty: data is shown */
    json_t *data;    /**< owned; NULL: none */
    bool stop;       /**< `stop`: end after draining */
};

/** A word of the command line, "" beyond its end. Borrowed. */
const char *command_word(const json_t *words, size_t i);
/** Say why a command was refused, or with code 0 what it did. */
void command_say(struct command_answer *answer, int code, const char *text);
/** @param words  JSON array of strings; borrowed. Release answer->data with json_decref(). */
void command_run(struct engine *engine, const json_t *words, struct command_answer *answer);

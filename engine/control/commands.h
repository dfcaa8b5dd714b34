/* The verbs of `lunasip ctl`. */
#pragma once

#include "base/buffer.h"
#include "worker/engine.h"

#include <jansson.h>

/** What a verb answers; command_answer_release(). */
struct command_answer {
    int code;           /**< exit code of `lunasip ctl` */
    struct buffer text; /**< for people; empty: data is shown */
    json_t *data;       /**< owned; NULL: none */
    json_t *next; /**< owned: words that ask for the rest of data, an array; NULL: this is all */
    bool stop;    /**< `stop`: end after draining */
};

/** A word of the command line, "" beyond its end. Borrowed. */
const char *command_word(const json_t *words, size_t i);
/** Say why a command was refused, or with code 0 what it did. */
void command_say(struct command_answer *answer, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/** A text of the network, "(not UTF-8)" where JSON cannot have it. @return owned; NULL: no memory */
json_t *command_json_text(struct text t);
/** The answer as { code, text, data, next }; data and next are moved there. @return owned; NULL: no memory */
json_t *command_answer_json(struct command_answer *answer);
/** Give back what an answer owns. */
void command_answer_release(struct command_answer *answer);
/** @param words  JSON array of strings; borrowed. @param answer  written; command_answer_release() */
void command_run(struct engine *engine, const json_t *words, struct command_answer *answer);

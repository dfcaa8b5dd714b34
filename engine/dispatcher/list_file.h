/* Kamailio's dispatcher list: one destination per line, "setid uri [flags] [priority] [attrs]". */
#pragma once

#include "base/text.h"

/** Bits of the flags column, Kamailio's values. */
enum dispatcher_flag {
    DISPATCHER_FLAG_INACTIVE = 1,
    DISPATCHER_FLAG_TRYING = 2,
    DISPATCHER_FLAG_DISABLED = 4,
    DISPATCHER_FLAG_PROBING = 8,
    DISPATCHER_FLAG_NO_DNS = 16, /**< keep the name, resolve no A/AAAA at load; not pinged */
    DISPATCHER_FLAG_NO_PING = 32,
};
#define DISPATCHER_FLAGS_KNOWN 63u

/** One line; texts borrowed from what was parsed. */
struct dispatcher_line {
    unsigned number; /**< of the line, from 1 */
    unsigned set;
    struct text uri;
    unsigned flags;    /**< enum dispatcher_flag bits, 0 when not written */
    int priority;      /**< higher first; 0 when not written */
    struct text attrs; /**< without quotes; absent when not written */
};

/** Takes one line. @return 0 to go on; an error ends the parsing and is its result */
typedef int dispatcher_line_handler(void *arg, const struct dispatcher_line *line);

/**
 * Parse a whole list.
 * @param name   of the file, for faults
 * @param fault  filled on ERROR_SYNTAX, see base/rows.h
 * @return 0, ERROR_SYNTAX, or what @p visit returned
 */
int dispatcher_list_parse(struct text list, const char *name, dispatcher_line_handler *visit,
                          void *arg, char **fault);

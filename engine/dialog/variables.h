/* What a script keeps with a call: a short list of named values, bounded by the bytes that it takes. */
#pragma once

#include "base/value.h"

struct variable; /* one of them, with its name */

/** Zero-initialised is empty. */
struct variables {
    struct variable *first; /**< owned, in order of their first assignment */
    size_t size_bytes;      /**< of all names and texts */
};

/** @return the value; its text is borrowed until the next assignment. VALUE_NONE: there is none */
struct value variables_get(const struct variables *variables, struct text name);
/**
 * Assign.
 * @param value       copied; VALUE_NONE takes the name out
 * @param most_bytes  what all names and texts may take together
 * @return 0, ERROR_LIMIT, ERROR_MEMORY: the value before stays
 */
int variables_set(struct variables *variables, struct text name, const struct value *value,
                  size_t most_bytes);
typedef void variable_visit_handler(void *arg, struct text name, const struct value *value);
/** In order of their first assignment; texts borrowed during the call. */
void variables_for_each(const struct variables *variables, variable_visit_handler *visit,
                        void *arg);
/** Forget all. */
void variables_release(struct variables *variables);

/* What a script keeps with a call: a short list of named values, bounded by the bytes that it takes. */
#pragma once

#include "base/text.h"

enum variable_type { VARIABLE_NONE, VARIABLE_BOOLEAN, VARIABLE_NUMBER, VARIABLE_TEXT };

/** One value; the field that its type names is set. */
struct variable_value {
    enum variable_type type;
    bool boolean;
    double number;
    struct text text;
};

struct variable; /* one of them, with its name */

/** Zero-initialised is empty. */
struct variables {
    struct variable *first; /**< owned, in order of their first assignment */
    size_t size_bytes;      /**< of all names and texts */
};

/** @return the value; its text is borrowed until the next assignment. VARIABLE_NONE: there is none */
struct variable_value variables_get(const struct variables *variables, struct text name);
/**
 * Assign.
 * @param value       copied; VARIABLE_NONE takes the name out
 * @param most_bytes  what all names and texts may take together
 * @return 0, ERROR_LIMIT, ERROR_MEMORY: the value before stays
 */
int variables_set(struct variables *variables, struct text name, const struct variable_value *value,
                  size_t most_bytes);
typedef void variable_visit_handler(void *arg, struct text name,
                                    const struct variable_value *value);
/** In order of their first assignment; texts borrowed during the call. */
void variables_for_each(const struct variables *variables, variable_visit_handler *visit,
                        void *arg);
/** Forget all. */
void variables_release(struct variables *variables);

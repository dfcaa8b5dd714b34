/* What an engine is made of: the files that it was read from, a hash of them, and the specs of its script. */
#pragma once

#include "script/configuration.h"
#include "script/script.h"

/** Free a list of names. Accepts NULL. */
void names_free(char **names, size_t count);

/**
 * Files of the configuration and of the script: lists, modules, specs.
 * @param filesp  returned owned, names_free(), *count of them
 * @return 0 or ERROR_MEMORY
 */
int sources_list(const struct configuration *configuration, const struct generation *script,
                 char ***filesp, size_t *count);
/**
 * A hash of the texts of them all, those of the script as they were loaded: equal texts, equal hashes.
 * @param hash   never 0
 * @param fault  one line, memory_free_raw(), where a file cannot be read
 * @return 0, ERROR_NOT_FOUND, ERROR_LIMIT, ERROR_MEMORY
 */
int sources_hash(const struct configuration *configuration, const struct generation *script,
                 uint64_t *hash, char **fault);
/**
 * The specs that belong to a script: those that the configuration names, or the one beside it.
 * @param route_path  script; NULL: the configuration's
 * @param specsp      returned owned, names_free(), *count of them
 * @param fault       one line, memory_free_raw(), when there are none
 * @return 0, ERROR_NOT_FOUND, ERROR_MEMORY
 */
int sources_specs(const struct configuration *configuration, const char *route_path, char ***specsp,
                  size_t *count, char **fault);

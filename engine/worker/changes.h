/* What of a configuration may change while the engine runs. */
#pragma once

#include "script/configuration.h"

/**
 * May @p new follow @p first without a restart?
 * @param first  the configuration of the start: sockets, threads and memory were made by it
 * @param fault  on error one line that names all that may not, with the reasons;
 *               memory_free_raw(); may be NULL without memory
 * @return 0, ERROR_STATE
 */
int changes_check(const struct configuration *first, const struct configuration *new, char **fault);
/** One line for each setting that has changed. */
void changes_log(struct log *log, const struct configuration *old, const struct configuration *new);

/* The trunks of a configuration that comes into force, at the start and in a reload. */
#pragma once

#include "trunk/trunk.h"
#include "worker/engine.h"

/** The trunks of @p configuration, as trunks_prepare(). @return 0 or ERROR_MEMORY */
int trunk_changes_prepare(struct engine *engine, const struct configuration *configuration,
                          struct trunks_change *change);
/** Put them in force, and tell the workers. */
void trunk_changes_commit(struct engine *engine, struct trunks_change *change);

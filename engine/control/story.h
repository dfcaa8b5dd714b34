/* What the flight recorders know of one call, as JSON; from the control thread. */
#pragma once

#include "worker/engine.h"

#include <jansson.h>

/**
 * The messages of a call, oldest first: wall clock, milliseconds since the first, direction, interface,
 * peer, first line, CSeq. No more of a message: it may hold what is secret.
 * @return new reference, an empty list when nothing is known; NULL without memory
 */
json_t *story_of_call(struct engine *engine, struct text call_id);

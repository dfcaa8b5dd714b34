/* The calls of all workers, counted and ended; from the control thread. */
#pragma once

#include "worker/engine.h"

/** Dialogs, requests without final answer, BYEs of ours. */
size_t calls_count(struct engine *engine);
/**
 * End the calls with this Call-ID: BYE to both parties, CANCEL and 503 while one is not answered.
 * @return how many there were
 */
size_t calls_end(struct engine *engine, struct text call_id);
/** The same for all. @param reason  value of a Reason header (RFC 3326) */
void calls_end_all(struct engine *engine, struct text reason);

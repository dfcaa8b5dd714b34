/* Trunks as the operator sees them: `ctl trunks`, and what a stop does about them. */
#pragma once

#include "control/commands.h"

/** Have every binding at a provider taken back, once. */
void trunks_leave(struct engine *engine);
/** How many of them are still to be answered. */
size_t trunks_left(struct engine *engine);
/** `ctl trunks ...` */
void trunks_command(struct engine *engine, const json_t *words, struct command_answer *answer);

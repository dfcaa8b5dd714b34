/* Records of calls as the operator sees them: `ctl records`. */
#pragma once

#include "control/commands.h"

/** `ctl records ...` */
void call_records_command(struct engine *engine, const json_t *words,
                          struct command_answer *answer);

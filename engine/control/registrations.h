/* ctl registrations: what the location service holds, and changing it by hand. */
#pragma once

#include "control/commands.h"

/**
 * list [RECORDS [CURSOR]] (in parts of so many at least, see command_answer.next) | show AOR | add AOR CONTACT [EXPIRES_S] | rm AOR [CONTACT] | flush
 */
void registrations_command(struct engine *engine, const json_t *words,
                           struct command_answer *answer);

/* Log lines to syslog(3): facility daemon, the level as priority. */
#pragma once

#include "base/log.h"

/** A sink of struct log; @p arg is not used. Any thread. */
void syslog_line(void *arg, enum log_level level, enum log_group group, struct text call_id,
                 struct text line);
/** Name ourselves; once, before the first line. */
void syslog_open(void);

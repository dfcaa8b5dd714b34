/* The names LOG_WARNING, LOG_INFO and LOG_DEBUG are syslog's in this file. */
#include "worker/syslog.h"

#include <stdio.h>
#include <syslog.h>

#define LINE_BYTES 4096 /* longer lines are cut */

/* By enum log_level: error, warning, info, debug. */
static const int priorities[] = {LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG};

void syslog_open(void)
{
    openlog("lunasip", LOG_PID | LOG_NDELAY, LOG_DAEMON);
}

/* Data from the network must not look like a second line. */
static void make_printable(char *p)
{
    for (; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = *p == '\n' || *p == '\t' ? ' ' : '?';
}

void syslog_line(void *arg, enum log_level level, enum log_group group, struct text call_id,
                 struct text line)
{
    char out[LINE_BYTES];
    (void)arg;
    snprintf(out, sizeof out, "%s: %.*s%s%.*s%s", log_group_name(group), TEXT_ARG(line),
             call_id.n ? " [" : "", call_id.n > 128 ? 128 : (int)call_id.n,
             call_id.p ? call_id.p : "", call_id.n ? "]" : "");
    make_printable(out);
    syslog(priorities[level], "%s", out);
}

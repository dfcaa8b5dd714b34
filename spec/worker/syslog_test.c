/* Lines for syslog; syslog(3) itself is ours here and remembers what it was given. */
#include "worker/syslog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include <cmocka.h>

static int last_priority;
static char last_line[8192];

void syslog(int priority, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(last_line, sizeof last_line, format, args);
    va_end(args);
    last_priority = priority;
}

static void gives_level_group_text_and_call(void **state)
{
    struct log log = {.level = 3, .sink = syslog_line};
    (void)state;
    log_write(&log, 2, LOG_SIP, TEXT("c1@example.net"), "from %s", "alice");
    assert_int_equal(last_priority, LOG_INFO);
    assert_string_equal(last_line, "sip: from alice [c1@example.net]");
    log_write(&log, 0, LOG_ENGINE, TEXT_NONE, "no way");
    assert_int_equal(last_priority, LOG_ERR);
    assert_string_equal(last_line, "engine: no way");
    log_write(&log, 1, LOG_ENGINE, TEXT_NONE, "hm");
    assert_int_equal(last_priority, LOG_WARNING);
    log_write(&log, 3, LOG_ENGINE, TEXT_NONE, "psst");
    assert_int_equal(last_priority, LOG_DEBUG);
}

static void lets_nobody_forge_a_line(void **state)
{
    struct log log = {.level = 3, .sink = syslog_line};
    (void)state;
    log_write(&log, 2, LOG_SIP, TEXT("c\n1"), "a\r\nkernel: panic\x1b[2J%%s");
    assert_string_equal(last_line, "sip: a? kernel: panic?[2J%s [c 1]");
}

static void cuts_what_is_too_long(void **state)
{
    char longer[6000];
    struct log log = {.level = 3, .sink = syslog_line};
    (void)state;
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = 0;
    log_write(&log, 2, LOG_SIP, TEXT_NONE, "%s", longer);
    assert_int_equal(strlen(last_line), 4095);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_level_group_text_and_call),
        cmocka_unit_test(lets_nobody_forge_a_line),
        cmocka_unit_test(cuts_what_is_too_long),
    };
    syslog_open();
    return cmocka_run_group_tests_name("log lines to syslog", tests, NULL, NULL);
}

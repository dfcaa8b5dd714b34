/* Settings, counters, log lines and error texts: the lists are consistent. */
#include "base/settings.h"

#include "base/counter.h"
#include "base/log.h"
#include "check.h"

static void settings_hold_their_ranges(void **state)
{
    (void)state;
    struct settings settings;
    unsigned count;
    const struct setting *list = settings_list(&count);
    settings_default(&settings);
    for (unsigned i = 0; i < count; i++) {
        const struct setting *s = &list[i];
        uint64_t value;
        assert_true(s->least <= s->value && s->value <= s->most);
        assert_int_equal(settings_get(&settings, s->block, s->name, &value), 0);
        assert_true(value == s->value);
        assert_int_equal(settings_set(&settings, s->block, s->name, s->most), 0);
        assert_int_equal(settings_get(&settings, s->block, s->name, &value), 0);
        assert_true(value == s->most);
        assert_int_equal(settings_set(&settings, s->block, s->name, s->most + 1), ERROR_LIMIT);
        if (s->least)
            assert_int_equal(settings_set(&settings, s->block, s->name, s->least - 1), ERROR_LIMIT);
    }
    assert_int_equal(settings_set(&settings, "limits", "nonsense", 1), ERROR_NOT_FOUND);
    assert_int_equal(settings_get(&settings, "nonsense", "headers", NULL), ERROR_NOT_FOUND);
}

static void counters_have_names_of_their_own(void **state)
{
    (void)state;
    struct counters counters = {0};
    for (int i = 0; i < COUNTER_COUNT; i++) {
        assert_non_null(counter_help((enum counter)i));
        for (int k = 0; k < i; k++)
            assert_string_not_equal(counter_name((enum counter)i), counter_name((enum counter)k));
    }
    counter_count(&counters, COUNTER_SIP_RECEIVED);
    counter_add(&counters, COUNTER_SIP_RECEIVED, 2);
    assert_int_equal(counter_read(&counters, COUNTER_SIP_RECEIVED), 3);
}

static void keep_line(void *arg, enum log_level level, enum log_group group, struct text call_id,
                      struct text line)
{
    (void)call_id;
    assert_int_equal(level, LOG_INFO);
    assert_int_equal(group, LOG_SIP);
    assert_true(text_to_array(line, arg, 64));
}

static void log_lines_reach_the_sink(void **state)
{
    (void)state;
    char line[64] = "";
    struct log log = {.level = LOG_INFO, .sink = keep_line, .arg = line};
    enum log_level level;
    log_info(&log, LOG_SIP, TEXT_NONE, "%d lines", 2);
    assert_string_equal(line, "2 lines");
    log_debug(&log, LOG_SIP, TEXT_NONE, "not this");
    assert_string_equal(line, "2 lines");
    assert_int_equal(log_level_parse(&level, TEXT("Warning")), 0);
    assert_int_equal(level, LOG_WARNING);
    assert_int_equal(log_level_parse(&level, TEXT("loud")), ERROR_SYNTAX);
    assert_string_equal(log_group_name(LOG_CONTROL), "control");
}

static void errors_have_texts(void **state)
{
    (void)state;
    assert_string_equal(error_text(0), "ok");
    assert_string_equal(error_text(ERROR_IN_USE), "address in use");
    assert_string_equal(error_text(-99), "unknown error");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_hold_their_ranges),
        cmocka_unit_test(counters_have_names_of_their_own),
        cmocka_unit_test(log_lines_reach_the_sink),
        cmocka_unit_test(errors_have_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Lines as they reach stderr. */
#include "base/log.h"

#include "check.h"

#include <stdio.h>
#include <unistd.h>

/** What log_text() writes for a line; in @p out. */
static void write_line(char *out, size_t size_bytes, struct text call_id, struct text line)
{
    struct log log = {.level = LOG_DEBUG};
    int ends[2], before = dup(STDERR_FILENO);
    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    log_text(&log, LOG_INFO, LOG_SCRIPT, call_id, line);
    dup2(before, STDERR_FILENO);
    close(before);
    close(ends[1]);
    ssize_t n = read(ends[0], out, size_bytes - 1);
    close(ends[0]);
    assert_true(n > 0);
    out[n] = 0;
}

static void test_level_group_text_and_call(void **state)
{
    char out[128];
    (void)state;
    write_line(out, sizeof out, TEXT("c1@h"), TEXT("alice calls"));
    assert_string_equal(out, "info: script: alice calls [c1@h]\n");
    write_line(out, sizeof out, TEXT_NONE, TEXT(""));
    assert_string_equal(out, "info: script: \n");
}

static void test_no_control_character_gets_through_at_any_place(void **state)
{
    char out[128], line[40];
    (void)state;
    for (size_t place = 0; place < sizeof line; place++) {
        for (int c = 0; c < 256; c++) {
            memset(line, 'x', sizeof line);
            line[place] = (char)c;
            write_line(out, sizeof out, TEXT_NONE, (struct text){line, sizeof line});
            char shown = out[strlen("info: script: ") + place];
            bool is_control = c < ' ' || c == 0x7f;
            char expected = (char)(c == '\n' || c == '\t' ? ' ' : is_control ? '?' : c);
            assert_int_equal(shown, expected);
            assert_int_equal(strlen(out), strlen("info: script: ") + sizeof line + 1);
        }
    }
}

static void test_what_is_too_long_is_cut(void **state)
{
    static char out[8192], line[6000], call_id[500];
    (void)state;
    memset(line, 'l', sizeof line);
    memset(call_id, 'c', sizeof call_id);
    write_line(out, sizeof out, (struct text){call_id, sizeof call_id},
               (struct text){line, sizeof line});
    assert_int_equal(strlen(out), strlen("info: script: ") + LOG_LINE_BYTES - 1 + 128 + 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_level_group_text_and_call),
        cmocka_unit_test(test_no_control_character_gets_through_at_any_place),
        cmocka_unit_test(test_what_is_too_long_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

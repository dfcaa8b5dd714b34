/* Lines (RFC 3261 s7.3.1), compared with a cutter that looks at one byte after the other. */
#include "sip/lines.h"

#include "sample.h"

#define MOST_BYTES 300

/* One line with its folds, byte by byte. */
static bool cut_plainly(struct text *rest, struct text *line, bool *has_stray_cr)
{
    for (size_t i = 0; i < rest->n; i++) {
        bool is_folded = i + 1 < rest->n && (rest->p[i + 1] == ' ' || rest->p[i + 1] == '\t') &&
                         !text_is_space(rest->p[0]);
        if (rest->p[i] != '\n' || is_folded)
            continue;
        *line = (struct text){rest->p, i + 1};
        for (size_t k = 0; k < i; k++)
            if (rest->p[k] == '\r' && rest->p[k + 1] != '\n')
                *has_stray_cr = true;
        *rest = (struct text){rest->p + i + 1, rest->n - i - 1};
        return true;
    }
    return false;
}

static void compare(struct text bytes)
{
    struct text rest = bytes, expected;
    bool expects_stray_cr = false, has_stray_cr = false;
    const char *at = bytes.p, *end = bytes.p + bytes.n;
    while (cut_plainly(&rest, &expected, &expects_stray_cr)) {
        at = line_end(at, end, true, &has_stray_cr);
        assert_ptr_equal(at, expected.p + expected.n);
        assert_int_equal(has_stray_cr, expects_stray_cr);
    }
    assert_null(line_end(at, end, true, &has_stray_cr));
}

static void cuts_where_bytes_say_so(void **state)
{
    (void)state;
    static const char alphabet[] = "aaaaaaaaaaaaaaaaaaaaaaaa\r\n\r\n\r\n\r\n\n\r \t:";
    uint32_t seed = 1;
    char bytes[MOST_BYTES];
    for (unsigned round = 0; round < 20000; round++) {
        size_t n = round % MOST_BYTES;
        for (size_t i = 0; i < n; i++) {
            seed = seed * 1664525u + 1013904223u;
            bytes[i] = alphabet[(seed >> 16) % (sizeof alphabet - 1)];
        }
        /* Line ends are pairs, mostly: across the ends of blocks, too. */
        for (size_t i = round % 7; i + 1 < n; i += 9)
            memcpy(bytes + i, "\r\n", 2);
        compare((struct text){bytes, n});
    }
}

static void sees_a_cr_apart_from_its_lf_across_blocks(void **state)
{
    (void)state;
    char bytes[130], *end = bytes + sizeof bytes;
    for (size_t at = 0; at < sizeof bytes - 1; at++) {
        memset(bytes, 'a', sizeof bytes);
        bytes[sizeof bytes - 1] = '\n';
        bytes[at] = '\r';
        bool has_stray_cr = false;
        assert_ptr_equal(line_end(bytes, end, false, &has_stray_cr), end);
        assert_int_equal(has_stray_cr, at + 2 != sizeof bytes);
    }
}

static void does_not_judge_bytes_that_were_not_asked_for(void **state)
{
    (void)state;
    struct text bytes = TEXT("a: b\r\n\rbody\r \n");
    bool has_stray_cr = false;
    assert_ptr_equal(line_end(bytes.p, bytes.p + bytes.n, false, &has_stray_cr), bytes.p + 6);
    assert_false(has_stray_cr);
}

static void ends_where_there_is_nothing(void **state)
{
    (void)state;
    const char *nothing = "";
    bool has_stray_cr = false;
    assert_null(line_end(nothing, nothing, false, &has_stray_cr));
    assert_null(line_end(nothing, nothing, true, &has_stray_cr));
    assert_false(has_stray_cr);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cuts_where_bytes_say_so),
        cmocka_unit_test(sees_a_cr_apart_from_its_lf_across_blocks),
        cmocka_unit_test(does_not_judge_bytes_that_were_not_asked_for),
        cmocka_unit_test(ends_where_there_is_nothing),
    };
    return cmocka_run_group_tests_name("lines (RFC 3261 s7.3.1)", tests, NULL, NULL);
}

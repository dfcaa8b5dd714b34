/* sip.log: what a format becomes, and whose line it is. */
#include "bench.h"

#define OTHER_INVITE                                                                               \
    "INVITE sip:carol@example.com SIP/2.0\r\n"                                                     \
    "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK3\r\n"                                          \
    "From: <sip:dave@example.com>;tag=d1\r\n"                                                      \
    "To: <sip:carol@example.com>\r\n"                                                              \
    "Call-ID: call-2@192.0.2.1\r\n"                                                                \
    "CSeq: 1 INVITE\r\n"                                                                           \
    "Content-Length: 0\r\n"                                                                        \
    "\r\n"

/** Run @p body as request_route(req) on INVITE and compare its last line. */
static void expect_line(const char *body, const char *line)
{
    struct bench bench;
    char source[2048];
    bench_open(&bench);
    snprintf(source, sizeof source,
             "local sip = require 'lunasip' function request_route(req) %s end", body);
    if (bench_once(&bench, source) != ROUTE_DONE)
        fail_msg("%s -> %s", body, bench.line);
    if (strcmp(bench.line, line) != 0)
        fail_msg("%s -> %s", body, bench.line);
    bench_close(&bench);
}

static void expect_fault(const char *body, const char *fault)
{
    struct bench bench;
    char source[2048];
    bench_open(&bench);
    snprintf(source, sizeof source,
             "local sip = require 'lunasip' function request_route(req)\n%s\nend", body);
    assert_int_equal(bench_once(&bench, source), ERROR_SCRIPT);
    if (!strstr(bench.line, fault))
        fail_msg("%s -> %s", body, bench.line);
    bench_close(&bench);
}

static void test_variables_are_filled_in(void **state)
{
    (void)state;
    expect_line("sip.log.info '$rm from $si:$sp, $cT'",
                "INVITE from 192.0.2.1:5060, application/sdp");
    expect_line("sip.log.info '$fU <$(fU{s.toupper})> $(ru{s.len}) $cs'", "alice <ALICE> 19 7");
    expect_line("sip.log.info 'du=$du, $rs.'", "du=<null>, <null>.");
    expect_line("req['$var(x)'] = 5 sip.log.info '$var(x) $bf'", "5 0");
    expect_line("sip.log.info '5$ and $(x and $nosuch $rU'", "5$ and $(x and $nosuch bob");
    expect_line("sip.log.info '$$'", "$");
}

static void test_what_is_read_is_data(void **state)
{
    (void)state;
    expect_line("req:set_header('User-Agent', '$rU %s $(ru{s.len})') sip.log.info 'ua $ua'",
                "ua $rU %s $(ru{s.len})");
    expect_line("req:set_header('User-Agent', '%s $rU') sip.log.info('$ua and %s', '$ru')",
                "%s $rU and $ru");
}

static void test_values_are_those_of_string_format(void **state)
{
    (void)state;
    expect_line("sip.log.info('$rU: %d of %s, %i', 3, 'x', 0)", "bob: 3 of x, 0");
    expect_line("sip.log.info('%s %s %s %s', 17, 1.5, -3, 1e15)", "17 1.5 -3 1e+15");
    expect_line("sip.log.info('%d %d %5.1f|%-4s|%04x', 1.5, '12', 2.5, 'a', 255)",
                "1 12   2.5|a   |00ff");
    expect_line("sip.log.info('%s %s %s', nil, true, "
                "setmetatable({}, {__tostring = function() return 'T' end}))",
                "nil true T");
    expect_line("sip.log.info('100%% of %s', 'it')", "100% of it");
    expect_line("sip.log.info('100%% of it, 50%')", "100%% of it, 50%");
    expect_line("sip.log.info('one %s', 1, 2)", "one 1");
}

static void test_a_refused_value_leaves_the_directives(void **state)
{
    (void)state;
    expect_line("sip.log.info('%s: %d of $rU', 'x', 'not a number')", "%s: %d of bob");
    expect_line("sip.log.info('%s and %s', 1)", "%s and %s");
    expect_line("sip.log.info('%s %y', 1, 2)", "%s %y");
    expect_line("sip.log.info('%s %$rU', 1, 2)", "%s %bob");
    expect_line("sip.log.info('%s%', 1)", "%s%");
    expect_line("sip.log.info('%s', setmetatable({}, {__tostring = function() error 'no' end}))",
                "%s");
}

static void test_a_long_line_is_cut(void **state)
{
    struct bench bench;
    (void)state;
    bench_open(&bench);
    bench_once(&bench, "local sip = require 'lunasip' function request_route(req)\n"
                       "sip.log.info('%s$rm%d', ('x'):rep(5000), 5) end");
    assert_int_equal(strlen(bench.line), LOG_LINE_BYTES - 1);
    bench_close(&bench);
}

static void test_whose_line_it_is(void **state)
{
    static const struct {
        const char *body, *line, *call_id;
    } cases[] = {
        {"sip.log.info 'one $rm'", "one INVITE", "call-1@192.0.2.1"},
        {"sip.log.warning(req, '$rU')", "bob", "call-1@192.0.2.1"},
        {"sip.log.info({ call_id = 'c9', reason = 'bye' }, 'ended $rm: %s', 'x')", "ended $rm: x",
         "c9"},
        {"sip.log.error(nil, 'none $rm')", "none $rm", ""},
        {"print('a', 5, nil)", "a\t5\tnil", "call-1@192.0.2.1"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bench bench;
        char source[512];
        bench_open(&bench);
        snprintf(source, sizeof source,
                 "local sip = require 'lunasip' function request_route(req) %s end", cases[i].body);
        assert_int_equal(bench_once(&bench, source), ROUTE_DONE);
        assert_string_equal(bench.line, cases[i].line);
        assert_string_equal(bench.call_id, cases[i].call_id);
        bench_close(&bench);
    }
}

static void test_handlers_that_wait_keep_their_message(void **state)
{
    struct bench bench;
    (void)state;
    bench_open(&bench);
    bench_use(&bench, "local sip = require 'lunasip' function request_route(req)\n"
                      "sip.sleep(req.cseq == 7 and 1 or 2) sip.log.info 'woke $rU $fU' end");
    struct response_context *one = bench_context(&bench, INVITE);
    struct response_context *two = bench_context(&bench, OTHER_INVITE);
    assert_int_equal(bench_run_request(&bench, one), ROUTE_WAITING);
    assert_int_equal(bench_run_request(&bench, two), ROUTE_WAITING);
    bench_advance(&bench, 1500);
    assert_logged(&bench, "woke bob alice");
    assert_string_equal(bench.call_id, "call-1@192.0.2.1");
    bench_advance(&bench, 1000);
    assert_logged(&bench, "woke carol dave");
    assert_string_equal(bench.call_id, "call-2@192.0.2.1");
    memory_release(one);
    memory_release(two);
    bench_close(&bench);
}

static void test_a_timer_has_no_message(void **state)
{
    struct bench bench;
    (void)state;
    bench_open(&bench);
    bench_use(&bench, "local sip = require 'lunasip' function request_route(req) end\n"
                      "sip.timer.after(1, function() sip.log.info('removed %d of $ru', 5) end)");
    bench_advance(&bench, 1500);
    assert_logged(&bench, "removed 5 of $ru");
    assert_string_equal(bench.call_id, "");
    bench_close(&bench);
}

static void note_event(void *arg, struct dialog *dialog, enum dialog_event event,
                       struct message *message)
{
    struct bench *bench = arg;
    bench->handlers.dialog_event(bench->handlers.arg, dialog, event, message);
}

static void test_an_event_has_a_call_id(void **state)
{
    struct bench bench;
    struct dialog *dialog;
    (void)state;
    bench_open(&bench);
    struct dialogs_options options = {.loop = bench.loop,
                                      .settings = &bench.settings,
                                      .counters = &bench.counters,
                                      .log = &bench.log,
                                      .event = note_event,
                                      .arg = &bench};
    assert_int_equal(dialogs_create(&bench.proxy.dialogs, &options), 0);
    script_attach(bench.script, &bench.proxy);
    bench_use(&bench, "local sip = require 'lunasip' function request_route(req) end\n"
                      "event_route['dialog:end'] = function(e) sip.log.info(e, 'over')\n"
                      "sip.sleep(1) sip.log.info('after %s', e.reason) end");
    struct message *invite = bench_message(&bench, INVITE);
    assert_int_equal(dialog_create(&dialog, bench.proxy.dialogs, invite), 0);
    memory_release(invite);
    dialog_terminate(dialog, DIALOG_END_LOCAL);
    assert_logged(&bench, "over");
    assert_string_equal(bench.call_id, "call-1@192.0.2.1");
    bench.call_id[0] = 0;
    bench_advance(&bench, 1500);
    assert_int_equal(strncmp(bench.line, "after ", 6), 0);
    assert_string_equal(bench.call_id, "call-1@192.0.2.1");
    dialogs_stop(bench.proxy.dialogs);
    memory_release(bench.proxy.dialogs);
    bench_close(&bench);
}

static void test_a_level_that_is_off_costs_nothing(void **state)
{
    (void)state;
    expect_line("sip.log.info 'on' sip.log.debug('$rm %s', "
                "setmetatable({}, {__tostring = function() error 'printed' end}))",
                "on");
}

static void test_misuse_is_said_at_the_line(void **state)
{
    (void)state;
    expect_fault("sip.log.info(req)",
                 "route.lua:2: sip.log.info: a format is needed, not a no value");
    expect_fault("sip.log.warning(req, 5)", "route.lua:2: sip.log.warning: a format is needed");
    expect_fault("sip.log.info(5, 'x')", "route.lua:2: a message is expected, not number");
}

static void test_formats_are_bounded(void **state)
{
    struct bench bench;
    (void)state;
    bench_open(&bench);
    bench.settings.script_budget_instructions = 100000000;
    assert_int_equal(bench_once(&bench,
                                "local sip = require 'lunasip' function request_route(req)\n"
                                "for i = 1, 20000 do sip.log.info('line ' .. i .. ' $rU') end end"),
                     ROUTE_DONE);
    assert_logged(&bench, "line 20000 bob");
    assert_true(generation_memory_bytes(script_newest(bench.script)) < 8 << 20);
    bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_variables_are_filled_in),
        cmocka_unit_test(test_what_is_read_is_data),
        cmocka_unit_test(test_values_are_those_of_string_format),
        cmocka_unit_test(test_a_refused_value_leaves_the_directives),
        cmocka_unit_test(test_a_long_line_is_cut),
        cmocka_unit_test(test_whose_line_it_is),
        cmocka_unit_test(test_handlers_that_wait_keep_their_message),
        cmocka_unit_test(test_a_timer_has_no_message),
        cmocka_unit_test(test_an_event_has_a_call_id),
        cmocka_unit_test(test_a_level_that_is_off_costs_nothing),
        cmocka_unit_test(test_misuse_is_said_at_the_line),
        cmocka_unit_test(test_formats_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

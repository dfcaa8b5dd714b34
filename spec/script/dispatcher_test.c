/* sip.dispatcher on the real dispatcher. */
#include "bench.h"

static void open_with_list(struct bench *bench)
{
    char *fault = NULL;
    struct dispatcher_options options = {
        .inline_list = TEXT("1 sip:192.0.2.1:5060 0 0 weight=50;duid=a\n"
                            "1 sip:192.0.2.2:5060 0 0 duid=b\n"
                            "2 sip:198.51.100.1:5060\n"),
        .probing_threshold = 1,
        .inactive_threshold = 1,
        .ping_reply_codes = "class=2",
        .log = &bench->log,
    };
    bench_open(bench);
    if (dispatcher_create(&bench->proxy.dispatcher, &options, &fault))
        fail_msg("%s", fault);
    script_attach(bench->script, &bench->proxy);
}

static void close_with_list(struct bench *bench)
{
    memory_release(bench->proxy.dispatcher);
    bench_close(bench);
}

static void expect_printed(const char *body, const char *printed)
{
    struct bench bench;
    char source[2048];
    uint64_t live = memory_live();
    open_with_list(&bench);
    snprintf(source, sizeof source,
             "local sip = require 'lunasip'\nfunction request_route(req) %s end", body);
    if (bench_once(&bench, source) != ROUTE_DONE)
        fail_msg("%s -> %s", body, bench.line);
    if (!strstr(bench.line, printed))
        fail_msg("%s -> %s", body, bench.line);
    close_with_list(&bench);
    assert_int_equal(memory_live(), live);
}

static void test_select_and_next(void **state)
{
    (void)state;
    expect_printed("local d = sip.dispatcher.select(req, 1, 8) "
                   "print(d.uri, d.set, d.attrs.duid, d.attrs.weight, req.next_hop)",
                   "sip:192.0.2.1:5060\t1\ta\t50\tsip:192.0.2.1:5060");
    expect_printed("sip.dispatcher.select(req, 1, 8) local d = sip.dispatcher.next(req) "
                   "print(d.uri, req['$du'], sip.dispatcher.next(req))",
                   "sip:192.0.2.2:5060\tsip:192.0.2.2:5060\tnil\tno further destination");
    expect_printed("print(sip.dispatcher.select(req, 9))", "nil\tno such dispatcher set");
    expect_printed("print(sip.dispatcher.next(req))", "nil\tnothing was selected");
}

static void test_misuse(void **state)
{
    (void)state;
    expect_printed("print(select(2, pcall(function() sip.dispatcher.select(req, '2') end)))",
                   "route.lua:2: dispatcher.select: set must be a number, not string");
    expect_printed("print(select(2, pcall(function() sip.dispatcher.select(req, 1, 14) end)))",
                   "route.lua:2: dispatcher.select: algorithm must be a whole number from 0 to 13");
}

static void test_mark_and_list(void **state)
{
    (void)state;
    expect_printed("print(sip.dispatcher.mark(2, 'sip:198.51.100.1:5060', 'disabled')) "
                   "print(sip.dispatcher.select(req, 2))",
                   "nil\tno live destination");
    expect_printed("print(sip.dispatcher.mark(2, 'sip:nobody', 'disabled'))", "nil\tnot found");
    expect_printed("local l = sip.dispatcher.list() print(#l, l[1].uri, l[1].state, l[1].calls)",
                   "3\tsip:192.0.2.1:5060\tA");
    expect_printed("print(#sip.dispatcher.list(2))", "1");
}

static void test_is_from(void **state)
{
    (void)state;
    expect_printed("print(sip.dispatcher.is_from(req), sip.dispatcher.is_from(req, 2))",
                   "true\tfalse");
}

static void test_there_may_be_none(void **state)
{
    struct bench bench;
    (void)state;
    bench_open(&bench);
    assert_int_equal(bench_once(&bench, "local sip = require 'lunasip'\n"
                                        "function request_route(req)\n"
                                        "  sip.dispatcher.select(req, 1)\n"
                                        "end"),
                     ERROR_SCRIPT);
    assert_non_null(strstr(bench.line, "route.lua:3: dispatcher: there is none"));
    bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_select_and_next),   cmocka_unit_test(test_misuse),
        cmocka_unit_test(test_mark_and_list),     cmocka_unit_test(test_is_from),
        cmocka_unit_test(test_there_may_be_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Handler runs: errors, budget, memory, waiting, handles (design: script safety). */
#include "bench.h"

static void test_a_route_answers(void **state)
{
    struct bench bench;
    (void)state;
    uint64_t live = memory_live();
    bench_open(&bench);
    bench_use(&bench, "function request_route(req) req:reply(486, 'Busy') end");
    struct response_context *context = bench_context(&bench, INVITE);
    assert_int_equal(bench_run_request(&bench, context), ROUTE_DONE);
    assert_int_equal(context->reply_status, 486);
    assert_string_equal(context->reply_reason, "Busy");
    memory_release(context);
    bench_close(&bench);
    assert_int_equal(memory_live(), live);
}

static void test_an_error_is_one_line_with_its_trace(void **state)
{
    struct bench bench;
    (void)state;
    bench_open(&bench);
    int result = bench_once(&bench, "function route.DEEP(req) local x = nil; return x.y end\n"
                                    "function request_route(req)\n"
                                    "  local r = route.DEEP(req)\n"
                                    "  return r\n"
                                    "end\n");
    assert_int_equal(result, ERROR_SCRIPT);
    assert_int_equal(bench.lines, 1);
    assert_non_null(strstr(bench.line, "request_route: route.lua:1: attempt to index"));
    assert_non_null(strstr(bench.line, "route.lua:3: in function"));
    assert_null(strchr(bench.line, '\n'));
    assert_int_equal(counter_read(&bench.counters, COUNTER_SCRIPT_ERROR), 1);
    /* The next run is not touched by it. */
    assert_int_equal(bench_once(&bench, "function request_route(req) req:drop() end"), ROUTE_DONE);
    bench_close(&bench);
}

static void test_an_error_object_of_any_type_is_reported(void **state)
{
    struct bench bench;
    (void)state;
    bench_open(&bench);
    assert_int_equal(bench_once(&bench, "function request_route() error({}) end"), ERROR_SCRIPT);
    assert_non_null(strstr(bench.line, "not a string"));
    assert_int_equal(bench_once(&bench, "function request_route() error(nil) end"), ERROR_SCRIPT);
    bench_close(&bench);
}

static const char *const endless[] = {
    "function request_route() while true do end end",
    "function request_route() while true do pcall(function() while true do end end) end end",
    "local function again() return again() end function request_route() again() end",
    "local function f() pcall(f) pcall(f) f() end function request_route() while true do pcall(f) "
    "end end",
    "function request_route() repeat xpcall(function() error 'x' end, function() while true do end "
    "end) until false end",
    "function request_route() local s = ('a'):rep(5000) while true do s:gsub('a', function() end) "
    "end end",
    "function request_route() ('a'):rep(9):gsub('a', function() while true do pcall(function() "
    "while true do end end) end end) while true do end end",
    "local t = setmetatable({}, {__index = function(t, k) return t[k .. 'x'] end}) function "
    "request_route() while true do pcall(function() return t.a end) end end",
    "function request_route(req) while true do pcall(function() return req['$ru'] end) end end",
    "function request_route(req) while true do pcall(req.relay, req, {}) end end",
    "function request_route(req) table.sort({3, 2, 1}, function() while true do end end) end",
    "function request_route(req) local t = setmetatable({}, {__tostring = function() while true do "
    "end end}) print(t) end",
};

static void test_what_does_not_end_is_ended(void **state)
{
    struct bench bench;
    (void)state;
    bench_open(&bench);
    bench.settings.script_budget_instructions = 50000;
    for (size_t i = 0; i < sizeof endless / sizeof *endless; i++) {
        assert_int_equal(bench_once(&bench, endless[i]), ERROR_SCRIPT);
        assert_true(strstr(bench.line, "budget used up") || strstr(bench.line, "too deep"));
        assert_int_equal(counter_read(&bench.counters, COUNTER_SCRIPT_BUDGET), i + 1);
    }
    assert_int_equal(bench_once(&bench, "function request_route(req) req:drop() end"), ROUTE_DONE);
    bench_close(&bench);
}

static void test_a_branch_route_has_a_budget_of_its_own(void **state)
{
    struct bench bench;
    (void)state;
    bench_open(&bench);
    bench_use(&bench, "function branch_route.B(req) while true do end end\n"
                      "function request_route(req) req:relay{on_branch = 'B'} req:reply(500) end");
    struct response_context *context = bench_context(&bench, INVITE);
    struct branch branch = {.index = 0};
    struct route_run nested = {.kind = ROUTE_BRANCH,
                               .name = TEXT("B"),
                               .context = context,
                               .branch = &branch,
                               .edits = context->edits};
    context->nested = &nested;
    assert_int_equal(bench_run_request(&bench, context), ROUTE_DONE);
    assert_int_equal(context->nested_result, ERROR_SCRIPT);
    assert_int_equal(context->reply_status, 500);
    memory_release(context);
    bench_close(&bench);
}

static void test_memory_is_capped(void **state)
{
    struct bench bench;
    (void)state;
    bench_open(&bench);
    bench.settings.script_memory_mib = 8;
    static const char *const greedy[] = {
        "function request_route() local t = {} for i = 1, 1e9 do t[i] = {i} end end",
        "function request_route() local s = 'x' while true do s = s .. s end end",
        "keep = {} function request_route() while true do pcall(function() while true do "
        "keep[#keep + 1] = ('x'):rep(1000) .. #keep end end) end end",
    };
    for (size_t i = 0; i < sizeof greedy / sizeof *greedy; i++)
        assert_int_equal(bench_once(&bench, greedy[i]), ERROR_SCRIPT);
    assert_true(generation_memory_bytes(script_newest(bench.script)) <= 2 * (8u << 20));
    assert_int_equal(bench_once(&bench, "function request_route(req) req:drop() end"), ROUTE_DONE);
    bench_close(&bench);
}

static void test_a_handle_dies_with_its_run(void **state)
{
    struct bench bench;
    (void)state;
    bench_open(&bench);
    bench_use(&bench, "local kept, f\n"
                      "function request_route(req)\n"
                      "  if kept then\n"
                      "    local ok, err = pcall(function()\n"
                      "      return kept.method\n"
                      "    end)\n"
                      "    sip_result = err\n"
                      "    print(err)\n"
                      "  end\n"
                      "  kept = req\n"
                      "end\n");
    struct response_context *context = bench_context(&bench, INVITE);
    assert_int_equal(bench_run_request(&bench, context), ROUTE_DONE);
    assert_int_equal(bench_run_request(&bench, context), ROUTE_DONE);
    assert_logged(&bench, "route.lua:5: this message is gone: its handler has ended");
    memory_release(context);
    bench_close(&bench);
}

/** Another request of another transaction. */
#define OTHER                                                                                      \
    "OPTIONS sip:bob@example.com SIP/2.0\r\n"                                                      \
    "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK8;rport\r\n"                                    \
    "From: <sip:alice@example.com>;tag=a8\r\n"                                                     \
    "To: <sip:bob@example.com>\r\n"                                                                \
    "Call-ID: call-8@192.0.2.1\r\n"                                                                \
    "CSeq: 8 OPTIONS\r\n"                                                                          \
    "Content-Length: 0\r\n"                                                                        \
    "\r\n"

static void test_a_handle_lives_while_its_run_waits(void **state)
{
    struct bench bench;
    (void)state;
    bench_open(&bench);
    bench_use(&bench, "local sip, kept = require 'lunasip'\n"
                      "function request_route(req)\n"
                      "  if kept then\n"
                      "    print(kept == req, kept.cseq, req.cseq, tostring(kept), type(kept))\n"
                      "    return\n"
                      "  end\n"
                      "  kept = req\n"
                      "  sip.sleep(1)\n"
                      "  req:reply(200, tostring(kept == req) .. req.cseq)\n"
                      "end\n");
    struct response_context *first = bench_context(&bench, INVITE);
    struct response_context *second = bench_context(&bench, OTHER);
    assert_int_equal(bench_run_request(&bench, first), ROUTE_WAITING);
    assert_int_equal(bench_run_request(&bench, second), ROUTE_DONE);
    assert_logged(&bench, "false\t7\t8\trequest INVITE\tuserdata");
    bench_advance(&bench, 1001);
    assert_string_equal(first->reply_reason, "true7");
    memory_release(first);
    memory_release(second);
    bench_close(&bench);
}

static void test_what_is_no_message_is_refused(void **state)
{
    struct bench bench;
    (void)state;
    bench_open(&bench);
    bench_use(&bench, "function request_route(req)\n"
                      "  for _, other in ipairs { 7, 'text', {}, print } do\n"
                      "    print(select(2, pcall(req.in_dialog, other)))\n"
                      "  end\n"
                      "end\n");
    struct response_context *context = bench_context(&bench, INVITE);
    assert_int_equal(bench_run_request(&bench, context), ROUTE_DONE);
    assert_logged(&bench, "route.lua:3: a message is expected, not function");
    memory_release(context);
    bench_close(&bench);
}

static void test_sleep_waits_and_goes_on(void **state)
{
    struct bench bench;
    (void)state;
    uint64_t live = memory_live();
    bench_open(&bench);
    bench_use(&bench, "local sip = require 'lunasip'\n"
                      "function request_route(req)\n"
                      "  local ok = sip.sleep(2)\n"
                      "  req:reply(200, tostring(ok) .. req.method)\n"
                      "end\n");
    struct response_context *context = bench_context(&bench, INVITE);
    assert_int_equal(bench_run_request(&bench, context), ROUTE_WAITING);
    assert_int_equal(script_waiting(bench.script), 1);
    bench_advance(&bench, 1999);
    assert_int_equal(context->replies, 0);
    bench_advance(&bench, 2);
    assert_int_equal(context->reply_status, 200);
    assert_string_equal(context->reply_reason, "trueINVITE");
    assert_int_equal(bench.done, 1);
    assert_int_equal(bench.done_error, 0);
    assert_int_equal(script_waiting(bench.script), 0);
    memory_release(context);
    bench_close(&bench);
    assert_int_equal(memory_live(), live);
}

static void test_an_error_after_a_wait_is_told(void **state)
{
    struct bench bench;
    (void)state;
    bench_open(&bench);
    bench_use(&bench, "local sip = require 'lunasip'\n"
                      "function request_route(req) sip.sleep(1) error 'late' end\n");
    struct response_context *context = bench_context(&bench, INVITE);
    assert_int_equal(bench_run_request(&bench, context), ROUTE_WAITING);
    memory_release(context); /* the run holds it */
    bench_advance(&bench, 1001);
    assert_int_equal(bench.done_error, ERROR_SCRIPT);
    assert_non_null(strstr(bench.line, "late"));
    bench_close(&bench);
}

static void test_a_cancelled_wait_says_so(void **state)
{
    struct bench bench;
    (void)state;
    bench_open(&bench);
    bench_use(&bench, "local sip = require 'lunasip'\n"
                      "function request_route(req) print(sip.sleep(1)) print(sip.sleep(1)) end\n");
    struct response_context *context = bench_context(&bench, INVITE);
    assert_int_equal(bench_run_request(&bench, context), ROUTE_WAITING);
    context->is_cancelled = true;
    bench_advance(&bench, 1001);
    assert_logged(&bench, "nil\tcancelled");
    assert_int_equal(bench.lines, 2);
    assert_int_equal(bench.done, 1);
    memory_release(context);
    bench_close(&bench);
}

/** The context lets go of its request once it is answered for good. */
static void test_a_request_that_is_over_can_still_be_read(void **state)
{
    struct bench bench;
    (void)state;
    bench_open(&bench);
    bench_use(&bench, "local sip = require 'lunasip'\n"
                      "function request_route(req)\n"
                      "  sip.sleep(1)\n"
                      "  print(req.method, req.ruri, req.from_tag, req:relay())\n"
                      "  print(req:reply(500))\n"
                      "  print(sip.media.manage(req, 'replace-origin'))\n"
                      "end\n");
    struct response_context *context = bench_context(&bench, INVITE);
    assert_int_equal(bench_run_request(&bench, context), ROUTE_WAITING);
    context->request = memory_release(context->request);
    context->edits = NULL;
    context->is_cancelled = true;
    bench_advance(&bench, 1001);
    assert_int_equal(bench.lines, 3);
    assert_logged(&bench, "nil\tcancelled");
    assert_int_equal(context->relays + context->replies + context->manages, 0);
    memory_release(context);
    bench_close(&bench);
}

static void test_waiting_handlers_are_limited(void **state)
{
    struct bench bench;
    (void)state;
    bench_open(&bench);
    bench.settings.script_waiting = 2;
    bench_use(&bench, "local sip = require 'lunasip' function request_route() sip.sleep(1) end");
    struct response_context *contexts[3];
    for (int i = 0; i < 3; i++)
        contexts[i] = bench_context(&bench, INVITE);
    assert_int_equal(bench_run_request(&bench, contexts[0]), ROUTE_WAITING);
    assert_int_equal(bench_run_request(&bench, contexts[1]), ROUTE_WAITING);
    assert_int_equal(bench_run_request(&bench, contexts[2]), ERROR_SCRIPT);
    assert_int_equal(counter_read(&bench.counters, COUNTER_SCRIPT_WAITING_LIMIT), 1);
    bench_advance(&bench, 1001);
    assert_int_equal(bench.done, 2);
    for (int i = 0; i < 3; i++)
        memory_release(contexts[i]);
    bench_close(&bench);
}

static void test_stop_drops_what_waits(void **state)
{
    struct bench bench;
    (void)state;
    uint64_t live = memory_live();
    bench_open(&bench);
    bench_use(&bench, "local sip = require 'lunasip' function request_route() sip.sleep(9) end");
    struct response_context *context = bench_context(&bench, INVITE);
    assert_int_equal(bench_run_request(&bench, context), ROUTE_WAITING);
    memory_release(context);
    script_stop(bench.script);
    assert_int_equal(bench.done, 0);
    bench_close(&bench);
    assert_int_equal(memory_live(), live);
}

static void test_a_relay_that_waits_for_a_name(void **state)
{
    struct bench bench;
    (void)state;
    bench_open(&bench);
    bench_use(&bench, "function request_route(req) print(req:relay{to = 'sip:a'}) end");
    struct response_context *context = bench_context(&bench, INVITE);
    context->result = ROUTE_WAITING;
    assert_int_equal(bench_run_request(&bench, context), ROUTE_WAITING);
    context->done(context->done_arg, ERROR_NOT_FOUND);
    assert_logged(&bench, "nil\tnot found");
    assert_int_equal(bench_run_request(&bench, context), ROUTE_WAITING);
    context->done(context->done_arg, 0);
    assert_logged(&bench, "true");
    assert_int_equal(bench.done, 2);
    memory_release(context);
    bench_close(&bench);
}

static void test_nothing_waits_inside_a_library_callback(void **state)
{
    struct bench bench;
    (void)state;
    bench_open(&bench);
    int result = bench_once(&bench, "local sip = require 'lunasip'\n"
                                    "function request_route(req)\n"
                                    "  table.sort({2, 1}, function() sip.sleep(1) end)\n"
                                    "end\n");
    assert_int_equal(result, ERROR_SCRIPT);
    assert_non_null(strstr(bench.line, "route.lua:3: sleep: cannot wait inside"));
    bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_route_answers),
        cmocka_unit_test(test_an_error_is_one_line_with_its_trace),
        cmocka_unit_test(test_an_error_object_of_any_type_is_reported),
        cmocka_unit_test(test_what_does_not_end_is_ended),
        cmocka_unit_test(test_a_branch_route_has_a_budget_of_its_own),
        cmocka_unit_test(test_memory_is_capped),
        cmocka_unit_test(test_a_handle_dies_with_its_run),
        cmocka_unit_test(test_a_handle_lives_while_its_run_waits),
        cmocka_unit_test(test_what_is_no_message_is_refused),
        cmocka_unit_test(test_sleep_waits_and_goes_on),
        cmocka_unit_test(test_an_error_after_a_wait_is_told),
        cmocka_unit_test(test_a_cancelled_wait_says_so),
        cmocka_unit_test(test_a_request_that_is_over_can_still_be_read),
        cmocka_unit_test(test_waiting_handlers_are_limited),
        cmocka_unit_test(test_stop_drops_what_waits),
        cmocka_unit_test(test_a_relay_that_waits_for_a_name),
        cmocka_unit_test(test_nothing_waits_inside_a_library_callback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

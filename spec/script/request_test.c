/* What a script does with a request: reply, relay, fork and the rest; and timers, hashes, groups. */
#include "bench.h"

struct outcome {
    struct bench bench;
    struct response_context *context;
    int result;
};

static void run_body(struct outcome *outcome, const char *body)
{
    char source[2048];
    bench_open(&outcome->bench);
    snprintf(source, sizeof source,
             "local sip = require 'lunasip'\n"
             "function failure_route.F(req, reply) end\n"
             "function branch_route.B(req) end\n"
             "function request_route(req)\n%s\nend",
             body);
    bench_use(&outcome->bench, source);
    outcome->context = bench_context(&outcome->bench, INVITE);
    outcome->result = bench_run_request(&outcome->bench, outcome->context);
}

static void end(struct outcome *outcome)
{
    memory_release(outcome->context);
    bench_close(&outcome->bench);
}

static void expect_fault(const char *body, const char *fault)
{
    struct outcome outcome;
    run_body(&outcome, body);
    assert_int_equal(outcome.result, ERROR_SCRIPT);
    if (!strstr(outcome.bench.line, fault))
        fail_msg("%s -> %s", body, outcome.bench.line);
    assert_int_equal(outcome.context->replies + outcome.context->relays, 0);
    end(&outcome);
}

static void test_reply(void **state)
{
    struct outcome o;
    (void)state;
    run_body(&o, "print(req:reply(503, 'No', { headers = { ['X-B'] = 2, ['A-A'] = 'x' }, "
                 "body = 'hi', content_type = 'text/plain' }))");
    assert_int_equal(o.result, ROUTE_DONE);
    assert_string_equal(o.context->reply_headers, "A-A: x\r\nX-B: 2\r\n");
    assert_string_equal(o.context->reply_body, "hi");
    assert_logged(&o.bench, "true");
    end(&o);
    expect_fault("req:reply(99)", "route.lua:5: reply: code must be a whole number from 100");
    expect_fault("req:reply('x')", "route.lua:5: reply: code must be a number, not string");
    expect_fault("req:reply(200, 'a\\r\\nb')", "route.lua:5: reply: the reason cannot");
    expect_fault("req:reply(200, 'OK', { body = 'x' })", "a body needs a content_type");
    expect_fault("req:reply(200, 'OK', { headers = { X = 'a\\nB: c' } })", "cannot have line ends");
    run_body(&o, "print(req:reply(403, nil, { stateless = true }))");
    assert_int_equal(o.context->reply_status, 403);
    assert_true(o.context->is_forgotten);
    end(&o);
    expect_fault("req:reply(180, nil, { stateless = true })",
                 "only a final response can be stateless");
    expect_fault("req:reply(404, nil, { stateless = 1 })", "stateless must be true or false");
    expect_fault("req:reply(200, 'OK', 'x')", "options must be a table");
}

static void test_relay(void **state)
{
    struct outcome o;
    (void)state;
    run_body(&o, "req:relay{ to = 'sip:10.0.0.1', on_failure = 'F', on_branch = 'B', "
                 "timeout_ms = 3000 }");
    assert_int_equal(o.result, ROUTE_DONE);
    assert_string_equal(o.context->relay_to, "sip:10.0.0.1");
    assert_string_equal(o.context->relay_on_failure, "F");
    assert_int_equal(o.context->relay.timeout_ms, 3000);
    end(&o);
    run_body(&o, "req:relay 'sip:x'");
    assert_string_equal(o.context->relay_to, "sip:x");
    end(&o);
    expect_fault("local NAME = 'F' .. 'X' req:relay{ on_failure = NAME }",
                 "route.lua:5: on_failure: no function failure_route.FX");
    expect_fault("req:relay{ on_fail = 'F' }", "route.lua:5: no option 'on_fail'");
    expect_fault("req:relay(5)", "route.lua:5: relay: a table of options");
    expect_fault("require('lunasip').media.manage(req, 5)",
                 "media.manage: options are a table or a flag string, not a number");
    expect_fault("req:relay{ timeout_ms = 1.5 }", "timeout_ms must be a whole number");
}

static void test_a_relay_that_fails_says_why(void **state)
{
    struct bench bench;
    (void)state;
    bench_open(&bench);
    bench_use(&bench, "function request_route(req) print(req:relay()) end");
    struct response_context *context = bench_context(&bench, INVITE);
    context->result = ERROR_CANCELLED;
    assert_int_equal(bench_run_request(&bench, context), ROUTE_DONE);
    assert_logged(&bench, "nil\tcancelled");
    memory_release(context);
    bench_close(&bench);
}

static void test_fork(void **state)
{
    struct outcome o;
    (void)state;
    run_body(&o, "req:fork{ 'sip:a', { uri = 'sip:b', next_hop = 'sip:c', q = 0.5 }, "
                 "on_failure = 'F' }");
    assert_int_equal(o.result, ROUTE_DONE);
    assert_int_equal(o.context->target_count, 2);
    assert_int_equal(o.context->targets[0].q, 1000);
    assert_int_equal(o.context->targets[1].q, 500);
    assert_true(text_is_set(o.context->targets[1].next_hop));
    end(&o);
    expect_fault("req:fork{}", "1 to 64 targets");
    expect_fault("req:fork{ { uri = 'sip:a', q = 2 } }", "q is a number from 0 to 1");
    expect_fault("req:fork{ 'sip:a', to = 'sip:b' }", "no option 'to'");
}

static void test_the_rest(void **state)
{
    struct outcome o;
    (void)state;
    run_body(&o, "print(req:record_route(), req:loose_route(), req:in_dialog(), "
                 "req:max_forwards_ok(), req:sanity_ok(), req:forward(), req:drop())");
    assert_int_equal(o.result, ROUTE_DONE);
    assert_logged(&o.bench, "true\tfalse\tfalse\ttrue\ttrue\ttrue\ttrue");
    assert_true(o.context->is_dropped && o.context->is_record_routed);
    end(&o);
}

static void test_routes_in_which_it_makes_no_sense(void **state)
{
    struct bench bench;
    (void)state;
    bench_open(&bench);
    bench_use(&bench, "function request_route(req) end\n"
                      "function branch_route.B(req) req:relay() end\n"
                      "function branch_route.N(req) req.next_hop = 'sip:x' end\n"
                      "function failure_route.F(req, reply) reply:relay() end\n");
    struct response_context *context = bench_context(&bench, INVITE);
    struct branch branch = {.index = 3};
    struct message *reply = bench_message(&bench, BUSY);
    struct route_run run = {.kind = ROUTE_BRANCH,
                            .name = TEXT("B"),
                            .context = context,
                            .branch = &branch,
                            .edits = context->edits};
    assert_int_equal(bench.handlers.run(bench.handlers.arg, &run), ERROR_SCRIPT);
    assert_non_null(strstr(bench.line, "route.lua:2: relay: not possible in a branch route"));
    run.name = TEXT("N");
    assert_int_equal(bench.handlers.run(bench.handlers.arg, &run), ERROR_SCRIPT);
    assert_non_null(strstr(bench.line, "route.lua:3: next_hop: only a request in"));
    run = (struct route_run){.kind = ROUTE_FAILURE,
                             .name = TEXT("F"),
                             .context = context,
                             .reply = reply,
                             .edits = context->edits};
    assert_int_equal(bench.handlers.run(bench.handlers.arg, &run), ERROR_SCRIPT);
    assert_non_null(strstr(bench.line, "route.lua:4: relay: a response cannot do that"));
    memory_release(reply);
    memory_release(context);
    bench_close(&bench);
}

static void test_branch_flags(void **state)
{
    struct bench bench;
    (void)state;
    bench_open(&bench);
    bench_use(&bench, "function request_route(req) req.branch_flags = 1 end\n"
                      "function branch_route.B(req) print(req.branch_index, req.branch_flags) "
                      "req.branch_flags = 2 end\n");
    struct response_context *context = bench_context(&bench, INVITE);
    bench_run_request(&bench, context);
    struct branch branch = {.index = 3};
    struct route_run run = {.kind = ROUTE_BRANCH,
                            .name = TEXT("B"),
                            .context = context,
                            .branch = &branch,
                            .edits = context->edits};
    bench.handlers.run(bench.handlers.arg, &run);
    assert_logged(&bench, "3\t1");
    bench.handlers.run(bench.handlers.arg, &run);
    assert_logged(&bench, "3\t2");
    branch.index = 4;
    bench.handlers.run(bench.handlers.arg, &run);
    assert_logged(&bench, "4\t1");
    memory_release(context);
    bench_close(&bench);
}

static void test_media_flags(void **state)
{
    struct outcome o;
    (void)state;
    run_body(&o, "print(sip.media.manage(req, { from = 'public', to = 'private' }), "
                 "sip.media.manage(req, 'replace-origin direction=public direction=private'), "
                 "sip.media.manage(req))");
    assert_int_equal(o.result, ROUTE_DONE);
    assert_logged(&o.bench, "true\ttrue\ttrue");
    assert_int_equal(o.context->manages, 3);
    end(&o);
    run_body(&o, "local flags = 'no-such' .. '-flag' print(sip.media.manage(req, flags))");
    assert_non_null(
        strstr(o.bench.line, "nil\tmedia flag 'no-such-flag' is unknown or has a wrong"));
    assert_int_equal(o.context->manages, 0);
    end(&o);
    expect_fault("sip.media.manage(req, { 'public' })", "options are named");
    expect_fault("sip.media.manage(req, { from = print })", "a flag's value is a text");
}

static void test_small_things(void **state)
{
    struct outcome o;
    (void)state;
    run_body(&o, "print(req['$(ci{s.md5})'])");
    assert_logged(&o.bench, "38f4dd8c7e2d1b2b41dc533acf66a442");
    end(&o);
}

static void test_timers(void **state)
{
    struct bench bench;
    (void)state;
    uint64_t live = memory_live();
    bench_open(&bench);
    bench_use(&bench, "local sip = require 'lunasip'\n"
                      "local n = 0\n"
                      "sip.timer.every(1, function() n = n + 1 print('tick', n) end)\n"
                      "sip.timer.after(0.5, function() sip.sleep(0.2) print 'once' end)\n"
                      "function request_route(req) end\n");
    bench_advance(&bench, 600);
    assert_int_equal(bench.lines, 0);
    bench_advance(&bench, 300);
    assert_logged(&bench, "once");
    bench_advance(&bench, 2200);
    assert_logged(&bench, "tick\t3");
    bench_use(&bench, "function request_route(req) end\n");
    assert_int_equal(script_generations(bench.script), 1);
    bench_advance(&bench, 5000);
    assert_logged(&bench, "tick\t3");
    bench_close(&bench);
    assert_int_equal(memory_live(), live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reply),
        cmocka_unit_test(test_relay),
        cmocka_unit_test(test_a_relay_that_fails_says_why),
        cmocka_unit_test(test_fork),
        cmocka_unit_test(test_the_rest),
        cmocka_unit_test(test_routes_in_which_it_makes_no_sense),
        cmocka_unit_test(test_branch_flags),
        cmocka_unit_test(test_media_flags),
        cmocka_unit_test(test_small_things),
        cmocka_unit_test(test_timers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

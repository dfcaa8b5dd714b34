/* Loading, reloading and leaving generations; memory that runs out anywhere. */
#include "bench.h"

#include "base/hash.h"

#define ROUTE                                                                                      \
    "local sip = require 'lunasip'\n"                                                              \
    "sip.timer.every(1, function() end)\n"                                                         \
    "function route.ONE(req) req:add_header('X', req.from_uri) end\n"                              \
    "function request_route(req)\n"                                                                \
    "  route.ONE(req) req['$avp(a)'] = 1 req.from_display = 'X'\n"                                 \
    "  sip.log.info('$rm $si') sip.shared.calls:set('k', req.method, 5)\n"                         \
    "  req:reply(200, sip.shared.calls:get 'k', { headers = { A = 'b' } })\n"                      \
    "  sip.sleep(1)\n"                                                                             \
    "end\n"

static void expect_fault(const char *source, const char *fault)
{
    struct bench bench;
    struct generation *generation = NULL;
    bench_open(&bench);
    assert_int_equal(bench_load(&bench, &generation, source), ERROR_SCRIPT);
    if (!strstr(bench.fault, fault))
        fail_msg("%s -> %s", source, bench.fault);
    assert_null(strchr(bench.fault, '\n'));
    bench_close(&bench);
}

static void test_a_faulty_script_says_where(void **state)
{
    (void)state;
    expect_fault("function request_route(req)\n  if then\nend", "route.lua:2: ");
    expect_fault("\nerror 'no'\nfunction request_route() end", "route.lua:2: no");
    expect_fault("x = 1", "route.lua:1: there is no request_route");
    expect_fault("request_route = 5", "route.lua:1: 'request_route' must be a function");
    expect_fault("local x = undefined_name", "route.lua:1: undefined variable");
    expect_fault("\nwhile true do end", "route.lua:2: budget used up");
    expect_fault("error({})", "route.lua:1: an error was raised that is not a text");
    expect_fault("while true do pcall(function() while true do end end) end", "budget used up");
    expect_fault("local t = {} while true do t[#t + 1] = {} end", "budget used up");
}

static void test_a_missing_script_says_which(void **state)
{
    struct bench bench;
    struct generation *generation;
    char *fault = NULL;
    (void)state;
    bench_open(&bench);
    struct generation_options options = {
        .io = bench.io,
        .settings = &bench.settings,
        .log = &bench.log,
        .lua_dir = LUNASIP_LUA_DIR,
        .route_path = "/nowhere/route.lua",
    };
    assert_int_equal(generation_create(&generation, &options, &fault), ERROR_SCRIPT);
    assert_non_null(strstr(fault, "/nowhere/route.lua"));
    memory_free_raw(fault);
    bench_close(&bench);
}

static void test_a_transaction_keeps_its_generation(void **state)
{
    struct bench bench;
    (void)state;
    uint64_t live = memory_live();
    bench_open(&bench);
    bench_use(&bench, "function request_route(req) print 'old' end");
    struct response_context *context = bench_context(&bench, INVITE);
    bench_use(&bench, "function request_route(req) print 'new' end function branch_route.B() end");
    assert_int_equal(script_generations(bench.script), 2);
    assert_int_equal(bench_run_request(&bench, context), ROUTE_DONE);
    assert_logged(&bench, "old");
    assert_false(
        bench.handlers.has(bench.handlers.arg, context->generation, ROUTE_BRANCH, TEXT("B")));
    assert_true(bench.handlers.has(bench.handlers.arg, script_newest(bench.script), ROUTE_BRANCH,
                                   TEXT("B")));
    memory_release(context);
    assert_int_equal(script_generations(bench.script), 1);
    assert_int_equal(generation_number(script_newest(bench.script)), 2);
    bench_close(&bench);
    assert_int_equal(memory_live(), live);
}

static void test_a_waiting_handler_keeps_its_generation(void **state)
{
    struct bench bench;
    (void)state;
    bench_open(&bench);
    bench_use(&bench, "local sip = require 'lunasip'\n"
                      "function request_route(req) sip.sleep(1) print 'old' end");
    struct response_context *context = bench_context(&bench, INVITE);
    assert_int_equal(bench_run_request(&bench, context), ROUTE_WAITING);
    memory_release(context);
    bench_use(&bench, "function request_route(req) end");
    assert_int_equal(script_generations(bench.script), 2);
    bench_advance(&bench, 1001);
    assert_logged(&bench, "old");
    assert_int_equal(script_generations(bench.script), 1);
    bench_close(&bench);
}

static void test_a_faulty_generation_changes_nothing(void **state)
{
    struct bench bench;
    struct generation *generation;
    (void)state;
    bench_open(&bench);
    bench_use(&bench, "function request_route(req) print 'runs' end");
    assert_int_equal(bench_load(&bench, &generation, "nonsense("), ERROR_SCRIPT);
    struct response_context *context = bench_context(&bench, INVITE);
    bench_run_request(&bench, context);
    assert_logged(&bench, "runs");
    memory_release(context);
    bench_close(&bench);
}

static void note_event(void *arg, struct dialog *dialog, enum dialog_event event,
                       struct message *message)
{
    struct bench *bench = arg;
    bench->handlers.dialog_event(bench->handlers.arg, dialog, event, message);
}

static void test_dialogs_of_the_oldest_generation_move_and_tell_their_end(void **state)
{
    static const char route[] =
        "function request_route(req) end\n"
        "event_route['dialog:end'] = function(e) print(GENERATION, e.name, e.reason, e.call_id, "
        "e.from_tag, e.answered) end\nGENERATION = ";
    struct bench bench;
    struct dialog *dialog;
    char source[512];
    (void)state;
    uint64_t live = memory_live();
    bench_open(&bench);
    bench.settings.script_generations = 1;
    struct dialogs_options options = {.loop = bench.loop,
                                      .settings = &bench.settings,
                                      .counters = &bench.counters,
                                      .log = &bench.log,
                                      .event = note_event,
                                      .arg = &bench};
    assert_int_equal(dialogs_create(&bench.proxy.dialogs, &options), 0);
    script_attach(bench.script, &bench.proxy);
    for (int i = 1; i <= 2; i++) {
        snprintf(source, sizeof source, "%s%d", route, i);
        bench_use(&bench, source);
        if (i > 1)
            continue;
        struct message *invite = bench_message(&bench, INVITE);
        assert_int_equal(dialog_create(&dialog, bench.proxy.dialogs, invite), 0);
        dialog_attach(dialog, DIALOG_GENERATION, script_newest(bench.script));
        memory_release(invite);
    }
    if (!strstr(bench.line, "1 dialogs of generation 1 move to generation 2"))
        fail_msg("%s", bench.line);
    assert_int_equal(script_generations(bench.script), 1);
    dialog_terminate(dialog, DIALOG_END_LOCAL);
    assert_logged(&bench, "2\tdialog:end\tlocal\tcall-1@192.0.2.1\ta1\tfalse");
    memory_release(bench.proxy.dialogs);
    bench_close(&bench);
    assert_int_equal(memory_live(), live);
}

static void test_check(void **state)
{
    struct bench bench;
    char *fault;
    (void)state;
    bench_open(&bench);
    bench.configuration->settings = bench.settings;
    bench.configuration->route_path = (char *)"r.lua";
    bench.configuration->route_source = (char *)"function request_route(req) req:nope( end";
    assert_int_equal(script_check(bench.configuration, NULL, LUNASIP_LUA_DIR, NULL, bench.io,
                                  &bench.log, &fault),
                     ERROR_SCRIPT);
    assert_non_null(strstr(fault, "r.lua:1:"));
    memory_free_raw(fault);
    bench.configuration->route_source = (char *)"function request_route(req) req:drop() end";
    assert_int_equal(script_check(bench.configuration, NULL, LUNASIP_LUA_DIR, NULL, bench.io,
                                  &bench.log, &fault),
                     0);
    bench_close(&bench);
}

/** The nth allocation fails while a script is loaded: for each n, or a sample of many. */
static void test_loading_survives_without_memory(void **state)
{
    struct bench bench;
    struct generation *generation;
    (void)state;
    bench_open(&bench);
    uint64_t live = memory_live();
    for (uint64_t n = 0;; n += n < 200 ? 1 : 97) {
        memory_fail_after(n);
        int error = bench_load(&bench, &generation, ROUTE);
        memory_fail_never();
        if (error == 0) {
            memory_release(generation);
            break;
        }
        assert_true(error == ERROR_MEMORY || error == ERROR_SCRIPT);
        assert_int_equal(memory_live(), live);
    }
    bench_close(&bench);
}

static void test_running_survives_without_memory(void **state)
{
    struct bench bench;
    (void)state;
    uint64_t live = memory_live();
    bench_open(&bench);
    bench_use(&bench, ROUTE);
    for (uint64_t n = 0; n < 400; n++) {
        struct response_context *context = bench_context(&bench, INVITE);
        memory_fail_after(n);
        int result = bench_run_request(&bench, context);
        memory_fail_never();
        assert_true(result == ERROR_SCRIPT || result == ROUTE_WAITING || result == ROUTE_DONE);
        memory_release(context);
        if (n % 5 == 0)
            memory_fail_after(n / 5);
        bench_advance(&bench, 1001);
        memory_fail_never();
    }
    assert_int_equal(script_waiting(bench.script), 0);
    struct response_context *context = bench_context(&bench, INVITE);
    assert_int_equal(bench_run_request(&bench, context), ROUTE_WAITING);
    assert_int_equal(context->reply_status, 200);
    memory_release(context);
    bench_close(&bench);
    assert_int_equal(memory_live(), live);
}

/* The address sanitizer's blocks are counted, so that the state is closed on the spot. */
#if defined(__SANITIZE_ADDRESS__)
#define REAPED 0u
#else
#define REAPED 1u
#endif

static void test_whoever_has_the_time_closes_what_is_over(void **state)
{
    struct bench bench;
    (void)state;
    uint64_t live = memory_live();
    bench_open(&bench);
    assert_int_equal(reaper_create(&bench.reaper), 0);
    bench_use(&bench, "local kept = {} function request_route(req) kept[req] = req end");
    struct response_context *context = bench_context(&bench, INVITE);
    bench_use(&bench, ROUTE);
    assert_int_equal(reaper_run(bench.reaper), 0); /* a transaction has it still */
    memory_release(context);
    assert_int_equal(script_generations(bench.script), 1);
    assert_int_equal(reaper_run(bench.reaper), REAPED);
    assert_int_equal(reaper_run(bench.reaper), 0);
    struct reaper *reaper = bench.reaper;
    bench_close(&bench);
    memory_release(reaper); /* with the state of the second */
    assert_int_equal(memory_live(), live);
}

static void test_many_runs_take_no_more_memory(void **state)
{
    struct bench bench;
    (void)state;
    bench_open(&bench);
    bench_use(&bench, "function request_route(req) req['$avp(x)'] = req.method req.id2 = 1 end");
    size_t after_first = 0;
    for (int i = 0; i < 3000; i++) {
        struct response_context *context = bench_context(&bench, INVITE);
        bench_run_request(&bench, context);
        memory_release(context);
        if (i == 300)
            after_first = generation_memory_bytes(script_newest(bench.script));
    }
    size_t now = generation_memory_bytes(script_newest(bench.script));
    assert_true(now < 3 * after_first);
    bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_faulty_script_says_where),
        cmocka_unit_test(test_a_missing_script_says_which),
        cmocka_unit_test(test_a_transaction_keeps_its_generation),
        cmocka_unit_test(test_a_waiting_handler_keeps_its_generation),
        cmocka_unit_test(test_a_faulty_generation_changes_nothing),
        cmocka_unit_test(test_dialogs_of_the_oldest_generation_move_and_tell_their_end),
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_loading_survives_without_memory),
        cmocka_unit_test(test_running_survives_without_memory),
        cmocka_unit_test(test_whoever_has_the_time_closes_what_is_over),
        cmocka_unit_test(test_many_runs_take_no_more_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

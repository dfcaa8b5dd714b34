/* What a script reads and changes in a message. */
#include "bench.h"

/** Run @p body as request_route(req) on INVITE and compare what it printed. */
static void expect_printed(const char *body, const char *printed)
{
    struct bench bench;
    char source[2048];
    bench_open(&bench);
    snprintf(source, sizeof source, "function request_route(req) %s end", body);
    if (bench_once(&bench, source) != ROUTE_DONE)
        fail_msg("%s -> %s", body, bench.line);
    assert_logged(&bench, printed);
    bench_close(&bench);
}

/** Run @p body and find @p fault in the error. */
static void expect_fault(const char *body, const char *fault)
{
    struct bench bench;
    char source[2048];
    bench_open(&bench);
    snprintf(source, sizeof source, "function request_route(req)\n%s\nend", body);
    assert_int_equal(bench_once(&bench, source), ERROR_SCRIPT);
    if (!strstr(bench.line, fault))
        fail_msg("%s -> %s", body, bench.line);
    bench_close(&bench);
}

static void test_words(void **state)
{
    (void)state;
    static const struct {
        const char *word, *value;
    } words[] = {
        {"is_request", "true"},
        {"method", "INVITE"},
        {"ruri", "sip:bob@example.com"},
        {"original_ruri", "sip:bob@example.com"},
        {"status", "nil"},
        {"reason", "nil"},
        {"received_ip", "127.0.0.10"},
        {"received_port", "5060"},
        {"source_ip", "192.0.2.1"},
        {"source_port", "5060"},
        {"source_uri", "sip:192.0.2.1:5060"},
        {"call_id", "call-1@192.0.2.1"},
        {"cseq", "7"},
        {"from", "\"Alice\" <sip:alice@example.com>;tag=a1"},
        {"from_uri", "sip:alice@example.com"},
        {"from_tag", "a1"},
        {"from_display", "\"Alice\""},
        {"to", "<sip:bob@example.com>"},
        {"to_uri", "sip:bob@example.com"},
        {"to_tag", "nil"},
        {"to_display", "nil"},
        {"contact", "<sip:alice@192.0.2.1:5070>"},
        {"contact_uri", "sip:alice@192.0.2.1:5070"},
        {"user_agent", "phone/1.0"},
        {"content_type", "application/sdp"},
        {"content_length", "5"},
        {"max_forwards", "70"},
        {"body", "v=0\r\n"},
        {"next_hop", "nil"},
        {"interface", "public"},
        {"send_interface", "nil"},
        {"send_socket", "nil"},
        {"advertised_ip", "127.0.0.10"},
        {"advertised_port", "5060"},
        {"proto", "udp"},
        {"id", "1"},
        {"flags", "0"},
        {"script_flags", "0"},
        {"branch_flags", "0"},
        {"branch_index", "nil"},
        {"is_local", "false"},
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        char body[128];
        snprintf(body, sizeof body, "print(req.%s)", words[i].word);
        expect_printed(body, words[i].value);
    }
    expect_printed("print(req.length == #req.bytes)", "true");
    expect_printed("print(req)", "request INVITE");
    expect_printed("print(req['$rm'], req['$fU'], req['$si'])", "INVITE\talice\t192.0.2.1");
    expect_printed("print(req['$fu'] == req.from_uri, req['$Rp'], req['$du'], req['$rs'])",
                   "true\t5060\tnil\tnil");
    expect_printed("req['$ru'] = 'sip:carol@x'; print(req['$ru'], req['$ou'])",
                   "sip:carol@x\tsip:bob@example.com");
}

static void test_reads_see_edits(void **state)
{
    (void)state;
    expect_printed("req.ruri = 'sip:carol@x'; print(req.ruri, req.original_ruri)",
                   "sip:carol@x\tsip:bob@example.com");
    expect_printed("req.from_uri = 'sip:1@b'; print(req.from)", "\"Alice\" <sip:1@b>;tag=a1");
    expect_printed("req.from_display = 'Bob'; print(req.from, req.from_display)",
                   "\"Bob\" <sip:alice@example.com>;tag=a1\t\"Bob\"");
    expect_printed("req.from_display = nil; print(req.from)", "<sip:alice@example.com>;tag=a1");
    expect_printed("req.to_uri = 'tel:123'; print(req.to, req.to_uri)", "<tel:123>\ttel:123");
    expect_printed("req.body = 'abc'; print(req.body, req.content_type)", "abc\tapplication/sdp");
    expect_printed("req.body = nil; print(req.body, req.content_type)", "nil\tnil");
    expect_printed("req.next_hop = 'sip:h:1'; print(req.next_hop)", "sip:h:1");
    expect_printed("req.next_hop = 'sip:h:1'; req.next_hop = nil; print(req.next_hop)", "nil");
    expect_printed("req.flags = 5; req.script_flags = 4294967295; req.branch_flags = 7 "
                   "print(req.flags, req.script_flags, req.branch_flags)",
                   "5\t4294967295\t7");
}

static void test_headers(void **state)
{
    (void)state;
    expect_printed("print(req:header 'x-tag', req:header('X-Tag', 2), req:header('X-Tag', -1), "
                   "req:header('X-Tag', -2))",
                   "one\ttwo\ttwo\tone");
    expect_printed("print(req:header('X-Tag', 3), req:header('X-Tag', -3), req:header 'None')",
                   "nil\tnil\tnil");
    expect_printed("print(table.concat(req:headers 'X-Tag', ','), #req:headers 'None')",
                   "one,two\t0");
    expect_printed("print(req:header 'f')", "\"Alice\" <sip:alice@example.com>;tag=a1");
    expect_printed("print(req:set_header('X-Tag', 'three')) "
                   "print(#req:headers 'X-Tag', req:header 'X-Tag', req:received_header 'X-Tag')",
                   "1\tthree\tone");
    expect_printed("req:add_header('X-Tag', 'three') print(req:header('X-Tag', 3))", "three");
    expect_printed("print(req:remove_header 'X-Tag', req:header 'X-Tag', "
                   "req:received_header('X-Tag', 2))",
                   "2\tnil\ttwo");
    expect_fault("req:header('X-Tag', 0)", "route.lua:2: header: a place");
    expect_fault("req:add_header('X: y', 'z')", "is not a header name");
    expect_fault("req:add_header('X\\r\\nY', 'z')", "is not a header name");
    expect_fault("req:add_header('X', 'z\\r\\nEvil: 1')", "route.lua:2: a header value cannot");
    expect_fault("req:set_header('X')", "header value must be a string, not no value");
}

static void test_misuse_is_said_at_the_line(void **state)
{
    (void)state;
    expect_fault("print(req.methd)", "route.lua:2: a message has no word or method 'methd'");
    expect_fault("req.nothing = 1", "route.lua:2: a message has no word 'nothing'");
    expect_fault("req.method = 'BYE'", "route.lua:2: 'method' is read-only");
    expect_fault("req.ruri = '%'", "route.lua:2: ruri: '%' is not a URI");
    expect_fault("req.next_hop = {}", "route.lua:2: next_hop must be a string, not table");
    expect_fault("req.flags = -1", "route.lua:2: flags must be a whole number");
    expect_fault("req.header({}, 'X')", "route.lua:2: a message is expected, not table");
    expect_fault("req.from_uri = 'sip:a@b>,<sip:evil@c'", "route.lua:2: from_uri");
    expect_fault("print(req['$no' .. 'such'])", "route.lua:2:");
}

static void test_variables_live_as_they_should(void **state)
{
    struct bench bench;
    (void)state;
    uint64_t live = memory_live();
    bench_open(&bench);
    bench_use(&bench, "function request_route(req)\n"
                      "  print(req['$avp(a)'], req['$var(v)'], req.id)\n"
                      "  req['$avp(a)'] = 'kept' req['$var(v)'] = 'gone'\n"
                      "end\n");
    struct response_context *one = bench_context(&bench, INVITE);
    struct response_context *other = bench_context(&bench, INVITE);
    bench_run_request(&bench, one);
    assert_logged(&bench, "nil\t0\t1");
    bench_run_request(&bench, one);
    assert_logged(&bench, "kept\t0\t1");
    bench_run_request(&bench, other);
    assert_logged(&bench, "nil\t0\t2");
    memory_release(one);
    memory_release(other);
    bench_close(&bench);
    assert_int_equal(memory_live(), live);
}

static void test_a_failure_route_sees_the_response(void **state)
{
    struct bench bench;
    (void)state;
    bench_open(&bench);
    bench_use(&bench, "function request_route(req) end\n"
                      "function failure_route.F(req, reply)\n"
                      "  print(req.method, reply.status, reply.reason, reply.is_local, "
                      "reply.to_tag, reply.is_request, reply.ruri)\n"
                      "end\n"
                      "function failure_route.CHANGE(req, reply) reply:set_header('X', '1') end\n");
    struct response_context *context = bench_context(&bench, INVITE);
    struct message *reply = bench_message(&bench, BUSY);
    struct route_run run = {.kind = ROUTE_FAILURE,
                            .name = TEXT("F"),
                            .context = context,
                            .reply = reply,
                            .edits = context->edits};
    assert_int_equal(bench.handlers.run(bench.handlers.arg, &run), ROUTE_DONE);
    assert_logged(&bench, "INVITE\t486\tBusy Here\tfalse\tb1\tfalse\tnil");
    run.name = TEXT("CHANGE");
    assert_int_equal(bench.handlers.run(bench.handlers.arg, &run), ERROR_SCRIPT);
    assert_non_null(strstr(bench.line, "cannot be changed"));
    memory_release(reply);
    memory_release(context);
    bench_close(&bench);
}

static void test_a_reply_route_changes_the_response(void **state)
{
    struct bench bench;
    (void)state;
    bench_open(&bench);
    bench_use(&bench, "function request_route(req) end\n"
                      "function onreply_route(reply)\n"
                      "  reply:set_header('X-Seen', 'yes')\n"
                      "  print(reply.status, reply.method, reply:header 'X-Seen')\n"
                      "end\n");
    struct message *reply = bench_message(&bench, BUSY);
    struct edits *edits;
    assert_int_equal(edits_begin(&edits, reply, NULL), 0);
    /* Forwarded statelessly: there is no context. */
    struct route_run run = {.kind = ROUTE_REPLY, .name = TEXT(""), .reply = reply, .edits = edits};
    assert_int_equal(bench.handlers.run(bench.handlers.arg, &run), ROUTE_DONE);
    assert_logged(&bench, "486\tINVITE\tyes");
    memory_release(reply);
    bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_reads_see_edits),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_misuse_is_said_at_the_line),
        cmocka_unit_test(test_variables_live_as_they_should),
        cmocka_unit_test(test_a_failure_route_sees_the_response),
        cmocka_unit_test(test_a_reply_route_changes_the_response),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Parsing of messages (RFC 3261 s7, s7.3, s7.5, s18.3). */
#include "sip/message.h"

#include "sample.h"

#include <stdio.h>

#define LEAST                                                                                      \
    "Via: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\n"             \
    "Call-ID: x\r\nCSeq: 1 OPTIONS\r\n"

static void finds_the_parts_of_a_request(void **state)
{
    (void)state;
    struct message *msg = sample("\r\n\r\n" SAMPLE_INVITE "ignored");
    assert_true(msg->is_request);
    assert_int_equal(msg->method, METHOD_INVITE);
    assert_text(msg->method_text, "INVITE");
    assert_text(msg->request_uri, "sip:bob@example.com");
    assert_text(msg->version, "SIP/2.0");
    assert_text(msg->body, SAMPLE_BODY);
    assert_text(msg->bytes, SAMPLE_INVITE);
    assert_text(msg->call_id, "call-1@10.0.0.1");
    assert_int_equal(msg->cseq_number, 7);
    assert_int_equal(msg->header_count, 16);
    const struct header *subject = message_header(msg, HEADER_SUBJECT);
    assert_text(subject->line, "Subject: folded\r\n over two lines\r\n");
    assert_text(subject->name, "Subject");
    assert_text(subject->value, "folded\r\n over two lines");
    assert_int_equal(message_max_forwards(msg), 70);
    memory_release(msg);
}

/* The usual value is trimmed by a short way; it ends as all others do. */
static void trims_values(void **state)
{
    (void)state;
    static const struct {
        const char *written, *value;
    } cases[] = {
        {" x\r\n", "x"},
        {" xy z\r\n", "xy z"},
        {"x\r\n", "x"},
        {"\r\n", ""},
        {" \r\n", ""},
        {"  x\r\n", "x"},
        {" x \r\n", "x"},
        {" x\n", "x"},
        {"\tx\t\r\n", "x"},
        {" \r\n x\r\n", "x"},
        {" x\r\n \r\n", "x"},
        {" xyz\n", "xyz"},
        {" x\r\n y\r\n", "x\r\n y"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char bytes[1024];
        snprintf(bytes, sizeof bytes, "OPTIONS sip:a SIP/2.0\r\n" LEAST "Subject:%s\r\n",
                 cases[i].written);
        struct message *message = sample(bytes);
        const struct header *subject = message_header_named(message, TEXT("Subject"));
        assert_true(text_equal(subject->value, text_of(cases[i].value)));
        memory_release(message);
    }
}

static void finds_the_parts_of_a_response(void **state)
{
    (void)state;
    struct message *msg = sample("SIP/2.0 183 Session Progress\r\n" LEAST "\r\nrest");
    assert_false(msg->is_request);
    assert_int_equal(msg->status, 183);
    assert_text(msg->reason, "Session Progress");
    assert_int_equal(msg->method, METHOD_OPTIONS);
    assert_text(msg->body, "rest"); /* no Content-Length: all that is left */
    memory_release(msg);
    msg = sample("SIP/2.0 200\r\n" LEAST "\r\n");
    assert_text(msg->reason, "");
    assert_text(msg->body, "");
    memory_release(msg);
}

static void finds_headers_by_kind_and_name(void **state)
{
    (void)state;
    struct message *msg = sample(SAMPLE_INVITE);
    const struct header *h = message_header(msg, HEADER_VIA);
    assert_text(h->name, "Via");
    h = message_header_next(msg, h);
    assert_text(h->name, "v");
    assert_null(message_header_next(msg, h));
    assert_text(message_header_named(msg, TEXT("x-unknown"))->value, ";;,,");
    assert_text(message_header_named(msg, TEXT("call-id"))->name, "i");
    assert_null(message_header_named(msg, TEXT("X-Missing")));
    assert_null(message_header(msg, HEADER_EXPIRES));
    memory_release(msg);
}

static void parses_headers_on_demand(void **state)
{
    (void)state;
    struct message *msg = sample(SAMPLE_INVITE);
    const struct via *via = message_via(msg);
    assert_text(via->whole, "SIP/2.0/UDP 10.0.0.1:5062;rport;branch=z9hG4bKa");
    assert_ptr_equal(via, message_via(msg));
    assert_text(message_via_second(msg)->host, "host.example.com"); /* comma-joined */
    assert_text(message_from(msg)->display_name, "\"A. Lice\"");
    assert_text(message_from_tag(msg), "a1");
    assert_false(text_is_set(message_to_tag(msg)));
    assert_text(message_to(msg)->uri.user, "bob");
    assert_text(message_contact(msg)->uri_text, "sip:alice@10.0.0.1:5062");
    assert_text(message_request_uri(msg)->host, "example.com");
    memory_release(msg);

    msg = sample("OPTIONS sip:a SIP/2.0\r\n" LEAST "v: SIP/2.0/TCP g\r\nContact: *\r\n\r\n");
    assert_text(message_via_second(msg)->host, "g"); /* in the next line */
    assert_null(message_contact(msg));
    assert_int_equal(message_max_forwards(msg), -1);
    memory_release(msg);
}

static void tells_the_top_via_where_the_request_came_from(void **state)
{
    (void)state;
    struct message *msg = sample(SAMPLE_INVITE);
    assert_int_equal(address_parse(&msg->source.peer, TEXT("10.9.9.9:7777"), 0), 0);
    assert_text(message_via_with_source(msg),
                "SIP/2.0/UDP 10.0.0.1:5062;branch=z9hG4bKa;received=10.9.9.9;rport=7777, "
                "SIP/2.0/TCP host.example.com");
    assert_ptr_equal(message_via_with_source(msg).p, message_via_with_source(msg).p);
    memory_release(msg);
}

static void takes_lines_that_end_with_lf_alone(void **state)
{
    (void)state;
    struct message *msg = sample("OPTIONS sip:a SIP/2.0\nv:SIP/2.0/UDP h\nf:<sip:a@b>;tag=1\n"
                                 "t:<sip:c@d>\ni:x\nCSeq:1\n OPTIONS\nl:2\n\nab");
    assert_text(msg->body, "ab");
    assert_text(msg->call_id, "x");
    memory_release(msg);
}

/* A body may begin with a space: it is no fold of the empty line. */
static void does_not_fold_into_the_body(void **state)
{
    (void)state;
    struct message *msg = sample("OPTIONS sip:a SIP/2.0\r\n" LEAST "\r\n  body");
    assert_text(msg->body, "  body");
    memory_release(msg);
}

static void expect_fault(const char *bytes, const char *expected)
{
    struct message *msg;
    const char *reason;
    assert_int_equal(parse_text(&msg, text_of(bytes), &reason), ERROR_SYNTAX);
    if (expected) {
        assert_non_null(msg);
        assert_non_null(reason);
        assert_string_equal(reason, expected);
    } else {
        assert_null(msg);
        assert_null(reason);
    }
    memory_release(msg);
}

static void answers_faulty_requests(void **state)
{
    (void)state;
    expect_fault("OPTIONS sip:a  SIP/2.0\r\n" LEAST "\r\n", "Malformed Request-Line");
    expect_fault("OPTIONS sip:a SIP/2\r\n" LEAST "\r\n", "Malformed Request-Line");
    expect_fault("OPTIONS  SIP/2.0\r\n" LEAST "\r\n", "Missing Request-URI");
    expect_fault("OPTIONS sip:a SIP/2.0\r\n" LEAST "no colon\r\n\r\n", "Malformed Header Line");
    expect_fault("OPTIONS sip:a SIP/2.0\r\n" LEAST ": x\r\n\r\n", "Malformed Header Line");
    expect_fault("OPTIONS sip:a SIP/2.0\r\n fold\r\n" LEAST "\r\n", "Malformed Header Line");
    expect_fault("OPTIONS sip:a SIP/2.0\r\n" LEAST, "No End of Headers");
    expect_fault("OPTIONS sip:a SIP/2.0\r\n" LEAST "X: a\rb\r\n\r\n", "Stray CR");
    expect_fault("OPTIONS sip:a SIP/2.0\r\n" LEAST "To: <sip:x@y>\r\n\r\n", "Repeated To");
    expect_fault("OPTIONS sip:a SIP/2.0\r\n" LEAST "l: 0\r\nContent-Length: 0\r\n\r\n",
                 "Repeated Content-Length");
    expect_fault("OPTIONS sip:a SIP/2.0\r\n" LEAST "l: 5\r\n\r\n1234", "Content-Length Beyond End");
    expect_fault("OPTIONS sip:a SIP/2.0\r\n" LEAST "l: -1\r\n\r\n1234", "Malformed Content-Length");
    expect_fault("INVITE sip:a SIP/2.0\r\n" LEAST "\r\n", "CSeq Method Mismatch");
    expect_fault(
        "OPTIONS sip:a SIP/2.0\r\nVia: x\r\nTo: a\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\n\r\n",
        "Missing From");
    expect_fault("OPTIONS sip:a SIP/2.0\r\nVia: x\r\nTo: a\r\nFrom: b\r\nCSeq: 1 OPTIONS\r\n\r\n",
                 "Missing Call-ID");
    expect_fault("OPTIONS sip:a SIP/2.0\r\nVia: x\r\nTo: a\r\nFrom: b\r\nCall-ID: a b\r\n"
                 "CSeq: 1 OPTIONS\r\n\r\n",
                 "Malformed Call-ID");
    expect_fault("OPTIONS sip:a SIP/2.0\r\nVia: x\r\nTo: a\r\nFrom: b\r\nCall-ID: a\r\n"
                 "CSeq: 2147483648 OPTIONS\r\n\r\n",
                 "Malformed CSeq");
}

static void drops_what_cannot_be_answered(void **state)
{
    (void)state;
    expect_fault("", NULL);
    expect_fault("\r\n\r\n", NULL);
    expect_fault("hello", NULL);
    expect_fault("hello\r\n\r\n", NULL);
    expect_fault("OPTIONS sip:a SIP/2.0", NULL);
    expect_fault("OPTIONS sip:a SIP/2.0\r\n\r\n", NULL); /* no Via */
    expect_fault(" OPTIONS sip:a SIP/2.0\r\n" LEAST "\r\n", NULL);
    expect_fault("OPTIONS sip:a\rX SIP/2.0\r\n" LEAST "\r\n", NULL);
    expect_fault("ACK sip:a SIP/2.0\r\n" LEAST "\r\n", NULL); /* ACK is never answered */
    expect_fault("SIP/2.0 99 x\r\n" LEAST "\r\n", NULL);
    expect_fault("SIP/2.0 700 x\r\n" LEAST "\r\n", NULL);
    expect_fault("SIP/3.0 200 OK\r\n" LEAST "\r\n", NULL);
    expect_fault("SIP/2.0 200 OK\r\n" LEAST "l: 9\r\n\r\n", NULL);
    expect_fault("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h\r\n\r\n", NULL);
}

static void holds_the_limits(void **state)
{
    (void)state;
    struct settings settings;
    struct message_fault fault;
    struct message *msg;
    struct buffer out = {0};
    settings_default(&settings);
    buffer_append(&out, TEXT("OPTIONS sip:a SIP/2.0\r\n" LEAST));
    for (int i = 0; i < 251; i++) /* with the five above it is 256 */
        buffer_printf(&out, "X-%d: %d\r\n", i, i);
    size_t n = out.n;
    buffer_append(&out, TEXT("\r\n"));
    assert_int_equal(message_parse(&msg, buffer_text(&out), &settings, &fault), 0);
    assert_int_equal(msg->header_count, 256);
    assert_text(message_header_named(msg, TEXT("X-250"))->value, "250");
    memory_release(msg);
    out.n = n;
    buffer_append(&out, TEXT("X: 1\r\n\r\n"));
    assert_int_equal(message_parse(&msg, buffer_text(&out), &settings, &fault), ERROR_LIMIT);
    assert_null(msg);
    settings.limits_message_bytes = out.n - 1;
    settings.limits_headers = 4096;
    assert_int_equal(message_parse(&msg, buffer_text(&out), &settings, &fault), ERROR_LIMIT);
    settings.limits_message_bytes = out.n;
    assert_int_equal(message_parse(&msg, buffer_text(&out), &settings, &fault), 0);
    memory_release(msg);
    buffer_release(&out);
}

static void peeks_the_same_call_id(void **state)
{
    (void)state;
    assert_text(message_peek_call_id(TEXT("\r\n" SAMPLE_INVITE)), "call-1@10.0.0.1");
    assert_text(message_peek_call_id(TEXT("X\nc: v\nCALL-id :\n folded\n\n")), "folded");
    assert_false(text_is_set(message_peek_call_id(TEXT("X\r\nVia: x\r\n\r\ni: body"))));
    assert_false(text_is_set(message_peek_call_id(TEXT("X\r\ni: no end"))));
    assert_false(text_is_set(message_peek_call_id(TEXT_NONE)));
}

/* Values beyond the ordinary are put to osipparser2 as well. */
static void asks_for_a_second_opinion(void **state)
{
    (void)state;
    struct message *msg = sample(
        "OPTIONS sip:%61@b SIP/2.0\r\nVia: SIP/2.0/UDP\r\n h;x=\"a b\"\r\n"
        "From: \"a\\\"\" <sip:a@b>;tag=1\r\nTo: (\xe5\xbc\xa0) <sip:c@d?h=%20>\r\nCall-ID: x\r\n"
        "CSeq: 1 OPTIONS\r\n\r\n");
    assert_non_null(message_via(msg));
    assert_non_null(message_from(msg));
    assert_non_null(message_to(msg));
    assert_non_null(message_request_uri(msg));
    memory_release(msg);
}

static void survives_every_failed_allocation(void **state)
{
    (void)state;
    uint64_t live = memory_live();
    bool done = false;
    for (uint64_t n = 0; !done; n++) {
        struct message *msg = NULL;
        memory_fail_after(n);
        int error = parse_text(&msg, TEXT(SAMPLE_INVITE), NULL);
        if (!error) {
            address_parse(&msg->source.peer, TEXT("10.9.9.9:7777"), 0);
            done = message_via(msg) && message_via_second(msg) && message_from(msg) &&
                   message_to(msg) && message_contact(msg) && message_request_uri(msg) &&
                   text_is_set(message_via_with_source(msg));
        } else {
            assert_int_equal(error, ERROR_MEMORY);
            assert_null(msg);
        }
        memory_fail_never();
        memory_release(msg);
    }
    assert_int_equal(memory_live(), live);
}

/* Whatever a value lacks memory for is parsed when asked again. */
static void forgets_a_failed_allocation(void **state)
{
    (void)state;
    char from[6000] = "From: \"\\";
    memset(from + strlen(from), 'a', 5000);
    strcat(from, "\" <sip:a@b>;tag=1\r\n");
    struct buffer out = {0};
    buffer_printf(&out,
                  "OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/UDP h\r\n%sTo: <sip:c@d>\r\n"
                  "Call-ID: x\r\nCSeq: 1 OPTIONS\r\n\r\n",
                  from);
    struct message *msg;
    assert_int_equal(parse_text(&msg, buffer_text(&out), NULL), 0);
    memory_fail_after(0);
    assert_null(message_from(msg));
    memory_fail_never();
    assert_non_null(message_from(msg));
    memory_release(msg);
    buffer_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_parts_of_a_request),
        cmocka_unit_test(finds_the_parts_of_a_response),
        cmocka_unit_test(finds_headers_by_kind_and_name),
        cmocka_unit_test(parses_headers_on_demand),
        cmocka_unit_test(tells_the_top_via_where_the_request_came_from),
        cmocka_unit_test(takes_lines_that_end_with_lf_alone),
        cmocka_unit_test(trims_values),
        cmocka_unit_test(does_not_fold_into_the_body),
        cmocka_unit_test(answers_faulty_requests),
        cmocka_unit_test(drops_what_cannot_be_answered),
        cmocka_unit_test(holds_the_limits),
        cmocka_unit_test(peeks_the_same_call_id),
        cmocka_unit_test(asks_for_a_second_opinion),
        cmocka_unit_test(survives_every_failed_allocation),
        cmocka_unit_test(forgets_a_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

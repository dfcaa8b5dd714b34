/* The engine's own responses (RFC 3261 s8.2.6, s12.1.1, s18.2.1). */
#include "sip/response.h"

#include "sample.h"

static void expect(struct message *msg, const struct response_options *options,
                   const char *expected)
{
    struct buffer out = {0};
    response_print(&out, msg, options);
    assert_int_equal(out.error, 0);
    buffer_append_char(&out, 0);
    assert_string_equal(out.p, expected);
    buffer_release(&out);
}

#define COPIED_VIAS                                                                                \
    "Via: SIP/2.0/UDP 10.0.0.1:5062;branch=z9hG4bKa;received=10.0.0.1;rport=4000, "                \
    "SIP/2.0/TCP host.example.com\r\n"                                                             \
    "v: SIP/2.0/UDP 10.0.0.3;branch=z9hG4bKc\r\n"
#define COPIED_FROM "From: \"A. Lice\" <sip:alice@example.com>;tag=a1\r\n"

static struct message *received(const char *bytes)
{
    struct message *msg = sample(bytes);
    assert_int_equal(address_parse(&msg->source.peer, TEXT("10.0.0.1:4000"), 0), 0);
    return msg;
}

static void copies_what_belongs_into_a_response(void **state)
{
    (void)state;
    struct message *msg = received(SAMPLE_INVITE);
    expect(msg, &(struct response_options){.status = 486, .to_tag = TEXT("t1")},
           "SIP/2.0 486 Busy Here\r\n" COPIED_VIAS COPIED_FROM "t: <sip:bob@example.com>;tag=t1\r\n"
           "i: call-1@10.0.0.1\r\nCSeq: 7 INVITE\r\nContent-Length: 0\r\n\r\n");
    memory_release(msg);
}

static void trying_has_the_timestamp_and_no_tag(void **state)
{
    (void)state;
    struct message *msg = received(SAMPLE_INVITE);
    expect(msg, &(struct response_options){.status = 100, .to_tag = TEXT("t1")},
           "SIP/2.0 100 Trying\r\n" COPIED_VIAS COPIED_FROM
           "t: <sip:bob@example.com>\r\ni: call-1@10.0.0.1\r\nCSeq: 7 INVITE\r\n"
           "Timestamp: 54\r\nContent-Length: 0\r\n\r\n");
    memory_release(msg);
}

static void carries_what_it_is_given(void **state)
{
    (void)state;
    struct message *msg = received(SAMPLE_INVITE);
    struct response_options options = {
        .status = 200,
        .reason = TEXT("Fine"),
        .to_tag = TEXT("t1"),
        .headers = TEXT("Contact: <sip:me>\r\nRetry-After: 5\r\n"),
        .body = TEXT("x"),
        .content_type = TEXT("text/plain"),
        .server = TEXT("us"),
        .copy_record_route = true,
    };
    expect(msg, &options,
           "SIP/2.0 200 Fine\r\n" COPIED_VIAS "Record-Route: <sip:10.0.0.1;lr>\r\n" COPIED_FROM
           "t: <sip:bob@example.com>;tag=t1\r\ni: call-1@10.0.0.1\r\nCSeq: 7 INVITE\r\n"
           "Server: us\r\nContact: <sip:me>\r\nRetry-After: 5\r\nContent-Type: text/plain\r\n"
           "Content-Length: 1\r\n\r\nx");
    memory_release(msg);
}

static void keeps_the_tag_of_the_request_and_undoes_folds(void **state)
{
    (void)state;
    struct message *msg = sample("BYE sip:a SIP/2.0\nv: SIP/2.0/UDP\n h\nf:<sip:a@b>\nt:<sip:c@d>\n"
                                 " ;\r\n\ttag=9\ni:x\nCSeq:1 BYE\n\n");
    expect(msg, &(struct response_options){.status = 481, .to_tag = TEXT("t1")},
           "SIP/2.0 481 Call/Transaction Does Not Exist\r\nv: SIP/2.0/UDP h\r\nf: <sip:a@b>\r\n"
           "t: <sip:c@d> ; tag=9\r\ni: x\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n");
    memory_release(msg);
}

static void answers_a_faulty_request_with_what_there_is(void **state)
{
    (void)state;
    struct message *msg;
    const char *reason;
    assert_int_equal(
        parse_text(&msg, TEXT("BYE sip:a SIP/2.0\r\nVia: ;;\r\nTo: \"\r\n\r\n"), &reason),
        ERROR_SYNTAX);
    expect(
        msg,
        &(struct response_options){.status = 400, .reason = text_of(reason), .to_tag = TEXT("t")},
        "SIP/2.0 400 Missing From\r\nVia: ;;\r\nTo: \"\r\nContent-Length: 0\r\n\r\n");
    memory_release(msg);
}

static void knows_the_phrases(void **state)
{
    (void)state;
    static const struct {
        unsigned status;
        const char *phrase;
    } some[] = {
        {100, "Trying"},
        {180, "Ringing"},
        {200, "OK"},
        {302, "Moved Temporarily"},
        {400, "Bad Request"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {408, "Request Timeout"},
        {480, "Temporarily Unavailable"},
        {481, "Call/Transaction Does Not Exist"},
        {482, "Loop Detected"},
        {483, "Too Many Hops"},
        {486, "Busy Here"},
        {500, "Server Internal Error"},
        {503, "Service Unavailable"},
        {504, "Server Time-out"},
        {505, "Version Not Supported"},
        {513, "Message Too Large"},
        {600, "Busy Everywhere"},
        {603, "Decline"},
        {606, "Not Acceptable"},
        {608, "Rejected"},
    };
    for (size_t i = 0; i < sizeof some / sizeof some[0]; i++)
        assert_string_equal(status_reason(some[i].status), some[i].phrase);
    assert_string_equal(status_reason(487), "Request Terminated");
    assert_string_equal(status_reason(299), "Unknown");
}

static void survives_every_failed_allocation(void **state)
{
    (void)state;
    int error = ERROR_MEMORY;
    for (uint64_t n = 0; error; n++) {
        struct message *msg = received(SAMPLE_INVITE);
        struct buffer out = {0};
        memory_fail_after(n);
        response_print(&out, msg, &(struct response_options){.status = 200});
        memory_fail_never();
        error = out.error;
        assert_true(error == 0 || error == ERROR_MEMORY);
        buffer_release(&out);
        memory_release(msg);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_what_belongs_into_a_response),
        cmocka_unit_test(trying_has_the_timestamp_and_no_tag),
        cmocka_unit_test(carries_what_it_is_given),
        cmocka_unit_test(keeps_the_tag_of_the_request_and_undoes_folds),
        cmocka_unit_test(answers_a_faulty_request_with_what_there_is),
        cmocka_unit_test(knows_the_phrases),
        cmocka_unit_test(survives_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

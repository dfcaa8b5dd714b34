/* A REGISTER as it comes from the wire, and the Contact lines of its 200. */
#include "location/registrar.h"

#include "../sip/sample.h"

#include <stdio.h>

#define START_MS 1700000000000u
#define HEAD                                                                                       \
    "REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP 1.1.1.1;branch=z9hG4bK1\r\n"             \
    "From: <sip:a@example.com>;tag=1\r\nTo: <sip:a@example.com>\r\nCall-ID: c1\r\n"                \
    "CSeq: 3 REGISTER\r\n"

static int register_with(struct location_result *result, struct location *location,
                         const char *headers)
{
    char bytes[2048];
    struct arena arena = {0};
    struct location_request request = {.aor = TEXT("a@example.com"), .now_ms = START_MS};
    snprintf(bytes, sizeof bytes, HEAD "%s\r\n", headers);
    struct message *message = sample(bytes);
    int error = location_request_parse(&request, message, &arena);
    request.received = TEXT("sip:9.9.9.9:1024");
    if (!error)
        error = location_save(location, &request, result);
    arena_reset(&arena);
    memory_release(message);
    return error;
}

static void registers_and_answers(void **state)
{
    struct settings settings;
    struct location *location;
    struct location_result result;
    struct buffer out = {0};
    (void)state;
    uint64_t live = memory_live();
    settings_default(&settings);
    const struct location_options options = {&settings, {1, 2}, START_MS};
    assert_int_equal(location_create(&location, &options), 0);
    assert_int_equal(
        register_with(&result, location,
                      "Contact: <sip:a@1;x=1>;q=0.5;+sip.instance=\"<urn:uuid:1>\";reg-id=1\r\n"
                      "m: \"A\" <sip:b@2>;q=1;expires=70, <sip:c@3>;methods=\"INVITE\"\r\n"
                      "Path: <sip:p1;lr>\r\nPath: <sip:p2;lr>\r\nExpires: 600\r\n"
                      "User-Agent: phone/1\r\nAllow: INVITE, ACK, BYE\r\n"),
        0);
    const struct location_binding *last = location_record_at(result.record, 2);
    assert_text(last->contact, "sip:a@1;x=1");
    assert_text(last->path, "<sip:p1;lr>,<sip:p2;lr>");
    assert_text(last->user_agent, "phone/1");
    assert_int_equal(last->methods, 1 | 4 | 8);
    assert_int_equal(location_record_at(result.record, 1)->methods, 1);
    struct location_answer answer = {.uri = TEXT("sip:a@example.com"), .now_ms = START_MS};
    location_print_contacts(&out, location, result.record, &answer);
    assert_text(buffer_text(&out),
                "Contact: <sip:b@2>;q=1;expires=70;received=\"sip:9.9.9.9:1024\"\r\n"
                "Contact: <sip:c@3>;expires=600;received=\"sip:9.9.9.9:1024\"\r\n"
                "Contact: <sip:a@1;x=1>;q=0.500;expires=600;received=\"sip:9.9.9.9:1024\""
                ";+sip.instance=\"<urn:uuid:1>\";reg-id=1\r\n");
    buffer_clear(&out);
    answer.prints_gruu = true;
    answer.now_ms += 70000; /* b is gone by now */
    location_print_contacts(&out, location, result.record, &answer);
    struct text printed = buffer_text(&out);
    assert_null(text_search(printed, TEXT("sip:b@2")));
    assert_non_null(text_search(
        printed, TEXT(";pub-gruu=\"sip:a@example.com;gr=urn:uuid:1\";temp-gruu=\"sip:tgruu.")));
    answer.uri = TEXT("no uri");
    buffer_clear(&out);
    location_print_contacts(&out, location, result.record, &answer);
    assert_null(text_search(buffer_text(&out), TEXT("gruu")));
    buffer_clear(&out);
    location_print_contacts(&out, location, NULL, &answer);
    assert_int_equal(buffer_text(&out).n, 0);
    buffer_release(&out);
    memory_release(result.record);
    memory_release(location);
    assert_int_equal(memory_live(), live);
}

#define FLOW "Contact: <sip:a@1>;+sip.instance=\"<urn:uuid:1>\";reg-id=1\r\n"
#define FAR  "Via: SIP/2.0/UDP 2.2.2.2;branch=z9hG4bK2\r\n"

/* RFC 5626 s6: a flow needs a first hop that knows how to keep it. */
static void grants_outbound(void **state)
{
    static const struct {
        const char *headers;
        enum location_outbound outbound;
        uint32_t reg_id;
    } cases[] = {
        {FLOW "Supported: outbound, path\r\n", OUTBOUND_GRANTED, 1},
        {FLOW "Supported: path\r\n", OUTBOUND_NONE, 1},
        {"Contact: <sip:a@1>;reg-id=1\r\nSupported: outbound\r\n", OUTBOUND_NONE, 1},
        {FLOW FAR "Supported: outbound\r\n", OUTBOUND_LACKING, 1},
        {FLOW FAR "Supported: outbound\r\nPath: <sip:p;lr;ob>,<sip:edge;lr>\r\n", OUTBOUND_LACKING,
         1},
        {FLOW FAR "Supported: outbound\r\nPath: <sip:p;lr>,<sip:edge;lr;ob>\r\n", OUTBOUND_GRANTED,
         1},
        {FLOW FAR "Supported: path\r\n", OUTBOUND_NONE, 0},
        {FLOW FAR "Supported: path\r\nPath: <sip:edge;lr>\r\n", OUTBOUND_NONE, 0},
        {FLOW FAR "Supported: path\r\nPath: <sip:edge;lr;ob>\r\n", OUTBOUND_NONE, 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char bytes[2048];
        struct arena arena = {0};
        struct location_request request = {0};
        snprintf(bytes, sizeof bytes, HEAD "%s\r\n", cases[i].headers);
        struct message *message = sample(bytes);
        assert_int_equal(location_request_parse(&request, message, &arena), 0);
        assert_int_equal(location_outbound(message, &request), cases[i].outbound);
        assert_int_equal(request.contacts[0].reg_id, cases[i].reg_id);
        arena_reset(&arena);
        memory_release(message);
    }
}

static void refuses(void **state)
{
    struct location_result result;
    (void)state;
    assert_int_equal(register_with(&result, NULL, "Contact: <sip:a@1>;q=3\r\n"), ERROR_SYNTAX);
    assert_int_equal(register_with(&result, NULL, "Path: sip:p\r\n"), ERROR_SYNTAX);
    struct location_request request = {0};
    struct arena arena = {0};
    struct message *message = sample(HEAD "Path: <sip:p>\r\nPath: <sip:q>\r\nContact: *\r\n\r\n");
    for (uint64_t n = 0; n < 2; n++) {
        memory_fail_after(n);
        assert_int_equal(location_request_parse(&request, message, &arena),
                         n == 0 ? ERROR_MEMORY : 0);
        memory_fail_never();
        arena_reset(&arena);
    }
    memory_release(message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(registers_and_answers),
        cmocka_unit_test(grants_outbound),
        cmocka_unit_test(refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

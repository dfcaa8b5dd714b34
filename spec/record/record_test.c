/* A record and its line of JSON. */
#include "../base/check.h"
#include "record/record.h"

#include <jansson.h>

static struct call_record *sample(void)
{
    struct call_record *record;
    assert_int_equal(call_record_create(&record), 0);
    record->caller = (struct record_party){
        .call_id = TEXT("one@example.net"),
        .tag = TEXT("a"),
        .uri = TEXT("sip:alice@example.net"),
        .user = TEXT("alice"),
        .source = TEXT("192.0.2.10:5060"),
        .interface = TEXT("public"),
    };
    record->ruri = TEXT("sip:bob@example.net");
    record->invite_ms = 1000000;
    record->progress_ms = 1000180;
    record->answer_ms = 1002000;
    record->end_ms = 1062500;
    record->status = 200;
    record->reason = TEXT("OK");
    record->end = "bye";
    record->ended_by = "caller";
    record->reason_header = TEXT("SIP;cause=200;text=\"a, b\", Q.850 ; cause = 16");
    return record;
}

static json_t *line_of(const struct call_record *record)
{
    struct buffer out = {0};
    assert_int_equal(call_record_print(record, &out), 0);
    assert_int_equal(out.p[out.n - 1], '\n');
    assert_true(text_starts_with(buffer_text(&out), TEXT(RECORD_LINE_BEGIN)));
    assert_ptr_equal(text_find(buffer_text(&out), '\n'), out.p + out.n - 1);
    json_t *json = json_loadb(out.p, out.n - 1, 0, NULL);
    assert_non_null(json);
    buffer_release(&out);
    return json;
}

static const char *string_at(const json_t *json, const char *object, const char *name)
{
    return json_string_value(json_object_get(object ? json_object_get(json, object) : json, name));
}

static json_int_t number_at(const json_t *json, const char *name)
{
    return json_integer_value(json_object_get(json, name));
}

static void test_times(void **state)
{
    (void)state;
    struct call_record *record = sample();
    json_t *json = line_of(record);
    assert_int_equal(number_at(json, "version"), RECORD_VERSION);
    assert_int_equal(number_at(json, "pdd_ms"), 180);
    assert_int_equal(number_at(json, "ringing_ms"), 1820);
    assert_int_equal(number_at(json, "duration_ms"), 60500);
    assert_int_equal(number_at(json_object_get(json, "times_ms"), "answer"), 1002000);
    json_decref(json);
    record->progress_ms = record->answer_ms = 0;
    assert_int_equal(call_record_pdd_ms(record), 62500);
    assert_int_equal(call_record_ringing_ms(record), 0);
    assert_int_equal(call_record_duration_ms(record), 0);
    memory_release(record);
}

static void test_parties_and_end(void **state)
{
    (void)state;
    struct call_record *record = sample();
    json_t *json = line_of(record);
    assert_string_equal(string_at(json, NULL, "call_id"), "one@example.net");
    assert_string_equal(string_at(json, "caller", "user"), "alice");
    assert_string_equal(string_at(json, "caller", "source"), "192.0.2.10:5060");
    assert_null(string_at(json, "callee", "uri"));
    assert_string_equal(string_at(json, NULL, "outcome"), "answered");
    assert_string_equal(string_at(json, NULL, "ended_by"), "caller");
    assert_int_equal(number_at(json, "q850"), 16);
    json_decref(json);
    memory_release(record);
}

static void test_media_and_fields(void **state)
{
    (void)state;
    struct call_record *record = sample();
    struct record_field second = {.name = TEXT("rate"),
                                  .value = {.type = VALUE_NUMBER, .number = 0.25}};
    struct record_field first = {.next = &second,
                                 .name = TEXT("account"),
                                 .value = {.type = VALUE_TEXT, .text = TEXT("a\xff\"1")}};
    struct record_try try = {.uri = TEXT("sip:gw"), .set = 2, .status = 503, .at_ms = 7};
    record->fields = &first;
    record->tries = &try;
    struct record_transfer transfer = {
        .of = "caller", .uri = TEXT("sip:carol"), .status = 200, .at_ms = 9};
    record->transfers = &transfer;
    record->trunk = TEXT("provider");
    record->stream_count = 1;
    record->streams[0] = (struct record_stream){
        .type = "audio",
        .caller = {.codec = "PCMU", .packets = 50, .lost = -1, .jitter_ms = 0.384, .mos = 4.409},
    };
    json_t *json = line_of(record);
    const json_t *stream = json_array_get(json_object_get(json, "media"), 0);
    const json_t *side = json_object_get(stream, "caller");
    assert_string_equal(string_at(stream, "caller", "codec"), "PCMU");
    assert_int_equal(number_at(side, "lost"), -1);
    assert_true(json_real_value(json_object_get(side, "jitter_ms")) == 0.38);
    assert_true(json_real_value(json_object_get(side, "mos")) == 4.41);
    assert_null(json_object_get(side, "rtt_ms"));
    assert_string_equal(string_at(json, "fields", "account"), "a?\"1");
    assert_true(json_real_value(json_object_get(json_object_get(json, "fields"), "rate")) == 0.25);
    assert_int_equal(number_at(json_array_get(json_object_get(json, "tries"), 0), "status"), 503);
    const json_t *moved = json_array_get(json_object_get(json, "transfers"), 0);
    assert_string_equal(string_at(moved, NULL, "of"), "caller");
    assert_string_equal(string_at(moved, NULL, "uri"), "sip:carol");
    assert_int_equal(number_at(moved, "status"), 200);
    assert_string_equal(string_at(json, NULL, "trunk"), "provider");
    json_decref(json);
    memory_release(record);
}

static void test_q850(void **state)
{
    (void)state;
    assert_int_equal(record_q850(TEXT("Q.850;cause=16;text=\"Terminated\"")), 16);
    assert_int_equal(record_q850(TEXT("q.850 ; text=x ; CAUSE = 127")), 127);
    assert_int_equal(record_q850(TEXT("SIP;cause=486")), 0);
    assert_int_equal(record_q850(TEXT("Q.850;cause=999")), 0);
    assert_int_equal(record_q850(TEXT("Q.850")), 0);
    assert_int_equal(record_q850(TEXT("Q.850;cause")), 0);
    assert_int_equal(record_q850(TEXT_NONE), 0);
}

/* Whatever bytes come from a network, the line is JSON that says the same (RFC 8259, RFC 3629). */
static void test_any_text(void **state)
{
    static const char *const pairs[][2] = {
        {"plain", "plain"},
        {"a\"b\\c/\x01\n\x7f", "a\"b\\c/\x01\n\x7f"},
        {"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x93\x9e",
         "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x93\x9e"},
        {"\xc3", "?"},
        {"\xc0\xaf", "??"},
        {"\xe0\x80\xaf", "???"},
        {"\xed\xa0\x80", "???"},
        {"\xf4\x90\x80\x80", "????"},
        {"\xf8\x88\x80\x80\x80", "?????"},
        {"\xe2\x82", "??"},
        {"\x80", "?"},
        {"", ""},
    };
    (void)state;
    struct call_record *record = sample();
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        record->ruri = text_of(pairs[i][0]);
        json_t *json = line_of(record);
        assert_string_equal(string_at(json, NULL, "ruri"), pairs[i][1]);
        json_decref(json);
    }
    memory_release(record);
}

static void test_numbers(void **state)
{
    static const double numbers[] = {0, -3, 0.1, 1e300, -1e-300, 9007199254740992.0, 1e20};
    (void)state;
    struct call_record *record = sample();
    struct record_field field = {.name = TEXT("n"), .value = {.type = VALUE_NUMBER}};
    record->fields = &field;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        field.value.number = numbers[i];
        json_t *json = line_of(record);
        json_t *n = json_object_get(json_object_get(json, "fields"), "n");
        assert_true(json_number_value(n) == numbers[i]);
        json_decref(json);
    }
    memory_release(record);
}

/* Whichever allocation fails: a whole line, or none. */
static void test_without_memory(void **state)
{
    (void)state;
    struct call_record *record = sample(), *none;
    memory_fail_after(0);
    assert_int_equal(call_record_create(&none), ERROR_MEMORY);
    int error = ERROR_MEMORY;
    for (uint64_t n = 0; error; n++) {
        struct buffer out = {0};
        memory_fail_after(n);
        error = call_record_print(record, &out);
        memory_fail_never();
        assert_true(error ? out.n == 0 : out.n > 100);
        buffer_release(&out);
        assert_true(n < 1000);
    }
    memory_release(record);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_parties_and_end),
        cmocka_unit_test(test_media_and_fields),
        cmocka_unit_test(test_q850),
        cmocka_unit_test(test_any_text),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

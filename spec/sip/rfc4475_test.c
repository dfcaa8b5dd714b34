/*
 * The torture messages of RFC 4475, as files in spec/vectors/rfc4475, and what becomes of each. */
#include "sample.h"
#include "sip/edit.h"
#include "sip/sanity.h"

#include <stdio.h>

#define DROPPED 0 /* neither parsed nor answered */
#define FINE    1

/* Name, verdict (FINE, DROPPED or a status), RFC 4475 section. */
static const struct {
    const char *name;
    unsigned verdict;
    const char *section;
} vectors[] = {
    {"wsinv", FINE, "3.1.1.1"},      {"intmeth", FINE, "3.1.1.2"},
    {"esc01", FINE, "3.1.1.3"},      {"escnull", FINE, "3.1.1.4"},
    {"esc02", FINE, "3.1.1.5"},      {"lwsdisp", FINE, "3.1.1.6"},
    {"longreq", FINE, "3.1.1.7"},    {"dblreq", FINE, "3.1.1.8"},
    {"semiuri", FINE, "3.1.1.9"},    {"transports", FINE, "3.1.1.10"},
    {"mpart01", FINE, "3.1.1.11"},   {"unreason", FINE, "3.1.1.12"},
    {"noreason", FINE, "3.1.1.13"},  {"badinv01", 400, "3.1.2.1"},
    {"clerr", 400, "3.1.2.2"},       {"ncl", 400, "3.1.2.3"},
    {"scalar02", 400, "3.1.2.4"},    {"scalarlg", DROPPED, "3.1.2.5"},
    {"quotbal", 400, "3.1.2.6"},     {"ltgtruri", 400, "3.1.2.7"},
    {"lwsruri", 400, "3.1.2.8"},     {"lwsstart", 400, "3.1.2.9"},
    {"trws", 400, "3.1.2.10"},       {"escruri", 400, "3.1.2.11"},
    {"baddate", FINE, "3.1.2.12"},  /* Date is not read */
    {"regbadct", FINE, "3.1.2.13"}, /* the registrar refuses the Contact, see below */
    {"badaspec", 400, "3.1.2.14"},   {"baddn", 400, "3.1.2.15"},
    {"badvers", 505, "3.1.2.16"},    {"mismatch01", 400, "3.1.2.17"},
    {"mismatch02", 400, "3.1.2.18"}, {"bigcode", DROPPED, "3.1.2.19"},
    {"badbranch", FINE, "3.2.1"}, /* matched as RFC 2543 does */
    {"insuf", 400, "3.3.1"},         {"unkscm", 416, "3.3.2"},
    {"novelsc", 416, "3.3.3"},       {"unksm2", FINE, "3.3.4"},
    {"bext01", 420, "3.3.5"},        {"invut", FINE, "3.3.6"},
    {"regaut01", FINE, "3.3.7"},     {"multi01", 400, "3.3.8"},
    {"mcl01", 400, "3.3.9"},         {"bcast", FINE, "3.3.10"},
    {"zeromf", FINE, "3.3.11"}, /* Max-Forwards is the proxy's business */
    {"cparam01", FINE, "3.3.12"},    {"cparam02", FINE, "3.3.13"},
    {"regescrt", FINE, "3.3.14"},    {"sdp01", FINE, "3.3.15"},
    {"inv2543", FINE, "3.4.1"},
};

static struct buffer read_vector(const char *name)
{
    char path[512];
    struct buffer out = {0};
    snprintf(path, sizeof path, "%s/spec/vectors/rfc4475/%s.sip", LUNASIP_SOURCE_DIR, name);
    FILE *file = fopen(path, "rb");
    if (!file)
        fail_msg("no %s", path);
    for (int c; (c = fgetc(file)) != EOF;)
        buffer_append_char(&out, (char)c);
    fclose(file);
    return out;
}

static struct message *parsed(const char *name)
{
    struct buffer bytes = read_vector(name);
    struct message *msg;
    assert_int_equal(parse_text(&msg, buffer_text(&bytes), NULL), 0);
    buffer_release(&bytes);
    return msg;
}

static unsigned verdict_of(struct text bytes)
{
    struct message *msg;
    const char *reason;
    unsigned verdict = FINE;
    int error = parse_text(&msg, bytes, &reason);
    if (error)
        verdict = reason ? 400 : DROPPED;
    else if (msg->is_request && sanity_check(msg).status)
        verdict = sanity_check(msg).status;
    memory_release(msg);
    return verdict;
}

static void gives_each_its_verdict(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        struct buffer bytes = read_vector(vectors[i].name);
        unsigned verdict = verdict_of(buffer_text(&bytes));
        if (verdict != vectors[i].verdict)
            fail_msg("%s (%s): %u, not %u", vectors[i].name, vectors[i].section, verdict,
                     vectors[i].verdict);
        buffer_release(&bytes);
    }
}

static void reads_the_short_tortuous_invite(void **state)
{
    (void)state;
    struct message *msg = parsed("wsinv");
    assert_text(message_to(msg)->uri_text, "sip:vivekg@chair-dnrc.example.com");
    assert_text(message_to_tag(msg), "1918181833n");
    assert_text(message_from_tag(msg), "98asjd8");
    assert_text(message_from(msg)->display_name, "\"J Rosenberg \\\\\\\"\"");
    assert_int_equal(message_max_forwards(msg), 68);
    assert_int_equal(msg->cseq_number, 9);
    assert_text(message_via(msg)->host, "192.0.2.2");
    assert_text(message_via(msg)->branch, "390skdjuw");
    assert_text(message_via_second(msg)->transport, "TCP");
    assert_text(message_via_second(msg)->branch, "z9hG4bK9ikj8");
    assert_text(param_find(message_contact(msg)->params, TEXT("newparam")), "newvalue");
    assert_text(param_find(message_contact(msg)->params, TEXT("q")), "0.33");
    assert_int_equal(msg->body.n, 150);
    memory_release(msg);
}

static void reads_the_wide_range_of_characters(void **state)
{
    (void)state;
    struct message *msg = parsed("intmeth");
    assert_int_equal(msg->method, METHOD_OTHER);
    assert_text(message_request_uri(msg)->password, "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)");
    assert_text(message_from_tag(msg), "_token~1'+`*%!-.");
    assert_int_equal(message_to(msg)->display_name.n, 22);
    assert_text(msg->call_id, "intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{");
    memory_release(msg);
}

static void stops_behind_the_first_request(void **state)
{
    (void)state;
    struct message *msg = parsed("dblreq");
    assert_int_equal(msg->method, METHOD_REGISTER);
    assert_int_equal(msg->body.n, 0);
    assert_null(memmem(msg->bytes.p, msg->bytes.n, "INVITE", 6));
    memory_release(msg);
}

static void reads_the_long_request(void **state)
{
    (void)state;
    struct message *msg = parsed("longreq");
    size_t vias = 0;
    for (const struct header *h = message_header(msg, HEADER_VIA); h;
         h = message_header_next(msg, h))
        vias++;
    assert_int_equal(vias, 34);
    assert_int_equal(message_to(msg)->uri.port, 6000);
    memory_release(msg);
}

/* Its second part is binary, zeros and line ends included. */
static void frames_a_binary_body(void **state)
{
    (void)state;
    struct message *msg = parsed("mpart01");
    const struct text end = TEXT("\r\n--7a9cbec02ceef655--\r\n");
    assert_text(msg->method_text, "MESSAGE");
    assert_int_equal(msg->body.n, 553);
    assert_non_null(memchr(msg->body.p, 0, msg->body.n));
    assert_memory_equal(msg->body.p + msg->body.n - end.n, end.p, end.n);
    assert_int_equal(msg->body.p + msg->body.n - msg->bytes.p, msg->bytes.n);
    memory_release(msg);
}

static void refuses_a_bare_contact_with_headers(void **state)
{
    (void)state;
    struct message *bad = parsed("regbadct"), *good = parsed("regescrt");
    assert_null(message_contact(bad));
    assert_text(message_contact(good)->uri.headers, "Route=%3Csip:sip.example.com%3E");
    memory_release(bad);
    memory_release(good);
    struct message *header_param = parsed("cparam01"), *uri_param_message = parsed("cparam02");
    assert_text(message_contact(header_param)->params, "unknownparam");
    assert_text(message_contact(uri_param_message)->uri.params, "unknownparam");
    memory_release(header_param);
    memory_release(uri_param_message);
}

static void forwards_the_good_ones_byte_for_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        struct buffer bytes = read_vector(vectors[i].name), out = {0};
        struct message *msg;
        struct edits *edits;
        if (!parse_text(&msg, buffer_text(&bytes), NULL)) {
            assert_int_equal(edits_begin(&edits, msg, NULL), 0);
            edits_print(edits, &out);
            assert_memory_equal(out.p, bytes.p, out.n);
            if (strcmp(vectors[i].name, "dblreq") != 0)
                assert_int_equal(out.n, bytes.n);
        }
        memory_release(msg);
        buffer_release(&bytes);
        buffer_release(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_each_its_verdict),
        cmocka_unit_test(reads_the_short_tortuous_invite),
        cmocka_unit_test(reads_the_wide_range_of_characters),
        cmocka_unit_test(stops_behind_the_first_request),
        cmocka_unit_test(reads_the_long_request),
        cmocka_unit_test(frames_a_binary_body),
        cmocka_unit_test(refuses_a_bare_contact_with_headers),
        cmocka_unit_test(forwards_the_good_ones_byte_for_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

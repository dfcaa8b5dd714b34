/* Contact with its parameters (RFC 3261 s20.10, RFC 5626), sets of methods, lists over lines. */
#include "sip/contact.h"

#include "sample.h"
#include "sip/list_header.h"
#include "sip/method_set.h"

#include <stdio.h>

static struct contact parsed(const char *s)
{
    struct contact contact;
    if (contact_parse(&contact, text_of(s)))
        fail_msg("refused: %s", s);
    return contact;
}

static void finds_every_parameter(void **state)
{
    (void)state;
    struct contact c =
        parsed("\"A\" <sip:a@b;x=1>;Q=0.75; expires = 60 ;+sip.instance=\"<urn:uuid:1>\""
               ";reg-id=2;methods=\"INVITE, MESSAGE\"");
    assert_text(c.address.uri_text, "sip:a@b;x=1");
    assert_int_equal(c.q, 750);
    assert_true(c.has_expires);
    assert_int_equal(c.expires_s, 60);
    assert_text(c.instance, "<urn:uuid:1>");
    assert_int_equal(c.reg_id, 2);
    assert_int_equal(c.methods, 1 | 256);
    c = parsed("sip:a@b");
    assert_int_equal(c.q, CONTACT_Q_NONE);
    assert_false(c.has_expires);
    assert_false(text_is_set(c.instance));
    assert_int_equal(c.reg_id, 0);
    assert_int_equal(c.methods, 0);
}

/* RFC 3261 s10.2.1.1: a malformed expires is 3600. */
static void forgives_and_refuses(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int q;
    } good[] = {{"1", 1000}, {"0", 0}, {"0.", 0}, {"0.5", 500}, {"1.000", 1000}, {"0.001", 1}};
    static const char *const bad[] = {"1.001", "2", "0.1234", "0,5", "x", "-1", "0.x", "1.1"};
    char text[64];
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        snprintf(text, sizeof text, "<sip:a@b>;q=%s", good[i].text);
        assert_int_equal(parsed(text).q, good[i].q);
    }
    struct contact c;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(text, sizeof text, "<sip:a@b>;q=%s", bad[i]);
        if (!contact_parse(&c, text_of(text)))
            fail_msg("accepted: %s", text);
    }
    assert_int_equal(parsed("<sip:a@b>;expires=x").expires_s, 3600);
    assert_int_equal(parsed("<sip:a@b>;expires=4294967296").expires_s, 3600);
    assert_int_equal(parsed("<sip:a@b>;expires").expires_s, 3600);
    assert_int_equal(parsed("<sip:a@b>;expires=4294967295").expires_s, 4294967295u);
    assert_int_equal(parsed("<sip:a@b>;reg-id=x").reg_id, 0);
    assert_false(text_is_set(parsed("<sip:a@b>;+sip.instance=\"\"").instance));
    assert_int_equal(contact_parse(&c, TEXT("*")), ERROR_SYNTAX);
    assert_int_equal(contact_parse(&c, TEXT_NONE), ERROR_SYNTAX);
}

#define REGISTER(headers)                                                                          \
    "REGISTER sip:b SIP/2.0\r\nVia: SIP/2.0/UDP 1.1.1.1;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1"  \
    "\r\nTo: <sip:a@b>\r\nCall-ID: c\r\nCSeq: 3 REGISTER\r\n" headers "\r\n"

static int list(const char *bytes, struct arena *arena, size_t *count, bool *is_star,
                struct contact **contacts)
{
    struct message *message = sample(bytes);
    int error = contact_list(contacts, count, is_star, message, arena);
    memory_release(message);
    return error;
}

static void lists_all_contacts(void **state)
{
    struct arena arena = {0};
    struct contact *v;
    size_t count;
    bool is_star;
    (void)state;
    struct message *message = sample(
        REGISTER("Contact: <sip:a@1>;q=0.1,\r\n <sip:a@2>\r\nm: <sip:a@3>\r\nExpires: 5\r\n"));
    assert_int_equal(contact_list(&v, &count, &is_star, message, &arena), 0);
    assert_int_equal(count, 3);
    assert_false(is_star);
    assert_text(v[1].address.uri_text, "sip:a@2");
    assert_text(v[2].address.uri_text, "sip:a@3");
    memory_fail_after(0);
    arena_reset(&arena);
    assert_int_equal(contact_list(&v, &count, &is_star, message, &arena), ERROR_MEMORY);
    memory_fail_never();
    memory_release(message);
    assert_int_equal(list(REGISTER(""), &arena, &count, &is_star, &v), 0);
    assert_true(count == 0 && !is_star);
    assert_int_equal(list(REGISTER("Contact: *\r\n"), &arena, &count, &is_star, &v), 0);
    assert_true(count == 0 && is_star);
    assert_int_equal(list(REGISTER("Contact: <sip:a@1>, *\r\n"), &arena, &count, &is_star, &v), 0);
    assert_true(count == 1 && is_star);
    assert_int_equal(list(REGISTER("Contact: <sip:a@1>, ,\r\n"), &arena, &count, &is_star, &v),
                     ERROR_SYNTAX);
    assert_int_equal(list(REGISTER("Contact: <sip:a@1>;q=7\r\n"), &arena, &count, &is_star, &v),
                     ERROR_SYNTAX);
    arena_reset(&arena);
}

static void sets_of_methods_have_kamailios_bits(void **state)
{
    (void)state;
    assert_int_equal(method_set_parse(TEXT_NONE), 0);
    assert_int_equal(
        method_set_parse(TEXT("INVITE,CANCEL, ACK,BYE,INFO,REGISTER,SUBSCRIBE,NOTIFY")), 255);
    assert_int_equal(method_set_parse(TEXT("MESSAGE ,OPTIONS,PRACK,UPDATE,REFER,PUBLISH,,")),
                     0x3f00);
    assert_int_equal(method_set_parse(TEXT("invite")), 1u << 31); /* methods have a case */
    struct message *message = sample(REGISTER("Allow: INVITE\r\nAllow: BYE, ACK\r\n"));
    assert_int_equal(method_set_allowed(message), 1 | 8 | 4);
    memory_release(message);
}

static void reads_lists_over_lines(void **state)
{
    struct arena arena = {0};
    uint32_t expires_s;
    struct text path;
    (void)state;
    struct message *message =
        sample(REGISTER("Path: <sip:p1;lr>,<sip:p2;lr>\r\nPath:\r\nPath: <sip:p3;lr>\r\n"
                        "Supported: 100rel, Path\r\nk: gruu\r\nExpires: 7x\r\n"));
    assert_int_equal(list_header_join(&path, message, HEADER_PATH, &arena), 0);
    assert_text(path, "<sip:p1;lr>,<sip:p2;lr>,<sip:p3;lr>");
    assert_true(list_header_has(message, HEADER_SUPPORTED, TEXT("path")));
    assert_true(list_header_has(message, HEADER_SUPPORTED, TEXT("gruu")));
    assert_false(list_header_has(message, HEADER_SUPPORTED, TEXT("outbound")));
    assert_false(list_header_has(message, HEADER_REQUIRE, TEXT("path")));
    assert_true(header_expires(message, &expires_s));
    assert_int_equal(expires_s, 3600);
    arena_reset(&arena);
    memory_fail_after(0);
    assert_int_equal(list_header_join(&path, message, HEADER_PATH, &arena), ERROR_MEMORY);
    memory_fail_never();
    memory_release(message);
    message = sample(REGISTER("Expires: 70\r\nPath: <sip:p1;lr>\r\n"));
    assert_true(header_expires(message, &expires_s));
    assert_int_equal(expires_s, 70);
    assert_int_equal(list_header_join(&path, message, HEADER_PATH, &arena), 0);
    assert_text(path, "<sip:p1;lr>");
    assert_int_equal(list_header_join(&path, message, HEADER_ROUTE, &arena), 0);
    assert_false(text_is_set(path));
    memory_release(message);
    message = sample(REGISTER("Path:\r\nPath:\r\n"));
    assert_int_equal(list_header_join(&path, message, HEADER_PATH, &arena), 0);
    assert_false(text_is_set(path));
    assert_false(header_expires(message, &expires_s));
    memory_release(message);
    arena_reset(&arena);
    assert_true(list_header_is_route(TEXT("<sip:a;lr>, \"x\" <sip:b>;p=1")));
    assert_false(list_header_is_route(TEXT("sip:a")));
    assert_false(list_header_is_route(TEXT("<sip:a>,,<sip:b>")));
    assert_false(list_header_is_route(TEXT_NONE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_every_parameter),
        cmocka_unit_test(forgives_and_refuses),
        cmocka_unit_test(lists_all_contacts),
        cmocka_unit_test(sets_of_methods_have_kamailios_bits),
        cmocka_unit_test(reads_lists_over_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

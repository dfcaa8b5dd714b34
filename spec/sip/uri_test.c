/* URIs (RFC 3261 s19.1, RFC 3966). */
#include "sip/uri.h"

#include "sample.h"

static struct uri parsed(const char *s)
{
    struct uri uri;
    if (uri_parse(&uri, text_of(s)))
        fail_msg("refused: %s", s);
    return uri;
}

static void finds_every_part(void **state)
{
    (void)state;
    struct uri uri =
        parsed("sip:al%20ice:se$cret@[2001:db8::1]:5070;transport=tcp;lr?Subject=x&a=b");
    assert_int_equal(uri.scheme, URI_SIP);
    assert_text(uri.user, "al%20ice");
    assert_text(uri.password, "se$cret");
    assert_text(uri.host, "[2001:db8::1]");
    assert_int_equal(uri.port, 5070);
    assert_text(uri.params, "transport=tcp;lr");
    assert_text(uri.headers, "Subject=x&a=b");
    assert_text(uri_param(&uri, TEXT("TRANSPORT")), "tcp");
    assert_text(uri_param(&uri, TEXT("lr")), "");
    assert_false(text_is_set(uri_param(&uri, TEXT("maddr"))));
    assert_true(uri_is_loose(&uri));

    uri = parsed("SIPS:example.com");
    assert_int_equal(uri.scheme, URI_SIPS);
    assert_false(text_is_set(uri.user));
    assert_false(text_is_set(uri.params));
    assert_int_equal(uri.port, 0);
    assert_false(uri_is_loose(&uri));

    uri = parsed("tel:+1-201-555-0123;phone-context=x");
    assert_int_equal(uri.scheme, URI_TEL);
    assert_text(uri.user, "+1-201-555-0123");
    assert_false(text_is_set(uri.host));
    assert_text(uri.params, "phone-context=x");

    uri = parsed("urn:service:sos");
    assert_int_equal(uri.scheme, URI_OTHER);
    assert_text(uri.scheme_text, "urn");
    parsed("sip:*21#@example.com");
    parsed("sip:user;par=u%40example.net@example.com");
    parsed("sip:h;x=a=b;;y");
}

static void refuses(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "sip",
        "sip:",
        ":x",
        "1sip:a",
        "sip:@host",
        "sip:a@",
        "sip:a@b@c",
        "sip:a b@c",
        "sip:a@b:",
        "sip:a@b:0",
        "sip:a@b:65536",
        "sip:a@b:x",
        "sip:a%2@b",
        "sip:a%zz@b",
        "sip:a@b;x=%f",
        "sip:a@b?",
        "sip:a@[::1",
        "sip:a@[x]",
        "sip:2001:db8::1",
        "<sip:a@b>",
        "sip:a@b>",
        "sip:a@b;\"",
        "tel:",
        "tel:abcx",
        "sip:a@b :5060",
        "sip:a@b\r\n",
        "http:a b",
        "sip:a\"@b",
        "si p:a",
        "sip:[127.0.0.1]",
        "sip:a@b/x",
    };
    struct uri uri;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (!uri_parse(&uri, text_of(bad[i])))
            fail_msg("accepted: %s", bad[i]);
    assert_int_equal(uri_parse(&uri, (struct text){"sip:a\0b@c", 9}), ERROR_SYNTAX);
    assert_int_equal(uri_parse(&uri, TEXT_NONE), ERROR_SYNTAX);
}

static bool equal(const char *a, const char *b)
{
    struct uri x = parsed(a), y = parsed(b);
    assert_int_equal(uri_equal(&x, &y), uri_equal(&y, &x));
    return uri_equal(&x, &y);
}

/* The examples of RFC 3261 s19.1.4. */
static void compares(void **state)
{
    (void)state;
    assert_true(
        equal("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"));
    assert_true(equal("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"));
    assert_true(equal("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"));
    assert_true(equal("sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
                      "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com"));
    assert_true(equal("sip:alice@atlanta.com?subject=project%20x&priority=urgent",
                      "sip:alice@atlanta.com?priority=urgent&subject=project%20x"));
    assert_false(
        equal("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"));
    assert_false(equal("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"));
    assert_false(equal("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"));
    assert_false(equal("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"));
    assert_false(equal("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"));
    assert_false(equal("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"));
    assert_false(equal("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"));
    assert_false(equal("sip:a@b", "sips:a@b"));
    assert_false(equal("sip:a%3bb@c", "sip:a;b@c")); /* an escaped reserved character differs */
    assert_false(equal("sip:b", "sip:a@b"));
    assert_true(equal("tel:+1-201-555-0123", "tel:+1(201)5550123"));
    assert_false(equal("tel:+12015550123", "tel:+12015550124"));
    assert_true(equal("urn:a", "URN:a"));
    assert_false(equal("urn:a", "urn:b"));
}

static void finds_parameters(void **state)
{
    (void)state;
    struct text params = TEXT("a=1; B = \"x;y\" ;lr;e=");
    assert_text(param_find(params, TEXT("A")), "1");
    assert_text(param_find(params, TEXT("b")), "\"x;y\"");
    assert_text(param_find(params, TEXT("lr")), "");
    assert_text(param_find(params, TEXT("e")), "");
    assert_false(text_is_set(param_find(params, TEXT("y"))));
    assert_false(text_is_set(param_find(TEXT_NONE, TEXT("a"))));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_every_part),
        cmocka_unit_test(refuses),
        cmocka_unit_test(compares),
        cmocka_unit_test(finds_parameters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* From, To, Contact, Route elements (RFC 3261 s20, s25.1). */
#include "sip/name_addr.h"

#include "sample.h"

static struct name_addr parsed(const char *s)
{
    struct name_addr name_addr;
    if (name_addr_parse(&name_addr, text_of(s)))
        fail_msg("refused: %s", s);
    return name_addr;
}

static void finds_every_part(void **state)
{
    (void)state;
    struct name_addr a = parsed(" \"A \\\" <x>, B\" <sip:a@b;p?h=v> ; tag = t1;x=\"q;\" ");
    assert_text(a.whole, "\"A \\\" <x>, B\" <sip:a@b;p?h=v> ; tag = t1;x=\"q;\"");
    assert_text(a.display_name, "\"A \\\" <x>, B\"");
    assert_text(a.uri_text, "sip:a@b;p?h=v");
    assert_text(a.params, "tag = t1;x=\"q;\"");
    assert_text(a.tag, "t1");
    assert_text(a.uri.host, "b");

    a = parsed("Bob Smith (work) <sip:b@c>");
    assert_text(a.display_name, "Bob Smith (work)");
    assert_false(text_is_set(a.params));
    assert_false(text_is_set(a.tag));

    a = parsed("sip:a@b;tag=1;lr"); /* of the header, not of the URI */
    assert_text(a.uri_text, "sip:a@b");
    assert_false(text_is_set(a.uri.params));
    assert_text(a.tag, "1");
    a = parsed("<sip:a@b>\r\n ;tag=1");
    assert_text(a.tag, "1");
    parsed("sip:a@b;+sip.instance=\"<urn:uuid:1>\"");
    parsed("\xe5\xbc\xa0\xe4\xb8\x89 <sip:a@b>");
    parsed("<sip:+1;phone-context=x@b;user=phone>;expires=60");
}

static void refuses(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "*",
        "<>",
        "<sip:a@b",
        "\"x <sip:a@b>",
        "Bell, A <sip:a@b>",
        "< sip:a@b >",
        "<sip:a@b>;",
        "<sip:a@b>;;x",
        "<sip:a@b>;tag=",
        "<sip:a@b>;tag=\"x\"",
        "<sip:a@b> x",
        "<sip:a@b>,<sip:c@d>",
        "sip:a@b?x=y",
        "sip:a@b,sip:c",
        "\"x\" sip:a@b",
        "x",
        "<sip:a@b>>",
        "<<sip:a@b>",
        "\"x\\",
        "<sip:a@b>;tag",
        "a\\b <sip:a@b>",
        "<sip:a@b>;x=<y>",
    };
    struct name_addr a;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (!name_addr_parse(&a, text_of(bad[i])) && strcmp(bad[i], "<sip:a@b>;tag") != 0)
            fail_msg("accepted: %s", bad[i]);
    assert_int_equal(name_addr_parse(&a, TEXT_NONE), ERROR_SYNTAX);
}

static void splits_lists(void **state)
{
    (void)state;
    struct text rest = TEXT(" \"a,b\" <sip:x,y@z> ;p=\"1,\\\",2\", <sip:c> ,sip:d");
    assert_text(name_addr_split(&rest), "\"a,b\" <sip:x,y@z> ;p=\"1,\\\",2\"");
    assert_text(name_addr_split(&rest), "<sip:c>");
    assert_text(name_addr_split(&rest), "sip:d");
    assert_false(text_is_set(name_addr_split(&rest)));
    rest = TEXT("a,,b,");
    assert_text(name_addr_split(&rest), "a");
    assert_text(name_addr_split(&rest), "");
    assert_text(name_addr_split(&rest), "b");
    assert_false(text_is_set(name_addr_split(&rest)));
    rest = TEXT("\"never ends, \\");
    assert_text(name_addr_split(&rest), "\"never ends, \\");
    assert_false(text_is_set(name_addr_split(&rest)));
    rest = TEXT_NONE;
    assert_false(text_is_set(name_addr_split(&rest)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_every_part),
        cmocka_unit_test(refuses),
        cmocka_unit_test(splits_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

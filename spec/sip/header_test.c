/* Header field names (RFC 3261 s7.3.1, s7.3.3) and methods (s7.1). */
#include "sip/header.h"

#include "sample.h"
#include "sip/method.h"

#include <stdio.h>

static void finds_every_long_name_in_any_case(void **state)
{
    (void)state;
    for (unsigned kind = 1; kind < HEADER_KIND_COUNT; kind++) {
        char name[64];
        struct text t = text_of(header_kind_name((enum header_kind)kind));
        assert_true(text_to_array(t, name, sizeof name));
        assert_int_equal(header_kind_parse(text_of(name)), kind);
        for (size_t i = 0; i < t.n; i++)
            name[i] = i % 2 ? (char)(name[i] | 0x20)
                            : (char)(name[i] >= 'a' && name[i] <= 'z' ? name[i] - 32 : name[i]);
        assert_int_equal(header_kind_parse(text_of(name)), kind);
    }
    assert_null(header_kind_name(HEADER_OTHER));
}

static void finds_every_compact_name(void **state)
{
    (void)state;
    static const struct {
        char letter;
        enum header_kind kind;
    } compacts[] = {
#define XX(name, long_form, compact) {compact, HEADER_##name},
        HEADERS(XX)
#undef XX
    };
    for (size_t i = 0; i < sizeof compacts / sizeof compacts[0]; i++) {
        char lower = compacts[i].letter, upper = (char)(lower - 32);
        if (!lower)
            continue;
        assert_int_equal(header_kind_parse((struct text){&lower, 1}), compacts[i].kind);
        assert_int_equal(header_kind_parse((struct text){&upper, 1}), compacts[i].kind);
    }
}

static void looks_at_every_byte_of_a_name(void **state)
{
    (void)state;
    for (unsigned kind = 1; kind < HEADER_KIND_COUNT; kind++) {
        char name[64];
        struct text t = text_of(header_kind_name((enum header_kind)kind));
        assert_true(text_to_array(t, name, sizeof name));
        for (size_t i = 0; i < t.n; i++) {
            name[i] = '!';
            assert_int_equal(header_kind_parse(text_of(name)), HEADER_OTHER);
            name[i] = t.p[i];
        }
    }
}

static void leaves_others_alone(void **state)
{
    (void)state;
    assert_int_equal(header_kind_parse(TEXT("X-Foo")), HEADER_OTHER);
    assert_int_equal(header_kind_parse(TEXT("Vi")), HEADER_OTHER);
    assert_int_equal(header_kind_parse(TEXT("")), HEADER_OTHER);
    assert_int_equal(header_kind_parse(TEXT("!")), HEADER_OTHER);
    assert_int_equal(header_kind_parse(TEXT("z")), HEADER_OTHER);
    struct header other = {.name = TEXT("x-foo"), .kind = HEADER_OTHER};
    assert_true(header_is(&other, HEADER_OTHER, TEXT("X-Foo")));
    assert_false(header_is(&other, HEADER_OTHER, TEXT("X-Fo")));
    assert_false(header_is(&other, HEADER_VIA, TEXT("X-Foo")));
}

static void methods_are_case_sensitive(void **state)
{
    (void)state;
    assert_int_equal(method_parse(TEXT("INVITE")), METHOD_INVITE);
    assert_int_equal(method_parse(TEXT("PUBLISH")), METHOD_PUBLISH);
    assert_int_equal(method_parse(TEXT("invite")), METHOD_OTHER);
    assert_int_equal(method_parse(TEXT("OTHER")), METHOD_OTHER);
    assert_int_equal(method_parse(TEXT("")), METHOD_OTHER);
    assert_string_equal(method_name(METHOD_ACK), "ACK");
    assert_string_equal(method_name(METHOD_OTHER), "OTHER");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_every_long_name_in_any_case),
        cmocka_unit_test(finds_every_compact_name),
        cmocka_unit_test(looks_at_every_byte_of_a_name),
        cmocka_unit_test(leaves_others_alone),
        cmocka_unit_test(methods_are_case_sensitive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

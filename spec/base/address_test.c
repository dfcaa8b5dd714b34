/* Addresses and networks. */
#include "base/address.h"

#include "check.h"

static struct address parsed(const char *s)
{
    struct address address;
    if (address_parse(&address, text_of(s), 5060))
        fail_msg("refused: %s", s);
    return address;
}

static void expect(const char *s, const char *expected)
{
    char out[ADDRESS_TEXT_BYTES];
    struct address address = parsed(s);
    assert_text(address_print(&address, out), expected);
}

static void parses_and_prints(void **state)
{
    (void)state;
    expect("10.0.0.1", "10.0.0.1:5060");
    expect("10.0.0.1:1", "10.0.0.1:1");
    expect("10.0.0.1:65535", "10.0.0.1:65535");
    expect("[::1]", "[::1]:5060");
    expect("[2001:DB8:0::1]:7", "[2001:db8::1]:7");
    expect("::1", "[::1]:5060");
    expect("::ffff:1.2.3.4", "[::ffff:1.2.3.4]:5060");
    expect("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255",
           "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:5060");
    char out[ADDRESS_TEXT_BYTES];
    struct address address = parsed("[::1]:9");
    assert_text(address_print_host(&address, out), "::1");
    assert_text(address_print_uri_host(&address, out), "[::1]");
    assert_int_equal(address_port(&address), 9);
    address = (struct address){0};
    assert_false(address_is_set(&address));
    assert_text(address_print_host(&address, out), "");
}

static void refuses(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "x",
        "10.0.0",
        "10.0.0.256",
        "10.0.0.1:",
        "10.0.0.1:65536",
        "10.0.0.1:x",
        "[::1",
        "[::1]x",
        "[::1]:",
        "[]",
        ":::",
        "10.0.0.1:1:2",
        "1.2.3.4 ",
        "[::1%eth0]",
        "01.2.3.4",
        "1.2.3.04",
        "1.2.3.",
        "1.2.3.4.5",
        ".1.2.3",
        "1..2.3",
        "1.2.3.1000",
        "1.2.3.-4",
        "[1.2.3.4",
        "256.1.1.1",
    };
    struct address address;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (!address_parse(&address, text_of(bad[i]), 5060))
            fail_msg("accepted: %s", bad[i]);
    assert_int_equal(address_parse_host(&address, TEXT_NONE), ERROR_SYNTAX);
}

/* Found by fuzzing a Via: inet_pton() stopped at the NUL, and the host kept what stood behind. */
static void refuses_a_nul_inside(void **state)
{
    (void)state;
    struct address address;
    assert_int_equal(address_parse_host(&address, TEXT("::1\0;evil")), ERROR_SYNTAX);
    assert_int_equal(address_parse_host(&address, TEXT("10.0.0.1\0")), ERROR_SYNTAX);
}

static void compares(void **state)
{
    (void)state;
    struct address a = parsed("10.0.0.1:1"), b = parsed("10.0.0.1:2"), c = parsed("[::1]:1");
    char x[18], y[18];
    assert_true(address_equal_host(&a, &b));
    assert_false(address_equal(&a, &b));
    assert_false(address_equal_host(&a, &c));
    assert_false(text_equal(address_key(&a, x), address_key(&b, y)));
    address_set_port(&b, 1);
    assert_true(address_equal(&a, &b));
    assert_true(text_equal(address_key(&a, x), address_key(&b, y)));
    assert_int_equal(address_key(&c, x).n, 18);
    a = parsed("0.0.0.0");
    c = parsed("::");
    assert_true(address_is_wildcard(&a) && address_is_wildcard(&c));
    assert_false(address_is_wildcard(&b));
}

static bool contains(const char *cidr, const char *host)
{
    struct network network;
    struct address address = parsed(host);
    assert_int_equal(network_parse(&network, text_of(cidr)), 0);
    return network_contains(&network, &address);
}

static void networks_contain(void **state)
{
    (void)state;
    assert_true(contains("10.0.0.0/8", "10.255.1.2"));
    assert_false(contains("10.0.0.0/8", "11.0.0.0"));
    assert_true(contains("0.0.0.0/0", "1.2.3.4"));
    assert_true(contains("192.168.1.128/25", "192.168.1.129"));
    assert_false(contains("192.168.1.128/25", "192.168.1.127"));
    assert_true(contains("1.2.3.4", "1.2.3.4"));
    assert_false(contains("1.2.3.4", "1.2.3.5"));
    assert_true(contains("2001:db8::/33", "2001:db8:7fff::1"));
    assert_false(contains("2001:db8::/33", "2001:db8:8000::1"));
    assert_false(contains("::/0", "1.2.3.4"));
    static const char *const bad[] = {"",       "10.0.0.0/33", "10.0.0.0/",
                                      "::/129", "x/8",         "1.2.3.4/-1"};
    struct network network;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(network_parse(&network, text_of(bad[i])), ERROR_SYNTAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses_and_prints),    cmocka_unit_test(refuses),
        cmocka_unit_test(refuses_a_nul_inside), cmocka_unit_test(compares),
        cmocka_unit_test(networks_contain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

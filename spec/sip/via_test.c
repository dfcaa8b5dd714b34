/* Via (RFC 3261 s18.2.1, s20.42; RFC 3581). */
#include "sip/via.h"

#include "sample.h"

static struct via parsed(const char *s)
{
    struct via via;
    if (via_parse(&via, text_of(s)))
        fail_msg("refused: %s", s);
    return via;
}

static void finds_every_part(void **state)
{
    (void)state;
    struct via via =
        parsed(" SIP/2.0/UDP [2001:db8::9]:5070;branch=z9hG4bK1;received=10.0.0.1;rport=99 ");
    assert_text(via.transport, "UDP");
    assert_text(via.host, "[2001:db8::9]");
    assert_int_equal(via.port, 5070);
    assert_text(via.branch, "z9hG4bK1");
    assert_text(via.received, "10.0.0.1");
    assert_true(via.has_rport);
    assert_int_equal(via.rport, 99);

    via =
        parsed("SIP  / 2.0\r\n /  TCP first.example.com : 4000 ;\r\n branch = b1 ; rport ; hidden");
    assert_text(via.host, "first.example.com");
    assert_int_equal(via.port, 4000);
    assert_text(via.branch, "b1");
    assert_true(via.has_rport);
    assert_int_equal(via.rport, 0);

    via = parsed("sip/2.0/udp h");
    assert_false(text_is_set(via.params));
    assert_false(text_is_set(via.branch));
    assert_false(via.has_rport);
}

static void refuses(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "SIP/2.0/UDP",
        "SIP/2.0/UDP ",
        "HTTP/2.0/UDP h",
        "SIP/2.0 h",
        "SIP/2.0/UDP h;",
        "SIP/2.0/UDP h;;",
        "SIP/2.0/UDP h:0",
        "SIP/2.0/UDP h:99999",
        "SIP/2.0/UDP h;branch=",
        "SIP/2.0/UDP h;branch=\"x\"",
        "SIP/2.0/UDP h;rport=x",
        "SIP/2.0/UDP h;rport=70000",
        "SIP/2.0/UDP h x",
        "SIP/2.0/UDP [::1;x",
        "SIP//UDP h",
        "SIP/2.0/UDP h,SIP/2.0/UDP g",
        "SIP/2.0/UDPh",
        "SIP/2.0/UDP h;x=\"a",
    };
    struct via via;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (!via_parse(&via, text_of(bad[i])))
            fail_msg("accepted: %s", bad[i]);
}

static void expect_source(const char *element, const char *peer, const char *expected)
{
    struct arena arena = {0};
    struct address address = {0};
    struct via via = parsed(element);
    if (peer)
        assert_int_equal(address_parse(&address, text_of(peer), 5060), 0);
    struct text t = via_with_source(&arena, &via, &address);
    if (expected)
        assert_text(t, expected);
    else
        assert_false(text_is_set(t));
    arena_reset(&arena);
}

static void adds_where_a_request_came_from(void **state)
{
    (void)state;
    expect_source("SIP/2.0/UDP 10.0.0.1;branch=b", "10.0.0.1", NULL);
    expect_source("SIP/2.0/UDP 10.0.0.1;branch=b", NULL, NULL);
    expect_source("SIP/2.0/UDP 10.0.0.1;branch=b", "10.0.0.2",
                  "SIP/2.0/UDP 10.0.0.1;branch=b;received=10.0.0.2");
    expect_source("SIP/2.0/UDP pc33.example.com", "10.0.0.2",
                  "SIP/2.0/UDP pc33.example.com;received=10.0.0.2");
    expect_source("SIP/2.0/UDP 10.0.0.1:5060;rport;branch=b", "10.0.0.1:40000",
                  "SIP/2.0/UDP 10.0.0.1:5060;branch=b;received=10.0.0.1;rport=40000");
    expect_source("SIP/2.0/UDP [::1]:5060;branch=b", "[::1]:5060", NULL);
    expect_source("SIP/2.0/UDP h;rport;x", "[::1]:7", "SIP/2.0/UDP h;x;received=::1;rport=7");
}

static void does_not_believe_the_sender(void **state)
{
    (void)state;
    expect_source("SIP/2.0/UDP 10.0.0.1;received=1.2.3.4;branch=b", "10.0.0.1",
                  "SIP/2.0/UDP 10.0.0.1;branch=b;received=10.0.0.1");
    expect_source("SIP/2.0/UDP h;RPORT=1;Received=2", "10.0.0.1:9",
                  "SIP/2.0/UDP h;received=10.0.0.1;rport=9");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_every_part),
        cmocka_unit_test(refuses),
        cmocka_unit_test(adds_where_a_request_came_from),
        cmocka_unit_test(does_not_believe_the_sender),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

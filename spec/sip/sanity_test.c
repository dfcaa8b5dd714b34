/* What is refused before a route sees it (RFC 3261 s8.2.2, s16.3). */
#include "sip/sanity.h"

#include "sample.h"

#define REQUEST(uri, version, more)                                                                \
    "OPTIONS " uri " " version "\r\nVia: SIP/2.0/UDP h\r\nFrom: <sip:a@b>;tag=1\r\n"               \
    "To: <sip:c@d>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\n" more "\r\n"

static void expect(const char *bytes, unsigned status, const char *reason)
{
    struct message *msg = sample(bytes);
    struct sanity_verdict verdict = sanity_check(msg);
    assert_int_equal(verdict.status, status);
    if (reason)
        assert_string_equal(verdict.reason, reason);
    memory_release(msg);
}

static void accepts_what_is_good(void **state)
{
    (void)state;
    expect(SAMPLE_INVITE, 0, NULL);
    expect(REQUEST("tel:+1234", "SIP/2.0", ""), 0, NULL);
    expect(REQUEST("sip:a", "sip/2.0", "Max-Forwards: 0\r\nv: SIP/2.0/TCP a, SIP/2.0/X b\r\n"), 0,
           NULL);
}

static void refuses_what_is_not(void **state)
{
    (void)state;
    expect(REQUEST("sip:a", "SIP/3.0", ""), 505, "Version Not Supported");
    expect(REQUEST("urn:a", "SIP/2.0", ""), 416, "Unsupported URI Scheme");
    expect(REQUEST("sip:", "SIP/2.0", ""), 400, "Malformed Request-URI");
    expect(REQUEST("sip:a?b=c", "SIP/2.0", ""), 400, "Headers in Request-URI");
    expect(REQUEST("sip:a", "SIP/2.0", "Max-Forwards: 256\r\n"), 400, "Malformed Max-Forwards");
    expect(REQUEST("sip:a", "SIP/2.0", "Max-Forwards: x\r\n"), 400, "Malformed Max-Forwards");
    expect(REQUEST("sip:a", "SIP/2.0", "v: SIP/2.0/UDP\r\n"), 400, "Malformed Via");
    expect(REQUEST("sip:a", "SIP/2.0", "v: \r\n"), 400, "Malformed Via");
    expect("BYE sip:a SIP/2.0\r\nv:SIP/2.0/UDP h\r\nf:x\r\nt:<sip:a>\r\ni:x\r\nCSeq:1 BYE\r\n\r\n",
           400, "Malformed From");
    expect("BYE sip:a SIP/2.0\r\nv:SIP/2.0/UDP h\r\nf:<sip:a>\r\nt:x\r\ni:x\r\nCSeq:1 BYE\r\n\r\n",
           400, "Malformed To");
}

static void names_the_unsupported_extensions(void **state)
{
    (void)state;
    struct message *msg =
        sample(REQUEST("sip:a", "SIP/2.0", "Proxy-Require: a, b\r\nProxy-Require: c\r\n"));
    struct sanity_verdict verdict = sanity_check(msg);
    assert_int_equal(verdict.status, 420);
    assert_text(verdict.unsupported, "a, b, c");
    memory_release(msg);
    expect(REQUEST("sip:a", "SIP/2.0", "Proxy-Require: \r\nRequire: 100rel\r\n"), 0, NULL);
    expect("CANCEL sip:a SIP/2.0\r\nv:SIP/2.0/UDP h\r\nf:<sip:a>\r\nt:<sip:b>\r\ni:x\r\n"
           "CSeq:1 CANCEL\r\nProxy-Require: a\r\n\r\n",
           0, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_what_is_good),
        cmocka_unit_test(refuses_what_is_not),
        cmocka_unit_test(names_the_unsupported_extensions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

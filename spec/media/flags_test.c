/* rtpengine's flag language: spellings, values, lists, what is refused and how it is named. */
#include "base/error.h"
#include "base/memory.h"
#include "media/flags.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static struct media_flags *flags;
static struct text bad;

static int setup(void **state)
{
    (void)state;
    return media_flags_create(&flags);
}

static int teardown(void **state)
{
    (void)state;
    flags = memory_release(flags);
    return memory_live() == 0 ? 0 : -1;
}

static int parse(const char *string)
{
    return media_flags_parse(flags, text_of(string), &bad);
}

static void takes_what_kamailio_users_write(void **state)
{
    (void)state;
    assert_int_equal(parse("trust-address replace-origin replace-session-connection RTP/AVP "
                           "rtcp-mux-offer direction=public direction=private ICE=remove"),
                     0);
    assert_string_equal(flags->from, "public");
    assert_string_equal(flags->to, "private");
    assert_int_equal(flags->protocol, SDP_AVP);
    assert_int_equal(flags->bits, FLAG_MUX_OFFER);
}

static void is_safe_without_any_flag(void **state)
{
    (void)state;
    assert_int_equal(parse(""), 0);
    assert_int_equal(flags->bits, 0); /* replace-origin, strict-source, trust-address, symmetric */
    assert_int_equal(flags->learning, LEARN_HEURISTIC);
}

static void does_not_mind_case_and_dashes(void **state)
{
    (void)state;
    assert_int_equal(parse("sip_source_address Asymmetric\tRTCP-mux=[demux require] strict_source"),
                     0);
    assert_int_equal(flags->bits,
                     FLAG_SIP_SOURCE_ADDRESS | FLAG_ASYMMETRIC | FLAG_MUX_DEMUX | FLAG_MUX_REQUIRE);
    assert_int_equal(parse("replace=[origin zero-address] no-strict-source"), 0);
    assert_true(flags->bits & FLAG_ZERO_ADDRESS);
    assert_true(flags->bits & FLAG_ANY_SOURCE);
    assert_int_equal(parse("strict-source trust-address symmetric"), 0);
    assert_false(flags->bits & (FLAG_ANY_SOURCE | FLAG_SIP_SOURCE_ADDRESS | FLAG_ASYMMETRIC));
}

static void reads_values(void **state)
{
    (void)state;
    assert_int_equal(parse("media-address=203.0.113.9 address-family=IP6 "
                           "endpoint-learning=delayed transport-protocol=RTP/AVPF"),
                     0);
    assert_true(address_is_set(&flags->media_address));
    assert_int_equal(flags->family, AF_INET6);
    assert_int_equal(flags->learning, LEARN_DELAYED);
    assert_int_equal(flags->protocol, SDP_AVPF);
    assert_int_equal(parse("endpoint-learning-off"), 0);
    assert_int_equal(flags->learning, LEARN_OFF);
    assert_int_equal(parse("endpoint-learning=guess"), ERROR_SYNTAX);
    assert_int_equal(parse("media-address=nowhere"), ERROR_SYNTAX);
    assert_int_equal(parse("address-family=IP5"), ERROR_SYNTAX);
    assert_int_equal(parse("direction="), ERROR_SYNTAX);
    assert_int_equal(parse("direction=a-name-that-is-longer-than-any-interface"), ERROR_SYNTAX);
}

static void reads_codec_lists(void **state)
{
    (void)state;
    assert_int_equal(parse("codec-mask=all,!PCMA;!opus/48000 codec-strip-G729 "
                           "codec-offer=[telephone-event PCMU] codec-except-CN"),
                     0);
    static const struct {
        enum codec_action action;
        const char *name;
    } expected[] = {
        {CODEC_STRIP, "all"},  {CODEC_EXCEPT, "PCMA"},           {CODEC_EXCEPT, "opus/48000"},
        {CODEC_STRIP, "G729"}, {CODEC_OFFER, "telephone-event"}, {CODEC_OFFER, "PCMU"},
        {CODEC_EXCEPT, "CN"},
    };
    assert_int_equal(flags->codec_count, 7);
    for (size_t i = 0; i < 7; i++) {
        assert_int_equal(flags->codecs[i].action, expected[i].action);
        assert_string_equal(flags->codecs[i].name, expected[i].name);
    }
    assert_int_equal(parse("codec-strip-"), ERROR_SYNTAX);
    assert_int_equal(parse("codec-strip-a-codec-name-that-nobody-ever-registered"), ERROR_SYNTAX);
    for (int i = 7; i < CODEC_RULES_MOST; i++)
        assert_int_equal(parse("codec-strip-X"), 0);
    assert_int_equal(parse("codec-strip-X"), ERROR_LIMIT);
}

static void names_the_flag_it_refuses(void **state)
{
    (void)state;
    assert_int_equal(parse("replace-origin tust-address symmetric"), ERROR_SYNTAX);
    assert_true(text_equal(bad, TEXT("tust-address")));
    static const char *const unsupported[] = {
        "RTP/SAVP",
        "UDP/TLS/RTP/SAVPF",
        "ICE=force",
        "DTLS=passive",
        "SDES-off",
        "transcode-PCMU",
        "codec-transcode-opus",
        "codec-accept=PCMU",
        "record-call",
        "media-handover",
        "TOS=184",
        "bundle=accept",
        "T.38=decode",
        "pierce-NAT",
        "loop-protect",
        "generate-RTCP",
        "WebRTC",
        "label=a",
        "sdp-attr=[audio=[add=[x]]]",
        "ptime=20",
        "single-codec",
        "directional",
        "via-branch=1",
        "delete-delay=0",
        "no-port-latching",
        "transport-protocol=RTP/SAVP",
    };
    for (size_t i = 0; i < sizeof unsupported / sizeof *unsupported; i++) {
        assert_int_equal(parse(unsupported[i]), ERROR_UNSUPPORTED);
        assert_true(text_equal(bad, text_of(unsupported[i])));
    }
    assert_int_equal(parse("="), ERROR_SYNTAX);
    assert_int_equal(parse("replace=[]"), ERROR_SYNTAX);
    assert_int_equal(
        parse("a-flag-so-long-that-no-name-of-any-flag-was-ever-longer-than-it-is-now"),
        ERROR_SYNTAX);
}

static void takes_the_table_form(void **state)
{
    (void)state;
    assert_int_equal(media_flags_set(flags, TEXT("from"), TEXT("public")), 0);
    assert_int_equal(media_flags_set(flags, TEXT("to"), TEXT("private")), 0);
    assert_int_equal(media_flags_set(flags, TEXT("rtcp_mux"), TEXT("offer")), 0);
    assert_int_equal(media_flags_set(flags, TEXT("strict_source"), TEXT("false")), 0);
    assert_int_equal(media_flags_set(flags, TEXT("replace_origin"), TEXT("false")), 0);
    assert_int_equal(media_flags_set(flags, TEXT("asymmetric"), TEXT("true")), 0);
    assert_int_equal(media_flags_set(flags, TEXT("SIP-source-address"), TEXT_NONE), 0);
    assert_int_equal(flags->bits, FLAG_MUX_OFFER | FLAG_ANY_SOURCE | FLAG_KEEP_ORIGIN |
                                      FLAG_ASYMMETRIC | FLAG_SIP_SOURCE_ADDRESS);
    assert_int_equal(media_flags_set(flags, TEXT("frm"), TEXT("public")), ERROR_SYNTAX);
    assert_int_equal(media_flags_set(flags, TEXT("record_call"), TEXT("true")), ERROR_UNSUPPORTED);
    assert_int_equal(media_flags_set(flags, TEXT("DTLS"), TEXT("off")), ERROR_UNSUPPORTED);
    assert_int_equal(media_flags_set(flags, TEXT(""), TEXT_NONE), ERROR_SYNTAX);
}

static void survives_without_memory(void **state)
{
    (void)state;
    for (uint64_t n = 0; n < 3; n++) {
        memory_fail_after(n);
        int error = parse("codec-strip=[a b c]");
        memory_fail_never();
        assert_int_equal(error, ERROR_MEMORY);
    }
    assert_int_equal(parse("codec-strip=d"), 0);
    memory_fail_after(0);
    struct media_flags *none;
    int error = media_flags_create(&none);
    memory_fail_never();
    assert_int_equal(error, ERROR_MEMORY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(takes_what_kamailio_users_write, setup, teardown),
        cmocka_unit_test_setup_teardown(is_safe_without_any_flag, setup, teardown),
        cmocka_unit_test_setup_teardown(does_not_mind_case_and_dashes, setup, teardown),
        cmocka_unit_test_setup_teardown(reads_values, setup, teardown),
        cmocka_unit_test_setup_teardown(reads_codec_lists, setup, teardown),
        cmocka_unit_test_setup_teardown(names_the_flag_it_refuses, setup, teardown),
        cmocka_unit_test_setup_teardown(takes_the_table_form, setup, teardown),
        cmocka_unit_test_setup_teardown(survives_without_memory, setup, teardown),
    };
    return cmocka_run_group_tests_name("media flags", tests, NULL, NULL);
}

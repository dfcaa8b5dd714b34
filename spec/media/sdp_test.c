/*
 * SDP before and after: what the relay changes, and that it changes nothing else. Ports differ from
 * seed to seed, so the expected texts have $0, $1 ... for the RTP port of each m= line and $0+ for
 * the port behind it.
 */
#include "media_world.h"

#include "media/sdp.h"

#define PUBLIC_TO_PRIVATE "direction=public direction=private "

static void ports_of(struct text sdp, uint32_t ports[8])
{
    unsigned count = 0;
    while (text_is_set(sdp)) {
        struct text line = text_split(&sdp, '\n');
        if (!text_starts_with(line, TEXT("m=")))
            continue;
        text_word(&line);
        assert_int_equal(text_to_u32(text_word(&line), &ports[count++]), 0);
    }
}

/* @p expected with the ports of @p sdp put in. */
static void assert_sdp(struct text sdp, const char *expected)
{
    uint32_t ports[8] = {0};
    struct buffer filled = {0};
    ports_of(sdp, ports);
    for (const char *p = expected; *p; p++) {
        if (*p != '$') {
            buffer_append_char(&filled, *p);
            continue;
        }
        uint32_t port = ports[*++p - '0'];
        assert_true(port >= 30000 && port < 31000);
        if (p[1] == '+') {
            port++;
            p++;
        }
        buffer_append_u64(&filled, port);
    }
    if (!text_equal(sdp, buffer_text(&filled)))
        fail_msg("got\n%.*s\nexpected\n%.*s", TEXT_ARG(sdp), TEXT_ARG(buffer_text(&filled)));
    buffer_release(&filled);
}

static void offer_becomes(const char *flags, const char *sdp, const char *expected)
{
    struct world world;
    world_open(&world);
    begin_call(&world);
    assert_int_equal(pass_sdp(&world, true, true, "", 0, text_of(sdp), flags), 0);
    assert_sdp(buffer_text(&world.out), expected);
    world_close(&world);
}

static int offer_fails(const char *flags, const char *sdp)
{
    struct world world;
    world_open(&world);
    begin_call(&world);
    int error = pass_sdp(&world, true, true, "", 0, text_of(sdp), flags);
    assert_int_equal(world.out.n, 0);
    assert_int_equal(ports_in_use(&world), 0);
    world_close(&world);
    return error;
}

/* An offer and its answer: what each party reads. */
static void exchange_becomes(const char *flags, const char *offered, const char *offer_expected,
                             const char *answered, const char *answer_expected)
{
    struct world world;
    world_open(&world);
    begin_call(&world);
    assert_int_equal(pass_sdp(&world, true, true, "", 0, text_of(offered), flags), 0);
    assert_sdp(buffer_text(&world.out), offer_expected);
    assert_int_equal(pass_sdp(&world, false, false, "b", 0, text_of(answered), NULL), 0);
    assert_sdp(buffer_text(&world.out), answer_expected);
    world_close(&world);
}

/* GB/T 28181: y= and f= are no lines of RFC 8866, and s=Play is not a name. They stay. */
static void keeps_gb28181_lines(void **state)
{
    (void)state;
    offer_becomes(PUBLIC_TO_PRIVATE,
                  "v=0\r\no=34020000001320000001 0 0 IN IP4 192.0.2.1\r\ns=Play\r\n"
                  "c=IN IP4 192.0.2.1\r\nt=0 0\r\nm=video 6000 RTP/AVP 96 98 97\r\na=recvonly\r\n"
                  "a=rtpmap:96 PS/90000\r\na=rtpmap:98 H264/90000\r\na=rtpmap:97 MPEG4/90000\r\n"
                  "y=0100000001\r\nf=v/2/4///a///\r\n",
                  "v=0\r\no=34020000001320000001 0 0 IN IP4 10.1.0.20\r\ns=Play\r\n"
                  "c=IN IP4 10.1.0.20\r\nt=0 0\r\nm=video $0 RTP/AVP 96 98 97\r\na=recvonly\r\n"
                  "a=rtpmap:96 PS/90000\r\na=rtpmap:98 H264/90000\r\na=rtpmap:97 MPEG4/90000\r\n"
                  "y=0100000001\r\nf=v/2/4///a///\r\n");
}

static void keeps_what_it_does_not_know(void **state)
{
    (void)state;
    offer_becomes(
        PUBLIC_TO_PRIVATE,
        "v=0\no=- 1 1 IN IP4 192.0.2.1\ns= \nb=AS:84\nk=clear:x\na=tool:odd  \nX=?\n"
        "not a line\nt=0 0\nm=audio 4000 RTP/AVP 0\ni=voice\nc=IN IP4 192.0.2.1\nb=TIAS:64000\n"
        "a=silenceSupp:off - - - -\na=\nq\n",
        "v=0\no=- 1 1 IN IP4 10.1.0.20\ns= \nb=AS:84\nk=clear:x\na=tool:odd  \nX=?\n"
        "not a line\nt=0 0\nm=audio $0 RTP/AVP 0\ni=voice\nc=IN IP4 10.1.0.20\nb=TIAS:64000\n"
        "a=silenceSupp:off - - - -\na=\nq\n");
}

static void gives_each_stream_its_ports(void **state)
{
    (void)state;
    exchange_becomes(PUBLIC_TO_PRIVATE,
                     "v=0\r\no=a 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
                     "m=audio 4000 RTP/AVP 0\r\nm=video 4002 RTP/AVP 96\r\nc=IN IP4 192.0.2.2\r\n"
                     "a=rtpmap:96 H264/90000\r\na=rtcp:4010 IN IP4 192.0.2.3\r\n",
                     "v=0\r\no=a 1 1 IN IP4 10.1.0.20\r\ns=-\r\nc=IN IP4 10.1.0.20\r\nt=0 0\r\n"
                     "m=audio $0 RTP/AVP 0\r\nm=video $1 RTP/AVP 96\r\nc=IN IP4 10.1.0.20\r\n"
                     "a=rtpmap:96 H264/90000\r\na=rtcp:$1+ IN IP4 10.1.0.20\r\n",
                     "v=0\r\no=b 9 9 IN IP4 10.1.0.99\r\ns=-\r\nc=IN IP4 10.1.0.99\r\nt=0 0\r\n"
                     "m=audio 5000 RTP/AVP 0\r\nm=video 0 RTP/AVP 96\r\n",
                     "v=0\r\no=b 9 9 IN IP4 10.0.0.10\r\ns=-\r\nc=IN IP4 10.0.0.10\r\nt=0 0\r\n"
                     "m=audio $0 RTP/AVP 0\r\nm=video 0 RTP/AVP 96\r\n");
}

static void adds_a_connection_where_none_is(void **state)
{
    (void)state;
    offer_becomes(PUBLIC_TO_PRIVATE,
                  "v=0\r\no=a 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
                  "i=x\r\nb=AS:64\r\nm=audio 4002 RTP/AVP 0",
                  "v=0\r\no=a 1 1 IN IP4 10.1.0.20\r\ns=-\r\nt=0 0\r\nm=audio $0 RTP/AVP 0\r\n"
                  "i=x\r\nc=IN IP4 10.1.0.20\r\nb=AS:64\r\nm=audio $1 RTP/AVP 0\r\n"
                  "c=IN IP4 10.1.0.20\r\n");
}

/* Nothing that names an inside address, or a way around the relay, gets out. */
static void removes_what_would_leak(void **state)
{
    (void)state;
    offer_becomes(
        PUBLIC_TO_PRIVATE,
        "v=0\r\no=a 1 1 IN IP4 192.168.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE a\r\na=group:LS a\r\n"
        "a=ice-lite\r\na=ice-options:trickle\r\nm=audio 4000/2 RTP/AVP 0\r\nc=IN IP4 "
        "192.168.0.1/127\r\n"
        "c=IN IP4 192.168.0.2\r\na=mid:a\r\na=ice-ufrag:x\r\na=ice-pwd:y\r\n"
        "a=candidate:1 1 UDP 1 192.168.0.1 4000 typ host\r\na=remote-candidates:1 192.168.0.1 1\r\n"
        "a=end-of-candidates\r\na=source-filter: incl IN IP4 * 192.168.0.1\r\na=rtcp-mux\r\n"
        "a=rtcp-mux-only\r\na=rtcp:4001 IN IP4 192.168.0.1\r\na=rtcp-rsize\r\n",
        "v=0\r\no=a 1 1 IN IP4 10.1.0.20\r\ns=-\r\nt=0 0\r\na=group:LS a\r\n"
        "m=audio $0 RTP/AVP 0\r\nc=IN IP4 10.1.0.20\r\na=mid:a\r\na=rtcp-mux\r\n"
        "a=rtcp:$0+ IN IP4 10.1.0.20\r\na=rtcp-rsize\r\n");
}

static void says_ipv6_and_advertised_addresses(void **state)
{
    (void)state;
    exchange_becomes(
        "direction=public direction=cloud",
        "v=0\r\no=a 1 1 IN IP6 2001:db8::1\r\ns=-\r\nc=IN IP6 2001:db8::1\r\nt=0 0\r\n"
        "m=audio 4000 RTP/AVP 0\r\n",
        "v=0\r\no=a 1 1 IN IP4 203.0.113.7\r\ns=-\r\nc=IN IP4 203.0.113.7\r\nt=0 0\r\n"
        "m=audio $0 RTP/AVP 0\r\n",
        "v=0\r\no=b 1 1 IN IP4 10.2.0.99\r\ns=-\r\nc=IN IP4 10.2.0.99\r\nt=0 0\r\n"
        "m=audio 5000 RTP/AVP 0\r\n",
        "v=0\r\no=b 1 1 IN IP6 2001:db8::10\r\ns=-\r\nc=IN IP6 2001:db8::10\r\nt=0 0\r\n"
        "m=audio $0 RTP/AVP 0\r\n");
    offer_becomes("direction=private direction=public address-family=IP6",
                  "v=0\r\no=a 1 1 IN IP4 10.1.0.99\r\ns=-\r\nc=IN IP4 10.1.0.99\r\nt=0 0\r\n"
                  "m=audio 4000 RTP/AVP 0\r\n",
                  "v=0\r\no=a 1 1 IN IP6 2001:db8::10\r\ns=-\r\nc=IN IP6 2001:db8::10\r\nt=0 0\r\n"
                  "m=audio $0 RTP/AVP 0\r\n");
}

static void obeys_address_flags(void **state)
{
    (void)state;
    static const char offered[] =
        "v=0\r\no=a 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n"
        "m=audio 4000 RTP/AVP 0\r\na=sendonly\r\n";
    offer_becomes(PUBLIC_TO_PRIVATE, offered,
                  "v=0\r\no=a 1 1 IN IP4 10.1.0.20\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n"
                  "m=audio $0 RTP/AVP 0\r\na=sendonly\r\n");
    offer_becomes(PUBLIC_TO_PRIVATE "zero-address no-replace-origin", offered,
                  "v=0\r\no=a 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 10.1.0.20\r\nt=0 0\r\n"
                  "m=audio $0 RTP/AVP 0\r\na=sendonly\r\n");
    offer_becomes(PUBLIC_TO_PRIVATE "zero-address media-address=198.51.100.1 full-rtcp-attribute",
                  offered,
                  "v=0\r\no=a 1 1 IN IP4 10.1.0.20\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n"
                  "m=audio $0 RTP/AVP 0\r\na=sendonly\r\na=rtcp:$0+ IN IP4 198.51.100.1\r\n");
}

static const char codecs[] =
    "v=0\r\no=a 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
    "m=audio 4000 RTP/AVP 0 8 111 18 101\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 "
    "useinbandfec=1\r\n"
    "a=rtpmap:18 G729/8000\r\na=fmtp:18 annexb=no\r\na=rtpmap:101 telephone-event/8000\r\n"
    "a=fmtp:101 0-15\r\na=rtcp-fb:111 nack\r\na=ptime:20\r\n";

#define CODECS_HEAD                                                                                \
    "v=0\r\no=a 1 1 IN IP4 10.1.0.20\r\ns=-\r\nc=IN IP4 10.1.0.20\r\nt=0 0\r\nm=audio $0 RTP/AVP "

static void strips_codecs_with_their_lines(void **state)
{
    (void)state;
    offer_becomes(PUBLIC_TO_PRIVATE "codec-strip-opus codec-strip-g729", codecs,
                  CODECS_HEAD "0 8 101\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n"
                              "a=ptime:20\r\n");
    offer_becomes(PUBLIC_TO_PRIVATE "codec-mask=all,!PCMA,!telephone-event", codecs,
                  CODECS_HEAD "8 101\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n"
                              "a=ptime:20\r\n");
    offer_becomes(PUBLIC_TO_PRIVATE "codec-strip=all codec-offer=PCMA,PCMU", codecs,
                  CODECS_HEAD "8 0\r\na=ptime:20\r\n");
    offer_becomes(PUBLIC_TO_PRIVATE "codec-strip=all codec-except=[PCMA PCMU]", codecs,
                  CODECS_HEAD "0 8\r\na=ptime:20\r\n");
    offer_becomes(PUBLIC_TO_PRIVATE "codec-offer=opus/48000 codec-strip=PCMU", codecs,
                  CODECS_HEAD "111 8 18 101\r\na=rtpmap:111 opus/48000/2\r\n"
                              "a=fmtp:111 useinbandfec=1\r\na=rtpmap:18 G729/8000\r\n"
                              "a=fmtp:18 annexb=no\r\na=rtpmap:101 telephone-event/8000\r\n"
                              "a=fmtp:101 0-15\r\na=rtcp-fb:111 nack\r\na=ptime:20\r\n");
}

/* As rtpengine: a list that would be empty is given back whole. */
static void does_not_strip_the_last_codec(void **state)
{
    (void)state;
    offer_becomes(PUBLIC_TO_PRIVATE "codec-strip=all",
                  "v=0\r\no=a 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
                  "m=audio 4000 RTP/AVP 0 8\r\n",
                  CODECS_HEAD "0 8\r\n");
}

static void strips_a_retransmission_with_its_codec(void **state)
{
    (void)state;
    offer_becomes(
        PUBLIC_TO_PRIVATE "codec-strip=VP8",
        "v=0\r\no=a 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
        "m=video 4000 RTP/AVP 96 97 98\r\na=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\n"
        "a=fmtp:97 apt=96\r\na=rtpmap:98 H264/90000\r\n",
        "v=0\r\no=a 1 1 IN IP4 10.1.0.20\r\ns=-\r\nc=IN IP4 10.1.0.20\r\nt=0 0\r\n"
        "m=video $0 RTP/AVP 98\r\na=rtpmap:98 H264/90000\r\n");
}

static void translates_the_profile_and_back(void **state)
{
    (void)state;
    exchange_becomes(PUBLIC_TO_PRIVATE "RTP/AVP",
                     "v=0\r\no=a 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
                     "m=video 4000 RTP/AVPF 96\r\na=rtpmap:96 VP8/90000\r\na=rtcp-fb:* nack\r\n",
                     "v=0\r\no=a 1 1 IN IP4 10.1.0.20\r\ns=-\r\nc=IN IP4 10.1.0.20\r\nt=0 0\r\n"
                     "m=video $0 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n",
                     "v=0\r\no=b 1 1 IN IP4 10.1.0.99\r\ns=-\r\nc=IN IP4 10.1.0.99\r\nt=0 0\r\n"
                     "m=video 5000 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n",
                     "v=0\r\no=b 1 1 IN IP4 10.0.0.10\r\ns=-\r\nc=IN IP4 10.0.0.10\r\nt=0 0\r\n"
                     "m=video $0 RTP/AVPF 96\r\na=rtpmap:96 VP8/90000\r\n");
}

#define SAVP                                                                                       \
    "v=0\r\no=a 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"                    \
    "m=audio 4000 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x\r\n"

static void passes_srtp_through_but_does_not_make_it(void **state)
{
    (void)state;
    assert_int_equal(offer_fails(PUBLIC_TO_PRIVATE "RTP/AVP", SAVP), ERROR_UNSUPPORTED);
    offer_becomes(PUBLIC_TO_PRIVATE, SAVP,
                  "v=0\r\no=a 1 1 IN IP4 10.1.0.20\r\ns=-\r\nc=IN IP4 10.1.0.20\r\nt=0 0\r\n"
                  "m=audio $0 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x\r\n");
}

static void refuses_streams_that_are_not_udp(void **state)
{
    (void)state;
    offer_becomes(PUBLIC_TO_PRIVATE,
                  "v=0\r\no=a 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
                  "m=message 2855 TCP/MSRP *\r\na=path:msrp://192.0.2.1:2855/x;tcp\r\n"
                  "m=audio 4000 RTP/AVP 0\r\nm=image 4002 udptl t38\r\n",
                  "v=0\r\no=a 1 1 IN IP4 10.1.0.20\r\ns=-\r\nc=IN IP4 10.1.0.20\r\nt=0 0\r\n"
                  "m=message 0 TCP/MSRP *\r\n"
                  "m=audio $1 RTP/AVP 0\r\nm=image $2 udptl t38\r\n");
}

static void refuses_what_is_no_sdp(void **state)
{
    (void)state;
    assert_int_equal(offer_fails(NULL, ""), ERROR_SYNTAX);
    assert_int_equal(offer_fails(NULL, "hello"), ERROR_SYNTAX);
    assert_int_equal(offer_fails(NULL, "v=0\r\nm=audio\r\n"), ERROR_SYNTAX);
    assert_int_equal(offer_fails(NULL, "v=0\r\nm=audio 70000 RTP/AVP 0\r\n"), ERROR_SYNTAX);
    assert_int_equal(offer_fails(NULL, "v=0\r\nm=audio x RTP/AVP 0\r\n"), ERROR_SYNTAX);
    assert_int_equal(offer_fails("direction=nowhere", "v=0\r\nm=audio 4000 RTP/AVP 0\r\n"),
                     ERROR_NOT_FOUND);
    struct buffer many = {0};
    buffer_append(&many, TEXT("v=0\r\nc=IN IP4 192.0.2.1\r\n"));
    for (int i = 0; i < 17; i++)
        buffer_append(&many, TEXT("m=audio 4000 RTP/AVP 0\r\n"));
    buffer_append_char(&many, '\0');
    assert_int_equal(offer_fails(NULL, many.p), ERROR_LIMIT);
    buffer_release(&many);
}

/* RFC 5761 s5.1.1 and rtpengine's words for it: what the callee is offered, what the caller reads. */
static void mux_becomes(const char *flags, bool caller_has, bool callee_has, bool callee_reads,
                        bool caller_reads)
{
    struct world world;
    char sdp[512];
    world_open(&world);
    begin_call(&world);
    assert_int_equal(pass_sdp(&world, true, true, "", 0,
                              audio_sdp(sdp, "192.0.2.1:4000", caller_has ? "a=rtcp-mux\r\n" : ""),
                              flags),
                     0);
    struct text mux = TEXT("a=rtcp-mux\r\n");
    assert_int_equal(text_search(buffer_text(&world.out), mux) != NULL, callee_reads);
    answer(&world, "b", "10.1.0.99:5000", callee_has ? "a=rtcp-mux\r\n" : "");
    assert_int_equal(text_search(buffer_text(&world.out), mux) != NULL, caller_reads);
    world_close(&world);
}

static void negotiates_rtcp_mux(void **state)
{
    (void)state;
    mux_becomes(PUBLIC_TO_PRIVATE, true, true, true, true);
    mux_becomes(PUBLIC_TO_PRIVATE, true, false, true, false);
    mux_becomes(PUBLIC_TO_PRIVATE, false, false, false, false);
    mux_becomes(PUBLIC_TO_PRIVATE, false, true, false, false); /* not offered: not accepted */
    mux_becomes(PUBLIC_TO_PRIVATE "rtcp-mux-offer", false, true, true, false);
    mux_becomes(PUBLIC_TO_PRIVATE "rtcp-mux-require", false, false, true, false);
    mux_becomes(PUBLIC_TO_PRIVATE "rtcp-mux-demux", true, false, false, true);
    mux_becomes(PUBLIC_TO_PRIVATE "rtcp-mux-accept", true, false, true, true);
    mux_becomes(PUBLIC_TO_PRIVATE "rtcp-mux-reject", true, true, false, false);
    mux_becomes(PUBLIC_TO_PRIVATE "rtcp-mux-reject rtcp-mux-offer", true, true, true, false);
}

static void parses_what_it_must_know(void **state)
{
    (void)state;
    struct sdp sdp;
    struct arena arena = {0};
    assert_int_equal(
        sdp_parse(&sdp, &arena,
                  TEXT("v=0\r\nc=IN IP4 0.0.0.0\r\na=sendonly\r\n"
                       "m=audio 4000 RTP/AVP 0\r\nm=video 0 RTP/SAVPF 96 97\r\n"
                       "c=IN IP6 ::1\r\na=inactive\r\na=rtcp-mux\r\na=rtcp:77\r\n"
                       "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 phone.example\r\n"),
                  16),
        0);
    assert_int_equal(sdp.media_count, 3);
    assert_int_equal(sdp.media[0].protocol, SDP_AVP);
    assert_int_equal(sdp.media[0].direction, SDP_SENDONLY);
    assert_true(sdp_connection_of(&sdp, &sdp.media[0])->is_zero);
    assert_int_equal(sdp.media[1].protocol, SDP_SAVPF);
    assert_int_equal(sdp.media[1].direction, SDP_INACTIVE);
    assert_int_equal(sdp.media[1].connection.family, AF_INET6);
    assert_true(sdp.media[1].rtcp_mux && sdp.media[1].has_rtcp);
    assert_int_equal(sdp.media[1].rtcp_port, 77);
    assert_int_equal(sdp.media[2].protocol, SDP_TLS_SAVPF);
    assert_false(address_is_set(&sdp.media[2].connection.address));
    assert_true(text_equal(sdp.media[2].formats, TEXT("111")));
    arena_reset(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_gb28181_lines),
        cmocka_unit_test(keeps_what_it_does_not_know),
        cmocka_unit_test(gives_each_stream_its_ports),
        cmocka_unit_test(adds_a_connection_where_none_is),
        cmocka_unit_test(removes_what_would_leak),
        cmocka_unit_test(says_ipv6_and_advertised_addresses),
        cmocka_unit_test(obeys_address_flags),
        cmocka_unit_test(strips_codecs_with_their_lines),
        cmocka_unit_test(does_not_strip_the_last_codec),
        cmocka_unit_test(strips_a_retransmission_with_its_codec),
        cmocka_unit_test(translates_the_profile_and_back),
        cmocka_unit_test(passes_srtp_through_but_does_not_make_it),
        cmocka_unit_test(refuses_streams_that_are_not_udp),
        cmocka_unit_test(refuses_what_is_no_sdp),
        cmocka_unit_test(negotiates_rtcp_mux),
        cmocka_unit_test(parses_what_it_must_know),
    };
    return cmocka_run_group_tests_name("SDP rewriting", tests, NULL, NULL);
}

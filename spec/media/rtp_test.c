/* RTP and RTCP as the relay reads them (RFC 3550, RFC 5761). */
#include "base/error.h"
#include "media/rtcp.h"
#include "media/rtp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define CLASSIFY(literal) rtp_classify(TEXT(literal))

static void tells_packets_apart(void **state)
{
    (void)state;
    assert_int_equal(CLASSIFY("\x80\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00"), RTP_PACKET);
    assert_int_equal(CLASSIFY("\x80\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00"), RTP_NEITHER);
    assert_int_equal(CLASSIFY("\x81\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00"), RTP_NEITHER);
    assert_int_equal(CLASSIFY("\x80\xc8\x00\x01\x00\x00\x00\x00"), RTP_CONTROL);
    assert_int_equal(CLASSIFY("\x80\xdf\x00\x01\x00\x00\x00\x00"), RTP_CONTROL);
    assert_int_equal(CLASSIFY("\x80\xc0\x00\x01\x00\x00\x00\x00"), RTP_CONTROL);
    assert_int_equal(CLASSIFY("\x80\xc8\x00\x01\x00\x00\x00"), RTP_NEITHER);
    assert_int_equal(CLASSIFY("\x16\xfe\xff"), RTP_DTLS);
    assert_int_equal(CLASSIFY("\x00\x01\x00\x00\x21\x12\xa4\x42zzzz"), RTP_NEITHER); /* STUN */
    assert_int_equal(CLASSIFY("\x10\x00ZRTPzzzzzzzz"), RTP_NEITHER);
    assert_int_equal(rtp_classify(TEXT("")), RTP_NEITHER);
}

struct feed {
    struct rtp_source source;
    struct rtp_clocks clocks;
};

static void feed(struct feed *f, uint16_t sequence, uint32_t timestamp, uint32_t ssrc,
                 uint8_t payload, uint64_t now_us)
{
    char p[12] = {(char)0x80, (char)payload, (char)(sequence >> 8), (char)sequence};
    for (int i = 0; i < 4; i++) {
        p[4 + i] = (char)(timestamp >> (24 - 8 * i));
        p[8 + i] = (char)(ssrc >> (24 - 8 * i));
    }
    rtp_source_packet(&f->source, (struct text){p, 12}, &f->clocks, now_us);
}

static void counts_loss_across_the_wrap(void **state)
{
    (void)state;
    struct feed f = {0};
    for (uint32_t i = 65530; i < 65530 + 20; i++)
        if (i != 65535 && i != 65540)
            feed(&f, (uint16_t)i, i * 160, 1, 0, i * 20000);
    assert_int_equal(f.source.lost, 2);
    assert_int_equal(f.source.packets, 18);
    assert_int_equal(f.source.out_of_order, 0);
}

static void keeps_loss_when_the_source_starts_anew(void **state)
{
    (void)state;
    struct feed f = {0};
    feed(&f, 1, 0, 1, 0, 0);
    feed(&f, 3, 320, 1, 0, 40000);
    feed(&f, 30000, 480, 1, 0, 60000); /* a jump: restart, not 29,996 lost */
    feed(&f, 7, 0, 2, 0, 80000);       /* another SSRC */
    feed(&f, 9, 320, 2, 0, 120000);
    assert_int_equal(f.source.lost, 2);
    assert_int_equal(f.source.ssrc, 2);
}

static void tells_late_from_twice(void **state)
{
    (void)state;
    struct feed f = {0};
    static const uint16_t order[] = {10, 12, 11, 11, 12, 200, 199, 140, 13};
    for (size_t i = 0; i < sizeof order / sizeof *order; i++)
        feed(&f, order[i], order[i] * 160u, 1, 0, i * 20000);
    assert_int_equal(f.source.duplicates, 2);
    assert_int_equal(f.source.out_of_order, 4);
}

/* A.8 by hand: transits differ by 80 units (10 ms), so J = 80/16, then 5 + (80 - 5)/16. */
static void feed_payload(struct feed *f, uint8_t payload, unsigned count)
{
    char p[12] = {(char)0x80, (char)payload};
    for (; count; count--)
        rtp_source_packet(&f->source, (struct text){p, sizeof p}, &f->clocks, 0);
}

/* Keys and comfort noise between the speech are not its codec; another codec is, soon. */
static void names_the_codec_of_most_packets(void **state)
{
    struct feed f = {0};
    (void)state;
    feed_payload(&f, 101, 3);
    feed_payload(&f, 8, 50);
    assert_int_equal(f.source.main_payload, 8);
    feed_payload(&f, 101, 30);
    feed_payload(&f, 13, 5);
    assert_int_equal(f.source.main_payload, 8);
    feed_payload(&f, 8, 10000);
    feed_payload(&f, 0, 251);
    assert_int_equal(f.source.main_payload, 0);
}

static void estimates_jitter(void **state)
{
    (void)state;
    struct feed f = {0};
    feed(&f, 1, 0, 1, 0, 0);
    feed(&f, 2, 160, 1, 0, 20000);
    assert_int_equal(f.source.jitter_us, 0);
    feed(&f, 3, 320, 1, 0, 50000);
    assert_int_equal(f.source.jitter_us, 5 * 125);
    feed(&f, 4, 480, 1, 0, 60000);
    assert_int_equal(f.source.jitter_us, 9 * 125);
    feed(&f, 5, 480, 1, 0, 90000);       /* the same frame: says nothing */
    feed(&f, 6, 99999999, 1, 0, 100000); /* a timestamp that jumps: neither */
    assert_int_equal(f.source.jitter_us, 9 * 125);
}

static void knows_clocks(void **state)
{
    (void)state;
    assert_int_equal(rtp_static_clock(0), 8000);
    assert_int_equal(rtp_static_clock(9), 8000); /* G722, RFC 3551 s4.5.2 */
    assert_int_equal(rtp_static_clock(34), 90000);
    assert_int_equal(rtp_static_clock(96), 0);
    struct rtp_clocks clocks = {{{.hz = 48000, .payload = 111}, {.hz = 16000, .payload = 0}}};
    assert_int_equal(rtp_clock_of(&clocks, 111), 48000);
    assert_int_equal(rtp_clock_of(&clocks, 0), 16000);
    assert_int_equal(rtp_clock_of(&clocks, 8), 8000);
}

static void reads_compound_reports(void **state)
{
    (void)state;
    static const char compound[] = "\x81\xc8\x00\x0c"
                                   "\x00\x00\x00\x01"
                                   "\x01\x02\x03\x04\x05\x06\x07\x08"
                                   "\x00\x00\x00\x00"
                                   "\x00\x00\x00\x00"
                                   "\x00\x00\x00\x00"
                                   "\x00\x00\x00\x02"
                                   "\x80\xff\xff\xff"
                                   "\x00\x00\x00\x00"
                                   "\x00\x00\x00\x00"
                                   "\x0a\x0b\x0c\x0d"
                                   "\x00\x01\x00\x00"
                                   "\x81\xca\x00\x01"
                                   "\x00\x00\x00\x01";
    struct rtcp_report report;
    assert_int_equal(rtcp_parse(&report, (struct text){compound, sizeof compound - 1}), 0);
    assert_true(report.is_sender_report);
    assert_int_equal(report.ntp_middle, 0x03040506);
    assert_int_equal(report.block_count, 1);
    assert_int_equal(report.blocks[0].ssrc, 2);
    assert_int_equal(report.blocks[0].fraction, 128);
    assert_int_equal(report.blocks[0].lost, -1);
    assert_int_equal(report.blocks[0].last_sr, 0x0a0b0c0d);
    assert_int_equal(report.blocks[0].delay_65536, 65536);
    assert_int_equal(rtcp_parse(&report, (struct text){compound, sizeof compound - 2}),
                     ERROR_SYNTAX);
    assert_true(report.is_sender_report); /* what was whole is kept */
}

static void measures_round_trips(void **state)
{
    (void)state;
    struct rtcp_source source = {0};
    for (uint32_t i = 1; i <= 6; i++) /* the oldest two are forgotten */
        rtcp_source_sent(&source, &(struct rtcp_report){.is_sender_report = true, .ntp_middle = i},
                         i * 1000000);
    struct rtcp_report heard = {.block_count = 1};
    heard.blocks[0] = (struct rtcp_block){.last_sr = 5, .delay_65536 = 65536, .lost = 3};
    rtcp_source_packet(&source, &heard, 6030000);
    assert_int_equal(source.rtt_us, 30000);
    assert_int_equal(source.reported_lost, 3);
    heard.blocks[0].last_sr = 1;
    rtcp_source_packet(&source, &heard, 9000000);
    heard.blocks[0].last_sr = 6;
    heard.blocks[0].delay_65536 = UINT32_MAX; /* longer ago than it is: nonsense */
    rtcp_source_packet(&source, &heard, 9000000);
    assert_int_equal(source.rtt_us, 30000);
    assert_int_equal(source.packets, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_packets_apart),
        cmocka_unit_test(counts_loss_across_the_wrap),
        cmocka_unit_test(keeps_loss_when_the_source_starts_anew),
        cmocka_unit_test(tells_late_from_twice),
        cmocka_unit_test(names_the_codec_of_most_packets),
        cmocka_unit_test(estimates_jitter),
        cmocka_unit_test(knows_clocks),
        cmocka_unit_test(reads_compound_reports),
        cmocka_unit_test(measures_round_trips),
    };
    return cmocka_run_group_tests_name("RTP and RTCP", tests, NULL, NULL);
}

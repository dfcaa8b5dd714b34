/* Any bytes as a run of RTP and RTCP packets: a length byte before each. */
#include "media/rtcp.h"
#include "media/rtp.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct rtp_source source = {0};
    struct rtcp_source reports = {0};
    struct rtp_clocks clocks = {
        {{.hz = 90000, .payload = 96}, {.hz = RTP_CLOCK_MOST, .payload = 97}}};
    uint64_t now_us = 0;
    while (n) {
        size_t size = *bytes++;
        n--;
        size = size < n ? size : n;
        struct text packet = {(const char *)bytes, size};
        now_us += size * 997;
        if (rtp_classify(packet) == RTP_PACKET)
            rtp_source_packet(&source, packet, &clocks, now_us);
        struct rtcp_report report;
        rtcp_parse(&report, packet);
        rtcp_source_packet(&reports, &report, now_us);
        rtcp_source_sent(&reports, &report, now_us);
        bytes += size;
        n -= size;
    }
    return 0;
}

/* RTCP reports (RFC 3550 s6.4). */
#include "media/rtcp.h"

#include "base/error.h"
#include "media/rtp.h"

#define SENDER_REPORT   200
#define RECEIVER_REPORT 201
#define BLOCK_BYTES     24

static struct rtcp_block read_block(const char *p)
{
    uint32_t lost = rtp_read_u32(p + 4) & 0xffffff;
    return (struct rtcp_block){
        .ssrc = rtp_read_u32(p),
        .fraction = (uint8_t)p[4],
        .lost = lost & 0x800000 ? (int32_t)lost - 0x1000000 : (int32_t)lost,
        .last_sr = rtp_read_u32(p + 16),
        .delay_65536 = rtp_read_u32(p + 20),
    };
}

/* One packet of the compound. */
static void read_packet(struct rtcp_report *report, struct text packet)
{
    unsigned char type = (unsigned char)packet.p[1];
    size_t count = (unsigned char)packet.p[0] & 31;
    size_t at = type == SENDER_REPORT ? 28 : 8;
    if ((type != SENDER_REPORT && type != RECEIVER_REPORT) || packet.n < at)
        return;
    if (type == SENDER_REPORT) {
        report->is_sender_report = true;
        report->ntp_middle = rtp_read_u32(packet.p + 10);
    }
    for (; count && packet.n - at >= BLOCK_BYTES && report->block_count < RTCP_BLOCKS; count--) {
        report->blocks[report->block_count++] = read_block(packet.p + at);
        at += BLOCK_BYTES;
    }
}

int rtcp_parse(struct rtcp_report *report, struct text bytes)
{
    *report = (struct rtcp_report){.is_sender_report = false};
    while (bytes.n) {
        if (bytes.n < 4 || (unsigned char)bytes.p[0] >> 6 != 2)
            return ERROR_SYNTAX;
        size_t n = 4 * ((size_t)rtp_read_u16(bytes.p + 2) + 1);
        if (n > bytes.n)
            return ERROR_SYNTAX;
        read_packet(report, (struct text){bytes.p, n});
        bytes.p += n;
        bytes.n -= n;
    }
    return 0;
}

/* s6.4.1: now - LSR - DLSR, on our own clock: the time the report passed us stands for LSR. */
static void measure_rtt(struct rtcp_source *source, const struct rtcp_block *block, uint64_t now_us)
{
    for (size_t i = 0; block->last_sr && i < RTCP_SENDER_REPORTS; i++) {
        if (source->sent[i].ntp_middle != block->last_sr)
            continue;
        uint32_t passed_us = (uint32_t)now_us - source->sent[i].sent_us;
        uint64_t held_us = (uint64_t)block->delay_65536 * 1000000 / 65536;
        if (held_us <= passed_us)
            atomic_store_explicit(&source->rtt_us, passed_us - (uint32_t)held_us,
                                  memory_order_relaxed);
        return;
    }
}

void rtcp_source_packet(struct rtcp_source *source, const struct rtcp_report *report,
                        uint64_t now_us)
{
    uint64_t packets = atomic_load_explicit(&source->packets, memory_order_relaxed);
    atomic_store_explicit(&source->packets, packets + 1, memory_order_relaxed);
    if (report->block_count == 0)
        return;
    int32_t lost = 0;
    uint8_t fraction = 0;
    for (size_t i = 0; i < report->block_count; i++) {
        const struct rtcp_block *block = &report->blocks[i];
        lost += block->lost;
        fraction = block->fraction > fraction ? block->fraction : fraction;
        measure_rtt(source, block, now_us);
    }
    atomic_store_explicit(&source->reported_lost, lost, memory_order_relaxed);
    atomic_store_explicit(&source->reported_fraction, fraction, memory_order_relaxed);
}

void rtcp_source_sent(struct rtcp_source *source, const struct rtcp_report *report, uint64_t now_us)
{
    if (!report->is_sender_report)
        return;
    source->sent[source->next].ntp_middle = report->ntp_middle;
    source->sent[source->next].sent_us = (uint32_t)now_us;
    source->next = (uint8_t)((source->next + 1) % RTCP_SENDER_REPORTS);
}

/*
 * RTCP (RFC 3550 s6): what passes by tells the relay how each party hears the other, and how far
 * away it is: reported loss, and round-trip time from LSR and DLSR (s6.4.1).
 */
#pragma once

#include "base/text.h"

#include <stdatomic.h>

#define RTCP_HEADER_BYTES   8
#define RTCP_BLOCKS         4 /* report blocks read of one datagram; more are not needed */
#define RTCP_SENDER_REPORTS 2 /* remembered, so that a late receiver report finds its own */

/** One report block (s6.4.1). */
struct rtcp_block {
    uint32_t ssrc;        /**< about whom */
    uint8_t fraction;     /**< lost since the last report, of 256 */
    int32_t lost;         /**< cumulative, signed */
    uint32_t last_sr;     /**< LSR: middle of the NTP time of the report heard last, 0: none */
    uint32_t delay_65536; /**< DLSR: time since then, in 1/65536 s */
};

/** What a compound packet says. */
struct rtcp_report {
    bool is_sender_report;
    uint32_t ntp_middle; /**< of the sender report */
    struct rtcp_block blocks[RTCP_BLOCKS];
    size_t block_count;
};
/** @return 0 or ERROR_SYNTAX: lengths that do not add up; what was read before stays */
int rtcp_parse(struct rtcp_report *report, struct text bytes);

/** What one party's reports say of what was sent to it. Zero-initialised has heard none. */
struct rtcp_source {
    /* read by any thread */
    _Atomic uint64_t packets;
    _Atomic int32_t reported_lost;
    _Atomic uint32_t reported_fraction;
    _Atomic uint32_t rtt_us;
    /* the media thread's own: sender reports that went to this party */
    struct {
        uint32_t ntp_middle;
        uint32_t sent_us; /**< low bits of the loop's clock */
    } sent[RTCP_SENDER_REPORTS];
    uint8_t next; /**< oldest entry of sent */
};

/** A packet came from this party. */
void rtcp_source_packet(struct rtcp_source *source, const struct rtcp_report *report,
                        uint64_t now_us);
/** A packet went to this party. */
void rtcp_source_sent(struct rtcp_source *source, const struct rtcp_report *report,
                      uint64_t now_us);

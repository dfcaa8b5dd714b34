/*
 * RTP (RFC 3550): what the relay checks of a packet, and what it measures of a source: loss (A.3),
 * interarrival jitter (A.8), order. One media thread writes, any thread may read.
 */
#pragma once

#include "base/text.h"

#include <stdatomic.h>

#define RTP_HEADER_BYTES 12
#define RTP_CLOCKS       8
#define RTP_DYNAMIC      96 /* first dynamic payload type, RFC 3551 s6 */
#define RTP_CLOCK_MOST   0xffffff

/** What arrived, by its first bytes (RFC 7983 s7, RFC 5761 s4). */
enum rtp_kind {
    RTP_PACKET,
    RTP_CONTROL, /**< RTCP: packet types 192-223 */
    RTP_DTLS,
    RTP_NEITHER, /**< STUN, ZRTP, garbage, a header that does not fit */
};
enum rtp_kind rtp_classify(struct text bytes);

/** Clock of one dynamic payload type; hz 0: unused. */
struct rtp_clock {
    uint32_t hz : 24, payload : 8;
};
struct rtp_clocks {
    struct rtp_clock v[RTP_CLOCKS];
};
/** @return Hz by RFC 3551 s6, 0: not static */
uint32_t rtp_static_clock(uint8_t payload);
/** @return Hz, 0: unknown */
uint32_t rtp_clock_of(const struct rtp_clocks *clocks, uint8_t payload);

/** One party's RTP as it arrives. Zero-initialised has seen nothing. */
struct rtp_source {
    /* read by any thread */
    _Atomic uint64_t packets, bytes;
    _Atomic uint64_t out_of_order, duplicates;
    _Atomic int64_t lost;
    _Atomic uint32_t ssrc;
    _Atomic uint32_t jitter_us;
    _Atomic uint8_t main_payload; /**< payload type of most packets lately: speech, not its tones */
    /* the media thread's own */
    uint64_t seen;          /**< bit i: sequence number highest - i arrived */
    int64_t lost_before;    /**< of earlier SSRCs and sequence restarts */
    uint64_t received;      /**< since base */
    uint32_t cycles;        /**< sequence number wraps, shifted by 16 */
    uint32_t timestamp;     /**< of the last packet */
    uint32_t transit;       /**< arrival minus timestamp of the last packet, in clock units */
    uint32_t jitter_16;     /**< 16 times the estimate, in clock units (A.8) */
    uint16_t base, highest; /**< sequence numbers */
    uint8_t payload;        /**< of the last packet */
    uint8_t votes;          /**< packets of main_payload ahead of others, see rtp.c */
    bool is_started;
};

/** Count a packet that rtp_classify() called RTP_PACKET. */
void rtp_source_packet(struct rtp_source *source, struct text bytes,
                       const struct rtp_clocks *clocks, uint64_t now_us);

static inline uint32_t rtp_read_u32(const char *p)
{
    const unsigned char *u = (const unsigned char *)p;
    return (uint32_t)u[0] << 24 | (uint32_t)u[1] << 16 | (uint32_t)u[2] << 8 | u[3];
}
static inline uint16_t rtp_read_u16(const char *p)
{
    const unsigned char *u = (const unsigned char *)p;
    return (uint16_t)(u[0] << 8 | u[1]);
}

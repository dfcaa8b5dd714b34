/* RTP checks and per-source statistics (RFC 3550 s6.4.1, A.1, A.3, A.8). */
#include "media/rtp.h"

#define RESTART_GAP  3000 /* A.1 MAX_DROPOUT: a jump beyond it is a new beginning, not loss */
#define PAYLOAD_NONE 255  /* no packet to compare with */
#define LEAD_MOST    250  /* packets: five seconds of speech */
#define SEEN_BITS    64   /* how far back a late packet is told from a duplicate */

/* Relaxed store of a value with one writer. */
#define PUBLISH(field, value) atomic_store_explicit(&(field), (value), memory_order_relaxed)
#define READ_OWN(field)       atomic_load_explicit(&(field), memory_order_relaxed)
#define ADD_OWN(field, n)     PUBLISH(field, READ_OWN(field) + (n))

enum rtp_kind rtp_classify(struct text bytes)
{
    if (bytes.n == 0)
        return RTP_NEITHER;
    unsigned char first = (unsigned char)bytes.p[0];
    if (first >= 20 && first <= 63)
        return RTP_DTLS;
    if (first >> 6 != 2 || bytes.n < 8)
        return RTP_NEITHER;
    unsigned char second = (unsigned char)bytes.p[1];
    if (second >= 192 && second <= 223)
        return RTP_CONTROL;
    size_t header = RTP_HEADER_BYTES + 4u * (first & 15u);
    return bytes.n >= header ? RTP_PACKET : RTP_NEITHER;
}

uint32_t rtp_static_clock(uint8_t payload)
{
    switch (payload) {
    case 6: return 16000;
    case 10:
    case 11: return 44100;
    case 16: return 11025;
    case 17: return 22050;
    case 14:
    case 25:
    case 26:
    case 28:
    case 31:
    case 32:
    case 33:
    case 34: return 90000;
    default: return payload <= 18 && payload != 1 && payload != 2 ? 8000 : 0;
    }
}

uint32_t rtp_clock_of(const struct rtp_clocks *clocks, uint8_t payload)
{
    for (size_t i = 0; i < RTP_CLOCKS && clocks->v[i].hz; i++)
        if (clocks->v[i].payload == payload)
            return clocks->v[i].hz;
    return rtp_static_clock(payload);
}

/* Begin to count sequence numbers at @p sequence. */
static void restart(struct rtp_source *source, uint16_t sequence)
{
    source->lost_before = READ_OWN(source->lost);
    source->base = source->highest = sequence;
    source->cycles = 0;
    source->received = 0;
    source->seen = 1;
    source->is_started = true;
}

/* A packet behind the highest one. */
static void note_late(struct rtp_source *source, unsigned behind)
{
    if (behind < SEEN_BITS && source->seen >> behind & 1) {
        ADD_OWN(source->duplicates, 1);
        return;
    }
    ADD_OWN(source->out_of_order, 1);
    if (behind < SEEN_BITS)
        source->seen |= (uint64_t)1 << behind;
}

/* A.1 and A.3: extended sequence number and loss. */
static void note_sequence(struct rtp_source *source, uint16_t sequence)
{
    uint16_t ahead = (uint16_t)(sequence - source->highest);
    uint16_t behind = (uint16_t)(source->highest - sequence);
    if (!source->is_started || (ahead >= RESTART_GAP && behind >= RESTART_GAP)) {
        restart(source, sequence);
    } else if (ahead == 0 || ahead >= RESTART_GAP) {
        note_late(source, behind);
    } else {
        if (sequence < source->highest)
            source->cycles += 65536;
        source->highest = sequence;
        source->seen = ahead < SEEN_BITS ? source->seen << ahead | 1 : 1;
    }
    source->received++;
    int64_t expected = (int64_t)source->cycles + source->highest - source->base + 1;
    PUBLISH(source->lost, source->lost_before + expected - (int64_t)source->received);
}

/*
 * A.8. Packets that repeat a timestamp (a video frame, an RFC 4733 event) leave together on
 * purpose, so they say nothing about the network and are left out.
 */
static void note_jitter(struct rtp_source *source, uint32_t timestamp, uint8_t payload, uint32_t hz,
                        uint64_t now_us)
{
    uint32_t transit =
        (uint32_t)(now_us / 1000000 * hz + now_us % 1000000 * hz / 1000000) - timestamp;
    bool is_comparable = source->payload == payload && source->timestamp != timestamp;
    if (is_comparable) {
        int32_t difference = (int32_t)(transit - source->transit);
        uint32_t d = difference < 0 ? 0u - (uint32_t)difference : (uint32_t)difference;
        if (d < 10 * hz) { /* a timestamp that jumps is a new beginning */
            source->jitter_16 += d - ((source->jitter_16 + 8) >> 4);
            PUBLISH(source->jitter_us,
                    (uint32_t)((uint64_t)(source->jitter_16 >> 4) * 1000000 / hz));
        }
    }
    if (source->timestamp != timestamp || source->payload != payload)
        source->transit = transit;
    source->timestamp = timestamp;
    source->payload = payload;
}

/*
 * A majority vote (Boyer and Moore): DTMF and comfort noise between the speech do not win it, another
 * codec does after as many packets as the lead may have.
 */
static void note_payload(struct rtp_source *source, uint8_t payload)
{
    if (source->votes && READ_OWN(source->main_payload) != payload) {
        source->votes--;
        return;
    }
    PUBLISH(source->main_payload, payload);
    if (source->votes < LEAD_MOST)
        source->votes++;
}

void rtp_source_packet(struct rtp_source *source, struct text bytes,
                       const struct rtp_clocks *clocks, uint64_t now_us)
{
    uint32_t ssrc = rtp_read_u32(bytes.p + 8);
    if (ssrc != READ_OWN(source->ssrc)) {
        PUBLISH(source->ssrc, ssrc);
        source->is_started = false;
        source->jitter_16 = 0;
    }
    bool is_first = !source->is_started;
    ADD_OWN(source->packets, 1);
    ADD_OWN(source->bytes, bytes.n);
    note_sequence(source, rtp_read_u16(bytes.p + 2));
    uint8_t payload = (uint8_t)bytes.p[1] & 127;
    note_payload(source, payload);
    if (is_first)
        source->payload = PAYLOAD_NONE;
    uint32_t hz = rtp_clock_of(clocks, payload);
    if (hz)
        note_jitter(source, rtp_read_u32(bytes.p + 4), payload, hz, now_us);
}

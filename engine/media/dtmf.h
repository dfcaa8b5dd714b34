/* DTMF among the RTP of a party (RFC 4733 s2.3): each digit once, when it has ended. */
#pragma once

#include "base/text.h"

/** One party's telephone-events as they arrive. Zero-initialised has seen nothing. */
struct dtmf_source {
    uint32_t timestamp; /**< of the event that was seen last: its name (s2.5.1.2) */
    uint16_t duration;  /**< of it so far, in clock units */
    char digit;         /**< 0: none was seen */
    bool is_told;
};

/** A digit that has ended. */
struct dtmf_digit {
    char digit; /**< 0-9, *, #, A-D */
    uint16_t duration;
};

/**
 * A packet of a telephone-event payload type that rtp_classify() called RTP_PACKET. Three packets
 * tell the end of a digit; if all of them are lost the next digit's beginning does.
 * @return true: @p digit is filled
 */
bool dtmf_packet(struct dtmf_source *source, struct text bytes, struct dtmf_digit *digit);

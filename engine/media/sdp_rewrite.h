/*
 * Printing an SDP for the other party: the received lines, with ours in the place of those that
 * carry addresses, ports or codecs. What is not named here leaves as it came, byte for byte.
 */
#pragma once

#include "base/buffer.h"
#include "media/flags.h"
#include "media/sdp.h"

/** What one m= line becomes. */
struct sdp_media_plan {
    bool is_rejected;         /**< port 0 */
    bool drops_attributes;    /**< we cannot carry it: what it says of itself only leaks */
    uint16_t port, rtcp_port; /**< ours */
    struct text address;      /**< printed in c= */
    bool is_ipv6;             /**< of address */
    bool rtcp_mux;            /**< print a=rtcp-mux */
    struct text protocol;     /**< instead of the sender's; absent: leave it */
    bool drops_feedback;      /**< no a=rtcp-fb: the receiver's profile has none */
};

/** What the whole becomes. */
struct sdp_plan {
    struct text origin; /**< address for o=; absent: leave it */
    bool origin_is_ipv6;
    bool prints_zero; /**< keep 0.0.0.0 where the sender wrote it */
    bool no_rtcp_attribute, full_rtcp_attribute;
    const struct media_flags *codecs;   /**< flags whose codec rules apply; NULL: none */
    const struct sdp_media_plan *media; /**< one for each m= line */
};

/** Append the new SDP to @p out, whose error tells whether it all fitted. */
void sdp_rewrite(const struct sdp *sdp, const struct sdp_plan *plan, struct buffer *out);

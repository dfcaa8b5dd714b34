/* What negotiate.c finds out about an SDP and plan.c turns into the SDP of the other party. */
#pragma once

#include "media/agree.h"
#include "media/sdp_rewrite.h"

/** One SDP on its way through. */
struct passage {
    /* inputs */
    struct media_call *call;
    const struct media_sdp_request *request;
    bool is_offer; /**< else an answer */
    /* what it is about */
    struct sdp sdp;             /**< as received */
    struct media_leg *sender;   /**< who sent it */
    struct media_leg *receiver; /**< NULL: not known yet, in a first offer */
    struct media_branch *sender_branch, *receiver_branch; /**< the ports they see */
    const struct media_flags *flags;                      /**< NULL: none were ever said */
    bool is_own;   /**< flags were said for this sender, not for the other */
    uint32_t bits; /**< of flags, as far as they apply */
    /* verdicts, by m= line, in the arena */
    struct leg_stream *said;
    uint8_t *exchange; /**< enum exchange_bit */
    struct sdp_media_plan *plans;
    struct media_opening opening; /**< ports bound by this offer */
    struct arena arena;           /**< reset when the SDP has passed */
};

/** Plan every m= line and print the SDP for the receiver. @return 0, ERROR_MEMORY, ERROR_UNSUPPORTED */
int media_plan_and_print(struct passage *passage, struct buffer *out);

/*
 * One party of a call as seen from between the two: what it takes to send it a request of our own
 * (RFC 3261 s12.1, s12.2.1.1).
 */
#pragma once

#include "base/text.h"
#include "sip/message.h"

/** Zero-initialised knows nothing. Texts are owned by the side, in one block. */
struct dialog_side {
    const struct listener *listener; /**< our socket towards it; borrowed */
    struct text target;              /**< its Contact URI; absent: not known */
    struct text route;               /**< Route values to it, the nearest first; absent: none */
    uint32_t
        cseq; /**< highest CSeq number of the requests sent to it, as dialog_sides() tells it; 0: none */
};

/**
 * The party said @p message: its Contact is the target from now on (target refresh, s12.2). Nothing
 * changes without a Contact, or without memory.
 * @param route  its route set, see above; absent: the one known stays (s12.2 never changes it)
 */
void dialog_side_learn(struct dialog_side *side, struct message *message, struct text route);
/** A request with this number was sent to it. */
void dialog_side_count(struct dialog_side *side, uint32_t cseq);
void dialog_side_release(struct dialog_side *side);

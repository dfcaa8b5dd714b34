/*
 * The legs of one dialog: one per To tag that answered the INVITE (forking, RFC 3261 s12, s13.2.2.4).
 * A leg that ended is kept until its dialog ends, so that a late 2xx cannot bring it back.
 */
#pragma once

#include "base/text.h"
#include "dialog/dialog.h"
#include "dialog/side.h"

/**
 * Requests of our own took numbers between those of a party: what it numbers above <from> is sent on with
 * <above> more, what came before with <below> more. Older ones never come again.
 */
struct cseq_shift {
    uint32_t from, below, above;
};

struct dialog_leg {
    struct dialog_leg *next;
    struct dialog_side callee;
    uint32_t caller_cseq; /**< highest CSeq number of the callee's requests; 0: none */
    struct cseq_shift to_callee, to_caller;
    enum dialog_state state; /**< EARLY, CONFIRMED or TERMINATED */
    uint32_t tag_bytes;
    char tag[]; /**< To tag of the callee; empty when it sent none (RFC 2543) */
};

/** In order of first response; zero-initialised is empty. */
struct dialog_legs {
    struct dialog_leg *first;
    uint16_t count;     /**< all that are remembered */
    uint16_t confirmed; /**< of them, in state CONFIRMED */
};

static inline struct text dialog_leg_tag(const struct dialog_leg *leg)
{
    return (struct text){leg->tag, leg->tag_bytes};
}

/** @return leg with that tag, returned borrowed, or NULL */
struct dialog_leg *dialog_legs_find(const struct dialog_legs *legs, struct text tag);
/**
 * Remember a leg, in state EARLY. At @p most legs the oldest early one makes room when
 * @p may_replace (a 2xx matters more than a ringing branch).
 * @return 0, ERROR_LIMIT, ERROR_MEMORY; *legp returned borrowed
 */
int dialog_legs_add(struct dialog_leg **legp, struct dialog_legs *legs, struct text tag,
                    uint64_t most, bool may_replace);
/** Move a leg on; a terminated leg stays terminated. @return true when it moved */
bool dialog_legs_set(struct dialog_legs *legs, struct dialog_leg *leg, enum dialog_state state);
/** Forget all. */
void dialog_legs_release(struct dialog_legs *legs);

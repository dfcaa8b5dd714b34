/*
 * Call-IDs that hidden calls show to callees instead of the caller's (topology.c), of all workers: a
 * request of one call may name another in Replaces (RFC 3891), which another worker may own.
 */
#pragma once

#include "base/buffer.h"

struct masks; /* counted, with a lock of its own */
struct mask;  /* of one call */

/** @return 0 or ERROR_MEMORY; *masksp returned owned */
int masks_create(struct masks **masksp);

/** What is known of a hidden call. Texts are copied. */
struct mask_terms {
    struct text real;       /**< the caller's Call-ID */
    struct text masked;     /**< what callees are shown */
    struct text caller_tag; /**< the caller's: knows the real one */
    struct text
        interfaces; /**< joined by ",", where callees are shown the masked one; absent: all */
};
/** @return NULL without memory; returned owned, to be given back by masks_remove() */
struct mask *masks_add(struct masks *masks, const struct mask_terms *terms);
/** Accepts NULL. */
void masks_remove(struct masks *masks, struct mask *mask);
/**
 * By which Call-ID somebody knows a hidden call.
 * @param call_id    either of its two
 * @param tag        whose it is; absent: not the caller's
 * @param interface  through which that party is reached
 * @param out        gets the Call-ID where it is another than @p call_id
 * @return false: it is of no hidden call, or that one already
 */
bool masks_translate(struct masks *masks, struct text call_id, struct text tag,
                     struct text interface, struct buffer *out);

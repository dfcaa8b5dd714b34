/*
 * What was seen lately: small values by a key, for all workers, of bounded number. When there are too
 * many, the one that came first goes, whatever it is. What goes leaves its stamp behind, so that the
 * owner can tell "never seen" from "perhaps forgotten". Sharded, a lock each.
 */
#pragma once

#include "base/hash.h"

struct recent; /* counted */

/** @param value_bytes  of each value. @return 0 or ERROR_MEMORY */
int recent_create(struct recent **recentp, const struct hash_key *key, size_t value_bytes);

/** One use of a key. */
struct recent_use {
    struct text key;
    uint64_t now_ms;
    uint64_t expires_ms; /**< of an entry that is made now */
    uint64_t stamp;      /**< likewise: its owner's, the later the higher */
    uint64_t most;       /**< entries of the whole store */
    uint64_t forgotten;  /**< out: entries that went before their time for this one */
};
/**
 * Looks at a value, or fills in a new one (zeroed), under the shard's lock.
 * @param lost_stamp  highest stamp that was forgotten; 0: none ever was
 * @return 0; an error ends recent_visit() with it, and a new entry is not kept
 */
typedef int recent_visitor(void *arg, void *value, bool is_new, uint64_t lost_stamp);
/** Find the entry of a key, or make it. @return 0, ERROR_MEMORY or what @p visit returned */
int recent_visit(struct recent *recent, struct recent_use *use, recent_visitor *visit, void *arg);
/** Copy a value out. @return 0 or ERROR_NOT_FOUND */
int recent_get(struct recent *recent, struct text key, uint64_t now_ms, void *value);
void recent_remove(struct recent *recent, struct text key);
/** Entries now, expired ones that nobody met yet included. */
size_t recent_count(struct recent *recent);

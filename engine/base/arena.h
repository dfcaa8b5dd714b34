/* Memory of one message or one handler run: many small pieces, all released at once. */
#pragma once

#include "base/text.h"

/** Grows in chunks; every piece lives until arena_reset(). Zero-initialised is empty and ready. */
struct arena {
    struct arena_chunk *chunks; /**< newest first; owned */
    char *at;                   /**< next free byte of the newest chunk */
    char *end;                  /**< its end */
};

/** @return @p size_bytes aligned for any type, not zeroed; NULL without memory */
void *arena_alloc(struct arena *arena, size_t size_bytes);
/** Like arena_alloc(), zeroed. */
void *arena_zalloc(struct arena *arena, size_t size_bytes);
/** Copy @p t; absent stays absent. A copy that found no memory is absent. */
struct text arena_copy(struct arena *arena, struct text t);
/** printf into the arena; absent without memory. */
struct text arena_printf(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/** Give everything back. */
void arena_reset(struct arena *arena);
/**
 * Let an empty arena use @p block first, so that an object and its arena are one allocation.
 * @param block  outlives the arena, which never frees it
 */
void arena_lend(struct arena *arena, void *block, size_t size_bytes);

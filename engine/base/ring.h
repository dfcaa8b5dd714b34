/*
 * A bounded lock-free queue of pointers: many threads push, one or many pop (Vyukov's array queue:
 * each cell carries the turn in which it may be written or read). Bounded, so a reader that falls
 * behind makes pushes fail, which the pusher counts.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct ring;

/** @param size  entries, a power of two. @return 0 or ERROR_MEMORY, ERROR_ARGUMENT */
int ring_create(struct ring **ringp, size_t size);
/** @return false when full; the entry is then still the caller's */
bool ring_push(struct ring *ring, void *entry);
/** @return oldest entry, NULL when empty */
void *ring_pop(struct ring *ring);
/** Release with memory_release(). */

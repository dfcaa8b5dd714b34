/*
 * Counted objects. memory_alloc() gives zeroed memory with one reference and a destructor that is
 * the list of what the object owns; memory_release() of the last reference runs it. Counts are
 * atomic, so that threads may share an object, but for those of memory_alloc_local().
 *
 * Every allocation of the engine passes memory_raw() or memory_alloc(), which tests can make fail:
 * memory_fail_after(n) lets n more succeed on this thread and then none, until memory_fail_never().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Releases what @p object owns; the object itself is freed by the caller. */
typedef void memory_destructor(void *object);

/** @return zeroed @p size_bytes with one reference, returned owned; NULL without memory */
void *memory_alloc(size_t size_bytes, memory_destructor *destructor);
/** Like memory_alloc(), with @p room_bytes behind the object that are not zeroed. */
void *memory_alloc_room(size_t size_bytes, size_t room_bytes, memory_destructor *destructor);
/**
 * Like memory_alloc_room(), for what one thread has at a time, as a worker has its messages and
 * transactions: its references are counted without a locked instruction, of which a call took some
 * hundred. It may go to another thread as a whole.
 */
void *memory_alloc_local(size_t size_bytes, size_t room_bytes, memory_destructor *destructor);
/** Take one more reference. @return @p object */
void *memory_ref(void *object);
/** Give one reference back; accepts NULL. @return NULL, so that `p = memory_release(p)` reads well */
void *memory_release(void *object);

/**
 * Should this thread keep some of the blocks of released objects, and make its next objects of them? For
 * one that makes and releases objects all the time; false before it ends. Sanitized builds never do.
 */
void memory_recycle(bool is_wanted);

/** malloc that tests can make fail; released by memory_free_raw(). */
void *memory_raw(size_t size_bytes);
void *memory_raw_resize(void *block, size_t size_bytes);
void memory_free_raw(void *block);

/**
 * Give what is free back to the system: what this thread keeps at hand (memory_trim_thread), then of
 * all threads. Costs as much as there is to give back; for quiet moments after much was released.
 */
void memory_trim_thread(void);
void memory_trim(void);

/**
 * Where this thread's allocations come from, and let another thread's come from there, too: one that
 * is made for a piece of work and gone after it would leave holes elsewhere.
 * @return a number for memory_use_place(); MEMORY_ANYWHERE where the allocator has no such places
 */
unsigned memory_place(void);
void memory_use_place(unsigned place);
#define MEMORY_ANYWHERE (~0u)

/** Counted objects alive in this process now. */
uint64_t memory_live(void);

/** For memory that comes from elsewhere: is this allocation one that a test makes fail? */
bool memory_must_fail(void);
/** Let @p n more allocations of this thread succeed, then fail every one. */
void memory_fail_after(uint64_t n);
void memory_fail_never(void);

/* Counted objects over malloc, with a count of the living and a switch that makes the nth fail. */
#include "base/memory.h"

#include "base/error.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define LIVE_LINES   128
#define MAGIC_SHARED 0x6d65u /* "me": a freed or foreign block has neither */
#define MAGIC_LOCAL  0x6c6fu /* "lo" */

/* The count is no _Atomic: the thread sanitizer sees when a local object is not. */
struct block {
    union {
        memory_destructor *destructor;
        struct block *next; /* of a free one that is kept */
    };
    uint32_t references;
    uint16_t magic;
    uint16_t grains; /* size class; 0: too large for any */
};

/*
 * Free blocks that a recycling thread keeps, by size: a message and its edits live so briefly that the
 * next one is made in memory which the caches still have.
 */
#define GRAIN_BYTES 64u
#define KEPT_SIZES  64u /* up to 4 KiB */
#define KEPT_MOST   16u /* of a size */
static _Thread_local struct kept {
    struct block *first;
    unsigned count;
} kept[KEPT_SIZES];
static _Thread_local unsigned kept_most; /* 0: this thread does not recycle */

/*
 * The count of the living is a property of the process, as malloc is: tests ask it at their end.
 * Each thread counts on a cache line of its own, without a locked instruction; the last line is
 * shared by all threads that find none left. A line goes below zero when its thread releases what
 * others made.
 */
static struct {
    _Alignas(64) _Atomic int64_t count;
} live_lines[LIVE_LINES];
static _Atomic unsigned threads_seen;
static _Thread_local _Atomic int64_t *own_count; /* NULL: not yet chosen, or none left */
static _Thread_local bool is_seen;

/* Test switch: per thread, so that one test cannot starve another thread's engine. */
static _Thread_local bool fail_armed;
static _Thread_local uint64_t fail_remaining;

static __attribute__((cold, noinline)) bool fails_now(void)
{
    if (fail_remaining == 0)
        return true;
    fail_remaining--;
    return false;
}

bool memory_must_fail(void)
{
    return fail_armed && fails_now();
}

static __attribute__((cold, noinline)) void count_shared(int64_t change)
{
    if (!is_seen) {
        unsigned before = atomic_fetch_add_explicit(&threads_seen, 1, memory_order_relaxed);
        is_seen = true;
        if (before < LIVE_LINES - 1)
            own_count = &live_lines[before].count;
    }
    _Atomic int64_t *count = own_count ? own_count : &live_lines[LIVE_LINES - 1].count;
    atomic_fetch_add_explicit(count, change, memory_order_relaxed);
}

static inline void count_living(int64_t change)
{
    _Atomic int64_t *count = own_count;
    if (count)
        atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + change,
                              memory_order_relaxed);
    else
        count_shared(change);
}

static struct block *block_of(void *object)
{
    return (struct block *)object - 1;
}

static struct block *take_block(size_t size_bytes)
{
    size_t grains = (size_bytes + GRAIN_BYTES - 1) / GRAIN_BYTES;
    if (grains >= KEPT_SIZES) {
        struct block *large = malloc(size_bytes);
        if (large)
            large->grains = 0;
        return large;
    }
    struct kept *size = &kept[grains];
    struct block *block = size->first;
    if (block) {
        size->first = block->next;
        size->count--;
        return block;
    }
    block = malloc(grains * GRAIN_BYTES);
    if (block)
        block->grains = (uint16_t)grains;
    return block;
}

static void give_block(struct block *block)
{
    struct kept *size = &kept[block->grains];
    if (!block->grains || size->count >= kept_most) {
        free(block);
        return;
    }
    block->next = size->first;
    size->first = block;
    size->count++;
}

static void free_kept(void)
{
    for (size_t i = 0; i < KEPT_SIZES; i++) {
        for (struct block *block = kept[i].first, *next; block; block = next) {
            next = block->next;
            free(block);
        }
        kept[i] = (struct kept){0};
    }
}

void memory_recycle(bool is_wanted)
{
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    kept_most = is_wanted ? KEPT_MOST : 0;
#else
    (void)is_wanted; /* the sanitizers shall see a use after release */
#endif
    if (!is_wanted)
        free_kept();
}

static void *alloc_block(size_t size_bytes, size_t room_bytes, memory_destructor *destructor,
                         uint16_t magic)
{
    if (memory_must_fail())
        return NULL;
    struct block *block = take_block(sizeof *block + size_bytes + room_bytes);
    if (!block)
        return NULL;
    block->destructor = destructor;
    block->references = 1;
    block->magic = magic;
    count_living(1);
    return memset(block + 1, 0, size_bytes);
}

void *memory_alloc_room(size_t size_bytes, size_t room_bytes, memory_destructor *destructor)
{
    return alloc_block(size_bytes, room_bytes, destructor, MAGIC_SHARED);
}

void *memory_alloc_local(size_t size_bytes, size_t room_bytes, memory_destructor *destructor)
{
    return alloc_block(size_bytes, room_bytes, destructor, MAGIC_LOCAL);
}

void *memory_alloc(size_t size_bytes, memory_destructor *destructor)
{
    return memory_alloc_room(size_bytes, 0, destructor);
}

/* Asked for from so many places: not to be copied into each of them. */
__attribute__((noinline)) void *memory_ref(void *object)
{
    if (!object)
        return NULL;
    struct block *block = block_of(object);
    if (block->magic == MAGIC_LOCAL) {
        block->references++;
        return object;
    }
    engine_require(block->magic == MAGIC_SHARED);
    __atomic_fetch_add(&block->references, 1, __ATOMIC_RELAXED);
    return object;
}

/* Give back one reference. @return whether it was the last */
static bool is_last(struct block *block)
{
    if (block->magic == MAGIC_LOCAL)
        return --block->references == 0;
    engine_require(block->magic == MAGIC_SHARED);
    /* Who holds the only reference is alone: nobody could make another one meanwhile. */
    return __atomic_load_n(&block->references, __ATOMIC_ACQUIRE) == 1 ||
           __atomic_fetch_sub(&block->references, 1, __ATOMIC_ACQ_REL) == 1;
}

__attribute__((noinline)) void *memory_release(void *object)
{
    if (!object)
        return NULL;
    struct block *block = block_of(object);
    if (!is_last(block))
        return NULL;
    if (block->destructor)
        block->destructor(object);
    block->magic = 0;
    count_living(-1);
    give_block(block);
    return NULL;
}

void *memory_raw(size_t size_bytes)
{
    return memory_must_fail() ? NULL : malloc(size_bytes ? size_bytes : 1);
}

void *memory_raw_resize(void *block, size_t size_bytes)
{
    return memory_must_fail() ? NULL : realloc(block, size_bytes ? size_bytes : 1);
}

void memory_free_raw(void *block)
{
    if (block) /* half of those that ask have none: the allocator need not hear of it */
        free(block);
}

/* jemalloc, where the process has it; else the C library's allocator serves. */
#define EVERY_ARENA "4096" /* MALLCTL_ARENAS_ALL */
int mallctl(const char *name, void *old, size_t *old_bytes, void *new, size_t new_bytes)
    __attribute__((weak));

void memory_trim_thread(void)
{
    free_kept();
    if (mallctl)
        mallctl("thread.tcache.flush", NULL, NULL, NULL, 0);
}

void memory_trim(void)
{
    memory_trim_thread();
    if (mallctl)
        mallctl("arena." EVERY_ARENA ".purge", NULL, NULL, NULL, 0);
    else
        malloc_trim(0);
}

unsigned memory_place(void)
{
    unsigned arena = MEMORY_ANYWHERE;
    size_t size_bytes = sizeof arena;
    if (!mallctl || mallctl("thread.arena", &arena, &size_bytes, NULL, 0))
        return MEMORY_ANYWHERE;
    return arena;
}

void memory_use_place(unsigned place)
{
    if (mallctl && place != MEMORY_ANYWHERE)
        mallctl("thread.arena", NULL, NULL, &place, sizeof place);
}

uint64_t memory_live(void)
{
    int64_t living = 0;
    for (unsigned i = 0; i < LIVE_LINES; i++)
        living += atomic_load_explicit(&live_lines[i].count, memory_order_relaxed);
    return living > 0 ? (uint64_t)living : 0;
}

void memory_fail_after(uint64_t n)
{
    fail_armed = true;
    fail_remaining = n;
}

void memory_fail_never(void)
{
    fail_armed = false;
}

/* Vyukov's bounded queue. */
#include "base/ring.h"

#include "base/error.h"
#include "base/memory.h"

#include <stdatomic.h>
#include <stdint.h>

#define CACHE_LINE_BYTES 64

struct cell {
    _Atomic size_t turn;
    void *entry;
};

struct ring {
    struct cell *cells; /* owned */
    size_t mask;
    char apart_head[CACHE_LINE_BYTES]; /* pushers and poppers write different cache lines */
    _Atomic size_t head;               /* next to push */
    char apart_tail[CACHE_LINE_BYTES];
    _Atomic size_t tail; /* next to pop */
};

static void destroy(void *object)
{
    memory_free_raw(((struct ring *)object)->cells);
}

int ring_create(struct ring **ringp, size_t size)
{
    if (size < 2 || (size & (size - 1)))
        return ERROR_ARGUMENT;
    struct ring *ring = memory_alloc(sizeof *ring, destroy);
    if (!ring)
        return ERROR_MEMORY;
    ring->cells = memory_raw(size * sizeof *ring->cells);
    if (!ring->cells) {
        memory_release(ring);
        return ERROR_MEMORY;
    }
    for (size_t i = 0; i < size; i++)
        atomic_init(&ring->cells[i].turn, i);
    ring->mask = size - 1;
    *ringp = ring;
    return 0;
}

bool ring_push(struct ring *ring, void *entry)
{
    size_t at = atomic_load_explicit(&ring->head, memory_order_relaxed);
    for (;;) {
        struct cell *cell = &ring->cells[at & ring->mask];
        size_t turn = atomic_load_explicit(&cell->turn, memory_order_acquire);
        intptr_t ahead = (intptr_t)turn - (intptr_t)at;
        if (ahead < 0)
            return false;
        if (ahead > 0) {
            at = atomic_load_explicit(&ring->head, memory_order_relaxed);
        } else if (atomic_compare_exchange_weak_explicit(
                       &ring->head, &at, at + 1, memory_order_relaxed, memory_order_relaxed)) {
            cell->entry = entry;
            atomic_store_explicit(&cell->turn, at + 1, memory_order_release);
            return true;
        }
    }
}

void *ring_pop(struct ring *ring)
{
    size_t at = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    for (;;) {
        struct cell *cell = &ring->cells[at & ring->mask];
        size_t turn = atomic_load_explicit(&cell->turn, memory_order_acquire);
        intptr_t ahead = (intptr_t)turn - (intptr_t)(at + 1);
        if (ahead < 0)
            return NULL;
        if (ahead > 0) {
            at = atomic_load_explicit(&ring->tail, memory_order_relaxed);
        } else if (atomic_compare_exchange_weak_explicit(
                       &ring->tail, &at, at + 1, memory_order_relaxed, memory_order_relaxed)) {
            void *entry = cell->entry;
            atomic_store_explicit(&cell->turn, at + ring->mask + 1, memory_order_release);
            return entry;
        }
    }
}

/* A stack that threads push to without a lock, and that is taken as a whole. */
#include "script/reaper.h"

#include "base/memory.h"
#include "script/state.h"

#include <stdatomic.h>

struct reaper {
    _Atomic(struct grave *) newest;
};

static void destroy(void *object)
{
    reaper_run(object);
}

int reaper_create(struct reaper **reaperp)
{
    struct reaper *reaper = memory_alloc(sizeof *reaper, destroy);
    if (!reaper)
        return ERROR_MEMORY;
    *reaperp = reaper;
    return 0;
}

void reaper_give(struct reaper *reaper, struct grave *grave)
{
    grave->next = atomic_load_explicit(&reaper->newest, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&reaper->newest, &grave->next, grave,
                                                  memory_order_release, memory_order_relaxed))
        ;
}

size_t reaper_run(struct reaper *reaper)
{
    size_t count = 0;
    struct grave *grave = atomic_exchange_explicit(&reaper->newest, NULL, memory_order_acquire);
    for (struct grave *next; grave; grave = next) {
        next = grave->next;
        lua_close(grave->lua);
        memory_free_raw(grave);
        count++;
    }
    return count;
}

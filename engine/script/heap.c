/*
 * The memory of one Lua state, counted. The cap, script.memory_mib, is kept by the budget's hook,
 * which ends the handler. An allocation is refused beyond twice the cap only: LuaJIT may crash when
 * one is refused inside of code that it has compiled.
 *
 * The blocks come from LuaJIT's own allocator, which takes pages of the system for this state alone
 * and gives all of them back when it is closed: reloads leave no holes in the memory of the process.
 * Under the address sanitizer malloc serves instead, so that it sees who reads what was collected,
 * and a state is closed where its generation ends, which counts its blocks.
 * LuaJIT crashes when it is refused while lua_newstate() makes its first blocks: there these come
 * from a reserve.
 * Small blocks are never refused, for want of the cap or by a test: where string.sub or string.char
 * get none for their text LuaJIT 2.1 writes its message over a frame that it unwinds next, and
 * crashes. The budget's hook ends a handler that is over the cap soon after.
 */
#include "script/state.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

#define MEMORY_HARD 2u      /* times the cap */
#define LARGE_BYTES 32768   /* a block that took long to fill: the budget is looked at */
#define SMALL_BYTES 1024    /* most texts */
#define HUGE_BYTES  1048576 /* one that a single instruction may spend long on */

/* Percent of what a collection left at which the next one begins. A collection walks through all that
 * lives, which is far more than a call's garbage: a third as often as by default it costs a call 1 % less. */
#define COLLECT_AT_PERCENT 400

#if defined(__SANITIZE_ADDRESS__)

#define RESERVE_BYTES 32768 /* lua_newstate() takes about a third of it */

static bool is_in_reserve(const struct generation *generation, const void *block)
{
    const char *at = block;
    return at >= generation->reserve && at < generation->reserve + RESERVE_BYTES;
}

static void *take_from_reserve(struct generation *generation, size_t size_bytes)
{
    size_t rounded = (size_bytes + 15) & ~(size_t)15;
    if (rounded > RESERVE_BYTES - generation->reserve_used)
        return NULL;
    void *block = generation->reserve + generation->reserve_used;
    generation->reserve_used += rounded;
    return block;
}

/** Make, grow, shrink or free a block; one of the reserve moves out of it when it grows. */
static void *resize(struct generation *generation, void *block, size_t old_bytes, size_t new_bytes)
{
    bool is_reserved = is_in_reserve(generation, block);
    if (new_bytes == 0) {
        if (!is_reserved)
            memory_free_raw(block);
        return NULL;
    }
    if (is_reserved && new_bytes <= old_bytes)
        return block;
    void *fresh = block && !is_reserved ? NULL : take_from_reserve(generation, new_bytes);
    if (!fresh && !is_reserved)
        return realloc(block, new_bytes);
    if (!fresh)
        fresh = malloc(new_bytes);
    if (fresh && block)
        memcpy(fresh, block, old_bytes);
    return fresh;
}

#else

static inline void *resize(struct generation *generation, void *block, size_t old_bytes,
                           size_t new_bytes)
{
    return generation->allocate(generation->allocate_arg, block, old_bytes, new_bytes);
}

#endif

/* A block of @p before bytes has @p after now. */
static void count(struct generation *generation, size_t before, size_t after)
{
    generation->memory_bytes += after - before;
    generation->huge_blocks += (size_t)(after >= HUGE_BYTES) - (size_t)(before >= HUGE_BYTES);
    if (after >= before + LARGE_BYTES)
        run_charge(generation, (after - before) / BYTES_PER_INSTRUCTION);
}

/* May a block of @p before bytes have @p after? What lua_newstate() makes is never refused. */
static bool is_granted(const struct generation *generation, size_t before, size_t after)
{
    if (after <= SMALL_BYTES || !generation->lua)
        return true;
    return generation->memory_bytes - before + after <= MEMORY_HARD * generation->memory_most &&
           !memory_must_fail();
}

static void *counted_allocate(void *arg, void *block, size_t old_bytes, size_t new_bytes)
{
    struct generation *generation = arg;
    size_t before = block ? old_bytes : 0;
    if (new_bytes == 0) { /* most often: what was collected */
        generation->memory_bytes -= before;
        generation->huge_blocks -= before >= HUGE_BYTES;
        return resize(generation, block, before, 0);
    }
    if (new_bytes <= before) {
        /* Lua relies on shrinking never to fail. */
        void *same = resize(generation, block, before, new_bytes);
        count(generation, before, new_bytes);
        return same ? same : block;
    }
    void *fresh = NULL;
    if (is_granted(generation, before, new_bytes))
        fresh = resize(generation, block, before, new_bytes);
    if (fresh)
        count(generation, before, new_bytes);
    else
        generation->refusals++;
    return fresh;
}

#if defined(__SANITIZE_ADDRESS__)

int heap_open(struct generation *generation)
{
    generation->reserve = memory_raw(RESERVE_BYTES);
    if (!generation->reserve)
        return ERROR_MEMORY;
    generation->lua = lua_newstate(counted_allocate, generation);
    generation->reserve_used = RESERVE_BYTES;
    return generation->lua ? 0 : ERROR_MEMORY;
}

void heap_close(struct generation *generation)
{
    if (generation->lua)
        lua_close(generation->lua);
    memory_free_raw(generation->reserve);
}

#else

int heap_open(struct generation *generation)
{
    if (generation->options.reaper) {
        generation->grave = memory_raw(sizeof *generation->grave);
        if (!generation->grave)
            return ERROR_MEMORY;
    }
    generation->lua = memory_must_fail() ? NULL : luaL_newstate();
    if (!generation->lua)
        return ERROR_MEMORY;
    lua_gc(generation->lua, LUA_GCSETPAUSE, COLLECT_AT_PERCENT);
    generation->allocate = lua_getallocf(generation->lua, &generation->allocate_arg);
    generation->memory_bytes = (size_t)lua_gc(generation->lua, LUA_GCCOUNT, 0) * 1024 +
                               (size_t)lua_gc(generation->lua, LUA_GCCOUNTB, 0);
    lua_setallocf(generation->lua, counted_allocate, generation);
    return 0;
}

/* With its own allocator again LuaJIT gives back all pages at once, on whatever thread. */
void heap_close(struct generation *generation)
{
    if (!generation->lua) {
        memory_free_raw(generation->grave);
        return;
    }
    lua_gc(generation->lua, LUA_GCSTOP, 0);
    lua_setallocf(generation->lua, generation->allocate, generation->allocate_arg);
    if (generation->grave) {
        generation->grave->lua = generation->lua;
        reaper_give(generation->options.reaper, generation->grave);
    } else {
        lua_close(generation->lua);
    }
}

#endif

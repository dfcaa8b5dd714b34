/*
 * Lua states whose generation is over. Closing one takes about a millisecond, which is longer than a
 * worker may keep a call waiting: the worker that lets go of the last reference gives the state away
 * in a few instructions, and a thread that has the time closes it.
 */
#pragma once

#include <stddef.h>

struct lua_State;
struct reaper; /* counted; memory_release() closes what is left */

/** Room for one state, made before it is needed, so that giving cannot fail. */
struct grave {
    struct grave *next;
    struct lua_State *lua;
};

/** @param reaperp  returned owned. @return 0 or ERROR_MEMORY */
int reaper_create(struct reaper **reaperp);
/**
 * Any thread.
 * @param grave  of memory_raw(), given, with a state that no allocator of ours serves any more; given
 */
void reaper_give(struct reaper *reaper, struct grave *grave);
/** Close what was given. Any one thread. @return how many */
size_t reaper_run(struct reaper *reaper);

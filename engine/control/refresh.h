/* Reloads by themselves: the files that the engine was made of are watched where reload.watch says so. */
#pragma once

#include "worker/engine.h"

struct refresh; /* counted */

/** @param engine  borrowed. @return 0 or ERROR_MEMORY */
int refresh_create(struct refresh **refreshp, struct engine *engine);
/** Watch what the engine is made of now; after the start and after each reload. */
void refresh_follow(struct refresh *refresh, uint64_t now_ms);
/**
 * After a reload that was refused, whose files are not known: a change of any Lua file beside those
 * that are watched counts, until the next refresh_follow().
 */
void refresh_widen(struct refresh *refresh);
/** Readable when refresh_look() has something to see; -1: nothing is watched. */
int refresh_descriptor(const struct refresh *refresh);
/** Look what has happened. */
void refresh_look(struct refresh *refresh, uint64_t now_ms);
/** Has a file changed, and nothing since reload.settle_ms? Says so once. */
bool refresh_take_due(struct refresh *refresh, uint64_t now_ms);
/** When refresh_take_due() may be true: ms from @p now_ms, -1: not known. */
int refresh_wait_ms(const struct refresh *refresh, uint64_t now_ms);

/*
 * Files that may change, watched through the kernel. A file is watched by its name in its folder, so
 * that one that is replaced (as editors do) or comes later is seen, too. Real world only: who watches
 * polls a descriptor.
 *
 * What it does not see: that the target of a symbolic link has changed.
 */
#pragma once

#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>

struct watch; /* counted */

/** Nothing is watched yet. @return 0, ERROR_MEMORY, ERROR_LIMIT (the kernel has no more) */
int watch_create(struct watch **watchp);
/**
 * One more file; one that is there already is not watched twice.
 * @return 0, ERROR_MEMORY, ERROR_NOT_FOUND (its folder), ERROR_LIMIT (the kernel has no more)
 */
int watch_add(struct watch *watch, const char *path);
/** From now on every file of the folders whose name ends so counts. @param suffix  literal */
void watch_widen(struct watch *watch, struct text suffix);
/** Readable when something has happened in a folder. */
int watch_descriptor(const struct watch *watch);
/** Take what has happened. @return whether one of the files was written, replaced or taken away */
bool watch_take(struct watch *watch);

/*
 * The files of lua/ as they were compiled: a state of Lua that needs one of them gets it without
 * parsing it again, which is most of what a generation costs. A file that has changed is read again.
 * Counted; any thread.
 */
#pragma once

struct library;

/** @param libraryp  returned owned; memory_release(). @return 0 or ERROR_MEMORY */
int library_create(struct library **libraryp);

/*
 * `lunasip test` as a child process: the specs that `ctl reload --test` runs before it loads what
 * they are about. Nobody waits for it: its end makes a descriptor readable.
 */
#pragma once

#include "base/buffer.h"

struct spec_run; /* counted; released before its end it is killed */

/**
 * @param specs  files, borrowed; at least one
 * @return 0, ERROR_MEMORY, ERROR_LIMIT (no process or descriptor)
 */
int spec_run_start(struct spec_run **runp, const char *const *specs, size_t count);
/** Readable when it has ended. */
int spec_run_descriptor(const struct spec_run *run);
/** It takes too long: end it. */
void spec_run_kill(struct spec_run *run);
/**
 * After its end.
 * @param said  receives what it printed, the last @p most_bytes of it
 * @return whether every spec passed
 */
bool spec_run_end(struct spec_run *run, struct buffer *said, size_t most_bytes);

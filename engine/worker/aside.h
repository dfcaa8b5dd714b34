/*
 * Work of the control thread that takes long and that no call waits for: loading scripts, checking
 * them, closing old ones. It gets a thread of its own whose priority is below that of the workers.
 */
#pragma once

struct io;

/**
 * Do @p work, and return when it is done. In the lab, and where no thread can be made, the caller's
 * thread does it.
 */
void aside_run(const struct io *io, void (*work)(void *arg), void *arg);

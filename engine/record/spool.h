/*
 * Lines on their way to a database, in a file: what was appended survives a database that is away and the
 * end of the process. Of one thread.
 *
 * The file begins with how far the database has it; everything behind that is to be read again at the
 * next start. When all is done the file is cut, so that it stays small.
 */
#pragma once

#include "base/buffer.h"
#include "base/log.h"

struct spool; /* counted */

/**
 * Open it, or make it, and look what an earlier process has left.
 * @param path  copied; NULL: in memory alone, for the lab
 * @param log   borrowed
 * @return 0, ERROR_MEMORY, ERROR_TRANSPORT (it cannot be opened, which was logged; or is no spool)
 */
int spool_create(struct spool **spoolp, const char *path, struct log *log);
/**
 * Append whole lines, all of them or none.
 * @param most_bytes  what may wait at once
 * @return 0, ERROR_LIMIT (that), ERROR_TRANSPORT (the disk refuses; said once)
 */
int spool_append(struct spool *spool, struct text lines, uint64_t most_bytes);
/** Read whole lines from where the database is, at most @p most of them. @return 0, ERROR_MEMORY, ERROR_TRANSPORT */
int spool_read(struct spool *spool, struct buffer *out, size_t most);
/** The database has so many more bytes. */
void spool_done(struct spool *spool, uint64_t size_bytes);
/** Force it to the disk. */
void spool_sync(struct spool *spool);
/** What waits. */
uint64_t spool_waiting_bytes(const struct spool *spool);

/*
 * How often does each source call? One table for all workers, since a source's calls are spread over
 * them. Each source has a token bucket that holds one second's worth, so that a short burst passes
 * and a flood does not. The table is bounded: the source that was silent longest is forgotten first;
 * after a second of silence its bucket is full again, and forgetting it loses nothing.
 */
#pragma once

#include "base/address.h"
#include "base/counter.h"
#include "base/hash.h"

struct rate; /* counted */

/**
 * @param most  sources remembered at once (limits.sources), at least 1
 * @return 0 or ERROR_MEMORY; returned owned
 */
int rate_create(struct rate **ratep, const struct hash_key *hash_key, size_t most);
/**
 * One more new request of @p source: may it pass? Any thread.
 * The port does not matter, and of an IPv6 address only the first 64 bits: a host has all the rest.
 * @param now_ms      the loop's time
 * @param per_second  limits.cps_per_source; 0: it may, and is not remembered
 * @param counters    the calling loop's: SIP_SOURCE_FORGOTTEN
 * @return true also when there is no memory to remember a first source with
 */
bool rate_take(struct rate *rate, const struct address *source, uint64_t now_ms,
               uint32_t per_second, struct counters *counters);
/** Sources remembered now. */
size_t rate_count(struct rate *rate);

/*
 * Dictionaries across workers: sip.shared.NAME and $shv. One store per engine, in shards with a
 * lock each; bounded by shared.bytes; entries may expire. Values are copied in and out, so that no
 * Lua state sees the memory of another.
 */
#pragma once

#include "base/value.h"

struct shared; /* counted */

/** @param bytes  most memory of all entries together. @return 0 or ERROR_MEMORY */
int shared_create(struct shared **sharedp, uint64_t bytes);
/**
 * @param now_ms  the same clock in every call; an entry expires as it goes on
 * @param value   VALUE_NONE when there is none; a string is returned owned, memory_free_raw() of
 *                value->text.p
 * @return 0 or ERROR_MEMORY
 */
int shared_get(struct shared *shared, struct text dictionary, struct text key, uint64_t now_ms,
               struct value *value);
/**
 * @param value   VALUE_NONE deletes
 * @param ttl_ms  0: for ever
 * @return 0, ERROR_LIMIT (full; an older value stays), ERROR_MEMORY
 */
int shared_set(struct shared *shared, struct text dictionary, struct text key, uint64_t now_ms,
               const struct value *value, uint64_t ttl_ms);
/** Like shared_set(), but ERROR_STATE when the key is there. */
int shared_add(struct shared *shared, struct text dictionary, struct text key, uint64_t now_ms,
               const struct value *value, uint64_t ttl_ms);
/**
 * Add @p step to a number; a missing key counts as 0 and then gets @p ttl_ms.
 * @return 0, ERROR_ARGUMENT (not a number), ERROR_LIMIT, ERROR_MEMORY
 */
int shared_increment(struct shared *shared, struct text dictionary, struct text key,
                     uint64_t now_ms, double step, uint64_t ttl_ms, double *result);
/** @return true when it was there */
bool shared_delete(struct shared *shared, struct text dictionary, struct text key, uint64_t now_ms);
/** Memory that entries take now. */
uint64_t shared_bytes(struct shared *shared);

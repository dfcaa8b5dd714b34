/* What one connection has prepared, by the id of the statement; the least recently used makes room. */
#pragma once

#include "base/hash.h"
#include "base/list.h"

/** Embedded in, and first of, the kind's own struct. */
struct prepared {
    struct hash_link link;
    struct link recent;
    uint64_t id;
};

/** Ends what was prepared and frees the kind's struct. */
typedef void prepared_end_handler(void *arg, struct prepared *prepared);

struct prepared_cache {
    struct hash_table table;
    struct list recent; /**< most recently used first */
    size_t most;
    prepared_end_handler *end;
    void *arg;
};

/** @return what was put in under @p id, returned borrowed, or NULL */
struct prepared *prepared_find(struct prepared_cache *cache, uint64_t id);
/**
 * Keep it under @p id. Others are ended only in prepared_trim(), so that what one batch uses stays.
 * @param prepared  given; on an error still the caller's. @return 0 or ERROR_MEMORY
 */
int prepared_put(struct prepared_cache *cache, struct prepared *prepared, uint64_t id);
/** End those that are too many. */
void prepared_trim(struct prepared_cache *cache);
/** End one: the server will not have it any more. */
void prepared_drop(struct prepared_cache *cache, struct prepared *prepared);
/** End all. */
void prepared_release(struct prepared_cache *cache);

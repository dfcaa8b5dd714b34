/* The cache of prepared statements of a connection. */
#include "database/prepared.h"

static bool has_id(const struct hash_link *link, const void *key)
{
    return CONTAINER_OF(link, struct prepared, link)->id == *(const uint64_t *)key;
}

struct prepared *prepared_find(struct prepared_cache *cache, uint64_t id)
{
    /* Ids are counted, not chosen by anybody: they need no keyed hash. */
    struct hash_link *link = hash_find(&cache->table, id, has_id, &id);
    if (!link)
        return NULL;
    struct prepared *prepared = CONTAINER_OF(link, struct prepared, link);
    list_remove(&prepared->recent);
    list_prepend(&cache->recent, &prepared->recent);
    return prepared;
}

int prepared_put(struct prepared_cache *cache, struct prepared *prepared, uint64_t id)
{
    prepared->id = id;
    int error = hash_insert(&cache->table, &prepared->link, id);
    if (!error)
        list_prepend(&cache->recent, &prepared->recent);
    return error;
}

void prepared_drop(struct prepared_cache *cache, struct prepared *prepared)
{
    hash_remove(&prepared->link);
    list_remove(&prepared->recent);
    cache->end(cache->arg, prepared);
}

static void end_last(struct prepared_cache *cache)
{
    prepared_drop(cache, CONTAINER_OF(cache->recent.last, struct prepared, recent));
}

void prepared_trim(struct prepared_cache *cache)
{
    while (cache->recent.count > cache->most)
        end_last(cache);
}

void prepared_release(struct prepared_cache *cache)
{
    while (cache->recent.last)
        end_last(cache);
    hash_table_release(&cache->table);
}

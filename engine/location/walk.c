/*
 * Every record in batches. A table grows between two batches by doubling, so that bucket b becomes
 * b and b + n. The cursor counts from the highest bit down: what was visited before the table grew
 * are then exactly the buckets that come first in the greater one.
 */
#include "base/memory.h"
#include "location/internal.h"

/* The bucket after @p bucket of @p count (a power of two); 0 when all were visited. */
static size_t next_bucket(size_t bucket, size_t count)
{
    size_t bit = count >> 1;
    while (bit && (bucket & bit)) {
        bucket ^= bit;
        bit >>= 1;
    }
    return bucket | bit;
}

/* A bucket that is given in parts: who goes meanwhile makes another of it pass unseen. */
static bool is_too_long(const struct hash_link *link, size_t room)
{
    for (; link && room; link = link->next)
        room--;
    return link != NULL;
}

/*
 * From the cursor to the end of the shard, or until the next bucket does not fit. One that is longer
 * than all of @p v is continued: `skip` of it were given.
 */
static size_t walk_shard(struct shard *shard, struct location_cursor *cursor,
                         struct location_record **v, size_t room, bool is_first)
{
    size_t count = 0, buckets = shard->table.bucket_count;
    if (buckets)
        cursor->bucket &= buckets - 1; /* it may come from outside */
    while (buckets) {
        struct hash_link *link = shard->table.buckets[cursor->bucket];
        size_t at = 0;
        if ((count || !is_first) && is_too_long(link, room - count))
            return count;
        for (; link; link = link->next, at++) {
            if (at < cursor->skip)
                continue;
            if (count == room) {
                cursor->skip = at;
                return count;
            }
            v[count++] = memory_ref(CONTAINER_OF(link, struct location_record, link));
        }
        cursor->skip = 0;
        cursor->bucket = next_bucket(cursor->bucket, buckets);
        if (!cursor->bucket)
            break;
    }
    cursor->shard++;
    return count;
}

size_t location_walk(struct location *location, struct location_cursor *cursor,
                     struct location_record **v, size_t room)
{
    size_t count = 0;
    bool is_full = false;
    while (!is_full && cursor->shard < SHARD_COUNT) {
        uint32_t number = cursor->shard;
        struct shard *shard = &location->shards[number];
        pthread_mutex_lock(&shard->mutex);
        count += walk_shard(shard, cursor, v + count, room - count, count == 0);
        pthread_mutex_unlock(&shard->mutex);
        is_full = cursor->shard == number;
    }
    return count;
}

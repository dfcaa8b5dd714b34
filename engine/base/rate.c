/* Buckets in a hash table and in a list, the one heard of last at its end. */
#include "base/rate.h"

#include "base/error.h"
#include "base/list.h"
#include "base/memory.h"

#include <pthread.h>

#define TOKEN 1000 /* one request; a bucket gains per_second of a thousandth each ms */

struct bucket {
    struct hash_link link;
    struct link recent;
    struct address source; /* without port, IPv6 cut to 64 bits */
    uint64_t filled_ms;    /* when tokens was right */
    uint64_t tokens;       /* thousandths of a request */
};

struct rate {
    pthread_mutex_t mutex; /* guards all below; held for one look-up */
    struct hash_key hash_key;
    struct hash_table buckets; /* by source; each owned */
    struct list recent;        /* the same, longest silent first */
    size_t most;
};

static struct bucket *oldest(struct rate *rate)
{
    return CONTAINER_OF(rate->recent.first, struct bucket, recent);
}

static void unlink_bucket(struct bucket *bucket)
{
    hash_remove(&bucket->link);
    list_remove(&bucket->recent);
}

static void destroy(void *object)
{
    struct rate *rate = object;
    while (rate->recent.first) {
        struct bucket *bucket = oldest(rate);
        unlink_bucket(bucket);
        memory_free_raw(bucket);
    }
    hash_table_release(&rate->buckets);
    pthread_mutex_destroy(&rate->mutex);
}

int rate_create(struct rate **ratep, const struct hash_key *hash_key, size_t most)
{
    struct rate *rate = memory_alloc(sizeof *rate, destroy);
    if (!rate)
        return ERROR_MEMORY;
    pthread_mutex_init(&rate->mutex, NULL);
    rate->hash_key = *hash_key;
    rate->most = most ? most : 1;
    *ratep = rate;
    return 0;
}

static struct address source_of(const struct address *address)
{
    struct address source = *address;
    address_set_port(&source, 0);
    if (address_is_ipv6(&source))
        memset((char *)&source.in6.sin6_addr + 8, 0, 8);
    return source;
}

static bool is_source(const struct hash_link *link, const void *key)
{
    const struct bucket *bucket = CONTAINER_OF(link, struct bucket, link);
    return address_equal_host(&bucket->source, key);
}

/* A place for a new source: a new one, or that of the longest silent. NULL without memory. */
static struct bucket *make_bucket(struct rate *rate, struct counters *counters)
{
    struct bucket *bucket = NULL;
    if (rate->recent.count < rate->most)
        bucket = memory_raw(sizeof *bucket);
    if (!bucket && rate->recent.count) {
        bucket = oldest(rate);
        unlink_bucket(bucket);
        counter_count(counters, COUNTER_SIP_SOURCE_FORGOTTEN);
    }
    return bucket;
}

/* @return the source's bucket, which is now the last of the list; NULL without memory */
static struct bucket *find_bucket(struct rate *rate, const struct address *source, uint64_t now_ms,
                                  uint32_t per_second, struct counters *counters)
{
    char scratch[18];
    uint64_t hash = hash_text(&rate->hash_key, address_key(source, scratch));
    struct hash_link *link = hash_find(&rate->buckets, hash, is_source, source);
    if (link) {
        struct bucket *bucket = CONTAINER_OF(link, struct bucket, link);
        list_remove(&bucket->recent);
        list_append(&rate->recent, &bucket->recent);
        return bucket;
    }
    struct bucket *bucket = make_bucket(rate, counters);
    if (!bucket)
        return NULL;
    *bucket = (struct bucket){
        .source = *source, .filled_ms = now_ms, .tokens = (uint64_t)per_second * TOKEN};
    if (hash_insert(&rate->buckets, &bucket->link, hash)) {
        memory_free_raw(bucket);
        return NULL;
    }
    list_append(&rate->recent, &bucket->recent);
    return bucket;
}

/* Clocks of two loops may differ by a batch of events: time never goes back here. */
static void fill(struct bucket *bucket, uint64_t now_ms, uint32_t per_second)
{
    uint64_t full = (uint64_t)per_second * TOKEN;
    uint64_t elapsed_ms = now_ms > bucket->filled_ms ? now_ms - bucket->filled_ms : 0;
    if (elapsed_ms >= 1000)
        bucket->tokens = full;
    else
        bucket->tokens += elapsed_ms * per_second;
    if (bucket->tokens > full)
        bucket->tokens = full;
    bucket->filled_ms += elapsed_ms;
}

bool rate_take(struct rate *rate, const struct address *source, uint64_t now_ms,
               uint32_t per_second, struct counters *counters)
{
    if (!per_second || !address_is_set(source))
        return true;
    const struct address key = source_of(source);
    bool may_pass = true;
    pthread_mutex_lock(&rate->mutex);
    struct bucket *bucket = find_bucket(rate, &key, now_ms, per_second, counters);
    if (bucket) {
        fill(bucket, now_ms, per_second);
        may_pass = bucket->tokens >= TOKEN;
        if (may_pass)
            bucket->tokens -= TOKEN;
    }
    pthread_mutex_unlock(&rate->mutex);
    return may_pass;
}

size_t rate_count(struct rate *rate)
{
    pthread_mutex_lock(&rate->mutex);
    size_t count = rate->recent.count;
    pthread_mutex_unlock(&rate->mutex);
    return count;
}

/*
 * Shards with a lock, a table and a list each. The list is in order of arrival: its head is what goes
 * when the shard is full, and expired heads go with every insertion, so that no timer is needed.
 */
#include "auth/recent.h"

#include "base/error.h"
#include "base/list.h"
#include "base/memory.h"

#include <pthread.h>

#define SHARDS 16 /* a power of two */

/** Value and key lie behind it. */
struct entry {
    struct hash_link hash;
    struct link link; /* in shard->order */
    uint64_t expires_ms, stamp;
    size_t key_bytes;
    max_align_t value[];
};

struct shard {
    pthread_mutex_t mutex;
    struct hash_table table;
    struct list order; /* first come first */
    uint64_t lost_stamp;
};

struct recent {
    struct hash_key key;
    size_t value_bytes; /* rounded up, so that keys may follow anywhere */
    struct shard shards[SHARDS];
    unsigned shards_ready;
};

static void drop(struct entry *entry)
{
    hash_remove(&entry->hash);
    list_remove(&entry->link);
    memory_free_raw(entry);
}

static void recent_destroy(void *arg)
{
    struct recent *recent = arg;
    for (unsigned i = 0; i < recent->shards_ready; i++) {
        struct shard *shard = &recent->shards[i];
        LIST_FOR_EACH_SAFE (link, &shard->order)
            drop(CONTAINER_OF(link, struct entry, link));
        hash_table_release(&shard->table);
        pthread_mutex_destroy(&shard->mutex);
    }
}

int recent_create(struct recent **recentp, const struct hash_key *key, size_t value_bytes)
{
    struct recent *recent = memory_alloc(sizeof *recent, recent_destroy);
    if (!recent)
        return ERROR_MEMORY;
    recent->key = *key;
    recent->value_bytes = value_bytes;
    for (unsigned i = 0; i < SHARDS; i++) {
        if (pthread_mutex_init(&recent->shards[i].mutex, NULL)) {
            memory_release(recent);
            return ERROR_MEMORY;
        }
        recent->shards_ready++;
    }
    *recentp = recent;
    return 0;
}

/* ---- one access ---- */

struct access {
    struct shard *shard;
    struct entry *entry; /* NULL: none */
    uint64_t hash;
};

struct wanted {
    struct text key;
    size_t value_bytes;
};

static struct text key_of(const struct entry *entry, size_t value_bytes)
{
    return (struct text){(const char *)entry->value + value_bytes, entry->key_bytes};
}

static bool entry_matches(const struct hash_link *link, const void *key)
{
    const struct wanted *wanted = key;
    return text_equal(key_of(CONTAINER_OF(link, struct entry, hash), wanted->value_bytes),
                      wanted->key);
}

static struct access open_key(struct recent *recent, struct text key)
{
    struct wanted wanted = {key, recent->value_bytes};
    struct access access = {.hash = hash_text(&recent->key, key)};
    /* The table uses the low bits: take the shard from the high ones. */
    access.shard = &recent->shards[access.hash >> 60 & (SHARDS - 1)];
    pthread_mutex_lock(&access.shard->mutex);
    struct hash_link *link = hash_find(&access.shard->table, access.hash, entry_matches, &wanted);
    access.entry = link ? CONTAINER_OF(link, struct entry, hash) : NULL;
    return access;
}

static struct entry *first_of(const struct shard *shard)
{
    return shard->order.first ? CONTAINER_OF(shard->order.first, struct entry, link) : NULL;
}

/** Drop it and keep its stamp: whatever is older may have been here, too. */
static void forget(struct shard *shard, struct entry *entry)
{
    if (entry->stamp > shard->lost_stamp)
        shard->lost_stamp = entry->stamp;
    drop(entry);
}

/** Room for one more: what has expired at the head goes, and what came first when that is not enough. */
static void make_room(struct shard *shard, struct recent_use *use)
{
    uint64_t most = use->most / SHARDS ? use->most / SHARDS : 1;
    struct entry *entry;
    while ((entry = first_of(shard)) &&
           (entry->expires_ms <= use->now_ms || shard->order.count >= most)) {
        use->forgotten += entry->expires_ms > use->now_ms;
        forget(shard, entry);
    }
}

static int make_entry(struct recent *recent, const struct access *access, struct recent_use *use,
                      recent_visitor *visit, void *arg)
{
    size_t size_bytes = sizeof(struct entry) + recent->value_bytes + use->key.n;
    struct entry *entry = memory_raw(size_bytes);
    if (!entry)
        return ERROR_MEMORY;
    memset(entry, 0, size_bytes);
    entry->expires_ms = use->expires_ms;
    entry->stamp = use->stamp;
    entry->key_bytes = use->key.n;
    memcpy((char *)entry->value + recent->value_bytes, use->key.p, use->key.n);
    int error = visit(arg, entry->value, true, access->shard->lost_stamp);
    if (!error)
        error = hash_insert(&access->shard->table, &entry->hash, access->hash);
    if (error) {
        memory_free_raw(entry);
        return error;
    }
    make_room(access->shard, use);
    list_append(&access->shard->order, &entry->link);
    return 0;
}

int recent_visit(struct recent *recent, struct recent_use *use, recent_visitor *visit, void *arg)
{
    struct access access = open_key(recent, use->key);
    if (access.entry && access.entry->expires_ms <= use->now_ms) {
        forget(access.shard, access.entry);
        access.entry = NULL;
    }
    int error = access.entry ? visit(arg, access.entry->value, false, access.shard->lost_stamp)
                             : make_entry(recent, &access, use, visit, arg);
    pthread_mutex_unlock(&access.shard->mutex);
    return error;
}

int recent_get(struct recent *recent, struct text key, uint64_t now_ms, void *value)
{
    struct access access = open_key(recent, key);
    bool is_there = access.entry && access.entry->expires_ms > now_ms;
    if (is_there)
        memcpy(value, access.entry->value, recent->value_bytes);
    pthread_mutex_unlock(&access.shard->mutex);
    return is_there ? 0 : ERROR_NOT_FOUND;
}

void recent_remove(struct recent *recent, struct text key)
{
    struct access access = open_key(recent, key);
    if (access.entry)
        drop(access.entry);
    pthread_mutex_unlock(&access.shard->mutex);
}

size_t recent_count(struct recent *recent)
{
    size_t count = 0;
    for (unsigned i = 0; i < SHARDS; i++) {
        pthread_mutex_lock(&recent->shards[i].mutex);
        count += recent->shards[i].order.count;
        pthread_mutex_unlock(&recent->shards[i].mutex);
    }
    return count;
}

/*
 * Answers of the name server by name and type.
 *
 * An entry is pending from the question to the answer, then it ages. A full cache forgets its
 * oldest answer; when all entries are pending it refuses, so that a flood of names cannot make it
 * grow. The open question holds one reference to its entry, given back by the answer, or by the
 * cache's end: nothing answers once the loop no longer runs.
 */
#include "transport/name_cache.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/memory.h"

#define NAME_BYTES_MAX 253u   /* RFC 1035 s2.3.4, without the last dot */
#define RECORDS_MAX    32u    /* of one answer; further ones are left out */
#define TTL_MAX_S      86400u /* a day, whatever the record says */
#define MS_PER_S       1000u

struct name_cache {
    struct loop *loop;               /* borrowed */
    const struct settings *settings; /* borrowed */
    struct counters *counters;       /* borrowed */
    struct hash_key hash_key;
    struct hash_table table; /* one reference each */
    struct list by_age;      /* the answered */
};

struct name_key {
    struct text name;
    enum resolve_type type;
};

static void entry_destroy(void *object)
{
    struct name_entry *entry = object;
    memory_free_raw(entry->records);
}

static void forget(struct name_entry *entry)
{
    hash_remove(&entry->hash_link);
    list_remove(&entry->age);
    entry->cache = NULL;
    memory_release(entry);
}

static void forget_at_end(struct hash_link *link, void *arg)
{
    (void)arg;
    struct name_entry *entry = CONTAINER_OF(link, struct name_entry, hash_link);
    bool is_pending = entry->is_pending;
    while (list_pop(&entry->waiters))
        ;
    forget(entry);
    if (is_pending)
        memory_release(entry); /* the question's */
}

static void cache_destroy(void *object)
{
    struct name_cache *cache = object;
    hash_for_each(&cache->table, forget_at_end, NULL);
    hash_table_release(&cache->table);
}

int name_cache_create(struct name_cache **cachep, const struct resolve_options *options)
{
    struct name_cache *cache = memory_alloc(sizeof *cache, cache_destroy);
    if (!cache)
        return ERROR_MEMORY;
    cache->loop = options->loop;
    cache->settings = options->settings;
    cache->counters = options->counters;
    cache->hash_key = options->hash_key;
    *cachep = cache;
    return 0;
}

size_t name_cache_count(const struct name_cache *cache)
{
    return cache->table.count;
}

static bool is_entry(const struct hash_link *link, const void *key)
{
    const struct name_entry *entry = CONTAINER_OF(link, const struct name_entry, hash_link);
    const struct name_key *wanted = key;
    return entry->type == wanted->type && text_equal(entry->name, wanted->name);
}

static uint64_t hash_name(const struct name_cache *cache, const struct name_key *key)
{
    const char type = (char)key->type;
    const struct text v[] = {key->name, {&type, 1}};
    return hash_texts(&cache->hash_key, v, 2);
}

/* Keep the records of the type that was asked for. */
static int keep_records(struct name_entry *entry, const struct resolve_record *v, size_t count)
{
    size_t wanted = 0;
    for (size_t i = 0; i < count; i++)
        wanted += v[i].type == entry->type;
    if (wanted > RECORDS_MAX)
        wanted = RECORDS_MAX;
    if (!wanted)
        return ERROR_NOT_FOUND;
    entry->records = memory_raw(wanted * sizeof *entry->records);
    if (!entry->records)
        return ERROR_MEMORY;
    entry->ttl_s = TTL_MAX_S;
    for (size_t i = 0; i < count && entry->count < wanted; i++) {
        if (v[i].type != entry->type)
            continue;
        entry->records[entry->count++] = v[i];
        if (v[i].ttl_s < entry->ttl_s)
            entry->ttl_s = v[i].ttl_s;
    }
    return 0;
}

static void on_answer(void *arg, int error, const struct resolve_record *v, size_t count)
{
    struct name_entry *entry = arg;
    struct name_cache *cache = entry->cache;
    entry->is_pending = false;
    entry->error = error ? error : keep_records(entry, v, count);
    if (entry->error) {
        entry->ttl_s = (uint32_t)cache->settings->resolve_negative_ttl_s;
        counter_count(cache->counters, COUNTER_RESOLVE_FAILED);
    }
    entry->expires_ms = loop_now_ms(cache->loop) + (uint64_t)entry->ttl_s * MS_PER_S;
    list_append(&cache->by_age, &entry->age);
    struct link *link;
    while ((link = list_pop(&entry->waiters))) {
        struct name_waiter *waiter = CONTAINER_OF(link, struct name_waiter, link);
        waiter->answered(waiter);
    }
    memory_release(entry);
}

static bool make_room(struct name_cache *cache)
{
    if (cache->table.count < cache->settings->resolve_cache)
        return true;
    counter_count(cache->counters, COUNTER_RESOLVE_CACHE_FULL);
    if (!cache->by_age.first)
        return false;
    forget(CONTAINER_OF(cache->by_age.first, struct name_entry, age));
    return true;
}

static int ask(struct name_entry **entryp, struct name_cache *cache, const struct name_key *key,
               uint64_t hash)
{
    struct name_entry *entry = memory_alloc(sizeof *entry + key->name.n, entry_destroy);
    if (!entry)
        return ERROR_MEMORY;
    memcpy(entry + 1, key->name.p, key->name.n);
    entry->name = (struct text){(char *)(entry + 1), key->name.n};
    entry->type = key->type;
    entry->is_pending = true;
    entry->cache = cache;
    int error = hash_insert(&cache->table, &entry->hash_link, hash);
    if (error) {
        memory_release(entry);
        return error;
    }
    error = loop_resolve(cache->loop, entry->name, key->type,
                         (uint32_t)cache->settings->resolve_timeout_ms, on_answer, entry);
    if (error) {
        forget(entry);
        return error;
    }
    counter_count(cache->counters, COUNTER_RESOLVE_QUERY);
    memory_ref(entry); /* the question's */
    *entryp = memory_ref(entry);
    return 0;
}

int name_cache_get(struct name_entry **entryp, struct name_cache *cache, struct text name,
                   enum resolve_type type)
{
    char lower[NAME_BYTES_MAX];
    if (name.n && name.p[name.n - 1] == '.')
        name.n--;
    if (!name.n || name.n > sizeof lower)
        return ERROR_ARGUMENT;
    for (size_t i = 0; i < name.n; i++)
        lower[i] = (char)(name.p[i] >= 'A' && name.p[i] <= 'Z' ? name.p[i] | 0x20 : name.p[i]);
    const struct name_key key = {{lower, name.n}, type};
    uint64_t hash = hash_name(cache, &key);
    struct hash_link *link = hash_find(&cache->table, hash, is_entry, &key);
    if (link) {
        struct name_entry *entry = CONTAINER_OF(link, struct name_entry, hash_link);
        if (entry->is_pending || loop_now_ms(cache->loop) < entry->expires_ms) {
            *entryp = memory_ref(entry);
            return 0;
        }
        forget(entry);
    }
    return make_room(cache) ? ask(entryp, cache, &key, hash) : ERROR_LIMIT;
}

void name_entry_wait(struct name_entry *entry, struct name_waiter *waiter)
{
    list_append(&entry->waiters, &waiter->link);
}

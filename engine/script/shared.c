/*
 * The dictionaries across workers: SHARDS hash tables with a lock each.
 *
 * An entry's key is dictionary and key together. Entries that expire sit in a timer wheel of their
 * shard, which every call moves to the current time under the shard's lock: so an expired entry is
 * never seen, and its memory is free before anybody is told "full". The size of all entries is
 * counted in one atomic number; a writer reserves before it allocates.
 */
#include "script/shared.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/timer.h"

#include <pthread.h>
#include <stdatomic.h>

#define SHARDS 16 /* a power of two */

struct entry {
    struct hash_link link;
    struct timer timer; /* runs when it expires */
    struct shard *shard;
    struct value value; /* its text lies behind the key */
    size_t size_bytes;
    uint32_t dictionary_bytes, key_bytes;
    char names[]; /* dictionary, key, text */
};

struct shard {
    pthread_mutex_t mutex;
    struct hash_table table;
    struct timers timers;
    struct shared *shared;
};

struct shared {
    uint64_t most_bytes;
    _Atomic uint64_t used_bytes;
    struct hash_key hash_key;
    unsigned shards_ready;
    struct shard shards[SHARDS];
};

struct entry_key {
    struct text dictionary, key;
};

static bool entry_matches(const struct hash_link *link, const void *key)
{
    const struct entry *entry = CONTAINER_OF(link, struct entry, link);
    const struct entry_key *wanted = key;
    struct text dictionary = {entry->names, entry->dictionary_bytes};
    struct text name = {entry->names + entry->dictionary_bytes, entry->key_bytes};
    return text_equal(dictionary, wanted->dictionary) && text_equal(name, wanted->key);
}

static void drop(struct entry *entry)
{
    struct shard *shard = entry->shard;
    timer_stop(&shard->timers, &entry->timer);
    hash_remove(&entry->link);
    atomic_fetch_sub(&shard->shared->used_bytes, entry->size_bytes);
    memory_free_raw(entry);
}

static void expire(void *arg)
{
    drop(arg);
}

static void drop_link(struct hash_link *link, void *arg)
{
    (void)arg;
    drop(CONTAINER_OF(link, struct entry, link));
}

static void shared_destroy(void *object)
{
    struct shared *shared = object;
    for (unsigned i = 0; i < shared->shards_ready; i++) {
        struct shard *shard = &shared->shards[i];
        hash_for_each(&shard->table, drop_link, NULL);
        hash_table_release(&shard->table);
        pthread_mutex_destroy(&shard->mutex);
    }
}

int shared_create(struct shared **sharedp, uint64_t bytes)
{
    struct shared *shared = memory_alloc(sizeof *shared, shared_destroy);
    if (!shared)
        return ERROR_MEMORY;
    struct random random;
    random_seed_secret(&random);
    shared->hash_key = random.key;
    shared->most_bytes = bytes;
    for (unsigned i = 0; i < SHARDS; i++) {
        struct shard *shard = &shared->shards[i];
        if (pthread_mutex_init(&shard->mutex, NULL)) {
            memory_release(shared);
            return ERROR_MEMORY;
        }
        shard->shared = shared;
        timers_init(&shard->timers, 0);
        shared->shards_ready++;
    }
    *sharedp = shared;
    return 0;
}

/* ---- one access ---- */

/** A locked shard and the entry of a key in it. */
struct access {
    struct shard *shard;
    struct entry *entry; /* NULL: none */
    struct entry_key key;
    uint64_t hash;
};

static struct access open_key(struct shared *shared, struct text dictionary, struct text key,
                              uint64_t now_ms)
{
    struct access access = {.key = {dictionary, key}};
    struct text parts[] = {dictionary, key};
    access.hash = hash_texts(&shared->hash_key, parts, 2);
    /* The table uses the low bits: take the shard from the high ones. */
    access.shard = &shared->shards[access.hash >> 60 & (SHARDS - 1)];
    pthread_mutex_lock(&access.shard->mutex);
    if (now_ms > access.shard->timers.now_ms)
        timers_advance(&access.shard->timers, now_ms);
    struct hash_link *link =
        hash_find(&access.shard->table, access.hash, entry_matches, &access.key);
    access.entry = link ? CONTAINER_OF(link, struct entry, link) : NULL;
    return access;
}

static int close_key(struct access *access, int error)
{
    pthread_mutex_unlock(&access->shard->mutex);
    return error;
}

/** Count @p size_bytes, unless that is more than there may be. */
static bool reserve(struct shared *shared, size_t size_bytes)
{
    uint64_t used = atomic_load(&shared->used_bytes);
    do {
        if (used + size_bytes > shared->most_bytes)
            return false;
    } while (!atomic_compare_exchange_weak(&shared->used_bytes, &used, used + size_bytes));
    return true;
}

static void arm(struct entry *entry, uint64_t ttl_ms)
{
    timer_stop(&entry->shard->timers, &entry->timer);
    if (ttl_ms)
        timer_start(&entry->shard->timers, &entry->timer, ttl_ms, expire, entry);
}

static struct entry *make_entry(const struct access *access, const struct value *value,
                                size_t size_bytes)
{
    struct entry *entry = memory_raw(size_bytes);
    if (!entry)
        return NULL;
    memset(entry, 0, sizeof *entry);
    entry->shard = access->shard;
    entry->size_bytes = size_bytes;
    entry->value = *value;
    entry->dictionary_bytes = (uint32_t)access->key.dictionary.n;
    entry->key_bytes = (uint32_t)access->key.key.n;
    char *at = entry->names;
    struct text parts[] = {access->key.dictionary, access->key.key,
                           value->type == VALUE_TEXT ? value->text : TEXT("")};
    for (size_t i = 0; i < 3; i++) {
        if (parts[i].n)
            memcpy(at, parts[i].p, parts[i].n);
        if (i == 2 && value->type == VALUE_TEXT)
            entry->value.text = (struct text){at, parts[i].n};
        at += parts[i].n;
    }
    return entry;
}

/** Put a value in the place of what is there; on error that stays. */
static int put(struct access *access, const struct value *value, uint64_t ttl_ms)
{
    struct shared *shared = access->shard->shared;
    struct entry *old = access->entry;
    if (old && value->type != VALUE_TEXT && old->value.type != VALUE_TEXT) {
        old->value = *value;
        arm(old, ttl_ms);
        return 0;
    }
    size_t size_bytes = sizeof(struct entry) + access->key.dictionary.n + access->key.key.n +
                        (value->type == VALUE_TEXT ? value->text.n : 0);
    if (!reserve(shared, size_bytes))
        return ERROR_LIMIT;
    struct entry *entry = make_entry(access, value, size_bytes);
    if (!entry || hash_insert(&access->shard->table, &entry->link, access->hash)) {
        memory_free_raw(entry);
        atomic_fetch_sub(&shared->used_bytes, size_bytes);
        return ERROR_MEMORY;
    }
    if (old)
        drop(old);
    access->entry = entry;
    arm(entry, ttl_ms);
    return 0;
}

/* ---- what scripts do ---- */

int shared_get(struct shared *shared, struct text dictionary, struct text key, uint64_t now_ms,
               struct value *value)
{
    struct access access = open_key(shared, dictionary, key, now_ms);
    *value = (struct value){0};
    if (!access.entry)
        return close_key(&access, 0);
    *value = access.entry->value;
    if (value->type == VALUE_TEXT) {
        value->text.p = text_strdup(access.entry->value.text);
        if (!value->text.p) {
            *value = (struct value){0};
            return close_key(&access, ERROR_MEMORY);
        }
    }
    return close_key(&access, 0);
}

int shared_set(struct shared *shared, struct text dictionary, struct text key, uint64_t now_ms,
               const struct value *value, uint64_t ttl_ms)
{
    struct access access = open_key(shared, dictionary, key, now_ms);
    if (value->type != VALUE_NONE)
        return close_key(&access, put(&access, value, ttl_ms));
    if (access.entry)
        drop(access.entry);
    return close_key(&access, 0);
}

int shared_add(struct shared *shared, struct text dictionary, struct text key, uint64_t now_ms,
               const struct value *value, uint64_t ttl_ms)
{
    struct access access = open_key(shared, dictionary, key, now_ms);
    if (access.entry)
        return close_key(&access, ERROR_STATE);
    return close_key(&access, put(&access, value, ttl_ms));
}

int shared_increment(struct shared *shared, struct text dictionary, struct text key,
                     uint64_t now_ms, double step, uint64_t ttl_ms, double *result)
{
    struct access access = open_key(shared, dictionary, key, now_ms);
    if (access.entry) {
        if (access.entry->value.type != VALUE_NUMBER)
            return close_key(&access, ERROR_ARGUMENT);
        *result = access.entry->value.number += step;
        return close_key(&access, 0);
    }
    struct value value = {.type = VALUE_NUMBER, .number = step};
    *result = step;
    return close_key(&access, put(&access, &value, ttl_ms));
}

bool shared_delete(struct shared *shared, struct text dictionary, struct text key, uint64_t now_ms)
{
    struct access access = open_key(shared, dictionary, key, now_ms);
    bool was_there = access.entry != NULL;
    if (was_there)
        drop(access.entry);
    close_key(&access, 0);
    return was_there;
}

uint64_t shared_bytes(struct shared *shared)
{
    return atomic_load(&shared->used_bytes);
}

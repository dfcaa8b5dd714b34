/* Private to this folder: names that were asked for lately, and those who wait for an answer. */
#pragma once

#include "base/hash.h"
#include "base/list.h"
#include "transport/resolve.h"

struct name_cache;

/** One name and type; counted: who holds a reference may read it when it has left the cache. */
struct name_entry {
    struct hash_link hash_link;
    struct link age;          /**< among the answered, oldest first */
    struct name_cache *cache; /**< NULL when it has left */
    struct list waiters;      /**< struct name_waiter, while pending */
    bool is_pending;
    int error; /**< of the answer; ERROR_NOT_FOUND also for no record */
    uint64_t expires_ms;
    enum resolve_type type;
    uint32_t ttl_s;                 /**< least of the records */
    struct resolve_record *records; /**< owned; of the type asked for only */
    size_t count;
    struct text name; /**< lower case, follows the struct */
};

/** Embedded in who waits; zero-initialised waits for nothing. */
struct name_waiter {
    struct link link;
    void (*answered)(struct name_waiter *waiter);
};

/** @return 0 or ERROR_MEMORY; release with memory_release() */
int name_cache_create(struct name_cache **cachep, const struct resolve_options *options);
/**
 * Find a name that is known or being asked, or ask for it.
 * @param entryp  returned owned
 * @return 0, ERROR_LIMIT (cache full of names being asked), ERROR_ARGUMENT (too long), ERROR_MEMORY
 */
int name_cache_get(struct name_entry **entryp, struct name_cache *cache, struct text name,
                   enum resolve_type type);
/** Wait for a pending entry; list_remove(&waiter->link) ends it. */
void name_entry_wait(struct name_entry *entry, struct name_waiter *waiter);
/** Entries known or pending. */
size_t name_cache_count(const struct name_cache *cache);

/** Put SRV records in the order in which to try them (RFC 2782): priority, then weighted chance. */
void srv_order(struct resolve_record *v, size_t count, struct random *random);

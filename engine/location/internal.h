/*
 * What the files of this folder share: shards, records, and the draft of a record.
 *
 * An AoR's hash picks a shard by its highest bits and a bucket by its lowest. A shard's lock guards
 * its table, its wheel, and link and timer of the records in it; it is held for one look-up, one
 * swap, or one batch of references, never while anything else is called.
 *
 * A change is made like this: draft_open() takes a reference to the record in force, the draft is
 * changed, draft_commit() swaps the new record in if the old one is still in force. If another
 * thread was faster it returns DRAFT_STALE and everything begins again; one of the threads always
 * gets on.
 */
#pragma once

#include "base/arena.h"
#include "base/timer.h"
#include "location/location.h"

#include <pthread.h>
#include <stdatomic.h>

#define SHARD_BITS  7
#define SHARD_COUNT (1u << SHARD_BITS)

struct shard {
    pthread_mutex_t mutex;
    struct hash_table table; /* of records, one reference each */
    struct timers wheel;     /* of records, by their first expiry in wall clock ms */
    uint64_t version;        /* of the last change */
};

struct location {
    const struct settings *settings; /* borrowed */
    struct hash_key hash_key;
    struct hash_key ruid_key; /* of this run */
    _Atomic uint64_t ruids;   /* made */
    _Atomic uint64_t aors, bindings;
    _Atomic uint32_t tick_shard; /* where the next tick begins */
    struct {
        location_change_handler *handler;
        void *arg;
    } observers[LOCATION_OBSERVERS_MAX];
    size_t observer_count;
    struct shard shards[SHARD_COUNT];
};

struct location_record {
    struct timer timer;    /* shard lock; first, so that what a lookup reads lies together */
    struct hash_link link; /* shard lock */
    struct text aor;       /* behind the bindings */
    size_t count;
    struct location_binding *bindings[]; /* a reference each */
};

static inline uint64_t location_hash(const struct location *location, struct text aor)
{
    return hash_text(&location->hash_key, aor);
}
static inline struct shard *location_shard(struct location *location, uint64_t hash)
{
    return &location->shards[hash >> (64 - SHARD_BITS)];
}
/** The record in force, returned owned, or NULL. */
struct location_record *location_get(struct location *location, struct text aor, uint64_t hash);

/* binding.c */
/** A counted copy of @p binding, its texts too. @return returned owned, NULL without memory */
struct location_binding *binding_copy(const struct location_binding *binding);
/** @return 0; ERROR_SYNTAX: no contact or Call-ID, or a text beyond its setting */
int binding_check(const struct location_binding *binding, const struct settings *settings);
#define RUID_BYTES 21
/** A new ruid, "uloc-" and 16 digits. @return text in @p out */
struct text binding_new_ruid(struct location *location, char out[RUID_BYTES]);

/* draft.c */
#define DRAFT_STALE 1 /* of draft_commit(): somebody was faster, begin again */

/** One binding of a draft. */
struct draft_slot {
    struct location_binding *binding; /* a reference; NULL: it is gone */
    struct location_binding *before;  /* borrowed from base; NULL: it is new */
    bool is_expired;
};

struct draft {
    struct location *location;
    struct text aor; /* borrowed */
    uint64_t hash;
    uint64_t now_ms;
    struct location_record *base; /* reference; NULL: the AoR has no record */
    struct draft_slot *slots;
    size_t count, room;
    struct arena arena;
    _Alignas(16) char block[1024]; /* the arena's first */
};

/**
 * Begin; what has expired is gone from the draft already.
 * @param additions  how many slots draft_put() may add
 * @return 0 or ERROR_MEMORY; draft_close() in either case
 */
int draft_open(struct draft *draft, struct location *location, struct text aor, uint64_t now_ms,
               size_t additions);
/** Bindings that are there. */
size_t draft_live(const struct draft *draft);
/** Put a binding (given) into a slot, or with @p slot NULL into a new one. */
void draft_put(struct draft *draft, struct draft_slot *slot, struct location_binding *binding);
void draft_remove(struct draft_slot *slot);
/**
 * Make it so, and tell the observers.
 * @param is_quiet  tell nobody
 * @param recordp   the record afterwards, returned owned; may be NULL
 * @return 0, DRAFT_STALE, ERROR_LIMIT (location.aors), ERROR_MEMORY
 */
int draft_commit(struct draft *draft, bool is_quiet, void *by, struct location_record **recordp);
void draft_close(struct draft *draft);

/* lookup.c */
typedef bool binding_accept_handler(const struct location_binding *binding, const void *arg);
/** Live bindings of @p record (given) that @p accept takes. @return as location_lookup() */
int found_make(struct location_found **foundp, struct location_record *record,
               const struct location_query *query, binding_accept_handler *accept, const void *arg);

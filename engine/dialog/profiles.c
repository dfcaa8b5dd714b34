/*
 * One table of counts under one lock, held for a few instructions. A place counts in two entries, that of
 * its value and that of the whole profile; an entry lives as long as somebody is counted in it.
 */
#include "dialog/profiles.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/memory.h"
#include "base/random.h"

#include <pthread.h>

/* The count of one value, or of a profile as a whole. */
struct entry {
    struct hash_link link;
    uint64_t calls;
    size_t profile_bytes, value_bytes;
    bool is_whole;
    char bytes[]; /* profile, value */
};

struct profiles {
    pthread_mutex_t lock; /* guards all below */
    struct hash_table entries;
    struct hash_key key;
};

struct profile_place {
    struct profiles *profiles;   /* owned reference */
    struct entry *whole, *value; /* NULL: not counted there */
};

struct entry_key {
    struct text profile, value; /* an absent value: the whole profile */
};

static struct text profile_of(const struct entry *entry)
{
    return (struct text){entry->bytes, entry->profile_bytes};
}

static struct text value_of(const struct entry *entry)
{
    if (entry->is_whole)
        return TEXT_NONE;
    return (struct text){entry->bytes + entry->profile_bytes, entry->value_bytes};
}

static void profiles_destroy(void *object)
{
    struct profiles *profiles = object; /* every place held a reference: there is no entry left */
    hash_table_release(&profiles->entries);
    pthread_mutex_destroy(&profiles->lock);
}

int profiles_create(struct profiles **profilesp)
{
    struct random random;
    struct profiles *profiles = memory_alloc(sizeof *profiles, profiles_destroy);
    if (!profiles)
        return ERROR_MEMORY;
    random_seed_secret(&random);
    profiles->key = (struct hash_key){random_u64(&random), random_u64(&random)};
    pthread_mutex_init(&profiles->lock, NULL);
    *profilesp = profiles;
    return 0;
}

/* ---- under the lock ---- */

static bool matches(const struct hash_link *link, const void *wanted)
{
    const struct entry *entry = CONTAINER_OF(link, struct entry, link);
    const struct entry_key *key = wanted;
    return entry->is_whole == !text_is_set(key->value) &&
           text_equal(profile_of(entry), key->profile) &&
           (entry->is_whole || text_equal(value_of(entry), key->value));
}

static uint64_t hash_of(const struct profiles *profiles, const struct entry_key *key)
{
    const struct text v[] = {key->profile, key->value};
    return hash_texts(&profiles->key, v, text_is_set(key->value) ? 2 : 1);
}

static struct entry *find(const struct profiles *profiles, const struct entry_key *key)
{
    struct hash_link *link = hash_find(&profiles->entries, hash_of(profiles, key), matches, key);
    return link ? CONTAINER_OF(link, struct entry, link) : NULL;
}

static int make(struct entry **entryp, struct profiles *profiles, const struct entry_key *key)
{
    struct entry *entry = memory_raw(sizeof *entry + key->profile.n + key->value.n);
    if (!entry)
        return ERROR_MEMORY;
    *entry = (struct entry){.profile_bytes = key->profile.n,
                            .value_bytes = key->value.n,
                            .is_whole = !text_is_set(key->value)};
    if (key->profile.n)
        memcpy(entry->bytes, key->profile.p, key->profile.n);
    if (key->value.n)
        memcpy(entry->bytes + key->profile.n, key->value.p, key->value.n);
    int error = hash_insert(&profiles->entries, &entry->link, hash_of(profiles, key));
    if (error)
        memory_free_raw(entry);
    else
        *entryp = entry;
    return error;
}

/* Count one more there; the entry is made when it is the first. */
static int count(struct entry **entryp, struct profiles *profiles, const struct entry_key *key,
                 const struct profile_request *request)
{
    struct entry *entry = find(profiles, key);
    if (entry && !entry->is_whole && request->most && entry->calls >= request->most)
        return ERROR_STATE;
    int error = 0;
    if (!entry && profiles->entries.count >= request->values_most)
        return ERROR_LIMIT;
    if (!entry)
        error = make(&entry, profiles, key);
    if (error)
        return error;
    entry->calls++;
    *entryp = entry;
    return 0;
}

static void count_back(struct entry *entry)
{
    if (!entry || --entry->calls)
        return;
    hash_remove(&entry->link);
    memory_free_raw(entry);
}

/* ---- places ---- */

static void place_destroy(void *object)
{
    struct profile_place *place = object;
    pthread_mutex_lock(&place->profiles->lock);
    count_back(place->value);
    count_back(place->whole);
    pthread_mutex_unlock(&place->profiles->lock);
    memory_release(place->profiles);
}

int profiles_join(struct profile_place **placep, struct profiles *profiles,
                  const struct profile_request *request)
{
    const struct text value = text_is_set(request->value) ? request->value : TEXT("");
    const struct entry_key of_value = {request->profile, value},
                           of_whole = {request->profile, TEXT_NONE};
    struct profile_place *place = memory_alloc(sizeof *place, place_destroy);
    if (!place)
        return ERROR_MEMORY;
    place->profiles = memory_ref(profiles);
    pthread_mutex_lock(&profiles->lock);
    int error = count(&place->value, profiles, &of_value, request);
    if (!error)
        error = count(&place->whole, profiles, &of_whole, request);
    pthread_mutex_unlock(&profiles->lock);
    if (error)
        memory_release(place);
    else
        *placep = place;
    return error;
}

struct text profile_place_name(const struct profile_place *place)
{
    return profile_of(place->value);
}

struct text profile_place_value(const struct profile_place *place)
{
    return value_of(place->value);
}

/* ---- reading ---- */

uint64_t profiles_count(struct profiles *profiles, struct text profile, struct text value)
{
    const struct entry_key key = {profile, value};
    pthread_mutex_lock(&profiles->lock);
    const struct entry *entry = find(profiles, &key);
    uint64_t calls = entry ? entry->calls : 0;
    pthread_mutex_unlock(&profiles->lock);
    return calls;
}

struct visit {
    profile_visit_handler *visit;
    void *arg;
};

static void visit_entry(struct hash_link *link, void *arg)
{
    const struct visit *visit = arg;
    const struct entry *entry = CONTAINER_OF(link, struct entry, link);
    visit->visit(visit->arg, profile_of(entry), value_of(entry), entry->calls);
}

void profiles_for_each(struct profiles *profiles, profile_visit_handler *visit, void *arg)
{
    struct visit all = {visit, arg};
    pthread_mutex_lock(&profiles->lock);
    hash_for_each(&profiles->entries, visit_entry, &all);
    pthread_mutex_unlock(&profiles->lock);
}

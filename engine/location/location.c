/* The store itself: made, asked how full it is, observed, released. */
#include "base/error.h"
#include "base/memory.h"
#include "location/internal.h"

static void forget(struct hash_link *link, void *arg)
{
    struct shard *shard = arg;
    struct location_record *record = CONTAINER_OF(link, struct location_record, link);
    hash_remove(link);
    timer_stop(&shard->wheel, &record->timer);
    memory_release(record);
}

static void destroy(void *object)
{
    struct location *location = object;
    for (size_t i = 0; i < SHARD_COUNT; i++) {
        struct shard *shard = &location->shards[i];
        hash_for_each(&shard->table, forget, shard);
        hash_table_release(&shard->table);
        pthread_mutex_destroy(&shard->mutex);
    }
}

int location_create(struct location **locationp, const struct location_options *options)
{
    struct location *location = memory_alloc(sizeof *location, destroy);
    *locationp = location;
    if (!location)
        return ERROR_MEMORY;
    location->settings = options->settings;
    location->hash_key = options->hash_key;
    location->ruid_key =
        (struct hash_key){options->hash_key.k0 ^ options->start_ms, ~options->hash_key.k1};
    for (size_t i = 0; i < SHARD_COUNT; i++) {
        pthread_mutex_init(&location->shards[i].mutex, NULL);
        timers_init(&location->shards[i].wheel, options->start_ms);
    }
    return 0;
}

void location_get_state(const struct location *location, struct location_state *state)
{
    state->aors = atomic_load_explicit(&location->aors, memory_order_relaxed);
    state->bindings = atomic_load_explicit(&location->bindings, memory_order_relaxed);
}

const char *location_change_name(enum location_change_kind kind)
{
    static const char *const names[] = {"inserted", "updated", "removed", "expired"};
    return (unsigned)kind < sizeof names / sizeof names[0] ? names[kind] : "unknown";
}

int location_observe(struct location *location, location_change_handler *handler, void *arg)
{
    if (location->observer_count == LOCATION_OBSERVERS_MAX)
        return ERROR_LIMIT;
    location->observers[location->observer_count].handler = handler;
    location->observers[location->observer_count++].arg = arg;
    return 0;
}

struct location_record *location_find(struct location *location, struct text aor)
{
    return location_get(location, aor, location_hash(location, aor));
}

/* A change of one record, from the reference to what is in force to the swap. */
#include "base/error.h"
#include "base/memory.h"
#include "location/record.h"

int draft_open(struct draft *draft, struct location *location, struct text aor, uint64_t now_ms,
               size_t additions)
{
    draft->location = location;
    draft->aor = aor;
    draft->hash = location_hash(location, aor);
    draft->now_ms = now_ms;
    draft->count = draft->room = 0;
    draft->arena = (struct arena){0};
    arena_lend(&draft->arena, draft->block, sizeof draft->block);
    draft->base = location_get(location, aor, draft->hash);
    size_t here = draft->base ? draft->base->count : 0;
    draft->slots = arena_alloc(&draft->arena, (here + additions) * sizeof *draft->slots);
    if (!draft->slots)
        return ERROR_MEMORY;
    draft->room = here + additions;
    for (; draft->count < here; draft->count++) {
        struct location_binding *binding = draft->base->bindings[draft->count];
        bool is_expired = location_binding_is_expired(binding, now_ms);
        draft->slots[draft->count] = (struct draft_slot){
            .binding = is_expired ? NULL : memory_ref(binding),
            .before = binding,
            .is_expired = is_expired,
        };
    }
    return 0;
}

size_t draft_live(const struct draft *draft)
{
    size_t live = 0;
    for (size_t i = 0; i < draft->count; i++)
        live += draft->slots[i].binding != NULL;
    return live;
}

void draft_put(struct draft *draft, struct draft_slot *slot, struct location_binding *binding)
{
    if (!slot) {
        engine_require(draft->count < draft->room);
        slot = &draft->slots[draft->count++];
        *slot = (struct draft_slot){0};
    }
    memory_release(slot->binding);
    slot->binding = binding;
}

void draft_remove(struct draft_slot *slot)
{
    slot->binding = memory_release(slot->binding);
}

static struct location_change change_of(const struct draft_slot *slot)
{
    if (!slot->binding)
        return (struct location_change){slot->is_expired ? LOCATION_EXPIRED : LOCATION_REMOVED,
                                        slot->before, NULL};
    return (struct location_change){slot->before ? LOCATION_UPDATED : LOCATION_INSERTED,
                                    slot->binding, slot->before};
}

/* What differs from the base; into an array with room for all. */
static size_t list_changes(const struct draft *draft, struct location_change *changes)
{
    size_t count = 0;
    for (size_t i = 0; i < draft->count; i++)
        if (draft->slots[i].binding != draft->slots[i].before)
            changes[count++] = change_of(&draft->slots[i]);
    return count;
}

/* The wheel asks for the record when its first binding ends. */
static void start_timer(struct shard *shard, struct location_record *record)
{
    uint64_t due_ms = record_expires_ms(record), now_ms = shard->wheel.now_ms;
    if (due_ms != LOCATION_NEVER)
        timer_start(&shard->wheel, &record->timer, due_ms > now_ms ? due_ms - now_ms : 1, NULL,
                    NULL);
}

static bool is_aor(const struct hash_link *link, const void *key)
{
    const struct text *aor = key;
    return text_equal(CONTAINER_OF(link, struct location_record, link)->aor, *aor);
}

static struct location_record *find_locked(const struct shard *shard, struct text aor,
                                           uint64_t hash)
{
    struct hash_link *link = hash_find(&shard->table, hash, is_aor, &aor);
    return link ? CONTAINER_OF(link, struct location_record, link) : NULL;
}

struct location_record *location_get(struct location *location, struct text aor, uint64_t hash)
{
    struct shard *shard = location_shard(location, hash);
    pthread_mutex_lock(&shard->mutex);
    struct location_record *record = memory_ref(find_locked(shard, aor, hash));
    pthread_mutex_unlock(&shard->mutex);
    return record;
}

/*
 * Put @p record (given, or NULL) in the place of the base. On success the table's reference to the
 * base has become the caller's.
 */
static int swap(struct draft *draft, struct location_record *record, uint64_t *version)
{
    struct shard *shard = location_shard(draft->location, draft->hash);
    int error = 0;
    pthread_mutex_lock(&shard->mutex);
    if (find_locked(shard, draft->aor, draft->hash) != draft->base)
        error = DRAFT_STALE;
    else if (record)
        error = hash_insert(&shard->table, &record->link, draft->hash);
    if (!error) {
        *version = ++shard->version;
        if (draft->base) {
            hash_remove(&draft->base->link);
            timer_stop(&shard->wheel, &draft->base->timer);
        }
        if (record)
            start_timer(shard, record);
    }
    pthread_mutex_unlock(&shard->mutex);
    return error;
}

/* One more AoR, unless there are too many. */
static int count_aor(struct location *location)
{
    if (atomic_fetch_add_explicit(&location->aors, 1, memory_order_relaxed) <
        location->settings->location_aors)
        return 0;
    atomic_fetch_sub_explicit(&location->aors, 1, memory_order_relaxed);
    return ERROR_LIMIT;
}

static void tell(const struct draft *draft, struct location_changes *changes)
{
    const struct location *location = draft->location;
    for (size_t i = 0; i < location->observer_count; i++)
        location->observers[i].handler(location->observers[i].arg, changes);
}

/* Swap, and keep the sums right. */
static int put_in_force(struct draft *draft, struct location_record *record, uint64_t *version)
{
    struct location *location = draft->location;
    bool is_first = record && !draft->base;
    int error = is_first ? count_aor(location) : 0;
    if (error)
        return error;
    size_t before = draft->base ? draft->base->count : 0;
    error = swap(draft, record, version);
    if (is_first && error)
        atomic_fetch_sub_explicit(&location->aors, 1, memory_order_relaxed);
    if (error)
        return error;
    if (draft->base && !record)
        atomic_fetch_sub_explicit(&location->aors, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&location->bindings, (record ? record->count : 0) - before,
                              memory_order_relaxed);
    memory_release(draft->base); /* the table's reference; the draft keeps its own */
    return 0;
}

int draft_commit(struct draft *draft, bool is_quiet, void *by, struct location_record **recordp)
{
    struct location_changes changes = {.aor = draft->aor, .by = by};
    struct location_change *v =
        arena_alloc(&draft->arena, (draft->count ? draft->count : 1) * sizeof *v);
    *recordp = NULL;
    if (!v)
        return ERROR_MEMORY;
    changes.count = list_changes(draft, v);
    changes.v = v;
    if (!changes.count) {
        *recordp = memory_ref(draft->base);
        return 0;
    }
    struct location_record *record = NULL;
    if (draft_live(draft) && !(record = record_create(draft)))
        return ERROR_MEMORY;
    memory_ref(record); /* once in the table, another thread may end it at any moment */
    int error = put_in_force(draft, record, &changes.version);
    if (error) {
        memory_release(record);
        memory_release(record);
        return error;
    }
    changes.record = record;
    if (!is_quiet)
        tell(draft, &changes);
    *recordp = record;
    return 0;
}

void draft_close(struct draft *draft)
{
    for (size_t i = 0; i < draft->count; i++)
        memory_release(draft->slots[i].binding);
    draft->count = 0;
    draft->base = memory_release(draft->base);
    arena_reset(&draft->arena);
}

/* Changes that no REGISTER asks for: commands, rows of a store, time. */
#include "base/error.h"
#include "base/memory.h"
#include "location/match.h"
#include "location/record.h"

/* Which bindings are to end. */
struct choice {
    struct text which; /* contact or ruid; absent or empty: all */
    struct uri uri;    /* of it */
    bool is_uri;
    const struct location_binding *binding; /* this one alone; NULL: as `which` says */
};

static bool is_chosen(const struct choice *choice, const struct location_binding *binding)
{
    if (choice->binding)
        return binding == choice->binding;
    return !choice->which.n || text_equal(binding->ruid, choice->which) ||
           (choice->is_uri && match_uri(&choice->uri, binding->contact));
}

static size_t remove_from(struct draft *draft, const struct choice *choice)
{
    size_t count = 0;
    for (size_t i = 0; i < draft->count; i++) {
        struct draft_slot *slot = &draft->slots[i];
        if (!slot->binding || !is_chosen(choice, slot->binding))
            continue;
        draft_remove(slot);
        count++;
    }
    return count;
}

static int remove_chosen(struct location *location, struct text aor, const struct choice *choice,
                         uint64_t now_ms, void *by)
{
    struct location_record *record = NULL;
    struct draft draft;
    size_t count = 0;
    int error;
    do {
        error = draft_open(&draft, location, aor, now_ms, 0);
        if (!error) {
            count = remove_from(&draft, choice);
            error = draft_commit(&draft, false, by, &record);
        }
        draft_close(&draft);
    } while (error == DRAFT_STALE);
    memory_release(record);
    return error ? error : (int)count;
}

int location_remove(struct location *location, struct text aor, struct text which, uint64_t now_ms,
                    void *by)
{
    struct choice choice = {.which = which};
    choice.is_uri = which.n && uri_parse(&choice.uri, which) == 0;
    return remove_chosen(location, aor, &choice, now_ms, by);
}

int location_remove_binding(struct location *location, struct text aor,
                            const struct location_binding *binding, uint64_t now_ms, void *by)
{
    return remove_chosen(location, aor, &(struct choice){.binding = binding}, now_ms, by);
}

static struct draft_slot *find_ruid(const struct draft *draft, struct text ruid)
{
    for (size_t i = 0; i < draft->count; i++)
        if (draft->slots[i].binding && text_equal(draft->slots[i].binding->ruid, ruid))
            return &draft->slots[i];
    return NULL;
}

static int try_load(struct location *location, struct text aor, const struct location_binding *row,
                    uint64_t now_ms)
{
    struct location_record *record = NULL;
    struct draft draft;
    int error = draft_open(&draft, location, aor, now_ms, 1);
    struct location_binding *binding = error ? NULL : binding_copy(row);
    if (binding) {
        draft_put(&draft, find_ruid(&draft, row->ruid), binding);
        error = draft_commit(&draft, true, NULL, &record);
    } else {
        error = ERROR_MEMORY;
    }
    draft_close(&draft);
    memory_release(record);
    return error;
}

int location_load(struct location *location, struct text aor, const struct location_binding *row,
                  uint64_t now_ms)
{
    char ruid[RUID_BYTES];
    struct location_binding whole = *row;
    if (location_binding_is_expired(row, now_ms))
        return ERROR_TIMEOUT;
    if (!whole.ruid.n)
        whole.ruid = binding_new_ruid(location, ruid);
    if (!aor.n || aor.n > location->settings->location_text_bytes)
        return ERROR_SYNTAX;
    int error = binding_check(&whole, location->settings);
    if (error)
        return error;
    do
        error = try_load(location, aor, &whole, now_ms);
    while (error == DRAFT_STALE);
    return error;
}

/* End what has expired of one record. Whoever was faster has done it, or will be asked again. */
static int expire(struct location *location, struct location_record *record, uint64_t now_ms,
                  struct counters *counters, void *by)
{
    struct location_record *after = NULL;
    struct draft draft;
    int error = draft_open(&draft, location, record->aor, now_ms, 0);
    if (!error)
        error = draft_commit(&draft, false, by, &after);
    for (size_t i = 0; !error && i < draft.count && counters; i++)
        if (draft.slots[i].is_expired)
            counter_count(counters, COUNTER_LOCATION_EXPIRED);
    draft_close(&draft);
    memory_release(after);
    return error;
}

#define RETRY_MS 1000 /* when there was no memory to make the record without the expired */

/* When to ask again if this time nothing comes of it: the wheel reaches only a year ahead. */
static uint64_t retry_ms(const struct shard *shard, const struct location_record *record)
{
    uint64_t due_ms = record_expires_ms(record), now_ms = shard->wheel.now_ms;
    return due_ms > now_ms + RETRY_MS ? due_ms - now_ms : RETRY_MS;
}

/* The first record of a shard that is due, returned owned, or NULL. */
static struct location_record *take_due(struct shard *shard, uint64_t now_ms)
{
    struct location_record *record = NULL;
    pthread_mutex_lock(&shard->mutex);
    struct timer *timer = timers_due(&shard->wheel, now_ms);
    if (timer) {
        record = memory_ref(CONTAINER_OF(timer, struct location_record, timer));
        timer_start(&shard->wheel, timer, retry_ms(shard, record), NULL, NULL);
    }
    pthread_mutex_unlock(&shard->mutex);
    return record;
}

bool location_tick(struct location *location, uint64_t now_ms, struct counters *counters, void *by)
{
    uint64_t left = location->settings->location_expire_batch;
    uint32_t first = atomic_load_explicit(&location->tick_shard, memory_order_relaxed);
    for (uint32_t i = 0; i < SHARD_COUNT; i++) {
        uint32_t number = (first + i) % SHARD_COUNT;
        struct shard *shard = &location->shards[number];
        struct location_record *record;
        while (left && (record = take_due(shard, now_ms))) {
            expire(location, record, now_ms, counters, by);
            memory_release(record);
            left--;
        }
        if (!left) {
            atomic_store_explicit(&location->tick_shard, number, memory_order_relaxed);
            return true;
        }
    }
    return false;
}

/* Records are made whole and never change. */
#include "location/record.h"

#include "base/memory.h"

static void destroy(void *object)
{
    struct location_record *record = object;
    for (size_t i = 0; i < record->count; i++)
        memory_release(record->bindings[i]);
}

static int q_of(const struct location_binding *binding, const struct settings *settings)
{
    return binding->q == CONTACT_Q_NONE ? (int)settings->location_q_default : binding->q;
}

static bool stands_before(const struct location_binding *a, const struct location_binding *b,
                          const struct settings *settings)
{
    int difference = q_of(a, settings) - q_of(b, settings);
    return difference ? difference > 0 : a->modified_ms > b->modified_ms;
}

/* Into its place among those that are there; equals keep their order. */
static void insert(struct location_record *record, struct location_binding *binding,
                   const struct settings *settings)
{
    size_t i = record->count++;
    for (; i > 0 && stands_before(binding, record->bindings[i - 1], settings); i--)
        record->bindings[i] = record->bindings[i - 1];
    record->bindings[i] = memory_ref(binding);
}

struct location_record *record_create(const struct draft *draft)
{
    size_t size =
        sizeof(struct location_record) + draft_live(draft) * sizeof(struct location_binding *);
    struct location_record *record = memory_alloc_room(size, draft->aor.n, destroy);
    if (!record)
        return NULL;
    char *aor = (char *)record + size;
    memcpy(aor, draft->aor.p, draft->aor.n);
    record->aor = (struct text){aor, draft->aor.n};
    for (size_t i = 0; i < draft->count; i++)
        if (draft->slots[i].binding)
            insert(record, draft->slots[i].binding, draft->location->settings);
    return record;
}

uint64_t record_expires_ms(const struct location_record *record)
{
    uint64_t first = LOCATION_NEVER;
    for (size_t i = 0; i < record->count; i++)
        if (record->bindings[i]->expires_ms < first)
            first = record->bindings[i]->expires_ms;
    return first;
}

struct text location_record_aor(const struct location_record *record)
{
    return record->aor;
}

size_t location_record_count(const struct location_record *record)
{
    return record->count;
}

const struct location_binding *location_record_at(const struct location_record *record, size_t i)
{
    return record->bindings[i];
}

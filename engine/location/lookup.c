/* Live bindings of an AoR, without a lock: a record never changes. */
#include "base/error.h"
#include "base/memory.h"
#include "location/gruu.h"

static void destroy(void *object)
{
    struct location_found *found = object;
    memory_release(found->record);
}

/* Is an earlier target another flow to the same UA instance? */
static bool has_instance(const struct location_found *found, struct text instance)
{
    for (size_t i = 0; instance.n && i < found->count; i++)
        if (text_equal_nocase(found->v[i].binding->instance, instance))
            return true;
    return false;
}

int found_make(struct location_found **foundp, struct location_record *record,
               const struct location_query *query, binding_accept_handler *accept, const void *arg)
{
    struct location_found *found =
        memory_alloc(sizeof *found + record->count * sizeof found->v[0], destroy);
    bool is_registered = false;
    *foundp = NULL;
    if (!found) {
        memory_release(record);
        return ERROR_MEMORY;
    }
    found->record = record;
    for (size_t i = 0; i < record->count; i++) {
        const struct location_binding *binding = record->bindings[i];
        if (location_binding_is_expired(binding, query->now_ms) || !accept(binding, arg))
            continue;
        is_registered = true;
        if ((binding->methods & query->methods) != query->methods)
            continue;
        bool is_alternative = has_instance(found, binding->instance);
        found->v[found->count++] = (struct location_target){binding, is_alternative};
    }
    if (found->count) {
        *foundp = found;
        return 0;
    }
    memory_release(found);
    return is_registered ? ERROR_UNSUPPORTED : ERROR_NOT_FOUND;
}

/* @p arg is the value of gr, absent for all. */
static bool is_wanted_instance(const struct location_binding *binding, const void *arg)
{
    const struct text *gr = arg;
    return !text_is_set(*gr) || gruu_is_instance(*gr, binding->instance);
}

int location_lookup(struct location_found **foundp, struct location *location,
                    const struct location_query *query)
{
    struct location_record *record = location_find(location, query->aor);
    *foundp = NULL;
    if (!record)
        return ERROR_NOT_FOUND;
    return found_make(foundp, record, query, is_wanted_instance, &query->gr);
}

/*
 * What a store says of one AoR, in the place of what memory has: for a store that others write too. What changed in
 * memory meanwhile counts more: the draft's base tells.
 */
#include "base/error.h"
#include "base/memory.h"
#include "location/internal.h"

struct location_refresh {
    struct location *location;    /* borrowed */
    struct location_record *base; /* what was in force when the store was asked; NULL: nothing */
    struct text aor;              /* behind it */
    struct location_binding **v;  /* owned; a reference each */
    size_t count, room;
};

static void destroy(void *object)
{
    struct location_refresh *refresh = object;
    for (size_t i = 0; i < refresh->count; i++)
        memory_release(refresh->v[i]);
    memory_free_raw(refresh->v);
    memory_release(refresh->base);
}

int location_refresh_begin(struct location_refresh **refreshp, struct location *location,
                           struct text aor)
{
    struct location_refresh *refresh = memory_alloc(sizeof *refresh + aor.n, destroy);
    *refreshp = refresh;
    if (!refresh)
        return ERROR_MEMORY;
    char *copy = (char *)(refresh + 1);
    memcpy(copy, aor.p, aor.n);
    refresh->aor = (struct text){copy, aor.n};
    refresh->location = location;
    refresh->base = location_find(location, aor);
    return 0;
}

int location_refresh_add(struct location_refresh *refresh, const struct location_binding *row)
{
    int error = row->ruid.n ? binding_check(row, refresh->location->settings) : ERROR_SYNTAX;
    if (error)
        return error;
    if (refresh->count == refresh->room) {
        size_t room = refresh->room ? 2 * refresh->room : 4;
        struct location_binding **v = memory_raw_resize(refresh->v, room * sizeof *v);
        if (!v)
            return ERROR_MEMORY;
        refresh->v = v;
        refresh->room = room;
    }
    struct location_binding *binding = binding_copy(row);
    if (!binding)
        return ERROR_MEMORY;
    refresh->v[refresh->count++] = binding;
    return 0;
}

struct text location_refresh_aor(const struct location_refresh *refresh)
{
    return refresh->aor;
}

/* Is it the row of this very binding? Stores keep whole seconds, and nothing of its flow. */
static bool is_same(const struct location_binding *here, const struct location_binding *row)
{
    return here->cseq == row->cseq && text_equal(here->call_id, row->call_id) &&
           text_equal(here->contact, row->contact) &&
           here->expires_ms / 1000 == row->expires_ms / 1000;
}

static struct draft_slot *slot_of(struct draft *draft, struct text ruid)
{
    for (size_t i = 0; i < draft->count; i++)
        if (draft->slots[i].before && text_equal(draft->slots[i].before->ruid, ruid))
            return &draft->slots[i];
    return NULL;
}

static bool has_row(const struct location_refresh *refresh, struct text ruid)
{
    for (size_t i = 0; i < refresh->count; i++)
        if (text_equal(refresh->v[i]->ruid, ruid))
            return true;
    return false;
}

static void apply(struct location_refresh *refresh, struct draft *draft)
{
    for (size_t i = 0; i < draft->count; i++)
        if (draft->slots[i].binding && !has_row(refresh, draft->slots[i].before->ruid))
            draft_remove(&draft->slots[i]);
    for (size_t i = 0; i < refresh->count; i++) {
        struct location_binding *row = refresh->v[i];
        struct draft_slot *slot = slot_of(draft, row->ruid);
        bool is_known = slot && slot->binding && is_same(slot->binding, row);
        if (!is_known && !location_binding_is_expired(row, draft->now_ms))
            draft_put(draft, slot, memory_ref(row));
    }
}

int location_refresh_end(struct location_refresh *refresh, uint64_t now_ms)
{
    struct draft draft;
    struct location_record *after = NULL;
    int error = draft_open(&draft, refresh->location, refresh->aor, now_ms, refresh->count);
    if (!error && draft.base != refresh->base)
        error = ERROR_STATE;
    if (!error) {
        apply(refresh, &draft);
        error = draft_commit(&draft, true, NULL, &after);
    }
    draft_close(&draft);
    memory_release(after);
    return error == DRAFT_STALE ? ERROR_STATE : error;
}

int location_forget(struct location *location, const struct location_record *record,
                    uint64_t now_ms)
{
    struct draft draft;
    struct location_record *after = NULL;
    int error = draft_open(&draft, location, record->aor, now_ms, 0);
    if (!error && draft.base != record)
        error = ERROR_STATE;
    if (!error) {
        for (size_t i = 0; i < draft.count; i++)
            draft_remove(&draft.slots[i]);
        error = draft_commit(&draft, true, NULL, &after);
    }
    draft_close(&draft);
    memory_release(after);
    return error == DRAFT_STALE ? ERROR_STATE : error;
}

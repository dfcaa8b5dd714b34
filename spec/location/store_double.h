/* A store that keeps rows in memory and answers at once, or fails as it is told; stands in for SQL. */
#pragma once

#include "location/store.h"

#include "bench.h"

#define DOUBLE_ROWS 64

/** Its state. */
struct store_double {
    struct {
        char aor[64];
        struct location_binding *binding; /* reference */
    } rows[DOUBLE_ROWS];
    size_t count;
    int error; /**< every call from now on fails so; 0: none */
};

static inline int double_answer(const struct location_reply *reply)
{
    if (reply && reply->done)
        reply->done(reply->arg, 0);
    return 0;
}

static inline void double_drop(struct store_double *store, size_t i)
{
    memory_release(store->rows[i].binding);
    store->rows[i] = store->rows[--store->count];
}

static inline void double_drop_ruid(struct store_double *store, struct text ruid)
{
    for (size_t i = 0; i < store->count; i++)
        if (text_equal(store->rows[i].binding->ruid, ruid)) {
            double_drop(store, i);
            return;
        }
}

static inline int double_write(void *arg, const struct location_changes *changes,
                               const struct location_reply *reply)
{
    struct store_double *store = arg;
    if (store->error)
        return store->error;
    for (size_t i = 0; i < changes->count; i++) {
        const struct location_change *change = &changes->v[i];
        double_drop_ruid(store, change->binding->ruid);
        if (change->kind == LOCATION_REMOVED || change->kind == LOCATION_EXPIRED)
            continue;
        assert_true(store->count < DOUBLE_ROWS);
        text_to_array(changes->aor, store->rows[store->count].aor, 64);
        store->rows[store->count++].binding = memory_ref((void *)change->binding);
    }
    return double_answer(reply);
}

static inline int double_read(struct store_double *store, struct text aor, uint64_t now_ms,
                              const struct location_reply *reply)
{
    if (store->error)
        return store->error;
    for (size_t i = 0; i < store->count; i++) {
        struct text name = text_of(store->rows[i].aor);
        if (location_binding_is_expired(store->rows[i].binding, now_ms) ||
            (text_is_set(aor) && !text_equal(aor, name)))
            continue;
        if (!reply->row(reply->arg, name, store->rows[i].binding))
            break;
    }
    return double_answer(reply);
}

static inline int double_load(void *store, uint64_t now_ms, const struct location_reply *reply)
{
    return double_read(store, TEXT_NONE, now_ms, reply);
}

static inline int double_fetch(void *store, struct text aor, uint64_t now_ms,
                               const struct location_reply *reply)
{
    return double_read(store, aor, now_ms, reply);
}

static inline int double_purge(void *arg, uint64_t now_ms, const struct location_reply *reply)
{
    struct store_double *store = arg;
    if (store->error)
        return store->error;
    for (size_t i = store->count; i-- > 0;)
        if (location_binding_is_expired(store->rows[i].binding, now_ms))
            double_drop(store, i);
    return double_answer(reply);
}

static const struct location_store_operations double_operations = {
    .name = "double",
    .load = double_load,
    .fetch = double_fetch,
    .write = double_write,
    .purge = double_purge,
};

static inline void double_release(struct store_double *store)
{
    while (store->count)
        double_drop(store, 0);
}

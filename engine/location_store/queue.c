/* Entries of AoRs: in the table as long as there is anything to write of them. */
#include "location_store/queue.h"

#include "base/error.h"
#include "base/memory.h"

static bool is_aor(const struct hash_link *link, const void *key)
{
    const struct text *aor = key;
    return text_equal(CONTAINER_OF(link, const struct entry, hash)->aor, *aor);
}

struct entry *queue_find(struct queue *queue, struct text aor)
{
    struct hash_link *link = hash_find(&queue->table, hash_text(&queue->key, aor), is_aor, &aor);
    return link ? CONTAINER_OF(link, struct entry, hash) : NULL;
}

struct entry *queue_get(struct queue *queue, struct text aor)
{
    struct entry *entry = queue_find(queue, aor);
    if (entry)
        return entry;
    entry = memory_raw(sizeof *entry + aor.n + 1);
    if (!entry)
        return NULL;
    char *bytes = (char *)(entry + 1);
    *entry = (struct entry){.aor = {bytes, aor.n}};
    memcpy(bytes, aor.p, aor.n);
    if (hash_insert(&queue->table, &entry->hash, hash_text(&queue->key, aor))) {
        memory_free_raw(entry);
        return NULL;
    }
    list_append(&queue->due, &entry->link);
    return entry;
}

/* ---- rows ---- */

static bool has_row(const struct rows *rows, struct text ruid)
{
    for (size_t i = 0; i < rows->count; i++)
        if (text_equal(rows->v[i]->ruid, ruid))
            return true;
    return false;
}

/** @param binding  given. @return 0 or ERROR_MEMORY: still the caller's */
static int push_row(struct rows *rows, struct location_binding *binding)
{
    if (rows->count == rows->room) {
        size_t room = rows->room ? rows->room * 2 : 1;
        struct location_binding **v = memory_raw_resize(rows->v, room * sizeof *v);
        if (!v)
            return ERROR_MEMORY;
        rows->v = v;
        rows->room = room;
    }
    rows->v[rows->count++] = binding;
    return 0;
}

static void clear_rows(struct queue *queue, struct rows *rows)
{
    queue->rows -= rows->count;
    while (rows->count)
        memory_release(rows->v[--rows->count]);
    memory_free_raw(rows->v);
    *rows = (struct rows){0};
}

int queue_add(struct queue *queue, struct entry *entry, const struct location_binding *binding)
{
    if (has_row(&entry->rows, binding->ruid))
        return 0;
    struct location_binding *kept = memory_ref((void *)binding);
    int error = push_row(&entry->rows, kept);
    if (error)
        memory_release(kept);
    else
        queue->rows++;
    return error;
}

/** Rows that were sent are to be written again, but for those that changed meanwhile. */
static void put_back(struct queue *queue, struct entry *entry)
{
    for (size_t i = 0; i < entry->rows.count; i++) {
        if (has_row(&entry->sent, entry->rows.v[i]->ruid) ||
            push_row(&entry->sent, entry->rows.v[i]))
            continue;
        entry->rows.v[i] = entry->rows.v[--entry->rows.count];
        i--;
    }
    clear_rows(queue, &entry->rows);
    entry->rows = entry->sent;
    entry->sent = (struct rows){0};
}

/* ---- writing ---- */

struct entry *queue_take(struct queue *queue)
{
    struct link *link = list_pop(&queue->due);
    if (!link)
        return NULL;
    struct entry *entry = CONTAINER_OF(link, struct entry, link);
    entry->sent = entry->rows;
    entry->rows = (struct rows){0};
    entry->sent_waiters = entry->waiters;
    entry->waiters = NULL;
    return entry;
}

static void entry_release(struct queue *queue, struct entry *entry)
{
    clear_rows(queue, &entry->rows);
    clear_rows(queue, &entry->sent);
    hash_remove(&entry->hash);
    list_remove(&entry->link);
    memory_free_raw(entry);
}

struct waiter *queue_finish(struct queue *queue, struct entry *entry, bool is_again)
{
    struct waiter *waiters = entry->sent_waiters;
    entry->sent_waiters = NULL;
    if (is_again)
        put_back(queue, entry);
    else
        clear_rows(queue, &entry->sent);
    if (entry->rows.count)
        list_append(&queue->due, &entry->link);
    else
        entry_release(queue, entry);
    return waiters;
}

/* ---- the end ---- */

struct release {
    struct queue *queue;
    struct waiter *waiters;
};

static struct waiter *join(struct waiter *a, struct waiter *b)
{
    struct waiter **end = &a;
    while (*end)
        end = &(*end)->next;
    *end = b;
    return a;
}

static void release_entry(struct hash_link *link, void *arg)
{
    struct release *release = arg;
    struct entry *entry = CONTAINER_OF(link, struct entry, hash);
    release->waiters = join(entry->waiters, release->waiters);
    release->waiters = join(entry->sent_waiters, release->waiters);
    entry_release(release->queue, entry);
}

struct waiter *queue_release(struct queue *queue)
{
    struct release release = {.queue = queue};
    hash_for_each(&queue->table, release_entry, &release);
    hash_table_release(&queue->table);
    return release.waiters;
}

/*
 * Entries lie one behind the other and never wrap: where one does not fit before the end of the ring,
 * the rest stays free and it begins at the front. What it runs over, it takes out first. Invariant: from
 * <oldest> on, entry by entry, through the end when <newest_end> lies before it, to <newest_end>.
 */
#include "worker/recorder.h"

#include "base/error.h"
#include "base/memory.h"
#include "route/proxy.h"
#include "sip/message.h"

#define ALIGNMENT 8

/* A struct recorded without its texts, which lie behind: its bytes, and then its Call-ID. */
struct entry {
    uint32_t size_bytes; /* of entry and bytes, aligned */
    uint32_t kept_bytes, call_id_bytes;
    bool is_sent, is_note;
    uint64_t at_ms;
    const struct listener *listener;
    struct address peer;
};

static const struct address nobody; /* AF_UNSPEC */

struct recorder {
    char *ring; /* owned */
    size_t size_bytes, message_bytes;
    size_t oldest, newest_end; /* offsets */
    size_t wrap;               /* where the entries before the front end; 0: they do not wrap */
    size_t count;
};

static void destroy(void *object)
{
    struct recorder *recorder = object;
    memory_free_raw(recorder->ring);
}

static size_t size_for(size_t kept_bytes)
{
    return (sizeof(struct entry) + kept_bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

int recorder_create(struct recorder **recorderp, size_t size_bytes, size_t message_bytes)
{
    if (size_bytes < size_for(message_bytes))
        return ERROR_ARGUMENT;
    struct recorder *recorder = memory_alloc(sizeof *recorder, destroy);
    if (!recorder)
        return ERROR_MEMORY;
    recorder->size_bytes = size_bytes / ALIGNMENT * ALIGNMENT;
    recorder->message_bytes = message_bytes;
    recorder->ring = memory_raw(recorder->size_bytes);
    if (!recorder->ring) {
        memory_release(recorder);
        return ERROR_MEMORY;
    }
    *recorderp = recorder;
    return 0;
}

static struct entry *at(const struct recorder *recorder, size_t offset)
{
    return (struct entry *)(void *)(recorder->ring + offset);
}

/* The offset behind an entry; the front when the entries wrap there. */
static size_t behind(const struct recorder *recorder, size_t offset)
{
    size_t next = offset + at(recorder, offset)->size_bytes;
    return recorder->wrap && next == recorder->wrap ? 0 : next;
}

static void forget_oldest(struct recorder *recorder)
{
    size_t next = behind(recorder, recorder->oldest);
    if (next < recorder->oldest)
        recorder->wrap = 0;
    recorder->oldest = next;
    if (--recorder->count == 0)
        recorder->oldest = recorder->newest_end = recorder->wrap = 0;
}

/* Do the entries that are kept leave @p size bytes free from the end of the newest on? */
static bool is_free(const struct recorder *recorder, size_t size)
{
    if (recorder->wrap)
        return recorder->newest_end + size <= recorder->oldest;
    return recorder->newest_end + size <= recorder->size_bytes;
}

static void make_room(struct recorder *recorder, size_t size)
{
    while (!is_free(recorder, size)) {
        if (!recorder->wrap && recorder->newest_end + size > recorder->size_bytes) {
            recorder->wrap = recorder->newest_end;
            recorder->newest_end = 0;
        } else {
            forget_oldest(recorder);
        }
    }
}

/* The next message reads it, to run over it: no near cache has what was written a ring ago. */
static void bring_oldest(const struct recorder *recorder)
{
    __builtin_prefetch(at(recorder, recorder->oldest));
}

void recorder_keep(struct recorder *recorder, const struct recorded *recorded)
{
    size_t most = recorder->message_bytes;
    size_t n = recorded->bytes.n < most ? recorded->bytes.n : most;
    size_t id = recorded->call_id.n < most - n ? recorded->call_id.n : most - n;
    size_t size = size_for(n + id);
    make_room(recorder, size);
    struct entry *entry = at(recorder, recorder->newest_end);
    entry->size_bytes = (uint32_t)size;
    entry->kept_bytes = (uint32_t)n;
    entry->call_id_bytes = (uint32_t)id;
    entry->is_sent = recorded->is_sent;
    entry->is_note = recorded->is_note;
    entry->at_ms = recorded->at_ms;
    entry->listener = recorded->listener;
    entry->peer = *(recorded->peer ? recorded->peer : &nobody);
    memcpy(entry + 1, recorded->bytes.p, n);
    if (id)
        memcpy((char *)(entry + 1) + n, recorded->call_id.p, id);
    recorder->newest_end += size;
    recorder->count++;
    bring_oldest(recorder);
}

static struct recorded recorded_of(const struct entry *entry)
{
    const char *bytes = (const char *)(entry + 1);
    return (struct recorded){
        .at_ms = entry->at_ms,
        .is_sent = entry->is_sent,
        .is_note = entry->is_note,
        .listener = entry->listener,
        .peer = &entry->peer,
        .bytes = {bytes, entry->kept_bytes},
        .call_id = {bytes + entry->kept_bytes, entry->call_id_bytes},
    };
}

static struct text call_id_of(const struct recorded *recorded)
{
    return recorded->is_note ? recorded->call_id : message_peek_call_id(recorded->bytes);
}

struct text recorder_other_call_id(const struct recorded *recorded)
{
    struct text note = recorded->bytes, mark = TEXT(PROXY_NOTE_CALL_ID);
    if (!recorded->is_note || !text_starts_with(note, mark))
        return TEXT_NONE;
    return text_span(note.p + mark.n, note.p + note.n);
}

static bool is_one_of(struct text id, const struct text *call_ids, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (text_equal(id, call_ids[i]))
            return true;
    return false;
}

void recorder_visit(const struct recorder *recorder, const struct text *call_ids, size_t count,
                    recorded_visit_handler *visit, void *arg)
{
    size_t offset = recorder->oldest;
    for (size_t i = 0; i < recorder->count; i++, offset = behind(recorder, offset)) {
        const struct entry *entry = at(recorder, offset);
        const struct recorded recorded = recorded_of(entry);
        if (is_one_of(call_id_of(&recorded), call_ids, count))
            visit(arg, &recorded);
    }
}

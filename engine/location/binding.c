/* One binding: a counted block, its texts behind it. */
#include "base/error.h"
#include "base/memory.h"
#include "location/internal.h"

/* Where the texts of a binding are. */
static const size_t texts[] = {
    offsetof(struct location_binding, contact),    offsetof(struct location_binding, call_id),
    offsetof(struct location_binding, user_agent), offsetof(struct location_binding, path),
    offsetof(struct location_binding, received),   offsetof(struct location_binding, socket),
    offsetof(struct location_binding, instance),   offsetof(struct location_binding, ruid),
};
#define TEXT_COUNT (sizeof texts / sizeof texts[0])

static struct text *text_at(const struct location_binding *binding, size_t i)
{
    return (struct text *)((char *)binding + texts[i]);
}

/* What was folded over lines goes back into header fields as one line. */
static char *copy_unfolded(char *out, struct text t)
{
    for (size_t i = 0; i < t.n; i++)
        *out++ = t.p[i] == '\r' || t.p[i] == '\n' ? ' ' : t.p[i];
    return out;
}

struct location_binding *binding_copy(const struct location_binding *binding)
{
    size_t room = 0;
    for (size_t i = 0; i < TEXT_COUNT; i++)
        room += text_at(binding, i)->n;
    struct location_binding *copy = memory_alloc_room(sizeof *copy, room, NULL);
    if (!copy)
        return NULL;
    *copy = *binding;
    char *at = (char *)(copy + 1);
    for (size_t i = 0; i < TEXT_COUNT; i++) {
        struct text *t = text_at(copy, i);
        char *begin = at;
        at = copy_unfolded(at, *t);
        *t = t->n ? text_span(begin, at) : TEXT_NONE;
    }
    return copy;
}

int binding_check(const struct location_binding *binding, const struct settings *settings)
{
    if (!binding->contact.n)
        return ERROR_SYNTAX;
    if (binding->contact.n > settings->location_uri_bytes ||
        binding->received.n > settings->location_uri_bytes ||
        binding->path.n > settings->location_path_bytes ||
        binding->call_id.n > settings->location_text_bytes ||
        binding->instance.n > settings->location_text_bytes ||
        binding->ruid.n > settings->location_text_bytes ||
        binding->socket.n > settings->location_text_bytes)
        return ERROR_SYNTAX;
    return 0;
}

struct text binding_new_ruid(struct location *location, char out[RUID_BYTES])
{
    uint64_t number = atomic_fetch_add_explicit(&location->ruids, 1, memory_order_relaxed);
    struct text bytes = {(const char *)&number, sizeof number};
    memcpy(out, "uloc-", 5);
    text_print_hex64(hash_text(&location->ruid_key, bytes), out + 5);
    return (struct text){out, RUID_BYTES};
}

enum ping { PING_NONE, PING_SENT, PING_OVERDUE };

/* No binding is made as a constant: binding_copy() makes them all. */
bool location_binding_begin_ping(const struct location_binding *binding)
{
    _Atomic uint8_t *ping = (_Atomic uint8_t *)&binding->ping;
    uint8_t before = PING_NONE;
    if (atomic_compare_exchange_strong(ping, &before, PING_SENT))
        return true;
    before = PING_SENT;
    atomic_compare_exchange_strong(ping, &before, PING_OVERDUE);
    return false;
}

bool location_binding_end_ping(const struct location_binding *binding)
{
    return atomic_exchange((_Atomic uint8_t *)&binding->ping, PING_NONE) == PING_OVERDUE;
}

unsigned location_binding_pinged(const struct location_binding *binding, bool is_answered)
{
    _Atomic uint8_t *unanswered = (_Atomic uint8_t *)&binding->unanswered;
    uint8_t count = atomic_load_explicit(unanswered, memory_order_relaxed);
    count = is_answered ? 0 : count + (count < UINT8_MAX);
    atomic_store_explicit(unanswered, count, memory_order_relaxed);
    return count;
}

uint32_t location_binding_expires_s(const struct location_binding *binding, uint64_t now_ms)
{
    if (location_binding_is_expired(binding, now_ms))
        return 0;
    uint64_t left_s = (binding->expires_ms - now_ms + 999) / 1000;
    return binding->expires_ms == LOCATION_NEVER || left_s > UINT32_MAX ? UINT32_MAX
                                                                        : (uint32_t)left_s;
}

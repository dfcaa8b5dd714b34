/*
 * The only includer of osipparser2. It wants NUL-terminated copies and makes an allocation for each
 * part of a header; both come from an arena that lives for one call. osip_set_allocators() is
 * process-wide, so the arena in use is a thread-local pointer: the one exception to "no globals".
 */
#include "sip/parse_osip.h"

#include "base/arena.h"
#include "base/error.h"
#include "sip/message.h"
#include "sip/scan.h"

#include <osipparser2/osip_message.h>
#include <osipparser2/osip_parser.h>
#include <threads.h>

#define SCRATCH_BYTES 4096 /* an ordinary header needs no allocation */

static _Thread_local struct arena *arena_in_use;
static once_flag allocators_set = ONCE_FLAG_INIT;

/* Size in front of each piece, for osip_resize(). */
struct piece {
    _Alignas(16) size_t size_bytes;
};

static void *osip_take(size_t size_bytes)
{
    if (!arena_in_use || size_bytes > SIZE_MAX - sizeof(struct piece))
        return NULL;
    struct piece *piece = arena_alloc(arena_in_use, sizeof *piece + size_bytes);
    if (!piece)
        return NULL;
    piece->size_bytes = size_bytes;
    return piece + 1;
}

static void *osip_resize(void *old, size_t size_bytes)
{
    void *piece = osip_take(size_bytes);
    if (!old || !piece)
        return piece;
    size_t had = ((struct piece *)old - 1)->size_bytes;
    return memcpy(piece, old, had < size_bytes ? had : size_bytes);
}

static void osip_give_back(void *piece)
{
    (void)piece; /* the arena goes as a whole */
}

static void set_allocators(void)
{
    osip_set_allocators(osip_take, osip_resize, osip_give_back);
}

/* Copy with a NUL behind it, folds made spaces as RFC 3261 s7.3.1 allows. */
static char *copy_unfolded(struct arena *arena, struct text t)
{
    char *copy = arena_alloc(arena, t.n + 1);
    if (!copy)
        return NULL;
    for (size_t i = 0; i < t.n; i++)
        copy[i] = t.p[i] == '\r' || t.p[i] == '\n' ? ' ' : t.p[i];
    copy[t.n] = 0;
    return copy;
}

static int ask(enum osip_grammar grammar, const char *value)
{
    osip_via_t *via;
    osip_from_t *from;
    osip_uri_t *uri;
    int error = OSIP_NOMEM;
    switch (grammar) {
    case OSIP_VIA:
        if (!osip_via_init(&via))
            error = osip_via_parse(via, value);
        break;
    case OSIP_ADDRESS:
        if (!osip_from_init(&from))
            error = osip_from_parse(from, value);
        break;
    case OSIP_URI:
        if (!osip_uri_init(&uri))
            error = osip_uri_parse(uri, value);
        break;
    }
    if (error == OSIP_NOMEM)
        return ERROR_MEMORY;
    return error ? ERROR_SYNTAX : 0;
}

int osip_check(enum osip_grammar grammar, struct text t)
{
    if (memchr(t.p, 0, t.n)) /* legal in a quoted-pair, but a C string cannot hold it */
        return 0;
    _Alignas(16) char scratch[SCRATCH_BYTES];
    struct arena arena = {0};
    arena_lend(&arena, scratch, sizeof scratch);
    call_once(&allocators_set, set_allocators);
    arena_in_use = &arena;
    char *value = copy_unfolded(&arena, t);
    int error = value ? ask(grammar, value) : ERROR_MEMORY;
    arena_in_use = NULL;
    arena_reset(&arena);
    return error;
}

/*
 * The lines that will be sent are a chain over an array: received headers first, at the places of
 * their index, then added ones. A layer copies its parent's array (16 bytes a line) when it first
 * changes a header; a place means the same line in every layer that has it. A removed line stays
 * in the chain and is passed over.
 *
 * A changed line is printed at once, so that printing the message is nothing but copying.
 */
#include "sip/edit.h"

#include "base/error.h"
#include "base/memory.h"
#include "sip/edit_private.h"
#include "sip/scan.h"

#include <stdio.h>

#define LENT_BYTES  1536 /* edits of an ordinary message need no further allocation */
#define SPARE_ITEMS 8    /* room for lines to add */

static void destroy(void *object)
{
    struct edits *edits = object;
    arena_reset(&edits->arena);
    memory_release(edits->parent);
    memory_release(edits->message);
}

int edits_create(struct edits **editsp, struct message *message, struct edits *parent)
{
    struct edits *edits = memory_alloc_local(sizeof *edits, LENT_BYTES, destroy);
    if (!edits)
        return ERROR_MEMORY;
    arena_lend(&edits->arena, edits + 1, LENT_BYTES);
    edits->message = memory_ref(message);
    if (parent) {
        edits->parent = memory_ref(parent);
        edits->request_uri = parent->request_uri;
        edits->body = parent->body;
        edits->status = parent->status;
        edits->reason = parent->reason;
    }
    *editsp = edits;
    return 0;
}

const struct edits *edits_layer(const struct edits *edits)
{
    while (edits && !edits->items)
        edits = edits->parent;
    return edits;
}

bool edits_is_empty(const struct edits *edits)
{
    return !edits_layer(edits) && !text_is_set(edits->request_uri) && !text_is_set(edits->body) &&
           !edits->status;
}

/* ---- reading ---- */

/* The line after @p place, removed ones passed over; NULL at the end. */
static const struct header *next_line(const struct edits *edits, uint32_t *place)
{
    const struct edits *layer = edits_layer(edits);
    if (!layer) {
        if (*place >= edits->message->header_count)
            return NULL;
        return &edits->message->headers[(*place)++];
    }
    uint32_t at = *place < layer->count ? layer->items[*place].next : 0;
    while (at && layer->items[at].is_removed)
        at = layer->items[at].next;
    *place = at;
    return at ? layer->items[at].header : NULL;
}

static bool find_from(const struct edits *edits, uint32_t place, enum header_kind kind,
                      struct text name, struct header_view *view)
{
    const struct header *header;
    while ((header = next_line(edits, &place))) {
        if (!header_is(header, kind, name))
            continue;
        *view = (struct header_view){header->name, header->value, header->kind, place};
        return true;
    }
    return false;
}

/* No line of the kind was added: all that there are, the message's index knows. */
static bool is_all_received(const struct edits *edits, enum header_kind kind)
{
    const struct edits *layer = edits_layer(edits);
    return kind != HEADER_OTHER && !(layer && layer->added_kinds >> kind & 1);
}

bool edits_header(const struct edits *edits, enum header_kind kind, struct text name,
                  struct header_view *view)
{
    if (kind == HEADER_OTHER)
        kind = header_kind_parse(name);
    if (!is_all_received(edits, kind))
        return find_from(edits, 0, kind, name, view);
    const struct edits *layer = edits_layer(edits);
    const struct message *message = edits->message;
    uint32_t place = message->first[kind];
    if (!place)
        return false;
    if (layer && layer->items[place].is_removed)
        return find_from(edits, place, kind, name, view);
    const struct header *header = layer ? layer->items[place].header : &message->headers[place - 1];
    *view = (struct header_view){header->name, header->value, kind, place};
    return true;
}

bool edits_header_next(const struct edits *edits, const struct header_view *from,
                       struct header_view *view)
{
    if (is_all_received(edits, from->kind) && !message_is_repeated(edits->message, from->kind))
        return false;
    return find_from(edits, from->place, from->kind, from->name, view);
}

bool edits_each(const struct edits *edits, struct header_view *view)
{
    uint32_t place = view->place;
    const struct header *header = next_line(edits, &place);
    if (!header)
        return false;
    *view = (struct header_view){header->name, header->value, header->kind, place};
    return true;
}

struct text edits_request_uri(const struct edits *edits)
{
    return text_is_set(edits->request_uri) ? edits->request_uri : edits->message->request_uri;
}

struct text edits_body(const struct edits *edits)
{
    return text_is_set(edits->body) ? edits->body : edits->message->body;
}

/* ---- changing ---- */

static bool has_line_end(struct text t)
{
    return text_find(t, '\r') || text_find(t, '\n');
}

static bool is_token(struct text t)
{
    scan_set(&t, CHARS_TOKEN);
    return t.n == 0;
}

/* Give the items array room for one more. */
static int make_room(struct edits *edits)
{
    if (edits->count < edits->room)
        return 0;
    uint32_t room = edits->room * 2;
    struct edit_item *items = arena_alloc(&edits->arena, room * sizeof *items);
    if (!items)
        return ERROR_MEMORY;
    memcpy(items, edits->items, edits->count * sizeof *items);
    edits->items = items;
    edits->room = room;
    return 0;
}

/* Have an array of our own: a copy of the layer below, or of the received headers. */
static int own_items(struct edits *edits)
{
    if (edits->items)
        return 0;
    const struct edits *layer = edits_layer(edits);
    const struct message *message = edits->message;
    uint32_t count = layer ? layer->count : message->header_count + 1u;
    struct edit_item *items = arena_alloc(&edits->arena, (count + SPARE_ITEMS) * sizeof *items);
    if (!items)
        return ERROR_MEMORY;
    if (layer) {
        memcpy(items, layer->items, count * sizeof *items);
        edits->last = layer->last;
        edits->added_kinds = layer->added_kinds;
    } else {
        for (uint32_t i = 0; i < count; i++)
            items[i] = (struct edit_item){.header = i ? &message->headers[i - 1] : NULL,
                                          .next = i + 1 < count ? i + 1 : 0};
        edits->last = count - 1;
    }
    edits->items = items;
    edits->count = count;
    edits->room = count + SPARE_ITEMS;
    return 0;
}

/* Print a line into the arena. */
static struct header *make_header(struct edits *edits, struct text name, struct text value)
{
    size_t size = name.n + value.n + 4;
    struct header *header = arena_alloc(&edits->arena, sizeof *header + size);
    if (!header)
        return NULL;
    char *line = (char *)(header + 1), *at = line;
    if (name.n)
        memcpy(at, name.p, name.n);
    at += name.n;
    *at++ = ':';
    *at++ = ' ';
    if (value.n)
        memcpy(at, value.p, value.n);
    header->value = (struct text){at, value.n};
    memcpy(at + value.n, "\r\n", 2);
    header->line = (struct text){line, size};
    header->name = (struct text){line, name.n};
    header->kind = header_kind_parse(name);
    return header;
}

/* Link a new line behind @p place. */
static int insert_behind(struct edits *edits, uint32_t place, struct text name, struct text value)
{
    if (!name.n || !is_token(name) || has_line_end(value))
        return ERROR_SYNTAX;
    if (own_items(edits) || make_room(edits))
        return ERROR_MEMORY;
    const struct header *header = make_header(edits, name, value);
    if (!header)
        return ERROR_MEMORY;
    uint32_t at = edits->count++;
    edits->items[at] = (struct edit_item){.header = header, .next = edits->items[place].next};
    edits->items[place].next = at;
    edits->added_kinds |= UINT64_C(1) << header->kind;
    if (edits->last == place)
        edits->last = at;
    return 0;
}

/* Does @p view name a line of this chain? Else its owner made a mistake that we survive. */
static bool is_place(const struct edits *edits, const struct header_view *view)
{
    return engine_check(view->place != 0 && view->place < edits->count);
}

int edits_set_request_uri(struct edits *edits, struct text uri)
{
    if (!uri.n || has_line_end(uri) || text_find(uri, ' '))
        return ERROR_SYNTAX;
    struct text copy = arena_copy(&edits->arena, uri);
    if (!text_is_set(copy))
        return ERROR_MEMORY;
    edits->request_uri = copy;
    return 0;
}

int edits_remove(struct edits *edits, const struct header_view *view)
{
    if (own_items(edits))
        return ERROR_MEMORY;
    if (!is_place(edits, view))
        return ERROR_STATE;
    edits->items[view->place].is_removed = true;
    return 0;
}

/* A fold becomes a space for each of its bytes. */
static void unfold(struct text value)
{
    char *p = (char *)value.p; /* in the arena */
    for (size_t i = 0; i < value.n; i++)
        if (p[i] == '\r' || p[i] == '\n')
            p[i] = ' ';
}

static int replace(struct edits *edits, const struct header_view *view, struct text value,
                   bool is_folded)
{
    if (own_items(edits))
        return ERROR_MEMORY;
    if (!is_place(edits, view))
        return ERROR_STATE;
    struct header *header = make_header(edits, view->name, value);
    if (!header)
        return ERROR_MEMORY;
    if (is_folded)
        unfold(header->value);
    edits->items[view->place].header = header;
    return 0;
}

int edits_replace(struct edits *edits, const struct header_view *view, struct text value)
{
    return has_line_end(value) ? ERROR_SYNTAX : replace(edits, view, value, false);
}

int edits_insert_before(struct edits *edits, const struct header_view *view, struct text name,
                        struct text value)
{
    if (own_items(edits))
        return ERROR_MEMORY;
    if (!is_place(edits, view))
        return ERROR_STATE;
    uint32_t before = 0;
    while (edits->items[before].next != view->place)
        before = edits->items[before].next;
    return insert_behind(edits, before, name, value);
}

int edits_prepend(struct edits *edits, enum header_kind kind, struct text name, struct text value)
{
    struct header_view view;
    if (edits_header(edits, kind, name, &view))
        return edits_insert_before(edits, &view, name, value);
    if (own_items(edits))
        return ERROR_MEMORY;
    return insert_behind(edits, 0, name, value);
}

int edits_append(struct edits *edits, struct text name, struct text value)
{
    if (own_items(edits))
        return ERROR_MEMORY;
    return insert_behind(edits, edits->last, name, value);
}

/* Remove @p view's line and every later one of its name. @return number removed, or ERROR_MEMORY */
static int remove_from(struct edits *edits, struct header_view view)
{
    int count = 0;
    do {
        int error = edits_remove(edits, &view);
        if (error)
            return error;
        count++;
    } while (edits_header_next(edits, &view, &view));
    return count;
}

int edits_set(struct edits *edits, struct text name, struct text value)
{
    struct header_view first, second;
    if (!edits_header(edits, HEADER_OTHER, name, &first))
        return edits_append(edits, name, value);
    int error = edits_replace(edits, &first, value);
    if (!error && edits_header_next(edits, &first, &second))
        error = remove_from(edits, second);
    return error < 0 ? error : 0;
}

int edits_remove_all(struct edits *edits, struct text name)
{
    struct header_view view;
    return edits_header(edits, HEADER_OTHER, name, &view) ? remove_from(edits, view) : 0;
}

int edits_remove_first_element(struct edits *edits, enum header_kind kind)
{
    struct header_view view;
    if (!edits_header(edits, kind, TEXT_NONE, &view))
        return 0;
    struct text rest = view.value;
    name_addr_split(&rest);
    rest = text_trim(rest);
    return rest.n ? replace(edits, &view, rest, has_line_end(rest)) : edits_remove(edits, &view);
}

int edits_set_body(struct edits *edits, struct text body, struct text content_type)
{
    char digits[24];
    int n = snprintf(digits, sizeof digits, "%zu", body.n);
    struct text copy = arena_copy(&edits->arena, body.n ? body : TEXT(""));
    if (!text_is_set(copy))
        return ERROR_MEMORY;
    int error = 0;
    if (!body.n)
        error = edits_remove_all(edits, TEXT("Content-Type"));
    else if (text_is_set(content_type))
        error = edits_set(edits, TEXT("Content-Type"), content_type);
    if (error >= 0)
        error = edits_set(edits, TEXT("Content-Length"), (struct text){digits, (size_t)n});
    if (error < 0)
        return error;
    edits->body = copy;
    return 0;
}

int edits_set_status(struct edits *edits, unsigned status, struct text reason)
{
    if (edits->message->is_request || status < 100 || status > 699)
        return ERROR_STATE;
    if (has_line_end(reason))
        return ERROR_SYNTAX;
    struct text copy = arena_copy(&edits->arena, reason.n ? reason : TEXT(""));
    if (!text_is_set(copy))
        return ERROR_MEMORY;
    edits->status = status;
    edits->reason = copy;
    return 0;
}

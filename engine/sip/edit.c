/*
 * What is changed is a short list beside the message's own lines: each item stands before, or takes the
 * place of, one received line, and the items are in the order in which they are sent. A layer
 * begins with its parent's list, and copies it (16 bytes an item) when it first changes a header.
 *
 * A line's place is 1 + its index for a received one; those that are added count on behind them. So a
 * place means the same line in every layer that has it. A removed line keeps its item and is
 * passed over: a view of it can go on to the next.
 *
 * A changed line is printed at once, so that printing the message is nothing but copying.
 */
#include "sip/edit.h"

#include "base/error.h"
#include "sip/edit_private.h"
#include "sip/scan.h"

#define SPARE_ITEMS 8 /* room for items to add */

int edits_begin(struct edits **editsp, struct message *message, const struct edits *parent)
{
    struct edits *edits = arena_alloc(&message->arena, sizeof *edits);
    if (!edits)
        return ERROR_MEMORY;
    edits->message = message;
    edits->room = 0; /* the items are the parent's, or there are none */
    edits->changes =
        parent ? parent->changes : (struct changes){.last_place = message->header_count};
    *editsp = edits;
    return 0;
}

bool edits_is_empty(const struct edits *edits)
{
    const struct changes *changes = &edits->changes;
    return !changes->count && !text_is_set(changes->request_uri) && !text_is_set(changes->body) &&
           !changes->status;
}

bool edits_has_changed(const struct edits *edits, uint64_t kinds)
{
    return (edits->changes.added_kinds | edits->changes.changed_kinds) & kinds;
}

/* ---- reading ---- */

/* Where the item of a line is, or would be put: behind all that is sent before the line. */
static uint32_t index_of(const struct changes *changes, uint32_t place)
{
    uint32_t i = 0;
    while (i < changes->count && changes->items[i].place != place && changes->items[i].at < place)
        i++;
    return i;
}

/* Is that the line's item? There is none of a received line that is as it was. */
static bool is_at(const struct changes *changes, uint32_t i, uint32_t place)
{
    return i < changes->count && changes->items[i].place == place;
}

/* A walk through the lines in the order of sending, removed ones passed over. */
struct walk {
    const struct edits *edits;
    uint32_t place; /* of the line that was found last */
    uint32_t item;  /* the next one */
    uint32_t at;    /* index of the next received line */
};

static struct walk walk_behind(const struct edits *edits, uint32_t place)
{
    struct walk walk = {edits, place, index_of(&edits->changes, place), place};
    const struct changes *changes = &edits->changes;
    if (place && is_at(changes, walk.item, place)) {
        if (place > edits->message->header_count)
            walk.at = changes->items[walk.item].at;
        walk.item++;
    }
    return walk;
}

/* @return NULL at the end */
static const struct header *walk_next(struct walk *walk)
{
    const struct changes *changes = &walk->edits->changes;
    const struct message *message = walk->edits->message;
    for (; walk->item < changes->count && changes->items[walk->item].at == walk->at; walk->item++) {
        const struct edit_item *item = &changes->items[walk->item];
        if (item->place <= message->header_count)
            walk->at++;
        if (!item->header)
            continue;
        walk->place = item->place;
        walk->item++;
        return item->header;
    }
    if (walk->at >= message->header_count)
        return NULL;
    walk->place = walk->at + 1;
    return &message->headers[walk->at++];
}

static bool find_from(const struct edits *edits, uint32_t place, enum header_kind kind,
                      struct text name, struct header_view *view)
{
    struct walk walk = walk_behind(edits, place);
    const struct header *header;
    while ((header = walk_next(&walk))) {
        if (!header_is(header, kind, name))
            continue;
        *view = (struct header_view){header->name, header->value, header->kind, walk.place};
        return true;
    }
    return false;
}

/* No line of the kind was added: all that there are, the message's index knows. */
static bool is_all_received(const struct edits *edits, enum header_kind kind)
{
    return kind != HEADER_OTHER && !(edits->changes.added_kinds >> kind & 1);
}

bool edits_header(const struct edits *edits, enum header_kind kind, struct text name,
                  struct header_view *view)
{
    if (kind == HEADER_OTHER)
        kind = header_kind_parse(name);
    if (!is_all_received(edits, kind))
        return find_from(edits, 0, kind, name, view);
    uint32_t place = edits->message->first[kind];
    if (!place)
        return false;
    const struct header *header = &edits->message->headers[place - 1];
    uint32_t i = index_of(&edits->changes, place);
    if (is_at(&edits->changes, i, place))
        header = edits->changes.items[i].header;
    if (!header)
        return message_is_repeated(edits->message, kind) &&
               find_from(edits, place, kind, name, view);
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
    struct walk walk = walk_behind(edits, view->place);
    const struct header *header = walk_next(&walk);
    if (!header)
        return false;
    *view = (struct header_view){header->name, header->value, header->kind, walk.place};
    return true;
}

struct text edits_request_uri(const struct edits *edits)
{
    return text_is_set(edits->changes.request_uri) ? edits->changes.request_uri
                                                   : edits->message->request_uri;
}

struct text edits_body(const struct edits *edits)
{
    return text_is_set(edits->changes.body) ? edits->changes.body : edits->message->body;
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

/* Have items of our own, with room for one more. */
static int make_room(struct edits *edits)
{
    struct changes *changes = &edits->changes;
    if (changes->count < edits->room)
        return 0;
    uint32_t room = changes->count * 2 + SPARE_ITEMS;
    struct edit_item *items = arena_alloc(&edits->message->arena, room * sizeof *items);
    if (!items)
        return ERROR_MEMORY;
    if (changes->count)
        memcpy(items, changes->items, changes->count * sizeof *items);
    changes->items = items;
    edits->room = room;
    return 0;
}

/* Put an item where @p i was; there is room. */
static void put_item(struct changes *changes, uint32_t i, struct edit_item item)
{
    memmove(&changes->items[i + 1], &changes->items[i],
            (changes->count++ - i) * sizeof *changes->items);
    changes->items[i] = item;
}

/* Print a line into the arena. */
static struct header *make_header(struct edits *edits, enum header_kind kind, struct text name,
                                  struct text value)
{
    size_t size = name.n + value.n + 4;
    struct header *header = arena_alloc(&edits->message->arena, sizeof *header + size);
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
    header->kind = kind;
    return header;
}

/* Copy a line that was printed by us into the arena. */
static struct header *copy_line(struct edits *edits, enum header_kind kind, struct text line)
{
    struct header *header = arena_alloc(&edits->message->arena, sizeof *header + line.n);
    const char *colon = text_find(line, ':');
    if (!header || !engine_check(colon))
        return NULL;
    char *copy = memcpy(header + 1, line.p, line.n);
    size_t name_bytes = (size_t)(colon - line.p);
    header->line = (struct text){copy, line.n};
    header->name = (struct text){copy, name_bytes};
    header->value = (struct text){copy + name_bytes + 2, line.n - name_bytes - 4};
    header->kind = kind;
    return header;
}

/* Can others' texts be a line? */
static bool is_line(enum header_kind kind, struct text name, struct text value)
{
    return (kind != HEADER_OTHER || (name.n && is_token(name))) && !has_line_end(value);
}

/* A new line where item @p i was, before the received line @p at. @param header  NULL: no memory */
static int insert(struct edits *edits, uint32_t i, uint32_t at, const struct header *header)
{
    struct changes *changes = &edits->changes;
    if (!header || make_room(edits))
        return ERROR_MEMORY;
    put_item(changes, i, (struct edit_item){header, ++changes->last_place, at});
    changes->added_kinds |= UINT64_C(1) << header->kind;
    return 0;
}

/* The same before a line that there is. */
static int insert_before(struct edits *edits, uint32_t place, const struct header *header)
{
    uint32_t i = index_of(&edits->changes, place);
    bool is_item = is_at(&edits->changes, i, place);
    /* Else its owner made a mistake that we survive. */
    if (!is_item && !engine_check(place && place <= edits->message->header_count))
        return ERROR_STATE;
    return insert(edits, i, is_item ? edits->changes.items[i].at : place - 1, header);
}

static int prepend(struct edits *edits, struct text name, const struct header *header)
{
    struct header_view first;
    if (header && edits_header(edits, header->kind, name, &first))
        return insert_before(edits, first.place, header);
    return insert(edits, 0, 0, header);
}

/* Send @p header instead of a line; NULL: nothing. */
static int change(struct edits *edits, uint32_t place, const struct header *header)
{
    struct changes *changes = &edits->changes;
    if (make_room(edits))
        return ERROR_MEMORY;
    uint32_t i = index_of(changes, place);
    if (is_at(changes, i, place)) {
        changes->items[i].header = header;
        return 0;
    }
    if (!engine_check(place && place <= edits->message->header_count)) /* as above */
        return ERROR_STATE;
    put_item(changes, i, (struct edit_item){header, place, place - 1});
    changes->changed_kinds |= UINT64_C(1) << edits->message->headers[place - 1].kind;
    return 0;
}

int edits_set_request_uri(struct edits *edits, struct text uri)
{
    if (!uri.n || has_line_end(uri) || text_find(uri, ' '))
        return ERROR_SYNTAX;
    struct text copy = arena_copy(&edits->message->arena, uri);
    if (!text_is_set(copy))
        return ERROR_MEMORY;
    edits->changes.request_uri = copy;
    return 0;
}

int edits_remove(struct edits *edits, const struct header_view *view)
{
    return change(edits, view->place, NULL);
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
    struct header *header = make_header(edits, view->kind, view->name, value);
    if (!header)
        return ERROR_MEMORY;
    if (is_folded)
        unfold(header->value);
    return change(edits, view->place, header);
}

int edits_replace(struct edits *edits, const struct header_view *view, struct text value)
{
    return has_line_end(value) ? ERROR_SYNTAX : replace(edits, view, value, false);
}

int edits_insert_before(struct edits *edits, const struct header_view *view, struct text name,
                        struct text value)
{
    enum header_kind kind = header_kind_parse(name);
    if (!is_line(kind, name, value))
        return ERROR_SYNTAX;
    return insert_before(edits, view->place, make_header(edits, kind, name, value));
}

int edits_prepend(struct edits *edits, enum header_kind kind, struct text name, struct text value)
{
    if (kind == HEADER_OTHER)
        kind = header_kind_parse(name);
    if (!is_line(kind, name, value))
        return ERROR_SYNTAX;
    return prepend(edits, name, make_header(edits, kind, name, value));
}

int edits_prepend_line(struct edits *edits, enum header_kind kind, struct text line)
{
    return prepend(edits, TEXT_NONE, copy_line(edits, kind, line));
}

int edits_append_line(struct edits *edits, enum header_kind kind, struct text line)
{
    return insert(edits, edits->changes.count, edits->message->header_count,
                  copy_line(edits, kind, line));
}

int edits_append(struct edits *edits, struct text name, struct text value)
{
    enum header_kind kind = header_kind_parse(name);
    if (!is_line(kind, name, value))
        return ERROR_SYNTAX;
    return insert(edits, edits->changes.count, edits->message->header_count,
                  make_header(edits, kind, name, value));
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

/* One line instead of @p first and those behind it. @param value  without line ends */
static int set(struct edits *edits, const struct header_view *first, struct text value)
{
    struct header_view second;
    int error = replace(edits, first, value, false);
    if (!error && edits_header_next(edits, first, &second))
        error = remove_from(edits, second);
    return error < 0 ? error : 0;
}

int edits_set(struct edits *edits, struct text name, struct text value)
{
    struct header_view first;
    if (!edits_header(edits, HEADER_OTHER, name, &first))
        return edits_append(edits, name, value);
    return has_line_end(value) ? ERROR_SYNTAX : set(edits, &first, value);
}

int edits_set_number(struct edits *edits, enum header_kind kind, uint64_t number)
{
    char digits[TEXT_U64_BYTES];
    struct text value = text_print_u64(number, digits);
    struct header_view first;
    if (!edits_header(edits, kind, TEXT_NONE, &first))
        return edits_append(edits, text_of(header_kind_name(kind)), value);
    return set(edits, &first, value);
}

int edits_remove_all(struct edits *edits, struct text name)
{
    struct header_view view;
    return edits_header(edits, HEADER_OTHER, name, &view) ? remove_from(edits, view) : 0;
}

int edits_keep_end(struct edits *edits, const struct header_view *view, struct text rest)
{
    rest = text_trim(rest);
    /* No line has a CR but in front of an LF. */
    bool is_folded = text_find(rest, '\n');
    return rest.n ? replace(edits, view, rest, is_folded) : edits_remove(edits, view);
}

int edits_set_body(struct edits *edits, struct text body, struct text content_type)
{
    struct text copy = arena_copy(&edits->message->arena, body.n ? body : TEXT(""));
    if (!text_is_set(copy))
        return ERROR_MEMORY;
    int error = 0;
    if (!body.n)
        error = edits_remove_all(edits, TEXT("Content-Type"));
    else if (text_is_set(content_type))
        error = edits_set(edits, TEXT("Content-Type"), content_type);
    if (error >= 0)
        error = edits_set_number(edits, HEADER_CONTENT_LENGTH, body.n);
    if (error < 0)
        return error;
    edits->changes.body = copy;
    return 0;
}

int edits_set_status(struct edits *edits, unsigned status, struct text reason)
{
    if (edits->message->is_request || status < 100 || status > 699)
        return ERROR_STATE;
    if (has_line_end(reason))
        return ERROR_SYNTAX;
    struct text copy = arena_copy(&edits->message->arena, reason.n ? reason : TEXT(""));
    if (!text_is_set(copy))
        return ERROR_MEMORY;
    edits->changes.status = status;
    edits->changes.reason = copy;
    return 0;
}

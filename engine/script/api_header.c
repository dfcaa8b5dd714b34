/* Methods of messages that read and change headers: msg:header "X-Foo", msg:set_header(...). */
#include "script/state.h"

#define HEADERS_READ 4096 /* values of one name that a script gets to see */

static bool first_value(const struct subject *subject, struct text name, struct header_view *view)
{
    return edits_header(subject->edits, header_kind_parse(name), name, view);
}

/** Receives the values of one name in order; false ends the visit. */
typedef bool value_visitor(void *arg, struct text value);

/** "*" stands for any name, as in Kamailio's $hdr(*). */
static bool is_any(struct text name)
{
    return name.n == 1 && name.p[0] == '*';
}

static void each_received(const struct message *message, struct text name, value_visitor *visit,
                          void *arg)
{
    if (is_any(name)) {
        for (size_t i = 0; message && i < message->header_count; i++)
            if (!visit(arg, message->headers[i].value))
                return;
        return;
    }
    const struct header *header = message ? message_header_named(message, name) : NULL;
    for (; header; header = message_header_next(message, header))
        if (!visit(arg, header->value))
            return;
}

static void each_value(const struct subject *subject, struct text name, value_visitor *visit,
                       void *arg)
{
    if (!subject->edits) {
        each_received(subject->message, name, visit, arg);
        return;
    }
    struct header_view view = {0}, from;
    while (is_any(name)) {
        if (!edits_each(subject->edits, &view) || !visit(arg, view.value))
            return;
    }
    for (bool is_there = first_value(subject, name, &view); is_there;) {
        if (!visit(arg, view.value))
            return;
        from = view;
        is_there = edits_header_next(subject->edits, &from, &view);
    }
}

struct pick {
    int64_t place; /**< to go; from 0 */
    struct text value;
};

static bool pick_value(void *arg, struct text value)
{
    struct pick *pick = arg;
    pick->value = value;
    return pick->place-- != 0;
}

static bool count_value(void *arg, struct text value)
{
    (void)value;
    (*(int64_t *)arg)++;
    return true;
}

/** 1 is the first, -1 the last. */
static int64_t place_argument(lua_State *L, int index)
{
    if (lua_isnoneornil(L, index))
        return 1;
    if (lua_type(L, index) != LUA_TNUMBER || lua_tointeger(L, index) == 0)
        api_misuse(L, "header: a place is a number from 1, or from -1 for the last ones");
    return lua_tointeger(L, index);
}

static int push_picked(lua_State *L, const struct subject *subject, bool is_received)
{
    struct text name = api_text(L, 2, "header name");
    int64_t place = place_argument(L, 3);
    struct subject from = *subject;
    if (is_received)
        from.edits = NULL;
    if (place < 0) {
        int64_t count = 0;
        each_value(&from, name, count_value, &count);
        place += count + 1;
    }
    struct pick pick = {place - 1, TEXT_NONE};
    if (place >= 1)
        each_value(&from, name, pick_value, &pick);
    return api_push_text(L, pick.place < 0 && place >= 1 ? pick.value : TEXT_NONE);
}

/** msg:header(name [, place]) -> value as it will be sent, or nil */
static int message_header_method(lua_State *L)
{
    struct subject subject;
    handle_check(L, 1, &subject);
    return push_picked(L, &subject, false);
}

/** msg:received_header(name [, place]) -> value as it came, or nil */
static int message_received_header(lua_State *L)
{
    struct subject subject;
    handle_check(L, 1, &subject);
    return push_picked(L, &subject, true);
}

struct collect {
    lua_State *L;
    int count;
};

static bool collect_value(void *arg, struct text value)
{
    struct collect *collect = arg;
    lua_pushlstring(collect->L, value.p, value.n);
    lua_rawseti(collect->L, -2, ++collect->count);
    return collect->count < HEADERS_READ;
}

/** msg:headers(name) -> array of values, empty when there are none */
static int message_headers(lua_State *L)
{
    struct subject subject;
    handle_check(L, 1, &subject);
    struct text name = api_text(L, 2, "header name");
    struct collect collect = {L, 0};
    lua_newtable(L);
    each_value(&subject, name, collect_value, &collect);
    return 1;
}

/* ---- changes ---- */

/** A token (RFC 3261 s25.1), so that a name can never become two headers. */
static struct text name_argument(lua_State *L)
{
    struct text name = api_text(L, 2, "header name");
    bool is_token = name.n > 0;
    for (size_t i = 0; i < name.n; i++) {
        unsigned char c = (unsigned char)name.p[i];
        if (c <= ' ' || c >= 127 || c == ':')
            is_token = false;
    }
    if (!is_token)
        api_misuse(L, "'%.*s' is not a header name", TEXT_ARG(name));
    return name;
}

static struct text value_argument(lua_State *L)
{
    struct text value = api_text(L, 3, "header value");
    if (text_find(value, '\r') || text_find(value, '\n'))
        api_misuse(L, "a header value cannot have line ends in it");
    return value;
}

/** msg:set_header(name, value): the one header of that name -> true or nil, err */
static int message_set_header(lua_State *L)
{
    struct subject subject;
    handle_check(L, 1, &subject);
    struct edits *edits = subject_edits(L, &subject, "set_header");
    struct text name = name_argument(L);
    return api_push_result(L, edits_set(edits, name, value_argument(L)));
}

/** msg:add_header(name, value): one more -> true or nil, err */
static int message_add_header(lua_State *L)
{
    struct subject subject;
    handle_check(L, 1, &subject);
    struct edits *edits = subject_edits(L, &subject, "add_header");
    struct text name = name_argument(L);
    return api_push_result(L, edits_append(edits, name, value_argument(L)));
}

/** msg:remove_header(name) -> number of headers removed, or nil, err */
static int message_remove_header(lua_State *L)
{
    struct subject subject;
    handle_check(L, 1, &subject);
    struct edits *edits = subject_edits(L, &subject, "remove_header");
    int removed = edits_remove_all(edits, name_argument(L));
    if (removed < 0)
        return api_push_result(L, removed);
    lua_pushinteger(L, removed);
    return 1;
}

static const luaL_Reg methods[] = {
    {"header", message_header_method},
    {"headers", message_headers},
    {"received_header", message_received_header},
    {"set_header", message_set_header},
    {"add_header", message_add_header},
    {"remove_header", message_remove_header},
    {NULL, NULL},
};

void api_header_open(lua_State *L)
{
    api_register(L, methods);
}

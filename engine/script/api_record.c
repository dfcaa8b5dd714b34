/* req:record{ ... } and core.record_*, which dialog.record is made of: fields of a call's record. */
#include "script/state.h"

#include <math.h>
#include <stdlib.h>

#define FIELDS_AT_ONCE 64
#define NAME_MOST      63

static const char no_records[] = "no records (there is no records block)";

/* Names become names of JSON, and of columns. */
static struct text check_name(lua_State *L, int index)
{
    if (lua_type(L, index) != LUA_TSTRING)
        api_misuse(L, "record: the name of a field is a text, not a %s", luaL_typename(L, index));
    struct text name = api_text(L, index, "record: a name");
    bool is_word = name.n > 0 && name.n <= NAME_MOST;
    for (size_t i = 0; i < name.n && is_word; i++) {
        char c = name.p[i];
        is_word = c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                  (i && c >= '0' && c <= '9');
    }
    if (!is_word)
        api_misuse(L,
                   "record: '%.*s' is no name of a field; it has at most %d letters, digits and _",
                   TEXT_ARG(name), NAME_MOST);
    return name;
}

static struct value check_value(lua_State *L, int index)
{
    struct value value = api_value(L, index, "record");
    if (value.type == VALUE_NUMBER && !isfinite(value.number))
        api_misuse(L, "record: a field is no infinite number");
    return value;
}

static int push_outcome(lua_State *L, int error)
{
    switch (error) {
    case ERROR_UNSUPPORTED:
        lua_pushnil(L);
        api_push_literal(L, no_records);
        return 2;
    case ERROR_STATE: return api_push_failure(L, "the call has ended");
    case ERROR_LIMIT: return api_push_failure(L, "full (records.fields_bytes)");
    default: return api_push_result(L, error);
    }
}

/* ---- a call by its number ---- */

/* A call that has just ended is that of the event whose handler runs. */
static struct dialog *dialog_argument(lua_State *L)
{
    const struct track *track = api_track(L);
    struct dialog *dialog = track ? track_dialog(track) : NULL;
    const struct run *run = run_of(L);
    if (!dialog && track && run && run->dialog && dialog_track(run->dialog) == track)
        dialog = run->dialog;
    return dialog;
}

/** (number, name) -> value or nil */
static int core_record_get(lua_State *L)
{
    const struct dialog *dialog = dialog_argument(L);
    struct text name = check_name(L, 2);
    struct value value = {0};
    if (dialog)
        value = proxy_record_get(dialog, name);
    return api_push_value(L, &value);
}

/** (number, name, value | nil) -> true, or nil, err */
static int core_record_set(lua_State *L)
{
    struct script *script = generation_of(L)->script;
    struct dialog *dialog = dialog_argument(L);
    struct text name = check_name(L, 2);
    struct value value = check_value(L, 3);
    if (!script || !script->proxy)
        return push_outcome(L, ERROR_STATE);
    return push_outcome(L, proxy_record_set(script->proxy, dialog, name, &value));
}

/* ---- req:record{ ... } ---- */

static int by_name(const void *a, const void *b)
{
    const struct text *x = a, *y = b;
    size_t n = x->n < y->n ? x->n : y->n;
    int order = memcmp(x->p, y->p, n);
    return order ? order : (x->n > y->n) - (x->n < y->n);
}

/* In the order of their names: a table has none of its own. @return how many */
static size_t read_names(lua_State *L, int index, struct text names[FIELDS_AT_ONCE])
{
    size_t count = 0;
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        check_value(L, -1);
        if (count == FIELDS_AT_ONCE)
            api_misuse(L, "record: more than %d fields at once", FIELDS_AT_ONCE);
        names[count++] = check_name(L, lua_gettop(L) - 1);
    }
    qsort(names, count, sizeof *names, by_name);
    return count;
}

/* The dialog of its call, made when there is none yet. */
static int find_dialog(const struct subject *subject, struct dialog **dialog)
{
    struct track *track;
    *dialog = context_dialog(subject->context);
    int error = *dialog ? 0 : proxy_track(&track, subject->context);
    if (!error)
        *dialog = context_dialog(subject->context);
    return error;
}

/** req:record{ NAME = VALUE, ... } -> true, or nil, err; those before the one that failed are set */
static int request_record(lua_State *L)
{
    struct subject subject;
    struct text names[FIELDS_AT_ONCE];
    struct dialog *dialog = NULL;
    handle_check_context(L, 1, &subject, "record");
    luaL_checktype(L, 2, LUA_TTABLE);
    struct proxy *proxy = context_proxy(subject.context);
    if (!proxy_makes_records(proxy))
        return push_outcome(L, ERROR_UNSUPPORTED);
    size_t count = read_names(L, 2, names);
    int error = handle_is_over(&subject) ? ERROR_STATE : find_dialog(&subject, &dialog);
    for (size_t i = 0; i < count && !error; i++) {
        lua_pushlstring(L, names[i].p, names[i].n);
        lua_rawget(L, 2);
        struct value value = check_value(L, -1);
        error = proxy_record_set(proxy, dialog, names[i], &value);
        lua_pop(L, 1);
    }
    return push_outcome(L, error);
}

void api_record_open_methods(lua_State *L)
{
    static const luaL_Reg methods[] = {{"record", request_record}, {NULL, NULL}};
    api_register(L, methods);
}

void api_record_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"record_get", core_record_get},
        {"record_set", core_record_set},
        {NULL, NULL},
    };
    api_register(L, functions);
}

/* What every api_*.c needs: arguments, results, errors at the caller's line, and handles. */
#include "script/state.h"

#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>

/*
 * Lua's side of a message is a light userdata: a run makes none and leaves none to the collector. Its
 * bits are the serial number of the run's use and which of the two messages it is. LuaJIT stores 39
 * bits as they are and the upper ones as one of a few known tags; ours is no address that memory has.
 */
#define HANDLE_BITS  39
#define HANDLE_TAG   ((uintptr_t)0x40 << HANDLE_BITS)
#define HANDLE_REPLY ((uintptr_t)1)
_Static_assert(sizeof(void *) == 8 && RUN_SERIAL_BITS < HANDLE_BITS, "a handle fits a pointer");

/* ---- errors ---- */

bool api_is_library(lua_State *L, const lua_Debug *frame)
{
    if (frame->currentline < 0 || frame->source[0] != '@')
        return true;
    const char *lua_dir = generation_of(L)->lua_dir;
    size_t n = strlen(lua_dir);
    return strncmp(frame->source + 1, lua_dir, n) == 0 && frame->source[1 + n] == '/';
}

bool api_script_frame(lua_State *L, lua_Debug *frame)
{
    for (int level = 1; lua_getstack(L, level, frame); level++) {
        lua_getinfo(L, "Sl", frame);
        if (!api_is_library(L, frame))
            return true;
    }
    return false;
}

/** Push "file:line: " of the first frame that belongs to a script, or "". */
static void push_position(lua_State *L)
{
    lua_Debug frame;
    if (api_script_frame(L, &frame))
        lua_pushfstring(L, "%s:%d: ", frame.short_src, frame.currentline);
    else
        lua_pushliteral(L, "");
}

int api_misuse(lua_State *L, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    push_position(L);
    lua_pushstring(L, text);
    lua_concat(L, 2);
    return lua_error(L);
}

/* ---- arguments ---- */

struct text api_text(lua_State *L, int index, const char *what)
{
    int type = lua_type(L, index);
    if (type != LUA_TSTRING && type != LUA_TNUMBER)
        api_misuse(L, "%s must be a string, not %s", what, lua_typename(L, type));
    struct text t;
    t.p = lua_tolstring(L, index, &t.n);
    return t;
}

struct text api_text_or_none(lua_State *L, int index, const char *what)
{
    return lua_isnoneornil(L, index) ? TEXT_NONE : api_text(L, index, what);
}

struct value api_value(lua_State *L, int index, const char *what)
{
    struct value value = {0};
    switch (lua_type(L, index)) {
    case LUA_TNONE:
    case LUA_TNIL: break;
    case LUA_TBOOLEAN:
        value.type = VALUE_BOOLEAN;
        value.boolean = lua_toboolean(L, index);
        break;
    case LUA_TNUMBER:
        value.type = VALUE_NUMBER;
        value.number = lua_tonumber(L, index);
        break;
    case LUA_TSTRING:
        value.type = VALUE_TEXT;
        value.text = api_text(L, index, "value");
        break;
    default:
        api_misuse(L, "%s: a value is a text, a number or a boolean, not %s", what,
                   luaL_typename(L, index));
    }
    return value;
}

uint64_t api_number(lua_State *L, int index, uint64_t least, uint64_t most, const char *what)
{
    if (lua_type(L, index) != LUA_TNUMBER)
        api_misuse(L, "%s must be a number, not %s", what, luaL_typename(L, index));
    double value = lua_tonumber(L, index);
    if (!(value >= (double)least && value <= (double)most) || value != (double)(uint64_t)value)
        api_misuse(L, "%s must be a whole number from %llu to %llu, not %g", what,
                   (unsigned long long)least, (unsigned long long)most, value);
    return (uint64_t)value;
}

/* ---- results ---- */

int api_push_text(lua_State *L, struct text t)
{
    if (text_is_set(t))
        lua_pushlstring(L, t.p, t.n);
    else
        lua_pushnil(L);
    return 1;
}

static struct literal *literal_slot(struct generation *generation, const char *text)
{
    uint64_t hash = (uint64_t)(uintptr_t)text * 0x9e3779b97f4a7c15u;
    size_t place = hash >> (64 - LITERALS_BITS);
    while (generation->literals[place].text && generation->literals[place].text != text)
        place = (place + 1) % LITERALS;
    return &generation->literals[place];
}

void api_push_literal(lua_State *L, const char *text)
{
    struct generation *generation = generation_of(L);
    struct literal *slot = literal_slot(generation, text);
    if (slot->text) {
        lua_rawgeti(L, LUA_REGISTRYINDEX, slot->reference);
        return;
    }
    lua_pushstring(L, text);
    if (generation->literal_count + 1 == LITERALS)
        return;
    lua_pushvalue(L, -1);
    slot->reference = luaL_ref(L, LUA_REGISTRYINDEX);
    slot->text = text;
    generation->literal_count++;
}

void api_set_text(lua_State *L, const char *field, struct text t)
{
    if (!text_is_set(t))
        return;
    lua_pushlstring(L, t.p, t.n);
    lua_setfield(L, -2, field);
}

void api_push_error_text(lua_State *L, int error)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, generation_of(L)->errors_reference);
    lua_rawgeti(L, -1, -error);
    lua_remove(L, -2);
}

int api_push_result(lua_State *L, int error)
{
    if (error == 0) {
        lua_pushboolean(L, 1);
        return 1;
    }
    lua_pushnil(L);
    api_push_error_text(L, error);
    return 2;
}

int api_push_failure(lua_State *L, const char *reason)
{
    lua_pushnil(L);
    lua_pushstring(L, reason);
    return 2;
}

void api_register(lua_State *L, const luaL_Reg *functions)
{
    for (; functions->name; functions++) {
        lua_pushcfunction(L, functions->func);
        lua_setfield(L, -2, functions->name);
    }
}

/* ---- handles ---- */

static uintptr_t handle_bits(const struct run *run, bool is_reply)
{
    return HANDLE_TAG | (uintptr_t)run->serial << 1 | (is_reply ? HANDLE_REPLY : 0);
}

void handle_push(lua_State *L, const struct run *run, bool is_reply)
{
    lua_pushlightuserdata(L, (void *)handle_bits(run, is_reply));
}

static inline void fill(struct subject *subject, struct run *run, bool is_reply)
{
    subject->run = run;
    subject->context = run->route.context;
    subject->is_reply = is_reply;
    subject->message = is_reply ? run->route.reply : run->request;
    bool is_fixed = is_reply && run->kind != RUN_REPLY; /* the response of a failure route */
    subject->edits = is_fixed ? NULL : run->route.edits;
    if (!is_reply && run->kind == RUN_REPLY) /* core.request_of(): the run's are the reply's */
        subject->edits = subject->context ? context_edits(subject->context) : NULL;
}

bool run_subject(struct run *run, bool is_reply, struct subject *subject)
{
    fill(subject, run, is_reply);
    return run->kind <= (enum run_kind)ROUTE_FAILURE;
}

/** The run of a handle that is not the current one's: it waits, or the handle is none. */
static __attribute__((cold, noinline)) struct run *find_run(lua_State *L, int index, uintptr_t bits)
{
    if (bits >> HANDLE_BITS != HANDLE_TAG >> HANDLE_BITS)
        api_misuse(L, "a message is expected, not %s", luaL_typename(L, index));
    struct run *run = run_with_serial(generation_of(L), (bits & ~HANDLE_TAG) >> 1);
    if (!run)
        api_misuse(L, "this message is gone: its handler has ended");
    return run;
}

void handle_check(lua_State *L, int index, struct subject *subject)
{
    uintptr_t bits = (uintptr_t)lua_touserdata(L, index);
    struct run *run = generation_of(L)->current;
    if (!run || handle_bits(run, bits & HANDLE_REPLY) != bits)
        run = find_run(L, index, bits);
    fill(subject, run, bits & HANDLE_REPLY);
}

bool handle_is_over(const struct subject *subject)
{
    return !subject->is_reply && !context_request(subject->context);
}

void handle_check_context(lua_State *L, int index, struct subject *subject, const char *what)
{
    handle_check(L, index, subject);
    if (!subject->context)
        api_misuse(L, "%s: this reply belongs to no transaction", what);
}

/* ---- what is kept for a response context ---- */

struct context_data *api_context_data(struct response_context *context)
{
    struct context_data *data = context_script_data(context);
    if (data)
        return data;
    data = memory_raw(sizeof *data);
    if (!data)
        return NULL;
    *data = (struct context_data){.avps_reference = LUA_NOREF};
    context_set_script_data(context, data);
    return data;
}

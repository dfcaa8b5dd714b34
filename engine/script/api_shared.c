/* core.shared_*: what sip.shared and $shv are made of. */
#include "script/state.h"

#include "base/memory.h"

#include <math.h>

#define TTL_MOST_S (86400.0 * 365)

static struct shared *require_shared(lua_State *L)
{
    struct shared *shared = generation_of(L)->shared;
    if (!shared)
        api_misuse(L, "sip.shared: there are no dictionaries here");
    return shared;
}

/** The wall clock: the one clock that all workers and the control thread have in common. */
static uint64_t now_ms(lua_State *L)
{
    return api_wall_us(L) / 1000;
}

static uint64_t ttl_argument(lua_State *L, int index)
{
    if (lua_isnoneornil(L, index))
        return 0;
    double ttl_s = lua_type(L, index) == LUA_TNUMBER ? lua_tonumber(L, index) : -1;
    if (!(ttl_s > 0 && ttl_s <= TTL_MOST_S))
        api_misuse(L, "sip.shared: a time to live is above 0 and at most a year, in seconds");
    return (uint64_t)ceil(ttl_s * 1000);
}

static int push_outcome(lua_State *L, int error)
{
    if (error == ERROR_LIMIT) {
        generation_count(generation_of(L), COUNTER_SHARED_FULL);
        return api_push_failure(L, "full");
    }
    if (error == ERROR_STATE)
        return api_push_failure(L, "exists");
    if (error == ERROR_ARGUMENT)
        return api_push_failure(L, "not a number");
    return api_push_result(L, error);
}

/** A string that shared_get() returned, put where the collector frees it should pushing it fail. */
static int push_string(lua_State *L)
{
    struct text *string = lua_touserdata(L, 1);
    lua_pushlstring(L, string->p, string->n);
    return 1;
}

/** (dictionary, key) -> value or nil */
static int core_shared_get(lua_State *L)
{
    struct shared *shared = require_shared(L);
    struct value value;
    struct text dictionary = api_text(L, 1, "dictionary"), key = api_text(L, 2, "key");
    /* Whatever can fail in Lua comes before the copy is ours to free. */
    lua_settop(L, 2);
    lua_pushcfunction(L, push_string);
    lua_pushnil(L);
    int error = shared_get(shared, dictionary, key, now_ms(L), &value);
    if (error)
        return api_push_result(L, error);
    if (value.type == VALUE_TEXT) {
        lua_pop(L, 1);
        lua_pushlightuserdata(L, &value.text);
        int status = lua_pcall(L, 1, 1, 0);
        memory_free_raw((void *)value.text.p);
        return status ? lua_error(L) : 1;
    }
    if (value.type == VALUE_BOOLEAN)
        lua_pushboolean(L, value.boolean);
    else if (value.type == VALUE_NUMBER)
        lua_pushnumber(L, value.number);
    return 1;
}

/** (dictionary, key, value [, ttl_s]) -> true or nil, err */
static int core_shared_set(lua_State *L)
{
    struct shared *shared = require_shared(L);
    struct text dictionary = api_text(L, 1, "dictionary"), key = api_text(L, 2, "key");
    struct value value = api_value(L, 3, "sip.shared");
    uint64_t ttl_ms = ttl_argument(L, 4);
    return push_outcome(L, shared_set(shared, dictionary, key, now_ms(L), &value, ttl_ms));
}

/** (dictionary, key, value [, ttl_s]) -> true or nil, "exists" | err */
static int core_shared_add(lua_State *L)
{
    struct shared *shared = require_shared(L);
    struct text dictionary = api_text(L, 1, "dictionary"), key = api_text(L, 2, "key");
    struct value value = api_value(L, 3, "sip.shared");
    uint64_t ttl_ms = ttl_argument(L, 4);
    return push_outcome(L, shared_add(shared, dictionary, key, now_ms(L), &value, ttl_ms));
}

/** (dictionary, key [, step [, ttl_s]]) -> number or nil, err */
static int core_shared_incr(lua_State *L)
{
    struct shared *shared = require_shared(L);
    struct text dictionary = api_text(L, 1, "dictionary"), key = api_text(L, 2, "key");
    struct value step = api_value(L, 3, "sip.shared");
    uint64_t ttl_ms = ttl_argument(L, 4);
    if (step.type != VALUE_NUMBER && step.type != VALUE_NONE)
        return api_misuse(L, "sip.shared: incr takes a number");
    double result;
    int error = shared_increment(shared, dictionary, key, now_ms(L),
                                 step.type == VALUE_NUMBER ? step.number : 1, ttl_ms, &result);
    if (error)
        return push_outcome(L, error);
    lua_pushnumber(L, result);
    return 1;
}

/** (dictionary, key) -> true when it was there, else false */
static int core_shared_delete(lua_State *L)
{
    struct shared *shared = require_shared(L);
    struct text dictionary = api_text(L, 1, "dictionary"), key = api_text(L, 2, "key");
    lua_pushboolean(L, shared_delete(shared, dictionary, key, now_ms(L)));
    return 1;
}

static const luaL_Reg functions[] = {
    {"shared_get", core_shared_get},       {"shared_set", core_shared_set},
    {"shared_add", core_shared_add},       {"shared_incr", core_shared_incr},
    {"shared_delete", core_shared_delete}, {NULL, NULL},
};

void api_shared_open(lua_State *L)
{
    api_register(L, functions);
}

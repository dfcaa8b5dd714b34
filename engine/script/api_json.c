/* core.json_field(): one field of a JSON text, for {json.parse}. */
#include "script/state.h"

#include <jansson.h>

#define JSON_METATABLE "lunasip.json"

/** Lua may raise while it copies a value: the document belongs to an object of its own. */
static int json_release(lua_State *L)
{
    json_t **document = lua_touserdata(L, 1);
    json_decref(*document);
    *document = NULL;
    return 0;
}

static json_t **json_new(lua_State *L)
{
    json_t **document = lua_newuserdata(L, sizeof *document);
    *document = NULL;
    luaL_getmetatable(L, JSON_METATABLE);
    lua_setmetatable(L, -2);
    return document;
}

/** Objects and arrays as JSON text. */
static int push_printed(lua_State *L, const json_t *value)
{
    size_t n = json_dumpb(value, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY);
    char *room = n ? lua_newuserdata(L, n) : NULL;
    if (!room || json_dumpb(value, room, n, JSON_COMPACT | JSON_ENCODE_ANY) != n)
        return api_push_text(L, TEXT_NONE);
    lua_pushlstring(L, room, n);
    return 1;
}

/** core.json_field(text, name) -> value as a text; nil: no JSON object, no such field, or null */
static int core_json_field(lua_State *L)
{
    struct text text = api_text(L, 1, "JSON text");
    struct text name = api_text(L, 2, "field name");
    json_t **document = json_new(L);
    *document = json_loadb(text.p, text.n, JSON_ALLOW_NUL, NULL);
    const json_t *value = json_object_getn(*document, name.p, name.n);
    if (!value || json_is_null(value))
        return api_push_text(L, TEXT_NONE);
    if (!json_is_string(value))
        return push_printed(L, value);
    lua_pushlstring(L, json_string_value(value), json_string_length(value));
    return 1;
}

void api_json_open(lua_State *L)
{
    lua_pushcfunction(L, core_json_field);
    lua_setfield(L, -2, "json_field");
    luaL_newmetatable(L, JSON_METATABLE);
    lua_pushcfunction(L, json_release);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
}

/* core.uri_parse() and core.name_addr_parse(). */
#include "script/state.h"

/** text -> { scheme, user, password, host, port, params, headers } or nil, err */
static int core_uri_parse(lua_State *L)
{
    struct uri uri;
    if (uri_parse(&uri, api_text(L, 1, "URI")))
        return api_push_result(L, ERROR_SYNTAX);
    lua_createtable(L, 0, 7);
    api_set_text(L, "scheme", uri.scheme_text);
    api_set_text(L, "user", uri.user);
    api_set_text(L, "password", uri.password);
    api_set_text(L, "host", uri.host);
    api_set_text(L, "params", uri.params);
    api_set_text(L, "headers", uri.headers);
    if (uri.port) {
        lua_pushinteger(L, uri.port);
        lua_setfield(L, -2, "port");
    }
    return 1;
}

/** text -> { display, uri, params, tag } or nil, err */
static int core_name_addr_parse(lua_State *L)
{
    struct name_addr name_addr;
    if (name_addr_parse(&name_addr, api_text(L, 1, "address")))
        return api_push_result(L, ERROR_SYNTAX);
    lua_createtable(L, 0, 4);
    api_set_text(L, "display", name_addr.display_name);
    api_set_text(L, "uri", name_addr.uri_text);
    api_set_text(L, "params", name_addr.params);
    api_set_text(L, "tag", name_addr.tag);
    return 1;
}

static const luaL_Reg functions[] = {
    {"uri_parse", core_uri_parse},
    {"name_addr_parse", core_name_addr_parse},
    {NULL, NULL},
};

void api_uri_open(lua_State *L)
{
    api_register(L, functions);
}

/* A plain Lua state around one module. */
#include "script/program.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>

#define EXIT_FAULT 3

static int traceback(lua_State *L)
{
    luaL_traceback(L, L, lua_tostring(L, 1), 1);
    return 1;
}

/* package.path = LUA_DIR/?.lua;LUA_DIR/?/init.lua;... */
static void set_path(lua_State *L, const char *lua_dir)
{
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "path");
    lua_pushfstring(L, "%s/?.lua;%s/?/init.lua;%s", lua_dir, lua_dir, lua_tostring(L, -1));
    lua_setfield(L, -3, "path");
    lua_pop(L, 2);
    lua_pushstring(L, lua_dir);
    lua_setglobal(L, "LUNASIP_LUA_DIR");
}

int program_run(const char *lua_dir, const char *module, int argc, char *const argv[])
{
    lua_State *L = luaL_newstate();
    if (!L) {
        fprintf(stderr, "out of memory\n");
        return EXIT_FAULT;
    }
    luaL_openlibs(L);
    set_path(L, lua_dir);
    lua_pushcfunction(L, traceback);
    lua_getglobal(L, "require");
    lua_pushstring(L, module);
    int failed = lua_pcall(L, 1, 1, 1);
    if (!failed) {
        lua_createtable(L, argc, 0);
        for (int i = 0; i < argc; i++) {
            lua_pushstring(L, argv[i]);
            lua_rawseti(L, -2, i + 1);
        }
        failed = lua_pcall(L, 1, 1, 1);
    }
    int code = failed ? EXIT_FAULT : (int)lua_tointeger(L, -1);
    if (failed)
        fprintf(stderr, "%s\n", lua_tostring(L, -1));
    lua_close(L);
    return code;
}

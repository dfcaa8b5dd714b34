/* lunasip.core: clocks, random numbers, waiting, settings, interfaces, source groups. */
#include "script/state.h"

#include "base/hash.h"
#include "base/memory.h"
#include "base/random.h"

#include <math.h>

#define LOOK_INSTRUCTIONS 100 /* what a long operation counts for at least */

uint64_t api_wall_us(lua_State *L)
{
    const struct io *io = generation_of(L)->options.io;
    return io ? io_wall_us(io) : 0;
}

/** Milliseconds that only grow; before a worker has the script, those of the wall clock. */
static int core_clock_ms(lua_State *L)
{
    const struct script *script = generation_of(L)->script;
    lua_pushnumber(L, script ? (double)loop_now_ms(script->options.loop)
                             : (double)(api_wall_us(L) / 1000));
    return 1;
}

static int core_wall_us(lua_State *L)
{
    lua_pushnumber(L, (double)api_wall_us(L));
    return 1;
}

static int core_random(lua_State *L)
{
    uint32_t bound = (uint32_t)api_number(L, 1, 1, UINT32_MAX, "random bound");
    lua_pushnumber(L, (double)random_below(&generation_of(L)->random, bound));
    return 1;
}

static int core_sleep(lua_State *L)
{
    uint32_t delay_ms = (uint32_t)api_number(L, 1, 0, 3600 * 1000, "sleep");
    struct run *run = run_check_wait(L, "sleep");
    if (run->route.context && context_is_cancelled(run->route.context))
        return api_push_result(L, ERROR_CANCELLED);
    run->wait = WAIT_SLEEP;
    run->sleep_ms = delay_ms ? delay_ms : 1;
    return lua_yield(L, 0);
}

static int core_settings(lua_State *L)
{
    unsigned count;
    const struct setting *list = settings_list(&count);
    lua_createtable(L, (int)count, 0);
    for (unsigned i = 0; i < count; i++) {
        lua_createtable(L, 0, 6);
        lua_pushstring(L, list[i].block);
        lua_setfield(L, -2, "block");
        lua_pushstring(L, list[i].name);
        lua_setfield(L, -2, "name");
        lua_pushstring(L, list[i].help);
        lua_setfield(L, -2, "help");
        lua_pushnumber(L, (double)list[i].value);
        lua_setfield(L, -2, "value");
        lua_pushnumber(L, (double)list[i].least);
        lua_setfield(L, -2, "least");
        lua_pushnumber(L, (double)list[i].most);
        lua_setfield(L, -2, "most");
        lua_rawseti(L, -2, (int)i + 1);
    }
    return 1;
}

static void push_interface(lua_State *L, const struct listener *listener)
{
    char host[ADDRESS_TEXT_BYTES];
    lua_createtable(L, 0, 6);
    lua_pushstring(L, listener->interface);
    lua_setfield(L, -2, "name");
    lua_pushstring(L, transport_kind_name(listener->kind));
    lua_setfield(L, -2, "proto");
    api_push_text(L, address_print_host(&listener->local, host));
    lua_setfield(L, -2, "address");
    lua_pushinteger(L, address_port(&listener->local));
    lua_setfield(L, -2, "port");
    lua_pushstring(L, listener->host);
    lua_setfield(L, -2, "advertised_address");
    lua_pushinteger(L, listener->port);
    lua_setfield(L, -2, "advertised_port");
}

/** core.listeners() -> array of all, in the order of the configuration. Made once per state: upvalue 1. */
static int core_listeners(lua_State *L)
{
    lua_pushvalue(L, lua_upvalueindex(1));
    if (lua_istable(L, -1))
        return 1;
    lua_newtable(L);
    const struct configuration *configuration = generation_of(L)->configuration;
    for (size_t i = 0; configuration && i < configuration->listener_count; i++) {
        push_interface(L, &configuration->listeners[i]);
        lua_rawseti(L, -2, (int)i + 1);
    }
    lua_pushvalue(L, -1);
    lua_replace(L, lua_upvalueindex(1));
    return 1;
}

/** core.where() -> file, line of the script's innermost function; nil outside of one */
static int core_where(lua_State *L)
{
    lua_Debug frame;
    if (!api_script_frame(L, &frame))
        return 0;
    lua_pushstring(L, frame.short_src);
    lua_pushinteger(L, frame.currentline);
    return 2;
}

/** Push the table in that field of the table on top, made when there is none. */
static void push_subtable(lua_State *L, const char *field)
{
    lua_getfield(L, -1, field);
    if (!lua_isnil(L, -1))
        return;
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, field);
}

/** interface.listens[address][port] = true, of the interface on top. */
static void add_listens(lua_State *L, const struct listener *listener)
{
    char printed[ADDRESS_TEXT_BYTES], host[ADDRESS_TEXT_BYTES + 1];
    text_to_array(address_print_host(&listener->local, printed), host, sizeof host);
    push_subtable(L, "listens");
    push_subtable(L, host);
    lua_pushboolean(L, 1);
    lua_rawseti(L, -2, address_port(&listener->local));
    lua_pop(L, 2);
}

/** name -> its first listener, and where all of that name listen. Made once per state: upvalue 1. */
static int core_interfaces(lua_State *L)
{
    lua_pushvalue(L, lua_upvalueindex(1));
    if (lua_istable(L, -1))
        return 1;
    lua_newtable(L);
    const struct configuration *configuration = generation_of(L)->configuration;
    for (size_t i = 0; configuration && i < configuration->listener_count; i++) {
        const struct listener *listener = &configuration->listeners[i];
        lua_getfield(L, -1, listener->interface);
        if (lua_isnil(L, -1)) {
            lua_pop(L, 1);
            push_interface(L, listener);
            lua_pushvalue(L, -1);
            lua_setfield(L, -3, listener->interface);
        }
        add_listens(L, listener);
        lua_pop(L, 1);
    }
    lua_pushvalue(L, -1);
    lua_replace(L, lua_upvalueindex(1));
    return 1;
}

static int core_source_in(lua_State *L)
{
    struct subject subject;
    handle_check(L, 1, &subject);
    struct text name = api_text(L, 2, "group name");
    const struct configuration *configuration = generation_of(L)->configuration;
    int found = ERROR_NOT_FOUND;
    if (configuration && subject.message)
        found = configuration_group_contains(configuration, name, &subject.message->source.peer);
    if (found < 0)
        return api_misuse(L, "no address group '%.*s' in the configuration", TEXT_ARG(name));
    lua_pushboolean(L, found);
    return 1;
}

/* (path, text) : a file of the script was read */
static int core_note_file(lua_State *L)
{
    static const struct hash_key key = {1, 2};
    struct generation *generation = generation_of(L);
    struct text path = api_text(L, 1, "path"), text = api_text(L, 2, "text");
    size_t size_bytes = (generation->file_count + 1) * sizeof *generation->files;
    char **files = memory_raw_resize(generation->files, size_bytes);
    if (!files)
        return luaL_error(L, "not enough memory");
    generation->files = files;
    files[generation->file_count] = text_strdup(path);
    if (!files[generation->file_count])
        return luaL_error(L, "not enough memory");
    generation->file_count++;
    generation->sources_hash = generation->sources_hash * 31 + hash_text(&key, text);
    return 0;
}

/* (bytes) : what comes now takes long; the budget is looked at before it, and before what follows */
static int core_look(lua_State *L)
{
    run_charge(generation_of(L),
               LOOK_INSTRUCTIONS + (uint64_t)lua_tonumber(L, 1) / BYTES_PER_INSTRUCTION);
    return 0;
}

static const luaL_Reg functions[] = {
    {"clock_ms", core_clock_ms},   {"wall_us", core_wall_us},
    {"random", core_random},       {"sleep", core_sleep},
    {"settings", core_settings},   {"source_in", core_source_in},
    {"where", core_where},         {"look", core_look},
    {"note_file", core_note_file}, {NULL, NULL},
};

void api_core_open(lua_State *L)
{
    api_register(L, functions);
    lua_pushnil(L);
    lua_pushcclosure(L, core_interfaces, 1);
    lua_setfield(L, -2, "interfaces");
    lua_pushnil(L);
    lua_pushcclosure(L, core_listeners, 1);
    lua_setfield(L, -2, "listeners");
    lua_pushliteral(L, LUNASIP_VERSION);
    lua_setfield(L, -2, "version");
}

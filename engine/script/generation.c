/*
 * One generation: a LuaJIT state, the libraries that scripts see, and the handlers of one script.
 */
#include "script/state.h"

#include "base/memory.h"

#include <stdio.h>
#include <string.h>

#define FAULT_BYTES 4096

/*
 * The coroutine of a run begins here, so that whatever its arguments cost is allocated under
 * lua_resume(), and that its stack does not grow at the very start of a call from C: LuaJIT crashes
 * when it is refused the memory there.
 */
static const char wrap_source[] =
    "local prepare = ...\n"
    "return function(handler, has_one_argument, shape)\n"
    "    if shape then return function() return handler(shape(prepare())) end end\n"
    "    if has_one_argument then return function(message) return handler(message) end end\n"
    "    return function(...) return handler(...) end\n"
    "end\n";

static void release_runs(struct generation *generation)
{
    for (struct run *run = generation->runs, *next; run; run = next) {
        next = run->next;
        arena_reset(&run->arena);
        memory_free_raw(run);
    }
}

static void generation_destroy(void *object)
{
    struct generation *generation = object;
    timers_retire(generation);
    list_remove(&generation->link);
    heap_close(generation);
    release_runs(generation);
    for (size_t i = 0; i < generation->file_count; i++)
        memory_free_raw(generation->files[i]);
    memory_free_raw(generation->files);
    memory_free_raw(generation->handlers);
    memory_free_raw(generation->lua_dir);
    memory_free_raw(generation->route_path);
    memory_release(generation->configuration);
    memory_release(generation->shared);
    memory_release(generation->options.auth);
    for (size_t i = 0; i < generation->database_count; i++)
        databases_close(generation->options.databases, generation->databases[i]);
    memory_free_raw(generation->databases);
    memory_release(generation->options.databases);
    memory_release(generation->options.library);
    memory_release(generation->options.reaper);
    memory_release(generation->options.http);
}

/* ---- protected calls ---- */

/** In one line, without the tabs and line ends of a trace. */
static void flatten(char *line)
{
    for (char *c = line; *c; c++)
        if (*c == '\n' || *c == '\t' || *c == '\r')
            *c = ' ';
}

/** Does it begin with "file:line: "? */
static bool has_place(const char *text)
{
    const char *colon = strchr(text, ':');
    size_t digits = colon ? strspn(colon + 1, "0123456789") : 0;
    return digits && colon[1 + digits] == ':';
}

/** One line that begins with a place: that of the file as a whole when Lua knows none. */
static char *take_fault(lua_State *L, const char *file)
{
    const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
    char *fault = memory_raw(FAULT_BYTES);
    if (!fault)
        return NULL;
    if (!text)
        text = "an error was raised that is not a text";
    if (!file[0] || has_place(text))
        snprintf(fault, FAULT_BYTES, "%s", text);
    else
        snprintf(fault, FAULT_BYTES, "%s:1: %s", file, text);
    flatten(fault);
    return fault;
}

int generation_protect(struct generation *generation, lua_CFunction function, void *arg,
                       char **fault)
{
    lua_State *L = generation->lua;
    int top = lua_gettop(L);
    int status = lua_cpcall(L, function, arg);
    if (status == 0)
        return 0;
    if (fault && status != LUA_ERRMEM)
        *fault = take_fault(L, generation->route_path);
    lua_settop(L, top);
    return status == LUA_ERRMEM ? ERROR_MEMORY : ERROR_SCRIPT;
}

/* ---- opening ---- */

static int load_core(lua_State *L)
{
    lua_newtable(L);
    api_core_open(L);
    api_log_open(L);
    api_hash_open(L);
    api_uri_open(L);
    api_regex_open(L);
    api_transaction_open(L);
    api_json_open(L);
    api_shared_open(L);
    api_auth_open(L);
    api_sql_open(L);
    api_http_open(L);
    api_nat_open(L);
    api_timer_open(L);
    api_leave_open(L);
    api_dispatcher_open(L);
    api_registrar_open(L);
    api_registrar_save_open(L);
    api_registrar_fetch_open(L);
    api_media_open(L);
    api_dialog_open(L);
    api_call_open(L);
    api_originate_open(L);
    api_trunk_open(L);
    api_record_open(L);
    api_variables_open(L);
    api_index_open(L);
    return 1;
}

static void set_package(lua_State *L, const char *lua_dir)
{
    lua_getglobal(L, "package");
    lua_pushfstring(L, "%s/?.lua;%s/?/init.lua", lua_dir, lua_dir);
    lua_setfield(L, -2, "path");
    lua_getfield(L, -1, "preload");
    lua_pushcfunction(L, load_core);
    lua_setfield(L, -2, "lunasip.core");
    lua_pop(L, 2);
}

static void make_wrap(lua_State *L, struct generation *generation)
{
    if (luaL_loadbuffer(L, wrap_source, sizeof wrap_source - 1, "=lunasip"))
        lua_error(L);
    luaJIT_setmode(L, -1, LUAJIT_MODE_ALLFUNC | LUAJIT_MODE_OFF);
    lua_pushcfunction(L, run_prepare);
    lua_call(L, 1, 1);
    generation->wrap_reference = luaL_ref(L, LUA_REGISTRYINDEX);
}

void generation_wrap(lua_State *L, enum run_kind kind, const char *shape)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, generation_of(L)->wrap_reference);
    lua_insert(L, -2);
    lua_pushboolean(L, kind == RUN_REQUEST || kind == RUN_BRANCH || kind == RUN_REPLY);
    if (shape) {
        lua_getglobal(L, "require");
        lua_pushstring(L, shape);
        lua_call(L, 1, 1);
    }
    lua_call(L, shape ? 3 : 2, 1);
}

/** error number negated -> text */
static void make_error_texts(lua_State *L, struct generation *generation)
{
    lua_newtable(L);
#define XX(name, number, text)                                                                     \
    lua_pushstring(L, text);                                                                       \
    lua_rawseti(L, -2, -(number));
    ENGINE_ERRORS(XX)
#undef XX
    generation->errors_reference = luaL_ref(L, LUA_REGISTRYINDEX);
}

static int open_state(lua_State *L)
{
    struct generation *generation = lua_touserdata(L, 1);
    luaL_openlibs(L);
    /* Which loops get compiled depends on addresses: off where a trace must depend on the seed. */
    if (generation->options.is_deterministic)
        luaJIT_setmode(L, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);
    set_package(L, generation->lua_dir);
    if (generation->options.library)
        library_install(L, generation->options.library);
    make_wrap(L, generation);
    make_error_texts(L, generation);
    api_message_open(L);
    return 0;
}

static int copy_options(struct generation *generation, const struct generation_options *options)
{
    generation->options = *options;
    generation->options.configuration = NULL;
    generation->options.shared = NULL;
    generation->configuration = memory_ref((void *)options->configuration);
    generation->shared = memory_ref(options->shared);
    memory_ref(options->auth);
    memory_ref(options->databases);
    memory_ref(options->library);
    memory_ref(options->reaper);
    memory_ref(options->http);
    generation->lua_dir = text_strdup(text_of(options->lua_dir));
    generation->route_path = text_strdup(text_of(options->route_path ? options->route_path : ""));
    return generation->lua_dir && generation->route_path ? 0 : ERROR_MEMORY;
}

int generation_open(struct generation **generationp, const struct generation_options *options)
{
    struct generation *generation = memory_alloc(sizeof *generation, generation_destroy);
    if (!generation)
        return ERROR_MEMORY;
    generation->pv_get_reference = generation->pv_set_reference = LUA_NOREF;
    generation->memory_most = (size_t)options->settings->script_memory_mib << 20;
    if (options->io)
        io_seed_random(options->io, &generation->random);
    else
        random_seed_secret(&generation->random);
    int error = copy_options(generation, options);
    if (!error)
        error = heap_open(generation);
    if (!error)
        error = generation_protect(generation, open_state, generation, NULL);
    if (error) {
        memory_release(generation);
        return ERROR_MEMORY;
    }
    *generationp = generation;
    return 0;
}

/* ---- loading the script ---- */

/** Take the function on top of the stack as a handler. */
static void add_handler(lua_State *L, struct generation *generation, enum run_kind kind,
                        const char *name)
{
    if (strlen(name) >= HANDLER_NAME_BYTES)
        luaL_error(L, "handler name '%s' is too long; choose one of at most %d bytes", name,
                   HANDLER_NAME_BYTES - 1);
    size_t size_bytes = (generation->handler_count + 1) * sizeof *generation->handlers;
    struct handler *handlers = memory_raw_resize(generation->handlers, size_bytes);
    if (!handlers)
        luaL_error(L, "not enough memory");
    generation->handlers = handlers;
    struct handler *handler = &handlers[generation->handler_count];
    *handler = (struct handler){.kind = kind, .reference = LUA_NOREF};
    handler->name_n = strlen(name);
    memcpy(handler->name, name, handler->name_n + 1);
    generation->handler_count++;
    generation->handler_bits |= handler_bit(kind, handler->name_n);
    generation_wrap(L, kind, kind == RUN_EVENT ? event_shape(name) : NULL);
    handler->reference = luaL_ref(L, LUA_REGISTRYINDEX);
}

/** A single function in field @p field of the table on top. */
static void take_function(lua_State *L, struct generation *generation, enum run_kind kind,
                          const char *field)
{
    lua_getfield(L, -1, field);
    if (lua_isfunction(L, -1))
        add_handler(L, generation, kind, "");
    else
        lua_pop(L, 1);
}

/** A table of functions by name in field @p field of the table on top. */
static void take_functions(lua_State *L, struct generation *generation, enum run_kind kind,
                           const char *field)
{
    lua_getfield(L, -1, field);
    if (!lua_istable(L, -1)) {
        lua_pop(L, 1);
        return;
    }
    for (lua_pushnil(L); lua_next(L, -2);) {
        if (lua_type(L, -2) == LUA_TSTRING && lua_isfunction(L, -1))
            add_handler(L, generation, kind, lua_tostring(L, -2));
        else
            lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

/** With the table of runtime.handlers() on top. */
static void take_handlers(lua_State *L, struct generation *generation)
{
    take_function(L, generation, RUN_REQUEST, "request_route");
    take_function(L, generation, RUN_REPLY, "onreply_default");
    take_functions(L, generation, RUN_REPLY, "onreply");
    take_functions(L, generation, RUN_BRANCH, "branch");
    take_functions(L, generation, RUN_FAILURE, "failure");
    take_functions(L, generation, RUN_EVENT, "event");
    if (!generation_handler(generation, RUN_REQUEST, TEXT_NONE))
        luaL_error(L, "there is no request_route; define function request_route(req)");
}

void generation_compile_patterns(lua_State *L, struct generation *generation)
{
    lua_getglobal(L, "require");
    lua_pushliteral(L, "lunasip.format");
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "compile");
    lua_pushliteral(L, "$(ru{s.substr,0,1})");
    lua_call(L, 1, 0);
    lua_pop(L, 1);
    if (generation->refusals)
        luaL_error(L, "not enough memory");
}

static int load_script(lua_State *L)
{
    struct generation *generation = lua_touserdata(L, 1);
    generation_compile_patterns(L, generation);
    lua_getglobal(L, "require");
    lua_pushliteral(L, "lunasip.runtime");
    lua_call(L, 1, 1);
    int runtime = lua_gettop(L);

    lua_getfield(L, runtime, "new_environment");
    lua_pushstring(L, generation->route_path);
    lua_call(L, 1, 1);
    int environment = lua_gettop(L);

    lua_getfield(L, runtime, "load");
    lua_pushstring(L, generation->route_path);
    lua_pushvalue(L, environment);
    api_push_text(L, generation->options.source);
    lua_call(L, 3, 2);
    if (lua_isnil(L, -2))
        return lua_error(L);
    lua_pop(L, 1);
    /* The budget's hook sees interpreted code only. */
    luaJIT_setmode(L, -1, LUAJIT_MODE_ALLFUNC | LUAJIT_MODE_OFF);
    lua_call(L, 0, 0);

    lua_getfield(L, runtime, "handlers");
    lua_pushvalue(L, environment);
    lua_call(L, 1, 1);
    take_handlers(L, generation);
    return 0;
}

/** Run load_script() within a budget of its own; its hook raises, as nothing here can yield. */
static int load_within_budget(struct generation *generation, char **fault)
{
    struct run load = {
        .generation = generation,
        .kind = RUN_LOAD,
        .vars_reference = LUA_NOREF,
        .instructions_most = generation->options.settings->script_budget_instructions * LOAD_BUDGET,
    };
    generation->current = &load;
    run_set_hook(generation, BUDGET_INTERVAL);
    int error = generation_protect(generation, load_script, generation, fault);
    run_set_hook(generation, BUDGET_INTERVAL);
    generation->current = NULL;
    arena_reset(&load.arena);
    return error;
}

int generation_create(struct generation **generationp, const struct generation_options *options,
                      char **fault)
{
    *fault = NULL;
    struct generation *generation;
    int error = generation_open(&generation, options);
    if (error)
        return error;
    error = load_within_budget(generation, fault);
    generation->options.source = TEXT_NONE;
    if (error) {
        memory_release(generation);
        return error;
    }
    *generationp = generation;
    return 0;
}

/* ---- reading ---- */

const struct handler *generation_find_handler(const struct generation *generation,
                                              enum run_kind kind, struct text name)
{
    for (size_t i = 0; i < generation->handler_count; i++) {
        const struct handler *handler = &generation->handlers[i];
        if (handler->kind == kind && handler->name_n == name.n &&
            (name.n == 0 || memcmp(handler->name, name.p, name.n) == 0))
            return handler;
    }
    return NULL;
}

unsigned generation_number(const struct generation *generation)
{
    return generation->options.number;
}

char *const *generation_files(const struct generation *generation, size_t *count)
{
    *count = generation->file_count;
    return generation->files;
}

uint64_t generation_sources_hash(const struct generation *generation)
{
    return generation->sources_hash;
}

size_t generation_memory_bytes(const struct generation *generation)
{
    return generation->memory_bytes;
}

int script_check(const struct configuration *configuration, const char *route_path,
                 const char *lua_dir, struct library *library, struct io *io, struct log *log,
                 char **fault)
{
    bool is_inline = configuration->route_source && !route_path;
    struct generation_options options = {
        .io = io,
        .settings = &configuration->settings,
        .log = log,
        .configuration = configuration,
        .lua_dir = lua_dir,
        .library = library,
        .route_path = route_path ? route_path : configuration->route_path,
        .source = is_inline ? text_of(configuration->route_source) : TEXT_NONE,
        .is_deterministic = true, /* no compiled code: see heap.c */
    };
    struct generation *generation;
    int error = generation_create(&generation, &options, fault);
    if (!error)
        memory_release(generation);
    return error;
}

/* core.trunk_*: what sip.trunk is made of; and event_route["trunk:up"], ["trunk:down"]. */
#include "script/state.h"

#include "base/memory.h"

/** A view whose texts are in an arena: a Lua error on the way leaves nothing behind. */
struct shown {
    struct text name, registrar, user, domain, interface, reason;
    const char *state;
    unsigned status, failures;
    uint64_t expires_ms, next_ms;
};

static struct shown show(const struct trunk_view *view, struct arena *arena)
{
    const struct trunk_terms *terms = view->terms;
    return (struct shown){
        .name = arena_copy(arena, text_of(terms->name)),
        .registrar = arena_copy(arena, text_of(terms->registrar)),
        .user = arena_copy(arena, text_of(terms->user)),
        .domain = arena_copy(arena, text_of(terms->domain)),
        .interface = arena_copy(arena, text_of(terms->interface)),
        .reason = arena_copy(arena, text_of(view->reason)),
        .state = trunk_state_name(view->state),
        .status = view->status,
        .failures = view->failures,
        .expires_ms = view->expires_ms,
        .next_ms = view->next_ms,
    };
}

static void set_seconds(lua_State *L, const char *field, uint64_t at_ms, uint64_t now_ms)
{
    if (!at_ms)
        return;
    lua_pushnumber(L, at_ms > now_ms ? (lua_Number)(at_ms - now_ms) / 1000 : 0);
    lua_setfield(L, -2, field);
}

static void push_shown(lua_State *L, const struct shown *shown)
{
    uint64_t now_ms = api_wall_us(L) / 1000;
    lua_createtable(L, 0, 11);
    api_set_text(L, "name", shown->name);
    api_set_text(L, "state", text_of(shown->state));
    api_set_text(L, "registrar", shown->registrar);
    api_set_text(L, "user", shown->user);
    api_set_text(L, "domain", shown->domain);
    api_set_text(L, "interface", shown->interface);
    if (shown->reason.n)
        api_set_text(L, "reason", shown->reason);
    if (shown->status) {
        lua_pushinteger(L, (lua_Integer)shown->status);
        lua_setfield(L, -2, "status");
    }
    lua_pushinteger(L, (lua_Integer)shown->failures);
    lua_setfield(L, -2, "failures");
    set_seconds(L, "expires_in_s", shown->expires_ms, now_ms);
    set_seconds(L, "next_in_s", shown->next_ms, now_ms);
}

/** Trunks of the engine, and an arena for what is shown of them; misuse outside of handlers. */
static struct trunks *require_trunks(lua_State *L, struct arena **arena, const char *what)
{
    struct script *script = generation_of(L)->script;
    struct run *run = run_of(L);
    if (!script || !script->options.trunks || !run)
        api_misuse(L, "%s: only in handlers", what);
    *arena = &run->arena;
    return script->options.trunks;
}

static void push_trunk(lua_State *L, struct trunk *trunk, struct arena *arena)
{
    struct trunk_view view;
    trunk_get_view(trunk, &view);
    struct shown shown = show(&view, arena);
    trunk_view_release(&view);
    memory_release(trunk);
    push_shown(L, &shown);
}

/** (name) -> table or nil */
static int core_trunk_get(lua_State *L)
{
    struct arena *arena;
    struct text name = api_text(L, 1, "trunk.get: name");
    struct trunks *trunks = require_trunks(L, &arena, "trunk.get");
    struct trunk *trunk = trunks_find(trunks, name);
    if (!trunk)
        return 0;
    push_trunk(L, trunk, arena);
    return 1;
}

/** () -> array of tables, in the order of their names */
static int core_trunk_list(lua_State *L)
{
    struct arena *arena;
    struct trunks *trunks = require_trunks(L, &arena, "trunk.list");
    lua_newtable(L);
    struct trunk *trunk;
    for (int i = 0; (trunk = trunks_at(trunks, (size_t)i)); i++) {
        push_trunk(L, trunk, arena);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

int trunk_event_push(lua_State *L, const struct run *run)
{
    struct shown shown = show(run->trunk, &((struct run *)run)->arena);
    lua_pushstring(L, run->handler->name);
    push_shown(L, &shown);
    return 2;
}

void script_trunk_changed(void *arg, const struct trunk_view *view, struct text call_id)
{
    struct script *script = arg;
    struct generation *generation = script->newest;
    struct text name = view->state == TRUNK_UP ? TEXT("trunk:up") : TEXT("trunk:down");
    const struct handler *handler =
        generation ? generation_handler(generation, RUN_EVENT, name) : NULL;
    struct run *run = handler ? run_take(generation) : NULL;
    if (!run) {
        if (handler)
            log_error(script->options.log, LOG_SCRIPT, call_id, "event_route.%.*s cannot run: %s",
                      TEXT_ARG(name), error_text(ERROR_MEMORY));
        return;
    }
    run->kind = RUN_EVENT;
    run->handler = handler;
    run->trunk = view;
    run->event_call_id = arena_copy(&run->arena, call_id);
    memory_ref(generation);
    run_start(run);
    memory_release(generation);
}

void api_trunk_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"trunk_get", core_trunk_get},
        {"trunk_list", core_trunk_list},
        {NULL, NULL},
    };
    api_register(L, functions);
}

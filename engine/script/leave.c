/*
 * What a generation leaves to the one after it, on one worker: event_route["reload:leave"] of the
 * old one runs, then the worker begins to use the new one, then event_route["reload:enter"] of that
 * runs. lua/lunasip/leave.lua makes one text of what is left, so that two states share nothing.
 */
#include "script/state.h"

#include "base/memory.h"

static const struct text LEAVE = {"reload:leave", 12}, ENTER = {"reload:enter", 12};

bool leave_is_event(const char *name)
{
    return text_equal(text_of(name), LEAVE) || text_equal(text_of(name), ENTER);
}

static void run_event(struct script *script, struct generation *generation, struct text name)
{
    const struct handler *handler = generation_handler(generation, RUN_EVENT, name);
    struct run *run = handler ? run_take(generation) : NULL;
    if (!run) {
        if (handler)
            log_error(script->options.log, LOG_SCRIPT, TEXT_NONE, "event_route.%.*s cannot run: %s",
                      TEXT_ARG(name), error_text(ERROR_MEMORY));
        return;
    }
    run->kind = RUN_EVENT;
    run->handler = handler;
    run->is_reload = true;
    run_start(run);
}

void leave_ask(struct script *script, struct generation *old)
{
    script->is_leaving = true;
    run_event(script, old, LEAVE);
    script->is_leaving = false;
}

void leave_give(struct script *script, struct generation *new)
{
    run_event(script, new, ENTER);
    memory_free_raw((void *)script->left.p);
    script->left = TEXT_NONE;
}

/* (text) -> true, or nil, err: kept for the next generation */
static int core_leave(lua_State *L)
{
    struct text left = api_text(L, 1, "what is left");
    struct script *script = generation_of(L)->script;
    if (!script || !script->is_leaving)
        return api_push_failure(L, "the handler waited, and the next one has begun");
    left.p = text_strdup(left);
    if (!left.p)
        return api_push_result(L, ERROR_MEMORY);
    memory_free_raw((void *)script->left.p);
    script->left = left;
    lua_pushboolean(L, 1);
    return 1;
}

/* () -> what the generation before left, or nil */
static int core_left(lua_State *L)
{
    struct script *script = generation_of(L)->script;
    return api_push_text(L, script ? script->left : TEXT_NONE);
}

/* () counts what was too long to be left */
static int core_leave_refused(lua_State *L)
{
    generation_count(generation_of(L), COUNTER_SCRIPT_LEAVE_LIMIT);
    return 0;
}

/* () -> script.leave_bytes */
static int core_leave_bytes(lua_State *L)
{
    lua_pushnumber(L, (lua_Number)generation_of(L)->options.settings->script_leave_bytes);
    return 1;
}

void api_leave_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"leave", core_leave},
        {"left", core_left},
        {"leave_bytes", core_leave_bytes},
        {"leave_refused", core_leave_refused},
        {NULL, NULL},
    };
    api_register(L, functions);
}

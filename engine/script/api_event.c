/*
 * The values of the tables that event_route["dialog:..."](event) and ["registration:..."] get;
 * lua/lunasip/event.lua and registration_event.lua make them. Those of trunks are api_trunk.c's.
 */
#include "script/state.h"

#include "base/memory.h"

#include <stdio.h>

#define REGISTRATION TEXT("registration:")
#define TRUNK        TEXT("trunk:")

const char *event_shape(const char *name)
{
    if (leave_is_event(name))
        return NULL;
    if (text_starts_with(text_of(name), TRUNK))
        return "lunasip.trunk_event";
    return text_starts_with(text_of(name), REGISTRATION) ? "lunasip.registration_event"
                                                         : "lunasip.event";
}

static void push_dialog(lua_State *L, const struct run *run)
{
    const struct dialog *dialog = run->dialog;
    uint64_t started_ms = dialog_started_ms(dialog), answered_ms = dialog_answered_ms(dialog);
    uint64_t now_ms = loop_now_ms(run->generation->script->options.loop);
    api_push_text(L, dialog_call_id(dialog));
    api_push_text(L, dialog_caller_tag(dialog));
    api_push_text(L, dialog_from_uri(dialog));
    api_push_text(L, dialog_to_uri(dialog));
    api_push_literal(L, dialog_state_name(dialog_current_state(dialog)));
    lua_pushnumber(L, (double)(now_ms - started_ms) / 1000);
    lua_pushboolean(L, answered_ms != 0);
    /* The first millisecond of a clock counts as the second: 0 says "not answered". */
    if (answered_ms)
        lua_pushnumber(L, now_ms > answered_ms ? (double)(now_ms - answered_ms) / 1000 : 0);
    else
        lua_pushnil(L);
    if (run->event == DIALOG_EVENT_END)
        api_push_literal(L, dialog_end_name(dialog_end_reason(dialog)));
    else
        lua_pushnil(L);
}

/* Its INVITE's final response may be our own: the dialog knows it then. */
static void push_cause(lua_State *L, const struct run *run)
{
    const struct message *cause = run->event_message;
    unsigned status = cause && !cause->is_request ? cause->status : 0;
    if (!cause)
        status = dialog_failure_status(run->dialog);
    if (cause)
        api_push_literal(L, method_name(cause->method));
    else
        lua_pushnil(L);
    if (status)
        lua_pushinteger(L, (lua_Integer)status);
    else
        lua_pushnil(L);
}

/* Who hung up; nil while it goes on, and where nobody can tell. */
static void push_ended_by(lua_State *L, const struct run *run)
{
    const char *name = dialog_ender_name(dialog_ended_by(run->dialog));
    if (run->event == DIALOG_EVENT_END && name)
        api_push_literal(L, name);
    else
        lua_pushnil(L);
}

static void push_track(lua_State *L, const struct dialog *dialog)
{
    const struct track *track = dialog_track(dialog);
    if (track)
        lua_pushnumber(L, (lua_Number)track_number(track));
    else
        lua_pushnil(L);
}

static int push_registration(lua_State *L, const struct run *run)
{
    const struct location_binding *binding = run->change->binding;
    lua_pushstring(L, run->handler->name);
    api_push_text(L, run->aor);
    api_push_text(L, binding->contact);
    api_push_text(L, binding->call_id);
    api_push_text(L, binding->user_agent);
    api_push_text(L, binding->received);
    api_push_text(L, binding->path);
    return 7;
}

static void run_registration(struct script *script, struct text aor,
                             const struct location_change *change)
{
    char name[HANDLER_NAME_BYTES];
    struct generation *generation = script->newest;
    int n = snprintf(name, sizeof name, "registration:%s", location_change_name(change->kind));
    const struct handler *handler =
        generation_handler(generation, RUN_EVENT, (struct text){name, (size_t)n});
    struct run *run = handler ? run_take(generation) : NULL;
    if (!run) {
        if (handler)
            log_error(script->options.log, LOG_SCRIPT, change->binding->call_id,
                      "event_route.%s cannot run: %s", name, error_text(ERROR_MEMORY));
        return;
    }
    run->kind = RUN_EVENT;
    run->handler = handler;
    run->change = change;
    run->aor = aor;
    run->event_call_id = arena_copy(&run->arena, change->binding->call_id);
    memory_ref(generation);
    run_start(run);
    memory_release(generation);
}

void script_location_changed(void *arg, const struct location_changes *changes)
{
    struct script *script = changes->by;
    (void)arg;
    for (size_t i = 0; script && script->newest && i < changes->count; i++)
        run_registration(script, changes->aor, &changes->v[i]);
}

int event_push(lua_State *L, const struct run *run)
{
    if (run->change)
        return push_registration(L, run);
    if (run->call_event)
        return call_event_push(L, run);
    if (run->trunk)
        return trunk_event_push(L, run);
    /* The name of an on_end goes with its call: no literal. */
    bool is_on_end = run->handler == track_on_end(run->dialog);
    api_push_literal(L, is_on_end ? "dialog:end" : run->handler->name);
    push_dialog(L, run);
    push_cause(L, run);
    push_track(L, run->dialog);
    push_ended_by(L, run);
    return 14;
}

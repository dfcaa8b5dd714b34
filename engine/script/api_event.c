/* The table that event_route["dialog:..."](event) gets. */
#include "script/state.h"

static void push_dialog(lua_State *L, const struct run *run)
{
    const struct dialog *dialog = run->dialog;
    uint64_t started_ms = dialog_started_ms(dialog), answered_ms = dialog_answered_ms(dialog);
    uint64_t now_ms = loop_now_ms(run->generation->script->options.loop);
    api_set_text(L, "call_id", dialog_call_id(dialog));
    api_set_text(L, "from_tag", dialog_caller_tag(dialog));
    api_set_text(L, "from_uri", dialog_from_uri(dialog));
    api_set_text(L, "to_uri", dialog_to_uri(dialog));
    lua_pushstring(L, dialog_state_name(dialog_current_state(dialog)));
    lua_setfield(L, -2, "state");
    lua_pushnumber(L, (double)(now_ms - started_ms) / 1000);
    lua_setfield(L, -2, "age_s");
    lua_pushboolean(L, answered_ms != 0);
    lua_setfield(L, -2, "answered");
    if (answered_ms) {
        /* The first millisecond of a clock counts as the second: 0 says "not answered". */
        lua_pushnumber(L, now_ms > answered_ms ? (double)(now_ms - answered_ms) / 1000 : 0);
        lua_setfield(L, -2, "duration_s");
    }
    if (run->event == DIALOG_EVENT_END) {
        lua_pushstring(L, dialog_end_name(dialog_end_reason(dialog)));
        lua_setfield(L, -2, "reason");
    }
}

static void push_cause(lua_State *L, const struct message *message)
{
    lua_pushstring(L, method_name(message->method));
    lua_setfield(L, -2, "method");
    if (!message->is_request) {
        lua_pushinteger(L, message->status);
        lua_setfield(L, -2, "status");
    }
}

void event_push(lua_State *L, const struct run *run)
{
    lua_createtable(L, 0, 12);
    lua_pushstring(L, run->handler->name);
    lua_setfield(L, -2, "name");
    push_dialog(L, run);
    if (run->event_message)
        push_cause(L, run->event_message);
}

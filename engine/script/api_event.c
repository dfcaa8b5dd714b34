/* The values of the table that event_route["dialog:..."](event) gets; lua/lunasip/event.lua makes it. */
#include "script/state.h"

static void push_dialog(lua_State *L, const struct run *run)
{
    const struct dialog *dialog = run->dialog;
    uint64_t started_ms = dialog_started_ms(dialog), answered_ms = dialog_answered_ms(dialog);
    uint64_t now_ms = loop_now_ms(run->generation->script->options.loop);
    api_push_text(L, dialog_call_id(dialog));
    api_push_text(L, dialog_caller_tag(dialog));
    api_push_text(L, dialog_from_uri(dialog));
    api_push_text(L, dialog_to_uri(dialog));
    lua_pushstring(L, dialog_state_name(dialog_current_state(dialog)));
    lua_pushnumber(L, (double)(now_ms - started_ms) / 1000);
    lua_pushboolean(L, answered_ms != 0);
    /* The first millisecond of a clock counts as the second: 0 says "not answered". */
    if (answered_ms)
        lua_pushnumber(L, now_ms > answered_ms ? (double)(now_ms - answered_ms) / 1000 : 0);
    else
        lua_pushnil(L);
    if (run->event == DIALOG_EVENT_END)
        lua_pushstring(L, dialog_end_name(dialog_end_reason(dialog)));
    else
        lua_pushnil(L);
}

int event_push(lua_State *L, const struct run *run)
{
    const struct message *cause = run->event_message;
    lua_pushstring(L, run->handler->name);
    push_dialog(L, run);
    lua_pushstring(L, cause ? method_name(cause->method) : NULL);
    if (cause && !cause->is_request)
        lua_pushinteger(L, cause->status);
    else
        lua_pushnil(L);
    return 12;
}

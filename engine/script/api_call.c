/* core.call_*: what sip.call is made of. */
#include "script/state.h"

#include "route/bridge.h"

/** One line of options, which lua/lunasip/call.lua has checked. */
static struct text option(lua_State *L, int index, const char *what)
{
    struct text t = api_text_or_none(L, index, what);
    return t.n ? t : TEXT_NONE;
}

/** (req, to, next_hop, interface, from, header lines, names, username, password,
 *  follow redirections, refuse 100rel) -> Call-ID, tag; or nil, err */
static int core_call_bridge(lua_State *L)
{
    struct subject subject;
    handle_check_context(L, 1, &subject, "call.bridge");
    if (subject.is_reply || subject.run->kind != RUN_REQUEST)
        api_misuse(L, "call.bridge: only for a request in request_route");
    if (handle_is_over(&subject))
        return api_push_result(L, ERROR_CANCELLED);
    const struct bridge_options options = {
        .to = option(L, 2, "call.bridge: to"),
        .next_hop = option(L, 3, "call.bridge: next_hop"),
        .interface = option(L, 4, "call.bridge: interface"),
        .from = option(L, 5, "call.bridge: from"),
        .headers = option(L, 6, "call.bridge: headers"),
        .pass = option(L, 7, "call.bridge: pass"),
        .username = option(L, 8, "call.bridge: username"),
        .password = option(L, 9, "call.bridge: password"),
        .follows_redirects = lua_toboolean(L, 10),
        .refuses_100rel = lua_toboolean(L, 11),
    };
    struct bridge *bridge = NULL;
    struct script_cause cause;
    cause_begin(L, &cause);
    int error = bridge_begin(&bridge, subject.context, &options);
    cause_end(&cause);
    if (error)
        return api_push_result(L, error);
    api_push_text(L, bridge_call_id(bridge));
    return 1 + api_push_text(L, bridge_tag(bridge));
}

/** (Call-ID, tag, reason or nil) -> boolean: was there such a call? */
static int core_call_hang_up(lua_State *L)
{
    struct text call_id = api_text(L, 1, "Call-ID"), tag = api_text(L, 2, "tag");
    struct text reason = option(L, 3, "call:hangup: reason");
    struct script *script = generation_of(L)->script;
    struct bridge *bridge =
        script && script->proxy ? bridge_find(script->proxy, call_id, tag) : NULL;
    if (text_find(reason, '\r') || text_find(reason, '\n'))
        api_misuse(L, "call:hangup: a reason cannot have line ends in it");
    struct script_cause cause;
    cause_begin(L, &cause);
    if (bridge)
        bridge_hang_up(bridge, DIALOG_END_SCRIPT, reason);
    cause_end(&cause);
    lua_pushboolean(L, bridge != NULL);
    return 1;
}

void api_call_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"call_bridge", core_call_bridge},
        {"call_hang_up", core_call_hang_up},
        {NULL, NULL},
    };
    api_register(L, functions);
}

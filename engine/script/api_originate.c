/* core.call_originate: what sip.call.originate is made of. */
#include "script/state.h"

#include "base/memory.h"
#include "route/bridge.h"

/** A text of the table at index 1, which lua/lunasip/call.lua has checked and which keeps it. */
static struct text field(lua_State *L, const char *name)
{
    struct text t = TEXT_NONE;
    lua_getfield(L, 1, name);
    if (!lua_isnil(L, -1))
        t = api_text(L, -1, name);
    lua_pop(L, 1);
    return t.n ? t : TEXT_NONE;
}

static uint32_t number(lua_State *L, const char *name)
{
    lua_getfield(L, 1, name);
    uint64_t value = lua_isnil(L, -1) ? 0 : api_number(L, -1, 0, UINT32_MAX, name);
    lua_pop(L, 1);
    return (uint32_t)value;
}

static bool is_true(lua_State *L, const char *name)
{
    lua_getfield(L, 1, name);
    bool is = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return is;
}

static struct bridge_origination read_options(lua_State *L)
{
    return (struct bridge_origination){
        .first =
            {
                .uri = field(L, "from"),
                .next_hop = field(L, "from_next_hop"),
                .interface = field(L, "from_interface"),
                .headers = field(L, "from_headers"),
            },
        .second =
            {
                .uri = field(L, "to"),
                .next_hop = field(L, "next_hop"),
                .interface = field(L, "interface"),
                .headers = field(L, "headers"),
                .shown = field(L, "caller_id"),
            },
        .username = field(L, "username"),
        .password = field(L, "password"),
        .realm = field(L, "realm"),
        .pass = field(L, "pass"),
        .follows_redirects = is_true(L, "follows_redirects"),
        .refer = (enum bridge_refer)number(L, "refer"),
        .timeout_ms = number(L, "timeout_ms"),
        .ringing_timeout_ms = number(L, "ringing_timeout_ms"),
        .has_media = is_true(L, "has_media"),
        .generation = generation_of(L),
    };
}

static int push_failure(lua_State *L, int error)
{
    switch (error) {
    case ERROR_STATE: return api_push_failure(L, "no new calls are taken");
    case ERROR_ARGUMENT: return api_push_failure(L, "not a SIP URI, or no such interface");
    default: return api_push_result(L, error);
    }
}

/** (options, flags of the relay | nil) -> Call-ID, tag; or nil, err */
static int core_call_originate(lua_State *L)
{
    struct script *script = generation_of(L)->script;
    if (!script || !script->proxy || !run_of(L))
        return api_misuse(L, "call.originate: only in handlers");
    lua_settop(L, 2);
    struct bridge_origination wanted = read_options(L);
    struct text trunk = field(L, "trunk");
    const struct trunk_options from_trunk = {&wanted.second.interface, &wanted.second.next_hop,
                                             &wanted.username, &wanted.password, &wanted.realm};
    struct trunk_terms *terms = NULL;
    struct bridge *bridge = NULL;
    struct script_cause cause;
    int refused = lua_isnil(L, 2) ? 0 : api_read_media_flags(L, 2, &wanted.media_flags);
    if (refused)
        return refused;
    if (trunk.n && call_take_trunk(&from_trunk, &terms, script, trunk)) {
        memory_release(wanted.media_flags);
        return api_push_failure(L, "the configuration has no such trunk");
    }
    wanted.trunk = trunk;
    cause_begin(L, &cause);
    int error = bridge_originate(&bridge, script->proxy, &wanted);
    cause_end(&cause);
    memory_release(terms);
    memory_release(wanted.media_flags);
    if (error)
        return push_failure(L, error);
    note_call(L, script->proxy, bridge_call_id(bridge), "originate", TEXT_NONE);
    api_push_text(L, bridge_call_id(bridge));
    return 1 + api_push_text(L, bridge_tag(bridge));
}

void api_originate_open(lua_State *L)
{
    lua_pushcfunction(L, core_call_originate);
    lua_setfield(L, -2, "call_originate");
}

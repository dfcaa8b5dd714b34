/* core.call_*: what sip.call is made of. */
#include "script/state.h"

#include "base/memory.h"
#include "route/bridge.h"

/** One line of options, which lua/lunasip/call.lua has checked. */
static struct text option(lua_State *L, int index, const char *what)
{
    struct text t = api_text_or_none(L, index, what);
    return t.n ? t : TEXT_NONE;
}

static void set_default(struct text *option, const char *value)
{
    if (!text_is_set(*option))
        *option = text_of(value);
}

int call_take_trunk(const struct trunk_options *options, struct trunk_terms **termsp,
                    struct script *script, struct text name)
{
    struct trunk *trunk = script->options.trunks ? trunks_find(script->options.trunks, name) : NULL;
    if (!trunk)
        return ERROR_NOT_FOUND;
    struct trunk_terms *terms = *termsp = trunk_terms_of(trunk);
    memory_release(trunk);
    set_default(options->interface, terms->interface);
    set_default(options->next_hop, terms->proxy);
    if (!options->username->n && terms->password) {
        *options->username = text_of(terms->auth_user);
        *options->password = text_of(terms->password);
        if (terms->realm)
            *options->realm = text_of(terms->realm);
    }
    return 0;
}

/** Timers of the call from @p index on: seconds longest and shortest, ms and failures. */
static void take_timers(lua_State *L, int index, struct bridge_options *options)
{
    if (!lua_isnoneornil(L, index))
        options->session_timer = api_session_timer(L, index);
    if (lua_isnoneornil(L, index + 2))
        return;
    options->keepalive_ms =
        api_number(L, index + 2, 1, UINT32_MAX * UINT64_C(1000), "keepalive.interval_s, in ms");
    options->keepalive_failures = (unsigned)api_number(L, index + 3, 1, 100, "keepalive.failures");
}

/** (req, to, next_hop, interface, from, header lines, names, username, password,
 *  follow redirections, refuse 100rel, trunk, REFER, expires_s | nil, min_s, keepalive_ms | nil,
 *  failures, realm) -> Call-ID, tag; or nil, err */
static int core_call_bridge(lua_State *L)
{
    struct subject subject;
    handle_check_context(L, 1, &subject, "call.bridge");
    if (subject.is_reply || subject.run->kind != RUN_REQUEST)
        api_misuse(L, "call.bridge: only for a request in request_route");
    if (handle_is_over(&subject))
        return api_push_result(L, ERROR_CANCELLED);
    struct bridge_options options = {
        .to = option(L, 2, "call.bridge: to"),
        .next_hop = option(L, 3, "call.bridge: next_hop"),
        .interface = option(L, 4, "call.bridge: interface"),
        .from = option(L, 5, "call.bridge: from"),
        .headers = option(L, 6, "call.bridge: headers"),
        .pass = option(L, 7, "call.bridge: pass"),
        .username = option(L, 8, "call.bridge: username"),
        .password = option(L, 9, "call.bridge: password"),
        .realm = option(L, 18, "call.bridge: realm"),
        .follows_redirects = lua_toboolean(L, 10),
        .refuses_100rel = lua_toboolean(L, 11),
        .refer = (enum bridge_refer)api_number(L, 13, 0, BRIDGE_REFER_PASS, "call.bridge: refer"),
    };
    struct text trunk = option(L, 12, "call.bridge: trunk");
    take_timers(L, 14, &options);
    struct trunk_terms *terms = NULL;
    struct bridge *bridge = NULL;
    struct script_cause cause;
    const struct trunk_options from_trunk = {&options.interface, &options.next_hop,
                                             &options.username, &options.password, &options.realm};
    if (trunk.n && call_take_trunk(&from_trunk, &terms, generation_of(L)->script, trunk))
        return api_push_failure(L, "the configuration has no such trunk");
    options.trunk = trunk;
    note_decision(L, &subject, &(struct decision){.what = "bridge to", .detail = options.to});
    cause_begin(L, &cause);
    int error = bridge_begin(&bridge, subject.context, &options);
    cause_end(&cause);
    memory_release(terms);
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
    if (bridge) {
        note_call(L, script->proxy, call_id, "hang up", reason);
        bridge_hang_up(bridge, DIALOG_END_SCRIPT, reason);
    }
    cause_end(&cause);
    lua_pushboolean(L, bridge != NULL);
    return 1;
}

/** (Call-ID, tag, URI, replace the caller) -> true, or nil, err */
static int core_call_transfer(lua_State *L)
{
    struct text call_id = api_text(L, 1, "Call-ID"), tag = api_text(L, 2, "tag");
    struct text uri = api_text(L, 3, "call:transfer: a URI");
    struct script *script = generation_of(L)->script;
    struct bridge *bridge =
        script && script->proxy ? bridge_find(script->proxy, call_id, tag) : NULL;
    struct script_cause cause;
    if (bridge)
        note_call(L, script->proxy, call_id,
                  lua_toboolean(L, 4) ? "transfer the caller to" : "transfer the callee to", uri);
    cause_begin(L, &cause);
    int error = bridge ? bridge_transfer(bridge, uri, lua_toboolean(L, 4)) : ERROR_STATE;
    cause_end(&cause);
    return api_push_result(L, error);
}

/** (req) -> Call-ID, tag; or nil, err, the status that says why */
static int core_call_replace(lua_State *L)
{
    struct subject subject;
    struct bridge *bridge = NULL;
    unsigned status;
    struct script_cause cause;
    handle_check_context(L, 1, &subject, "call.replace");
    if (subject.is_reply || subject.run->kind != RUN_REQUEST)
        api_misuse(L, "call.replace: only for a request in request_route");
    if (handle_is_over(&subject))
        return api_push_result(L, ERROR_CANCELLED);
    cause_begin(L, &cause);
    int error = bridge_replace(&bridge, subject.context, &status);
    cause_end(&cause);
    if (error) {
        api_push_result(L, error);
        lua_pushnumber(L, status);
        return 3;
    }
    api_push_text(L, bridge_call_id(bridge));
    return 1 + api_push_text(L, bridge_tag(bridge));
}

/* ---- call:on() ---- */

/** Counted; kept with the call. The generation is that of its dialog, which lives longer. */
struct call_handlers {
    struct generation *generation;
    struct handler v[BRIDGE_EVENT_COUNT]; /* reference LUA_NOREF: none */
};

static void call_handlers_destroy(void *object)
{
    struct call_handlers *handlers = object;
    for (size_t i = 0; i < BRIDGE_EVENT_COUNT; i++)
        luaL_unref(handlers->generation->lua, LUA_REGISTRYINDEX, handlers->v[i].reference);
}

static struct call_handlers *call_handlers_create(struct generation *generation)
{
    struct call_handlers *handlers = memory_alloc(sizeof *handlers, call_handlers_destroy);
    if (!handlers)
        return NULL;
    handlers->generation = generation;
    for (int i = 0; i < BRIDGE_EVENT_COUNT; i++) {
        struct text name = text_of(bridge_event_name((enum bridge_event_kind)i));
        struct handler *handler = &handlers->v[i];
        *handler = (struct handler){.kind = RUN_EVENT, .name_n = name.n, .reference = LUA_NOREF};
        text_to_array(name, handler->name, sizeof handler->name);
    }
    return handlers;
}

const struct handler *call_handler(const struct bridge_event *event, void **holder)
{
    struct call_handlers *handlers = bridge_kept(event->bridge);
    const struct handler *handler = handlers ? &handlers->v[event->kind] : NULL;
    *holder = handlers;
    return handler && handler->reference != LUA_NOREF ? handler : NULL;
}

bool call_forget_handlers(struct dialog *dialog)
{
    struct bridge *bridge = dialog_attachment(dialog, DIALOG_BRIDGE);
    bool is_there = bridge && bridge_kept(bridge);
    if (is_there)
        bridge_keep(bridge, NULL);
    return is_there;
}

static int kind_argument(lua_State *L, int index)
{
    struct text name = api_text(L, index, "call:on: an event");
    for (int i = 0; i < BRIDGE_EVENT_COUNT; i++)
        if (text_equal(name, text_of(bridge_event_name((enum bridge_event_kind)i))))
            return i;
    return api_misuse(L, "call:on: there is no event '%.*s'", TEXT_ARG(name));
}

/** The handlers of a call, made when there are none yet. @return NULL without memory */
static struct call_handlers *handlers_of(struct bridge *bridge, struct generation *generation)
{
    struct call_handlers *handlers = bridge_kept(bridge);
    if (handlers)
        return handlers;
    handlers = call_handlers_create(generation);
    bridge_keep(bridge, handlers);
    memory_release(handlers); /* the call holds it */
    return bridge_kept(bridge);
}

/** (Call-ID, tag, event, function or nil) -> true, or nil, err */
static int core_call_on(lua_State *L)
{
    struct text call_id = api_text(L, 1, "Call-ID"), tag = api_text(L, 2, "tag");
    int kind = kind_argument(L, 3);
    struct generation *generation = generation_of(L);
    struct script *script = generation->script;
    struct bridge *bridge =
        script && script->proxy ? bridge_find(script->proxy, call_id, tag) : NULL;
    if (!bridge || bridge_generation(bridge) != generation)
        return api_push_failure(L, "the call has ended");
    int reference = LUA_NOREF;
    if (!lua_isnoneornil(L, 4)) {
        lua_pushvalue(L, 4);
        generation_wrap(L, RUN_EVENT, "lunasip.call_event");
        reference = luaL_ref(L, LUA_REGISTRYINDEX);
    }
    struct call_handlers *handlers = handlers_of(bridge, generation);
    if (!handlers) {
        luaL_unref(L, LUA_REGISTRYINDEX, reference);
        return api_push_result(L, ERROR_MEMORY);
    }
    luaL_unref(L, LUA_REGISTRYINDEX, handlers->v[kind].reference);
    handlers->v[kind].reference = reference;
    if (kind == BRIDGE_EVENT_DTMF && reference != LUA_NOREF)
        bridge_watch_dtmf(bridge);
    return api_push_result(L, 0);
}

static void push_literal_or_nil(lua_State *L, const char *text)
{
    if (text)
        api_push_literal(L, text);
    else
        lua_pushnil(L);
}

static void push_number_or_nil(lua_State *L, unsigned value)
{
    if (value)
        lua_pushnumber(L, value);
    else
        lua_pushnil(L);
}

int call_event_push(lua_State *L, const struct run *run)
{
    const struct bridge_event *event = run->call_event;
    bool is_end = event->kind == BRIDGE_EVENT_END, is_dtmf = event->kind == BRIDGE_EVENT_DTMF;
    bool has_party = !is_end && event->kind != BRIDGE_EVENT_TRANSFER;
    api_push_literal(L, bridge_event_name(event->kind));
    api_push_text(L, bridge_call_id(event->bridge));
    api_push_text(L, bridge_tag(event->bridge));
    push_number_or_nil(L, is_end ? dialog_failure_status(run->dialog) : event->status);
    if (is_dtmf)
        lua_pushlstring(L, &event->digit, 1);
    else
        lua_pushnil(L);
    push_number_or_nil(L, event->duration_ms);
    push_literal_or_nil(L, !has_party ? NULL : event->is_from_caller ? "caller" : "callee");
    push_literal_or_nil(L, !is_dtmf ? NULL : event->is_info ? "info" : "rtp");
    push_literal_or_nil(L, is_end ? dialog_end_name(dialog_end_reason(run->dialog)) : NULL);
    push_literal_or_nil(L, is_end ? dialog_ender_name(dialog_ended_by(run->dialog)) : NULL);
    return 10;
}

void api_call_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"call_bridge", core_call_bridge},
        {"call_hang_up", core_call_hang_up},
        {"call_on", core_call_on},
        {"call_replace", core_call_replace},
        {"call_transfer", core_call_transfer},
        {NULL, NULL},
    };
    api_register(L, functions);
}

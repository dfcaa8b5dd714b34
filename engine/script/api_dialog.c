/*
 * core.dialog_*: what sip.dialog, its handles and $dlg_var are made of. A tracked call is a number
 * here, so that a handle that a script keeps can outlive it.
 */
#include "script/state.h"

#include "base/memory.h"
#include "route/bridge.h"

#define DURATION_MOST_MS (86400000.0 * 365)

static const char has_ended[] = "the call has ended";

/** Counted; kept with the track. The generation is that of the dialog, which lives longer. */
struct on_end {
    struct handler handler;
    struct generation *generation;
};

static void on_end_destroy(void *object)
{
    struct on_end *on_end = object;
    luaL_unref(on_end->generation->lua, LUA_REGISTRYINDEX, on_end->handler.reference);
}

const struct handler *track_on_end(const struct dialog *dialog)
{
    const struct track *track = dialog_track(dialog);
    const struct on_end *on_end = track ? track_kept(track) : NULL;
    return on_end ? &on_end->handler : NULL;
}

bool track_forget_on_end(struct dialog *dialog)
{
    struct track *track = dialog_track(dialog);
    bool is_there = track && track_kept(track);
    if (is_there)
        track_keep(track, NULL);
    return is_there;
}

/** Keep the function at @p index as the track's on_end. */
static int keep_on_end(lua_State *L, int index, struct track *track)
{
    static const struct handler shape = {.kind = RUN_EVENT, .name = "dialog:end", .name_n = 10};
    struct generation *generation = generation_of(L);
    if (dialog_attachment(track_dialog(track), DIALOG_GENERATION) != generation)
        return ERROR_STATE; /* it was moved on while this handler waited */
    lua_pushvalue(L, index);
    generation_wrap(L, RUN_EVENT, event_shape(shape.name));
    int reference = luaL_ref(L, LUA_REGISTRYINDEX);
    struct on_end *on_end = memory_alloc(sizeof *on_end, on_end_destroy);
    if (!on_end) {
        luaL_unref(L, LUA_REGISTRYINDEX, reference);
        return ERROR_MEMORY;
    }
    on_end->handler = shape;
    on_end->handler.reference = reference;
    on_end->generation = generation;
    track_keep(track, on_end);
    memory_release(on_end);
    return 0;
}

static int push_outcome(lua_State *L, int error)
{
    if (error == ERROR_STATE)
        return api_push_failure(L, has_ended);
    if (error == ERROR_LIMIT)
        return api_push_failure(L, "full (dialog.vars_bytes)");
    return api_push_result(L, error);
}

static uint64_t duration_argument(lua_State *L, int index)
{
    return api_number(L, index, 0, (uint64_t)DURATION_MOST_MS, "dialog: a duration in ms");
}

/** Interfaces at @p index, joined by ","; "": all; nil: nothing is hidden. */
static int hide(lua_State *L, int index, struct response_context *context)
{
    if (lua_isnoneornil(L, index))
        return 0;
    struct text interfaces = api_text(L, index, "dialog.track: hide");
    int error = proxy_hide(context, interfaces, lua_toboolean(L, index + 1));
    if (error == ERROR_ARGUMENT)
        return api_misuse(L, "dialog.track: hide names an interface that listen has not: %.*s",
                          TEXT_ARG(interfaces));
    return error;
}

/* Seconds at @p index and behind it; nil: no timer is wanted. */
static void set_session_timer(lua_State *L, int index, struct track *track)
{
    if (lua_isnoneornil(L, index))
        return;
    const struct session_timer timer = api_session_timer(L, index);
    track_set_session_timer(track, &timer);
}

/* The INVITE of its other leg has gone without. */
static bool is_timer_late(lua_State *L, int index, const struct track *track)
{
    return !lua_isnoneornil(L, index) && dialog_attachment(track_dialog(track), DIALOG_BRIDGE);
}

struct session_timer api_session_timer(lua_State *L, int index)
{
    const uint64_t most_s = UINT32_MAX / 1000;
    return (struct session_timer){
        .expires_s = (uint32_t)api_number(L, index, 90, most_s, "session_timer.expires_s"),
        .least_s = (uint32_t)api_number(L, index + 1, 90, most_s, "session_timer.min_s"),
    };
}

static int keep_alive(lua_State *L, int index, struct response_context *context)
{
    uint64_t interval_ms = duration_argument(L, index);
    uint64_t failures = api_number(L, index + 1, 1, 100, "keepalive.failures");
    return proxy_keep_alive(context, interval_ms, (unsigned)failures);
}

/**
 * (msg, max_duration_ms | nil, on_end | nil, hide | nil, hide_call_id, expires_s | nil, min_s,
 * keepalive_ms | nil, failures) -> number, or nil, err
 */
static int core_dialog_track(lua_State *L)
{
    struct subject subject;
    struct track *track = NULL;
    handle_check_context(L, 1, &subject, "dialog.track");
    uint64_t duration_ms = lua_isnoneornil(L, 2) ? 0 : duration_argument(L, 2);
    bool has_on_end = lua_isfunction(L, 3);
    if (handle_is_over(&subject))
        return api_push_result(L, ERROR_CANCELLED);
    int error = proxy_track(&track, subject.context);
    if (error == ERROR_STATE)
        return api_push_failure(L, "this begins no call that could be tracked");
    if (!error && is_timer_late(L, 6, track))
        return api_push_failure(L, "session_timer comes too late: the call is bridged already");
    if (!error && has_on_end)
        error = keep_on_end(L, 3, track);
    if (!error && duration_ms)
        error = track_limit_duration(track, duration_ms);
    if (!error)
        error = hide(L, 4, subject.context);
    if (!error)
        set_session_timer(L, 6, track);
    if (!error && !lua_isnoneornil(L, 8))
        error = keep_alive(L, 8, subject.context);
    if (error == ERROR_STATE)
        return api_push_failure(L, "only the INVITE that begins a call can hide it");
    if (error)
        return api_push_result(L, error);
    lua_pushnumber(L, (lua_Number)track_number(track));
    return 1;
}

/** (Call-ID and tag of a call of two legs, max_duration_ms | nil, on_end | nil) -> number, or nil, err */
static int core_dialog_track_call(lua_State *L)
{
    struct text call_id = api_text(L, 1, "Call-ID"), tag = api_text(L, 2, "tag");
    uint64_t duration_ms = lua_isnoneornil(L, 3) ? 0 : duration_argument(L, 3);
    struct script *script = generation_of(L)->script;
    struct bridge *bridge =
        script && script->proxy ? bridge_find(script->proxy, call_id, tag) : NULL;
    struct track *track = NULL;
    if (!bridge)
        return api_push_failure(L, has_ended);
    int error = track_create(&track, bridge_dialog(bridge));
    if (!error && lua_isfunction(L, 4))
        error = keep_on_end(L, 4, track);
    if (!error && duration_ms)
        error = track_limit_duration(track, duration_ms);
    if (error)
        return push_outcome(L, error);
    lua_pushnumber(L, (lua_Number)track_number(track));
    return 1;
}

/** (msg) -> number of the tracked call that it is of, or nil */
static int core_dialog_of(lua_State *L)
{
    struct subject subject;
    handle_check(L, 1, &subject);
    const struct dialog *dialog = subject.context ? context_dialog(subject.context) : NULL;
    const struct track *track = dialog ? dialog_track(dialog) : NULL;
    if (track)
        lua_pushnumber(L, (lua_Number)track_number(track));
    else
        lua_pushnil(L);
    return 1;
}

/** The tracked call whose number is at stack index 1; NULL: it is gone. */
struct track *api_track(lua_State *L)
{
    struct script *script = generation_of(L)->script;
    uint64_t number = api_number(L, 1, 1, (uint64_t)1 << 53, "dialog: its number");
    return script && script->proxy ? dialogs_find_track(proxy_dialogs(script->proxy), number)
                                   : NULL;
}

/** (number, reason | nil) -> true, or nil, err */
static int core_dialog_hang_up(lua_State *L)
{
    struct track *track = api_track(L);
    struct text reason = api_text_or_none(L, 2, "dialog:bye: the reason");
    return push_outcome(L, track ? track_hang_up(track, reason) : ERROR_STATE);
}

/** (number, max_duration_ms) -> true, or nil, err */
static int core_dialog_limit(lua_State *L)
{
    struct track *track = api_track(L);
    uint64_t duration_ms = duration_argument(L, 2);
    return push_outcome(L, track ? track_limit_duration(track, duration_ms) : ERROR_STATE);
}

/** (number, how long before max_duration in ms) -> true, or nil, err */
static int core_dialog_warn(lua_State *L)
{
    struct track *track = api_track(L);
    uint64_t before_ms = duration_argument(L, 2);
    return push_outcome(L, track ? track_warn(track, before_ms) : ERROR_STATE);
}

/* ---- profiles ---- */

/** (number, profile, value | nil, most | nil) -> true, or nil, err */
static int core_dialog_set_profile(lua_State *L)
{
    struct track *track = api_track(L);
    struct text profile = api_text(L, 2, "dialog:set_profile: a profile");
    struct text value = api_text_or_none(L, 3, "dialog:set_profile: a value");
    uint64_t most =
        lua_isnoneornil(L, 4) ? 0 : api_number(L, 4, 1, UINT32_MAX, "dialog:set_profile: limit");
    int error = track ? track_set_profile(track, profile, value, most) : ERROR_CANCELLED;
    if (error == ERROR_STATE)
        return api_push_failure(L, "full");
    return error == ERROR_CANCELLED ? api_push_failure(L, has_ended) : api_push_result(L, error);
}

/** (number, profile) -> was it counted there? */
static int core_dialog_unset_profile(lua_State *L)
{
    struct track *track = api_track(L);
    struct text profile = api_text(L, 2, "dialog:unset_profile: a profile");
    lua_pushboolean(L, track && track_unset_profile(track, profile));
    return 1;
}

/** (profile, value | nil) -> how many calls of all workers */
static int core_dialog_count(lua_State *L)
{
    struct script *script = generation_of(L)->script;
    struct profiles *profiles = script && script->proxy ? proxy_profiles(script->proxy) : NULL;
    struct text profile = api_text(L, 1, "dialog.count: a profile");
    struct text value = api_text_or_none(L, 2, "dialog.count: a value");
    lua_pushnumber(L, profiles ? (lua_Number)profiles_count(profiles, profile, value) : 0);
    return 1;
}

/* ---- variables ---- */

int api_push_value(lua_State *L, const struct value *value)
{
    switch (value->type) {
    case VALUE_NONE: lua_pushnil(L); break;
    case VALUE_BOOLEAN: lua_pushboolean(L, value->boolean); break;
    case VALUE_NUMBER: lua_pushnumber(L, value->number); break;
    case VALUE_TEXT: lua_pushlstring(L, value->text.p, value->text.n); break;
    }
    return 1;
}

/** (number, name) -> value or nil */
static int core_dialog_get(lua_State *L)
{
    const struct track *track = api_track(L);
    struct text name = api_text(L, 2, "dialog.vars: a name");
    struct value value = {0};
    if (track)
        value = variables_get(track_variables(track), name);
    return api_push_value(L, &value);
}

/** (number, name, value | nil) -> true, or nil, err */
static int core_dialog_set(lua_State *L)
{
    struct track *track = api_track(L);
    struct text name = api_text(L, 2, "dialog.vars: a name");
    struct value value = api_value(L, 3, "dialog.vars");
    return push_outcome(L, track ? track_set_variable(track, name, &value) : ERROR_STATE);
}

/* ---- words ---- */

/** Since @p from_ms, in seconds; nil when that is 0. */
static void push_since(lua_State *L, uint64_t from_ms)
{
    uint64_t now_ms = loop_now_ms(generation_of(L)->script->options.loop);
    if (from_ms)
        lua_pushnumber(L, now_ms > from_ms ? (lua_Number)(now_ms - from_ms) / 1000 : 0);
    else
        lua_pushnil(L);
}

/** (number, name) -> what the call's handle has by that name */
static int core_dialog_word(lua_State *L)
{
    const struct track *track = api_track(L);
    const struct dialog *dialog = track ? track_dialog(track) : NULL;
    struct text name = api_text(L, 2, "dialog: a field");
    if (text_equal(name, TEXT("state")))
        lua_pushstring(
            L, dialog_state_name(dialog ? dialog_current_state(dialog) : DIALOG_TERMINATED));
    else if (!dialog)
        lua_pushnil(L);
    else if (text_equal(name, TEXT("call_id")))
        api_push_text(L, dialog_call_id(dialog));
    else if (text_equal(name, TEXT("from_tag")))
        api_push_text(L, dialog_caller_tag(dialog));
    else if (text_equal(name, TEXT("from_uri")))
        api_push_text(L, dialog_from_uri(dialog));
    else if (text_equal(name, TEXT("to_uri")))
        api_push_text(L, dialog_to_uri(dialog));
    else if (text_equal(name, TEXT("age_s")))
        push_since(L, dialog_started_ms(dialog));
    else if (text_equal(name, TEXT("duration_s")))
        push_since(L, dialog_answered_ms(dialog));
    else
        return api_misuse(L, "dialog.%.*s: there is no such field", TEXT_ARG(name));
    return 1;
}

static const luaL_Reg functions[] = {
    {"dialog_track", core_dialog_track},
    {"dialog_track_call", core_dialog_track_call},
    {"dialog_of", core_dialog_of},
    {"dialog_hang_up", core_dialog_hang_up},
    {"dialog_limit", core_dialog_limit},
    {"dialog_warn", core_dialog_warn},
    {"dialog_set_profile", core_dialog_set_profile},
    {"dialog_unset_profile", core_dialog_unset_profile},
    {"dialog_count", core_dialog_count},
    {"dialog_get", core_dialog_get},
    {"dialog_set", core_dialog_set},
    {"dialog_word", core_dialog_word},
    {NULL, NULL},
};

void api_dialog_open(lua_State *L)
{
    api_register(L, functions);
}

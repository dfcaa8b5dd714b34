/*
 * Methods that decide what becomes of a request. Each is allowed in certain routes only and says so
 * at the caller's line; what can fail at run time gives nil, err and has then sent nothing.
 */
#include "script/state.h"

#include "sip/sanity.h"

#include <stdlib.h>

#define ROUTES(kind) (1u << (kind))
#define DECIDERS     (ROUTES(RUN_REQUEST) | ROUTES(RUN_FAILURE))
#define FORK_TARGETS 64
#define HEADER_LINES 64 /* of one reply{headers=} */

/**
 * The request of a handle, in one of the routes where @p what is allowed.
 * @return false when it is over: cancelled while the handler waited
 */
static bool require_request(lua_State *L, struct subject *subject, unsigned routes,
                            const char *what)
{
    handle_check(L, 1, subject);
    if (subject->is_reply)
        api_misuse(L, "%s: a response cannot do that; use the request", what);
    if (!(routes & ROUTES(subject->run->kind)))
        api_misuse(L, "%s: not possible in a %s", what,
                   subject->run->kind == RUN_BRANCH ? "branch route" : "failure route");
    return !handle_is_over(subject);
}

/* ---- reply ---- */

static void check_line(lua_State *L, struct text t, const char *what)
{
    if (text_find(t, '\r') || text_find(t, '\n'))
        api_misuse(L, "reply: %s cannot have line ends in it", what);
}

static int compare_names(const void *a, const void *b)
{
    const struct text *x = a, *y = b;
    return text_compare_nocase(*x, *y);
}

/** Append "NAME: VALUE\r\n" to @p lines, which live in the run's arena. */
static struct text add_line(lua_State *L, struct arena *arena, struct text lines, struct text name,
                            struct text value)
{
    check_line(L, name, "a header name");
    check_line(L, value, "a header value");
    struct text sum =
        arena_printf(arena, "%.*s%.*s: %.*s\r\n", TEXT_ARG(lines), TEXT_ARG(name), TEXT_ARG(value));
    if (!text_is_set(sum))
        luaL_error(L, "not enough memory");
    return sum;
}

/** headers = { NAME = VALUE }, printed in the order of their names: pairs() has none of its own. */
static struct text header_lines(lua_State *L, struct arena *arena, int index)
{
    struct text names[HEADER_LINES], lines = TEXT_NONE;
    size_t count = 0;
    if (!lua_istable(L, index))
        api_misuse(L, "reply: headers must be a table of names and values");
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING || !lua_isstring(L, -1))
            api_misuse(L, "reply: headers must be a table of names and values");
        if (count == HEADER_LINES)
            api_misuse(L, "reply: more than %d headers", HEADER_LINES);
        names[count].p = lua_tolstring(L, -2, &names[count].n);
        count++;
    }
    qsort(names, count, sizeof *names, compare_names);
    for (size_t i = 0; i < count; i++) {
        lua_pushlstring(L, names[i].p, names[i].n);
        lua_rawget(L, index);
        lines = add_line(L, arena, lines, names[i], api_text(L, -1, "header value"));
        lua_pop(L, 1);
    }
    return lines;
}

/** @return whether nothing is to be kept of the answer (stateless) */
static bool read_reply_options(lua_State *L, struct arena *arena, struct response_options *options)
{
    if (lua_isnoneornil(L, 4))
        return false;
    if (!lua_istable(L, 4))
        api_misuse(L, "reply: options must be a table { headers =, body =, content_type = }");
    lua_settop(L, 4);
    lua_getfield(L, 4, "headers");
    if (!lua_isnil(L, 5))
        options->headers = header_lines(L, arena, 5);
    lua_getfield(L, 4, "body");
    options->body = api_text_or_none(L, 6, "reply: body");
    lua_getfield(L, 4, "content_type");
    options->content_type = api_text_or_none(L, 7, "reply: content_type");
    check_line(L, options->content_type, "content_type");
    if (options->body.n && !text_is_set(options->content_type))
        api_misuse(L, "reply: a body needs a content_type");
    lua_getfield(L, 4, "stateless");
    if (!lua_isnil(L, 8) && !lua_isboolean(L, 8))
        api_misuse(L, "reply: stateless must be true or false");
    bool is_stateless = lua_toboolean(L, 8);
    if (is_stateless && options->status < 200)
        api_misuse(L, "reply: only a final response can be stateless");
    return is_stateless;
}

/** req:reply(code [, reason [, { headers =, body =, content_type =, stateless = }]]) -> true or nil, err */
static int request_reply(lua_State *L)
{
    struct subject subject;
    if (!require_request(L, &subject, DECIDERS, "reply"))
        return api_push_result(L, ERROR_CANCELLED);
    struct response_options options = {
        .status = (unsigned)api_number(L, 2, 100, 699, "reply: code"),
        .reason = api_text_or_none(L, 3, "reply: reason"),
    };
    check_line(L, options.reason, "the reason");
    bool is_stateless = read_reply_options(L, &subject.run->arena, &options);
    note_decision(L, &subject, &(struct decision){"reply", true, options.status, options.reason});
    struct script_cause cause;
    cause_begin(L, &cause);
    int result = is_stateless ? proxy_reply_and_forget(subject.context, &options)
                              : proxy_reply(subject.context, &options);
    cause_end(&cause);
    return api_push_result(L, result);
}

/* ---- relay and fork ---- */

/** The name of a handler that exists. */
static struct text handler_option(lua_State *L, struct subject *subject, const char *option,
                                  enum run_kind kind, const char *table)
{
    struct text name = api_text(L, -1, option);
    if (!name.n || !generation_handler(subject->run->generation, kind, name))
        api_misuse(L, "%s: no function %s.%.*s", option, table, TEXT_ARG(name));
    return name;
}

/** One field of the options, its value on top of the stack. @return false: unknown */
static bool relay_option(lua_State *L, struct subject *subject, const char *option,
                         struct relay_options *options)
{
    if (strcmp(option, "to") == 0)
        options->to = api_text(L, -1, "relay: to");
    else if (strcmp(option, "interface") == 0)
        options->interface = api_text(L, -1, "relay: interface");
    else if (strcmp(option, "on_failure") == 0)
        options->on_failure = handler_option(L, subject, option, RUN_FAILURE, "failure_route");
    else if (strcmp(option, "on_reply") == 0)
        options->on_reply = handler_option(L, subject, option, RUN_REPLY, "onreply_route");
    else if (strcmp(option, "on_branch") == 0)
        options->on_branch = handler_option(L, subject, option, RUN_BRANCH, "branch_route");
    else if (strcmp(option, "timeout_ms") == 0)
        options->timeout_ms = (uint32_t)api_number(L, -1, 1, 3600000, option);
    else if (strcmp(option, "ringing_timeout_ms") == 0)
        options->ringing_timeout_ms = (uint32_t)api_number(L, -1, 1, 3600000, option);
    else
        return false;
    return true;
}

/** Named fields of the table at index 2; numbered ones are the caller's. */
static void read_relay_options(lua_State *L, struct subject *subject, bool is_fork,
                               struct relay_options *options)
{
    for (lua_pushnil(L); lua_next(L, 2); lua_pop(L, 1)) {
        if (is_fork && lua_type(L, -2) == LUA_TNUMBER)
            continue;
        const char *option = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?";
        bool is_known =
            !(is_fork && strcmp(option, "to") == 0) && relay_option(L, subject, option, options);
        if (!is_known)
            api_misuse(L,
                       "no option '%.64s'; %sinterface, on_failure, on_reply, on_branch, "
                       "timeout_ms, ringing_timeout_ms",
                       option, is_fork ? "" : "to, ");
    }
}

static void require_waitable(lua_State *L, const struct subject *subject, const char *what)
{
    if (L != subject->run->thread || !lua_isyieldable(L))
        api_misuse(L,
                   "%s: it may wait, and nothing can wait inside a callback of a library function",
                   what);
}

static int wait_or_push(lua_State *L, struct run *run, int result)
{
    if (result != ROUTE_WAITING)
        return api_push_result(L, result);
    run->wait = WAIT_RELAY;
    return lua_yield(L, 0);
}

/** The request's own target, and behind it those of a look-up. @return how many */
static size_t read_own_targets(const struct subject *subject, const struct relay_options *options,
                               struct fork_target *targets)
{
    size_t count;
    const struct fork_target *found = context_targets(subject->context, &count);
    targets[0] = (struct fork_target){.q = 1000};
    if (count > FORK_TARGETS)
        count = FORK_TARGETS;
    if (count)
        memcpy(targets, found, count * sizeof *targets);
    targets[0].uri = edits_request_uri(subject->edits);
    targets[0].next_hop =
        text_is_set(options->to) ? options->to : context_next_hop(subject->context);
    return count ? count : 1;
}

/**
 * Append the branches that $br and $branch(x) added; the Lua strings stay in the list at the top of
 * the stack, with what holds it below. @return how many targets there are then
 */
static size_t read_branches(lua_State *L, const struct subject *subject,
                            struct fork_target *targets, size_t count)
{
    if (subject->run->vars_reference == LUA_NOREF)
        return count;
    lua_rawgeti(L, LUA_REGISTRYINDEX, subject->run->vars_reference);
    lua_getfield(L, -1, "branches");
    size_t added = lua_istable(L, -1) ? lua_objlen(L, -1) : 0;
    for (size_t i = 1; i <= added && count < FORK_TARGETS; i++) {
        lua_rawgeti(L, -1, (int)i);
        lua_getfield(L, -1, "uri");
        lua_getfield(L, -2, "dst_uri");
        targets[count++] = (struct fork_target){
            .uri = api_text(L, -2, "$branch(uri)"),
            .next_hop = api_text_or_none(L, -1, "$branch(dst_uri)"),
            .q = 1000,
        };
        lua_pop(L, 3);
    }
    return count;
}

/** Before it is done: what it sends comes behind it in the call's story. */
static void note_relay(lua_State *L, const struct subject *subject, size_t count,
                       const struct relay_options *options)
{
    struct text to = text_is_set(options->to) ? options->to : context_next_hop(subject->context);
    if (count)
        note_decision(L, subject,
                      &(struct decision){"fork to", true, (unsigned)count, TEXT("targets")});
    else if (text_is_set(to))
        note_decision(L, subject, &(struct decision){.what = "relay to", .detail = to});
    else if (!message_to_tag(subject->message).n) /* what follows its Route is no decision */
        note_decision(L, subject, &(struct decision){.what = "relay along Route or Request-URI"});
}

/** Relay to @p targets, to the request's own with none of them; the script's line is the cause. */
static int relay_from_here(lua_State *L, const struct subject *subject,
                           const struct fork_target *targets, size_t count,
                           const struct relay_options *options)
{
    struct script_cause cause;
    note_relay(L, subject, count, options);
    cause_begin(L, &cause);
    int result =
        count ? proxy_fork(subject->context, targets, count, options, run_relayed, subject->run)
              : proxy_relay(subject->context, options, run_relayed, subject->run);
    cause_end(&cause);
    return result;
}

/** Relay to the request's target, to those of a look-up and to the branches that were added: used up. */
static __attribute__((noinline)) int relay_to_all(lua_State *L, const struct subject *subject,
                                                  struct relay_options *options)
{
    struct fork_target targets[FORK_TARGETS];
    size_t looked_up, own = read_own_targets(subject, options, targets);
    size_t count = read_branches(L, subject, targets, own);
    bool has_targets = context_targets(subject->context, &looked_up);
    if (count == 1 && !has_targets)
        return relay_from_here(L, subject, NULL, 0, options);
    options->to = TEXT_NONE;
    int result = relay_from_here(L, subject, targets, count, options);
    if (result < 0)
        return result;
    context_set_targets(subject->context, NULL, 0);
    if (count > own) {
        lua_pushnil(L);
        lua_setfield(L, -3, "branches");
    }
    return result;
}

/** Most requests have one target; room for more is on the stack only where there may be some. */
static int relay(lua_State *L, const struct subject *subject, struct relay_options *options)
{
    size_t looked_up;
    bool has_variables = subject->run->vars_reference != LUA_NOREF;
    if (has_variables || context_targets(subject->context, &looked_up))
        return relay_to_all(L, subject, options);
    return relay_from_here(L, subject, NULL, 0, options);
}

/** req:relay{...} or req:relay(uri) -> true or nil, err; may wait for a name to resolve */
static int request_relay(lua_State *L)
{
    struct subject subject;
    struct relay_options options = {0};
    if (!require_request(L, &subject, DECIDERS, "relay"))
        return api_push_result(L, ERROR_CANCELLED);
    require_waitable(L, &subject, "relay");
    switch (lua_type(L, 2)) {
    case LUA_TNONE:
    case LUA_TNIL: break;
    case LUA_TTABLE: read_relay_options(L, &subject, false, &options); break;
    case LUA_TSTRING: options.to = api_text(L, 2, "relay: to"); break;
    default:
        api_misuse(L, "relay: a table of options or a URI is needed, not %s", luaL_typename(L, 2));
    }
    int result = relay(L, &subject, &options);
    return wait_or_push(L, subject.run, result);
}

/** One target: a URI, or { uri =, next_hop =, q = } on top of the stack. */
static struct fork_target read_target(lua_State *L)
{
    struct fork_target target = {.q = 1000};
    if (lua_type(L, -1) == LUA_TSTRING) {
        target.uri = api_text(L, -1, "fork: target");
        return target;
    }
    if (!lua_istable(L, -1))
        api_misuse(L, "fork: a target is a URI or { uri =, next_hop =, q = }");
    lua_getfield(L, -1, "uri");
    target.uri = api_text(L, -1, "fork: uri");
    lua_getfield(L, -2, "next_hop");
    target.next_hop = api_text_or_none(L, -1, "fork: next_hop");
    lua_getfield(L, -3, "q");
    if (!lua_isnil(L, -1)) {
        double q = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : -1;
        if (!(q >= 0 && q <= 1))
            api_misuse(L, "fork: q is a number from 0 to 1");
        target.q = (uint32_t)(q * 1000 + 0.5);
    }
    lua_pop(L, 3);
    return target;
}

/** req:fork{ target, ..., on_failure = ... } -> true or nil, err; may wait like relay */
static int request_fork(lua_State *L)
{
    struct subject subject;
    struct relay_options options = {0};
    struct fork_target targets[FORK_TARGETS];
    if (!require_request(L, &subject, DECIDERS, "fork"))
        return api_push_result(L, ERROR_CANCELLED);
    require_waitable(L, &subject, "fork");
    if (!lua_istable(L, 2))
        return api_misuse(L, "fork: a table of targets is needed, not %s", luaL_typename(L, 2));
    size_t count = lua_objlen(L, 2);
    if (count == 0 || count > FORK_TARGETS)
        return api_misuse(L, "fork: 1 to %d targets are needed", FORK_TARGETS);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, 2, (int)i + 1);
        targets[i] = read_target(L);
        lua_pop(L, 1);
    }
    read_relay_options(L, &subject, true, &options);
    int result = relay_from_here(L, &subject, targets, count, &options);
    return wait_or_push(L, subject.run, result);
}

/* ---- the rest ---- */

/** req:forward(): stateless -> true or nil, err */
static int request_forward(lua_State *L)
{
    struct subject subject;
    if (!require_request(L, &subject, ROUTES(RUN_REQUEST), "forward"))
        return api_push_result(L, ERROR_CANCELLED);
    struct script_cause cause;
    note_decision(L, &subject, &(struct decision){.what = "forward"});
    cause_begin(L, &cause);
    int result = proxy_forward(subject.context);
    cause_end(&cause);
    return api_push_result(L, result);
}

/**
 * req:drop(): no answer. reply:drop(): the response goes no further. A final one of a relay cannot be
 * dropped, since its transaction waits for it: false. One of req:forward() can, whatever it is.
 */
static int request_drop(lua_State *L)
{
    struct subject subject;
    handle_check(L, 1, &subject);
    if (subject.is_reply && subject.run->kind == RUN_REPLY && subject.run->route.drop_reply) {
        bool is_droppable = subject.message->status < 200 || !subject.context;
        *subject.run->route.drop_reply = is_droppable;
        lua_pushboolean(L, is_droppable);
        return 1;
    }
    if (!require_request(L, &subject, ROUTES(RUN_REQUEST), "drop"))
        return api_push_result(L, ERROR_CANCELLED);
    proxy_drop(subject.context);
    note_decision(L, &subject, &(struct decision){.what = "drop"});
    lua_pushboolean(L, 1);
    return 1;
}

/** req:record_route() -> true or nil, err */
static int request_record_route(lua_State *L)
{
    struct subject subject;
    if (!require_request(L, &subject, DECIDERS, "record_route"))
        return api_push_result(L, ERROR_CANCELLED);
    return api_push_result(L, proxy_record_route(subject.context));
}

/** req:loose_route() -> true when it is routed by Route or target, false when not; or nil, err */
static int request_loose_route(lua_State *L)
{
    struct subject subject;
    if (!require_request(L, &subject, ROUTES(RUN_REQUEST), "loose_route"))
        return api_push_result(L, ERROR_CANCELLED);
    int result = proxy_loose_route(subject.context);
    if (result < 0)
        return api_push_result(L, result);
    lua_pushboolean(L, result);
    return 1;
}

/** msg:in_dialog(): does To have a tag (RFC 3261 s12.2)? */
static int request_in_dialog(lua_State *L)
{
    struct subject subject;
    handle_check(L, 1, &subject);
    lua_pushboolean(L, subject.message && message_to_tag(subject.message).n > 0);
    return 1;
}

/** req:max_forwards_ok() -> boolean */
static int request_max_forwards_ok(lua_State *L)
{
    struct subject subject;
    if (!require_request(L, &subject, ~0u, "max_forwards_ok"))
        return api_push_result(L, ERROR_CANCELLED);
    lua_pushboolean(L, proxy_check_max_forwards(subject.context) == 0);
    return 1;
}

/** req:sanity_ok() -> true, or nil, reason, status */
static int request_sanity_ok(lua_State *L)
{
    struct subject subject;
    if (!require_request(L, &subject, ~0u, "sanity_ok"))
        return api_push_result(L, ERROR_CANCELLED);
    struct sanity_verdict verdict = sanity_check(subject.message);
    if (verdict.status == 0) {
        lua_pushboolean(L, 1);
        return 1;
    }
    api_push_failure(L, verdict.reason);
    lua_pushinteger(L, (lua_Integer)verdict.status);
    return 3;
}

static const luaL_Reg methods[] = {
    {"reply", request_reply},
    {"relay", request_relay},
    {"fork", request_fork},
    {"forward", request_forward},
    {"drop", request_drop},
    {"record_route", request_record_route},
    {"loose_route", request_loose_route},
    {"in_dialog", request_in_dialog},
    {"max_forwards_ok", request_max_forwards_ok},
    {"sanity_ok", request_sanity_ok},
    {NULL, NULL},
};

void api_request_open(lua_State *L)
{
    api_register(L, methods);
}

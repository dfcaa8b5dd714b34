/* core.dispatcher_*: what sip.dispatcher is made of. */
#include "script/state.h"

#include "base/memory.h"

/** The dispatcher of the worker; misuse when the configuration has none. */
static struct dispatcher *require_dispatcher(lua_State *L)
{
    struct script *script = generation_of(L)->script;
    struct dispatcher *dispatcher =
        script && script->proxy ? proxy_dispatcher(script->proxy) : NULL;
    if (!dispatcher)
        api_misuse(L, "dispatcher: there is none; add a dispatcher block to the configuration");
    return dispatcher;
}

/** Push the attributes as a table: "weight=50;socket=udp:..." */
static void push_attributes(lua_State *L, struct text attributes)
{
    lua_newtable(L);
    while (text_is_set(attributes)) {
        struct text value = text_trim(text_split(&attributes, ';'));
        struct text name = text_trim(text_split(&value, '='));
        if (!name.n)
            continue;
        lua_pushlstring(L, name.p, name.n);
        if (text_is_set(value))
            lua_pushlstring(L, text_trim(value).p, text_trim(value).n);
        else
            lua_pushboolean(L, 1);
        lua_rawset(L, -3);
    }
}

/** Push { uri, set, attrs, socket }. */
static void push_destination(lua_State *L, struct text uri, unsigned set, struct text attributes,
                             struct text socket)
{
    lua_createtable(L, 0, 7);
    api_set_text(L, "uri", uri);
    api_set_text(L, "socket", socket);
    lua_pushinteger(L, (lua_Integer)set);
    lua_setfield(L, -2, "set");
    push_attributes(L, attributes);
    lua_setfield(L, -2, "attrs");
}

/** Point the request at a destination: next hop and sending interface. */
static int use_destination(struct subject *subject,
                           const struct dispatcher_destination *destination)
{
    struct response_context *context = subject->context;
    int error = context_set_next_hop(context, dispatcher_destination_uri(destination));
    struct text socket = dispatcher_destination_attr(destination, TEXT("socket"));
    if (error || !text_is_set(socket))
        return error;
    struct transport *transport = proxy_transport(context_proxy(context));
    const struct listener *listener = transport_listener_by_socket(transport, socket);
    if (!listener)
        log_warning(subject->run->generation->options.log, LOG_SCRIPT, subject->message->call_id,
                    "dispatcher: socket %.*s of %.*s is none of ours", TEXT_ARG(socket),
                    TEXT_ARG(dispatcher_destination_uri(destination)));
    context_set_send_listener(context, listener);
    return 0;
}

/** @return false when the request is over */
static bool require_decider(lua_State *L, struct subject *subject, const char *what)
{
    handle_check_context(L, 1, subject, what);
    enum run_kind kind = subject->run->kind;
    if (subject->is_reply || (kind != RUN_REQUEST && kind != RUN_FAILURE))
        api_misuse(L, "%s: only for a request in request_route or a failure route", what);
    return !handle_is_over(subject);
}

/** Push what lua/lunasip/dispatcher.lua makes a destination of: URI, set, attributes or nil, socket or nil. */
static int push_chosen(lua_State *L, struct subject *subject,
                       const struct dispatcher_destination *destination)
{
    int error = use_destination(subject, destination);
    if (error)
        return api_push_result(L, error);
    struct text attributes = dispatcher_destination_attrs(destination);
    note_decision(L, subject,
                  &(struct decision){"dispatcher set", true,
                                     (unsigned)dispatcher_destination_set(destination),
                                     dispatcher_destination_uri(destination)});
    api_push_text(L, dispatcher_destination_uri(destination));
    lua_pushinteger(L, (lua_Integer)dispatcher_destination_set(destination));
    if (attributes.n)
        push_attributes(L, attributes);
    else
        lua_pushnil(L);
    api_push_text(L, dispatcher_destination_attr(destination, TEXT("socket")));
    return 4;
}

/** (msg, set, algorithm [, limit [, value to hash]]) -> what push_chosen() pushes, or nil, err */
static int core_dispatcher_select(lua_State *L)
{
    struct subject subject;
    if (!require_decider(L, &subject, "dispatcher.select"))
        return api_push_result(L, ERROR_CANCELLED);
    struct dispatcher *dispatcher = require_dispatcher(L);
    struct dispatcher_query query = {
        .set = (unsigned)api_number(L, 2, 0, UINT32_MAX, "dispatcher.select: set"),
        .algorithm =
            (enum dispatcher_algorithm)api_number(L, 3, 0, 13, "dispatcher.select: algorithm"),
        .request = subject.message,
        .limit =
            lua_isnoneornil(L, 4) ? 0 : api_number(L, 4, 1, 1000000, "dispatcher.select: limit"),
        .hash_value = api_text_or_none(L, 5, "dispatcher.select: value"),
        .random = proxy_random(context_proxy(subject.context)),
    };
    struct dispatcher_choice *choice;
    int error = dispatcher_select(&choice, dispatcher, &query);
    if (error == ERROR_NOT_FOUND)
        return api_push_failure(L, dispatcher_has_set(dispatcher, query.set)
                                       ? "no live destination"
                                       : "no such dispatcher set");
    if (error)
        return api_push_result(L, error);
    context_set_dispatcher_choice(subject.context, choice);
    memory_release(choice);
    return push_chosen(L, &subject, dispatcher_choice_current(choice));
}

/** (msg) -> the next destination of the last select as push_chosen() pushes it, or nil, err */
static int core_dispatcher_next(lua_State *L)
{
    struct subject subject;
    if (!require_decider(L, &subject, "dispatcher.next"))
        return api_push_result(L, ERROR_CANCELLED);
    struct dispatcher_choice *choice = context_dispatcher_choice(subject.context);
    if (!choice)
        return api_push_failure(L, "nothing was selected");
    const struct dispatcher_destination *destination = dispatcher_choice_next(choice);
    if (!destination)
        return api_push_failure(L, "no further destination");
    return push_chosen(L, &subject, destination);
}

/** (set, uri, state) -> true or nil, err */
static int core_dispatcher_mark(lua_State *L)
{
    struct dispatcher *dispatcher = require_dispatcher(L);
    unsigned set = (unsigned)api_number(L, 1, 0, UINT32_MAX, "dispatcher.mark: set");
    struct text uri = api_text(L, 2, "dispatcher.mark: URI");
    struct text state = api_text(L, 3, "dispatcher.mark: state");
    int error = dispatcher_mark(dispatcher, set, uri, state);
    if (error == ERROR_SYNTAX)
        return api_misuse(L, "dispatcher.mark: no state '%.*s'", TEXT_ARG(state));
    return api_push_result(L, error);
}

/** Copies: a Lua error must not leave the dispatcher's visit halfway. */
struct row {
    struct row *next;
    struct text uri, attributes, socket;
    unsigned set, calls;
    int priority;
    const char *state;
};

struct listing {
    struct arena *arena;
    bool is_one_set;
    unsigned set;
    struct row *first, **last;
};

static void list_destination(void *arg, struct dispatcher_destination *destination)
{
    struct listing *listing = arg;
    if (listing->is_one_set && dispatcher_destination_set(destination) != listing->set)
        return;
    struct row *row = arena_zalloc(listing->arena, sizeof *row);
    if (!row)
        return;
    bool is_probing;
    enum dispatcher_state state = dispatcher_destination_state(destination, &is_probing);
    row->state = dispatcher_state_letters(state, is_probing);
    row->uri = arena_copy(listing->arena, dispatcher_destination_uri(destination));
    row->attributes = arena_copy(listing->arena, dispatcher_destination_attrs(destination));
    row->socket =
        arena_copy(listing->arena, dispatcher_destination_attr(destination, TEXT("socket")));
    row->set = dispatcher_destination_set(destination);
    row->calls = dispatcher_destination_calls(destination);
    row->priority = dispatcher_destination_priority(destination);
    *listing->last = row;
    listing->last = &row->next;
}

static void push_row(lua_State *L, const struct row *row)
{
    push_destination(L, row->uri, row->set, row->attributes, row->socket);
    lua_pushstring(L, row->state);
    lua_setfield(L, -2, "state");
    lua_pushinteger(L, row->priority);
    lua_setfield(L, -2, "priority");
    lua_pushinteger(L, (lua_Integer)row->calls);
    lua_setfield(L, -2, "calls");
}

/** ([set]) -> array of { uri, set, attrs, socket, state, priority, calls } */
static int core_dispatcher_list(lua_State *L)
{
    struct dispatcher *dispatcher = require_dispatcher(L);
    struct listing listing = {.arena = &run_of(L)->arena, .is_one_set = !lua_isnoneornil(L, 1)};
    listing.last = &listing.first;
    if (listing.is_one_set)
        listing.set = (unsigned)api_number(L, 1, 0, UINT32_MAX, "dispatcher.list: set");
    dispatcher_for_each(dispatcher, list_destination, &listing);
    lua_newtable(L);
    int count = 0;
    for (const struct row *row = listing.first; row; row = row->next) {
        push_row(L, row);
        lua_rawseti(L, -2, ++count);
    }
    return 1;
}

/** (msg [, set]) -> boolean: does it come from one of the set's destinations? */
static int core_dispatcher_is_from(lua_State *L)
{
    struct subject subject;
    handle_check(L, 1, &subject);
    struct dispatcher *dispatcher = require_dispatcher(L);
    unsigned set = lua_isnoneornil(L, 2)
                       ? 0
                       : (unsigned)api_number(L, 2, 0, UINT32_MAX, "dispatcher.is_from: set");
    lua_pushboolean(L, subject.message &&
                           dispatcher_is_from(dispatcher, set, &subject.message->source.peer));
    return 1;
}

static const luaL_Reg functions[] = {
    {"dispatcher_select", core_dispatcher_select},   {"dispatcher_next", core_dispatcher_next},
    {"dispatcher_mark", core_dispatcher_mark},       {"dispatcher_list", core_dispatcher_list},
    {"dispatcher_is_from", core_dispatcher_is_from}, {NULL, NULL},
};

void api_dispatcher_open(lua_State *L)
{
    api_register(L, functions);
}

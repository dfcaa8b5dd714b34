/* core.registrar_lookup(), _remove(), _contacts(): who is bound where (RFC 3261 s10.3, s16.5). */
#include "script/state.h"

#include "base/memory.h"
#include "location/registrar.h"

#define TARGETS_MOST 64

struct location *registrar_location(lua_State *L)
{
    struct script *script = generation_of(L)->script;
    if (!script || !script->options.location)
        api_misuse(L, "registrar: only a handler of a running engine can use it");
    return script->options.location;
}

bool registrar_decider(lua_State *L, struct subject *subject, const char *what)
{
    handle_check_context(L, 1, subject, what);
    enum run_kind kind = subject->run->kind;
    if (subject->is_reply || (kind != RUN_REQUEST && kind != RUN_FAILURE))
        api_misuse(L, "%s: only for a request in request_route or a failure route", what);
    return !handle_is_over(subject);
}

int api_aor_of(lua_State *L, struct text *aor, struct text uri_text)
{
    struct uri uri;
    if (uri_parse(&uri, uri_text))
        return ERROR_SYNTAX;
    return location_aor(aor, generation_of(L)->script->options.settings, &uri, TEXT_NONE,
                        &run_of(L)->arena);
}

/* ---- lookup ---- */

/** First URI of a Path; absent when it is none. */
static struct text first_of_path(struct text path)
{
    struct name_addr first;
    return name_addr_parse(&first, name_addr_split(&path)) ? TEXT_NONE : first.uri_text;
}

static struct fork_target target_of(struct transport *transport,
                                    const struct location_binding *binding, uint32_t q)
{
    struct fork_target target = {
        .uri = binding->contact, .q = q, .route = binding->path, .instance = binding->instance};
    target.next_hop = binding->received.n ? binding->received : binding->contact;
    if (binding->path.n)
        target.next_hop = first_of_path(binding->path);
    if (binding->socket.n)
        target.listener = transport_listener_by_socket(transport, binding->socket);
    return target;
}

/** Groups by q; another flow to a UA comes after all that has a higher or the same q (RFC 5626 s7). */
static size_t make_targets(struct fork_target *v, size_t room, const struct location_found *found,
                           struct transport *transport)
{
    uint32_t level = 1000;
    size_t count = 0;
    for (size_t i = 0; i < found->count && count < room; i++) {
        const struct location_binding *binding = found->v[i].binding;
        bool is_lower =
            i && (binding->q != found->v[i - 1].binding->q || found->v[i].is_alternative);
        level -= is_lower;
        v[count++] = target_of(transport, binding, level);
    }
    return count;
}

static int use_found(const struct subject *subject, const struct location_found *found)
{
    struct fork_target v[TARGETS_MOST];
    struct response_context *context = subject->context;
    struct proxy *proxy = context_proxy(context);
    size_t room = proxy_settings(proxy)->limits_branches;
    size_t count =
        make_targets(v, room < TARGETS_MOST ? room : TARGETS_MOST, found, proxy_transport(proxy));
    if (count < found->count)
        log_warning(proxy_log(proxy), LOG_SCRIPT, subject->message->call_id,
                    "lookup: %zu of %zu contacts are not tried (limits.branches)",
                    found->count - count, found->count);
    bool is_direct = text_equal(v[0].next_hop, v[0].uri);
    int error = edits_set_request_uri(subject->edits, v[0].uri);
    if (!error)
        error = context_set_next_hop(context, is_direct ? TEXT_NONE : v[0].next_hop);
    return error ? error : context_set_targets(context, v, count);
}

static int look_up(lua_State *L, struct location_found **found, struct text uri_text,
                   uint32_t methods)
{
    struct uri uri;
    struct location *location = registrar_location(L);
    struct location_query query = {.methods = methods, .now_ms = api_wall_us(L) / 1000};
    if (uri_parse(&uri, uri_text))
        return ERROR_SYNTAX;
    query.gr = uri_param(&uri, TEXT("gr"));
    if (text_is_set(query.gr) && !query.gr.n) {
        int error = location_lookup_temporary(found, location, uri.user, &query);
        if (error != ERROR_SYNTAX)
            return error;
        query.gr = TEXT_NONE;
    }
    int error = location_aor(&query.aor, generation_of(L)->script->options.settings, &uri,
                             TEXT_NONE, &run_of(L)->arena);
    return error ? error : location_lookup(found, location, &query);
}

/** (req, uri or nil, filters by method) -> true, or nil, reason */
static int core_registrar_lookup(lua_State *L)
{
    struct subject subject;
    struct location_found *found;
    if (!registrar_decider(L, &subject, "registrar.lookup"))
        return api_push_result(L, ERROR_CANCELLED);
    struct text uri = api_text_or_none(L, 2, "registrar.lookup: aor");
    uint32_t methods = lua_toboolean(L, 3) ? method_set_bit(subject.message->method) : 0;
    if (!text_is_set(uri))
        uri = edits_request_uri(subject.edits);
    int error = look_up(L, &found, uri, methods);
    if (!error) {
        error = use_found(&subject, found);
        memory_release(found);
    }
    switch (error) {
    case ERROR_NOT_FOUND: return api_push_failure(L, "not registered");
    case ERROR_UNSUPPORTED: return api_push_failure(L, "method not supported");
    case ERROR_SYNTAX: return api_push_failure(L, "no address of record");
    default: return api_push_result(L, error);
    }
}

/* ---- the rest ---- */

/** (uri, contact or ruid or nil) -> bindings that ended, or nil, err */
static int core_registrar_remove(lua_State *L)
{
    struct location *location = registrar_location(L);
    struct text uri = api_text(L, 1, "registrar.unregister: URI"), aor;
    struct text which = api_text_or_none(L, 2, "registrar.unregister: contact");
    int result = api_aor_of(L, &aor, uri);
    if (!result)
        result =
            location_remove(location, aor, which, api_wall_us(L) / 1000, generation_of(L)->script);
    if (result < 0)
        return api_push_result(L, result);
    lua_pushinteger(L, result);
    return 1;
}

/** A binding in the run's arena: a Lua error must not leave the record referenced. */
struct copied {
    struct location_binding binding;
    uint32_t expires_s;
};

static size_t copy_record(struct arena *arena, struct copied **v,
                          const struct location_record *record, uint64_t now)
{
    size_t count = record ? location_record_count(record) : 0, live = 0;
    *v = count ? arena_zalloc(arena, count * sizeof **v) : NULL;
    for (size_t i = 0; *v && i < count; i++) {
        const struct location_binding *binding = location_record_at(record, i);
        if (location_binding_is_expired(binding, now))
            continue;
        struct copied *copied = &(*v)[live++];
        copied->expires_s = location_binding_expires_s(binding, now);
        copied->binding = (struct location_binding){
            .contact = arena_copy(arena, binding->contact),
            .received = arena_copy(arena, binding->received),
            .path = arena_copy(arena, binding->path),
            .user_agent = arena_copy(arena, binding->user_agent),
            .socket = arena_copy(arena, binding->socket),
            .ruid = arena_copy(arena, binding->ruid),
            .flags = binding->flags,
            .q = binding->q,
        };
    }
    return live;
}

static void push_contact(lua_State *L, const struct copied *copied)
{
    const struct location_binding *binding = &copied->binding;
    lua_createtable(L, 0, 9);
    api_set_text(L, "contact", binding->contact);
    api_set_text(L, "received", binding->received);
    api_set_text(L, "path", binding->path);
    api_set_text(L, "user_agent", binding->user_agent);
    api_set_text(L, "socket", binding->socket);
    api_set_text(L, "ruid", binding->ruid);
    lua_pushnumber(L, copied->expires_s);
    lua_setfield(L, -2, "expires_s");
    lua_pushnumber(L, binding->flags);
    lua_setfield(L, -2, "flags");
    if (binding->q == CONTACT_Q_NONE)
        return;
    lua_pushnumber(L, binding->q / 1000.0);
    lua_setfield(L, -2, "q");
}

/** (uri) -> array of what is bound, empty when nothing is; or nil, err */
static int core_registrar_contacts(lua_State *L)
{
    struct copied *v;
    struct location *location = registrar_location(L);
    struct text uri = api_text(L, 1, "registrar: URI"), aor;
    int error = api_aor_of(L, &aor, uri);
    if (error)
        return api_push_result(L, error);
    struct location_record *record = location_find(location, aor);
    size_t count = copy_record(&run_of(L)->arena, &v, record, api_wall_us(L) / 1000);
    memory_release(record);
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        push_contact(L, &v[i]);
        lua_rawseti(L, -2, (int)i + 1);
    }
    return 1;
}

static const luaL_Reg functions[] = {
    {"registrar_lookup", core_registrar_lookup},
    {"registrar_remove", core_registrar_remove},
    {"registrar_contacts", core_registrar_contacts},
    {NULL, NULL},
};

void api_registrar_open(lua_State *L)
{
    api_register(L, functions);
}

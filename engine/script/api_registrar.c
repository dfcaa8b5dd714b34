/* core.registrar_*: what sip.registrar is made of (RFC 3261 s10.3). */
#include "script/state.h"

#include "base/memory.h"
#include "location/registrar.h"
#include "sip/list_header.h"

#include <time.h>

#define TARGETS_MOST 64

/** The location service of the worker; misuse while a script is loaded. */
static struct location *require_location(lua_State *L)
{
    struct script *script = generation_of(L)->script;
    if (!script || !script->options.location)
        api_misuse(L, "registrar: only a handler of a running engine can use it");
    return script->options.location;
}

static const struct settings *settings_of(lua_State *L)
{
    return generation_of(L)->script->options.settings;
}

static uint64_t now_ms(lua_State *L)
{
    return api_wall_us(L) / 1000;
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

int api_aor_of(lua_State *L, struct text *aor, struct text uri_text)
{
    struct uri uri;
    if (uri_parse(&uri, uri_text))
        return ERROR_SYNTAX;
    return location_aor(aor, settings_of(L), &uri, TEXT_NONE, &run_of(L)->arena);
}

/* ---- save ---- */

enum path_mode { PATH_OFF, PATH_LAZY, PATH_STRICT };

/** One REGISTER on its way through save(). */
struct saving {
    struct subject subject;
    struct location *location;
    struct location_request request;
    struct location_rules rules;
    struct location_result result;
    struct text uri; /**< AoR as a URI */
    enum path_mode path_mode;
    enum location_outbound outbound;
    bool has_no_reply;
    bool is_unstored;      /**< the store is away */
    bool is_saved;         /**< the rows are durable by now, or not: only the answer is due */
    struct buffer headers; /**< of the answer */
};

/** A number of the options at index 2, which lua/ has checked; unchanged when absent. */
static void read_number(lua_State *L, const char *name, uint32_t *number)
{
    lua_getfield(L, 2, name);
    if (!lua_isnil(L, -1))
        *number = (uint32_t)api_number(L, -1, 0, UINT32_MAX, name);
    lua_pop(L, 1);
}

/** The same of a text; it stays on the stack. */
static struct text read_text(lua_State *L, const char *name)
{
    lua_getfield(L, 2, name);
    return api_text_or_none(L, -1, name);
}

static bool read_flag(lua_State *L, const char *name, bool otherwise)
{
    lua_getfield(L, 2, name);
    bool flag = lua_isnil(L, -1) ? otherwise : lua_toboolean(L, -1);
    lua_pop(L, 1);
    return flag;
}

/** The listener's name that finds it again, in the run's arena. */
static struct text socket_of(struct arena *arena, const struct message *message)
{
    const struct listener *listener = message->source.listener;
    char local[ADDRESS_TEXT_BYTES];
    if (!listener)
        return TEXT_NONE;
    return arena_printf(arena, "%s:%s", transport_kind_name(listener->kind),
                        address_print(&listener->local, local).p);
}

/** Everything that may raise, before anything is taken. */
static void read_save_options(lua_State *L, struct saving *saving)
{
    uint32_t path_mode = PATH_LAZY, match = 0;
    location_rules_default(&saving->rules, settings_of(L));
    match = saving->rules.match;
    read_number(L, "expires_default_s", &saving->rules.expires_default_s);
    read_number(L, "expires_least_s", &saving->rules.expires_least_s);
    read_number(L, "expires_most_s", &saving->rules.expires_most_s);
    read_number(L, "max_contacts", &saving->rules.contacts_max);
    read_number(L, "match", &match);
    read_number(L, "path_mode", &path_mode);
    read_number(L, "flags", &saving->request.flags);
    saving->rules.match = match;
    saving->rules.refuses_brief = read_flag(L, "refuse_brief", saving->rules.refuses_brief);
    saving->path_mode = (enum path_mode)path_mode;
    saving->has_no_reply = !read_flag(L, "reply", true);
    saving->uri = read_text(L, "aor");
    saving->request.received = read_text(L, "received");
}

static int refuse(struct saving *saving, int error, unsigned status, const char *reason)
{
    saving->result.status = status;
    saving->result.reason = reason;
    return error;
}

static bool is_supported(struct text tag)
{
    return text_equal_nocase(tag, TEXT("path")) || text_equal_nocase(tag, TEXT("gruu")) ||
           text_equal_nocase(tag, TEXT("outbound"));
}

/** Require names nothing that we do not do (s10.3 step 2, s8.2.2.3). */
static int check_require(struct saving *saving)
{
    struct arena *arena = &saving->subject.run->arena;
    struct buffer *headers = &saving->headers;
    struct text rest;
    if (list_header_join(&rest, saving->subject.message, HEADER_REQUIRE, arena))
        return refuse(saving, ERROR_MEMORY, 500, "Server Internal Error");
    while (text_is_set(rest)) {
        struct text tag = text_trim(text_split(&rest, ','));
        if (tag.n && !is_supported(tag))
            buffer_printf(headers, "Unsupported: %.*s\r\n", TEXT_ARG(tag));
    }
    return buffer_text(headers).n ? refuse(saving, ERROR_UNSUPPORTED, 420, "Bad Extension") : 0;
}

/** RFC 3327 s5.3: what becomes of Path. */
static int check_path(struct saving *saving)
{
    struct message *message = saving->subject.message;
    if (saving->path_mode == PATH_OFF)
        saving->request.path = TEXT_NONE;
    if (saving->path_mode != PATH_STRICT || !text_is_set(saving->request.path) ||
        list_header_has(message, HEADER_SUPPORTED, TEXT("path")))
        return 0;
    buffer_append(&saving->headers, TEXT("Unsupported: path\r\n"));
    return refuse(saving, ERROR_UNSUPPORTED, 420, "Bad Extension");
}

/** RFC 5626 s6: a flow that the first hop knows nothing of is refused. */
static int check_outbound(struct saving *saving)
{
    saving->outbound = location_outbound(saving->subject.message, &saving->request);
    if (saving->outbound != OUTBOUND_LACKING)
        return 0;
    return refuse(saving, ERROR_UNSUPPORTED, 439, "First Hop Lacks Outbound Support");
}

/** Whose bindings: the option's AoR, else To's (s10.3 step 5). */
static int find_aor(lua_State *L, struct saving *saving)
{
    const struct name_addr *to = message_to(saving->subject.message);
    if (!text_is_set(saving->uri) && to)
        saving->uri = to->uri_text;
    int error = api_aor_of(L, &saving->request.aor, saving->uri);
    if (error == ERROR_SYNTAX)
        return refuse(saving, error, 400, "Bad Address of Record");
    return error ? refuse(saving, error, 500, "Server Internal Error") : 0;
}

static int save(lua_State *L, struct saving *saving)
{
    struct script *script = generation_of(L)->script;
    struct arena *arena = &saving->subject.run->arena;
    int error = check_require(saving);
    if (!error)
        error = find_aor(L, saving);
    if (error)
        return error;
    error = location_request_parse(&saving->request, saving->subject.message, arena);
    if (error == ERROR_SYNTAX)
        return refuse(saving, error, 400, "Bad Contact or Path");
    if (error)
        return refuse(saving, error, 500, "Server Internal Error");
    error = check_path(saving);
    if (!error)
        error = check_outbound(saving);
    if (error)
        return error;
    saving->request.socket = socket_of(arena, saving->subject.message);
    saving->request.flow_id = saving->subject.message->source.flow_id;
    saving->request.rules = &saving->rules;
    saving->request.now_ms = now_ms(L);
    saving->request.counters = script->options.counters;
    saving->request.by = script;
    if (saving->is_saved) {
        saving->result.status = 200;
        saving->result.reason = "OK";
        saving->result.record = location_find(saving->location, saving->request.aor);
        return 0;
    }
    return location_save(saving->location, &saving->request, &saving->result);
}

/* ---- its answer ---- */

/** RFC 3261 s20.17; days and months have no other language there. */
static void print_date(struct buffer *out, uint64_t ms)
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    char line[64];
    if (!gmtime_r(&seconds, &tm))
        return;
    size_t n = strftime(line, sizeof line, "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm);
    buffer_append(out, (struct text){line, n});
}

static void print_success(struct saving *saving)
{
    struct message *message = saving->subject.message;
    struct buffer *out = &saving->headers;
    struct location_answer answer = {
        .prints_gruu = list_header_has(message, HEADER_SUPPORTED, TEXT("gruu")),
        .now_ms = saving->request.now_ms,
    };
    struct text aor = saving->request.aor;
    if (text_find(aor, '@'))
        answer.uri = arena_printf(&saving->subject.run->arena, "sip:%.*s", TEXT_ARG(aor));
    else
        answer.prints_gruu = false; /* location.use_domain = 0: the AoR names no host */
    location_print_contacts(out, saving->location, saving->result.record, &answer);
    if (text_is_set(saving->request.path) &&
        list_header_has(message, HEADER_SUPPORTED, TEXT("path")))
        buffer_printf(out, "Path: %.*s\r\n", TEXT_ARG(saving->request.path));
    if (saving->outbound == OUTBOUND_GRANTED)
        buffer_append(out, TEXT("Require: outbound\r\n"));
    print_date(out, saving->request.now_ms);
}

static int answer(lua_State *L, struct saving *saving)
{
    struct script_cause cause;
    if (saving->result.status == 200)
        print_success(saving);
    if (saving->is_unstored)
        buffer_append(&saving->headers, TEXT("Retry-After: 10\r\n"));
    if (saving->result.status == 423)
        buffer_printf(&saving->headers, "Min-Expires: %u\r\n", saving->result.least_s);
    if (saving->headers.error)
        return saving->headers.error;
    const struct response_options options = {
        .status = saving->result.status,
        .reason = text_of(saving->result.reason),
        .headers = buffer_text(&saving->headers),
    };
    cause_begin(L, &cause);
    int error = proxy_reply(saving->subject.context, &options);
    cause_end(&cause);
    return error;
}

static size_t count_live(const struct location_record *record, uint64_t now)
{
    size_t live = 0, count = record ? location_record_count(record) : 0;
    for (size_t i = 0; i < count; i++)
        live += !location_binding_is_expired(location_record_at(record, i), now);
    return live;
}

/** The store has not got it: not acknowledged, so that the UA comes again. */
static int refuse_unstored(lua_State *L, struct saving *saving, int error)
{
    counter_count(generation_of(L)->script->options.counters, COUNTER_LOCATION_UNSTORED);
    saving->is_unstored = true;
    return refuse(saving, error, 503, "Service Unavailable");
}

/** Is a change to wait until its rows are durable? */
static bool has_to_wait(lua_State *L, const struct saving *saving)
{
    const struct keeper *keeper = generation_of(L)->script->options.keeper;
    return keeper && keeper_writes_through(keeper) && !saving->is_saved &&
           (saving->request.contact_count || saving->request.is_star);
}

/** @return 0: the run is to yield; or an error */
static int wait_for_store(lua_State *L, struct saving *saving)
{
    struct script *script = generation_of(L)->script;
    struct run *run = saving->subject.run;
    struct question *question = run_question(run);
    struct database_home home = database_mailbox_home(script->options.answers);
    int error = question ? keeper_wait(script->options.keeper, saving->request.aor, &home,
                                       run_question_answered, question)
                         : ERROR_MEMORY;
    if (question && error)
        run_forget_question(run);
    return error;
}

/** The second time: what the store said is what is answered. */
static int take_stored(lua_State *L, struct saving *saving)
{
    const struct database_answer *stored = question_take(L);
    int error = stored ? stored->error : ERROR_CANCELLED;
    return error ? refuse_unstored(L, saving, error) : 0;
}

/**
 * (req, options[, true]) -> contacts bound now, or nil, reason, status; nothing when the run has waited for the
 * store: then it is to be called again, with true.
 */
static int core_registrar_save(lua_State *L)
{
    struct saving saving = {.is_saved = lua_toboolean(L, 3)};
    if (!require_decider(L, &saving.subject, "registrar.save"))
        return api_push_result(L, ERROR_CANCELLED);
    if (saving.subject.message->method != METHOD_REGISTER)
        return api_misuse(L, "registrar.save: only a REGISTER can be saved");
    saving.location = require_location(L);
    luaL_checkstack(L, 16, "registrar.save");
    read_save_options(L, &saving);
    if (generation_of(L)->script->options.keeper)
        run_check_wait(L, "registrar.save");
    int error = save(L, &saving);
    if (!error && saving.is_saved)
        error = take_stored(L, &saving);
    if (!error && has_to_wait(L, &saving)) {
        error = wait_for_store(L, &saving);
        if (!error) {
            memory_release(saving.result.record);
            buffer_release(&saving.headers);
            return lua_yield(L, 0);
        }
        refuse_unstored(L, &saving, error);
    }
    size_t count = error ? 0 : count_live(saving.result.record, saving.request.now_ms);
    int sent = saving.has_no_reply ? 0 : answer(L, &saving);
    memory_release(saving.result.record);
    buffer_release(&saving.headers);
    if (!error && sent)
        return api_push_result(L, sent);
    if (!error) {
        lua_pushinteger(L, (lua_Integer)count);
        return 1;
    }
    api_push_failure(L, saving.result.reason);
    lua_pushinteger(L, (lua_Integer)saving.result.status);
    return 3;
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
    struct fork_target target = {.uri = binding->contact, .q = q, .route = binding->path};
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
    struct location *location = require_location(L);
    struct location_query query = {.methods = methods, .now_ms = now_ms(L)};
    if (uri_parse(&uri, uri_text))
        return ERROR_SYNTAX;
    query.gr = uri_param(&uri, TEXT("gr"));
    if (text_is_set(query.gr) && !query.gr.n) {
        int error = location_lookup_temporary(found, location, uri.user, &query);
        if (error != ERROR_SYNTAX)
            return error;
        query.gr = TEXT_NONE;
    }
    int error = location_aor(&query.aor, settings_of(L), &uri, TEXT_NONE, &run_of(L)->arena);
    return error ? error : location_lookup(found, location, &query);
}

/** (req, uri or nil, filters by method) -> true, or nil, reason */
static int core_registrar_lookup(lua_State *L)
{
    struct subject subject;
    struct location_found *found;
    if (!require_decider(L, &subject, "registrar.lookup"))
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
    struct location *location = require_location(L);
    struct text uri = api_text(L, 1, "registrar.unregister: URI"), aor;
    struct text which = api_text_or_none(L, 2, "registrar.unregister: contact");
    int result = api_aor_of(L, &aor, uri);
    if (!result)
        result = location_remove(location, aor, which, now_ms(L), generation_of(L)->script);
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
    struct location *location = require_location(L);
    struct text uri = api_text(L, 1, "registrar: URI"), aor;
    int error = api_aor_of(L, &aor, uri);
    if (error)
        return api_push_result(L, error);
    struct location_record *record = location_find(location, aor);
    size_t count = copy_record(&run_of(L)->arena, &v, record, now_ms(L));
    memory_release(record);
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        push_contact(L, &v[i]);
        lua_rawseti(L, -2, (int)i + 1);
    }
    return 1;
}

static const luaL_Reg functions[] = {
    {"registrar_save", core_registrar_save},
    {"registrar_lookup", core_registrar_lookup},
    {"registrar_remove", core_registrar_remove},
    {"registrar_contacts", core_registrar_contacts},
    {NULL, NULL},
};

void api_registrar_open(lua_State *L)
{
    api_register(L, functions);
}

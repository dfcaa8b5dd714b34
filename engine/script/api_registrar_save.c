/* core.registrar_save(): a REGISTER from its message to its answer (RFC 3261 s10.3). */
#include "script/state.h"

#include "base/memory.h"
#include "location/registrar.h"
#include "sip/list_header.h"

#include <time.h>

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
    struct text kind = text_of(transport_kind_name(listener->kind));
    struct text address = address_print(&listener->local, local);
    char *bytes = arena_alloc(arena, kind.n + 1 + address.n);
    if (!bytes)
        return TEXT_NONE;
    memcpy(bytes, kind.p, kind.n);
    bytes[kind.n] = ':';
    memcpy(bytes + kind.n + 1, address.p, address.n);
    return (struct text){bytes, kind.n + 1 + address.n};
}

/** Everything that may raise, before anything is taken. */
static void read_save_options(lua_State *L, struct saving *saving)
{
    uint32_t path_mode = PATH_LAZY, match;
    location_rules_default(&saving->rules, generation_of(L)->script->options.settings);
    saving->path_mode = PATH_LAZY;
    if (lua_isnil(L, 2))
        return;
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

/** RFC 5627 s5.1: no contact leads back to the AoR. One that ends may: it is of before. */
static int check_loop(struct saving *saving)
{
    const struct location_request *request = &saving->request;
    for (size_t i = 0; i < request->contact_count; i++) {
        const struct contact *contact = &request->contacts[i];
        uint32_t expires_s = contact->has_expires   ? contact->expires_s
                             : request->has_expires ? request->expires_s
                                                    : 1;
        if (expires_s &&
            location_is_loop(saving->location, request->aor, saving->uri, &contact->address.uri))
            return refuse(saving, ERROR_ARGUMENT, 403, "Contact Is The Address Of Record");
    }
    return 0;
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
    error = check_loop(saving);
    if (!error)
        error = check_path(saving);
    if (!error)
        error = check_outbound(saving);
    if (error)
        return error;
    saving->request.socket = socket_of(arena, saving->subject.message);
    saving->request.flow_id = saving->subject.message->source.flow_id;
    saving->request.rules = &saving->rules;
    saving->request.now_ms = api_wall_us(L) / 1000;
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

static void append_two(struct buffer *out, int number)
{
    buffer_append_char(out, (char)('0' + number / 10 % 10));
    buffer_append_char(out, (char)('0' + number % 10));
}

/** RFC 3261 s20.17: "Sat, 13 Nov 2010 23:29:00 GMT"; days and months have no other language there. */
static void print_date(struct buffer *out, uint64_t ms)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    if (!gmtime_r(&seconds, &tm))
        return;
    buffer_append(out, TEXT("Date: "));
    buffer_append(out, (struct text){days + 3 * tm.tm_wday, 3});
    buffer_append(out, TEXT(", "));
    append_two(out, tm.tm_mday);
    buffer_append_char(out, ' ');
    buffer_append(out, (struct text){months + 3 * tm.tm_mon, 3});
    buffer_append_char(out, ' ');
    append_two(out, (tm.tm_year + 1900) / 100);
    append_two(out, tm.tm_year + 1900);
    const int time[] = {tm.tm_hour, tm.tm_min, tm.tm_sec};
    for (size_t i = 0; i < 3; i++) {
        buffer_append_char(out, i ? ':' : ' ');
        append_two(out, time[i]);
    }
    buffer_append(out, TEXT(" GMT\r\n"));
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
 * (req, options or nil[, true]) -> contacts bound now, or nil, reason, status; nothing when the run has waited for the
 * store: then it is to be called again, with true.
 */
static int core_registrar_save(lua_State *L)
{
    struct saving saving = {.is_saved = lua_toboolean(L, 3)};
    if (!registrar_decider(L, &saving.subject, "registrar.save"))
        return api_push_result(L, ERROR_CANCELLED);
    if (saving.subject.message->method != METHOD_REGISTER)
        return api_misuse(L, "registrar.save: only a REGISTER can be saved");
    saving.location = registrar_location(L);
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

static const luaL_Reg functions[] = {
    {"registrar_save", core_registrar_save},
    {NULL, NULL},
};

void api_registrar_save_open(lua_State *L)
{
    api_register(L, functions);
}

/*
 * The messages' metatable: req.word, req:method(), req["$var"].
 *
 * Words and methods are found through one table in upvalue 1: a function is a method, a number is
 * the place of a word in upvalue 2's array. Reads see edits; "$" keys go to lua/.
 */
#include "script/state.h"

static const struct word *const word_lists[] = {words_message, words_address, words_network,
                                                words_flags};
#define WORDS_PER_LIST 64

/* ---- what the readers share ---- */

struct text subject_header(const struct subject *subject, enum header_kind kind)
{
    if (subject->edits) {
        struct header_view view;
        return edits_header(subject->edits, kind, TEXT_NONE, &view) ? view.value : TEXT_NONE;
    }
    const struct header *header = subject->message ? message_header(subject->message, kind) : NULL;
    return header ? header->value : TEXT_NONE;
}

struct edits *subject_edits(lua_State *L, const struct subject *subject, const char *what)
{
    if (!subject->edits)
        api_misuse(L, "%s: the response in a failure route cannot be changed", what);
    return subject->edits;
}

void api_check_assignment(lua_State *L, const char *word, int error)
{
    if (error)
        api_misuse(L, "%s: %s", word, error_text(error));
}

static int push_number_text(lua_State *L, struct text t)
{
    uint64_t value;
    if (text_is_set(t) && text_to_u64(t, &value) == 0)
        lua_pushnumber(L, (double)value);
    else
        lua_pushnil(L);
    return 1;
}

/* ---- start line ---- */

static int read_is_request(lua_State *L, const struct subject *subject)
{
    lua_pushboolean(L, !subject->is_reply);
    return 1;
}

static int read_method(lua_State *L, const struct subject *subject)
{
    const struct message *message = subject->message;
    if (!message)
        return api_push_text(L, TEXT_NONE);
    if (text_is_set(message->method_text))
        return api_push_text(L, message->method_text);
    return api_push_text(L, text_of(method_name(message->method)));
}

static int read_ruri(lua_State *L, const struct subject *subject)
{
    return api_push_text(L, subject->is_reply ? TEXT_NONE : edits_request_uri(subject->edits));
}

static void write_ruri(lua_State *L, const struct subject *subject)
{
    struct text text = api_text(L, 3, "ruri");
    struct uri uri;
    if (subject->is_reply)
        api_misuse(L, "ruri: a response has none");
    if (uri_parse(&uri, text))
        api_misuse(L, "ruri: '%.*s' is not a URI", TEXT_ARG(text));
    api_check_assignment(L, "ruri", edits_set_request_uri(subject->edits, text));
}

static int read_original_ruri(lua_State *L, const struct subject *subject)
{
    return api_push_text(L, subject->is_reply ? TEXT_NONE : subject->message->request_uri);
}

static int read_status(lua_State *L, const struct subject *subject)
{
    if (subject->is_reply && subject->message)
        lua_pushinteger(L, subject->message->status);
    else
        lua_pushnil(L);
    return 1;
}

static int read_reason(lua_State *L, const struct subject *subject)
{
    bool has_reason = subject->is_reply && subject->message;
    return api_push_text(L, has_reason ? subject->message->reason : TEXT_NONE);
}

static int read_is_local(lua_State *L, const struct subject *subject)
{
    lua_pushboolean(L, subject->is_reply && subject->run->route.reply_is_local);
    return 1;
}

static int read_is_stateless(lua_State *L, const struct subject *subject)
{
    lua_pushboolean(L, subject->is_reply && !subject->context);
    return 1;
}

/* ---- headers and body ---- */

static int read_call_id(lua_State *L, const struct subject *subject)
{
    return api_push_text(L, subject->message ? subject->message->call_id : TEXT_NONE);
}

static int read_cseq(lua_State *L, const struct subject *subject)
{
    if (subject->message)
        lua_pushnumber(L, (double)subject->message->cseq_number);
    else
        lua_pushnil(L);
    return 1;
}

static int read_user_agent(lua_State *L, const struct subject *subject)
{
    return api_push_text(L, subject_header(subject, HEADER_USER_AGENT));
}

static int read_content_type(lua_State *L, const struct subject *subject)
{
    return api_push_text(L, subject_header(subject, HEADER_CONTENT_TYPE));
}

static int read_content_length(lua_State *L, const struct subject *subject)
{
    return push_number_text(L, subject_header(subject, HEADER_CONTENT_LENGTH));
}

static int read_max_forwards(lua_State *L, const struct subject *subject)
{
    return push_number_text(L, subject_header(subject, HEADER_MAX_FORWARDS));
}

static int read_body(lua_State *L, const struct subject *subject)
{
    struct text body = TEXT_NONE;
    if (subject->edits)
        body = edits_body(subject->edits);
    else if (subject->message)
        body = subject->message->body;
    return api_push_text(L, body.n ? body : TEXT_NONE);
}

static void write_body(lua_State *L, const struct subject *subject)
{
    struct edits *edits = subject_edits(L, subject, "body");
    struct text body = lua_isnil(L, 3) ? TEXT("") : api_text(L, 3, "body");
    api_check_assignment(L, "body", edits_set_body(edits, body, TEXT_NONE));
}

/* ---- the whole message ---- */

static int read_bytes(lua_State *L, const struct subject *subject)
{
    return api_push_text(L, subject->message ? subject->message->bytes : TEXT_NONE);
}

static int read_length(lua_State *L, const struct subject *subject)
{
    lua_pushnumber(L, subject->message ? (double)subject->message->bytes.n : 0);
    return 1;
}

/** $mi: requests keep theirs through all their routes. */
static int read_id(lua_State *L, const struct subject *subject)
{
    struct run *run = subject->run;
    uint64_t *id = &run->message_id;
    struct context_data *data =
        subject->is_reply || !subject->context ? NULL : api_context_data(subject->context);
    if (data)
        id = &data->message_id;
    if (*id == 0)
        *id = ++run->generation->messages;
    lua_pushnumber(L, (double)*id);
    return 1;
}

const struct word words_message[] = {
    {"is_request", read_is_request, NULL},
    {"method", read_method, NULL},
    {"ruri", read_ruri, write_ruri},
    {"original_ruri", read_original_ruri, NULL},
    {"status", read_status, NULL},
    {"reason", read_reason, NULL},
    {"is_local", read_is_local, NULL},
    {"is_stateless", read_is_stateless, NULL},
    {"call_id", read_call_id, NULL},
    {"cseq", read_cseq, NULL},
    {"user_agent", read_user_agent, NULL},
    {"content_type", read_content_type, NULL},
    {"content_length", read_content_length, NULL},
    {"max_forwards", read_max_forwards, NULL},
    {"body", read_body, write_body},
    {"bytes", read_bytes, NULL},
    {"length", read_length, NULL},
    {"id", read_id, NULL},
    {NULL, NULL, NULL},
};

/* ---- the metatable ---- */

static const struct word *word_at(int place)
{
    return &word_lists[place / WORDS_PER_LIST][place % WORDS_PER_LIST];
}

static int get_variable(lua_State *L)
{
    struct generation *generation = generation_of(L);
    lua_rawgeti(L, LUA_REGISTRYINDEX, generation->pv_get_reference);
    lua_pushvalue(L, 1);
    lua_pushvalue(L, 2);
    lua_call(L, 2, 1);
    return 1;
}

static int set_variable(lua_State *L)
{
    struct generation *generation = generation_of(L);
    lua_rawgeti(L, LUA_REGISTRYINDEX, generation->pv_set_reference);
    lua_pushvalue(L, 1);
    lua_pushvalue(L, 2);
    lua_pushvalue(L, 3);
    lua_call(L, 3, 0);
    return 0;
}

static bool is_variable(lua_State *L)
{
    return lua_type(L, 2) == LUA_TSTRING && lua_tostring(L, 2)[0] == '$';
}

static int message_index(lua_State *L)
{
    struct subject subject;
    lua_pushvalue(L, 2);
    lua_rawget(L, lua_upvalueindex(1));
    int type = lua_type(L, -1);
    if (type == LUA_TFUNCTION)
        return 1;
    handle_check(L, 1, &subject);
    if (type == LUA_TNUMBER)
        return word_at((int)lua_tointeger(L, -1))->read(L, &subject);
    if (is_variable(L))
        return get_variable(L);
    return api_misuse(L, "a message has no word or method '%.*s'", 64,
                      lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : luaL_typename(L, 2));
}

static int message_newindex(lua_State *L)
{
    struct subject subject;
    handle_check(L, 1, &subject);
    if (is_variable(L))
        return set_variable(L);
    lua_pushvalue(L, 2);
    lua_rawget(L, lua_upvalueindex(1));
    const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : luaL_typename(L, 2);
    if (lua_type(L, -1) != LUA_TNUMBER)
        return api_misuse(L, "a message has no word '%.64s' to assign to", name);
    const struct word *word = word_at((int)lua_tointeger(L, -1));
    if (!word->write)
        return api_misuse(L, "'%s' is read-only", name);
    word->write(L, &subject);
    return 0;
}

static int message_tostring(lua_State *L)
{
    struct subject subject;
    handle_check(L, 1, &subject);
    if (subject.is_reply)
        lua_pushfstring(L, "response %d", subject.message ? subject.message->status : 0);
    else
        lua_pushfstring(L, "request %s", method_name(subject.message->method));
    return 1;
}

static void add_words(lua_State *L)
{
    for (size_t list = 0; list < sizeof word_lists / sizeof *word_lists; list++) {
        for (int i = 0; word_lists[list][i].name; i++) {
            lua_pushinteger(L, (lua_Integer)list * WORDS_PER_LIST + i);
            lua_setfield(L, -2, word_lists[list][i].name);
        }
    }
}

/** core.set_pv(get, set): who reads and writes msg["$..."] */
static int core_set_pv(lua_State *L)
{
    struct generation *generation = generation_of(L);
    luaL_checktype(L, 1, LUA_TFUNCTION);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    luaL_unref(L, LUA_REGISTRYINDEX, generation->pv_get_reference);
    luaL_unref(L, LUA_REGISTRYINDEX, generation->pv_set_reference);
    lua_settop(L, 2);
    generation->pv_set_reference = luaL_ref(L, LUA_REGISTRYINDEX);
    generation->pv_get_reference = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

void api_message_open(lua_State *L)
{
    lua_newtable(L);
    lua_newtable(L);
    add_words(L);
    api_header_open(L);
    api_request_open(L);
    lua_pushvalue(L, -1);
    lua_pushcclosure(L, message_index, 1);
    lua_setfield(L, -3, "__index");
    lua_pushcclosure(L, message_newindex, 1);
    lua_setfield(L, -2, "__newindex");
    lua_pushcfunction(L, message_tostring);
    lua_setfield(L, -2, "__tostring");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
}

/* ---- $var and $avp ---- */

/** Push the table of a registry reference, made when there is none. */
static int push_table(lua_State *L, int *reference)
{
    if (*reference == LUA_NOREF) {
        lua_newtable(L);
        *reference = luaL_ref(L, LUA_REGISTRYINDEX);
    }
    lua_rawgeti(L, LUA_REGISTRYINDEX, *reference);
    return 1;
}

/** core.vars(msg) -> table that lives as long as this handler run */
static int core_vars(lua_State *L)
{
    struct subject subject;
    handle_check(L, 1, &subject);
    return push_table(L, &subject.run->vars_reference);
}

/** core.avps(msg) -> table that lives as long as the transaction */
static int core_avps(lua_State *L)
{
    struct subject subject;
    handle_check(L, 1, &subject);
    if (!subject.context)
        return push_table(L, &subject.run->vars_reference);
    struct context_data *data = api_context_data(subject.context);
    if (!data)
        return luaL_error(L, "not enough memory");
    return push_table(L, &data->avps_reference);
}

static const luaL_Reg variables[] = {
    {"set_pv", core_set_pv},
    {"vars", core_vars},
    {"avps", core_avps},
    {NULL, NULL},
};

void api_variables_open(lua_State *L)
{
    api_register(L, variables);
}

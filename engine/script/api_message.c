/* Words of the message itself: start line, headers, body. Reads see edits. Then $var and $avp. */
#include "script/state.h"

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

static bool number_of(struct text t, double *number)
{
    uint64_t value;
    if (!text_is_set(t) || text_to_u64(t, &value))
        return false;
    *number = (double)value;
    return true;
}

/* ---- start line ---- */

static void push_is_request(lua_State *L, const struct subject *subject)
{
    lua_pushboolean(L, !subject->is_reply);
}

static struct text read_method(const struct subject *subject)
{
    const struct message *message = subject->message;
    if (!message || text_is_set(message->method_text))
        return message ? message->method_text : TEXT_NONE;
    return text_of(method_name(message->method));
}

/* A known method is the same text in every message. */
static const char *literal_method(const struct subject *subject)
{
    const struct message *message = subject->message;
    return message && message->method != METHOD_OTHER ? method_name(message->method) : NULL;
}

static struct text read_ruri(const struct subject *subject)
{
    return subject->is_reply ? TEXT_NONE : edits_request_uri(subject->edits);
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

static struct text read_original_ruri(const struct subject *subject)
{
    return subject->is_reply ? TEXT_NONE : subject->message->request_uri;
}

static bool read_status(const struct subject *subject, double *number)
{
    if (!subject->is_reply || !subject->message)
        return false;
    *number = subject->message->status;
    return true;
}

static struct text read_reason(const struct subject *subject)
{
    return subject->is_reply && subject->message ? subject->message->reason : TEXT_NONE;
}

static void push_is_local(lua_State *L, const struct subject *subject)
{
    lua_pushboolean(L, subject->is_reply && subject->run->route.reply_is_local);
}

static void push_is_stateless(lua_State *L, const struct subject *subject)
{
    lua_pushboolean(L, subject->is_reply && !subject->context);
}

/* What the engine knows of the call, not what the message says of itself (a To tag is soon written). */
static const char *literal_call_state(const struct subject *subject)
{
    const struct dialog *dialog = subject->context ? context_dialog(subject->context) : NULL;
    return dialog ? dialog_state_name(dialog_current_state(dialog)) : NULL;
}

/* ---- headers and body ---- */

static struct text read_call_id(const struct subject *subject)
{
    return subject->message ? subject->message->call_id : TEXT_NONE;
}

static bool read_cseq(const struct subject *subject, double *number)
{
    if (subject->message)
        *number = (double)subject->message->cseq_number;
    return subject->message != NULL;
}

static struct text read_user_agent(const struct subject *subject)
{
    return subject_header(subject, HEADER_USER_AGENT);
}

static struct text read_content_type(const struct subject *subject)
{
    return subject_header(subject, HEADER_CONTENT_TYPE);
}

static bool read_content_length(const struct subject *subject, double *number)
{
    return number_of(subject_header(subject, HEADER_CONTENT_LENGTH), number);
}

static bool read_max_forwards(const struct subject *subject, double *number)
{
    return number_of(subject_header(subject, HEADER_MAX_FORWARDS), number);
}

static struct text read_body(const struct subject *subject)
{
    struct text body = TEXT_NONE;
    if (subject->edits)
        body = edits_body(subject->edits);
    else if (subject->message)
        body = subject->message->body;
    return body.n ? body : TEXT_NONE;
}

static void write_body(lua_State *L, const struct subject *subject)
{
    struct edits *edits = subject_edits(L, subject, "body");
    struct text text = lua_isnil(L, 3) ? TEXT("") : api_text(L, 3, "body");
    api_check_assignment(L, "body", edits_set_body(edits, text, TEXT_NONE));
}

/* ---- the whole message ---- */

static struct text read_bytes(const struct subject *subject)
{
    return subject->message ? subject->message->bytes : TEXT_NONE;
}

static bool read_length(const struct subject *subject, double *number)
{
    *number = subject->message ? (double)subject->message->bytes.n : 0;
    return true;
}

/** $mi: requests keep theirs through all their routes. */
static bool read_id(const struct subject *subject, double *number)
{
    struct run *run = subject->run;
    uint64_t *id = &run->message_id;
    struct context_data *data =
        subject->is_reply || !subject->context ? NULL : api_context_data(subject->context);
    if (data)
        id = &data->message_id;
    if (*id == 0)
        *id = ++run->generation->messages;
    *number = (double)*id;
    return true;
}

const struct word words_message[] = {
    {"is_request", .push = push_is_request},
    {"method", .text = read_method, .literal = literal_method},
    {"ruri", .text = read_ruri, .write = write_ruri},
    {"original_ruri", .text = read_original_ruri},
    {"status", .number = read_status},
    {"reason", .text = read_reason},
    {"is_local", .push = push_is_local},
    {"is_stateless", .push = push_is_stateless},
    {"call_state", .literal = literal_call_state},
    {"call_id", .text = read_call_id},
    {"cseq", .number = read_cseq},
    {"user_agent", .text = read_user_agent},
    {"content_type", .text = read_content_type},
    {"content_length", .number = read_content_length},
    {"max_forwards", .number = read_max_forwards},
    {"body", .text = read_body, .write = write_body},
    {"bytes", .text = read_bytes},
    {"length", .number = read_length},
    {"id", .number = read_id},
    {.name = NULL},
};

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
    {"vars", core_vars},
    {"avps", core_avps},
    {NULL, NULL},
};

void api_variables_open(lua_State *L)
{
    api_register(L, variables);
}

/* core.auth_*: what sip.auth is made of. */
#include "script/state.h"

#include "base/memory.h"
#include "sip/digest.h"

#define USER_SHOWN 64 /* bytes of a user name in a log line */

/** The engine's authentication, and where and when it is asked for. */
struct auth_call {
    struct subject subject;
    struct auth *auth;
    struct auth_scope scope;
};

/** Message at 1, realm at 2. @return false when the request is over */
static bool begin(lua_State *L, struct auth_call *call, const char *what)
{
    struct generation *generation = generation_of(L);
    handle_check(L, 1, &call->subject);
    if (call->subject.is_reply || !call->subject.message)
        api_misuse(L, "%s: a request is needed", what);
    call->auth = generation->options.auth;
    call->scope = (struct auth_scope){
        .realm = api_text(L, 2, "realm"),
        .now_ms = api_wall_us(L) / 1000,
        .settings = generation->options.settings,
        .counters = generation->script->options.counters,
        .source = &call->subject.message->source.peer,
    };
    if (text_find(call->scope.realm, '\r') || text_find(call->scope.realm, '\n'))
        api_misuse(L, "%s: a realm has no line ends in it", what);
    return !handle_is_over(&call->subject);
}

/** 401, 407 or nothing at @p index. */
static enum auth_headers headers_argument(lua_State *L, int index)
{
    if (lua_isnoneornil(L, index))
        return AUTH_ANY;
    return lua_tointeger(L, index) == 407 ? AUTH_PROXY : AUTH_WWW;
}

/** What auth_find() found in this run: auth.check() asks twice, and a lookup may lie between. */
struct found_credentials {
    enum auth_headers headers;
    struct auth_credentials credentials;
};

static enum auth_verdict find(struct auth_call *call, enum auth_headers headers,
                              struct auth_credentials *credentials)
{
    struct run *run = call->subject.run;
    struct found_credentials *found = run->credentials;
    if (found && found->headers == headers &&
        text_equal(found->credentials.digest.realm, call->scope.realm)) {
        *credentials = found->credentials;
        return AUTH_GOOD;
    }
    enum auth_verdict verdict =
        auth_find(call->auth, &call->scope, call->subject.message, headers, credentials);
    if (verdict == AUTH_GOOD && !found)
        run->credentials = found = arena_alloc(&run->arena, sizeof *found);
    if (verdict == AUTH_GOOD && found)
        *found = (struct found_credentials){headers, *credentials};
    return verdict;
}

/** Push nil and why. A refusal is counted, and said in a line that Fail2Ban can find. */
static int push_refusal(lua_State *L, struct auth_call *call, enum auth_verdict verdict,
                        const struct auth_credentials *credentials)
{
    struct message *message = call->subject.message;
    struct log *log = generation_of(L)->options.log;
    struct text user = credentials->digest.username;
    auth_count(&call->scope, verdict);
    call->subject.run->is_auth_stale = verdict == AUTH_STALE || verdict == AUTH_REPLAYED;
    user.n = user.n < USER_SHOWN ? user.n : USER_SHOWN;
    if (verdict == AUTH_WRONG) {
        char host[ADDRESS_TEXT_BYTES];
        log_info(log, LOG_AUTH, message->call_id,
                 "authentication failed from %s: user \"%.*s\", realm \"%.*s\"",
                 address_print_host(call->scope.source, host).p, TEXT_ARG(user),
                 TEXT_ARG(call->scope.realm));
    } else if (verdict == AUTH_NO_HA1) {
        log_warning(log, LOG_AUTH, message->call_id,
                    "the HA1 given for user \"%.*s\" is none of %s; challenge only with "
                    "algorithms that there are HA1s for",
                    TEXT_ARG(user), digest_algorithm_name(credentials->digest.algorithm));
    }
    return api_push_failure(L, auth_verdict_text(verdict));
}

/** (req, realm [, 401 | 407]) -> user, algorithm; or nil, reason */
static int core_auth_find(lua_State *L)
{
    struct auth_call call;
    struct auth_credentials found = {0};
    if (!begin(L, &call, "auth.check"))
        return api_push_result(L, ERROR_CANCELLED);
    enum auth_verdict verdict = find(&call, headers_argument(L, 3), &found);
    if (verdict != AUTH_GOOD)
        return push_refusal(L, &call, verdict, &found);
    api_push_text(L, found.digest.username);
    lua_pushstring(L, digest_algorithm_name(digest_algorithm_base(found.digest.algorithm)));
    return 2;
}

/** With what is remembered of the user. @return as auth_verify(); WRONG when nothing is */
static enum auth_verdict verify_remembered(struct auth_call *call,
                                           const struct auth_credentials *found)
{
    struct digest_hex ha1;
    struct auth_secret secret = {0};
    if (auth_recall(call->auth, &call->scope, found, &ha1) == 0)
        secret.text = digest_hex_text(&ha1);
    return auth_verify(call->auth, &call->scope, call->subject.message, found, &secret);
}

/**
 * (req, realm, 401 | 407 | nil, "remembered" | "ha1" | "password", secret or nil, remember_ms or nil)
 * -> user; or nil, reason. What is remembered is only tried: false stands for "look it up".
 */
static int core_auth_verify(lua_State *L)
{
    struct auth_call call;
    struct auth_credentials found = {0};
    if (!begin(L, &call, "auth.check"))
        return api_push_result(L, ERROR_CANCELLED);
    struct text form = api_text(L, 4, "form");
    struct auth_secret secret = {api_text_or_none(L, 5, "auth.check: what was looked up"),
                                 text_equal(form, TEXT("password"))};
    bool is_trial = text_equal(form, TEXT("remembered"));
    enum auth_verdict verdict = find(&call, headers_argument(L, 3), &found);
    if (verdict == AUTH_GOOD)
        verdict = is_trial
                      ? verify_remembered(&call, &found)
                      : auth_verify(call.auth, &call.scope, call.subject.message, &found, &secret);
    if (verdict == AUTH_WRONG && is_trial) {
        lua_pushboolean(L, 0);
        return 1;
    }
    bool is_right = verdict == AUTH_GOOD || verdict == AUTH_STALE || verdict == AUTH_REPLAYED;
    if (is_right && !is_trial && !lua_isnoneornil(L, 6))
        auth_remember(call.auth, &call.scope, &found, &secret,
                      api_number(L, 6, 1, UINT32_MAX, "auth.check: cache_s"));
    if (verdict != AUTH_GOOD)
        return push_refusal(L, &call, verdict, &found);
    auth_count(&call.scope, verdict);
    return api_push_text(L, found.digest.username);
}

/** Comma-separated algorithms at @p index. */
static void read_algorithms(lua_State *L, int index, struct auth_challenge *challenge)
{
    struct text list = api_text(L, index, "auth.challenge: algorithms");
    while (text_is_set(list)) {
        struct text name = text_split(&list, ',');
        enum digest_algorithm algorithm;
        if (digest_algorithm_parse(&algorithm, name))
            api_misuse(L, "auth.challenge: no algorithm '%.*s'; MD5, SHA-256 or SHA-512-256",
                       TEXT_ARG(name));
        if (challenge->algorithm_count == DIGEST_ALGORITHM_COUNT)
            api_misuse(L, "auth.challenge: each algorithm once");
        challenge->algorithms[challenge->algorithm_count++] = algorithm;
    }
}

/** The header lines, in the run's arena; absent without memory. */
static struct text challenge_lines(struct auth_call *call, const struct auth_challenge *challenge)
{
    struct buffer out = {0};
    struct text lines = TEXT_NONE;
    auth_print_challenge(call->auth, &call->scope, challenge, &out);
    if (!out.error)
        lines = arena_copy(&call->subject.run->arena, buffer_text(&out));
    buffer_release(&out);
    return lines;
}

/** (req, realm, 401 | 407, algorithms, qops) -> true; or nil, err */
static int core_auth_challenge(lua_State *L)
{
    struct auth_call call;
    struct auth_challenge challenge = {0};
    if (!begin(L, &call, "auth.challenge"))
        return api_push_result(L, ERROR_CANCELLED);
    enum run_kind kind = call.subject.run->kind;
    if (kind != RUN_REQUEST && kind != RUN_FAILURE)
        api_misuse(L, "auth.challenge: not possible in a branch or reply route");
    struct response_options options = {
        .status = (unsigned)api_number(L, 3, 401, 407, "auth.challenge: code"),
    };
    challenge.is_proxy = options.status == 407;
    challenge.is_stale = call.subject.run->is_auth_stale;
    read_algorithms(L, 4, &challenge);
    challenge.qops = digest_qops_parse(api_text(L, 5, "auth.challenge: qop"));
    options.headers = challenge_lines(&call, &challenge);
    if (!text_is_set(options.headers))
        return api_push_result(L, ERROR_MEMORY);
    struct script_cause cause;
    cause_begin(L, &cause);
    int result = proxy_reply_and_forget(call.subject.context, &options);
    cause_end(&cause);
    return api_push_result(L, result);
}

/* ---- credentials in a request that goes on ---- */

/** Is the header's value one of digest credentials for this realm? */
static bool is_for_realm(struct run *run, struct text value, struct text realm)
{
    struct digest digest;
    int error = digest_credentials_parse(&digest, &run->arena, value);
    return (error == 0 || error == ERROR_UNSUPPORTED) && text_is_set(digest.realm) &&
           text_equal(digest.realm, realm);
}

/**
 * Take the credentials for a realm out.
 * @param received  when not NULL, those that did not come with this message are counted in *own
 * @return number taken out or an error
 */
static int remove_credentials(struct run *run, struct edits *edits, enum header_kind kind,
                              struct text realm, const struct message *received, unsigned *own)
{
    struct header_view view, from;
    int count = 0;
    for (bool is_there = edits_header(edits, kind, TEXT_NONE, &view); is_there;
         from = view, is_there = edits_header_next(edits, &from, &view)) {
        if (!is_for_realm(run, view.value, realm))
            continue;
        const char *end = received ? received->bytes.p + received->bytes.n : NULL;
        if (received && (view.value.p < received->bytes.p || view.value.p >= end))
            (*own)++;
        int error = edits_remove(edits, &view);
        if (error)
            return error;
        count++;
    }
    return count;
}

/** (req, realm) -> number of headers taken out; or nil, err */
static int core_auth_consume(lua_State *L)
{
    struct auth_call call;
    if (!begin(L, &call, "auth.consume"))
        return api_push_result(L, ERROR_CANCELLED);
    struct edits *edits = subject_edits(L, &call.subject, "auth.consume");
    struct run *run = call.subject.run;
    int www = remove_credentials(run, edits, HEADER_AUTHORIZATION, call.scope.realm, NULL, NULL);
    int proxy = www < 0 ? www
                        : remove_credentials(run, edits, HEADER_PROXY_AUTHORIZATION,
                                             call.scope.realm, NULL, NULL);
    if (proxy < 0)
        return api_push_result(L, proxy);
    lua_pushinteger(L, www + proxy);
    return 1;
}

/** The first challenge that can be answered (RFC 8760 s2.4). @return 0 or ERROR_NOT_FOUND */
static int choose_challenge(struct run *run, const struct message *reply, enum header_kind kind,
                            struct digest *challenge)
{
    const struct header *header = message_header(reply, kind);
    for (; header; header = message_header_next(reply, header))
        if (digest_challenge_parse(challenge, &run->arena, header->value) == 0)
            return 0;
    return ERROR_NOT_FOUND;
}

/** Print the credentials and put them into the request. Raises nothing. */
static int add_credentials(const struct subject *subject, struct edits *edits,
                           const struct digest *challenge, struct digest_client *client,
                           const char *header)
{
    struct buffer out = {0};
    struct digest_request request = {subject->message->method_text, edits_body(edits)};
    client->uri = edits_request_uri(edits);
    client->nc = 1;
    int error = digest_answer(&out, challenge, client, &request);
    if (!error)
        error = edits_append(edits, text_of(header), buffer_text(&out));
    buffer_release(&out);
    return error;
}

/** (req, reply, username, password) -> true; or nil, reason */
static int core_auth_answer(lua_State *L)
{
    struct subject subject, reply;
    struct digest challenge;
    char cnonce[17] = {0};
    unsigned own = 0;
    handle_check_context(L, 1, &subject, "auth.answer");
    handle_check(L, 2, &reply);
    if (subject.is_reply || !reply.is_reply || subject.run->kind != RUN_FAILURE)
        api_misuse(L, "auth.answer: the request and the reply of a failure route are needed");
    struct digest_client client = {.username = api_text(L, 3, "auth.answer: username"),
                                   .password = api_text(L, 4, "auth.answer: password")};
    struct edits *edits = subject_edits(L, &subject, "auth.answer");
    unsigned status = reply.message ? reply.message->status : 0;
    bool is_proxy = status == 407;
    if (handle_is_over(&subject))
        return api_push_result(L, ERROR_CANCELLED);
    if ((status != 401 && !is_proxy) ||
        choose_challenge(subject.run, reply.message,
                         is_proxy ? HEADER_PROXY_AUTHENTICATE : HEADER_WWW_AUTHENTICATE,
                         &challenge))
        return api_push_failure(L, "no challenge that can be answered");
    enum header_kind kind = is_proxy ? HEADER_PROXY_AUTHORIZATION : HEADER_AUTHORIZATION;
    int error =
        remove_credentials(subject.run, edits, kind, challenge.realm, subject.message, &own);
    if (error < 0)
        return api_push_result(L, error);
    if (own && !challenge.is_stale)
        return api_push_failure(L, "the credentials were refused");
    random_token(&subject.run->generation->random, cnonce, sizeof cnonce - 1);
    client.cnonce = text_of(cnonce);
    return api_push_result(
        L, add_credentials(&subject, edits, &challenge, &client, header_kind_name(kind)));
}

/** (user, realm) */
static int core_auth_forget(lua_State *L)
{
    struct auth *auth = generation_of(L)->options.auth;
    struct text user = api_text(L, 1, "auth.forget: user");
    struct text realm = api_text(L, 2, "auth.forget: realm");
    if (auth)
        auth_forget(auth, user, realm);
    return 0;
}

static const luaL_Reg functions[] = {
    {"auth_find", core_auth_find},
    {"auth_verify", core_auth_verify},
    {"auth_challenge", core_auth_challenge},
    {"auth_consume", core_auth_consume},
    {"auth_answer", core_auth_answer},
    {"auth_forget", core_auth_forget},
    {NULL, NULL},
};

void api_auth_open(lua_State *L)
{
    api_register(L, functions);
}

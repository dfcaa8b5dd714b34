/*
 * core.registrar_fetch(): where the database alone counts (location { db_mode = 3 }), what it has of an AoR comes before
 * the AoR is used. The coroutine yields meanwhile.
 */
#include "script/state.h"

/** Whose bindings will be used: the URI given, else To's of a REGISTER, else the Request-URI's. */
static int wanted_aor(lua_State *L, struct text *aor)
{
    struct subject subject;
    struct text uri = api_text_or_none(L, 2, "registrar: URI");
    if (text_is_set(uri))
        return api_aor_of(L, aor, uri);
    handle_check(L, 1, &subject);
    const struct name_addr *to = message_to(subject.message);
    if (subject.message->method != METHOD_REGISTER)
        return api_aor_of(L, aor, edits_request_uri(subject.edits));
    return to ? api_aor_of(L, aor, to->uri_text) : ERROR_SYNTAX;
}

/**
 * (req or nil, URI or nil, what for) -> true: what memory has is what counts; false, err: the store cannot tell;
 * nothing when the run has waited for it: then registrar_fetched() says how it went.
 */
static int core_registrar_fetch(lua_State *L)
{
    struct text aor;
    struct script *script = generation_of(L)->script;
    struct keeper *keeper = script ? script->options.keeper : NULL;
    lua_pushboolean(L, 1);
    if (!keeper || !keeper_reads_through(keeper) || wanted_aor(L, &aor))
        return 1;
    struct run *run = run_check_wait(L, lua_tostring(L, 3));
    struct question *question = run_question(run);
    struct database_home home = database_mailbox_home(script->options.answers);
    int error =
        question ? keeper_fetch(keeper, aor, &home, run_question_answered, question) : ERROR_MEMORY;
    if (!error)
        return lua_yield(L, 0);
    if (question)
        run_forget_question(run);
    if (error == ERROR_STATE)
        return 1;
    lua_pushboolean(L, 0);
    api_push_error_text(L, error);
    return 2;
}

/** () -> true; or false, err */
static int core_registrar_fetched(lua_State *L)
{
    const struct database_answer *answer = question_take(L);
    int error = answer ? answer->error : ERROR_CANCELLED;
    lua_pushboolean(L, !error);
    if (!error)
        return 1;
    api_push_error_text(L, error);
    return 2;
}

static const luaL_Reg functions[] = {
    {"registrar_fetch", core_registrar_fetch},
    {"registrar_fetched", core_registrar_fetched},
    {NULL, NULL},
};

void api_registrar_fetch_open(lua_State *L)
{
    api_register(L, functions);
}

/*
 * core.http_*: HTTP as sip.http sees it. A request is asked, the coroutine yields, and what is asked for
 * next, core.http_take(), makes Lua values of the answer: under lua_resume(), while it is borrowed.
 */
#include "script/state.h"

#include "base/error.h"
#include "base/memory.h"

/* ---- asking ---- */

/** The list { name, value, name, value ... } at @p index. @return 0 or ERROR_MEMORY */
static int read_fields(lua_State *L, int index, struct run *run, struct http_request *request)
{
    size_t count = lua_objlen(L, index) / 2;
    struct http_field *fields = arena_alloc(&run->arena, (count + 1) * sizeof *fields);
    if (!fields)
        return ERROR_MEMORY;
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, index, (int)(2 * i) + 1);
        lua_rawgeti(L, index, (int)(2 * i) + 2);
        /* Texts that the list holds. */
        fields[i].name = api_text(L, -2, "the name of a header field");
        fields[i].value = api_text(L, -1, "the value of a header field");
        lua_pop(L, 2);
    }
    request->fields = fields;
    request->field_count = count;
    return 0;
}

static void on_answer(void *arg, const struct http_answer *answer)
{
    question_answered(arg, answer);
}

/** http_ask() itself refused: in words of whoever wrote the script. */
static int push_refusal(lua_State *L, int error, const char *problem)
{
    if (error == ERROR_LIMIT)
        return question_push_problem(L, error, "too many requests are under way (http.requests)");
    return question_push_problem(L, error == ERROR_STATE ? ERROR_CANCELLED : error, problem);
}

static int ask(lua_State *L, struct run *run, const struct http_request *request)
{
    struct generation *generation = generation_of(L);
    const char *problem = NULL;
    if (generation->script->is_stopping)
        return question_push_problem(L, ERROR_CANCELLED, NULL);
    struct question *question = run_question(run);
    if (!question)
        return question_push_problem(L, ERROR_MEMORY, NULL);
    int error = http_ask(generation->options.http, request, generation->script->options.answers,
                         on_answer, question, &problem);
    if (error) {
        run_forget_question(run);
        return push_refusal(L, error, problem);
    }
    return lua_yield(L, 0);
}

/**
 * (method, url, fields, body or nil, timeout_ms or nil, redirects): nothing when http_take() has it; or nil,
 * problem, reason
 */
static int core_http_ask(lua_State *L)
{
    struct http_request request = {
        .method = api_text(L, 1, "http: the method"),
        .url = api_text(L, 2, "http: the URL"),
    };
    luaL_checktype(L, 3, LUA_TTABLE);
    if (!lua_isnil(L, 4))
        request.body = api_text(L, 4, "http: the body");
    if (!lua_isnil(L, 5))
        request.deadline_ms = (uint32_t)api_number(L, 5, 1, UINT32_MAX, "timeout_ms");
    request.redirects = (unsigned)api_number(L, 6, 0, INT32_MAX, "redirects");
    struct run *run = run_check_wait(L, "http");
    if (!generation_of(L)->options.http)
        return api_misuse(L, "http: no requests can be made here");
    if (read_fields(L, 3, run, &request))
        return question_push_problem(L, ERROR_MEMORY, NULL);
    return ask(L, run, &request);
}

/* ---- taking the answer ---- */

/** Push { name, value, name, value ... } in the answer's order. */
static void push_fields(lua_State *L, const struct http_answer *answer)
{
    lua_createtable(L, (int)answer->field_count * 2, 0);
    for (size_t i = 0; i < answer->field_count; i++) {
        lua_pushlstring(L, answer->fields[i].name.p, answer->fields[i].name.n);
        lua_rawseti(L, -2, (int)(2 * i) + 1);
        lua_pushlstring(L, answer->fields[i].value.p, answer->fields[i].value.n);
        lua_rawseti(L, -2, (int)(2 * i) + 2);
    }
}

/** () -> status, body, fields; or nil, problem, reason. Right after http_ask(). */
static int core_http_take(lua_State *L)
{
    const struct http_answer *answer = question_take(L);
    if (!answer)
        return question_push_problem(L, ERROR_CANCELLED, NULL);
    if (answer->error)
        return question_push_problem(L, answer->error, answer->problem);
    run_charge(generation_of(L), answer->field_count * 2 + 1);
    lua_pushnumber(L, (lua_Number)answer->status);
    lua_pushlstring(L, answer->body.p, answer->body.n);
    push_fields(L, answer);
    return 3;
}

static const luaL_Reg functions[] = {
    {"http_ask", core_http_ask},
    {"http_take", core_http_take},
    {NULL, NULL},
};

void api_http_open(lua_State *L)
{
    api_register(L, functions);
}

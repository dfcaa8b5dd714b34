/*
 * core.sql_*: databases as sip.sql sees them. A database is a number here, its place in what the generation
 * opened. A query is asked, the coroutine yields, and what is asked for next, core.sql_take(), makes Lua
 * values of the answer: under lua_resume(), while the answer is borrowed.
 */
#include "script/state.h"

#include "base/memory.h"

#include <math.h>
#include <stdio.h>

#define EXACT_MOST (INT64_C(1) << 53) /* integers up to here are exact as Lua's numbers */

/* ---- opening ---- */

/** Keep it with the generation. @return its number from 1, or 0 without memory */
static size_t keep(struct generation *generation, struct database *database)
{
    size_t count = generation->database_count;
    for (size_t i = 0; i < count; i++) {
        if (generation->databases[i] == database) {
            databases_close(generation->options.databases, database);
            return i + 1;
        }
    }
    struct database **v =
        memory_raw_resize(generation->databases, (count + 1) * sizeof *generation->databases);
    if (!v) {
        databases_close(generation->options.databases, database);
        return 0;
    }
    generation->databases = v;
    v[generation->database_count++] = database;
    return count + 1;
}

/** The URL that was given, else the configuration's; misuse where there is neither. */
static const char *read_url(lua_State *L)
{
    const struct configuration *configuration = generation_of(L)->configuration;
    if (!lua_isnoneornil(L, 1))
        return api_text(L, 1, "sql.open: the URL").p;
    if (!configuration || !configuration->database_url)
        api_misuse(L,
                   "sql.open: a URL is needed, or database { url = \"...\" } in the configuration");
    return configuration->database_url;
}

/**
 * (url or nil) -> number, name; or nil, err. Without a URL the configuration's is meant. Where nothing can be asked, the
 * number is 0 and only the URL is checked.
 */
static int core_sql_open(lua_State *L)
{
    struct generation *generation = generation_of(L);
    const char *url = read_url(L), *problem;
    struct database *database;
    int error = database_check_url(url, &problem);
    if (error == ERROR_ARGUMENT)
        return api_misuse(L, "sql.open: %s", problem);
    if (!error && !generation->options.databases) {
        lua_pushinteger(L, 0);
        return 1;
    }
    if (!error)
        error = databases_open(generation->options.databases, url, &database);
    if (error)
        return api_push_result(L, error);
    size_t number = keep(generation, database);
    if (!number)
        return api_push_result(L, ERROR_MEMORY);
    lua_pushinteger(L, (lua_Integer)number);
    lua_pushstring(L, database_name(database));
    return 2;
}

/** (url) -> nil, or what is wrong with it */
static int core_sql_check_url(lua_State *L)
{
    const char *problem = NULL;
    if (database_check_url(api_text(L, 1, "the URL").p, &problem) == ERROR_ARGUMENT)
        lua_pushstring(L, problem);
    else
        lua_pushnil(L);
    return 1;
}

/* ---- what went wrong ---- */

/** database_ask() itself refused: in words of whoever wrote the script. */
static int push_refusal(lua_State *L, int error)
{
    if (error == ERROR_ARGUMENT)
        return api_misuse(L,
                          "db: as many values as the statement has '?' are needed, and it neither "
                          "begins nor ends a transaction");
    if (error == ERROR_LIMIT)
        return question_push_problem(L, error, "too many queries wait (database.queue)");
    return question_push_problem(L, error == ERROR_STATE ? ERROR_CANCELLED : error, NULL);
}

/* ---- asking ---- */

static void read_value(lua_State *L, int index, struct database_value *value)
{
    *value = (struct database_value){.type = DATABASE_NULL};
    switch (lua_type(L, index)) {
    case LUA_TNIL: return;
    case LUA_TBOOLEAN:
        value->type = DATABASE_INTEGER;
        value->integer = lua_toboolean(L, index);
        return;
    case LUA_TNUMBER:
        value->real = lua_tonumber(L, index);
        value->type = DATABASE_REAL;
        if (value->real == floor(value->real) && fabs(value->real) <= (double)EXACT_MOST) {
            value->type = DATABASE_INTEGER;
            value->integer = (int64_t)value->real;
        }
        return;
    case LUA_TSTRING:
        value->type = DATABASE_TEXT;
        value->text.p = lua_tolstring(L, index, &value->text.n);
        return;
    default:
        api_misuse(L, "db: a value is a text, a number, a boolean or nil, not a %s",
                   luaL_typename(L, index));
    }
}

/** @return the values from @p first on, in the run's arena; NULL without memory */
static struct database_value *read_values(lua_State *L, struct run *run, int first, size_t *count)
{
    int top = lua_gettop(L);
    *count = top >= first ? (size_t)(top - first + 1) : 0;
    struct database_value *values = arena_alloc(&run->arena, (*count + 1) * sizeof *values);
    for (size_t i = 0; values && i < *count; i++)
        read_value(L, first + (int)i, &values[i]);
    return values;
}

/** (database, statement, timeout_ms or nil, values ...): nothing when sql_take() has it; or nil, problem, reason */
static int core_sql_ask(lua_State *L)
{
    struct generation *generation = generation_of(L);
    size_t place = (size_t)api_number(L, 1, 0, UINT32_MAX, "database");
    struct database_query query = {.sql = api_text(L, 2, "db: the statement")};
    if (!lua_isnil(L, 3))
        query.deadline_ms = (uint32_t)api_number(L, 3, 1, UINT32_MAX, "timeout_ms");
    struct run *run = run_check_wait(L, "db");
    if (place == 0 || place > generation->database_count)
        return api_misuse(L, "db: nothing can be asked here");
    query.values = read_values(L, run, 4, &query.value_count);
    if (generation->script->is_stopping)
        return question_push_problem(L, ERROR_CANCELLED, NULL);
    struct question *question = query.values ? run_question(run) : NULL;
    if (!question)
        return question_push_problem(L, ERROR_MEMORY, NULL);
    struct database_home home = database_mailbox_home(generation->script->options.answers);
    int error = database_ask(generation->databases[place - 1], &query, &home, run_question_answered,
                             question);
    if (error) {
        run_forget_question(run);
        return push_refusal(L, error);
    }
    return lua_yield(L, 0);
}

/* ---- taking the answer ---- */

static void push_value(lua_State *L, const struct database_value *value)
{
    char digits[24];
    switch (value->type) {
    case DATABASE_NULL: lua_pushnil(L); return;
    case DATABASE_REAL: lua_pushnumber(L, value->real); return;
    case DATABASE_TEXT:
        lua_pushlstring(L, value->text.p ? value->text.p : "", value->text.n);
        return;
    case DATABASE_INTEGER: break;
    }
    if (value->integer >= -EXACT_MOST && value->integer <= EXACT_MOST) {
        lua_pushnumber(L, (lua_Number)value->integer);
        return;
    }
    snprintf(digits, sizeof digits, "%lld", (long long)value->integer);
    lua_pushstring(L, digits);
}

/** Push an array of rows, tables by the names of the columns. */
static void push_rows(lua_State *L, const struct database_answer *answer)
{
    lua_createtable(L, (int)answer->row_count, 0);
    for (size_t row = 0; row < answer->row_count; row++) {
        lua_createtable(L, 0, (int)answer->column_count);
        for (size_t column = 0; column < answer->column_count; column++) {
            push_value(L, database_at(answer, row, column));
            lua_setfield(L, -2, answer->names[column]);
        }
        lua_rawseti(L, -2, (int)row + 1);
    }
}

/** (wants rows) -> rows or the number of affected ones; or nil, problem, reason. Right after sql_ask(). */
static int core_sql_take(lua_State *L)
{
    struct generation *generation = generation_of(L);
    const struct database_answer *answer = question_take(L);
    if (!answer)
        return question_push_problem(L, ERROR_CANCELLED, NULL);
    if (answer->error)
        return question_push_problem(L, answer->error, answer->problem);
    if (!lua_toboolean(L, 1)) {
        lua_pushnumber(L, (lua_Number)answer->affected_rows);
        return 1;
    }
    run_charge(generation, answer->row_count * (answer->column_count + 1));
    push_rows(L, answer);
    return 1;
}

static const luaL_Reg functions[] = {
    {"sql_open", core_sql_open},
    {"sql_check_url", core_sql_check_url},
    {"sql_ask", core_sql_ask},
    {"sql_take", core_sql_take},
    {NULL, NULL},
};

void api_sql_open(lua_State *L)
{
    api_register(L, functions);
}

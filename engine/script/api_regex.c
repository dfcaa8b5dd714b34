/*
 * core.regex(), core.regex_match(): regular expressions (PCRE2) for {re.subst}.
 *
 * A pattern can take exponential time, and the budget hook does not fire in C: so PCRE2 calls back
 * at every item of the pattern that it tries, and one substitution may try script.regex_steps of
 * them together, however many matches it makes.
 */
#include "script/state.h"

#include "base/counter.h"
#include "base/memory.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#define REGEX_METATABLE   "lunasip.regex"
#define REGEX_CAPTURES    9    /* \1 to \9 */
#define REGEX_HEAP_KIB    4096 /* of PCRE2's backtracking */
#define REGEX_STEPS_LONG  1000 /* more of them count as instructions */
#define REGEX_STEPS_SLACK 10   /* PCRE2's own count of steps is only a second line of defence */

/** A compiled pattern; what it owns goes with the Lua object. */
struct regex {
    pcre2_general_context *memory;
    pcre2_match_context *context;
    pcre2_match_data *found;
    pcre2_code *code;
    uint64_t steps; /**< left of this substitution */
};

static void *regex_allocate(PCRE2_SIZE size_bytes, void *arg)
{
    (void)arg;
    return memory_raw(size_bytes);
}

static void regex_free(void *block, void *arg)
{
    (void)arg;
    memory_free_raw(block);
}

static int regex_release(lua_State *L)
{
    struct regex *regex = lua_touserdata(L, 1);
    pcre2_code_free(regex->code);
    pcre2_match_data_free(regex->found);
    pcre2_match_context_free(regex->context);
    pcre2_general_context_free(regex->memory);
    *regex = (struct regex){0};
    return 0;
}

/** One more item tried. @return 0: go on */
static int count_step(pcre2_callout_block *block, void *arg)
{
    (void)block;
    struct regex *regex = arg;
    if (regex->steps == 0)
        return PCRE2_ERROR_CALLOUT;
    regex->steps--;
    return 0;
}

static struct regex *regex_new(lua_State *L)
{
    struct regex *regex = lua_newuserdata(L, sizeof *regex);
    *regex = (struct regex){0};
    luaL_getmetatable(L, REGEX_METATABLE);
    lua_setmetatable(L, -2);
    regex->memory = pcre2_general_context_create(regex_allocate, regex_free, NULL);
    if (regex->memory) {
        regex->context = pcre2_match_context_create(regex->memory);
        regex->found = pcre2_match_data_create(REGEX_CAPTURES + 1, regex->memory);
    }
    if (!regex->context || !regex->found)
        luaL_error(L, "not enough memory");
    return regex;
}

/** As POSIX has them with newlines special, unless @p flags has 's' (one line), 'i': ignore case. */
static uint32_t regex_options(const char *flags)
{
    uint32_t options = PCRE2_AUTO_CALLOUT | PCRE2_NEVER_BACKSLASH_C | PCRE2_NEVER_UTF;
    options |= strchr(flags, 's') ? PCRE2_DOTALL | PCRE2_DOLLAR_ENDONLY : PCRE2_MULTILINE;
    return strchr(flags, 'i') ? options | PCRE2_CASELESS : options;
}

/** core.regex(pattern, flags) -> compiled, or nil, err */
static int core_regex(lua_State *L)
{
    struct text pattern = api_text(L, 1, "pattern");
    api_text(L, 2, "flags");
    const char *flags = lua_tostring(L, 2);
    struct regex *regex = regex_new(L);
    pcre2_compile_context *newlines = pcre2_compile_context_create(regex->memory);
    if (!newlines)
        return luaL_error(L, "not enough memory");
    pcre2_set_newline(newlines, PCRE2_NEWLINE_LF);
    int error;
    PCRE2_SIZE at;
    regex->code = pcre2_compile((PCRE2_SPTR)pattern.p, pattern.n, regex_options(flags), &error, &at,
                                newlines);
    pcre2_compile_context_free(newlines);
    if (regex->code) {
        pcre2_set_callout(regex->context, count_step, regex);
        pcre2_set_heap_limit(regex->context, REGEX_HEAP_KIB);
        return 1;
    }
    char reason[128];
    pcre2_get_error_message(error, (PCRE2_UCHAR *)reason, sizeof reason);
    lua_pushnil(L);
    lua_pushfstring(L, "%s at character %d of '%s'", reason, (int)at, lua_tostring(L, 1));
    return 2;
}

static void push_captures(lua_State *L, const struct regex *regex, const char *subject, int count)
{
    const PCRE2_SIZE *at = pcre2_get_ovector_pointer(regex->found);
    for (int i = 1; i <= REGEX_CAPTURES; i++) {
        bool is_set = i < count && at[2 * i] != PCRE2_UNSET;
        lua_pushlstring(L, is_set ? subject + at[2 * i] : "",
                        is_set ? at[2 * i + 1] - at[2 * i] : 0);
    }
}

static struct regex *check_regex(lua_State *L, int index)
{
    return luaL_checkudata(L, index, REGEX_METATABLE);
}

/**
 * core.regex_match(regex, subject, start, is_first) -> first, last, the nine captures; nothing when
 * there is no match; nil, err when it took too long. Places count from 1, an empty match has
 * last = first - 1.
 */
static int core_regex_match(lua_State *L)
{
    struct regex *regex = check_regex(L, 1);
    struct text subject = api_text(L, 2, "text");
    size_t start = (size_t)api_number(L, 3, 1, subject.n + 1, "start") - 1;
    struct generation *generation = generation_of(L);
    uint64_t steps = generation->options.settings->script_regex_steps;
    if (lua_toboolean(L, 4)) {
        regex->steps = steps;
        uint64_t slack = steps * REGEX_STEPS_SLACK;
        pcre2_set_match_limit(regex->context, slack > UINT32_MAX ? UINT32_MAX : (uint32_t)slack);
    }
    uint64_t before = regex->steps;
    int count = pcre2_match(regex->code, (PCRE2_SPTR)subject.p, subject.n, start, 0, regex->found,
                            regex->context);
    if (before - regex->steps > REGEX_STEPS_LONG)
        run_charge(generation, before - regex->steps);
    if (count == PCRE2_ERROR_NOMATCH)
        return 0;
    if (count == PCRE2_ERROR_NOMEMORY)
        return luaL_error(L, "not enough memory");
    if (count < 0) {
        generation_count(generation, COUNTER_SCRIPT_REGEX_LIMIT);
        return api_push_failure(L, "the pattern takes too many steps (script.regex_steps)");
    }
    const PCRE2_SIZE *at = pcre2_get_ovector_pointer(regex->found);
    /* \K inside a look-ahead could put the end before the start. */
    PCRE2_SIZE end = at[1] < at[0] ? at[0] : at[1];
    lua_pushnumber(L, (double)at[0] + 1);
    lua_pushnumber(L, (double)end);
    push_captures(L, regex, subject.p, count == 0 ? REGEX_CAPTURES + 1 : count);
    return 2 + REGEX_CAPTURES;
}

static const luaL_Reg functions[] = {
    {"regex", core_regex},
    {"regex_match", core_regex_match},
    {NULL, NULL},
};

void api_regex_open(lua_State *L)
{
    api_register(L, functions);
    luaL_newmetatable(L, REGEX_METATABLE);
    lua_pushcfunction(L, regex_release);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
}

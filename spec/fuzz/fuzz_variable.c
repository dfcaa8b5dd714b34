/* Any bytes as a format with variables: it compiles or is refused with a reason, and its pieces are the text. */
#include "script/state.h"

#include "base/error.h"
#include "base/memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);
int __lsan_is_turned_off(void);

/* Objects that Lua alone knows of look lost to the leak sanitizer: LuaJIT's memory is not malloc's. */
int __lsan_is_turned_off(void)
{
    return 1;
}

static int compile(lua_State *L)
{
    const struct text *text = lua_touserdata(L, 1);
    lua_getglobal(L, "require");
    lua_pushliteral(L, "lunasip.format");
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "split");
    lua_pushlstring(L, text->p, text->n);
    lua_call(L, 1, 1);
    struct buffer joined = {0};
    for (int i = 1; i <= (int)lua_objlen(L, -1); i++) {
        struct text piece;
        lua_rawgeti(L, -1, i);
        piece.p = lua_tolstring(L, -1, &piece.n);
        buffer_append(&joined, piece);
        lua_pop(L, 1);
    }
    engine_require(text_equal(buffer_text(&joined), *text));
    buffer_release(&joined);
    lua_pop(L, 1);
    lua_getfield(L, -1, "compile");
    lua_pushlstring(L, text->p, text->n);
    lua_call(L, 1, 2);
    engine_require(lua_isfunction(L, -2) != lua_isstring(L, -1));
    lua_getfield(L, -3, "without_variables");
    lua_pushlstring(L, text->p, text->n);
    lua_call(L, 1, 1);
    engine_require(lua_isstring(L, -1));
    return 0;
}

/** One state for all inputs, as a script has one for all its calls. */
static struct generation *open_generation(void)
{
    static struct settings settings;
    struct generation *generation;
    settings_default(&settings);
    const struct generation_options options = {
        .settings = &settings,
        .lua_dir = LUNASIP_LUA_DIR,
        .is_deterministic = true,
    };
    engine_require(generation_open(&generation, &options) == 0);
    return generation;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static struct generation *generation;
    struct text text = {(const char *)bytes, n};
    char *fault = NULL;
    if (!generation)
        generation = open_generation();
    int error = generation_protect(generation, compile, &text, &fault);
    if (error)
        fprintf(stderr, "%s\n", fault ? fault : error_text(error));
    engine_require(error == 0);
    return 0;
}

/* core.media_*: what sip.media is made of. */
#include "script/state.h"

#include "base/memory.h"

#define FLAG_BYTES 256 /* longest flag shown in an error */

/** The flag that was not understood, kept while its memory goes. */
struct flag_fault {
    int error; /**< ERROR_ARGUMENT: misuse, and flag says of which kind */
    char flag[FLAG_BYTES];
};

static void note_fault(struct flag_fault *fault, int error, struct text flag)
{
    fault->error = error;
    size_t n = flag.n < FLAG_BYTES ? flag.n : FLAG_BYTES - 1;
    if (n)
        memcpy(fault->flag, flag.p, n);
    fault->flag[n] = 0;
}

/** One flag, its value on top of the stack: numbers and texts as they are, true and false as words. */
static void set_flag(lua_State *L, struct text name, struct media_flags *flags,
                     struct flag_fault *fault)
{
    struct text value;
    switch (lua_type(L, -1)) {
    case LUA_TSTRING:
    case LUA_TNUMBER: value.p = lua_tolstring(L, -1, &value.n); break;
    case LUA_TBOOLEAN: value = lua_toboolean(L, -1) ? TEXT("true") : TEXT("false"); break;
    default: note_fault(fault, ERROR_ARGUMENT, text_of(luaL_typename(L, -1))); return;
    }
    int error = media_flags_set(flags, name, value);
    if (error)
        note_fault(fault, error, name);
}

/** Every value of the list on top of the stack. */
static void set_each(lua_State *L, struct text name, struct media_flags *flags,
                     struct flag_fault *fault)
{
    int count = (int)lua_objlen(L, -1);
    for (int i = 1; i <= count && !fault->error; i++) {
        lua_rawgeti(L, -1, i);
        set_flag(L, name, flags, fault);
        lua_pop(L, 1);
    }
}

/** Every flag of the table at @p index: { name = value | { values } }. */
static void set_flags(lua_State *L, int index, struct media_flags *flags, struct flag_fault *fault)
{
    for (lua_pushnil(L); !fault->error && lua_next(L, index); lua_pop(L, 1)) {
        struct text name;
        if (lua_type(L, -2) != LUA_TSTRING) {
            note_fault(fault, ERROR_ARGUMENT, TEXT_NONE);
            continue;
        }
        name.p = lua_tolstring(L, -2, &name.n);
        if (lua_istable(L, -1))
            set_each(L, name, flags, fault);
        else
            set_flag(L, name, flags, fault);
    }
    if (fault->error)
        lua_settop(L, index);
}

static int raise_misuse(lua_State *L, const struct flag_fault *fault)
{
    if (!fault->flag[0])
        return api_misuse(L, "media: options are named: { from = \"public\", to = \"private\" }");
    return api_misuse(L, "media: a flag's value is a text, true, false or a list of texts, not %s",
                      fault->flag);
}

/** Push nil and what is wrong with a flag. */
static int push_fault(lua_State *L, const struct flag_fault *fault)
{
    const char *what = fault->error == ERROR_UNSUPPORTED ? "is not supported"
                       : fault->error == ERROR_LIMIT     ? "names too many codecs"
                       : fault->error == ERROR_MEMORY    ? "finds no memory"
                                                         : "is unknown or has a wrong value";
    lua_pushnil(L);
    lua_pushfstring(L, "media flag '%s' %s", fault->flag, what);
    return 2;
}

/** Read the options at @p index. Nothing in here raises once @p flags exists. */
static void read_flags(lua_State *L, int index, struct media_flags *flags, struct flag_fault *fault)
{
    if (lua_istable(L, index)) {
        set_flags(L, index, flags, fault);
        return;
    }
    struct text bad = TEXT_NONE, text;
    text.p = lua_tolstring(L, index, &text.n);
    int error = media_flags_parse(flags, text, &bad);
    if (error)
        note_fault(fault, error, bad);
}

int api_read_media_flags(lua_State *L, int index, struct media_flags **flagsp)
{
    struct flag_fault fault;
    fault.error = 0;
    if (!lua_istable(L, index))
        api_text(L, index, "media: options");
    if (media_flags_create(flagsp))
        return api_push_result(L, ERROR_MEMORY);
    read_flags(L, index, *flagsp, &fault);
    if (!fault.error)
        return 0;
    *flagsp = memory_release(*flagsp);
    return fault.error == ERROR_ARGUMENT ? raise_misuse(L, &fault) : push_fault(L, &fault);
}

/** (msg [, table | flag string]) -> true or nil, err */
static int core_media_manage(lua_State *L)
{
    struct subject subject;
    struct media_flags *flags = NULL;
    handle_check_context(L, 1, &subject, "media.manage");
    if (!subject.message || handle_is_over(&subject))
        return api_push_result(L, subject.message ? ERROR_CANCELLED : ERROR_STATE);
    lua_settop(L, 2);
    int type = lua_type(L, 2);
    if (type != LUA_TTABLE && type != LUA_TSTRING && type != LUA_TNIL)
        return api_misuse(L, "media.manage: options are a table or a flag string, not a %s",
                          lua_typename(L, type));
    int refused = type == LUA_TNIL ? 0 : api_read_media_flags(L, 2, &flags);
    if (refused)
        return refused;
    struct branch *branch = subject.run->kind == RUN_BRANCH ? subject.run->route.branch : NULL;
    int error = call_media_manage(subject.context, branch, subject.message, flags);
    memory_release(flags);
    return api_push_result(L, error);
}

/** (flag string) -> true, or nil and what is wrong with a flag that is not known or not built */
static int core_media_flags_check(lua_State *L)
{
    struct flag_fault fault = {0};
    struct media_flags *flags;
    api_text(L, 1, "media flags");
    if (media_flags_create(&flags))
        return api_push_result(L, ERROR_MEMORY);
    read_flags(L, 1, flags, &fault);
    memory_release(flags);
    return fault.error ? push_fault(L, &fault) : api_push_result(L, 0);
}

static const luaL_Reg functions[] = {
    {"media_manage", core_media_manage},
    {"media_flags_check", core_media_flags_check},
    {NULL, NULL},
};

void api_media_open(lua_State *L)
{
    api_register(L, functions);
}

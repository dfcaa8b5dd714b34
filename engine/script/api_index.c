/*
 * The messages' metatable: req.word, req:method(), req["$var"].
 *
 * Every name that a message answers to stands in one hash table of the generation. Lua keeps each
 * text once, so a name is found by the address of its bytes; upvalue 1 of message_index() holds the
 * names, so that no address is ever used again, the upvalues after it hold the methods. Variables
 * that are a word by another name ("$ru") stand in the table, too; the other "$" names go to lua/.
 */
#include "script/state.h"

#define METHODS_MOST 60 /* upvalues of one C function are below 255 */

static const struct word *const word_lists[] = {words_message, words_address, words_network,
                                                words_flags};

/* ---- names ---- */

static struct message_name *slot_of(struct generation *generation, const char *name)
{
    uint64_t hash = (uint64_t)(uintptr_t)name * 0x9e3779b97f4a7c15u;
    struct message_name *names = generation->names;
    size_t place = hash >> (64 - MESSAGE_NAMES_BITS);
    while (names[place].name && names[place].name != name)
        place = (place + 1) % MESSAGE_NAMES;
    return &names[place];
}

/** What the text at @p index names, or NULL. */
static const struct message_name *find_name(lua_State *L, int index)
{
    const char *text = lua_tolstring(L, index, NULL);
    const struct message_name *slot = slot_of(generation_of(L), text);
    return text && slot->name ? slot : NULL;
}

/** Take the text on top of the stack as a name; the table at @p holder keeps it. Pops it. */
static void add_name(lua_State *L, int holder, const struct word *word, int method)
{
    struct generation *generation = generation_of(L);
    if (generation->name_count + 1 >= MESSAGE_NAMES)
        luaL_error(L, "too many words of messages");
    struct message_name *slot = slot_of(generation, lua_tolstring(L, -1, NULL));
    generation->name_count += slot->name ? 0 : 1;
    *slot = (struct message_name){lua_tolstring(L, -1, NULL), word, method};
    lua_pushboolean(L, 1);
    lua_rawset(L, holder);
}

static void add_words(lua_State *L, int holder)
{
    for (size_t list = 0; list < sizeof word_lists / sizeof *word_lists; list++) {
        for (const struct word *word = word_lists[list]; word->name; word++) {
            lua_pushstring(L, word->name);
            add_name(L, holder, word, 0);
        }
    }
}

/** Leaves the functions of the table at @p methods on the stack. @return how many */
static int add_methods(lua_State *L, int holder, int methods)
{
    int count = 0;
    luaL_checkstack(L, METHODS_MOST + 4, "methods");
    for (lua_pushnil(L); lua_next(L, methods);) {
        if (++count > METHODS_MOST)
            luaL_error(L, "too many methods of messages");
        lua_pushvalue(L, -2);
        add_name(L, holder, NULL, 1 + count);
        lua_insert(L, -2); /* the function below the name, where lua_next() goes on */
    }
    return count;
}

/* ---- reading ---- */

const struct word *word_named(lua_State *L, int index)
{
    const struct message_name *name = find_name(L, index);
    return name ? name->word : NULL;
}

void word_push(lua_State *L, const struct word *word, const struct subject *subject)
{
    char scratch[WORD_SCRATCH_BYTES];
    double number;
    const char *literal = word->literal ? word->literal(subject) : NULL;
    if (literal)
        api_push_literal(L, literal);
    else if (word->text)
        api_push_text(L, word->text(subject));
    else if (word->print)
        api_push_text(L, word->print(subject, scratch));
    else if (word->push)
        word->push(L, subject);
    else if (word->number && word->number(subject, &number))
        lua_pushnumber(L, number);
    else
        lua_pushnil(L);
}

static bool is_variable(lua_State *L)
{
    return lua_type(L, 2) == LUA_TSTRING && lua_tostring(L, 2)[0] == '$';
}

/**
 * LuaJIT crashes when it is refused the memory for a larger stack at the very start of a call from
 * C: so there is room before, asked for where a refusal is an error like any other.
 */
#define CALL_SLOTS 64

static int get_variable(lua_State *L)
{
    luaL_checkstack(L, CALL_SLOTS, "variable");
    lua_rawgeti(L, LUA_REGISTRYINDEX, generation_of(L)->pv_get_reference);
    lua_pushvalue(L, 1);
    lua_pushvalue(L, 2);
    lua_call(L, 2, 1);
    return 1;
}

static int message_index(lua_State *L)
{
    struct subject subject;
    const struct message_name *name = find_name(L, 2);
    if (name && !name->word) {
        lua_pushvalue(L, lua_upvalueindex(name->method));
        return 1;
    }
    handle_check(L, 1, &subject);
    if (name) {
        word_push(L, name->word, &subject);
        return 1;
    }
    if (is_variable(L))
        return get_variable(L);
    return api_misuse(L, "a message has no word or method '%.*s'", 64,
                      lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : luaL_typename(L, 2));
}

/* ---- writing ---- */

static int set_variable(lua_State *L)
{
    luaL_checkstack(L, CALL_SLOTS, "variable");
    lua_rawgeti(L, LUA_REGISTRYINDEX, generation_of(L)->pv_set_reference);
    lua_pushvalue(L, 1);
    lua_pushvalue(L, 2);
    lua_pushvalue(L, 3);
    lua_call(L, 3, 0);
    return 0;
}

static int message_newindex(lua_State *L)
{
    struct subject subject;
    handle_check(L, 1, &subject);
    if (is_variable(L))
        return set_variable(L);
    const struct message_name *found = find_name(L, 2);
    const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : luaL_typename(L, 2);
    if (!found || !found->word)
        return api_misuse(L, "a message has no word '%.64s' to assign to", name);
    if (!found->word->write)
        return api_misuse(L, "'%s' is read-only", name);
    found->word->write(L, &subject);
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

/* ---- putting it together ---- */

/** Give the word of the name on top of the stack a second name: the one below. Pops the upper. */
static void add_alias(lua_State *L, int holder)
{
    const struct word *word = word_named(L, -1);
    if (!word)
        luaL_error(L, "a message has no word '%s'", lua_tostring(L, -1));
    lua_pop(L, 1);
    lua_pushvalue(L, -1);
    add_name(L, holder, word, 0);
}

/** core.set_pv(get, set, { ["$x"] = word }): who reads and writes msg["$..."] */
static int core_set_pv(lua_State *L)
{
    struct generation *generation = generation_of(L);
    luaL_checktype(L, 1, LUA_TFUNCTION);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    luaL_checktype(L, 3, LUA_TTABLE);
    lua_rawgeti(L, LUA_REGISTRYINDEX, generation->names_reference);
    for (lua_pushnil(L); lua_next(L, 3);)
        add_alias(L, 4);
    luaL_unref(L, LUA_REGISTRYINDEX, generation->pv_get_reference);
    luaL_unref(L, LUA_REGISTRYINDEX, generation->pv_set_reference);
    lua_settop(L, 2);
    generation->pv_set_reference = luaL_ref(L, LUA_REGISTRYINDEX);
    generation->pv_get_reference = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

void api_index_open(lua_State *L)
{
    lua_pushcfunction(L, core_set_pv);
    lua_setfield(L, -2, "set_pv");
}

void api_message_open(lua_State *L)
{
    lua_newtable(L);
    int metatable = lua_gettop(L);
    lua_newtable(L);
    int holder = metatable + 1;
    lua_pushvalue(L, holder);
    generation_of(L)->names_reference = luaL_ref(L, LUA_REGISTRYINDEX);
    add_words(L, holder);
    lua_newtable(L);
    api_header_open(L);
    api_request_open(L);
    api_record_open_methods(L);
    lua_insert(L, holder);
    int count = add_methods(L, holder + 1, holder);
    lua_pushcclosure(L, message_index, 1 + count);
    lua_setfield(L, metatable, "__index");
    lua_settop(L, metatable);
    lua_pushcfunction(L, message_newindex);
    lua_setfield(L, metatable, "__newindex");
    lua_pushcfunction(L, message_tostring);
    lua_setfield(L, metatable, "__tostring");
    lua_pushboolean(L, 0);
    lua_setfield(L, metatable, "__metatable");
    /* The first handle makes room for its kind; none that comes later allocates. */
    handle_push(L, &(struct run){.serial = 1}, false);
    lua_insert(L, metatable);
    lua_setmetatable(L, metatable);
    lua_settop(L, metatable - 1);
}

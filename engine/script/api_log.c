/*
 * sip.log.LEVEL([message,] format, ...) without Lua: a line is printed into a buffer on the C stack.
 *
 * A format is compiled once to a program, a userdata that lua/ keeps by the format's text: pieces
 * that are literal, a word of the message, a variable that lua/ reads, or a directive of
 * string.format for one of the values. What is read is data: it is never looked at for variables or
 * directives. Without a message, variables stand as they are written; with a value that a directive
 * does not take, all directives do. Nothing (nil) of a variable prints as "<null>".
 */
#include "script/state.h"

#include <string.h>

#define WHOLE_NUMBERS 1e14 /* below, tostring() and %d print the same digits */

enum piece_kind {
    PIECE_LITERAL,
    PIECE_WORD,
    PIECE_VARIABLE,  /**< its getter is in the program's environment at .place */
    PIECE_TEXT,      /**< %s */
    PIECE_INTEGER,   /**< %d, %i */
    PIECE_PERCENT,   /**< %% */
    PIECE_DIRECTIVE, /**< any other, for string.format */
    PIECE_BAD,       /**< no directive */
};

struct piece {
    enum piece_kind kind;
    int place;
    const struct word *word;
    struct text text; /**< as written; the program's environment holds the string */
};

struct program {
    size_t count;
    struct piece pieces[];
};

/* ---- compiling ---- */

/** Cut the first directive, which begins with '%', off *rest. */
static struct piece cut_directive(struct text *rest)
{
    size_t n = 1 + strspn(rest->p + 1, "-+ #0123456789."); /* Lua's texts end with NUL */
    bool is_plain = n == 1;
    char c = n < rest->n ? rest->p[n] : 0;
    struct piece piece = {.kind = PIECE_BAD, .text = {rest->p, n}};
    if (c && strchr("%sdicqoxXuaAeEfgG", c)) {
        piece.kind = PIECE_DIRECTIVE;
        piece.text.n = n + 1;
    }
    if (c == '%')
        piece.kind = is_plain ? PIECE_PERCENT : PIECE_BAD;
    else if (is_plain && c == 's')
        piece.kind = PIECE_TEXT;
    else if (is_plain && (c == 'd' || c == 'i'))
        piece.kind = PIECE_INTEGER;
    *rest = text_span(rest->p + piece.text.n, rest->p + rest->n);
    return piece;
}

/** The pieces of a text without variables. @param pieces NULL: only count. @return how many */
static size_t split_text(struct text rest, struct piece *pieces)
{
    size_t count = 0;
    while (rest.n) {
        struct piece piece;
        const char *percent = text_find(rest, '%');
        if (percent == rest.p) {
            piece = cut_directive(&rest);
        } else {
            const char *end = percent ? percent : rest.p + rest.n;
            piece = (struct piece){.kind = PIECE_LITERAL, .text = text_span(rest.p, end)};
            rest = text_span(end, rest.p + rest.n);
        }
        if (pieces)
            pieces[count] = piece;
        count++;
    }
    return count;
}

/** Part @p i of the texts at index 1, with its variable, at index 2, on top of the stack. */
static struct text push_part(lua_State *L, int i)
{
    struct text text;
    lua_rawgeti(L, 1, i);
    text.p = luaL_checklstring(L, -1, &text.n);
    lua_rawgeti(L, 2, i);
    return text;
}

/** The variable on top of the stack, { get =, word = }. */
static struct piece variable_piece(lua_State *L, struct text text, int place)
{
    struct piece piece = {.kind = PIECE_VARIABLE, .place = place, .text = text};
    lua_getfield(L, -1, "word");
    piece.word = word_named(L, -1);
    if (piece.word)
        piece.kind = PIECE_WORD;
    lua_pop(L, 1);
    return piece;
}

/** (texts, variables) -> program; variables[i] is what texts[i] means, false for a literal text */
static int core_log_program(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checktype(L, 2, LUA_TTABLE);
    int parts = (int)lua_objlen(L, 1);
    size_t count = 0;
    for (int i = 1; i <= parts; i++, lua_settop(L, 2)) {
        struct text text = push_part(L, i);
        count += lua_istable(L, -1) ? 1 : split_text(text, NULL);
    }
    struct program *program = lua_newuserdata(L, sizeof *program + count * sizeof *program->pieces);
    program->count = 0;
    for (int i = 1; i <= parts; i++, lua_settop(L, 3)) {
        struct text text = push_part(L, i);
        struct piece *next = &program->pieces[program->count];
        if (lua_istable(L, -1))
            *next = variable_piece(L, text, i);
        program->count += lua_istable(L, -1) ? 1 : split_text(text, next);
    }
    /* Its environment holds what it refers to. */
    lua_createtable(L, 2, 0);
    lua_pushvalue(L, 1);
    lua_rawseti(L, -2, 1);
    lua_pushvalue(L, 2);
    lua_rawseti(L, -2, 2);
    lua_setfenv(L, 3);
    return 1;
}

/* ---- printing ---- */

/** One line on its way. */
struct line {
    lua_State *L;
    const struct program *program;
    int program_index; /**< on the stack */
    int message_index; /**< handle on the stack; 0: made when a variable needs it */
    int value_index;   /**< of the next value for a directive */
    int value_end;
    bool has_subject, has_values;
    struct subject subject;
    struct text call_id;
    size_t n;
    char bytes[LOG_LINE_BYTES];
};

static void append(struct line *line, struct text t)
{
    size_t room = sizeof line->bytes - 1 - line->n;
    size_t n = t.n < room ? t.n : room;
    if (n)
        memcpy(line->bytes + line->n, t.p, n);
    line->n += n;
}

static bool is_whole(double number)
{
    return number >= 0 && number < WHOLE_NUMBERS && number == (double)(uint64_t)number;
}

static void append_whole(struct line *line, double number)
{
    char digits[24], *at = digits + sizeof digits;
    uint64_t value = (uint64_t)number;
    do
        *--at = (char)('0' + value % 10);
    while (value /= 10);
    append(line, text_span(at, digits + sizeof digits));
}

/** The text on top of the stack, or what tostring() makes of another value. Pops it. */
static void append_value(struct line *line)
{
    lua_State *L = line->L;
    struct text text = TEXT("<null>");
    if (lua_isboolean(L, -1))
        text = lua_toboolean(L, -1) ? TEXT("true") : TEXT("false");
    else if (lua_isstring(L, -1))
        text.p = lua_tolstring(L, -1, &text.n);
    append(line, text);
    lua_pop(L, 1);
}

static void append_word(struct line *line, const struct word *word)
{
    char scratch[WORD_SCRATCH_BYTES];
    double number;
    struct text text = TEXT_NONE;
    if (word->text) {
        text = word->text(&line->subject);
    } else if (word->print) {
        text = word->print(&line->subject, scratch);
    } else if (word->push) {
        word->push(line->L, &line->subject);
        append_value(line);
        return;
    } else if (word->literal) {
        const char *literal = word->literal(&line->subject);
        text = literal ? text_of(literal) : TEXT_NONE;
    } else if (word->number(&line->subject, &number)) {
        append_whole(line, number);
        return;
    }
    append(line, text_is_set(text) ? text : TEXT("<null>"));
}

/** A variable that Lua reads, at its place in the program's environment. */
static void append_variable(struct line *line, int place)
{
    lua_State *L = line->L;
    if (!line->message_index) {
        handle_push(L, line->subject.run, line->subject.is_reply);
        line->message_index = lua_gettop(L);
    }
    lua_getfenv(L, line->program_index);
    lua_rawgeti(L, -1, 2);
    lua_rawgeti(L, -1, place);
    lua_getfield(L, -1, "get");
    lua_pushvalue(L, line->message_index);
    lua_call(L, 1, 1);
    append_value(line);
    lua_pop(L, 3);
}

/** string.format(directive, value), for what has no quicker way. @return false: it refuses */
static bool append_formatted(struct line *line, struct text directive, int value_index)
{
    lua_State *L = line->L;
    lua_pushvalue(L, lua_upvalueindex(4));
    lua_pushlstring(L, directive.p, directive.n);
    lua_pushvalue(L, value_index);
    bool is_fine = lua_pcall(L, 2, 1, 0) == 0;
    if (is_fine)
        append_value(line);
    else
        lua_pop(L, 1);
    return is_fine;
}

/** A directive and its value. @return false: it does not take that value, or there is none */
static bool append_directive(struct line *line, const struct piece *piece)
{
    lua_State *L = line->L;
    if (piece->kind == PIECE_PERCENT) {
        append(line, TEXT("%"));
        return true;
    }
    int index = line->value_index++;
    if (piece->kind == PIECE_BAD || index >= line->value_end)
        return false;
    int type = lua_type(L, index);
    if (piece->kind == PIECE_TEXT && type == LUA_TSTRING) {
        struct text text;
        text.p = lua_tolstring(L, index, &text.n);
        append(line, text);
        return true;
    }
    if (piece->kind != PIECE_DIRECTIVE && type == LUA_TNUMBER) {
        double number = lua_tonumber(L, index);
        bool is_cut = piece->kind == PIECE_INTEGER && number >= 0 && number < WHOLE_NUMBERS;
        if (is_cut || is_whole(number)) {
            append_whole(line, number);
            return true;
        }
    }
    return append_formatted(line, piece->text, index);
}

/** @return false: a directive was refused */
static bool print_pieces(struct line *line)
{
    for (size_t i = 0; i < line->program->count; i++) {
        const struct piece *piece = &line->program->pieces[i];
        bool is_variable = piece->kind == PIECE_WORD || piece->kind == PIECE_VARIABLE;
        bool is_literal =
            piece->kind == PIECE_LITERAL || !(is_variable ? line->has_subject : line->has_values);
        if (is_literal)
            append(line, piece->text);
        else if (piece->kind == PIECE_WORD)
            append_word(line, piece->word);
        else if (piece->kind == PIECE_VARIABLE)
            append_variable(line, piece->place);
        else if (!append_directive(line, piece))
            return false;
    }
    return true;
}

/* ---- sip.log.LEVEL ---- */

/** Whose line it is: the first argument, or the message that the handler works on. */
static void find_subject(struct line *line, bool is_given)
{
    lua_State *L = line->L;
    struct run *run = run_of(L);
    if (!is_given && run) {
        line->call_id = run_call_id(run);
        line->has_subject = run_subject(run, run->kind == RUN_REPLY, &line->subject);
    } else if (is_given && lua_istable(L, 1)) {
        lua_getfield(L, 1, "call_id"); /* of an event: it has no variables */
        if (lua_type(L, -1) == LUA_TSTRING)
            line->call_id.p = lua_tolstring(L, -1, &line->call_id.n);
    } else if (is_given && !lua_isnil(L, 1)) {
        handle_check(L, 1, &line->subject);
        line->has_subject = true;
        line->message_index = 1;
        line->call_id = line->subject.message ? line->subject.message->call_id : TEXT_NONE;
    }
}

/** Push the program of the format at @p index: known, or made by lua/. */
static const struct program *push_program(lua_State *L, int index)
{
    lua_pushvalue(L, index);
    lua_rawget(L, lua_upvalueindex(2));
    const struct program *program = lua_touserdata(L, -1);
    if (program)
        return program;
    lua_pop(L, 1);
    lua_pushvalue(L, lua_upvalueindex(3));
    lua_pushvalue(L, index);
    lua_call(L, 1, 1);
    return lua_touserdata(L, -1);
}

static __attribute__((noinline)) int print_line(lua_State *L, struct generation *generation,
                                                enum log_level level)
{
    int index = lua_type(L, 1) == LUA_TSTRING ? 1 : 2;
    if (index == 2 && lua_type(L, index) != LUA_TSTRING)
        return api_misuse(L, "sip.log.%s: a format is needed, not a %s", log_level_name(level),
                          luaL_typename(L, index));
    struct line line;
    memset(&line, 0, offsetof(struct line, bytes));
    line.L = L;
    line.value_index = index + 1;
    line.value_end = lua_gettop(L) + 1;
    line.has_values = line.value_end > line.value_index;
    luaL_checkstack(L, 16, "sip.log");
    find_subject(&line, index == 2);
    line.program = push_program(L, index);
    line.program_index = lua_gettop(L);
    if (!print_pieces(&line)) {
        line.has_values = false;
        line.n = 0;
        print_pieces(&line);
    }
    log_text(generation->options.log, level, LOG_SCRIPT, line.call_id,
             (struct text){line.bytes, line.n});
    note_log(&line.subject, generation->script, level, line.call_id,
             (struct text){line.bytes, line.n});
    return 0;
}

/** ([message | event | nil,] format, ...); most lines are of a level that is off */
static int write_line(lua_State *L)
{
    struct generation *generation = generation_of(L);
    enum log_level level = (enum log_level)lua_tointeger(L, lua_upvalueindex(1));
    bool is_on = generation->options.log && log_is_on(generation->options.log, level);
    return is_on ? print_line(L, generation, level) : 0;
}

/** (level, programs by their format, function that adds one, string.format) -> sip.log.LEVEL */
static int core_log_writer(lua_State *L)
{
    enum log_level level;
    if (log_level_parse(&level, api_text(L, 1, "log level")))
        return api_misuse(L, "no log level '%s'", lua_tostring(L, 1));
    luaL_checktype(L, 2, LUA_TTABLE);
    luaL_checktype(L, 3, LUA_TFUNCTION);
    luaL_checktype(L, 4, LUA_TFUNCTION);
    lua_settop(L, 4);
    lua_pushinteger(L, level);
    lua_replace(L, 1);
    lua_pushcclosure(L, write_line, 4);
    return 1;
}

/** (text): an info line of the call that the handler works on */
static int core_log(lua_State *L)
{
    struct generation *generation = generation_of(L);
    struct run *run = run_of(L);
    struct text line = api_text(L, 1, "log text");
    if (generation->options.log && log_is_on(generation->options.log, LOG_INFO))
        log_text(generation->options.log, LOG_INFO, LOG_SCRIPT, run ? run_call_id(run) : TEXT_NONE,
                 line);
    return 0;
}

static const luaL_Reg functions[] = {
    {"log", core_log},
    {"log_writer", core_log_writer},
    {"log_program", core_log_program},
    {NULL, NULL},
};

void api_log_open(lua_State *L)
{
    api_register(L, functions);
}

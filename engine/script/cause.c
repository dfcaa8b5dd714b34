/* Why the engine sends: the script's line, for the lab's ladder. */
#include "script/state.h"

#include <stdio.h>

#define LINE_BYTES 12 /* ":" and the digits of a line */

/** The loop of @p L's script, when somebody hears causes; else NULL. */
static struct loop *find_loop(lua_State *L)
{
    const struct script *script = generation_of(L)->script;
    struct loop *loop = script ? script->options.loop : NULL;
    return loop && loop_is_traced(loop) ? loop : NULL;
}

static void print_place(char place[CAUSE_BYTES], const lua_Debug *frame)
{
    const char *path = frame->source + 1; /* behind the "@"; its tail says more than its head */
    size_t n = strlen(path), most = CAUSE_BYTES - LINE_BYTES;
    snprintf(place, CAUSE_BYTES, "%s:%d", n < most ? path : path + n - most, frame->currentline);
}

static __attribute__((cold, noinline)) void begin_traced(lua_State *L, struct script_cause *cause)
{
    lua_Debug frame;
    if (!api_script_frame(L, &frame)) {
        cause->loop = NULL;
        return;
    }
    print_place(cause->place, &frame);
    cause->before = loop_set_cause(cause->loop, cause->place);
}

void cause_begin(lua_State *L, struct script_cause *cause)
{
    cause->loop = find_loop(L);
    if (cause->loop)
        begin_traced(L, cause);
}

/** The function where the error was no longer knows its line; the error's text does. */
static bool find_fault(lua_State *L, struct text told, lua_Debug *frame)
{
    uint32_t line;
    if (!lua_getstack(L, 0, frame))
        return false;
    lua_getinfo(L, "Sl", frame);
    struct text source = text_of(frame->short_src);
    if (frame->currentline < 0 && text_starts_with(told, source)) {
        told = text_span(told.p + source.n, told.p + told.n);
        text_split(&told, ':');
        if (!text_to_u32(text_split(&told, ':'), &line))
            frame->currentline = (int)line;
    }
    return !api_is_library(L, frame) || api_script_frame(L, frame);
}

void cause_of_fault(lua_State *L, struct text told)
{
    lua_Debug frame;
    struct script *script = generation_of(L)->script;
    struct loop *loop = find_loop(L);
    if (!loop || !find_fault(L, told, &frame))
        return;
    print_place(script->fault_place, &frame);
    loop_set_cause(loop, script->fault_place);
}

void cause_end(struct script_cause *cause)
{
    if (cause->loop)
        loop_set_cause(cause->loop, cause->before);
}

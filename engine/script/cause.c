/* Why the engine sends: the script's line, for the lab's ladder. */
#include "script/state.h"

#include <stdio.h>

#define LINE_BYTES 12 /* ":" and the digits of a line */

void cause_begin(lua_State *L, struct script_cause *cause)
{
    lua_Debug frame;
    const struct script *script = generation_of(L)->script;
    cause->loop = script ? script->options.loop : NULL;
    if (!cause->loop || !loop_is_traced(cause->loop) || !api_script_frame(L, &frame)) {
        cause->loop = NULL;
        return;
    }
    const char *path = frame.source + 1; /* behind the "@"; its tail says more than its head */
    size_t n = strlen(path), most = CAUSE_BYTES - LINE_BYTES;
    snprintf(cause->place, sizeof cause->place, "%s:%d", n < most ? path : path + n - most,
             frame.currentline);
    cause->before = loop_set_cause(cause->loop, cause->place);
}

void cause_end(struct script_cause *cause)
{
    if (cause->loop)
        loop_set_cause(cause->loop, cause->before);
}

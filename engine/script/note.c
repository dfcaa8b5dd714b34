/* What a script decided about a call, for the flight recorder: which route, at which line. */
#include "script/state.h"

#include <stdarg.h>
#include <stdio.h>

#define DECISION_BYTES 256

static const char *route_name(const struct run *run)
{
    switch (run->kind) {
    case RUN_REQUEST: return "request_route";
    case RUN_BRANCH: return "branch_route";
    case RUN_FAILURE: return "failure_route";
    case RUN_REPLY: return "onreply_route";
    default: return "handler";
    }
}

/* What phones and probes say all day is of no call. */
static bool is_of_no_call(const struct message *message)
{
    return message->method == METHOD_REGISTER || message->method == METHOD_OPTIONS;
}

void note_log(const struct subject *subject, struct script *script, enum log_level level,
              struct text call_id, struct text line)
{
    if (level > LOG_INFO || !call_id.n || !script || !script->proxy ||
        (subject->message && is_of_no_call(subject->message)))
        return;
    proxy_note(script->proxy, call_id, "log %s: %.*s", log_level_name(level), TEXT_ARG(line));
}

void note_decision(lua_State *L, const struct subject *subject, const char *format, ...)
{
    struct proxy *proxy = subject->context ? context_proxy(subject->context) : NULL;
    char decision[DECISION_BYTES];
    lua_Debug frame;
    va_list values;
    if (!proxy || !proxy_is_noting(proxy) || !subject->message || is_of_no_call(subject->message))
        return;
    va_start(values, format);
    vsnprintf(decision, sizeof decision, format, values);
    va_end(values);
    const struct handler *handler = subject->run->handler;
    bool is_named = handler && subject->run->kind != RUN_REQUEST;
    struct text name = is_named ? (struct text){handler->name, handler->name_n} : TEXT_NONE;
    bool has_frame = api_script_frame(L, &frame);
    proxy_note(proxy, subject->message->call_id, "%s: %s%s%.*s %s:%d", decision,
               route_name(subject->run), name.n ? "." : "", TEXT_ARG(name),
               has_frame ? frame.short_src : "?", has_frame ? frame.currentline : 0);
}

/*
 * What a script decided about a call, for the flight recorder: which route, at which line. Every call pays
 * for it, so the line is put together without printf.
 */
#include "script/state.h"

#define NOTE_BYTES 512

/* A line that is put together; what does not fit is cut. Its bytes need no zeros, only n does. */
struct note {
    size_t n;
    char bytes[NOTE_BYTES];
};

static void add(struct note *note, struct text t)
{
    size_t room = sizeof note->bytes - note->n, n = t.n < room ? t.n : room;
    if (n)
        memcpy(note->bytes + note->n, t.p, n);
    note->n += n;
}

static void add_number(struct note *note, unsigned number)
{
    char digits[12];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    add(note, (struct text){digits + at, sizeof digits - at});
}

static struct text route_name(const struct run *run)
{
    switch (run->kind) {
    case RUN_REQUEST: return TEXT("request_route");
    case RUN_BRANCH: return TEXT("branch_route");
    case RUN_FAILURE: return TEXT("failure_route");
    case RUN_REPLY: return TEXT("onreply_route");
    default: return TEXT("handler");
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
    struct note note;
    if (level > LOG_INFO || !call_id.n || !script || !script->proxy ||
        !proxy_is_noting(script->proxy) || (subject->message && is_of_no_call(subject->message)))
        return;
    note.n = 0;
    add(&note, TEXT("log "));
    add(&note, text_of(log_level_name(level)));
    add(&note, TEXT(": "));
    add(&note, line);
    proxy_note(script->proxy, call_id, (struct text){note.bytes, note.n});
}

/* " route.lua:40" */
static void add_place(lua_State *L, struct note *note)
{
    lua_Debug frame;
    if (!api_script_frame(L, &frame))
        return;
    add(note, TEXT(" "));
    add(note, text_of(frame.short_src));
    add(note, TEXT(":"));
    add_number(note, (unsigned)frame.currentline);
}

void note_decision(lua_State *L, const struct subject *subject, const struct decision *decision)
{
    struct proxy *proxy = subject->context ? context_proxy(subject->context) : NULL;
    struct note note;
    if (!proxy || !proxy_is_noting(proxy) || !subject->message || is_of_no_call(subject->message))
        return;
    note.n = 0;
    add(&note, text_of(decision->what));
    if (decision->has_number) {
        add(&note, TEXT(" "));
        add_number(&note, decision->number);
    }
    if (decision->detail.n) {
        add(&note, TEXT(" "));
        add(&note, decision->detail);
    }
    add(&note, TEXT(": "));
    add(&note, route_name(subject->run));
    const struct handler *handler = subject->run->handler;
    if (handler && subject->run->kind != RUN_REQUEST) {
        add(&note, TEXT("."));
        add(&note, (struct text){handler->name, handler->name_n});
    }
    add_place(L, &note);
    proxy_note(proxy, subject->message->call_id, (struct text){note.bytes, note.n});
}

void note_call(lua_State *L, struct proxy *proxy, struct text call_id, const char *what,
               struct text detail)
{
    struct note note;
    if (!proxy_is_noting(proxy))
        return;
    note.n = 0;
    add(&note, text_of(what));
    if (detail.n) {
        add(&note, TEXT(" "));
        add(&note, detail);
    }
    add(&note, TEXT(":"));
    add_place(L, &note);
    proxy_note(proxy, call_id, (struct text){note.bytes, note.n});
}

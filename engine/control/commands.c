/* One function per verb. */
#include "control/commands.h"

#include "base/error.h"
#include "base/memory.h"
#include "control/call_records.h"
#include "control/calls.h"
#include "control/registrations.h"
#include "control/status.h"
#include "control/story.h"
#include "control/trunks.h"

#include <stdarg.h>

const char *command_word(const json_t *words, size_t i)
{
    const char *value = json_string_value(json_array_get(words, i));
    return value ? value : "";
}

void command_say(struct command_answer *answer, int code, const char *format, ...)
{
    va_list values;
    answer->code = code;
    buffer_clear(&answer->text);
    va_start(values, format);
    buffer_vprintf(&answer->text, format, values);
    va_end(values);
}

json_t *command_json_text(struct text t)
{
    json_t *string = json_stringn(t.p ? t.p : "", t.n);
    return string ? string : json_string("(not UTF-8)");
}

/* JSON is UTF-8; a script whose lines are quoted need not be. */
static json_t *text_json(struct buffer *text)
{
    if (text->error)
        return json_string(error_text(text->error));
    json_t *json = json_stringn(buffer_text(text).p, text->n);
    for (size_t i = 0; !json && i < text->n; i++)
        if ((unsigned char)text->p[i] > 127)
            text->p[i] = '?';
    return json ? json : json_stringn(buffer_text(text).p, text->n);
}

json_t *command_answer_json(struct command_answer *answer)
{
    json_t *json = json_pack("{s:i, s:o}", "code", answer->code, "text", text_json(&answer->text));
    if (json && answer->data)
        json_object_set_new(json, "data", answer->data);
    else
        json_decref(answer->data);
    if (json && answer->next)
        json_object_set_new(json, "next", answer->next);
    else
        json_decref(answer->next);
    answer->data = answer->next = NULL;
    return json;
}

void command_answer_release(struct command_answer *answer)
{
    buffer_release(&answer->text);
    json_decref(answer->data);
    json_decref(answer->next);
    answer->data = answer->next = NULL;
}

static void do_status(struct engine *engine, const json_t *words, struct command_answer *answer)
{
    (void)words;
    answer->data = status_json(engine);
}

static void do_reload(struct engine *engine, const json_t *words, struct command_answer *answer)
{
    char *fault = NULL;
    const char *path = command_word(words, 1);
    if (json_array_size(words) > 2 || text_equal(text_of(path), TEXT("--test"))) {
        command_say(
            answer, 2,
            "usage: ctl reload [--test] [PATH]; --test is for a lunasip that runs by itself");
        return;
    }
    int error = engine_reload(engine, path[0] ? path : NULL, &fault);
    if (error)
        command_say(answer, 1, "%s", fault ? fault : error_text(error));
    else
        command_say(answer, 0, "generation %u serves new calls", engine_generation(engine));
    memory_free_raw(fault);
}

#define USAGE_SET "dispatcher set SET URI active|inactive|disabled|trying|probing"

static void set_destination(struct engine *engine, const json_t *words,
                            struct command_answer *answer)
{
    uint32_t set;
    struct dispatcher *dispatcher = engine_dispatcher(engine);
    const char *uri = command_word(words, 3), *state = command_word(words, 4);
    if (json_array_size(words) != 5 || text_to_u32(text_of(command_word(words, 2)), &set)) {
        command_say(answer, 2, "usage: ctl " USAGE_SET);
        return;
    }
    int error = dispatcher ? dispatcher_mark(dispatcher, set, text_of(uri), text_of(state))
                           : ERROR_NOT_FOUND;
    if (error == ERROR_SYNTAX)
        command_say(answer, 2, "the state is one of active, inactive, disabled, trying, probing");
    else if (error == ERROR_UNSUPPORTED)
        command_say(
            answer, 1,
            "set %u %s is never pinged (ping_interval, flags): nothing would end \"probing\"", set,
            uri);
    else if (error)
        command_say(answer, 1, "set %u has no destination %s", set, uri);
    else
        command_say(answer, 0, "set %u %s is now %s", set, uri, state);
}

static void do_dispatcher(struct engine *engine, const json_t *words, struct command_answer *answer)
{
    struct text verb = text_of(command_word(words, 1));
    if (text_equal(verb, TEXT("list")) && json_array_size(words) == 2)
        answer->data = status_dispatcher(engine);
    else if (text_equal(verb, TEXT("set")))
        set_destination(engine, words, answer);
    else
        command_say(answer, 2, "usage: ctl dispatcher list, ctl " USAGE_SET);
}

static void show_call(struct engine *engine, struct text call_id, struct command_answer *answer)
{
    answer->data = story_of_call(engine, call_id);
    if (json_array_size(answer->data))
        return;
    json_decref(answer->data);
    answer->data = NULL;
    command_say(answer, 1, "the flight recorder knows no such call (any more)");
}

static void do_calls(struct engine *engine, const json_t *words, struct command_answer *answer)
{
    struct text verb = text_of(command_word(words, 1)), which = text_of(command_word(words, 2));
    if (json_array_size(words) == 1 || (text_equal(verb, TEXT("list")) && !which.n)) {
        answer->data = status_calls(engine);
    } else if (text_equal(verb, TEXT("show")) && which.n) {
        show_call(engine, which, answer);
    } else if (!text_equal(verb, TEXT("end")) || !which.n) {
        command_say(answer, 2,
                    "usage: ctl calls [list], ctl calls show CALL_ID, ctl calls end CALL_ID, "
                    "ctl calls end --all");
    } else if (text_equal(which, TEXT("--all"))) {
        calls_end_all(engine, TEXT("SIP;cause=200;text=\"Ended by the operator\""));
        command_say(answer, 0, "every call was ended");
    } else {
        size_t ended = calls_end(engine, which);
        command_say(answer, !ended, "%s", ended ? "call ended" : "there is no such call");
    }
}

static void do_transactions(struct engine *engine, const json_t *words,
                            struct command_answer *answer)
{
    (void)words;
    answer->data = status_transactions(engine);
}

static void do_profiles(struct engine *engine, const json_t *words, struct command_answer *answer)
{
    (void)words;
    answer->data = status_profiles(engine);
}

static void do_media(struct engine *engine, const json_t *words, struct command_answer *answer)
{
    (void)words;
    answer->data = status_media(engine);
}

static void do_log(struct engine *engine, const json_t *words, struct command_answer *answer)
{
    enum log_level level;
    if (!text_equal(text_of(command_word(words, 1)), TEXT("level")) ||
        log_level_parse(&level, text_of(command_word(words, 2)))) {
        command_say(answer, 2, "usage: ctl log level error|warning|info|debug");
        return;
    }
    engine_log(engine)->level = level;
    command_say(answer, 0, "log level is %s", log_level_name(level));
}

static void do_drain(struct engine *engine, const json_t *words, struct command_answer *answer)
{
    bool is_off = text_equal(text_of(command_word(words, 1)), TEXT("off"));
    if (json_array_size(words) > 1 && !is_off) {
        command_say(answer, 2, "usage: ctl drain [off]");
        return;
    }
    if (engine_set_intake(engine, is_off ? ENGINE_SERVES : ENGINE_DRAINS))
        command_say(answer, 1, "it stops: new calls get 503 until its end");
    else
        command_say(answer, 0, "%s", is_off ? "new calls are taken" : "new calls get 503");
}

static void do_stop(struct engine *engine, const json_t *words, struct command_answer *answer)
{
    (void)words;
    engine_set_intake(engine, ENGINE_STOPS);
    answer->stop = true;
    command_say(answer, 0, "draining, then stopping");
}

static const struct {
    const char *verb;
    size_t words_most; /* the verb included */
    void (*run)(struct engine *engine, const json_t *words, struct command_answer *answer);
} verbs[] = {
    {"status", 1, do_status},
    {"reload", 3, do_reload},
    {"dispatcher", 5, do_dispatcher},
    {"calls", 3, do_calls},
    {"transactions", 1, do_transactions},
    {"profiles", 1, do_profiles},
    {"records", 2, call_records_command},
    {"media", 1, do_media},
    {"registrations", 5, registrations_command},
    {"trunks", 3, trunks_command},
    {"log", 3, do_log},
    {"drain", 2, do_drain},
    {"stop", 1, do_stop},
};

void command_run(struct engine *engine, const json_t *words, struct command_answer *answer)
{
    const char *verb = command_word(words, 0);
    size_t i = 0, count = sizeof verbs / sizeof verbs[0];
    *answer = (struct command_answer){0};
    while (i < count && !text_equal(text_of(verb), text_of(verbs[i].verb)))
        i++;
    if (i == count) {
        command_say(answer, 2,
                    "unknown verb; one of: status, reload, dispatcher, calls, transactions, "
                    "profiles, records, media, registrations, trunks, log, drain, stop");
    } else if (json_array_size(words) > verbs[i].words_most) {
        command_say(answer, 2, "ctl %s: '%s' is one word too many", verb,
                    command_word(words, verbs[i].words_most));
    } else {
        verbs[i].run(engine, words, answer);
    }
}

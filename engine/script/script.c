/* The script host of one worker: which generation runs what. */
#include "script/script.h"

#include "base/memory.h"
#include "script/state.h"

static struct generation *generation_for(struct script *script,
                                         const struct response_context *context)
{
    struct generation *generation = context ? context_generation(context) : NULL;
    return generation ? generation : script->newest;
}

static int on_run(void *arg, const struct route_run *route)
{
    struct script *script = arg;
    struct generation *generation = generation_for(script, route->context);
    if (!generation || !generation->script)
        return ERROR_SCRIPT;
    enum run_kind kind = (enum run_kind)route->kind;
    const struct handler *handler = generation_handler(generation, kind, route->name);
    if (!handler && kind == RUN_REPLY && route->name.n == 0)
        return ROUTE_DONE;
    struct run *run = handler ? run_take(generation) : NULL;
    if (!run) {
        log_error(script->options.log, LOG_SCRIPT, TEXT_NONE, "%s '%.*s' cannot run: %s",
                  handler ? "handler" : "unknown handler", TEXT_ARG(route->name),
                  error_text(handler ? ERROR_MEMORY : ERROR_NOT_FOUND));
        counter_count(script->options.counters, COUNTER_SCRIPT_ERROR);
        return ERROR_SCRIPT;
    }
    run->kind = kind;
    run->handler = handler;
    run->route = *route;
    run->request = route->context ? context_request(route->context) : NULL;
    run->route.name = TEXT_NONE; /* borrowed for this call only */
    return run_start(run);
}

static bool on_has(void *arg, void *object, enum route_kind kind, struct text name)
{
    struct script *script = arg;
    struct generation *generation = object ? object : script->newest;
    return generation && generation_handler(generation, (enum run_kind)kind, name);
}

static void *on_generation(void *arg)
{
    struct script *script = arg;
    return memory_ref(script->newest);
}

static void on_context_ended(void *arg, struct response_context *context)
{
    (void)arg;
    struct context_data *data = context_script_data(context);
    if (!data)
        return;
    struct generation *generation = context_generation(context);
    if (generation)
        luaL_unref(generation->lua, LUA_REGISTRYINDEX, data->avps_reference);
    memory_free_raw(data);
    context_set_script_data(context, NULL);
}

static struct text event_name(enum dialog_event event)
{
    switch (event) {
    case DIALOG_EVENT_START: return TEXT("dialog:start");
    case DIALOG_EVENT_ANSWER: return TEXT("dialog:answer");
    case DIALOG_EVENT_WARNING: return TEXT("dialog:warning");
    case DIALOG_EVENT_MEDIA_TIMEOUT: return TEXT("media:timeout");
    default: return TEXT("dialog:end");
    }
}

static void run_event(struct generation *generation, const struct handler *handler,
                      struct dialog *dialog, enum dialog_event event, struct message *message)
{
    struct run *run = handler ? run_take(generation) : NULL;
    if (!run)
        return;
    run->kind = RUN_EVENT;
    run->handler = handler;
    run->dialog = dialog;
    run->event = event;
    run->event_message = message;
    run_start(run);
}

static void on_dialog_event(void *arg, struct dialog *dialog, enum dialog_event event,
                            struct message *message)
{
    struct script *script = arg;
    struct generation *generation = dialog_attachment(dialog, DIALOG_GENERATION);
    if (!generation)
        generation = script->newest;
    if (!generation || !generation->script)
        return;
    if (event == DIALOG_EVENT_END) {
        if (!dialog_answered_ms(dialog))
            run_event(generation, generation_handler(generation, RUN_EVENT, TEXT("dialog:failed")),
                      dialog, event, message);
        run_event(generation, track_on_end(dialog), dialog, event, message);
    }
    run_event(generation, generation_handler(generation, RUN_EVENT, event_name(event)), dialog,
              event, message);
}

static void on_call_event(void *arg, struct dialog *dialog, const struct bridge_event *event)
{
    struct generation *generation = dialog_attachment(dialog, DIALOG_GENERATION);
    void *holder = NULL;
    const struct handler *handler = call_handler(event, &holder);
    (void)arg;
    struct run *run = handler && generation && generation->script ? run_take(generation) : NULL;
    if (!run)
        return;
    run->kind = RUN_EVENT;
    run->handler = handler;
    run->kept = memory_ref(holder);
    run->dialog = dialog;
    run->call_event = event;
    run_start(run);
}

static unsigned number_of(const void *generation)
{
    return generation_number(generation);
}

struct route_handlers script_handlers(struct script *script)
{
    return (struct route_handlers){
        .run = on_run,
        .has = on_has,
        .generation = on_generation,
        .generation_number = number_of,
        .context_ended = on_context_ended,
        .dialog_event = on_dialog_event,
        .call_event = on_call_event,
        .arg = script,
    };
}

static void script_destroy(void *object)
{
    struct script *script = object;
    LIST_FOR_EACH_SAFE (link, &script->generations) {
        struct generation *generation = CONTAINER_OF(link, struct generation, link);
        timers_retire(generation);
        generation->script = NULL;
        list_remove(link);
    }
}

int script_create(struct script **scriptp, const struct script_options *options)
{
    struct script *script = memory_alloc(sizeof *script, script_destroy);
    if (!script)
        return ERROR_MEMORY;
    script->options = *options;
    *scriptp = script;
    return 0;
}

void script_attach(struct script *script, struct proxy *proxy)
{
    script->proxy = proxy;
}

/* ---- reload ---- */

struct move {
    struct generation *from, *to;
    size_t count, forgotten;
};

static void move_dialog(void *arg, struct dialog *dialog)
{
    struct move *move = arg;
    if (dialog_attachment(dialog, DIALOG_GENERATION) != move->from)
        return;
    bool has_on_end = track_forget_on_end(dialog), has_handlers = call_forget_handlers(dialog);
    move->forgotten += has_on_end || has_handlers;
    dialog_attach(dialog, DIALOG_GENERATION, move->to);
    move->count++;
}

static void move_dialogs(struct script *script, struct generation *oldest)
{
    struct move move = {oldest, script->newest, 0, 0};
    dialogs_for_each(proxy_dialogs(script->proxy), move_dialog, &move);
    counter_add(script->options.counters, COUNTER_SCRIPT_GENERATION_LIMIT, move.count);
    if (move.count)
        log_warning(
            script->options.log, LOG_SCRIPT, TEXT_NONE,
            "script.generations reached: %zu dialogs of generation %u move to generation %u",
            move.count, oldest->options.number, script->newest->options.number);
    if (move.forgotten)
        log_warning(script->options.log, LOG_SCRIPT, TEXT_NONE,
                    "the functions of %zu calls went with generation %u", move.forgotten,
                    oldest->options.number);
}

/** Beyond the limit the dialogs of the oldest move on; their transactions end soon by themselves. */
static void limit_generations(struct script *script)
{
    size_t most = script->options.settings->script_generations;
    if (script->generations.count <= most || !script->proxy)
        return;
    size_t surplus = script->generations.count - most;
    LIST_FOR_EACH_SAFE (link, &script->generations) {
        if (surplus-- == 0)
            break;
        struct generation *oldest = CONTAINER_OF(link, struct generation, link);
        memory_ref(oldest);
        move_dialogs(script, oldest);
        memory_release(oldest);
    }
}

void script_use(struct script *script, struct generation *generation)
{
    struct generation *before = script->newest;
    if (before) {
        leave_ask(script, before);
        timers_retire(before);
    }
    generation->script = script;
    script->newest = generation;
    list_append(&script->generations, &generation->link);
    timers_use(generation);
    if (before)
        leave_give(script, generation);
    memory_release(before);
    limit_generations(script);
}

struct generation *script_newest(const struct script *script)
{
    return script->newest;
}

void script_for_each(const struct script *script,
                     void (*visit)(void *arg, const struct generation *generation), void *arg)
{
    LIST_FOR_EACH (link, &script->generations)
        visit(arg, CONTAINER_OF(link, struct generation, link));
}

size_t script_generations(const struct script *script)
{
    return script->generations.count;
}

size_t script_waiting(const struct script *script)
{
    return script->waiting.count;
}

static struct run *first_to_wake(const struct script *script)
{
    LIST_FOR_EACH (link, &script->waiting) {
        struct run *run = CONTAINER_OF(link, struct run, link);
        if (run->wait == WAIT_SLEEP || run->wait == WAIT_ANSWER)
            return run;
    }
    return NULL;
}

void script_wake_all(struct script *script)
{
    struct run *run;
    script->is_stopping = true;
    while ((run = first_to_wake(script)))
        run_wake(run);
}

void script_stop(struct script *script)
{
    while (script->waiting.first)
        run_abandon(CONTAINER_OF(script->waiting.first, struct run, link));
    if (script->newest)
        timers_retire(script->newest);
    script->newest = memory_release(script->newest);
}

/* Whatever is done to a trunk is done on its owner's thread; each worker is asked whether it is the one. */
#include "control/trunks.h"

#include "base/error.h"
#include "base/memory.h"
#include "trunk/client.h"

#define USAGE "usage: ctl trunks [list], ctl trunks refresh|disable|enable NAME"

static void ask_all(struct engine *engine, worker_task *task, void *arg)
{
    for (unsigned i = 0; i < engine_worker_count(engine); i++)
        worker_ask(engine_worker(engine, i), task, arg);
}

static void leave(struct worker *worker, void *arg)
{
    (void)arg;
    trunk_client_leave(worker_trunk_client(worker));
}

void trunks_leave(struct engine *engine)
{
    ask_all(engine, leave, NULL);
}

static void count_left(struct worker *worker, void *arg)
{
    *(size_t *)arg += trunk_client_left(worker_trunk_client(worker));
}

size_t trunks_left(struct engine *engine)
{
    size_t left = 0;
    ask_all(engine, count_left, &left);
    return left;
}

/* ---- ctl trunks ---- */

static void set_seconds(json_t *entry, const char *name, uint64_t at_ms, uint64_t now_ms)
{
    if (at_ms)
        json_object_set_new(
            entry, name, json_integer(at_ms > now_ms ? (json_int_t)((at_ms - now_ms) / 1000) : 0));
}

static void set_text(json_t *entry, const char *name, const char *value)
{
    if (value && value[0])
        json_object_set_new(entry, name, command_json_text(text_of(value)));
}

static json_t *view_json(const struct trunk_view *view, uint64_t now_ms)
{
    const struct trunk_terms *terms = view->terms;
    json_t *entry = json_object();
    set_text(entry, "name", terms->name);
    set_text(entry, "state", trunk_state_name(view->state));
    set_text(entry, "registrar", terms->registrar);
    set_text(entry, "proxy", terms->proxy);
    set_text(entry, "user", terms->user);
    set_text(entry, "domain", terms->domain);
    set_text(entry, "interface", terms->interface);
    if (view->status)
        json_object_set_new(entry, "status", json_integer(view->status));
    set_text(entry, "reason", view->reason);
    set_seconds(entry, "expires_in_s", view->expires_ms, now_ms);
    set_seconds(entry, "next_in_s", view->next_ms, now_ms);
    json_object_set_new(entry, "failures", json_integer(view->failures));
    return entry;
}

static json_t *list(struct engine *engine)
{
    json_t *entries = json_array();
    struct trunk_view view;
    struct trunk *trunk;
    for (size_t i = 0; (trunk = trunks_at(engine_trunks(engine), i)); i++) {
        trunk_get_view(trunk, &view);
        json_array_append_new(entries, view_json(&view, io_wall_us(engine_io(engine)) / 1000));
        trunk_view_release(&view);
        memory_release(trunk);
    }
    return entries;
}

/** One order, on its way to the trunk's owner. */
struct order {
    struct trunk *trunk; /**< borrowed */
    enum trunk_order what;
    bool is_done;
};

static void give_order(struct worker *worker, void *arg)
{
    struct order *order = arg;
    order->is_done |= trunk_client_order(worker_trunk_client(worker), order->trunk, order->what);
}

static bool parse_order(enum trunk_order *order, struct text word)
{
    static const struct {
        const char *word;
        enum trunk_order order;
    } orders[] = {{"refresh", TRUNK_REFRESH}, {"disable", TRUNK_DISABLE}, {"enable", TRUNK_ENABLE}};
    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
        *order = orders[i].order;
        if (text_equal(text_of(orders[i].word), word))
            return true;
    }
    return false;
}

void trunks_command(struct engine *engine, const json_t *words, struct command_answer *answer)
{
    struct order order = {0};
    struct text verb = text_of(command_word(words, 1));
    const char *name = command_word(words, 2);
    if (!name[0] && (!verb.n || text_equal(verb, TEXT("list")))) {
        answer->data = list(engine);
        return;
    }
    if (!name[0] || !parse_order(&order.what, verb)) {
        command_say(answer, 2, USAGE);
        return;
    }
    order.trunk = trunks_find(engine_trunks(engine), text_of(name));
    if (order.trunk)
        ask_all(engine, give_order, &order);
    if (!order.trunk)
        command_say(answer, 1, "there is no trunk %s", name);
    else if (!order.is_done)
        command_say(answer, 1, "trunk %s is disabled; enable it first", name);
    else
        command_say(answer, 0, "trunk %s: %.*s is under way", name, TEXT_ARG(verb));
    memory_release(order.trunk);
}

/* Each worker is asked in turn: a call is its worker's alone. */
#include "control/calls.h"

#include "base/error.h"

static void for_each_worker(struct engine *engine, worker_task *task, void *arg)
{
    for (unsigned i = 0; i < engine_worker_count(engine); i++)
        worker_ask(engine_worker(engine, i), task, arg);
}

static void count(struct worker *worker, void *arg)
{
    struct proxy *proxy = worker_proxy(worker);
    *(size_t *)arg +=
        dialogs_count(proxy_dialogs(proxy)) + proxy_unanswered(proxy) + proxy_byes_pending(proxy);
}

size_t calls_count(struct engine *engine)
{
    size_t calls = 0;
    for_each_worker(engine, count, &calls);
    return calls;
}

/* What a search for one Call-ID needs. */
struct search {
    struct text call_id;
    struct proxy *proxy;
    size_t ended;
};

static void end_match(void *arg, struct dialog *dialog)
{
    struct search *search = arg;
    if (!text_equal(dialog_call_id(dialog), search->call_id))
        return;
    proxy_hang_up(search->proxy, dialog, DIALOG_END_LOCAL,
                  TEXT("SIP;cause=200;text=\"Ended by the operator\""));
    search->ended++;
}

static void search_worker(struct worker *worker, void *arg)
{
    struct search *search = arg;
    search->proxy = worker_proxy(worker);
    dialogs_for_each(proxy_dialogs(search->proxy), end_match, search);
}

size_t calls_end(struct engine *engine, struct text call_id)
{
    struct search search = {.call_id = call_id};
    for_each_worker(engine, search_worker, &search);
    return search.ended;
}

static void end_all(struct worker *worker, void *arg)
{
    proxy_hang_up_all(worker_proxy(worker), *(const struct text *)arg);
}

void calls_end_all(struct engine *engine, struct text reason)
{
    for_each_worker(engine, end_all, &reason);
}

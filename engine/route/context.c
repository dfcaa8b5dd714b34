/* The response context: made for a request, read by scripts, shrunk after its final answer. */
#include "route/topology.h"

#include "base/memory.h"

/* No route runs any more: a generation lives no longer than its calls do. */
static void drop_script(struct response_context *context)
{
    const struct route_handlers *handlers = &context->proxy->options.handlers;
    if (context->script_data && handlers->context_ended)
        handlers->context_ended(handlers->arg, context);
    context->generation = memory_release(context->generation);
}

static void drop_routing(struct response_context *context)
{
    drop_script(context);
    context->request = memory_release(context->request);
    context->edits = NULL;
    context->best = memory_release(context->best);
    context->best_edits = NULL;
    context->choice = memory_release(context->choice);
    context->media_flags = memory_release(context->media_flags);
    context->next_hop = TEXT_NONE;
    context->targets = NULL;
    context->target_count = 0;
    context->received_body = TEXT_NONE;
    context->challenges = TEXT_NONE;
    context->options = NULL;
    context->on_failure = TEXT_NONE;
    context->groups = NULL;
    context->group_count = context->group_at = 0;
}

static void destroy(void *arg)
{
    struct response_context *context = arg;
    list_remove(&context->link);
    LIST_FOR_EACH_SAFE (link, &context->branches)
        branch_release(CONTAINER_OF(link, struct branch, link));
    if (context->request) /* else it was done before */
        drop_routing(context);
    accepted_release(context);
    memory_release(context->hidden);
    memory_release(context->dialog);
    memory_release(context->server);
}

/* A dialog keeps the generation that it began in; everything else takes the newest. */
static void *choose_generation(struct response_context *context)
{
    const struct route_handlers *handlers = &context->proxy->options.handlers;
    const struct dialog *dialog = context->dialog;
    if (!dialog && context->is_dialog_making) /* one more INVITE of a call that is there */
        dialog = dialog_find(context->proxy->dialogs, context->request);
    void *kept = dialog ? dialog_attachment(dialog, DIALOG_GENERATION) : NULL;
    return kept ? memory_ref(kept) : handlers->generation(handlers->arg);
}

int context_create(struct response_context **contextp, struct proxy *proxy,
                   struct transaction_server *server, struct message *request)
{
    struct response_context *context = memory_alloc_local(sizeof *context, 0, destroy);
    if (!context)
        return ERROR_MEMORY;
    context->proxy = proxy;
    context->server = memory_ref(server);
    context->request = memory_ref(request);
    context->received_body = request->body;
    list_append(&proxy->contexts, &context->link);
    bool is_in_dialog = text_is_set(message_to_tag(request));
    context->is_dialog_making = request->method == METHOD_INVITE && !is_in_dialog;
    if (is_in_dialog)
        context->dialog = memory_ref(dialog_find(proxy->dialogs, request));
    context->generation = choose_generation(context);
    int error = edits_begin(&context->edits, request, NULL);
    if (!error)
        error = maddr_strip(context);
    if (!error && context->dialog && dialog_has_any(context->dialog, DIALOG_HAS(DIALOG_TOPOLOGY)))
        error = topology_begin(context);
    if (error) {
        memory_release(context);
        return error;
    }
    *contextp = context;
    return 0;
}

bool context_is_plain(const struct response_context *context, const struct message *message,
                      const struct edits *edits)
{
    const unsigned special = DIALOG_HAS(DIALOG_IDENTITY) | DIALOG_HAS(DIALOG_ASSERTED) |
                             DIALOG_HAS(DIALOG_TRACK) | DIALOG_HAS(DIALOG_TOPOLOGY) |
                             DIALOG_HAS_OWN_REQUESTS;
    const uint64_t names = UINT64_C(1) << HEADER_FROM | UINT64_C(1) << HEADER_TO |
                           UINT64_C(1) << HEADER_P_ASSERTED_IDENTITY |
                           UINT64_C(1) << HEADER_REMOTE_PARTY_ID | UINT64_C(1) << HEADER_REPLACES |
                           UINT64_C(1) << HEADER_REFER_TO;
    return !context->is_identity_changed && !context->hidden &&
           !(context->dialog && dialog_has_any(context->dialog, special)) &&
           !message->first[HEADER_REPLACES] && !message->first[HEADER_REFER_TO] &&
           !edits_has_changed(edits, names);
}

/* Nothing can come any more that this context had to answer: its server transaction lingers alone. */
static void leave_server(struct response_context *context)
{
    context->is_attached = false;
    transaction_server_attach(context->server, NULL, NULL);
    memory_release(context);
}

void context_shrink(struct response_context *context)
{
    if (!context->is_final_sent || context->pending || context->running)
        return;
    if (context->request) /* else it was done before */
        drop_routing(context);
    LIST_FOR_EACH_SAFE (link, &context->branches) {
        struct branch *branch = CONTAINER_OF(link, struct branch, link);
        branch->edits = NULL;
        branch->next_hop = TEXT_NONE;
        branch->options = NULL;
        /* Only a branch whose 2xx may come again has still something to tell. */
        if (!branch->client || transaction_client_state(branch->client) != TRANSACTION_ACCEPTED)
            branch_release(branch);
    }
    if (context->is_attached && !context->branches.first)
        leave_server(context);
    else if (context->dialog && dialog_current_state(context->dialog) != DIALOG_TERMINATED)
        context->dialog = memory_release(context->dialog); /* a late 2xx finds it, see process() */
}

static void pending_run_destroy(void *arg)
{
    struct pending_run *run = arg;
    memory_release(run->reply);
    memory_release(run->context);
}

/* One run at a time is usual and needs no memory of its own; those inside of it do. */
static struct pending_run *pending_run_create(struct response_context *context)
{
    bool is_first = !context->run.context;
    struct pending_run *run =
        is_first ? &context->run : memory_alloc_local(sizeof *run, 0, pending_run_destroy);
    if (run)
        run->context = memory_ref(context);
    return run;
}

static void pending_run_release(struct pending_run *run)
{
    if (run != &run->context->run) {
        memory_release(run);
        return;
    }
    struct pending_run ended = *run;
    *run = (struct pending_run){0};
    pending_run_destroy(&ended);
}

static void run_done(void *arg, int error)
{
    struct pending_run *run = arg;
    struct proxy *proxy = run->context->proxy;
    struct message *waiter = NULL;
    if (run->is_waiting) /* its Call-ID outlives the context */
        waiter = memory_ref(run->reply ? run->reply : run->context->request);
    run->context->running--;
    run->done(run->arg, error);
    pending_run_release(run);
    if (!waiter)
        return;
    call_queue_free(proxy->queue, waiter->call_id);
    memory_release(waiter);
}

void context_run(struct response_context *context, const struct route_run *wanted)
{
    const struct route_handlers *handlers = &context->proxy->options.handlers;
    struct pending_run *pending = pending_run_create(context);
    if (!pending) {
        wanted->done(wanted->arg, ERROR_MEMORY);
        return;
    }
    pending->reply = memory_ref(wanted->reply);
    pending->done = wanted->done;
    pending->arg = wanted->arg;
    struct route_run run = *wanted;
    run.done = run_done;
    run.arg = pending;
    context->running++;
    int result = handlers->run(handlers->arg, &run);
    if (result == ROUTE_WAITING) {
        pending->is_waiting = true;
        struct message *owner = wanted->reply ? wanted->reply : context->request;
        if (call_queue_hold(context->proxy->queue, owner->call_id))
            pending->is_waiting = false; /* order is lost for this call, the call is not */
        return;
    }
    run_done(pending, result);
}

struct text context_call_id(const struct response_context *context)
{
    return context->request ? context->request->call_id : TEXT_NONE;
}

struct proxy *context_proxy(const struct response_context *context)
{
    return context->proxy;
}

struct message *context_request(const struct response_context *context)
{
    return context->request;
}

struct edits *context_edits(const struct response_context *context)
{
    return context->edits;
}

void *context_generation(const struct response_context *context)
{
    return context->generation;
}

void *context_script_data(const struct response_context *context)
{
    return context->script_data;
}

void context_set_script_data(struct response_context *context, void *data)
{
    context->script_data = data;
}

struct text context_next_hop(const struct response_context *context)
{
    return context->next_hop;
}

int context_set_next_hop(struct response_context *context, struct text uri)
{
    if (!context->request)
        return ERROR_STATE;
    if (uri.n == 0) {
        context->next_hop = TEXT_NONE;
        return 0;
    }
    struct text copy = arena_copy(&context->request->arena, uri);
    if (!text_is_set(copy))
        return ERROR_MEMORY;
    context->next_hop = copy;
    return 0;
}

const struct listener *context_send_listener(const struct response_context *context)
{
    return context->send_listener;
}

void context_set_send_listener(struct response_context *context, const struct listener *listener)
{
    context->send_listener = listener;
}

uint32_t *context_flags(struct response_context *context)
{
    return &context->flags;
}

struct dispatcher_choice *context_dispatcher_choice(const struct response_context *context)
{
    return context->choice;
}

void context_set_dispatcher_choice(struct response_context *context,
                                   struct dispatcher_choice *choice)
{
    void *old = context->choice;
    context->choice = memory_ref(choice);
    memory_release(old);
}

bool context_is_cancelled(const struct response_context *context)
{
    return context->is_cancelled;
}

unsigned context_branch_count(const struct response_context *context)
{
    return context->branch_count;
}

bool context_is_decided(const struct response_context *context)
{
    return context->is_decided;
}

struct dialog *context_dialog(const struct response_context *context)
{
    return context->dialog;
}

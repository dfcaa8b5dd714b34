/* A branch: from a target to a client transaction (RFC 3261 s16.6), and Timer C. */
#include "route/notes.h"

#include "base/memory.h"

static struct timers *timers_of(const struct branch *branch)
{
    return loop_timers(branch->context->proxy->options.loop);
}

static void stop(struct branch *branch)
{
    timer_stop(timers_of(branch), &branch->timer_c);
    if (branch->query) {
        resolve_cancel(branch->query);
        branch->query = NULL;
    }
}

void branch_release(struct branch *branch)
{
    stop(branch);
    if (branch->client)
        transaction_client_detach(branch->client);
    branch->client = memory_release(branch->client);
    branch->wait = memory_release(branch->wait);
    list_remove(&branch->link);
    branch->context = NULL;
    memory_release(branch);
}

void branch_finish(struct branch *branch)
{
    if (branch->state == BRANCH_FINAL)
        return;
    branch->state = BRANCH_FINAL;
    branch->context->pending--;
    stop(branch);
}

static __attribute__((cold)) void give_up(struct branch *branch)
{
    branch_finish(branch);
    call_media_branch_failed(branch);
    branch_release(branch);
}

/* Tell the relay call how this branch fared; an unsent branch goes away. */
static void settle(struct branch *branch, int error)
{
    struct relay_wait *wait = branch->wait;
    branch->wait = NULL;
    if (error)
        give_up(branch);
    relay_wait_outcome(wait, error);
}

/* ---- causes ---- */

/* A later group of a fork starts when nobody is running: it has the cause of those before. */
static void note_cause(struct branch *branch)
{
    struct response_context *context = branch->context;
    struct loop *loop = context->proxy->options.loop;
    if (!loop_is_traced(loop))
        return;
    const char *cause = loop_cause(loop);
    if (!cause && branch->link.previous)
        cause = CONTAINER_OF(branch->link.previous, struct branch, link)->cause;
    else if (cause)
        cause = arena_printf(&context->request->arena, "%s", cause).p;
    branch->cause = cause;
}

const char *branch_set_cause(const struct branch *branch)
{
    const struct response_context *context = branch->context;
    return loop_set_cause(context->proxy->options.loop, context->request ? branch->cause : NULL);
}

/* ---- Timer C ---- */

static void on_timer_c(void *arg)
{
    struct branch *branch = arg;
    log_info(branch->context->proxy->options.log, LOG_ROUTE, context_call_id(branch->context),
             "branch %u rang too long, it is cancelled", branch->index);
    branch->is_rung_out = true;
    branch_cancel(branch, TEXT_NONE);
}

void branch_ring(struct branch *branch, unsigned status)
{
    if (branch->state != BRANCH_PENDING || branch->context->request->method != METHOD_INVITE)
        return;
    uint64_t delay_ms = branch->options->ringing_timeout_ms;
    if (delay_ms == 0) {
        if (status == 100)
            return;
        delay_ms = branch->context->proxy->options.settings->timers_c_ms;
    } else if (branch->is_ringing) {
        return; /* a ringing time-out counts from the first response, Timer C from the last */
    }
    branch->is_ringing = true;
    timer_start(timers_of(branch), &branch->timer_c, delay_ms, on_timer_c, branch);
}

/* ---- sending ---- */

static int create_client(struct branch *branch, struct text branch_id, struct text bytes)
{
    struct response_context *context = branch->context;
    struct transaction_client_options options = {
        .method = context->request->method,
        .branch = branch_id,
        .destination = branch->destination,
        .bytes = bytes,
        .timeout_ms = branch->options->timeout_ms,
        .handlers = {response_receive, response_failure, branch},
    };
    if (branch->client) /* of the address before: it absorbs what is repeated */
        transaction_client_detach(branch->client);
    branch->client = memory_release(branch->client);
    const char *before = branch_set_cause(branch);
    int error = transaction_client_create(&branch->client, context->proxy->transactions, &options);
    loop_set_cause(context->proxy->options.loop, before);
    return error;
}

static __attribute__((cold)) int note_loop(struct response_context *context)
{
    counter_count(context->proxy->options.counters, COUNTER_ROUTE_LOOP);
    context->is_looped = true; /* 482, when nothing else can be sent */
    return ERROR_LIMIT;
}

static int send_request(struct branch *branch)
{
    struct response_context *context = branch->context;
    struct proxy *proxy = context->proxy;
    struct edits *edits = NULL;
    char branch_array[BRANCH_BYTES];
    uint64_t hash = loop_hash(context, branch->edits, branch->next_hop);
    if (loop_detected(context, hash))
        return note_loop(context);
    struct text branch_id = transactions_make_branch(proxy->transactions, hash, branch_array);
    int error = edits_begin(&edits, context->request, branch->edits);
    if (!error)
        error = hop_edit(context, edits, branch->destination.listener, branch_id, branch->breadth);
    if (!error) {
        struct buffer *out = transport_print(proxy->options.transport);
        edits_print(edits, out);
        error = out->error;
    }
    if (!error)
        error = create_client(branch, branch_id, transport_printed(proxy->options.transport));
    if (!error && proxy_makes_records(proxy))
        notes_try(context, branch->index, branch->next_hop, &branch->destination.address);
    return error;
}

/* The next address of the name that one of our sockets can send to: a name may have addresses of
 * both families. @return false when there is none */
static bool take_address(struct branch *branch)
{
    const struct listener *asked = branch->listener;
    struct text interface = asked ? text_of(asked->interface) : TEXT_NONE;
    while (branch->target_at < branch->target_count) {
        const struct address *address = &branch->targets[branch->target_at++].address;
        const struct listener *listener = asked;
        if (!asked || asked->local.sa.sa_family != address->sa.sa_family)
            listener = next_hop_listener(branch->context, interface, address);
        if (!listener)
            continue;
        branch->destination.listener = listener;
        branch->destination.address = *address;
        return true;
    }
    return false;
}

static void start_timer_c(struct branch *branch)
{
    const struct settings *settings = branch->context->proxy->options.settings;
    if (branch->context->request->method == METHOD_INVITE)
        timer_start(timers_of(branch), &branch->timer_c, settings->timers_c_ms, on_timer_c, branch);
}

bool branch_next_address(struct branch *branch)
{
    if (!branch->edits || branch->is_cancelled || branch->state != BRANCH_PENDING ||
        !take_address(branch))
        return false;
    notes_tried(branch->context, branch->index, branch->status ? branch->status : 408);
    if (send_request(branch))
        return false;
    branch->status = 0;
    branch->is_ringing = false;
    start_timer_c(branch);
    return true;
}

static void send_first(struct branch *branch)
{
    struct response_context *context = branch->context;
    int error = branch->is_cancelled ? ERROR_CANCELLED : context->is_final_sent ? ERROR_STATE : 0;
    if (!error)
        error = call_media_request(context, branch, branch->edits);
    if (!error)
        error = send_request(branch);
    if (!error) {
        branch->state = BRANCH_PENDING;
        request_reply_trying(context);
        start_timer_c(branch);
    }
    settle(branch, error);
}

static void branch_route_done(void *arg, int error)
{
    struct branch *branch = arg;
    if (branch->context && branch->wait) {
        if (error)
            settle(branch, error);
        else
            send_first(branch);
    }
    memory_release(branch);
}

static void run_branch_route(struct branch *branch)
{
    struct text name = branch->options->on_branch;
    if (!name.n) {
        send_first(branch);
        return;
    }
    context_run(branch->context, &(struct route_run){
                                     .kind = ROUTE_BRANCH,
                                     .name = name,
                                     .context = branch->context,
                                     .branch = branch,
                                     .edits = branch->edits,
                                     .done = branch_route_done,
                                     .arg = memory_ref(branch),
                                 });
}

/* ---- from URI to address ---- */

static void use_targets(struct branch *branch, const struct resolve_target *v, size_t count)
{
    struct response_context *context = branch->context;
    struct resolve_target *kept = arena_alloc(&context->request->arena, count * sizeof *kept);
    if (!kept) {
        settle(branch, ERROR_MEMORY);
        return;
    }
    memcpy(kept, v, count * sizeof *kept);
    branch->targets = kept;
    branch->target_count = (uint16_t)count;
    if (!take_address(branch)) {
        settle(branch, ERROR_ARGUMENT);
        return;
    }
    if (context->wants_record_route && context->is_dialog_making && call_dialog(context)) {
        settle(branch, ERROR_LIMIT);
        return;
    }
    run_branch_route(branch);
}

static void on_resolved(void *arg, int error, const struct resolve_target *v, size_t count)
{
    struct branch *branch = arg;
    branch->query = NULL;
    if (error || count == 0)
        settle(branch, error ? error : ERROR_NOT_FOUND);
    else
        use_targets(branch, v, count);
}

static void look_up(struct branch *branch, const struct uri *next_hop)
{
    struct resolve_targets now;
    branch->next_hop = next_hop->whole;
    int error = resolve_uri(branch->context->proxy->options.resolver, next_hop, &now, on_resolved,
                            branch, &branch->query);
    if (error)
        settle(branch, error);
    else if (now.count)
        use_targets(branch, now.v, now.count);
}

static int prepare(struct branch *branch, const struct fork_target *target,
                   const struct relay_options *options)
{
    struct response_context *context = branch->context;
    int error = edits_begin(&branch->edits, context->request, context->edits);
    if (!error && target->uri.n)
        error = edits_set_request_uri(branch->edits, target->uri);
    if (!error && target->route.n)
        error = edits_prepend(branch->edits, HEADER_ROUTE, TEXT("Route"), target->route);
    if (error)
        return error;
    branch->listener = target->listener;
    branch->options = options;
    if (!options->interface.n)
        return 0;
    branch->listener = NULL;
    for (int i = 0; i < 2 && !branch->listener; i++)
        branch->listener = transport_listener(context->proxy->options.transport, options->interface,
                                              TRANSPORT_UDP, i ? AF_INET6 : AF_INET);
    return branch->listener ? 0 : ERROR_ARGUMENT;
}

void branch_start(struct response_context *context, const struct fork_target *target,
                  const struct relay_options *options, unsigned breadth, struct relay_wait *wait)
{
    if (context->branch_count >= context->proxy->options.settings->limits_branches) {
        counter_count(context->proxy->options.counters, COUNTER_ROUTE_BRANCH_LIMIT);
        relay_wait_outcome(wait, ERROR_LIMIT);
        return;
    }
    struct branch *branch = memory_alloc_local(sizeof *branch, 0, NULL);
    if (!branch) {
        relay_wait_outcome(wait, ERROR_MEMORY);
        return;
    }
    branch->context = context;
    branch->wait = wait;
    branch->breadth = breadth;
    branch->instance = target->instance;
    branch->index = context->branch_count++;
    list_append(&context->branches, &branch->link);
    context->pending++;
    note_cause(branch);
    int error = prepare(branch, target, options);
    struct text to = target->next_hop;
    struct uri next_hop;
    if (!to.n && !context->next_hop.n)
        to = target->uri;
    if (!error)
        error = next_hop_choose(context, branch->edits, to, &next_hop);
    if (error)
        settle(branch, error);
    else
        look_up(branch, &next_hop);
}

/* ---- ending ---- */

void branch_cancel(struct branch *branch, struct text reason)
{
    if (branch->is_cancelled || branch->state == BRANCH_FINAL)
        return;
    branch->is_cancelled = true;
    if (branch->state == BRANCH_PREPARING) {
        if (branch->query)
            settle(branch, ERROR_CANCELLED);
        return; /* a waiting branch route finds is_cancelled when it is done */
    }
    if (branch->context->request->method == METHOD_INVITE)
        transaction_client_cancel(branch->client, reason);
}

void branch_cancel_all(struct response_context *context, const struct branch *but,
                       struct text reason)
{
    LIST_FOR_EACH_SAFE (link, &context->branches) {
        struct branch *branch = CONTAINER_OF(link, struct branch, link);
        if (branch != but)
            branch_cancel(branch, reason);
    }
}

/* ---- reading ---- */

unsigned branch_index(const struct branch *branch)
{
    return branch->index;
}

struct edits *branch_edits(const struct branch *branch)
{
    return branch->edits;
}

struct text branch_next_hop(const struct branch *branch)
{
    return branch->next_hop;
}

const struct destination *branch_destination(const struct branch *branch)
{
    return &branch->destination;
}

/*
 * Responses (RFC 3261 s16.7): the replies' routes run, provisional ones and 2xx go upstream at
 * once, of the others the best one when no branch is pending, after the failure route.
 */
#include "route/topology.h"

#include "base/memory.h"

/* One response on its way through onreply_route and onreply_route.NAME. */
struct reply_run {
    struct branch *branch;            /* owned reference */
    struct response_context *context; /* owned reference */
    struct message *response;         /* owned reference */
    struct edits *edits;              /* owned */
    bool is_named_run;
    bool is_dropped;
};

static void reply_run_destroy(void *arg)
{
    struct reply_run *run = arg;
    memory_release(run->edits);
    memory_release(run->response);
    memory_release(run->branch);
    memory_release(run->context);
}

/* ---- sending upstream ---- */

/* @param branch  whose 2xx it is, NULL: it is none */
static void send_upstream(struct response_context *context, const struct branch *branch,
                          struct message *response, struct edits *edits, unsigned status)
{
    struct buffer *out = &context->proxy->out;
    buffer_clear(out);
    edits_print(edits, out);
    if (out->error) {
        log_error(context->proxy->options.log, LOG_ROUTE, response->call_id,
                  "%u not sent upstream: %s", status, error_text(out->error));
        if (status >= 200) /* the caller is told something, or its transaction is given up */
            request_respond(context, &(struct response_options){.status = 500});
        return;
    }
    if (branch && response->method == METHOD_INVITE)
        accepted_add(context, branch, response, buffer_text(out));
    transaction_server_respond(context->server, status, buffer_text(out));
    if (status >= 200 && !context->is_final_sent)
        request_answered(context, status);
}

/* A 2xx crossed the failure that the caller has been told: by us, since others' wait for it. */
static bool is_too_late(const struct response_context *context)
{
    enum transaction_state state =
        context->server ? transaction_server_state(context->server) : TRANSACTION_TERMINATED;
    return state == TRANSACTION_COMPLETED || state == TRANSACTION_CONFIRMED;
}

static void send_accepted(struct reply_run *run)
{
    struct response_context *context = run->context;
    if (context->dialog) {
        dialog_on_response(context->dialog, run->response);
        sides_accepted(context, run->response);
    }
    context->group_at = context->group_count;
    branch_cancel_all(context, run->branch, TEXT_NONE);
    if (is_too_late(context))
        hang_up_late(context, run->branch, run->response);
    else
        send_upstream(context, run->branch, run->response, run->edits, run->response->status);
}

/* ---- the best response ---- */

/* Lower is better (s16.7 6). */
static unsigned rank(unsigned status)
{
    static const unsigned preferred[] = {401, 407, 415, 420, 484};
    if (status >= 600)
        return 0;
    for (size_t i = 0; i < sizeof preferred / sizeof preferred[0]; i++)
        if (status == preferred[i])
            return 400;
    if (status == 408 || status == 487)
        return 499; /* says less than any other 4xx */
    if (status == 503)
        return 599;
    return status / 100 * 100 + 50;
}

static bool is_challenge(const struct message *response)
{
    return response->status == 401 || response->status == 407;
}

/* A header's value in one line: folding is white space (s7.3.1). */
static struct text unfolded(struct arena *arena, struct text value)
{
    char *copy = arena_alloc(arena, value.n + 1);
    if (!copy)
        return TEXT_NONE;
    for (size_t i = 0; i < value.n; i++)
        copy[i] = (char)(value.p[i] == '\r' || value.p[i] == '\n' ? ' ' : value.p[i]);
    return (struct text){copy, value.n};
}

/* s16.7 7: challenges of the branches that lost go up, too. */
static void keep_challenges(struct response_context *context, struct message *response)
{
    static const enum header_kind kinds[] = {HEADER_WWW_AUTHENTICATE, HEADER_PROXY_AUTHENTICATE};
    struct arena *arena = &context->request->arena;
    for (size_t i = 0; i < 2; i++) {
        const struct header *header = message_header(response, kinds[i]);
        for (; header; header = message_header_next(response, header)) {
            struct text value = unfolded(arena, header->value);
            struct text more = arena_printf(arena, "%.*s%s: %.*s\n", TEXT_ARG(context->challenges),
                                            header_kind_name(kinds[i]), TEXT_ARG(value));
            if (text_is_set(more)) /* without memory the caller sees fewer challenges */
                context->challenges = more;
        }
    }
}

static void add_challenges(struct response_context *context)
{
    struct text rest = context->challenges;
    while (rest.n) {
        struct text value = text_split(&rest, '\n');
        struct text name = text_split(&value, ':');
        edits_append(context->best_edits, name, text_trim(value));
    }
}

void response_consider(struct response_context *context, struct message *response,
                       struct edits *edits, bool is_local)
{
    if (context->is_best_old) {
        context->best = memory_release(context->best);
        context->best_edits = memory_release(context->best_edits);
        context->challenges = TEXT_NONE;
        context->is_best_old = false;
    }
    bool is_better = !context->best || rank(response->status) < rank(context->best->status);
    struct message *loser = is_better ? context->best : response;
    if (loser && is_challenge(loser))
        keep_challenges(context, loser);
    if (!is_better)
        return;
    memory_ref(response);
    memory_ref(edits);
    memory_release(context->best);
    memory_release(context->best_edits);
    context->best = response;
    context->best_edits = edits;
    context->best_is_local = is_local;
}

static void send_best(struct response_context *context)
{
    struct message *best = memory_ref(context->best);
    struct edits *edits = memory_ref(context->best_edits);
    unsigned status = best->status;
    if (context->is_final_sent) {
        status = 0;
    } else if (status == 503 && !context->best_is_local) {
        /* s16.7 6: one server is overloaded, not we: the caller must not shun us. */
        status = 500;
        edits_set_status(edits, 500, text_of(status_reason(500)));
    }
    if (is_challenge(best))
        add_challenges(context);
    if (status)
        send_upstream(context, NULL, best, edits, status);
    memory_release(edits);
    memory_release(best);
}

static void failure_route_done(void *arg, int error)
{
    struct response_context *context = arg;
    context->is_in_failure = false;
    context->is_collecting_done = false;
    if (error && !context->is_final_sent && context->pending == 0)
        request_respond(context, &(struct response_options){.status = 500});
    else if (context->pending == 0 && !context->is_final_sent)
        response_collect(context);
    context_shrink(context);
    memory_release(context);
}

/* @return true when the failure route took over */
static bool run_failure_route(struct response_context *context)
{
    const struct route_handlers *handlers = &context->proxy->options.handlers;
    struct text name = text_of(context->on_failure);
    char copy[ROUTE_NAME_BYTES];
    if (!name.n || context->is_cancelled ||
        !handlers->has(handlers->arg, context->generation, ROUTE_FAILURE, name))
        return false;
    memcpy(copy, context->on_failure, sizeof copy);
    context->on_failure[0] = 0; /* armed anew by the next relay */
    context->is_in_failure = true;
    struct message *best = memory_ref(context->best);
    context_run(context, &(struct route_run){
                             .kind = ROUTE_FAILURE,
                             .name = text_of(copy),
                             .context = context,
                             .reply = best,
                             .reply_is_local = context->best_is_local,
                             .edits = context->edits,
                             .done = failure_route_done,
                             .arg = memory_ref(context),
                         });
    memory_release(best);
    return true;
}

/* A response that we make stands in for one that never came. */
static void consider_local(struct response_context *context, unsigned status)
{
    struct buffer out = {0};
    struct message *response = NULL;
    struct edits *edits = NULL;
    struct message_fault fault;
    response_print(&out, context->request,
                   &(struct response_options){
                       .status = status,
                       .to_tag = transaction_server_tag(context->server),
                       .server = context->proxy->options.server,
                   });
    int error = out.error ? out.error
                          : message_parse(&response, buffer_text(&out),
                                          context->proxy->options.settings, &fault);
    if (!error)
        error = edits_create(&edits, response, NULL);
    if (!error)
        response_consider(context, response, edits, true);
    else
        log_error(context->proxy->options.log, LOG_ROUTE, context_call_id(context),
                  "no local %u: %s", status, error_text(error));
    memory_release(edits);
    memory_release(response);
    buffer_release(&out);
}

void response_collect(struct response_context *context)
{
    if (context->pending || context->is_final_sent || context->is_collecting_done ||
        !context->server || !context->request)
        return;
    bool is_settled = context->is_cancelled || (context->best && context->best->status >= 600);
    if (!is_settled && (relay_next_group(context) || context->is_final_sent))
        return;
    if (!context->best)
        consider_local(context, context->is_cancelled ? 487 : 408);
    if (!context->best) { /* no memory for a proper one */
        request_respond(context, &(struct response_options){.status = 500});
        return;
    }
    context->is_collecting_done = true;
    memory_ref(context);
    if (!run_failure_route(context))
        send_best(context);
    memory_release(context);
}

/* ---- from a client transaction ---- */

static void response_final(struct reply_run *run)
{
    struct response_context *context = run->context;
    struct branch *branch = run->branch;
    unsigned status = run->response->status;
    /* 503 is a failure of that address: the next one of the name is tried (RFC 3263 s4.3). */
    if (status == 503 && !context->is_cancelled && branch_next_address(branch))
        return;
    branch_finish(branch);
    if (status / 100 == 2) {
        if (run->response->method == METHOD_INVITE || !context->is_final_sent)
            send_accepted(run);
        context_shrink(context);
        return;
    }
    call_media_branch_failed(branch);
    if (!context->request) /* answered long ago: this branch was only waited for */
        return;
    if (branch->is_rung_out && status == 487 && !context->is_cancelled) {
        loop_set_cause(context->proxy->options.loop, "timer C"); /* routes_done() takes it back */
        consider_local(context, 408);
    } else {
        response_consider(context, run->response, run->edits, false);
    }
    if (status >= 600) {
        context->group_at = context->group_count;
        branch_cancel_all(context, branch, TEXT_NONE);
    }
    response_collect(context);
    context_shrink(context);
}

static void routes_done(struct reply_run *run)
{
    struct response_context *context = run->context;
    struct message *response = run->response;
    if (!run->branch->context) { /* the server transaction ended meanwhile */
        memory_release(run);
        return;
    }
    struct loop *loop = context->proxy->options.loop;
    const char *before = branch_set_cause(run->branch);
    if (context->server && response->status / 100 <= 2)
        call_media_response(run->branch, response, run->edits);
    identity_response(context, response, run->edits); /* without memory it goes on as it is */
    if (response->status / 100 == 2)
        session_timer_accepted(context, response, run->edits);
    if (topology_response(run->branch, response, run->edits)) {
        if (response->status >= 200)
            response_local(run->branch, 500);
    } else if (response->status >= 200) {
        response_final(run);
    } else if (!run->is_dropped && !context->is_final_sent) {
        if (context->dialog)
            dialog_on_response(context->dialog, response);
        if (context->hidden && context->is_dialog_making) /* PRACK and UPDATE will need it */
            sides_accepted(context, response);
        send_upstream(context, NULL, response, run->edits, response->status);
    }
    loop_set_cause(loop, before);
    memory_release(run);
}

static void reply_route_done(void *arg, int error);

static void run_reply_route(struct reply_run *run, struct text name)
{
    context_run(run->context, &(struct route_run){
                                  .kind = ROUTE_REPLY,
                                  .name = name,
                                  .context = run->context,
                                  .branch = run->branch,
                                  .reply = run->response,
                                  .drop_reply = &run->is_dropped,
                                  .edits = run->edits,
                                  .done = reply_route_done,
                                  .arg = run,
                              });
}

static void reply_route_done(void *arg, int error)
{
    struct reply_run *run = arg;
    struct text name = text_of(run->branch->on_reply);
    (void)error; /* logged by the host; a response is sent on whatever a script does */
    if (run->is_named_run || !name.n) {
        routes_done(run);
        return;
    }
    run->is_named_run = true;
    run_reply_route(run, name);
}

static struct reply_run *reply_run_create(struct branch *branch, struct message *response)
{
    struct reply_run *run = memory_alloc(sizeof *run, reply_run_destroy);
    if (!run)
        return NULL;
    run->branch = memory_ref(branch);
    run->context = memory_ref(branch->context);
    run->response = memory_ref(response);
    if (edits_create(&run->edits, response, NULL) ||
        edits_remove_first_element(run->edits, HEADER_VIA)) {
        memory_release(run);
        return NULL;
    }
    return run;
}

static void process(struct proxy *proxy, void *owner, void *object)
{
    struct branch *branch = owner;
    struct message *response = object;
    struct response_context *context = branch->context;
    if (!context)
        return;
    const struct route_handlers *handlers = &proxy->options.handlers;
    struct text repeated = accepted_find(context, branch, response);
    if (response->status / 100 == 2 && repeated.n) {
        transaction_server_respond(context->server, response->status, repeated);
        return;
    }
    if (response->status < 200)
        branch_ring(branch, response->status);
    branch->status = response->status;
    struct reply_run *run = reply_run_create(branch, response);
    if (!run) {
        if (response->status >= 200)
            response_local(branch, 500);
        return;
    }
    /* Nothing to route with is left once the call was answered and nobody else is ringing: what
     * still comes is the 2xx of a fork behind this branch. */
    if (!context->request)
        routes_done(run);
    else if (handlers->has(handlers->arg, context->generation, ROUTE_REPLY, TEXT("")))
        run_reply_route(run, TEXT(""));
    else
        reply_route_done(run, 0);
}

void response_receive(void *arg, struct transaction_client *txn, struct message *response)
{
    struct branch *branch = arg;
    struct proxy *proxy = branch->context->proxy;
    (void)txn;
    topology_enter(proxy, response);
    if (response->status == 100) {
        branch->status = 100;
        branch_ring(branch, 100);
        return;
    }
    /* Only the 2xx to INVITE is repeated end to end; other final responses end here, in the client
     * transaction, which absorbs what is repeated. */
    bool is_vital =
        response->status >= 300 || (response->status >= 200 && response->method != METHOD_INVITE);
    enum call_queue_verdict verdict =
        call_queue_defer(proxy->queue, response->call_id, process, branch, response, is_vital);
    if (verdict == CALL_QUEUE_KEPT || (verdict == CALL_QUEUE_FULL && !is_vital))
        return;
    memory_ref(branch);
    process(proxy, branch, response);
    memory_release(branch);
}

void response_local(struct branch *branch, unsigned status)
{
    struct response_context *context = memory_ref(branch->context);
    if (branch->state != BRANCH_FINAL) {
        branch_finish(branch);
        call_media_branch_failed(branch);
        branch->status = (uint16_t)status;
        if (context->request && context->server && !context->is_final_sent)
            consider_local(context, status);
        response_collect(context);
        context_shrink(context);
    }
    memory_release(context);
}

static const char *failure_cause(const struct response_context *context,
                                 enum transaction_failure failure)
{
    if (failure != TRANSACTION_TIMED_OUT)
        return "not deliverable";
    bool is_invite = context->request && context->request->method == METHOD_INVITE;
    return is_invite ? "timer B" : "timer F";
}

void response_failure(void *arg, struct transaction_client *txn, enum transaction_failure failure)
{
    struct branch *branch = arg;
    struct response_context *context = branch->context;
    (void)txn;
    if (branch->state == BRANCH_FINAL)
        return;
    if (!context->is_cancelled && branch->status == 0 && branch_next_address(branch))
        return;
    unsigned status = failure == TRANSACTION_TIMED_OUT ? 408 : 503;
    struct loop *loop = context->proxy->options.loop;
    const char *before = loop_set_cause(loop, failure_cause(context, failure));
    response_local(branch, context->is_cancelled ? 487 : status);
    loop_set_cause(loop, before);
}

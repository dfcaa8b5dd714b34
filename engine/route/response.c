/*
 * Responses (RFC 3261 s16.7): the replies' routes run, provisional ones and 2xx go upstream at
 * once; the others are left to best_response.c.
 */
#include "route/notes.h"
#include "route/topology.h"

#include "base/memory.h"

/* One response on its way through onreply_route and onreply_route.NAME. */
struct reply_run {
    struct branch *branch;            /* owned reference */
    struct response_context *context; /* owned reference */
    struct message *response;         /* owned reference */
    struct edits *edits;              /* of the response */
    bool is_named_run;
    bool is_dropped;
};

static void reply_run_destroy(void *arg)
{
    struct reply_run *run = arg;
    memory_release(run->response);
    memory_release(run->branch);
    memory_release(run->context);
}

/* ---- sending upstream ---- */

static __attribute__((noinline)) void note_upstream(struct response_context *context,
                                                    const struct message *response, unsigned status)
{
    const struct header *reason = message_header(response, HEADER_REASON);
    notes_response(context, status, status == response->status ? response->reason : TEXT_NONE,
                   reason ? reason->value : TEXT_NONE,
                   response == context->best && context->best_is_local);
}

void response_send_upstream(struct response_context *context, const struct branch *branch,
                            struct message *response, struct edits *edits, unsigned status)
{
    struct transport *transport = context->proxy->options.transport;
    struct buffer *out = transport_print(transport);
    edits_print(edits, out);
    if (out->error) {
        log_error(context->proxy->options.log, LOG_ROUTE, response->call_id,
                  "%u not sent upstream: %s", status, error_text(out->error));
        if (status >= 200) /* the caller is told something, or its transaction is given up */
            request_respond(context, &(struct response_options){.status = 500});
        return;
    }
    if (branch && response->method == METHOD_INVITE)
        accepted_add(context, branch, response, transport_printed(transport));
    transaction_server_respond(context->server, status, transport_printed(transport));
    if (proxy_makes_records(context->proxy))
        note_upstream(context, response, status);
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
        if (context->is_dialog_making && proxy_makes_records(context->proxy))
            notes_accepted(context->dialog, run->response);
        dialog_on_response(context->dialog, run->response);
        sides_accepted(context, run->response);
    }
    context->group_at = context->group_count;
    branch_cancel_all(context, run->branch, TEXT_NONE);
    if (is_too_late(context))
        hang_up_late(context, run->branch, run->response);
    else
        response_send_upstream(context, run->branch, run->response, run->edits,
                               run->response->status);
}

/* ---- from a client transaction ---- */

/* It is final and no 2xx: one for the choice of the best. */
static __attribute__((noinline)) void response_refused(struct reply_run *run)
{
    struct response_context *context = run->context;
    struct branch *branch = run->branch;
    unsigned status = run->response->status;
    call_media_branch_failed(branch);
    if (!context->request) /* answered long ago: this branch was only waited for */
        return;
    if (branch->is_rung_out && status == 487 && !context->is_cancelled) {
        loop_set_cause(context->proxy->options.loop, "timer C"); /* routes_done() takes it back */
        response_consider_local(context, 408);
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

static void response_final(struct reply_run *run)
{
    struct response_context *context = run->context;
    struct branch *branch = run->branch;
    unsigned status = run->response->status;
    /* 503 is a failure of that address: the next one of the name is tried (RFC 3263 s4.3). */
    if (status == 503 && !context->is_cancelled && branch_next_address(branch))
        return;
    branch_finish(branch);
    branch->has_answered = status != 408 && status != 430 && !branch->is_rung_out;
    if (proxy_makes_records(context->proxy))
        notes_tried(context, branch->index, status);
    if (status / 100 != 2) {
        response_refused(run);
        return;
    }
    if (run->response->method == METHOD_INVITE || !context->is_final_sent)
        send_accepted(run);
    context_shrink(context);
}

/* The response of a call that is not plain, as its request was. @return 0, or why it must not go on */
static __attribute__((cold)) int edit_special(struct reply_run *run)
{
    struct response_context *context = run->context;
    struct message *response = run->response;
    identity_response(context, response, run->edits); /* without memory it goes on as it is */
    int error = asserted_response(context, response, run->edits);
    if (response->status / 100 == 2)
        session_timer_accepted(context, response, run->edits);
    if (!error)
        error = cseq_response(context, response, run->edits);
    return error ? error : topology_response(run->branch, response, run->edits);
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
    if (!context_is_plain(context, response, run->edits) && edit_special(run)) {
        if (response->status >= 200)
            response_local(run->branch, 500);
    } else if (response->status >= 200) {
        response_final(run);
    } else if (!run->is_dropped && !context->is_final_sent && response->method == METHOD_INVITE) {
        /* To others nothing provisional but a 100 of our own is sent (RFC 4320 s4.1). */
        if (context->dialog)
            dialog_on_response(context->dialog, response);
        if (context->hidden && context->is_dialog_making) /* PRACK and UPDATE will need it */
            sides_accepted(context, response);
        response_send_upstream(context, NULL, response, run->edits, response->status);
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
    struct text name = run->branch->options->on_reply;
    (void)error; /* logged by the host; a response is sent on whatever a script does */
    if (run->is_named_run || !name.n) {
        routes_done(run);
        return;
    }
    run->is_named_run = true;
    run_reply_route(run, name);
}

int response_begin(struct edits **editsp, struct message *response)
{
    const struct via *own = message_via(response);
    struct header_view line;
    if (!own)
        return ERROR_SYNTAX;
    int error = edits_begin(editsp, response, NULL);
    if (error || !edits_header(*editsp, HEADER_VIA, TEXT_NONE, &line))
        return error ? error : ERROR_SYNTAX;
    struct text rest = text_span(own->whole.p + own->whole.n, line.value.p + line.value.n);
    text_split(&rest, ',');
    return edits_keep_end(*editsp, &line, rest);
}

static struct reply_run *reply_run_create(struct branch *branch, struct message *response)
{
    struct reply_run *run = memory_alloc_local(sizeof *run, 0, reply_run_destroy);
    if (!run)
        return NULL;
    run->branch = memory_ref(branch);
    run->context = memory_ref(branch->context);
    run->response = memory_ref(response);
    if (response_begin(&run->edits, response)) {
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
    if (!context->request && !context->dialog) /* context_shrink() let it go */
        context->dialog = memory_ref(dialog_find(proxy->dialogs, response));
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
        notes_tried(context, branch->index, status);
        if (context->request && context->server && !context->is_final_sent)
            response_consider_local(context, status);
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

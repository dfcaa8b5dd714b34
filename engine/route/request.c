/* Requests as they come from the transaction layer, and our own answers to them. */
#include "route/notes.h"
#include "route/topology.h"

#include "base/memory.h"
#include "sip/sanity.h"

#define RETRY_AFTER_REFUSED TEXT("Retry-After: 5\r\n") /* while draining or overloaded */

static void server_terminated(void *arg, struct transaction_server *txn)
{
    struct response_context *context = arg;
    (void)txn;
    context->is_attached = false;
    LIST_FOR_EACH (link, &context->branches) {
        struct branch *branch = CONTAINER_OF(link, struct branch, link);
        if (branch->client)
            transaction_client_detach(branch->client);
        timer_stop(loop_timers(context->proxy->options.loop), &branch->timer_c);
        if (branch->state == BRANCH_PENDING)
            call_media_branch_failed(branch);
    }
    if (context->dialog && context->is_dialog_making && !context->is_final_sent)
        dialog_on_failure(context->dialog, 408);
    memory_release(context);
}

/* A transaction that cannot even be refused is given up: nothing else would ever end it. */
static int refuse(struct transaction_server *txn, const struct response_options *options)
{
    int error = transaction_server_reply(txn, options);
    if (error && options->status >= 200)
        transaction_server_drop(txn); /* without effect when a final response was sent */
    return error;
}

/* Can it be answered? ACK never is; a CANCEL without transaction is, statelessly. */
static bool is_answerable(const struct response_context *context)
{
    return context->server || (context->request && context->request->method == METHOD_CANCEL);
}

static int respond(struct response_context *context, const struct response_options *options,
                   int (*send)(struct transaction_server *, const struct response_options *))
{
    if (!is_answerable(context) || context->is_final_sent)
        return ERROR_STATE;
    int error = context->server
                    ? send(context->server, options)
                    : transport_reply(context->proxy->options.transport, context->request, options);
    if (error)
        return error;
    notes_response(context, options->status, options->reason, TEXT_NONE, true);
    context->is_tag_sent |= options->status > 100;
    if (options->status >= 200)
        request_answered(context, options->status);
    return 0;
}

int request_respond(struct response_context *context, const struct response_options *options)
{
    return respond(context, options, refuse);
}

void request_answered(struct response_context *context, unsigned status)
{
    struct dialog *dialog = context->dialog;
    bool is_bye = context->request && context->request->method == METHOD_BYE &&
                  context->branch_count > 0; /* one that we refused ends nothing */
    context->is_final_sent = true;
    context->is_decided = true;
    if (dialog && context->is_dialog_making && status >= 300) {
        call_media_invite_failed(context);
        dialog_on_failure(dialog, status);
    }
    if (dialog && is_bye) {
        dialog_on_bye_done(dialog, context->request);
        call_media_bye(context);
    }
    context_shrink(context);
}

void request_reply_trying(struct response_context *context)
{
    if (context->is_replied_100 || !context->server || !context->request ||
        context->request->method != METHOD_INVITE)
        return;
    struct loop *loop = context->proxy->options.loop;
    const char *before = loop_set_cause(loop, NULL); /* no script asked for it */
    context->is_replied_100 = true;
    transaction_server_reply(context->server, &(struct response_options){.status = 100});
    loop_set_cause(loop, before);
}

static void reply_status(struct response_context *context, unsigned status)
{
    request_respond(context, &(struct response_options){.status = status});
}

static void request_route_done(void *arg, int error)
{
    struct response_context *context = arg;
    if (error && !context->is_decided) {
        reply_status(context, 500);
    } else if (!context->is_decided && is_answerable(context)) {
        counter_count(context->proxy->options.counters, COUNTER_SCRIPT_UNANSWERED);
        log_warning(context->proxy->options.log, LOG_ROUTE, context_call_id(context),
                    "request_route neither relayed, answered nor dropped this %.*s: 500 was sent; "
                    "end every path with req:relay, req:reply or req:drop",
                    TEXT_ARG(context->request->method_text));
        reply_status(context, 500);
    }
    if (context->is_dropped && context->server)
        transaction_server_drop(context->server);
    context_shrink(context);
}

static void run_request_route(struct response_context *context)
{
    context_run(context, &(struct route_run){
                             .kind = ROUTE_REQUEST,
                             .name = TEXT(""),
                             .context = context,
                             .edits = context->edits,
                             .done = request_route_done,
                             .arg = context,
                         });
}

/* What is refused before a route sees it. @return false when it was answered */
static bool admit(struct proxy *proxy, struct transaction_server *txn, struct message *request)
{
    bool is_new = !text_is_set(message_to_tag(request));
    if (proxy->is_refusing && is_new) {
        counter_count(proxy->options.counters, COUNTER_SIP_SHED);
        refuse(txn, &(struct response_options){
                        .status = 503,
                        .headers = RETRY_AFTER_REFUSED,
                        .server = proxy->options.server,
                    });
        return false;
    }
    struct sanity_verdict verdict = sanity_check(request);
    if (verdict.status == 0)
        return true;
    counter_count(proxy->options.counters, COUNTER_SIP_INSANE);
    struct text unsupported = TEXT_NONE;
    if (verdict.unsupported.n)
        unsupported =
            arena_printf(&request->arena, "Unsupported: %.*s\r\n", TEXT_ARG(verdict.unsupported));
    refuse(txn, &(struct response_options){
                    .status = verdict.status,
                    .reason = text_of(verdict.reason),
                    .headers = unsupported,
                    .server = proxy->options.server,
                });
    return false;
}

/* Without a dialog: is it a request within a call (RFC 3261 s12.2, RFC 3262, 3311, 6086) that has none
 * here any more, or never had one? Subscriptions are dialogs, too, but none of ours. */
static bool is_of_unknown_call(const struct response_context *context)
{
    struct message *request = context->request;
    if (!context->proxy->options.settings->dialog_refuse_unknown ||
        !text_is_set(message_to_tag(request)))
        return false;
    switch (request->method) {
    case METHOD_INVITE:
    case METHOD_ACK:
    case METHOD_BYE:
    case METHOD_PRACK:
    case METHOD_UPDATE:
    case METHOD_INFO:
        counter_count(context->proxy->options.counters, COUNTER_DIALOG_UNKNOWN);
        return true;
    default: return false;
    }
}

static void begin(struct proxy *proxy, void *owner, void *object)
{
    struct transaction_server *txn = owner;
    struct response_context *context;
    enum transaction_state state = transaction_server_state(txn);
    if (state != TRANSACTION_TRYING && state != TRANSACTION_PROCEEDING)
        return; /* cancelled while it waited for its turn */
    if (context_create(&context, proxy, txn, object)) {
        refuse(txn, &(struct response_options){.status = 500});
        return;
    }
    /* This reference is the server transaction's; server_terminated() gives it back. */
    transaction_server_attach(txn, context, server_terminated);
    context->is_attached = true;
    memory_ref(context);
    if (context->dialog) {
        dialog_on_request(context->dialog, context->request);
        if (proxy_makes_records(proxy))
            notes_request(proxy, context->dialog, context->request);
    }
    if (bridge_take(context)) {
        memory_release(context);
        return;
    }
    if (!context->dialog && is_of_unknown_call(context))
        reply_status(context, 481);
    else
        run_request_route(context);
    memory_release(context);
}

void request_receive(void *arg, struct transaction_server *txn, struct message *request)
{
    struct proxy *proxy = arg;
    if (!admit(proxy, txn, request))
        return;
    topology_enter(proxy, request);
    switch (call_queue_defer(proxy->queue, request->call_id, begin, txn, request, false)) {
    case CALL_QUEUE_GO: begin(proxy, txn, request); break;
    case CALL_QUEUE_KEPT: break;
    case CALL_QUEUE_FULL: transaction_server_drop(txn); break; /* its sender repeats it */
    }
}

/* ACK and a CANCEL that matches nothing: no transaction stands behind them. */
static void begin_stateless(struct proxy *proxy, void *owner, void *object)
{
    struct response_context *context;
    (void)owner;
    if (context_create(&context, proxy, NULL, object))
        return;
    if (context->dialog && context->request->method == METHOD_ACK)
        dialog_on_request(context->dialog, context->request);
    if (!bridge_take(context) && (context->dialog || !is_of_unknown_call(context)))
        run_request_route(context);
    memory_release(context);
}

static void receive_stateless(struct proxy *proxy, struct message *request)
{
    topology_enter(proxy, request);
    if (call_queue_defer(proxy->queue, request->call_id, begin_stateless, NULL, request, false) ==
        CALL_QUEUE_GO)
        begin_stateless(proxy, NULL, request);
}

void request_receive_ack(void *arg, struct message *ack)
{
    struct proxy *proxy = arg;
    if (sanity_check(ack).status)
        counter_count(proxy->options.counters, COUNTER_SIP_INSANE);
    else
        receive_stateless(proxy, ack);
}

/* s16.10: a proxy without a response context for it does not know what became of the INVITE. The
 * script decides: req:forward() (or relay) sends it statelessly after an INVITE that went so. */
void request_receive_stray_cancel(void *arg, struct message *cancel)
{
    struct proxy *proxy = arg;
    struct sanity_verdict verdict = sanity_check(cancel);
    if (verdict.status == 0) {
        receive_stateless(proxy, cancel);
        return;
    }
    counter_count(proxy->options.counters, COUNTER_SIP_INSANE);
    transport_reply(proxy->options.transport, cancel,
                    &(struct response_options){.status = verdict.status,
                                               .reason = text_of(verdict.reason),
                                               .server = proxy->options.server});
}

static bool has_sent_branch(const struct response_context *context)
{
    LIST_FOR_EACH (link, &context->branches)
        if (CONTAINER_OF(link, struct branch, link)->state == BRANCH_PENDING)
            return true;
    return false;
}

void request_receive_cancel(void *arg, struct transaction_server *invite, struct message *cancel)
{
    struct proxy *proxy = arg;
    struct response_context *context = transaction_server_user(invite);
    const struct header *reason = message_header(cancel, HEADER_REASON);
    if (!context) { /* its turn in the call's queue has not come: nobody will answer it */
        refuse(invite, &(struct response_options){.status = 487});
        return;
    }
    if (context->is_final_sent)
        return;
    log_debug(proxy->options.log, LOG_ROUTE, cancel->call_id, "CANCEL with %u branches pending",
              context->pending);
    notes_reason(context->dialog, reason ? reason->value : TEXT_NONE);
    context->is_cancelled = true;
    context->group_at = context->group_count;
    if (bridge_take_cancel(context, cancel))
        return;
    memory_ref(context);
    /* Branches that were sent bring the 487 (s16.10). Where there is none, a handler or a name is
     * waited for: the caller need not wait with us. */
    if (!has_sent_branch(context))
        reply_status(context, 487);
    branch_cancel_all(context, NULL, reason ? reason->value : TEXT_NONE);
    memory_release(context);
}

int proxy_reply(struct response_context *context, const struct response_options *options)
{
    if (context->is_cancelled && options->status < 300)
        return ERROR_CANCELLED;
    struct response_options full = *options;
    if (!text_is_set(full.server))
        full.server = context->proxy->options.server;
    bool is_final = full.status >= 200;
    /* The same request came by another way, and we answer for ourselves (s8.2.2.2). */
    if (is_final && context->branch_count == 0 && context->server && context->request &&
        transaction_server_is_merged(context->server) && !loop_is_spiral(context))
        full = (struct response_options){.status = 482, .server = full.server};
    memory_ref(context);
    int error =
        respond(context, &full, transaction_server_reply); /* the script hears of an error */
    if (!error && is_final && context->pending)
        branch_cancel_all(context, NULL, TEXT_NONE);
    memory_release(context);
    return error;
}

int proxy_reply_and_forget(struct response_context *context, const struct response_options *options)
{
    struct message *request = context->request;
    /* The ACK to an answer within a dialog carries the dialog's tag: only a transaction knows it. */
    if (!context->server || context->is_final_sent || context->branch_count ||
        context->is_tag_sent || (request->method == METHOD_INVITE && message_to_tag(request).n))
        return proxy_reply(context, options);
    struct response_options full = *options;
    if (!text_is_set(full.server))
        full.server = context->proxy->options.server;
    int error = transport_reply(context->proxy->options.transport, request, &full);
    if (error)
        return error;
    context->is_dropped = true; /* the transaction ends with the handler */
    request_answered(context, options->status);
    return 0;
}

void proxy_drop(struct response_context *context)
{
    context->is_decided = true;
    context->is_dropped = true;
}

int proxy_check_max_forwards(const struct response_context *context)
{
    int left = message_max_forwards(context->request);
    return left == 0 || left == -2 ? ERROR_LIMIT : 0;
}

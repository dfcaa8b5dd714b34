/* Requests within the dialogs of a two-leg call, from either leg (RFC 3261 s12.2.2, s14.2, s15.1.2). */
#include "route/bridge_session.h"

static void refuse(struct response_context *context, unsigned status, struct text headers)
{
    request_respond(context, &(struct response_options){
                                 .status = status,
                                 .headers = headers,
                                 .server = context->proxy->options.server,
                             });
}

/* ---- passing one on ---- */

static void on_done(void *arg, struct message *response)
{
    struct bridge_exchange *exchange = memory_ref(arg);
    struct bridge *bridge = memory_ref(exchange->bridge);
    unsigned status = exchange->why == ERROR_TIMEOUT ? 408 : 503;
    exchange->uac = NULL;
    if (response && !bridge->is_ended &&
        (bridge_challenged(exchange, response) || bridge_session_raised(exchange, response)) &&
        bridge_pass_on(exchange) == 0) {
        memory_release(bridge);
        memory_release(exchange);
        return;
    }
    if (response) {
        status = bridge_session_refusal(bridge, response->status);
        if (status == 401 || status == 407)
            status = 403; /* a challenge is between the callee and us */
        if (exchange->method == METHOD_UPDATE && status / 100 == 2)
            bridge_learn(bridge, exchange->fork, !exchange->is_from_caller, response, TEXT_NONE);
        if (status / 100 == 2)
            bridge_session_accepted(exchange, response);
        if (status != 408 && bridge_exchange_answer(exchange, exchange->fork, response, status))
            status = 500;
    }
    bridge_exchange_refuse(exchange, status, TEXT_NONE); /* unless it was answered */
    bridge_exchange_drop(exchange);
    /* PRACK, of which the INVITE's end is the end; NOTIFY: its subscription is (RFC 5057 s5.1) */
    bool is_of_less = exchange->method == METHOD_PRACK || exchange->method == METHOD_NOTIFY;
    if (!is_of_less && (status == 408 || status == 481)) /* s12.2.1.2: that dialog is gone */
        bridge_end(bridge, DIALOG_END_FAILED, status, TEXT_NONE, -1);
    memory_release(bridge);
    memory_release(exchange);
}

int bridge_pass_on(struct bridge_exchange *exchange)
{
    struct bridge *bridge = exchange->bridge;
    struct message *message = exchange->context->request;
    struct buffer headers = {0}, body = {0};
    bool is_invite = message->method == METHOD_INVITE;
    struct uac_request request = {
        .method = message->method,
        .max_forwards = bridge_hops(message),
        .early = is_invite ? bridge_invite_early : NULL,
        .why = &exchange->why,
    };
    bridge_request_headers(bridge, exchange->context->edits,
                           is_invite ? bridge_allow(bridge) : TEXT_NONE, &headers);
    bridge_reliable_print_rack(exchange, &headers);
    if (exchange->offers_100rel)
        buffer_append(&headers, TEXT("Supported: " BRIDGE_100REL "\r\n"));
    bridge_session_print(exchange, &headers);
    int error = bridge_body(bridge, exchange->fork, message, exchange->is_from_caller,
                            !exchange->is_answer, &body, &request.content_type);
    request.body = buffer_text(&body);
    bridge_session_sent(exchange, request.body, request.content_type);
    if (!error)
        error = bridge_print_credentials(exchange, message->method,
                                         exchange->is_from_caller ? exchange->fork->callee.target
                                                                  : bridge->caller_side.target,
                                         request.body, &headers);
    request.headers = buffer_text(&headers);
    if (!error)
        error = headers.error;
    if (!error)
        error = bridge_send(bridge, exchange->fork, !exchange->is_from_caller, &request,
                            &exchange->uac, is_invite ? bridge_invite_done : on_done, exchange);
    exchange->cseq_out = request.cseq;
    buffer_release(&headers);
    buffer_release(&body);
    return error;
}

static unsigned status_of(int error)
{
    switch (error) {
    case ERROR_SYNTAX: return 488; /* its SDP */
    case ERROR_LIMIT: return 503;
    default: return 500;
    }
}

static void pass(struct bridge *bridge, struct bridge_fork *fork, struct response_context *context,
                 bool is_from_caller, const struct bridge_prack *prack)
{
    struct bridge_exchange *exchange = bridge_exchange_create(bridge, context);
    if (!exchange) {
        refuse(context, 500, TEXT_NONE);
        return;
    }
    exchange->fork = fork;
    exchange->is_from_caller = is_from_caller;
    if (prack) {
        exchange->rack_rseq = prack->rseq;
        exchange->rack_cseq = prack->cseq;
        exchange->is_answer = prack->is_answer;
    }
    if (exchange->method == METHOD_INVITE)
        bridge_reliable_begin(exchange);
    int error = bridge_pass_on(exchange);
    if (error) {
        bridge_exchange_refuse(exchange, status_of(error), TEXT_NONE);
        bridge_exchange_drop(exchange);
        return;
    }
    if (exchange->method != METHOD_INVITE)
        return;
    request_reply_trying(context);
    bridge_invite_wait(exchange);
}

/* ---- what is refused ---- */

static bool is_open(const struct bridge_exchange *exchange)
{
    return exchange->method == METHOD_INVITE
               ? !exchange->is_acknowledged && !exchange->is_target
               : exchange->method == METHOD_UPDATE && exchange->has_sdp;
}

bool bridge_is_offering(const struct bridge *bridge, const struct bridge_exchange *except)
{
    LIST_FOR_EACH (link, &bridge->exchanges) {
        const struct bridge_exchange *exchange = CONTAINER_OF(link, struct bridge_exchange, link);
        if (exchange != except && is_open(exchange))
            return true;
    }
    return false;
}

/*
 * An offer that another one is in the way of (s14.2, RFC 3311 s5.2): 491 when that one travels
 * towards its sender, or is one of ours; 500 when its sender has not waited for the answer to its
 * own. 0: none is.
 */
static unsigned glare(const struct bridge *bridge, const struct bridge_fork *fork,
                      const struct message *request, bool is_from_caller)
{
    bool is_invite = request->method == METHOD_INVITE;
    if (!is_invite && !(request->method == METHOD_UPDATE && bridge_has_sdp(request)))
        return 0;
    LIST_FOR_EACH (link, &bridge->exchanges) {
        const struct bridge_exchange *exchange = CONTAINER_OF(link, struct bridge_exchange, link);
        bool is_early = exchange->method == METHOD_INVITE && exchange->context && !is_invite &&
                        fork->is_agreed; /* RFC 3311 s5.1 */
        if (is_open(exchange) && !is_early)
            return exchange->context && exchange->is_from_caller == is_from_caller ? 500 : 491;
    }
    return 0;
}

/* @return true when it was answered */
static bool refuse_unfit(struct bridge *bridge, struct bridge_fork *fork,
                         struct response_context *context, bool is_from_caller)
{
    struct message *request = context->request;
    struct text unsupported =
        bridge_unsupported(request, bridge->refuses_100rel ? TEXT_NONE : TEXT(BRIDGE_100REL));
    if (!fork || bridge->is_ended) {
        refuse(context, 481, TEXT_NONE);
    } else if (request->cseq_number < fork->remote_cseq[is_from_caller]) { /* s12.2.2 */
        refuse(context, 500, TEXT_NONE);
    } else if (proxy_check_max_forwards(context)) { /* RFC 7332 s3 */
        counter_count(bridge->proxy->options.counters, COUNTER_ROUTE_LOOP);
        refuse(context, 483, TEXT_NONE);
    } else if (unsupported.n) {
        refuse(context, 420,
               arena_printf(&request->arena, "Unsupported: %.*s\r\n", TEXT_ARG(unsupported)));
    } else {
        fork->remote_cseq[is_from_caller] = request->cseq_number;
        return false;
    }
    return true;
}

/* ---- the methods ---- */

static void take_ack(struct bridge *bridge, struct message *ack, bool is_from_caller)
{
    LIST_FOR_EACH (link, &bridge->exchanges) {
        struct bridge_exchange *exchange = CONTAINER_OF(link, struct bridge_exchange, link);
        if (exchange->method == METHOD_INVITE && exchange->is_from_caller == is_from_caller &&
            exchange->cseq_in == ack->cseq_number && exchange->accepted.n) {
            if (!exchange->is_acknowledged)
                bridge_exchange_acknowledge(exchange, ack);
            bridge_exchange_acked(exchange);
            return;
        }
    }
}

static void take_bye(struct bridge *bridge, struct bridge_fork *fork,
                     struct response_context *context, bool is_from_caller)
{
    const struct header *reason = message_header(context->request, HEADER_REASON);
    struct text value = reason ? reason->value : TEXT_NONE;
    if (fork && context->request->cseq_number < fork->remote_cseq[is_from_caller]) { /* s12.2.2 */
        refuse(context, 500, TEXT_NONE);
        return;
    }
    /* BYEs that cross: our own waits for its answer, and this one has ended the same call. */
    bool ends_call = !bridge->is_ended && (fork == bridge->chosen || !bridge->chosen);
    struct message *request = memory_ref(context->request); /* whose Reason goes on */
    refuse(context, fork ? 200 : 481, TEXT_NONE);
    if (fork)
        bridge_exchange_bye_came(bridge, is_from_caller);
    if (fork && ends_call && !bridge_transfer_leave(bridge, is_from_caller))
        bridge_end(bridge, bridge_is_alone(bridge) ? DIALOG_END_CANCELLED : DIALOG_END_BYE, 487,
                   value, is_from_caller);
    memory_release(request);
}

static void take_prack(struct bridge *bridge, struct bridge_fork *fork,
                       struct response_context *context, bool is_from_caller)
{
    struct bridge_prack prack;
    unsigned status = bridge_reliable_take_prack(fork, is_from_caller, context->request, &prack);
    if (status)
        refuse(context, status, TEXT_NONE);
    else
        pass(bridge, fork, context, is_from_caller, &prack);
    bridge_reliable_go_on(fork);
}

/* What the script wants to become of it. */
static void take_refer(struct bridge *bridge, struct bridge_fork *fork,
                       struct response_context *context, bool is_from_caller)
{
    const struct bridge_leg *leg = is_from_caller ? &bridge->caller : &bridge->callee;
    struct buffer contact = {0};
    if (bridge->refer == BRIDGE_REFER_REFUSE) {
        refuse(context, 405, bridge_allow(bridge));
        return;
    }
    if (bridge->refer == BRIDGE_REFER_PASS) {
        pass(bridge, fork, context, is_from_caller, NULL);
        return;
    }
    uac_print_contact(&contact, context->request->source.listener, leg->contact_user);
    unsigned status =
        fork == bridge->chosen ? bridge_take_refer(bridge, context->request, is_from_caller) : 481;
    refuse(context, status, status == 202 ? buffer_text(&contact) : TEXT_NONE);
    buffer_release(&contact);
    if (status == 202)
        bridge_transfer_trying(bridge);
}

static void take_info(struct bridge *bridge, struct bridge_fork *fork,
                      struct response_context *context, bool is_from_caller)
{
    struct bridge_event event;
    bool has_digit = bridge_read_info(context->request, &event);
    event.is_from_caller = is_from_caller;
    pass(bridge, fork, context, is_from_caller, NULL);
    if (has_digit)
        bridge_tell(bridge, event);
}

/*
 * Of the first party of a call that begins here, while the second is called: there is nobody yet that
 * it could go to. What it offers must wait (RFC 3261 s14.2).
 */
static void answer_alone(struct bridge *bridge, struct response_context *context)
{
    struct bridge_event event = {.kind = BRIDGE_EVENT_DTMF};
    switch (context->request->method) {
    case METHOD_INFO:
        if (!bridge_read_info(context->request, &event))
            event.digit = 0;
        event.is_from_caller = true;
        refuse(context, 200, TEXT_NONE);
        if (event.digit)
            bridge_tell(bridge, event);
        break;
    case METHOD_OPTIONS: refuse(context, 200, bridge_allow(bridge)); break;
    case METHOD_INVITE:
    case METHOD_UPDATE:
    case METHOD_REFER: refuse(context, 491, TEXT_NONE); break;
    case METHOD_MESSAGE: refuse(context, 480, TEXT_NONE); break;
    default: refuse(context, 405, bridge_allow(bridge));
    }
}

static void take_request(struct bridge *bridge, struct bridge_fork *fork,
                         struct response_context *context, bool is_from_caller)
{
    if (refuse_unfit(bridge, fork, context, is_from_caller) ||
        bridge_session_refuse(bridge, context) ||
        bridge_session_take(bridge, fork, context, is_from_caller))
        return;
    if (bridge_is_alone(bridge)) {
        answer_alone(bridge, context);
        return;
    }
    unsigned status = glare(bridge, fork, context->request, is_from_caller);
    if (status)
        counter_count(bridge->proxy->options.counters, COUNTER_CALL_GLARE);
    switch (context->request->method) {
    case METHOD_INFO: take_info(bridge, fork, context, is_from_caller); break;
    case METHOD_INVITE:
    case METHOD_UPDATE:
    case METHOD_MESSAGE:
    case METHOD_OPTIONS:
        if (status)
            refuse(context, status, status == 500 ? TEXT("Retry-After: 5\r\n") : TEXT_NONE);
        else
            pass(bridge, fork, context, is_from_caller, NULL);
        break;
    case METHOD_REFER: take_refer(bridge, fork, context, is_from_caller); break;
    case METHOD_NOTIFY:
        if (bridge->refer == BRIDGE_REFER_PASS)
            pass(bridge, fork, context, is_from_caller, NULL);
        else
            refuse(context, 489, TEXT_NONE); /* we have subscribed to nothing */
        break;
    case METHOD_PRACK: take_prack(bridge, fork, context, is_from_caller); break;
    default: refuse(context, 405, bridge_allow(bridge));
    }
}

static void take(struct bridge *bridge, struct response_context *context, bool is_from_caller)
{
    struct message *request = context->request;
    struct bridge_fork *fork =
        bridge_fork_find(bridge, is_from_caller,
                         is_from_caller ? message_to_tag(request) : message_from_tag(request));
    dialog_on_request(bridge->dialog, request);
    notes_request(bridge->proxy, bridge->dialog, request);
    switch (request->method) {
    case METHOD_ACK: take_ack(bridge, request, is_from_caller); break;
    case METHOD_BYE: take_bye(bridge, fork, context, is_from_caller); break;
    default: take_request(bridge, fork, context, is_from_caller);
    }
}

bool bridge_take(struct response_context *context)
{
    bool is_from_caller;
    if (!context->proxy->legs.count || !message_to_tag(context->request).n ||
        context->request->method == METHOD_CANCEL)
        return false;
    struct bridge_leg *leg =
        bridge_leg_of_request(context->proxy, context->request, &is_from_caller);
    if (!leg)
        return false;
    struct bridge *bridge = memory_ref(leg->bridge);
    context->is_decided = true;
    if (leg->is_replaced) /* what its party says crosses our BYE or NOTIFY */
        refuse(context, context->request->method == METHOD_BYE ? 200 : 481, TEXT_NONE);
    else
        take(bridge, context, is_from_caller);
    memory_release(bridge);
    return true;
}

bool bridge_take_cancel(struct response_context *context, struct message *cancel)
{
    bool is_from_caller;
    const struct header *header = message_header(cancel, HEADER_REASON);
    struct text reason = header ? header->value : TEXT_NONE;
    struct bridge_leg *leg = bridge_leg_of_request(context->proxy, cancel, &is_from_caller);
    struct bridge *bridge = leg               ? leg->bridge
                            : context->dialog ? dialog_attachment(context->dialog, DIALOG_BRIDGE)
                                              : NULL;
    if (!bridge)
        return false;
    LIST_FOR_EACH (link, &bridge->exchanges) {
        struct bridge_exchange *exchange = CONTAINER_OF(link, struct bridge_exchange, link);
        if (exchange->context != context)
            continue;
        if (exchange->is_first) {
            bridge_end(bridge, DIALOG_END_CANCELLED, 487, reason, -1);
            return true;
        }
        if (exchange->is_target) {
            bridge_transfer_cancelled(exchange->transfer);
            return true;
        }
        /*
         * Deviation: not 487 at once (s9.2) but what the other party answers, as a proxy does: where a
         * 200 crosses the CANCEL, both must know that the session has changed.
         */
        if (exchange->uac && uac_cancel(exchange->uac, reason))
            return true;
        exchange->uac = NULL;
        bridge_exchange_refuse(exchange, 487, TEXT_NONE);
        bridge_exchange_drop(exchange);
        return true;
    }
    return false;
}

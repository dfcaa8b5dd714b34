/* One request of one leg and what it became on the other: its answer goes back from here. */
#include "route/bridge_session.h"

static void destroy(void *arg)
{
    struct bridge_exchange *exchange = arg;
    memory_release(exchange->context);
    memory_release(exchange->held);
    buffer_release(&exchange->accepted);
    buffer_release(&exchange->ack_body);
    arena_reset(&exchange->arena);
    buffer_release(&exchange->offered);
    memory_release(exchange->bridge);
}

struct bridge_exchange *bridge_exchange_create(struct bridge *bridge,
                                               struct response_context *context)
{
    struct bridge_exchange *exchange = memory_alloc(sizeof *exchange, destroy);
    if (!exchange)
        return NULL;
    exchange->bridge = memory_ref(bridge);
    exchange->context = memory_ref(context);
    exchange->method = METHOD_BYE;
    if (context) {
        exchange->method = context->request->method;
        exchange->cseq_in = context->request->cseq_number;
        exchange->has_sdp = bridge_has_sdp(context->request);
    }
    list_append(&bridge->exchanges, &exchange->link);
    return exchange;
}

void bridge_exchange_drop(struct bridge_exchange *exchange)
{
    if (!exchange || !list_contains(&exchange->link))
        return;
    list_remove(&exchange->link);
    bridge_reliable_forget(exchange);
    timer_stop(loop_timers(exchange->bridge->proxy->options.loop), &exchange->timer);
    uac_abandon(exchange->uac);
    exchange->uac = NULL;
    memory_release(exchange);
}

void bridge_exchange_wait(struct bridge_exchange *exchange, uint64_t delay_ms,
                          timer_handler *handler)
{
    timer_start(loop_timers(exchange->bridge->proxy->options.loop), &exchange->timer, delay_ms,
                handler, exchange);
}

/* ---- BYE that waits for an ACK ---- */

static void say_due_bye(struct bridge_exchange *exchange)
{
    exchange->is_bye_due = false;
    bridge_say_bye(exchange->bridge, exchange->is_from_caller, exchange->reason);
    bridge_exchange_linger(exchange); /* for 2xx of other forks */
}

/* No ACK comes any more (s13.3.1.4). */
static void give_up_repeating(struct bridge_exchange *exchange)
{
    struct bridge *bridge = exchange->bridge;
    if (exchange->is_bye_due) {
        say_due_bye(exchange);
        return;
    }
    memory_ref(exchange);
    memory_ref(bridge);
    exchange->is_ack_here = true; /* none comes: BYE need not wait for it */
    if (!bridge->is_ended)
        counter_count(bridge->proxy->options.counters, COUNTER_CALL_UNACKNOWLEDGED);
    bridge_end(bridge, DIALOG_END_LOCAL, 408, TEXT("SIP;cause=408;text=\"No ACK\""), -1);
    bridge_exchange_drop(exchange);
    memory_release(bridge);
    memory_release(exchange);
}

static void on_repeat(void *arg)
{
    struct bridge_exchange *exchange = arg;
    const struct settings *settings = exchange->bridge->proxy->options.settings;
    exchange->waited_ms += exchange->interval_ms;
    if (exchange->waited_ms >= 64 * settings->timers_t1_ms) {
        give_up_repeating(exchange);
        return;
    }
    transaction_server_respond(exchange->context->server, 200, buffer_text(&exchange->accepted));
    exchange->interval_ms *= 2;
    if (exchange->interval_ms > settings->timers_t2_ms)
        exchange->interval_ms = settings->timers_t2_ms;
    bridge_exchange_wait(exchange, exchange->interval_ms, on_repeat);
}

void bridge_exchange_bye_later(struct bridge_exchange *exchange, struct text reason)
{
    exchange->reason = arena_copy(&exchange->bridge->arena, reason); /* without memory: none */
    exchange->is_bye_due = true;
    exchange->interval_ms = exchange->bridge->proxy->options.settings->timers_t1_ms;
    bridge_exchange_wait(exchange, exchange->interval_ms, on_repeat);
}

void bridge_exchange_bye_came(struct bridge *bridge, bool is_from_caller)
{
    LIST_FOR_EACH (link, &bridge->exchanges) {
        struct bridge_exchange *exchange = CONTAINER_OF(link, struct bridge_exchange, link);
        if (!bridge_exchange_is_repeating(exchange) || exchange->is_from_caller != is_from_caller)
            continue;
        exchange->is_bye_due = false;
        exchange->is_ack_here = true;     /* it comes no more */
        bridge_exchange_linger(exchange); /* for 2xx of other forks */
    }
}

bool bridge_exchange_is_repeating(const struct bridge_exchange *exchange)
{
    return exchange->interval_ms && !exchange->is_ack_here;
}

void bridge_exchange_repeat(struct bridge_exchange *exchange)
{
    exchange->interval_ms = exchange->bridge->proxy->options.settings->timers_t1_ms;
    exchange->waited_ms = 0;
    bridge_exchange_wait(exchange, exchange->interval_ms, on_repeat);
}

void bridge_exchange_acked(struct bridge_exchange *exchange)
{
    bool is_repeated = exchange->interval_ms != 0;
    exchange->is_ack_here = true;
    if (exchange->is_bye_due)
        say_due_bye(exchange);
    else if (is_repeated)
        bridge_exchange_linger(exchange);
}

static void on_linger_end(void *arg)
{
    bridge_exchange_drop(arg);
}

void bridge_exchange_linger(struct bridge_exchange *exchange)
{
    bridge_exchange_wait(exchange, 64 * exchange->bridge->proxy->options.settings->timers_t1_ms,
                         on_linger_end);
}

void bridge_exchange_refuse(struct bridge_exchange *exchange, unsigned status, struct text headers)
{
    if (!exchange->context || exchange->is_final_sent)
        return;
    exchange->is_final_sent = true;
    bridge_reliable_stop(exchange);
    if (status == 408 && exchange->method != METHOD_INVITE) {
        response_leave_unanswered(exchange->context);
        return;
    }
    request_respond(exchange->context, &(struct response_options){
                                           .status = status,
                                           .headers = headers,
                                           .server = exchange->bridge->proxy->options.server,
                                       });
}

/* The dialog of the caller hears of our own response as a proxy's would of the callee's. */
static void tell_dialog(struct bridge *bridge, struct text bytes)
{
    struct message *response = NULL;
    struct message_fault fault = {0};
    if (message_parse(&response, bytes, bridge->proxy->options.settings, &fault) == 0)
        dialog_on_response(bridge->dialog, response);
    memory_release(response);
}

/* What stands before the body: our Contact where the answer refreshes a target, and what passes. */
static void print_headers(const struct bridge_exchange *exchange, const struct message *response,
                          unsigned status, struct buffer *out)
{
    const struct bridge *bridge = exchange->bridge;
    const struct bridge_leg *leg = exchange->is_from_caller ? &bridge->caller : &bridge->callee;
    bool is_invite = exchange->method == METHOD_INVITE;
    if (status < 300 && (is_invite || exchange->method == METHOD_UPDATE ||
                         exchange->method == METHOD_REFER || exchange->method == METHOD_NOTIFY))
        uac_print_contact(out, exchange->context->request->source.listener, leg->contact_user);
    if (status / 100 == 2 && is_invite)
        buffer_append(out, bridge_allow(bridge));
    if (status / 100 == 2)
        bridge_session_print_answer(exchange, out);
    bridge_response_headers(bridge, response, out);
}

/* The callee's answer went reliably over there, and might have been lost here: keep it. */
static int keep_answer(struct bridge_fork *fork, struct text body, struct text type)
{
    buffer_clear(&fork->answer);
    buffer_append(&fork->answer, body);
    buffer_clear(&fork->answer_type);
    buffer_append(&fork->answer_type, type);
    return fork->answer.error ? fork->answer.error : fork->answer_type.error;
}

/* The body, its SDP through the relay. */
static int print_body(const struct bridge_exchange *exchange, struct bridge_fork *fork,
                      struct message *response, const struct bridge_answer *answer,
                      struct buffer *body, struct text *type)
{
    bool is_offer = exchange->method == METHOD_INVITE && !exchange->has_sdp;
    bool is_2xx = exchange->method == METHOD_INVITE && answer->status / 100 == 2 && fork;
    if (answer->status >= 300 || answer->is_bodiless)
        return 0;
    if (is_2xx && fork->is_answered_early)
        return 0; /* what was agreed on in PRACK stays (RFC 6337 s3.1.1) */
    int error = bridge_body(exchange->bridge, fork, response, !exchange->is_from_caller, is_offer,
                            body, type);
    if (!error && answer->keeps_body)
        error = keep_answer(fork, buffer_text(body), *type);
    if (error || !is_2xx || bridge_has_sdp(response) || !fork->answer.n)
        return error;
    buffer_clear(body);
    buffer_append(body, buffer_text(&fork->answer));
    *type = buffer_text(&fork->answer_type);
    return body->error;
}

static int print(struct bridge_exchange *exchange, struct bridge_fork *fork,
                 struct message *response, const struct bridge_answer *answer, struct buffer *out)
{
    struct bridge *bridge = exchange->bridge;
    struct buffer headers = {0}, body = {0};
    struct text type = TEXT_NONE;
    unsigned status = answer->status;
    int error = print_body(exchange, fork, response, answer, &body, &type);
    print_headers(exchange, response, status, &headers);
    buffer_append(&headers, answer->lines);
    if (!error)
        error = headers.error;
    if (!error)
        response_print(out, exchange->context->request,
                       &(struct response_options){
                           .status = status,
                           .reason = status == response->status ? response->reason : TEXT_NONE,
                           .to_tag = fork ? (struct text){fork->local_tag, sizeof fork->local_tag}
                                          : transaction_server_tag(exchange->context->server),
                           .headers = buffer_text(&headers),
                           .body = buffer_text(&body),
                           .content_type = type,
                           .server = bridge->proxy->options.server,
                           .copy_record_route = exchange->is_first && status < 300,
                       });
    if (!error && !out->error)
        bridge_session_answered(exchange, fork, status, buffer_text(&body), type);
    buffer_release(&headers);
    buffer_release(&body);
    return error ? error : out->error;
}

/*
 * Whoever sent a target refresh wants requests there once it is accepted (RFC 6141 s4.5): what was
 * refused has changed nothing. Of the first INVITE it is known already.
 */
static void refresh_target(struct bridge_exchange *exchange)
{
    bool is_refresh = exchange->method == METHOD_INVITE || exchange->method == METHOD_UPDATE;
    if (is_refresh && !exchange->is_first)
        bridge_learn(exchange->bridge, exchange->fork, exchange->is_from_caller,
                     exchange->context->request, TEXT_NONE);
}

/* It was sent: who else is told, and what becomes of the bytes. */
static void answered(struct bridge_exchange *exchange, const struct bridge_answer *answer,
                     struct message *response, struct buffer *out)
{
    unsigned status = answer->status;
    const struct header *reason = message_header(response, HEADER_REASON);
    notes_response(exchange->context, status,
                   status == response->status ? response->reason : TEXT_NONE,
                   reason ? reason->value : TEXT_NONE, false);
    exchange->is_final_sent = status >= 200;
    if (status >= 200)
        bridge_reliable_stop(exchange);
    if (exchange->is_first && status < 300)
        tell_dialog(exchange->bridge, buffer_text(out));
    if (status / 100 == 2)
        refresh_target(exchange);
    if (status >= 200)
        request_answered(exchange->context, status);
    struct buffer *keeper = answer->copy;
    if (exchange->method == METHOD_INVITE && status / 100 == 2)
        keeper = &exchange->accepted;
    if (keeper)
        *keeper = *out;
    else
        buffer_release(out);
}

int bridge_exchange_answer_as(struct bridge_exchange *exchange, struct bridge_fork *fork,
                              struct message *response, const struct bridge_answer *answer)
{
    struct response_context *context = exchange->context;
    struct buffer out = {0};
    if (!context->request || exchange->is_final_sent)
        return 0;
    int error = print(exchange, fork, response, answer, &out);
    if (!error)
        error = transaction_server_respond(context->server, answer->status, buffer_text(&out));
    if (error)
        buffer_release(&out);
    else
        answered(exchange, answer, response, &out);
    return error;
}

int bridge_exchange_answer(struct bridge_exchange *exchange, struct bridge_fork *fork,
                           struct message *response, unsigned status)
{
    return bridge_exchange_answer_as(exchange, fork, response,
                                     &(struct bridge_answer){.status = status});
}

/* What the ACK carries is kept for those that answer a repeated 2xx. */
static void keep_body(struct bridge_exchange *exchange, struct message *ack)
{
    struct bridge *bridge = exchange->bridge;
    struct text type;
    buffer_clear(&exchange->ack_body);
    int error = bridge_body(bridge, exchange->fork, ack, exchange->is_from_caller, false,
                            &exchange->ack_body, &type);
    exchange->ack_type = arena_copy(&exchange->arena, type);
    if (!error) {
        bridge_session_told(bridge, exchange->fork, !exchange->is_from_caller,
                            buffer_text(&exchange->ack_body), type);
        return;
    }
    buffer_clear(&exchange->ack_body);
    log_warning(bridge->proxy->options.log, LOG_MEDIA, ack->call_id, "SDP of ACK not passed: %s",
                error_text(error));
}

void bridge_exchange_acknowledge(struct bridge_exchange *exchange, struct message *ack)
{
    struct bridge *bridge = exchange->bridge;
    if (ack)
        keep_body(exchange, ack);
    struct uac_request request = {
        .method = METHOD_ACK,
        .cseq = exchange->cseq_out,
        .headers = exchange->credentials, /* s22.1 */
        .body = buffer_text(&exchange->ack_body),
        .content_type = exchange->ack_type,
    };
    int error =
        bridge_send(bridge, exchange->fork, !exchange->is_from_caller, &request, NULL, NULL, NULL);
    exchange->is_acknowledged = true;
    if (error)
        log_warning(bridge->proxy->options.log, LOG_ROUTE, dialog_call_id(bridge->dialog),
                    "no ACK to the %s: %s", exchange->is_from_caller ? "callee" : "caller",
                    error_text(error));
}

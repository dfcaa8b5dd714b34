/*
 * INVITE from one leg to the other, the first and those within the dialog (RFC 3261 s13, s14).
 *
 * A 2xx is not acknowledged before the other leg has acknowledged ours: so an answer in the ACK finds
 * its way, and until then the 2xx that its sender repeats is repeated (s13.3.1.4), as is the ACK
 * afterwards. If nobody acknowledges in 64*T1 the call ends with BYE.
 */
#include "route/bridge_session.h"

static void warn(const struct bridge_exchange *exchange, const struct message *response, int error)
{
    log_warning(exchange->bridge->proxy->options.log, LOG_ROUTE, response->call_id,
                "%u not passed to the other leg: %s", response->status, error_text(error));
}

/* ---- time ---- */

void bridge_invite_give_up(struct bridge_exchange *exchange, unsigned status, struct text reason)
{
    memory_ref(exchange);
    bridge_exchange_refuse(exchange, status, TEXT_NONE); /* of the first INVITE it ends the call */
    if (!exchange->is_first && exchange->uac && !uac_cancel(exchange->uac, reason)) {
        exchange->uac = NULL;
        bridge_exchange_drop(exchange);
    }
    memory_release(exchange);
}

static void on_timer_c(void *arg)
{
    bridge_invite_give_up(arg, 408, TEXT_NONE);
}

void bridge_invite_wait(struct bridge_exchange *exchange)
{
    bridge_exchange_wait(exchange, exchange->bridge->proxy->options.settings->timers_c_ms,
                         on_timer_c);
}

/* 64*T1 after a 2xx: no repetition of it comes any more. */
static void on_linger_end(void *arg)
{
    struct bridge_exchange *exchange = memory_ref(arg);
    struct bridge *bridge = exchange->bridge;
    if (!exchange->is_acknowledged && !bridge->is_ended) {
        counter_count(bridge->proxy->options.counters, COUNTER_CALL_UNACKNOWLEDGED);
        exchange->is_ack_here = true; /* none comes: BYE need not wait for it (s13.3.1.4) */
        bridge_end(bridge, DIALOG_END_LOCAL, 408, TEXT("SIP;cause=408;text=\"No ACK\""), -1);
    }
    bridge_exchange_drop(exchange);
    memory_release(exchange);
}

static void linger(struct bridge_exchange *exchange)
{
    bridge_exchange_wait(exchange, 64 * exchange->bridge->proxy->options.settings->timers_t1_ms,
                         on_linger_end);
}

/* ---- responses ---- */

static void take_provisional(struct bridge_exchange *exchange, struct message *response)
{
    struct bridge *bridge = exchange->bridge;
    struct bridge_fork *fork = exchange->fork;
    if (exchange->is_final_sent || bridge->is_ended)
        return;
    bridge_invite_wait(exchange);
    if (exchange->is_first && message_to_tag(response).n) {
        fork = bridge_fork_take(bridge, response);
        if (!fork)
            return;
        bridge_learn(bridge, fork, false, response, sides_route_set(NULL, response));
    } else if (!fork && exchange->requires_100rel) {
        return; /* it must go reliably, and nobody could acknowledge it */
    }
    int error = fork ? bridge_reliable_pass(exchange, fork, response)
                     : bridge_exchange_answer(exchange, fork, response, response->status);
    if (error)
        warn(exchange, response, error);
    if (exchange->is_first)
        bridge_tell_ringing(bridge, response->status);
}

/* The caller has the 2xx of another fork, or a refusal: this one is acknowledged and ended here. */
static void end_late(struct bridge_exchange *exchange, struct bridge_fork *fork,
                     struct message *response)
{
    struct bridge *bridge = exchange->bridge;
    hang_up_accepted(bridge->proxy, response, sides_route_set(NULL, response),
                     ++bridge->callee.cseq, fork ? &fork->is_hung_up : &exchange->is_late_hung_up);
    if (!exchange->fork) /* CANCEL or a refusal crossed it: only repetitions come */
        linger(exchange);
}

static void take_repeated(struct bridge_exchange *exchange)
{
    if (!exchange->accepted.n && !exchange->is_acknowledged)
        linger(exchange); /* it crosses the CANCEL of a re-INVITE that we refused (Timer C) */
    if (exchange->is_acknowledged || !exchange->accepted.n)
        bridge_exchange_acknowledge(exchange, NULL);
    else
        transaction_server_respond(exchange->context->server, 200,
                                   buffer_text(&exchange->accepted));
}

static void pass_accepted(struct bridge_exchange *exchange, struct message *response)
{
    struct bridge *bridge = exchange->bridge;
    struct text route = exchange->is_first ? sides_route_set(NULL, response) : TEXT_NONE;
    bridge_learn(bridge, exchange->fork, !exchange->is_from_caller, response, route);
    if (exchange->is_first) {
        notes_tried(exchange->context, 0, response->status);
        notes_accepted(bridge->dialog, response);
    }
    linger(exchange);
    bridge_session_accepted(exchange, response);
    int error = ERROR_SYNTAX; /* no Contact (s12.1.1): it could not even be acknowledged */
    if (text_is_set(bridge_target(bridge, !exchange->is_from_caller)))
        error = bridge_exchange_answer(exchange, exchange->fork, response, response->status);
    if (!error && exchange->is_first)
        bridge_tell(bridge,
                    (struct bridge_event){.kind = BRIDGE_EVENT_ANSWER, .status = response->status});
    if (!error)
        return;
    warn(exchange, response, error);
    if (exchange->is_first) { /* the caller is refused, and the call never was */
        struct bridge_fork *fork = exchange->fork;
        exchange->fork = bridge->chosen = NULL;
        end_late(exchange, fork, response);
        bridge_exchange_refuse(exchange, 500, TEXT_NONE);
        return;
    }
    bridge_exchange_acknowledge(exchange, NULL);
    bridge_exchange_refuse(exchange, 500, TEXT_NONE);
    bridge_end(bridge, DIALOG_END_FAILED, 500, TEXT_NONE, -1);
}

static void take_accepted(struct bridge_exchange *exchange, struct message *response)
{
    struct bridge *bridge = exchange->bridge;
    struct bridge_fork *fork =
        exchange->is_first ? bridge_fork_take(bridge, response) : exchange->fork;
    bool is_chosen = fork && exchange->is_first && exchange->fork == fork;
    bool is_repeated = exchange->is_final_sent && (is_chosen || !exchange->is_first);
    if (is_repeated) {
        take_repeated(exchange);
    } else if (!fork || exchange->is_final_sent || bridge->is_ended) {
        end_late(exchange, fork, response);
    } else if (bridge_reliable_holds(exchange, fork)) {
        if (!exchange->held)
            exchange->held = memory_ref(response);
    } else {
        if (exchange->is_first)
            exchange->fork = bridge->chosen = fork;
        pass_accepted(exchange, response);
    }
}

void bridge_invite_early(void *arg, struct message *response)
{
    struct bridge_exchange *exchange = memory_ref(arg);
    if (response->status < 200)
        take_provisional(exchange, response);
    else
        take_accepted(exchange, response);
    memory_release(exchange);
}

void bridge_invite_let_go(struct bridge_exchange *exchange)
{
    struct message *held = exchange->held;
    exchange->held = NULL;
    if (held)
        bridge_invite_early(exchange, held);
    memory_release(held);
}

/*
 * What a refusal becomes: a challenge is between the callee and us (s22), and a redirection names
 * addresses that are none of the caller's business.
 */
static unsigned refusal(unsigned status)
{
    if (status == 401 || status == 407)
        return 403;
    return status < 400 ? 480 : status;
}

/*
 * A redirection that we follow: Call-ID, From and To stay, the Request-URI is the first Contact
 * (s8.1.3.4). As many targets as a fork may have.
 */
struct text bridge_redirection(struct bridge *bridge, const struct message *response)
{
    struct proxy *proxy = bridge->proxy;
    const struct name_addr *contact = message_contact((struct message *)response);
    if (response->status / 100 != 3 || !contact || !bridge->again.follows_redirects)
        return TEXT_NONE;
    if (++bridge->redirects >= proxy->options.settings->limits_branches) {
        counter_count(proxy->options.counters, COUNTER_ROUTE_BRANCH_LIMIT);
        return TEXT_NONE;
    }
    struct text uri =
        contact->uri_text; /* headers in it have no place in a Request-URI (s19.1.1) */
    if (text_is_set(contact->uri.headers))
        uri.n = (size_t)(contact->uri.headers.p - 1 - uri.p);
    return arena_copy(&bridge->arena, uri);
}

static bool redirected(struct bridge_exchange *exchange, struct message *response)
{
    struct bridge *bridge = exchange->bridge;
    struct text to = exchange->is_first ? bridge_redirection(bridge, response) : TEXT_NONE;
    if (!text_is_set(to))
        return false;
    bridge->callee.is_stranger = bridge_is_stranger(&bridge->callee, to);
    bridge->again.to = to;
    bridge->again.next_hop = TEXT_NONE;
    exchange->challenge = NULL; /* of somebody else */
    return true;
}

/* A challenge that we have the credentials for, or a redirection. @return true: it was sent again */
static bool ask_again(struct bridge_exchange *exchange, struct message *response)
{
    struct bridge *bridge = exchange->bridge;
    if (bridge->is_ended || exchange->is_final_sent || exchange->context->is_cancelled ||
        (!bridge_challenged(exchange, response) && !redirected(exchange, response) &&
         !bridge_session_raised(exchange, response)))
        return false;
    int error =
        exchange->is_first ? bridge_invite(exchange, &bridge->again) : bridge_pass_on(exchange);
    if (!error)
        bridge_invite_wait(exchange);
    return error == 0;
}

void bridge_invite_done(void *arg, struct message *response)
{
    struct bridge_exchange *exchange = memory_ref(arg);
    struct bridge *bridge = memory_ref(exchange->bridge);
    unsigned status = exchange->why == ERROR_TIMEOUT ? 408 : 503;
    bool is_first = exchange->is_first;
    exchange->uac = NULL;
    if (is_first && exchange->context)
        notes_tried(exchange->context, 0, response ? response->status : status);
    if (response && ask_again(exchange, response)) {
        memory_release(bridge);
        memory_release(exchange);
        return;
    }
    if (response)
        status = bridge_session_refusal(bridge, refusal(response->status));
    if (response && bridge_exchange_answer(exchange, exchange->fork, response, status))
        status = 500;
    bridge_exchange_refuse(exchange, status, TEXT_NONE); /* unless it was answered */
    bridge_exchange_drop(exchange);
    if (!is_first && (status == 408 || status == 481)) /* s12.2.1.2 */
        bridge_end(bridge, DIALOG_END_FAILED, status, TEXT_NONE, -1);
    memory_release(bridge);
    memory_release(exchange);
}

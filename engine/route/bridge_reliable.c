/*
 * Provisional responses that must arrive (RFC 3262). Each leg has them for itself:
 *
 *   callee reliable, caller reliable  its PRACK goes on to the callee, and the answer to that back
 *   callee reliable, caller plain     we acknowledge; an answer in it comes again with the 2xx
 *   callee plain, caller requires it  we repeat it until the caller's PRACK, which we answer
 *
 * So it is for a re-INVITE of either party, too: "the caller" is then who sent it.
 *
 * One response at a time waits for its PRACK. What the callee sends reliably meanwhile is not taken:
 * it sends that again by itself. Of the plain ones the newest waits, and a 2xx does while an SDP is
 * not acknowledged (s3).
 */
#include "route/bridge_parts.h"

#include <stdio.h>

static struct timers *timers_of(const struct bridge *bridge)
{
    return loop_timers(bridge->proxy->options.loop);
}

void bridge_reliable_begin(struct bridge_exchange *invite)
{
    const struct message *message = invite->context->request;
    struct bridge_fork *fork = invite->fork;
    if (fork) { /* within the dialog: what the INVITE of before agreed on is past */
        bridge_reliable_release(fork);
        fork->reliable.is_awaited = false;
        fork->callee_rseq = 0;
        fork->is_agreed = fork->is_answered_early = false;
    }
    if (invite->bridge->refuses_100rel)
        return;
    invite->requires_100rel = bridge_lists(message, HEADER_REQUIRE, TEXT(BRIDGE_100REL));
    invite->has_100rel =
        invite->requires_100rel || bridge_lists(message, HEADER_SUPPORTED, TEXT(BRIDGE_100REL));
    /* An offer in a provisional response needs an answer in PRACK: of who sent the INVITE. */
    invite->offers_100rel = invite->has_100rel || invite->has_sdp;
}

/* ---- one that waits for its PRACK ---- */

static void forget_waiting(struct bridge_reliable *reliable)
{
    reliable->waiting = memory_release(reliable->waiting);
}

/* Nothing is repeated any more; a PRACK is still taken. */
static void stop(struct bridge_fork *fork)
{
    timer_stop(timers_of(fork->bridge), &fork->reliable.timer);
    buffer_release(&fork->reliable.bytes);
    forget_waiting(&fork->reliable);
}

void bridge_reliable_stop(const struct bridge_exchange *invite)
{
    LIST_FOR_EACH (link, &invite->bridge->forks) {
        struct bridge_fork *fork = CONTAINER_OF(link, struct bridge_fork, link);
        if (fork->reliable.invite == invite)
            stop(fork);
    }
}

void bridge_reliable_forget(const struct bridge_exchange *invite)
{
    LIST_FOR_EACH (link, &invite->bridge->forks) {
        struct bridge_fork *fork = CONTAINER_OF(link, struct bridge_fork, link);
        if (fork->reliable.invite != invite)
            continue;
        stop(fork);
        fork->reliable.invite = NULL;
        fork->reliable.is_awaited = false;
    }
}

void bridge_reliable_release(struct bridge_fork *fork)
{
    stop(fork);
    buffer_release(&fork->answer);
    buffer_release(&fork->answer_type);
}

static void on_timer(void *arg);

static void start_timer(struct bridge_fork *fork)
{
    timer_start(timers_of(fork->bridge), &fork->reliable.timer, fork->reliable.interval_ms,
                on_timer, fork);
}

static void give_up(struct bridge_exchange *invite)
{
    struct bridge *bridge = invite->bridge;
    const struct text reason = TEXT("SIP;cause=504;text=\"No PRACK\"");
    counter_count(bridge->proxy->options.counters, COUNTER_CALL_UNPRACKED);
    if (invite->is_first)
        bridge_end(bridge, DIALOG_END_FAILED, 504, reason, -1);
    else
        bridge_invite_give_up(invite, 504, reason);
}

/* s3: T1, doubled each time without the bound T2; after 64*T1 the INVITE is rejected. */
static void on_timer(void *arg)
{
    struct bridge_fork *fork = arg;
    struct bridge *bridge = fork->bridge;
    struct bridge_reliable *reliable = &fork->reliable;
    uint64_t most_ms = 64 * bridge->proxy->options.settings->timers_t1_ms;
    reliable->waited_ms += reliable->interval_ms;
    if (reliable->waited_ms >= most_ms) {
        give_up(reliable->invite);
        return;
    }
    uint64_t left_ms = most_ms - reliable->waited_ms;
    reliable->interval_ms *= 2;
    if (reliable->interval_ms > left_ms)
        reliable->interval_ms = left_ms;
    start_timer(fork);
    const char *before = loop_set_cause(bridge->proxy->options.loop, "no PRACK yet");
    transaction_server_respond(reliable->invite->context->server, reliable->status,
                               buffer_text(&reliable->bytes));
    loop_set_cause(bridge->proxy->options.loop, before);
}

/* ---- responses ---- */

/* @return its RSeq (s4); 0: it is a plain one */
static uint32_t rseq_of(const struct bridge_exchange *invite, const struct message *response)
{
    const struct header *header = message_header(response, HEADER_RSEQ);
    uint32_t rseq;
    if (!header || !invite->offers_100rel ||
        !bridge_lists(response, HEADER_REQUIRE, TEXT(BRIDGE_100REL)) ||
        text_to_u32(header->value, &rseq))
        return 0;
    return rseq;
}

/* Send it until its PRACK comes. @param callee_rseq  0: plain over there */
static int send_reliably(struct bridge_exchange *invite, struct bridge_fork *fork,
                         struct message *response, uint32_t callee_rseq)
{
    struct bridge *bridge = fork->bridge;
    struct bridge_reliable *reliable = &fork->reliable;
    char lines[64];
    uint32_t rseq =
        reliable->rseq ? reliable->rseq + 1 : 1 + random_below(&bridge->proxy->random, 1u << 30);
    int n = snprintf(lines, sizeof lines, "Require: " BRIDGE_100REL "\r\nRSeq: %u\r\n", rseq);
    bool is_offer_unwanted = !callee_rseq && !invite->has_sdp; /* an offer comes reliably (s5) */
    const struct bridge_answer answer = {
        .status = response->status,
        .lines = {lines, (size_t)n},
        .is_bodiless = is_offer_unwanted,
        .copy = &reliable->bytes,
    };
    buffer_release(&reliable->bytes);
    int error = bridge_exchange_answer_as(invite, fork, response, &answer);
    if (error || !reliable->bytes.n) {
        buffer_release(&reliable->bytes);
        return error;
    }
    reliable->invite = invite;
    reliable->rseq = rseq;
    reliable->callee_rseq = callee_rseq;
    reliable->status = (uint16_t)response->status;
    reliable->has_sdp = bridge_has_sdp(response) && !is_offer_unwanted;
    reliable->is_awaited = true;
    reliable->waited_ms = 0;
    reliable->interval_ms = bridge->proxy->options.settings->timers_t1_ms;
    start_timer(fork);
    return 0;
}

static int send_prack(struct bridge_exchange *exchange);

static void on_prack_done(void *arg, struct message *response)
{
    struct bridge_exchange *exchange = arg;
    exchange->uac = NULL;
    if (response && bridge_challenged(exchange, response) && send_prack(exchange) == 0)
        return;
    bridge_exchange_drop(exchange); /* whatever it says, the callee goes on or gives up */
}

static int send_prack(struct bridge_exchange *exchange)
{
    struct bridge *bridge = exchange->bridge;
    struct buffer headers = {0};
    struct uac_request request = {.method = METHOD_PRACK};
    bridge_reliable_print_rack(exchange, &headers);
    int error = bridge_print_credentials(exchange, METHOD_PRACK, exchange->fork->callee.target,
                                         TEXT_NONE, &headers);
    request.headers = buffer_text(&headers);
    if (!error)
        error = headers.error;
    if (!error)
        error = bridge_send(bridge, exchange->fork, !exchange->is_from_caller, &request,
                            &exchange->uac, on_prack_done, exchange);
    buffer_release(&headers);
    return error;
}

/* Who sent the INVITE knows nothing of it: we acknowledge (s4). */
static int acknowledge(struct bridge_exchange *invite, struct bridge_fork *fork, uint32_t rseq)
{
    struct bridge_exchange *exchange = bridge_exchange_create(fork->bridge, NULL);
    if (!exchange)
        return ERROR_MEMORY;
    exchange->method = METHOD_PRACK;
    exchange->fork = fork;
    exchange->is_from_caller = invite->is_from_caller;
    exchange->rack_rseq = rseq;
    exchange->rack_cseq = invite->cseq_out;
    int error = send_prack(exchange);
    if (error)
        bridge_exchange_drop(exchange);
    return error;
}

static int pass_plainly(struct bridge_exchange *invite, struct bridge_fork *fork,
                        struct message *response, uint32_t rseq)
{
    /* The callee has answered for good: its 2xx need not say it again (RFC 3261 s13.2.1). */
    bool is_answer = rseq && invite->has_sdp && bridge_has_sdp(response);
    struct bridge_answer answer = {.status = response->status, .keeps_body = is_answer};
    int error = bridge_exchange_answer_as(invite, fork, response, &answer);
    if (!error && rseq)
        error = acknowledge(invite, fork, rseq);
    return error;
}

/*
 * Within the dialog a reliable response accepts a new target as a 2xx would (RFC 6141 s4.4, s4.5): that
 * of who sent the INVITE where ours is one, that of who answers where it is one over there.
 */
static void refresh_targets(const struct bridge_exchange *invite, struct bridge_fork *fork,
                            struct message *response, bool is_reliable, uint32_t rseq)
{
    bool is_from_caller = invite->is_from_caller;
    if (invite->is_first || !invite->context->request)
        return;
    if (is_reliable)
        bridge_learn(fork->bridge, fork, is_from_caller, invite->context->request, TEXT_NONE);
    if (rseq)
        bridge_learn(fork->bridge, fork, !is_from_caller, response, TEXT_NONE);
}

int bridge_reliable_pass(struct bridge_exchange *invite, struct bridge_fork *fork,
                         struct message *response)
{
    struct bridge_reliable *reliable = &fork->reliable;
    uint32_t rseq = rseq_of(invite, response);
    bool is_reliable = invite->requires_100rel || (rseq && invite->has_100rel);
    if (rseq && fork->callee_rseq && rseq != fork->callee_rseq + 1)
        return 0; /* repeated, or one before it is missing (s4) */
    if (is_reliable && reliable->is_awaited) {
        bool is_better =
            bridge_has_sdp(response) || !reliable->waiting || !bridge_has_sdp(reliable->waiting);
        if (!rseq && is_better) {
            forget_waiting(reliable);
            reliable->waiting = memory_ref(response);
        }
        return 0;
    }
    int error = is_reliable ? send_reliably(invite, fork, response, rseq)
                            : pass_plainly(invite, fork, response, rseq);
    if (error)
        return error;
    if (rseq)
        fork->callee_rseq = rseq;
    refresh_targets(invite, fork, response, is_reliable, rseq);
    return 0;
}

bool bridge_reliable_holds(const struct bridge_exchange *invite, const struct bridge_fork *fork)
{
    return fork && fork->reliable.invite == invite && fork->reliable.is_awaited &&
           fork->reliable.has_sdp;
}

/* ---- PRACK ---- */

void bridge_reliable_print_rack(const struct bridge_exchange *exchange, struct buffer *out)
{
    if (exchange->method == METHOD_PRACK)
        buffer_printf(out, "RAck: %u %u INVITE\r\n", exchange->rack_rseq, exchange->rack_cseq);
}

/* s7.2: RSeq, CSeq number and method of what it acknowledges. */
static bool is_awaited(const struct bridge_fork *fork, bool is_from_caller,
                       const struct message *prack)
{
    const struct bridge_exchange *invite = fork->reliable.invite;
    const struct header *header = message_header(prack, HEADER_RACK);
    struct text rest = header ? header->value : TEXT_NONE;
    uint32_t rseq, cseq;
    return invite && invite->is_from_caller == is_from_caller && fork->reliable.is_awaited &&
           !text_to_u32(text_word(&rest), &rseq) && !text_to_u32(text_word(&rest), &cseq) &&
           rseq == fork->reliable.rseq && cseq == invite->cseq_in &&
           text_equal(text_word(&rest), TEXT("INVITE"));
}

/* What waited behind it goes on. */
static void go_on(struct bridge_exchange *invite, struct bridge_fork *fork)
{
    struct message *waiting = fork->reliable.waiting, *held = invite->held;
    fork->reliable.waiting = invite->held = NULL;
    if (waiting)
        bridge_invite_early(invite, waiting);
    if (held)
        bridge_invite_early(invite, held);
    memory_release(waiting);
    memory_release(held);
}

unsigned bridge_reliable_take_prack(struct bridge_fork *fork, bool is_from_caller,
                                    const struct message *prack, struct bridge_prack *what)
{
    struct bridge_reliable *reliable = &fork->reliable;
    const struct bridge_exchange *invite = reliable->invite;
    bool has_sdp = bridge_has_sdp(prack);
    if (!is_awaited(fork, is_from_caller, prack))
        return 481;
    if (has_sdp && !reliable->callee_rseq)
        return 488; /* there is no PRACK on the other leg that could carry it */
    *what = (struct bridge_prack){
        .rseq = reliable->callee_rseq,
        .cseq = invite->cseq_out,
        .is_answer = has_sdp && reliable->has_sdp && !invite->has_sdp && !fork->is_agreed,
    };
    fork->is_agreed |= what->is_answer || (reliable->has_sdp && invite->has_sdp);
    fork->is_answered_early |= what->is_answer;
    reliable->is_awaited = false;
    timer_stop(timers_of(fork->bridge), &reliable->timer);
    buffer_release(&reliable->bytes);
    return reliable->callee_rseq ? 0 : 200;
}

void bridge_reliable_go_on(struct bridge_fork *fork)
{
    struct bridge_exchange *invite = memory_ref(fork->reliable.invite);
    if (invite && !fork->reliable.is_awaited)
        go_on(invite, fork);
    memory_release(invite);
}

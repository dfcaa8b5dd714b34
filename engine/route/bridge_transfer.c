/*
 * One party of an answered call is replaced by another (RFC 3515, RFC 5589 s6): the target gets an
 * INVITE without SDP, its offer goes to the party that stays in a re-INVITE, the answer back in the
 * ACK; then the target's leg takes the place of the transferor's, who gets BYE. So nobody needs an
 * SDP of before, and a transfer that fails leaves the call as it was.
 *
 *   target  exchange of the INVITE to the target; lingers to repeat the ACK
 *   stay    exchange of the re-INVITE to the party that stays; likewise
 *
 * A transferor that hangs up meanwhile has left: the transfer goes on without it.
 */
#include "route/bridge_session.h"
#include "route/notes.h"

#define GLARE_LEAST_MS  2100 /* RFC 3261 s14.1 */
#define GLARE_SPREAD_MS 1900
#define BUSY_MS         500 /* another offer is under way */

static void attempt(struct bridge_transfer *transfer);

static struct media_call *media_of(const struct bridge *bridge)
{
    return dialog_attachment(bridge->dialog, DIALOG_MEDIA);
}

/* Under whose tag the relay knows the callee's side that the target's SDP is about. */
static struct bridge_fork *media_fork(const struct bridge_transfer *transfer)
{
    return transfer->of_callee ? transfer->fork : transfer->bridge->chosen;
}

/* ---- over ---- */

/* A re-INVITE that is not answered yet; a 2xx that crosses the CANCEL is acknowledged all the same. */
static void give_up_stay(struct bridge_exchange *stay)
{
    if (!stay || !stay->uac)
        bridge_exchange_drop(stay);
    else if (!uac_cancel(stay->uac, TEXT_NONE)) {
        stay->uac = NULL;
        bridge_exchange_drop(stay);
    }
}

/* Nothing comes of a target that has called us. */
static void refuse_target(struct bridge_transfer *transfer, unsigned status)
{
    struct bridge_exchange *target = transfer->target;
    transfer->accepted = memory_release(transfer->accepted);
    bridge_exchange_refuse(target, status, TEXT_NONE);
    bridge_exchange_drop(target);
}

/* The target is told that nothing comes of it. */
static void give_up_target(struct bridge_transfer *transfer, unsigned status)
{
    struct bridge_exchange *target = transfer->target;
    struct media_call *call = media_of(transfer->bridge);
    transfer->is_over = true;
    transfer->bridge->transfer = NULL;
    if (transfer->fork && transfer->of_callee && call)
        media_call_drop_tag(call, bridge_media_tag(transfer->fork));
    give_up_stay(transfer->stay);
    transfer->stay = NULL;
    if (transfer->is_incoming) {
        refuse_target(transfer, status);
    } else if (transfer->accepted) {
        hang_up_accepted(transfer->bridge->proxy, transfer->accepted,
                         sides_route_set(NULL, transfer->accepted), ++transfer->leg.cseq,
                         &target->is_late_hung_up);
        bridge_exchange_linger(target);
        transfer->accepted = memory_release(transfer->accepted);
    } else if (!target->uac || !uac_cancel(target->uac, TEXT_NONE)) {
        target->uac = NULL;
        bridge_exchange_drop(target);
    } else {
        timer_stop(loop_timers(transfer->bridge->proxy->options.loop), &target->timer);
    }
}

/* For the record. */
static void note(const struct bridge_transfer *transfer, unsigned status)
{
    const struct bridge *bridge = transfer->bridge;
    bool is_replaced = status == 200 && transfer->of_callee;
    notes_transfer(bridge->proxy, bridge->dialog, transfer->of_callee, transfer->uri, status,
                   is_replaced ? bridge_media_tag(bridge->chosen) : TEXT_NONE);
}

static void fail(struct bridge_transfer *transfer, unsigned status)
{
    struct bridge *bridge = memory_ref(transfer->bridge);
    bool is_left = transfer->is_left, of_callee = transfer->of_callee;
    bridge_refer_notify(transfer, status, true);
    give_up_target(transfer, status);
    if (bridge_is_alone(bridge)) {
        bridge_origin_failed(bridge, false, status, NULL);
        memory_release(bridge);
        return;
    }
    note(transfer, status);
    bridge_tell(bridge, (struct bridge_event){.kind = BRIDGE_EVENT_TRANSFER, .status = status});
    if (is_left)
        bridge_end(bridge, DIALOG_END_BYE, 487, TEXT_NONE, !of_callee);
    memory_release(bridge);
}

int bridge_transfer_abandon(struct bridge *bridge)
{
    struct bridge_transfer *transfer = bridge->transfer;
    int left = -1;
    if (!transfer)
        return left;
    if (transfer->is_left)
        left = !transfer->of_callee;
    give_up_target(transfer, 487);
    return left;
}

bool bridge_transfer_leave(struct bridge *bridge, bool is_caller)
{
    struct bridge_transfer *transfer = bridge->transfer;
    if (!transfer || transfer->of_callee == is_caller)
        return false;
    transfer->is_left = true;
    return true;
}

/* ---- done ---- */

/* The party that stays has answered. @return 0, or why its answer cannot be passed */
static int pass_answer(struct bridge_transfer *transfer, struct message *response)
{
    struct bridge *bridge = transfer->bridge;
    struct bridge_exchange *target = transfer->target;
    struct media_call *call = media_of(bridge);
    struct text type;
    if (transfer->of_callee && call)
        media_call_confirm(call, bridge_media_tag(transfer->fork));
    buffer_clear(&target->ack_body);
    int error = bridge_body(bridge, media_fork(transfer), response, transfer->of_callee, false,
                            &target->ack_body, &type);
    target->ack_type = arena_copy(&target->arena, type);
    if (!error && !transfer->of_callee && !text_is_set(transfer->leg.remote))
        error = ERROR_MEMORY;
    if (!error && transfer->is_incoming)
        error = bridge_replace_answer(target, transfer->leg.tag);
    return error;
}

static void complete(struct bridge_transfer *transfer, struct message *response)
{
    struct bridge *bridge = memory_ref(transfer->bridge);
    struct bridge_exchange *target = transfer->target, *stay = transfer->stay;
    bridge_learn(bridge, bridge->chosen, transfer->of_callee, response, TEXT_NONE);
    bridge_session_accepted(stay, response);
    bridge_exchange_acknowledge(stay, NULL);
    int error = pass_answer(transfer, response);
    if (error) {
        fail(transfer, 500);
        bridge_end(bridge, DIALOG_END_FAILED, 500, TEXT_NONE, -1); /* who stays hears nothing now */
        memory_release(bridge);
        return;
    }
    bool is_joining = bridge_is_alone(bridge);
    struct message *accepted = transfer->accepted;
    transfer->accepted = NULL;
    bridge_refer_notify(transfer, 200, true);
    if (!is_joining && !transfer->is_left)
        bridge_say_bye(bridge, !transfer->of_callee, TEXT_NONE);
    if (!is_joining)
        note(transfer, 200);
    bridge_take_place(transfer);
    bridge->transfer = NULL;
    target->fork = stay->fork = bridge->chosen;
    if (transfer->is_incoming) {
        target->is_target = false;
        bridge->chosen->remote_cseq[!transfer->of_callee] = target->cseq_in;
    } else {
        bridge_exchange_acknowledge(target, NULL);
        bridge_exchange_linger(target);
    }
    bridge_exchange_linger(stay);
    if (is_joining) {
        bridge_origin_joined(bridge, accepted);
    } else {
        bridge_session_replaced(bridge, !transfer->of_callee, accepted,
                                buffer_text(&target->ack_body), target->ack_type);
        call_keepalive_replaced(bridge->dialog, !transfer->of_callee);
        counter_count(bridge->proxy->options.counters, COUNTER_CALL_TRANSFERRED);
        bridge_tell(bridge, (struct bridge_event){.kind = BRIDGE_EVENT_TRANSFER, .status = 200});
    }
    memory_release(accepted);
    memory_release(bridge);
}

/* ---- the party that stays ---- */

/* Nobody answers: Timer C while it rings, 64*T1 after its 2xx. */
static void on_target_timeout(void *arg)
{
    fail(((struct bridge_exchange *)arg)->transfer, 408);
}

static void on_attempt_due(void *arg)
{
    attempt(((struct bridge_exchange *)arg)->transfer);
}

static void attempt_after(struct bridge_transfer *transfer, uint64_t delay_ms)
{
    transfer->waited_ms += delay_ms;
    if (transfer->waited_ms >= 64 * transfer->bridge->proxy->options.settings->timers_t1_ms)
        fail(transfer, 491); /* the target waits for its ACK no longer */
    else
        bridge_exchange_wait(transfer->target, delay_ms, on_attempt_due);
}

static void on_stay_early(void *arg, struct message *response)
{
    struct bridge_exchange *stay = arg;
    if (response->status < 200)
        return;
    bool is_over = stay->transfer->is_over;
    if (is_over && !stay->is_acknowledged)
        bridge_exchange_linger(stay);
    if (is_over || stay->is_acknowledged)
        bridge_exchange_acknowledge(stay, NULL);
    else
        complete(stay->transfer, response);
}

static int send_stay(struct bridge_exchange *stay);

static void on_stay_done(void *arg, struct message *response)
{
    struct bridge_exchange *stay = memory_ref(arg);
    struct bridge_transfer *transfer = stay->transfer;
    struct bridge *bridge = memory_ref(transfer->bridge);
    unsigned status = response ? response->status : 408;
    stay->uac = NULL;
    if (response && !transfer->is_over &&
        (bridge_challenged(stay, response) || bridge_session_raised(stay, response)) &&
        send_stay(stay) == 0) {
        memory_release(bridge);
        memory_release(stay);
        return;
    }
    bridge_exchange_drop(stay);
    if (transfer->is_over) {
        memory_release(bridge);
        memory_release(stay);
        return;
    }
    transfer->stay = NULL;
    if (status == 491)
        attempt_after(transfer,
                      GLARE_LEAST_MS + random_below(&bridge->proxy->random, GLARE_SPREAD_MS));
    else
        fail(transfer, status < 400 ? 480 : status);
    if (status == 408 || status == 481) /* RFC 3261 s12.2.1.2 */
        bridge_end(bridge, DIALOG_END_FAILED, status, TEXT_NONE, -1);
    memory_release(bridge);
    memory_release(stay);
}

static int send_stay(struct bridge_exchange *stay)
{
    struct bridge_transfer *transfer = stay->transfer;
    struct bridge *bridge = transfer->bridge;
    struct buffer headers = {0}, body = {0};
    struct uac_request request = {
        .method = METHOD_INVITE, .early = on_stay_early, .why = &stay->why};
    buffer_append(&headers, bridge_allow(bridge));
    bridge_session_print(stay, &headers);
    int error = bridge_body(bridge, media_fork(transfer), transfer->accepted, !transfer->of_callee,
                            true, &body, &request.content_type);
    request.body = buffer_text(&body);
    bridge_session_sent(stay, request.body, request.content_type);
    if (!error)
        error = bridge_print_credentials(stay, METHOD_INVITE,
                                         bridge_target(bridge, transfer->of_callee), request.body,
                                         &headers);
    request.headers = buffer_text(&headers);
    if (!error)
        error = headers.error;
    if (!error)
        error = bridge_send(bridge, bridge->chosen, transfer->of_callee, &request, &stay->uac,
                            on_stay_done, stay);
    stay->cseq_out = request.cseq;
    buffer_release(&headers);
    buffer_release(&body);
    return error;
}

/* Offer the target's SDP to the party that stays, as soon as no other offer is under way. */
static void attempt(struct bridge_transfer *transfer)
{
    struct bridge *bridge = transfer->bridge;
    if (bridge_is_offering(bridge, NULL)) {
        attempt_after(transfer, BUSY_MS);
        return;
    }
    struct bridge_exchange *stay = bridge_exchange_create(bridge, NULL);
    if (!stay) {
        fail(transfer, 500);
        return;
    }
    stay->method = METHOD_INVITE;
    stay->transfer = transfer;
    stay->fork = bridge->chosen;
    stay->is_from_caller = !transfer->of_callee;
    transfer->stay = stay;
    if (send_stay(stay))
        fail(transfer, 500);
    else /* the target waits for its ACK */
        bridge_exchange_wait(transfer->target, 64 * bridge->proxy->options.settings->timers_t1_ms,
                             on_target_timeout);
}

/* ---- the target ---- */

/* A target on another interface than the callee that it replaces: the relay must know. */
static void choose_media(struct bridge_transfer *transfer, const struct message *response)
{
    struct bridge *bridge = transfer->bridge;
    const struct listener *now = response->source.listener,
                          *before = bridge->chosen->callee.listener;
    struct media *media = bridge->proxy->options.media;
    struct text name = text_of(now->interface);
    transfer->fork->media_branch = UINT32_C(0x80000000) | bridge->transfers;
    if (!before || !media || text_equal(name, text_of(before->interface)) ||
        !media_has_interface(media, name) || media_flags_create(&transfer->fork->media_flags))
        return;
    if (media_flags_set(transfer->fork->media_flags, TEXT("from"), name))
        transfer->fork->media_flags = memory_release(transfer->fork->media_flags);
}

static void target_accepted(struct bridge_exchange *target, struct message *response)
{
    struct bridge_transfer *transfer = target->transfer;
    struct bridge *bridge = transfer->bridge;
    struct text tag = message_to_tag(response);
    bool is_same = transfer->fork && text_equal(transfer->fork->remote_tag, tag);
    if (is_same && target->is_acknowledged) {
        bridge_exchange_acknowledge(target, NULL);
        return;
    }
    if (is_same && !transfer->is_over)
        return; /* the party that stays has not answered yet */
    if (transfer->is_over || transfer->fork || bridge->is_ended) {
        hang_up_accepted(bridge->proxy, response, sides_route_set(NULL, response),
                         ++transfer->leg.cseq, &target->is_late_hung_up);
        return;
    }
    transfer->accepted = memory_ref(response);
    transfer->fork = bridge_fork_create(bridge, tag);
    if (!transfer->fork || !bridge_has_sdp(response)) {
        fail(transfer, transfer->fork ? 488 : 500);
        return;
    }
    dialog_side_learn(&transfer->fork->callee, response, sides_route_set(NULL, response));
    if (transfer->of_callee && !bridge_is_alone(bridge))
        choose_media(transfer, response);
    attempt(transfer);
}

/* Until it answers. */
static void target_wait(struct bridge_exchange *target, bool is_ringing)
{
    if (bridge_is_alone(target->bridge))
        bridge_origin_wait(target, is_ringing, on_target_timeout);
    else
        bridge_exchange_wait(target, target->bridge->proxy->options.settings->timers_c_ms,
                             on_target_timeout);
}

static void on_target_early(void *arg, struct message *response)
{
    struct bridge_exchange *target = memory_ref(arg);
    struct bridge_transfer *transfer = target->transfer;
    if (response->status >= 200) {
        target_accepted(target, response);
    } else if (!transfer->is_over && !transfer->accepted) {
        target_wait(target, true);
        bridge_refer_notify(transfer, response->status, false);
        if (bridge_is_alone(transfer->bridge))
            bridge_origin_ringing(transfer->bridge, false, response);
    }
    memory_release(target);
}

static int send_target(struct bridge_exchange *target);

/* A redirection of the callee of a call that begins here. */
static bool redirected(struct bridge_transfer *transfer, const struct message *response)
{
    struct bridge *bridge = transfer->bridge;
    struct text uri = bridge_is_alone(bridge) ? bridge_redirection(bridge, response) : TEXT_NONE;
    if (!text_is_set(uri))
        return false;
    transfer->leg.is_stranger = bridge_is_stranger(&transfer->leg, uri);
    transfer->uri = uri;
    transfer->next_hop = TEXT_NONE;
    transfer->target->challenge = NULL; /* of somebody else */
    return true;
}

static void on_target_done(void *arg, struct message *response)
{
    struct bridge_exchange *target = memory_ref(arg);
    struct bridge_transfer *transfer = target->transfer;
    unsigned status = response ? response->status : target->why == ERROR_TIMEOUT ? 408 : 503;
    target->uac = NULL;
    bool is_again = response && !transfer->is_over &&
                    (bridge_challenged(target, response) || redirected(transfer, response)) &&
                    send_target(target) == 0;
    if (!is_again && !transfer->is_over)
        fail(transfer, status < 400 ? 480 : status);
    if (!is_again)
        bridge_exchange_drop(target);
    memory_release(target);
}

static int send_target(struct bridge_exchange *target)
{
    struct bridge_transfer *transfer = target->transfer;
    struct bridge *bridge = transfer->bridge;
    struct bridge_leg *leg = &transfer->leg;
    struct buffer headers = {0}, from = {0};
    buffer_printf(&from, "%.*s;tag=%.*s", TEXT_ARG(leg->local), TEXT_ARG(leg->tag));
    buffer_append(&headers, bridge_allow(bridge));
    bridge_session_print(target, &headers);
    buffer_append(&headers, transfer->lines);
    int error = bridge_print_credentials(target, METHOD_INVITE, transfer->uri, TEXT_NONE, &headers);
    const struct uac_request request = {
        .method = METHOD_INVITE,
        .request_uri = transfer->uri,
        .route = transfer->route,
        .next_hop = transfer->next_hop,
        .listener = transfer->listener,
        .from = buffer_text(&from),
        .to = leg->remote,
        .call_id = leg->call_id,
        .cseq = ++leg->cseq,
        .headers = buffer_text(&headers),
        .contact_user = leg->contact_user,
        .early = on_target_early,
        .why = &target->why,
    };
    target->cseq_out = request.cseq;
    if (!error)
        error = headers.error ? headers.error : from.error;
    if (!error)
        error = uac_send(&target->uac, bridge->proxy, &request, on_target_done, target);
    target->is_ringing = false;
    if (!error)
        target_wait(target, false);
    buffer_release(&from);
    buffer_release(&headers);
    return error;
}

/* ---- begin ---- */

/* The leg of a target that takes a party's place. @return false without memory */
static bool make_leg(struct bridge_transfer *transfer, const struct bridge_referral *referral)
{
    struct bridge *bridge = transfer->bridge;
    const struct bridge_leg *old = transfer->of_callee ? &bridge->callee : &bridge->caller;
    transfer->old_leg = arena_zalloc(&bridge->arena, sizeof *transfer->old_leg);
    transfer->leg = (struct bridge_leg){
        .local = old->local,
        .remote = arena_printf(&bridge->arena, "<%.*s>", TEXT_ARG(referral->uri)),
        .contact_user = old->contact_user,
        /* who is told has chosen it (REFER), else the script has */
        .is_stranger = referral->is_told && bridge_is_stranger(old, referral->uri),
    };
    return bridge_draw_leg(bridge, &transfer->leg) && transfer->old_leg && transfer->leg.remote.p;
}

static int make(struct bridge_transfer *transfer, const struct bridge_referral *referral)
{
    struct bridge *bridge = transfer->bridge;
    struct arena *arena = &bridge->arena;
    bool has_leg = true;
    transfer->uri = arena_copy(arena, referral->uri);
    transfer->route = arena_copy(arena, referral->route);
    transfer->next_hop = arena_copy(arena, referral->next_hop);
    transfer->lines = arena_copy(arena, referral->lines);
    transfer->listener = referral->listener;
    if (bridge_is_alone(bridge))
        transfer->leg = bridge->callee; /* its names: the script has them already */
    else
        has_leg = make_leg(transfer, referral);
    bool is_whole = has_leg && transfer->uri.p && (transfer->lines.p || !referral->lines.n) &&
                    (transfer->next_hop.p || !referral->next_hop.n) &&
                    (transfer->route.p || !referral->route.n);
    return is_whole ? 0 : ERROR_MEMORY;
}

/* @param context  of the INVITE of a target that has called us; NULL: we call it */
static int create(struct bridge_transfer **transferp, struct bridge *bridge, bool of_callee,
                  struct response_context *context)
{
    const struct settings *settings = bridge->proxy->options.settings;
    if (bridge->is_ended || !bridge->chosen || bridge->transfer)
        return ERROR_STATE;
    if (bridge->transfers >= settings->limits_branches) {
        counter_count(bridge->proxy->options.counters, COUNTER_ROUTE_BRANCH_LIMIT);
        return ERROR_LIMIT;
    }
    bridge->transfers++; /* those that go no further, too: a call keeps something of each */
    struct bridge_transfer *transfer = arena_zalloc(&bridge->arena, sizeof *transfer);
    struct bridge_exchange *target = transfer ? bridge_exchange_create(bridge, context) : NULL;
    if (!target)
        return ERROR_MEMORY;
    *transfer =
        (struct bridge_transfer){.bridge = bridge, .target = target, .of_callee = of_callee};
    transfer->is_incoming = context != NULL;
    target->method = METHOD_INVITE;
    target->transfer = transfer;
    target->is_target = true;
    target->is_from_caller = of_callee != transfer->is_incoming; /* who has sent it, so to say */
    *transferp = transfer;
    return 0;
}

int bridge_transfer_begin(struct bridge *bridge, bool of_callee,
                          const struct bridge_referral *referral)
{
    struct bridge_transfer *transfer;
    int error = create(&transfer, bridge, of_callee, NULL);
    if (error)
        return error;
    struct bridge_exchange *target = transfer->target;
    transfer->is_told = referral->is_told;
    transfer->refer_cseq = referral->cseq;
    error = make(transfer, referral);
    if (!error)
        error = send_target(target);
    if (error) {
        bridge_exchange_drop(target);
        return error;
    }
    proxy_note_names(bridge->proxy, dialog_call_id(bridge->dialog), transfer->leg.call_id);
    bridge->transfer = transfer;
    return 0;
}

void bridge_transfer_trying(struct bridge *bridge)
{
    if (bridge->transfer)
        bridge_refer_notify(bridge->transfer, 100, false);
}

/* Its offer is there already; where it wants requests, too. */
static int take_target(struct bridge_transfer *transfer, struct response_context *context)
{
    struct bridge *bridge = transfer->bridge;
    struct message *invite = context->request;
    if (!bridge_replace_make_leg(transfer, context))
        return ERROR_MEMORY;
    transfer->fork = bridge_fork_create(bridge, message_from_tag(invite));
    if (!transfer->fork)
        return ERROR_MEMORY;
    dialog_side_learn(&transfer->fork->callee, invite, sides_route_set(NULL, invite));
    if (!text_is_set(transfer->fork->callee.target)) {
        bridge_fork_release(transfer->fork);
        return ERROR_SYNTAX; /* an INVITE without Contact (RFC 3261 s8.1.1.8) */
    }
    transfer->accepted = memory_ref(invite);
    return 0;
}

int bridge_transfer_take(struct bridge *bridge, bool of_callee, struct response_context *context)
{
    struct bridge_transfer *transfer;
    int error = create(&transfer, bridge, of_callee, context);
    if (error)
        return error;
    error = take_target(transfer, context);
    if (error) {
        bridge_exchange_drop(transfer->target);
        return error;
    }
    bridge->transfer = transfer;
    context->dialog = memory_ref(bridge->dialog); /* a CANCEL finds the call by it */
    context->is_decided = true;
    request_reply_trying(context);
    if (of_callee)
        choose_media(transfer, context->request);
    attempt(transfer);
    return 0;
}

void bridge_transfer_cancelled(struct bridge_transfer *transfer)
{
    fail(transfer, 487);
}

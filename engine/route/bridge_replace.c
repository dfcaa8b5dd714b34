/*
 * INVITE with Replaces (RFC 3891) for a leg of a two-leg call: whoever sends it takes the place of that
 * leg's party. A transfer the other way round: its INVITE brings the offer, which goes to the party that
 * stays in a re-INVITE, and its 200 takes the answer back; then the party that was replaced gets BYE.
 *
 * Who may do so is the script's to decide (s5): the request comes to request_route first.
 */
#include "route/bridge_session.h"

/** What Replaces names, as we know it: to-tag is ours, from-tag the party's (s3). */
struct replaces {
    struct text call_id, to, from;
    bool is_early_only;
};

/* @return 0, or the status that answers it */
static unsigned read_replaces(const struct message *invite, struct replaces *replaces)
{
    const struct header *header = message_header(invite, HEADER_REPLACES);
    if (!header || message_is_repeated(invite, HEADER_REPLACES))
        return 400;
    struct text rest = header->value;
    replaces->call_id = text_trim(text_split(&rest, ';'));
    replaces->to = param_find(rest, TEXT("to-tag"));
    replaces->from = param_find(rest, TEXT("from-tag"));
    replaces->is_early_only = param_find(rest, TEXT("early-only")).p != NULL;
    return replaces->call_id.n && replaces->to.n && replaces->from.n ? 0 : 400;
}

/* Both tags must be those of the leg that has the call (s4). */
static bool is_of_call(const struct bridge *bridge, const struct replaces *replaces, bool is_caller)
{
    const struct bridge_fork *fork = bridge->chosen;
    struct text ours = {fork->local_tag, sizeof fork->local_tag};
    return is_caller ? text_equal(replaces->to, ours)
                     : text_equal(replaces->from, fork->remote_tag);
}

/* The leg that is meant. @return 0, or the status by which s3 refuses it */
static unsigned find_leg(struct proxy *proxy, const struct message *invite, struct bridge **bridgep,
                         bool *is_caller)
{
    struct replaces replaces;
    unsigned status = read_replaces(invite, &replaces);
    if (status)
        return status;
    const struct bridge_leg *leg =
        bridge_leg_of_names(proxy, replaces.call_id, replaces.from, replaces.to, is_caller);
    if (!leg)
        return 481;
    struct bridge *bridge = *bridgep = leg->bridge;
    if (leg->is_replaced || bridge->is_ended)
        return 603;
    if (!bridge->chosen || bridge_is_alone(bridge) || !is_of_call(bridge, &replaces, *is_caller))
        return 481; /* an early dialog is not replaced here: both have made an offer */
    return replaces.is_early_only ? 486 : 0;
}

static unsigned status_of(int error)
{
    switch (error) {
    case ERROR_STATE: return 491; /* another transfer is under way */
    case ERROR_LIMIT: return 403;
    default: return 500;
    }
}

int bridge_replace(struct bridge **bridgep, struct response_context *context, unsigned *status)
{
    struct message *invite = context->request;
    struct bridge *bridge = NULL;
    bool is_caller;
    *status = 500;
    if (context->is_cancelled)
        return ERROR_CANCELLED;
    if (!context->server || !context->is_dialog_making || context->is_final_sent ||
        context->is_decided || context->dialog)
        return ERROR_STATE;
    struct text unsupported = bridge_unsupported(invite, TEXT("replaces"));
    if (unsupported.n) {
        *status = 420;
        return ERROR_UNSUPPORTED;
    }
    *status = find_leg(context->proxy, invite, &bridge, &is_caller);
    if (*status)
        return ERROR_NOT_FOUND;
    if (!bridge_has_sdp(invite)) {
        *status = 488;
        return ERROR_UNSUPPORTED;
    }
    int error = bridge_transfer_take(bridge, !is_caller, context);
    *status = error ? status_of(error) : 0;
    if (!error)
        *bridgep = bridge;
    return error;
}

/* ---- the leg of who comes ---- */

/* We are the UAS of it. @return false without memory, or its From is no address */
bool bridge_replace_make_leg(struct bridge_transfer *transfer, struct response_context *context)
{
    struct arena *arena = &transfer->bridge->arena;
    struct message *invite = context->request;
    const struct name_addr *from = message_from(invite);
    const struct uri *target = message_request_uri(invite);
    char tag[BRIDGE_TAG_BYTES];
    if (!from)
        return false;
    random_token(&context->proxy->random, tag, sizeof tag);
    proxy_note_names(context->proxy, dialog_call_id(transfer->bridge->dialog), invite->call_id);
    transfer->uri = arena_copy(arena, from->uri_text);
    transfer->old_leg = arena_zalloc(arena, sizeof *transfer->old_leg);
    transfer->leg = (struct bridge_leg){
        .call_id = arena_copy(arena, invite->call_id),
        .tag = arena_copy(arena, (struct text){tag, sizeof tag}),
        .local = arena_copy(arena, message_header(invite, HEADER_TO)->value),
        .remote = arena_printf(arena, "%.*s <%.*s>", TEXT_ARG(from->display_name),
                               TEXT_ARG(from->uri_text)),
        .contact_user = arena_printf(arena, "%.*s", target ? (int)target->user.n : 0,
                                     target && target->user.n ? target->user.p : ""),
        .is_stranger = true, /* it has called us */
    };
    const struct bridge_leg *leg = &transfer->leg;
    return transfer->old_leg && transfer->uri.p && leg->call_id.p && leg->tag.p && leg->local.p &&
           leg->remote.p && leg->contact_user.p;
}

int bridge_replace_answer(struct bridge_exchange *target, struct text tag)
{
    struct bridge *bridge = target->bridge;
    struct response_context *context = target->context;
    struct buffer headers = {0}, out = {0};
    if (!context->request || target->is_final_sent)
        return ERROR_STATE;
    uac_print_contact(&headers, context->request->source.listener,
                      target->transfer->leg.contact_user);
    buffer_append(&headers, bridge_allow(bridge));
    bridge_session_print_answer(target, &headers);
    int error = headers.error;
    if (!error)
        response_print(&out, context->request,
                       &(struct response_options){
                           .status = 200,
                           .to_tag = tag,
                           .headers = buffer_text(&headers),
                           .body = buffer_text(&target->ack_body),
                           .content_type = target->ack_type,
                           .server = bridge->proxy->options.server,
                           .copy_record_route = true,
                       });
    buffer_release(&headers);
    if (!error)
        error = out.error;
    if (!error)
        error = transaction_server_respond(context->server, 200, buffer_text(&out));
    if (error) {
        buffer_release(&out);
        return error;
    }
    bridge_session_taken_over(target, !target->transfer->of_callee, buffer_text(&target->ack_body),
                              target->ack_type);
    target->accepted = out;
    target->is_final_sent = target->is_acknowledged = true; /* nobody else waits for its ACK */
    request_answered(context, 200);
    bridge_exchange_repeat(target);
    return 0;
}

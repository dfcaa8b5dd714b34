/*
 * Calls that are ended from here. Between two parties that are talking we say BYE to both, as each
 * would hear it from the other (RFC 3261 s15.1.1, s12.2.1.1); a call that is not answered yet is
 * cancelled on one side and answered 503 on the other.
 */
#include "route/bridge.h"
#include "route/notes.h"
#include "route/uac.h"

#include "base/memory.h"

/* What one visit of a call's legs needs. */
struct hang_up {
    struct proxy *proxy;
    struct dialog *dialog;
    struct text headers; /* of each BYE */
};

static void on_bye_done(void *arg, struct message *response)
{
    struct proxy *proxy = arg;
    (void)response; /* whatever it says, the call is over (s15.1.1) */
    proxy->byes_pending--;
}

/* BYE to one party of a leg. */
static int send_bye(const struct hang_up *hang_up, struct text callee_tag, bool to_caller)
{
    struct proxy *proxy = hang_up->proxy;
    const struct call_request bye = {
        .dialog = hang_up->dialog,
        .callee_tag = callee_tag,
        .to_caller = to_caller,
        .method = METHOD_BYE,
        .headers = hang_up->headers,
    };
    int error = call_request_send(NULL, proxy, &bye, on_bye_done, proxy);
    if (!error)
        proxy->byes_pending++;
    return error;
}

static void end_leg(void *arg, struct text callee_tag, enum dialog_state state)
{
    const struct hang_up *hang_up = arg;
    if (state != DIALOG_CONFIRMED)
        return;
    for (int to_caller = 0; to_caller < 2; to_caller++) {
        int error = send_bye(hang_up, callee_tag, to_caller);
        if (error)
            log_warning(hang_up->proxy->options.log, LOG_ROUTE, dialog_call_id(hang_up->dialog),
                        "no BYE to the %s: %s", to_caller ? "caller" : "callee", error_text(error));
    }
}

/* A Reason header (RFC 3326), or nothing. */
static struct text reason_line(struct buffer *out, struct text reason)
{
    if (reason.n)
        buffer_printf(out, "Reason: %.*s\r\n", TEXT_ARG(reason));
    return out->error ? TEXT_NONE : buffer_text(out);
}

static void end_answered(struct proxy *proxy, struct dialog *dialog, enum dialog_end end,
                         struct text reason)
{
    struct buffer line = {0};
    notes_reason(dialog, reason);
    struct bridge *bridge = dialog_attachment(dialog, DIALOG_BRIDGE);
    if (bridge) {
        bridge_hang_up(bridge, end, reason);
        return;
    }
    struct hang_up hang_up = {proxy, dialog, reason_line(&line, reason)};
    memory_ref(dialog);
    dialog_for_each_leg(dialog, end_leg, &hang_up);
    dialog_terminate(dialog, end);
    memory_release(dialog);
    buffer_release(&line);
}

static void end_unanswered(struct response_context *context, struct text reason)
{
    struct bridge *bridge =
        context->dialog ? dialog_attachment(context->dialog, DIALOG_BRIDGE) : NULL;
    if (bridge) { /* whose CANCEL says why, too */
        bridge_hang_up(bridge, DIALOG_END_LOCAL, reason);
        return;
    }
    memory_ref(context);
    notes_reason(context->dialog, reason);
    branch_cancel_all(context, NULL, reason);
    request_respond(context, &(struct response_options){.status = 503,
                                                        .server = context->proxy->options.server});
    memory_release(context);
}

static bool is_unanswered_call(const struct response_context *context)
{
    return context->server && context->is_dialog_making && !context->is_final_sent &&
           !context->is_dropped;
}

/* An INVITE of that call, of which a proxy before us may have sent several. */
static struct response_context *find_unanswered(const struct proxy *proxy,
                                                const struct dialog *dialog)
{
    LIST_FOR_EACH (link, &proxy->contexts) {
        struct response_context *context = CONTAINER_OF(link, struct response_context, link);
        if (context->dialog == dialog && is_unanswered_call(context))
            return context;
    }
    return NULL;
}

/* Is there no INVITE of a caller that would have to be answered? */
static bool can_end(const struct dialog *dialog)
{
    const struct bridge *bridge = dialog_attachment(dialog, DIALOG_BRIDGE);
    return dialog_current_state(dialog) == DIALOG_CONFIRMED ||
           (bridge && bridge_is_originated(bridge));
}

void proxy_hang_up(struct proxy *proxy, struct dialog *dialog, enum dialog_end end,
                   struct text reason)
{
    if (can_end(dialog)) {
        end_answered(proxy, dialog, end, reason);
        return;
    }
    struct response_context *context = find_unanswered(proxy, dialog);
    memory_ref(dialog);
    for (size_t left = dialog_invites(dialog); context && left; left--) {
        end_unanswered(context, reason);
        context = find_unanswered(proxy, dialog);
    }
    memory_release(dialog);
}

static struct text value_of(const struct message *message, enum header_kind kind)
{
    const struct header *header = message_header(message, kind);
    return header ? header->value : TEXT_NONE;
}

void hang_up_accepted(struct proxy *proxy, struct message *response, struct text route,
                      uint32_t bye_cseq, bool *is_hung_up)
{
    const struct name_addr *contact = message_contact(response);
    if (!contact || response->method != METHOD_INVITE)
        return;
    struct uac_request request = {
        .method = METHOD_ACK,
        .request_uri = contact->uri_text,
        .route = route,
        .from = value_of(response, HEADER_FROM),
        .to = value_of(response, HEADER_TO),
        .call_id = value_of(response, HEADER_CALL_ID), /* as its sender knows it */
        .cseq = response->cseq_number,
        .listener = response->source.listener,
    };
    int error = uac_send(NULL, proxy, &request, NULL, NULL); /* for each repetition of the 2xx */
    if (!error && !*is_hung_up) {
        request.method = METHOD_BYE;
        request.cseq = bye_cseq;
        error = uac_send(NULL, proxy, &request, on_bye_done, proxy);
        proxy->byes_pending += error == 0;
        *is_hung_up = error == 0;
    }
    if (error)
        log_warning(proxy->options.log, LOG_ROUTE, response->call_id, "a late %u is not ended: %s",
                    response->status, error_text(error));
}

void hang_up_late(struct response_context *context, struct branch *branch, struct message *response)
{
    struct dialog_side caller, callee = {.cseq = response->cseq_number};
    if (context->dialog) /* PRACK and UPDATE may have taken numbers */
        dialog_sides(context->dialog, message_to_tag(response), &caller, &callee);
    hang_up_accepted(context->proxy, response, sides_route_set(context->proxy, response),
                     callee.cseq + 1, &branch->is_hung_up);
}

/* One visit of all calls. */
struct hang_up_all {
    struct proxy *proxy;
    struct text reason;
};

static void end_one(void *arg, struct dialog *dialog)
{
    const struct hang_up_all *all = arg;
    if (can_end(dialog))
        end_answered(all->proxy, dialog, DIALOG_END_LOCAL, all->reason);
}

void proxy_hang_up_all(struct proxy *proxy, struct text reason)
{
    struct hang_up_all all = {proxy, reason};
    LIST_FOR_EACH_SAFE (link, &proxy->contexts) {
        struct response_context *context = CONTAINER_OF(link, struct response_context, link);
        if (is_unanswered_call(context))
            end_unanswered(context, reason);
    }
    dialogs_for_each(proxy->dialogs, end_one, &all);
}

size_t proxy_byes_pending(const struct proxy *proxy)
{
    return proxy->byes_pending;
}

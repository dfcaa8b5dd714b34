/*
 * In-dialog requests that lost their Route set. Some phones and test callers ignore Record-Route and
 * send BYE or re-INVITE to the address that they called, which is ours. The dialog remembers where
 * both sides can be reached (their Contact and the listener that they came in on), so such a request
 * goes on to the other side instead of being refused (setting dialog.match_lost_route).
 *
 * Only requests that name us as their target are taken: one that names another host is routed there.
 */
#include "route/context.h"

#include "base/memory.h"

/** One side of a call: where it wants requests (RFC 3261 s12.1.1), and our socket towards it. */
struct side {
    struct text contact; /**< owned; absent: not known */
    const struct listener *listener;
};

/** Hangs on a dialog as DIALOG_TARGETS; counted. */
struct targets {
    struct side caller, callee;
};

static void targets_destroy(void *arg)
{
    struct targets *targets = arg;
    memory_free_raw((char *)targets->caller.contact.p);
    memory_free_raw((char *)targets->callee.contact.p);
}

static void learn_side(struct side *side, struct message *message)
{
    const struct name_addr *contact = message_contact(message);
    if (!contact || text_is_set(side->contact))
        return;
    side->contact = (struct text){text_strdup(contact->uri_text), contact->uri_text.n};
    side->listener = message->source.listener;
}

void lost_route_begin(struct response_context *context)
{
    if (!context->proxy->options.settings->dialog_match_lost_route)
        return;
    struct targets *targets = memory_alloc(sizeof *targets, targets_destroy);
    if (!targets)
        return; /* the call goes on; only this help is missing */
    learn_side(&targets->caller, context->request);
    dialog_attach(context->dialog, DIALOG_TARGETS, targets);
    memory_release(targets);
}

void lost_route_answered(struct dialog *dialog, struct message *response)
{
    struct targets *targets = dialog_attachment(dialog, DIALOG_TARGETS);
    if (targets && response)
        learn_side(&targets->callee, response);
}

int lost_route_find(struct response_context *context)
{
    struct targets *targets =
        context->dialog ? dialog_attachment(context->dialog, DIALOG_TARGETS) : NULL;
    struct uri target;
    struct header_view route = {0};
    if (!targets || edits_header(context->edits, HEADER_ROUTE, TEXT_NONE, &route) ||
        uri_parse(&target, edits_request_uri(context->edits)) ||
        !transport_own(context->proxy->options.transport, target.host, target.port))
        return 0;
    bool is_from_caller = dialog_is_from_caller(context->dialog, context->request);
    const struct side *side = is_from_caller ? &targets->callee : &targets->caller;
    if (!text_is_set(side->contact))
        return 0;
    int error = edits_set_request_uri(context->edits, side->contact);
    context->route_listener = side->listener;
    return error ? error : 1;
}

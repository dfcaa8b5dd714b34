/*
 * In-dialog requests that lost their Route set. Some phones and test callers ignore Record-Route and
 * send BYE or re-INVITE to the address that they called, which is ours. The dialog knows where both
 * sides can be reached, so such a request goes on to the other side instead of being refused
 * (setting dialog.match_lost_route). Those of a hidden call never had one: topology.c.
 *
 * Only requests that name us as their target are taken: one that names another host is routed there.
 */
#include "route/context.h"

int lost_route_find(struct response_context *context)
{
    struct dialog *dialog = context->dialog;
    struct message *request = context->request;
    struct uri target;
    struct header_view route = {0};
    struct dialog_side caller, callee;
    bool is_wanted = context->hidden || context->proxy->options.settings->dialog_match_lost_route;
    if (!is_wanted || !dialog || edits_header(context->edits, HEADER_ROUTE, TEXT_NONE, &route) ||
        uri_parse(&target, edits_request_uri(context->edits)) ||
        !transport_own(context->proxy->options.transport, target.host, target.port) ||
        !dialog_sides(dialog, dialog_callee_tag(dialog, request), &caller, &callee))
        return 0;
    const struct dialog_side *to = dialog_is_from_caller(dialog, request) ? &callee : &caller;
    if (!text_is_set(to->target))
        return 0;
    int error = edits_set_request_uri(context->edits, to->target);
    if (!error && text_is_set(to->route))
        error = edits_prepend(context->edits, HEADER_ROUTE, TEXT("Route"), to->route);
    context->route_listener = to->listener;
    return error ? error : 1;
}

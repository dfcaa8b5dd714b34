/*
 * What a call's dialog learns of its two parties: where each wants requests, and through which other
 * proxies (RFC 3261 s12.1.1, s12.1.2). We stand in the middle of the Record-Route list, so a party's
 * route set is the part of it between that party and us.
 */
#include "route/context.h"

/* Put one element before or behind what is there. */
static struct text join(struct arena *arena, struct text first, struct text second)
{
    if (!first.n || !second.n)
        return first.n ? first : second;
    return arena_printf(arena, "%.*s, %.*s", TEXT_ARG(first), TEXT_ARG(second));
}

/*
 * Record-Route as the route set towards the sender of @p message. That of a request has its nearest
 * proxy first; that of a response begins at the callee, and ends for a proxy where its own entry stands.
 */
struct text sides_route_set(const struct proxy *proxy, struct message *message)
{
    struct text set = TEXT("");
    bool is_double;
    const struct header *header = message_header(message, HEADER_RECORD_ROUTE);
    for (; header; header = message_header_next(message, header)) {
        struct text rest = header->value, element;
        while ((element = name_addr_split(&rest)).n) {
            if (!message->is_request && proxy && record_route_own(proxy, element, &is_double))
                return set;
            set = message->is_request ? join(&message->arena, set, element)
                                      : join(&message->arena, element, set);
        }
    }
    return set;
}

void sides_begin(struct response_context *context)
{
    struct message *invite = context->request;
    dialog_learn_side(context->dialog, invite, sides_route_set(context->proxy, invite));
}

void sides_accepted(struct response_context *context, struct message *response)
{
    if (response->method == METHOD_INVITE && context->is_dialog_making) {
        dialog_learn_side(context->dialog, response, sides_route_set(context->proxy, response));
    } else if (response->method == METHOD_INVITE || response->method == METHOD_UPDATE) {
        dialog_learn_side(context->dialog, response, TEXT_NONE);
        if (context->request)
            dialog_learn_side(context->dialog, context->request, TEXT_NONE);
    }
}

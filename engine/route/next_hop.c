/* Where a request goes next (RFC 3261 s16.6 6, s16.12) and which of our sockets it leaves from. */
#include "route/context.h"

/* First Route element of the edited request. */
static bool top_route(struct edits *edits, struct name_addr *route)
{
    struct header_view view = {0};
    if (!edits_header(edits, HEADER_ROUTE, TEXT_NONE, &view))
        return false;
    struct text rest = view.value;
    return name_addr_parse(route, name_addr_split(&rest)) == 0;
}

/* The next element is a strict router (RFC 2543): it wants itself in the Request-URI, and the old
 * Request-URI as the last Route (s16.6 6). */
static int swap_for_strict_router(struct arena *arena, struct edits *edits, struct text *uri)
{
    struct header_view view = {0}, last = {0};
    struct text strict = arena_copy(arena, *uri);
    struct text target = arena_printf(arena, "<%.*s>", TEXT_ARG(edits_request_uri(edits)));
    if (!text_is_set(strict) || !text_is_set(target))
        return ERROR_MEMORY;
    int error = edits_remove_first_element(edits, HEADER_ROUTE);
    if (error)
        return error;
    bool is_found = edits_header(edits, HEADER_ROUTE, TEXT_NONE, &view);
    for (; is_found; is_found = edits_header_next(edits, &last, &view))
        last = view;
    if (last.name.n) {
        struct text joined =
            arena_printf(arena, "%.*s, %.*s", TEXT_ARG(last.value), TEXT_ARG(target));
        error = text_is_set(joined) ? edits_replace(edits, &last, joined) : ERROR_MEMORY;
    } else {
        error = edits_append(edits, TEXT("Route"), target);
    }
    *uri = strict;
    return error ? error : edits_set_request_uri(edits, strict);
}

int next_hop_choose(struct response_context *context, struct edits *edits, struct text to,
                    struct text *uri)
{
    struct name_addr route;
    *uri = to.n ? to : context->next_hop;
    if (uri->n)
        return 0;
    if (!top_route(edits, &route)) {
        *uri = edits_request_uri(edits);
        return 0;
    }
    *uri = route.uri_text;
    if (uri_is_loose(&route.uri))
        return 0;
    return swap_for_strict_router(&context->request->arena, edits, uri);
}

const struct listener *next_hop_listener(struct response_context *context, struct text interface,
                                         const struct address *address)
{
    struct transport *transport = context->proxy->options.transport;
    int family = address->sa.sa_family;
    if (interface.n)
        return transport_listener(transport, interface, TRANSPORT_UDP, family);
    const struct listener *wanted[] = {context->send_listener, context->route_listener};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        if (!wanted[i])
            continue;
        if (wanted[i]->local.sa.sa_family == family)
            return wanted[i];
        /* The interface was meant, the name turned out to be of the other family. */
        const struct listener *same =
            transport_listener(transport, text_of(wanted[i]->interface), wanted[i]->kind, family);
        if (same)
            return same;
    }
    const struct listener *towards = transport_listener_towards(transport, address, TRANSPORT_UDP);
    if (towards)
        return towards;
    const struct listener *here = context->request->source.listener;
    return here && here->local.sa.sa_family == family ? here : NULL;
}

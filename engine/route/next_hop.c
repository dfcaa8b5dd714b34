/* Where a request goes next (RFC 3261 s16.6 6, s16.12) and which of our sockets it leaves from. */
#include "route/context.h"

/* First Route element of the edited request. @param rest  of its line */
static bool top_route(struct edits *edits, struct name_addr *route, struct header_view *line,
                      struct text *rest)
{
    if (!edits_header(edits, HEADER_ROUTE, TEXT_NONE, line))
        return false;
    *rest = line->value;
    return name_addr_parse(route, name_addr_split(rest)) == 0;
}

/* The next element is a strict router (RFC 2543): it wants itself in the Request-URI, and the old
 * Request-URI as the last Route (s16.6 6). */
static int swap_for_strict_router(struct arena *arena, struct edits *edits, struct text strict,
                                  const struct header_view *line, struct text rest)
{
    struct header_view view = {0}, last = {0};
    struct text target = arena_printf(arena, "<%.*s>", TEXT_ARG(edits_request_uri(edits)));
    if (!text_is_set(target))
        return ERROR_MEMORY;
    int error = edits_keep_end(edits, line, rest);
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
    return error ? error : edits_set_request_uri(edits, strict);
}

int next_hop_request_uri(const struct response_context *context, const struct edits *edits,
                         struct uri *uri)
{
    struct text text = edits_request_uri(edits);
    if (text.p != context->request->request_uri.p)
        return uri_parse(uri, text);
    const struct uri *received = message_request_uri(context->request);
    if (received)
        *uri = *received;
    return received ? 0 : ERROR_SYNTAX;
}

/* After what a script chose come the top Route and the Request-URI. */
static int choose(struct response_context *context, struct edits *edits, struct text to,
                  struct uri *uri)
{
    struct arena *arena = &context->request->arena;
    struct header_view line;
    struct name_addr route;
    struct text rest;
    if (to.n) {
        to = arena_copy(arena, to);
        return to.n ? uri_parse(uri, to) : ERROR_MEMORY;
    }
    if (context->next_hop.n)
        return uri_parse(uri, context->next_hop);
    if (!top_route(edits, &route, &line, &rest))
        return next_hop_request_uri(context, edits, uri);
    *uri = route.uri;
    return uri_is_loose(uri) ? 0
                             : swap_for_strict_router(arena, edits, route.uri_text, &line, rest);
}

int next_hop_choose(struct response_context *context, struct edits *edits, struct text to,
                    struct uri *uri)
{
    int error = choose(context, edits, to, uri);
    if (error)
        return error == ERROR_SYNTAX ? ERROR_ARGUMENT : error;
    return uri->scheme == URI_SIP || uri->scheme == URI_SIPS ? 0 : ERROR_ARGUMENT;
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

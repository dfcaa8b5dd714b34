/*
 * Record-Route and Route (RFC 3261 s16.4, s16.6 4, s16.12). A call that crosses two interfaces gets
 * two entries, one for each side (RFC 5658 s6), marked r2=on: what comes back through one of them
 * leaves through the other.
 */
#include "route/context.h"

int proxy_record_route(struct response_context *context)
{
    if (context->is_decided && !context->is_in_failure)
        return ERROR_STATE;
    context->wants_record_route = true;
    return 0;
}

/* One entry of ours: on top, or below what is there. */
static int add_route(struct proxy *proxy, struct edits *edits, const struct listener *listener,
                     bool is_double, bool is_below)
{
    struct text line = transport_record_route(proxy->options.transport, listener, is_double);
    return is_below ? edits_append_line(edits, HEADER_RECORD_ROUTE, line)
                    : edits_prepend_line(edits, HEADER_RECORD_ROUTE, line);
}

int record_route_add(struct response_context *context, struct edits *edits,
                     const struct listener *out)
{
    const struct listener *in = context->request->source.listener;
    bool is_double = in && in != out;
    int error = is_double ? add_route(context->proxy, edits, in, true, false) : 0;
    return error ? error : add_route(context->proxy, edits, out, is_double, false);
}

int record_route_give(struct proxy *proxy, struct edits *edits, const struct listener *in,
                      const struct listener *out)
{
    int error = add_route(proxy, edits, out, in != out, true);
    return error || in == out ? error : add_route(proxy, edits, in, true, true);
}

static bool has_double_mark(const struct uri *uri)
{
    return text_is_set(uri_param(uri, TEXT("r2")));
}

/* Nearly always it is ours, and as we printed it. */
const struct listener *record_route_own(const struct proxy *proxy, struct text element,
                                        bool *is_double)
{
    const struct transport *transport = proxy->options.transport;
    struct name_addr route;
    const struct listener *own = transport_recorded(transport, element, is_double);
    if (own)
        return own;
    if (name_addr_parse(&route, element))
        return NULL;
    *is_double = has_double_mark(&route.uri);
    return transport_own(transport, route.uri.host, route.uri.port);
}

/* A walk through the elements of Route, from line to line; zeroed at its begin. */
struct route_walk {
    struct header_view line;
    struct text rest; /* of the line */
};

/* @return absent or empty at the end */
static struct text next_route(const struct edits *edits, struct route_walk *walk)
{
    if (!walk->rest.n) {
        bool is_found = walk->line.place
                            ? edits_header_next(edits, &walk->line, &walk->line)
                            : edits_header(edits, HEADER_ROUTE, TEXT_NONE, &walk->line);
        walk->rest = is_found ? walk->line.value : TEXT_NONE;
    }
    struct text element = name_addr_split(&walk->rest);
    walk->rest = text_trim(walk->rest);
    return element;
}

/* A strict router put our own Record-Route URI into the Request-URI: the real target is the last
 * Route (s16.4). @return 1 when it was so (@p own is what stood there), 0 when not, or an error */
static __attribute__((cold)) int undo_strict_router(struct response_context *context,
                                                    struct uri *own)
{
    struct header_view view = {0}, last = {0};
    if (next_hop_request_uri(context, context->edits, own) || !uri_is_loose(own) ||
        !transport_own(context->proxy->options.transport, own->host, own->port))
        return 0;
    bool is_found = edits_header(context->edits, HEADER_ROUTE, TEXT_NONE, &view);
    if (!is_found)
        return 0;
    for (; is_found; is_found = edits_header_next(context->edits, &last, &view))
        last = view;
    /* The last element of a comma-joined list. */
    struct text rest = last.value, element = TEXT_NONE, before = {last.value.p, 0};
    for (struct text one = name_addr_split(&rest); one.n; one = name_addr_split(&rest)) {
        before.n = (size_t)(one.p - last.value.p);
        element = one;
    }
    struct name_addr address;
    if (!element.n || name_addr_parse(&address, element))
        return ERROR_SYNTAX;
    int error = edits_set_request_uri(context->edits, address.uri_text);
    before = text_trim(before); /* folding, too: a line end alone would end the header */
    if (before.n && before.p[before.n - 1] == ',')
        before = text_trim((struct text){before.p, before.n - 1});
    if (!error)
        error = before.n ? edits_replace(context->edits, &last, before)
                         : edits_remove(context->edits, &last);
    return error ? error : 1;
}

/* Can a strict router have written the Request-URI? Only what a script left there is read anew. */
static bool may_be_strictly_routed(const struct response_context *context)
{
    struct message *request = context->request;
    if (edits_request_uri(context->edits).p != request->request_uri.p)
        return true;
    const struct uri *received = message_request_uri(request);
    return received && uri_is_loose(received);
}

/* The other of our two entries, which leads to where the request leaves. @param last  the first one */
static void take_second_route(struct response_context *context, struct route_walk *last)
{
    struct route_walk walk = *last;
    bool is_double;
    struct text element = next_route(context->edits, &walk);
    const struct listener *own = record_route_own(context->proxy, element, &is_double);
    if (!own)
        return;
    context->route_listener = own;
    *last = walk;
}

/* What stands behind the last one goes on. */
static int cut_routes(struct edits *edits, const struct route_walk *first,
                      const struct route_walk *last)
{
    int error = last->line.place == first->line.place ? 0 : edits_remove(edits, &first->line);
    return error ? error : edits_keep_end(edits, &last->line, last->rest);
}

int proxy_loose_route(struct response_context *context)
{
    bool is_double = false;
    struct uri in_request_uri;
    int strict = may_be_strictly_routed(context) ? undo_strict_router(context, &in_request_uri) : 0;
    if (strict < 0)
        return strict;
    struct route_walk first = {0}, last;
    struct text element = next_route(context->edits, &first);
    const struct listener *own = record_route_own(context->proxy, element, &is_double);
    if (!own)
        return strict ? strict : lost_route_find(context);
    last = first;
    /* The first of our two entries may be the one that the strict router took. */
    if (is_double && strict && has_double_mark(&in_request_uri))
        context->route_listener = own;
    else if (is_double)
        take_second_route(context, &last);
    int error = cut_routes(context->edits, &first, &last);
    return error ? error : 1;
}

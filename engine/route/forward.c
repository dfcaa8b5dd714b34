/*
 * Stateless forwarding (RFC 3261 s16.11): ACK to 2xx, req:forward(), and responses that belong to
 * no transaction of ours. The branch is a hash of the received one, so that a retransmission gets
 * the same.
 */
#include "route/context.h"

#include "base/memory.h"

#include <stdio.h>

/* A stateless request whose next hop is being looked up. */
struct forwarding {
    struct response_context *context; /* owned reference */
    struct edits *edits;              /* owned */
    const struct listener *listener;  /* asked for, or NULL */
};

static void forwarding_destroy(void *arg)
{
    struct forwarding *forwarding = arg;
    memory_release(forwarding->edits);
    memory_release(forwarding->context);
}

#define STATELESS_COOKIE "z9hG4bKsl"

static struct text stateless_branch(struct response_context *context, char out[BRANCH_BYTES])
{
    const struct via *via = message_via(context->request);
    struct text v[] = {via ? via->branch : TEXT_NONE,      via ? via->host : TEXT_NONE,
                       message_from_tag(context->request), message_to_tag(context->request),
                       context->request->call_id,          context->request->method_text};
    uint64_t hash = hash_texts(&context->proxy->options.hash_key, v, sizeof v / sizeof v[0]);
    int n = snprintf(out, BRANCH_BYTES, STATELESS_COOKIE "%016llx", (unsigned long long)hash);
    return (struct text){out, (size_t)n};
}

static int edit_and_send(struct forwarding *forwarding, const struct address *address)
{
    struct response_context *context = forwarding->context;
    struct proxy *proxy = context->proxy;
    struct buffer *out = &proxy->out;
    char branch[BRANCH_BYTES];
    struct text interface =
        forwarding->listener ? text_of(forwarding->listener->interface) : TEXT_NONE;
    struct destination destination = {
        .listener = next_hop_listener(context, interface, address),
        .address = *address,
    };
    if (!destination.listener)
        return ERROR_ARGUMENT;
    call_media_request(context, context->request, forwarding->edits);
    int error = hop_edit(context, forwarding->edits, destination.listener,
                         stateless_branch(context, branch), 0);
    buffer_clear(out);
    edits_print(forwarding->edits, out);
    if (!error)
        error = out->error;
    return error ? error : transport_send(proxy->options.transport, &destination, buffer_text(out));
}

static void on_resolved(void *arg, int error, const struct resolve_target *v, size_t count)
{
    struct forwarding *forwarding = arg;
    if (!error && count)
        error = edit_and_send(forwarding, &v[0].address);
    if (error)
        log_warning(forwarding->context->proxy->options.log, LOG_ROUTE,
                    context_call_id(forwarding->context), "%.*s not forwarded: %s",
                    TEXT_ARG(forwarding->context->request->method_text), error_text(error));
    memory_release(forwarding);
}

static int start(struct forwarding *forwarding, struct text to)
{
    struct response_context *context = forwarding->context;
    struct resolve_targets now;
    struct text uri_text;
    struct uri uri;
    int error = next_hop_choose(context, forwarding->edits, to, &uri_text);
    if (error)
        return error;
    uri_text = arena_copy(&context->request->arena, uri_text);
    if (!text_is_set(uri_text))
        return ERROR_MEMORY;
    if (uri_parse(&uri, uri_text) || (uri.scheme != URI_SIP && uri.scheme != URI_SIPS))
        return ERROR_ARGUMENT;
    error = resolve_uri(context->proxy->options.resolver, &uri, &now, on_resolved,
                        memory_ref(forwarding), NULL);
    if (!error && now.count == 0)
        return 0;
    memory_release(forwarding);
    return error ? error : edit_and_send(forwarding, &now.v[0].address);
}

int forward_request(struct response_context *context, const struct relay_options *options)
{
    struct transport *transport = context->proxy->options.transport;
    if (proxy_check_max_forwards(context))
        return ERROR_LIMIT;
    struct forwarding *forwarding = memory_alloc(sizeof *forwarding, forwarding_destroy);
    if (!forwarding)
        return ERROR_MEMORY;
    forwarding->context = memory_ref(context);
    int error = edits_create(&forwarding->edits, context->request, context->edits);
    for (int i = 0; i < 2 && options->interface.n && !forwarding->listener; i++)
        forwarding->listener = transport_listener(transport, options->interface, TRANSPORT_UDP,
                                                  i ? AF_INET6 : AF_INET);
    if (!error && options->interface.n && !forwarding->listener)
        error = ERROR_ARGUMENT;
    if (!error)
        error = start(forwarding, options->to);
    if (!error)
        context->is_decided = true;
    memory_release(forwarding);
    return error;
}

int proxy_forward(struct response_context *context)
{
    if (context->is_decided)
        return ERROR_STATE;
    int error = forward_request(context, &(struct relay_options){0});
    if (!error)
        proxy_drop(context);
    return error;
}

/* A response of no client transaction goes on only when we sent its request without one. Anything
 * else is late or forged, and would pass the routes and the relay by (RFC 6026 s8.9). */
void forward_response(void *arg, struct message *response)
{
    struct proxy *proxy = arg;
    const struct via *own = message_via(response);
    if (!own || !text_starts_with_nocase(own->branch, TEXT(STATELESS_COOKIE)))
        return;
    const struct via *below = message_via_second(response);
    struct destination destination = {0};
    struct edits *edits = NULL;
    struct buffer *out = &proxy->out;
    if (!below || transport_response_destination(below, response->source.listener, &destination))
        return;
    destination.listener =
        transport_listener_towards(proxy->options.transport, &destination.address, TRANSPORT_UDP);
    if (!destination.listener || edits_create(&edits, response, NULL))
        return;
    buffer_clear(out);
    if (edits_remove_first_element(edits, HEADER_VIA) == 0) {
        edits_print(edits, out);
        if (!out->error)
            transport_send(proxy->options.transport, &destination, buffer_text(out));
    }
    memory_release(edits);
}

/*
 * Stateless forwarding (RFC 3261 s16.11): ACK to 2xx, CANCEL that matches nothing, req:forward().
 *
 * The branch is a keyed hash of what identifies the request's transaction one hop up: so a
 * retransmission gets the same, and so do CANCEL and the ACK to a non-2xx of an INVITE. All of it
 * comes back in a response (s8.2.6), whose branch shows that the request went through here.
 */
#include "route/topology.h"

#include "base/memory.h"

/* A stateless request whose next hop is being looked up. */
struct forwarding {
    struct response_context *context; /* owned reference */
    struct edits *edits;              /* over the context's */
    const struct listener *listener;  /* asked for, or NULL */
};

static void forwarding_destroy(void *arg)
{
    struct forwarding *forwarding = arg;
    memory_release(forwarding->context);
}

/*
 * It need not be a secret: a response is sent where its Vias say.
 * @param received  the Via with which the request came in
 */
static struct text stateless_branch(const struct proxy *proxy, const struct via *received,
                                    struct message *message, char out[BRANCH_BYTES])
{
    const struct hash_key *secret = &proxy->options.hash_key;
    const uint64_t numbers[] = {message_caller_hash(message, secret), message->cseq_number};
    const struct text v[] = {
        received ? received->branch : TEXT_NONE,
        received ? received->host : TEXT_NONE,
        {(const char *)&received->port, received ? sizeof received->port : 0},
        {(const char *)numbers, sizeof numbers}, /* of From tag, Call-ID and CSeq */
    };
    uint64_t hash = hash_index(secret, v, sizeof v / sizeof v[0]);
    const struct text mark = TEXT("z9hG4bKsl");
    memcpy(out, mark.p, mark.n);
    text_print_hex64(hash, out + mark.n);
    return (struct text){out, mark.n + TEXT_HEX64_BYTES};
}

static int edit_and_send(struct forwarding *forwarding, const struct address *address)
{
    struct response_context *context = forwarding->context;
    struct proxy *proxy = context->proxy;
    struct transport *transport = proxy->options.transport;
    char branch[BRANCH_BYTES];
    struct text interface =
        forwarding->listener ? text_of(forwarding->listener->interface) : TEXT_NONE;
    struct destination destination = {
        .listener = next_hop_listener(context, interface, address),
        .address = *address,
    };
    if (!destination.listener)
        return ERROR_ARGUMENT;
    if (context->request->method != METHOD_ACK && topology_hides(context, destination.listener))
        return ERROR_UNSUPPORTED; /* its responses would not know the way back */
    call_media_request(context, NULL, forwarding->edits); /* without branch it never fails */
    int error = hop_edit(
        context, forwarding->edits, destination.listener,
        stateless_branch(proxy, message_via(context->request), context->request, branch), 0);
    struct buffer *out = transport_print(transport);
    edits_print(forwarding->edits, out);
    if (!error)
        error = out->error;
    return error ? error : transport_send(transport, &destination, transport_printed(transport));
}

static void on_resolved(void *arg, int error, const struct resolve_target *v, size_t count)
{
    struct forwarding *forwarding = arg;
    if (!forwarding->context->request) { /* the script answered it meanwhile */
        memory_release(forwarding);
        return;
    }
    if (!error && count)
        error = edit_and_send(forwarding, &v[0].address);
    if (error)
        log_warning(forwarding->context->proxy->options.log, LOG_ROUTE,
                    context_call_id(forwarding->context), "%.*s not forwarded: %s",
                    TEXT_ARG(forwarding->context->request->method_text), error_text(error));
    memory_release(forwarding);
}

/* An ACK that comes late for a hidden call names us, and no dialog knows further: sent on it would only
 * come back. */
static bool is_for_nobody(const struct response_context *context, const struct uri *uri)
{
    struct header_view route = {0};
    return context->request->method == METHOD_ACK && !context->dialog &&
           !edits_header(context->edits, HEADER_ROUTE, TEXT_NONE, &route) &&
           transport_own(context->proxy->options.transport, uri->host, uri->port);
}

static int start(struct forwarding *forwarding, struct text to)
{
    struct response_context *context = forwarding->context;
    struct resolve_targets now;
    struct uri uri;
    int error = next_hop_choose(context, forwarding->edits, to, &uri);
    if (error)
        return error;
    if (is_for_nobody(context, &uri))
        return ERROR_NOT_FOUND;
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
    if (context->is_decided)
        return ERROR_STATE;
    if (proxy_check_max_forwards(context))
        return ERROR_LIMIT;
    struct forwarding *forwarding = memory_alloc(sizeof *forwarding, forwarding_destroy);
    if (!forwarding)
        return ERROR_MEMORY;
    forwarding->context = memory_ref(context);
    int error = edits_begin(&forwarding->edits, context->request, context->edits);
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
    int error = forward_request(context, &(struct relay_options){0});
    if (!error)
        proxy_drop(context);
    return error;
}

bool forward_is_own(const struct proxy *proxy, struct message *response)
{
    char branch[BRANCH_BYTES];
    const struct via *own = message_via(response), *received = message_via_second(response);
    return own && received &&
           text_equal(own->branch, stateless_branch(proxy, received, response, branch));
}

/*
 * A Request-URI whose maddr is ours (RFC 3261 s16.4): whoever wrote it wanted the request to pass
 * here, and it has. Left in, it would bring the request back to us.
 */
#include "route/context.h"

/* All parameters but those that said how to come here. */
static void append_others(struct buffer *out, struct text params)
{
    while (params.n) {
        struct text param = text_split(&params, ';'), rest = param;
        struct text name = text_split(&rest, '=');
        if (text_equal_nocase(name, TEXT("maddr")) || text_equal_nocase(name, TEXT("transport")))
            continue;
        buffer_append_char(out, ';');
        buffer_append(out, param);
    }
}

/* Did it come in by the address, port and transport that the URI names? */
static bool is_here(const struct response_context *context, const struct uri *uri)
{
    const struct listener *here = context->request->source.listener;
    struct text maddr = uri_param(uri, TEXT("maddr")),
                transport = uri_param(uri, TEXT("transport"));
    enum transport_kind kind = TRANSPORT_UDP;
    if (!here || !maddr.n || (transport.n && transport_kind_parse(&kind, transport)))
        return false;
    const struct listener *own = transport_own(context->proxy->options.transport, maddr, uri->port);
    return own && own->port == here->port && kind == here->kind;
}

static __attribute__((cold)) int strip(struct response_context *context, const struct uri *uri)
{
    if (!is_here(context, uri))
        return 0;
    struct buffer *out = &context->proxy->out;
    buffer_clear(out);
    buffer_append(out, text_span(uri->whole.p, uri->host.p + uri->host.n)); /* without port */
    append_others(out, uri->params);
    return out->error ? out->error : edits_set_request_uri(context->edits, buffer_text(out));
}

int maddr_strip(struct response_context *context)
{
    struct message *request = context->request;
    if (!text_find(request->request_uri, ';'))
        return 0;
    const struct uri *uri = message_request_uri(request);
    return uri && text_is_set(uri_param(uri, TEXT("maddr"))) ? strip(context, uri) : 0;
}

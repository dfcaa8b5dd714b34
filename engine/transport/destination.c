/* Where responses go (RFC 3261 s18.2.2, RFC 3581 s4), and the Via and the
 * Record-Route that bring messages back to us. */
#include "base/error.h"
#include "sip/uri.h"
#include "transport/operations.h"

static uint16_t sent_by_port(const struct via *via, const struct listener *listener)
{
    return via->port ? via->port : transport_kind_port(listener->kind);
}

/* maddr names where to answer; only a number is honoured, a name would have to be resolved. */
static bool has_maddr(const struct via *via, struct address *address)
{
    return via->maddr.n && !address_parse_host(address, via->maddr);
}

int transport_response_destination(const struct via *via, const struct listener *listener,
                                   struct destination *destination)
{
    *destination = (struct destination){.listener = listener};
    uint16_t port = sent_by_port(via, listener);
    if (!has_maddr(via, &destination->address)) {
        struct text host = via->received.n ? via->received : via->host;
        int error = address_parse_host(&destination->address, host);
        if (error)
            return error;
        if (via->has_rport && via->rport)
            port = via->rport;
    }
    address_set_port(&destination->address, port);
    return 0;
}

void transport_reply_destination(struct message *request, struct destination *destination)
{
    const struct message_source *source = &request->source;
    const struct via *via = message_via(request);
    *destination = (struct destination){
        .listener = source->listener, .address = source->peer, .flow_id = source->flow_id};
    if (!via || via->has_rport || transport_kind_is_reliable(source->listener->kind))
        return;
    struct address maddr;
    if (has_maddr(via, &maddr) && maddr.sa.sa_family == source->peer.sa.sa_family)
        destination->address = maddr;
    address_set_port(&destination->address, sent_by_port(via, source->listener));
}

void transport_print_via(struct buffer *out, const struct transport *transport,
                         const struct listener *listener, struct text branch)
{
    buffer_append(out, transport->endpoints[listener->id].via);
    buffer_append(out, branch);
    buffer_append(out, TEXT(";rport\r\n"));
}

struct text transport_record_route(const struct transport *transport,
                                   const struct listener *listener, bool is_double)
{
    return transport->endpoints[listener->id].record_route[is_double];
}

const struct listener *transport_recorded(const struct transport *transport, struct text route,
                                          bool *is_double)
{
    for (size_t i = 0; i < 2 * transport->options.listener_count; i++) {
        *is_double = i & 1;
        if (text_equal(route, transport->endpoints[i / 2].route[i & 1]))
            return &transport->options.listeners[i / 2];
    }
    return NULL;
}

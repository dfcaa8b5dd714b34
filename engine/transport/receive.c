/*
 * From bytes to a message: keepalives end here, malformed messages are dropped or answered 400,
 * responses that are not ours are dropped (RFC 3261 s18.1.2), everything else goes up.
 */
#include "base/error.h"
#include "base/memory.h"
#include "sip/response.h"
#include "transport/operations.h"

static const struct text ping = TEXT("\r\n\r\n"), pong = TEXT("\r\n");

/* Bytes that some clients send to keep a NAT binding open: CR, LF, NUL, blanks. */
static struct text skip_filler(struct text bytes)
{
    while (bytes.n &&
           (bytes.p[0] == '\r' || bytes.p[0] == '\n' || bytes.p[0] == '\0' || bytes.p[0] == ' ')) {
        bytes.p++;
        bytes.n--;
    }
    return bytes;
}

/* RFC 5626 s4.4.1: a double CRLF is a ping, a single one is the pong. */
static __attribute__((cold)) void
on_keepalive(struct transport *transport, const struct message_source *source, struct text bytes)
{
    const struct destination back = {source->listener, source->peer, source->flow_id};
    counter_count(transport->options.counters, COUNTER_SIP_KEEPALIVE);
    if (text_starts_with(bytes, ping))
        transport_send(transport, &back, pong);
}

/**
 * What could not be read, or has no Via and so no way back.
 * @param message  as far as it was read, source filled in; NULL: nothing of it
 * @param error    of message_parse(), 0: the Via is the trouble
 * @param reason   to answer with; NULL: not at all
 */
static __attribute__((cold)) void on_faulty(struct transport *transport, struct message *message,
                                            int error, const char *reason)
{
    if (error == ERROR_LIMIT)
        counter_count(transport->options.counters, COUNTER_SIP_TOO_LARGE);
    if (error && error != ERROR_SYNTAX)
        return;
    counter_count(transport->options.counters, COUNTER_SIP_MALFORMED);
    if (!message || !message->is_request || !reason)
        return;
    transport_reply(transport, message,
                    &(struct response_options){.status = 400, .reason = text_of(reason)});
}

static bool is_for_us(struct transport *transport, struct message *response)
{
    const struct via *via = message_via(response);
    const struct listener *listener = response->source.listener; /* most likely the one that sent */
    if (via && (transport_listener_is(transport, listener, via->host, via->port) ||
                transport_own(transport, via->host, via->port)))
        return true;
    counter_count(transport->options.counters, COUNTER_SIP_FOREIGN_VIA);
    return false;
}

/* @param bytes  from the start line on */
static void read_message(struct transport *transport, const struct message_source *source,
                         struct text bytes)
{
    const struct transport_options *options = &transport->options;
    struct message *message = NULL;
    struct message_fault fault = {0};
    int error = message_parse(&message, bytes, options->settings, &fault);
    if (message)
        message->source = *source;
    if (error || !message_via(message))
        on_faulty(transport, message, error, fault.reason);
    else if (message->is_request || is_for_us(transport, message))
        options->handlers.message(options->handlers.arg, message);
    memory_release(message);
}

void transport_receive(struct transport *transport, const struct listener *listener,
                       const struct address *peer, struct text bytes, uint64_t received_us)
{
    const struct message_source source = {*peer, listener, 0, received_us};
    struct text rest = skip_filler(bytes);
    if (rest.n)
        read_message(transport, &source, rest);
    else
        on_keepalive(transport, &source, bytes);
}

void transport_arrived(struct transport *transport, const struct listener *listener,
                       const struct address *peer, uint64_t flow_id, struct text bytes,
                       uint64_t received_us)
{
    const struct transport_handlers *handlers = &transport->options.handlers;
    const struct message_source source = {*peer, listener, flow_id, received_us};
    struct text rest = skip_filler(bytes);
    if (!rest.n) {
        on_keepalive(transport, &source, bytes);
        return;
    }
    counter_count(transport->options.counters, COUNTER_SIP_RECEIVED);
    if (!handlers->claim || !handlers->claim(handlers->arg, listener, peer, bytes))
        read_message(transport, &source, rest);
}

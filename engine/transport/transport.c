/* A worker's sockets: made, started, sent through, stopped. */
#include "base/error.h"
#include "base/memory.h"
#include "transport/operations.h"

#define QUEUE_BYTES_MAX (256u * 1024) /* when more is waiting it leaves before the batch ends */

/* The protocols that are built. */
static const struct transport_operations *const protocols[] = {&transport_udp};

static const struct transport_operations *operations_of(enum transport_kind kind)
{
    for (size_t i = 0; i < sizeof protocols / sizeof *protocols; i++)
        if (protocols[i]->kind == kind)
            return protocols[i];
    return NULL;
}

static void transport_destroy(void *object)
{
    struct transport *transport = object;
    transport_stop(transport);
    for (size_t i = 0; transport->endpoints && i < transport->options.listener_count; i++)
        buffer_release(&transport->endpoints[i].texts);
    memory_free_raw(transport->endpoints);
    memory_free_raw(transport->routes);
    buffer_release(&transport->print);
}

#define RECORD_ROUTE "Record-Route: "

/* Behind what is in @p texts. @return where it begins */
static size_t print_record_route(struct buffer *texts, const struct listener *listener,
                                 const char *behind)
{
    size_t begin = texts->n;
    buffer_printf(texts, RECORD_ROUTE "<sip:%s:%u", listener->host, listener->port);
    if (listener->kind != TRANSPORT_UDP)
        buffer_printf(texts, ";transport=%s", transport_kind_name(listener->kind));
    buffer_printf(texts, ";lr%s>\r\n", behind);
    return begin;
}

/* @return 0 or ERROR_MEMORY */
static int print_texts(struct endpoint *endpoint, const struct listener *listener)
{
    struct buffer *texts = &endpoint->texts;
    buffer_printf(texts, "Via: SIP/2.0/%s %s:%u;branch=", transport_kind_via(listener->kind),
                  listener->host, listener->port);
    size_t one = print_record_route(texts, listener, "");
    size_t two = print_record_route(texts, listener, ";r2=on");
    struct text all = buffer_text(texts);
    endpoint->via = (struct text){all.p, one};
    endpoint->record_route[false] = text_span(all.p + one, all.p + two);
    endpoint->record_route[true] = text_span(all.p + two, all.p + all.n);
    for (int i = 0; !texts->error && i < 2; i++) {
        struct text line = endpoint->record_route[i];
        endpoint->route[i] =
            text_span(line.p + TEXT(RECORD_ROUTE).n, line.p + line.n - TEXT("\r\n").n);
    }
    return texts->error;
}

static int open_endpoint(struct transport *transport, const struct listener *listener)
{
    struct endpoint *endpoint = &transport->endpoints[listener->id];
    endpoint->operations = operations_of(listener->kind);
    endpoint->local_host = address_print_uri_host(&listener->local, endpoint->local_host_bytes);
    endpoint->is_advertised = !text_equal(endpoint->local_host, text_of(listener->host));
    if (!endpoint->operations)
        return ERROR_UNSUPPORTED;
    int error = print_texts(endpoint, listener);
    return error ? error : endpoint->operations->open(&endpoint->state, transport, listener);
}

int transport_create(struct transport **transportp, const struct transport_options *options,
                     const struct listener **failed)
{
    size_t size_bytes = options->listener_count * sizeof(struct endpoint);
    struct transport *transport = memory_alloc_local(sizeof *transport, 0, transport_destroy);
    *failed = NULL;
    if (!transport)
        return ERROR_MEMORY;
    int error = ERROR_MEMORY;
    transport->options = *options;
    transport->endpoints = memory_raw(size_bytes);
    if (!transport->endpoints)
        goto out;
    memset(transport->endpoints, 0, size_bytes);
    /* Tags are seen outside: their key is not the one of the tables. */
    transport->tag_key = (struct hash_key){~options->hash_key.k0, options->hash_key.k1};
    for (size_t i = 0; i < options->listener_count; i++) {
        error = engine_check(options->listeners[i].id == i)
                    ? open_endpoint(transport, &options->listeners[i])
                    : ERROR_ARGUMENT;
        if (error) {
            *failed = &options->listeners[i];
            goto out;
        }
    }
    error = 0;
out:
    if (error)
        memory_release(transport);
    else
        *transportp = transport;
    return error;
}

int transport_probe(struct io *io, const struct listener *listeners, size_t count,
                    const struct listener **failed)
{
    for (size_t i = 0; i < count; i++) {
        const struct transport_operations *operations = operations_of(listeners[i].kind);
        int error = operations ? operations->probe(io, &listeners[i]) : ERROR_UNSUPPORTED;
        if (error) {
            *failed = &listeners[i];
            return error;
        }
    }
    *failed = NULL;
    return 0;
}

int transport_start(struct transport *transport)
{
    for (size_t i = 0; i < transport->options.listener_count; i++) {
        struct endpoint *endpoint = &transport->endpoints[i];
        int error = endpoint->operations->start(endpoint->state, transport->options.loop);
        if (error)
            return error;
    }
    return 0;
}

void transport_stop(struct transport *transport)
{
    for (size_t i = 0; transport->endpoints && i < transport->options.listener_count; i++) {
        struct endpoint *endpoint = &transport->endpoints[i];
        void *state = endpoint->state;
        endpoint->state = NULL;
        if (state)
            endpoint->operations->close(state);
    }
}

struct buffer *transport_print(struct transport *transport)
{
    struct buffer *print = &transport->print;
    if (transport->queued_bytes > QUEUE_BYTES_MAX)
        transport_flush(transport);
    print->n = transport->queued_bytes;
    print->error = 0;
    return print;
}

struct text transport_printed(const struct transport *transport)
{
    const struct buffer *print = &transport->print;
    return (struct text){print->p + transport->queued_bytes, print->n - transport->queued_bytes};
}

/* What was not printed by transport_print(): kept elsewhere, or a constant. @return 0 or ERROR_MEMORY */
static __attribute__((cold, noinline)) int print_copy(struct transport *transport,
                                                      struct text bytes)
{
    struct buffer *print = transport_print(transport);
    buffer_append(print, bytes);
    return print->error;
}

static __attribute__((cold)) int refuse_to_send(struct transport *transport, int error)
{
    counter_count(transport->options.counters, COUNTER_SIP_SEND_FAILED);
    return error;
}

int transport_send(struct transport *transport, const struct destination *destination,
                   struct text bytes)
{
    const struct transport_handlers *handlers = &transport->options.handlers;
    struct endpoint *endpoint = &transport->endpoints[destination->listener->id];
    if (!endpoint->state) /* stopped; failures of an open one are counted by its protocol */
        return refuse_to_send(transport, ERROR_TRANSPORT);
    if (bytes.p != transport->print.p + transport->queued_bytes && print_copy(transport, bytes))
        return refuse_to_send(transport, ERROR_MEMORY);
    bytes = transport_printed(transport);
    endpoint->has_queued = true;
    if (handlers->sent)
        handlers->sent(handlers->arg, destination, bytes);
    int error = endpoint->operations->send(endpoint->state, destination, bytes);
    if (error)
        return error;
    transport->queued_bytes += bytes.n;
    counter_count(transport->options.counters, COUNTER_SIP_SENT);
    return 0;
}

void transport_flush(struct transport *transport)
{
    transport->queued_bytes = 0;
    for (size_t i = 0; i < transport->options.listener_count; i++) {
        struct endpoint *endpoint = &transport->endpoints[i];
        if (!endpoint->has_queued)
            continue;
        endpoint->has_queued = false;
        if (endpoint->state)
            endpoint->operations->flush(endpoint->state);
    }
}

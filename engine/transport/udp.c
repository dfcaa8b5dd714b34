/* SIP over UDP (RFC 3261 s18): one datagram is one message. */
#include "base/error.h"
#include "base/memory.h"
#include "transport/operations.h"

#define UDP_RECEIVE_BYTES (4u << 20) /* a burst of some thousand calls fits while Lua runs */
#define UDP_BATCH         32u        /* datagrams read per system call */
#define UDP_LONGEST_BYTES 65507u     /* 65535 less the IPv4 and UDP headers */

#define KERNEL_DROPS_INTERVAL_US 1000000u

/* One listener's socket of one worker. */
struct udp_endpoint {
    struct transport *transport; /* borrowed: outlives its endpoints */
    const struct listener *listener;
    struct udp *udp;                      /* owned */
    uint64_t kernel_drops, send_failures; /* as counted so far */
    uint64_t drops_due_us;                /* when to ask the kernel for its drops again */
};

static void endpoint_destroy(void *object)
{
    struct udp_endpoint *endpoint = object;
    udp_close(endpoint->udp);
}

static int udp_endpoint_open(void **statep, struct transport *transport,
                             const struct listener *listener)
{
    const struct settings *settings = transport->options.settings;
    struct udp_endpoint *endpoint = memory_alloc_local(sizeof *endpoint, 0, endpoint_destroy);
    if (!endpoint)
        return ERROR_MEMORY;
    endpoint->transport = transport;
    endpoint->listener = listener;
    struct udp_options options = {
        .share_port = true,
        .report_errors = true,
        .dscp = (unsigned)settings->dscp_sip,
        .receive_bytes = UDP_RECEIVE_BYTES,
        .batch = UDP_BATCH,
    };
    int error = udp_open(&endpoint->udp, transport->options.io, &listener->local, &options);
    if (error)
        memory_release(endpoint);
    else
        *statep = endpoint;
    return error;
}

/* The kernel is asked once a second at most: it is a system call. */
static __attribute__((cold)) void count_kernel_drops(struct udp_endpoint *endpoint, uint64_t now_us)
{
    uint64_t drops = udp_kernel_drops(endpoint->udp);
    counter_add(endpoint->transport->options.counters, COUNTER_SIP_KERNEL_DROPPED,
                drops - endpoint->kernel_drops);
    endpoint->kernel_drops = drops;
    endpoint->drops_due_us = now_us + KERNEL_DROPS_INTERVAL_US;
}

static void on_datagrams(void *arg, struct udp *udp, const struct datagram *v, size_t count)
{
    struct udp_endpoint *endpoint = arg;
    struct transport *transport = memory_ref(endpoint->transport);
    const struct listener *listener = endpoint->listener;
    uint64_t now_us = loop_now_us(transport->options.loop);
    (void)udp;
    if (now_us >= endpoint->drops_due_us)
        count_kernel_drops(endpoint, now_us);
    /* A handler may stop the transport: then the endpoint is gone. */
    for (size_t i = 0; i < count && transport->endpoints[listener->id].state == endpoint; i++)
        transport_arrived(transport, listener, v[i].source, 0, v[i].bytes, now_us);
    memory_release(transport);
}

static void on_error(void *arg, struct udp *udp, const struct address *destination,
                     struct text bytes)
{
    (void)udp;
    struct udp_endpoint *endpoint = arg;
    const struct transport_handlers *handlers = &endpoint->transport->options.handlers;
    if (handlers->undeliverable)
        handlers->undeliverable(handlers->arg, destination, bytes);
}

static int udp_endpoint_start(void *state, struct loop *loop)
{
    struct udp_endpoint *endpoint = state;
    return udp_start(endpoint->udp, loop, on_datagrams, on_error, endpoint);
}

static int udp_endpoint_send(void *state, const struct destination *destination, struct text bytes)
{
    struct udp_endpoint *endpoint = state;
    if (bytes.n > UDP_LONGEST_BYTES) {
        counter_count(endpoint->transport->options.counters, COUNTER_SIP_SEND_FAILED);
        return ERROR_LIMIT;
    }
    return udp_queue(endpoint->udp, &destination->address, bytes, &endpoint->transport->print);
}

static __attribute__((cold)) void count_failures(struct udp_endpoint *endpoint, uint64_t failures)
{
    counter_add(endpoint->transport->options.counters, COUNTER_SIP_SEND_FAILED,
                failures - endpoint->send_failures);
    endpoint->send_failures = failures;
}

static void udp_endpoint_flush(void *state)
{
    struct udp_endpoint *endpoint = state;
    udp_flush(endpoint->udp);
    uint64_t failures = udp_send_failures(endpoint->udp);
    if (failures != endpoint->send_failures)
        count_failures(endpoint, failures);
}

static void udp_endpoint_close(void *state)
{
    struct udp_endpoint *endpoint = state;
    udp_close(endpoint->udp);
    endpoint->udp = NULL;
    memory_release(endpoint);
}

static int udp_endpoint_probe(struct io *io, const struct listener *listener)
{
    struct udp *udp;
    struct udp_options options = {.share_port = false};
    int error = udp_open(&udp, io, &listener->local, &options);
    if (!error)
        udp_close(udp);
    return error;
}

const struct transport_operations transport_udp = {
    .kind = TRANSPORT_UDP,
    .open = udp_endpoint_open,
    .start = udp_endpoint_start,
    .send = udp_endpoint_send,
    .flush = udp_endpoint_flush,
    .close = udp_endpoint_close,
    .probe = udp_endpoint_probe,
};

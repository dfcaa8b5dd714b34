/*
 * Probing gateways: once a second the dispatcher is asked who is due; each gets a request of the
 * configured method from the interface that leads to it, and the answer goes back to the
 * dispatcher, which decides what it means and says so in the log.
 */
#include "worker/ping.h"

#include "base/error.h"
#include "base/memory.h"
#include "route/uac.h"
#include "worker/worker.h"

#include <string.h>

#define PING_TICK_MS 1000

struct ping {
    struct worker *worker; /* borrowed: holds this */
    struct timer timer;
    struct list probes;
    uint32_t cseq;
};

/* One request under way. */
struct probe {
    struct link link;
    struct ping *ping;                          /* borrowed */
    struct dispatcher_destination *destination; /* owned reference */
    struct uac *uac;                            /* borrowed; NULL: over */
    uint64_t sent_us;
};

static void probe_destroy(void *arg)
{
    struct probe *probe = arg;
    list_remove(&probe->link);
    uac_abandon(probe->uac);
    memory_release(probe->destination);
}

static void destroy(void *arg)
{
    ping_stop(arg);
}

int ping_create(struct ping **pingp, struct worker *worker)
{
    struct ping *ping = memory_alloc(sizeof *ping, destroy);
    if (!ping)
        return ERROR_MEMORY;
    ping->worker = worker;
    *pingp = ping;
    return 0;
}

static struct dispatcher *dispatcher_of(const struct ping *ping)
{
    return worker_get_options(ping->worker)->dispatcher;
}

/* @param received_us  when the answer came; 0: none did */
static void finish(struct probe *probe, unsigned status, uint64_t received_us)
{
    struct ping *ping = probe->ping;
    uint64_t took_us = received_us > probe->sent_us ? received_us - probe->sent_us : 0;
    if (status < 200 || status >= 300)
        counter_count(worker_counters(ping->worker), COUNTER_DISPATCHER_PING_FAILED);
    dispatcher_ping_result(dispatcher_of(ping), probe->destination, status,
                           (uint32_t)((took_us + 500) / 1000));
    memory_release(probe);
}

static void fail(struct probe *probe)
{
    finish(probe, DISPATCHER_NO_ANSWER, 0);
}

static void on_done(void *arg, struct message *response)
{
    struct probe *probe = arg;
    probe->uac = NULL;
    if (response)
        finish(probe, response->status, response->source.received_us);
    else
        fail(probe);
}

/* The gateway's own socket; NULL: whichever leads there. */
static const struct listener *choose_listener(const struct probe *probe)
{
    struct transport *transport = worker_transport(probe->ping->worker);
    static const char *const names[] = {"ping_socket", "socket"};
    for (size_t i = 0; i < 2; i++) {
        struct text socket = dispatcher_destination_attr(probe->destination, text_of(names[i]));
        const struct listener *listener =
            socket.n ? transport_listener_by_socket(transport, socket) : NULL;
        if (listener)
            return listener;
    }
    return NULL;
}

static int send_probe(struct probe *probe)
{
    struct worker *worker = probe->ping->worker;
    struct proxy *proxy = worker_proxy(worker);
    struct dispatcher_options options;
    dispatcher_get_options(dispatcher_of(probe->ping), &options);
    struct text uri = dispatcher_destination_uri(probe->destination);
    struct text from_uri = dispatcher_destination_attr(probe->destination, TEXT("ping_from"));
    struct buffer from = {0}, to = {0};
    char call_id[24], tag[12];
    worker_draw_call_id(worker, call_id, sizeof call_id);
    random_token(proxy_random(proxy), tag, sizeof tag);
    if (!from_uri.n)
        from_uri = text_of(options.ping_from);
    buffer_printf(&from, "<%.*s>;tag=%.*s", TEXT_ARG(from_uri), (int)sizeof tag, tag);
    buffer_printf(&to, "<%.*s>", TEXT_ARG(uri));
    const struct uac_request request = {
        .method = METHOD_OPTIONS,
        .method_text = text_of(options.ping_method),
        .request_uri = uri,
        .next_hop = dispatcher_destination_attr(probe->destination, TEXT("obproxy")),
        .from = buffer_text(&from),
        .to = buffer_text(&to),
        .call_id = {call_id, sizeof call_id},
        .cseq = ++probe->ping->cseq,
        .listener = choose_listener(probe),
        .is_first_address = true,
        .cause = "ping",
    };
    int error = from.error ? from.error : to.error;
    counter_count(worker_counters(worker), COUNTER_DISPATCHER_PING);
    probe->sent_us = loop_clock_us(worker_loop(worker));
    if (!error)
        error = uac_send(&probe->uac, proxy, &request, on_done, probe);
    buffer_release(&from);
    buffer_release(&to);
    return error;
}

static void start_probe(struct ping *ping, struct dispatcher_destination *destination)
{
    struct probe *probe = memory_alloc(sizeof *probe, probe_destroy);
    if (!probe) {
        memory_release(destination);
        return;
    }
    probe->ping = ping;
    probe->destination = destination;
    list_append(&ping->probes, &probe->link);
    if (send_probe(probe))
        fail(probe);
}

static void on_tick(void *arg)
{
    struct ping *ping = arg;
    struct loop *loop = worker_loop(ping->worker);
    struct dispatcher_destination *destination;
    while ((destination = dispatcher_ping_due(dispatcher_of(ping), loop_now_ms(loop))))
        start_probe(ping, destination);
    ping_start(ping);
}

void ping_start(struct ping *ping)
{
    timer_start(loop_timers(worker_loop(ping->worker)), &ping->timer, PING_TICK_MS, on_tick, ping);
}

void ping_stop(struct ping *ping)
{
    timer_stop(loop_timers(worker_loop(ping->worker)), &ping->timer);
    LIST_FOR_EACH_SAFE (link, &ping->probes)
        memory_release(CONTAINER_OF(link, struct probe, link));
}

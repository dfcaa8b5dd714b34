/*
 * Probing gateways: once a second the dispatcher is asked who is due; each gets a request of the
 * configured method from the interface that leads to it, and the answer goes back to the
 * dispatcher, which decides what it means and says so in the log.
 */
#include "worker/ping.h"

#include "base/error.h"
#include "base/memory.h"
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
    struct transaction_client *client;          /* owned reference */
    struct resolve_query *query;
    uint64_t sent_us;
};

static void probe_destroy(void *arg)
{
    struct probe *probe = arg;
    list_remove(&probe->link);
    resolve_cancel(probe->query);
    if (probe->client)
        transaction_client_detach(probe->client);
    memory_release(probe->client);
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

static void on_response(void *arg, struct transaction_client *client, struct message *response)
{
    (void)client;
    if (response->status >= 200)
        finish(arg, response->status, response->source.received_us);
}

static void on_failure(void *arg, struct transaction_client *client,
                       enum transaction_failure failure)
{
    (void)client;
    (void)failure;
    fail(arg);
}

/* A Call-ID of ours is drawn until it hashes home, so that the answer stays at this worker. */
static void draw_call_id(struct worker *worker, char *out, size_t size_bytes)
{
    const struct worker_options *options = worker_get_options(worker);
    do {
        random_token(proxy_random(worker_proxy(worker)), out, size_bytes);
    } while (worker_owner(options, (struct text){out, size_bytes}) != options->index);
}

static const struct listener *choose_listener(struct probe *probe, const struct address *address)
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
    return transport_listener_towards(transport, address, TRANSPORT_UDP);
}

static void print_request(struct probe *probe, const struct listener *listener, struct text branch,
                          struct buffer *out)
{
    struct worker *worker = probe->ping->worker;
    const struct dispatcher_options *options =
        dispatcher_get_options(worker_get_options(worker)->dispatcher);
    struct text uri = dispatcher_destination_uri(probe->destination);
    struct text from = dispatcher_destination_attr(probe->destination, TEXT("ping_from"));
    char call_id[24], tag[12];
    draw_call_id(worker, call_id, sizeof call_id);
    random_token(proxy_random(worker_proxy(worker)), tag, sizeof tag);
    if (!from.n)
        from = text_of(options->ping_from);
    const char *method = options->ping_method[0] ? options->ping_method : "OPTIONS";
    buffer_printf(out, "%s %.*s SIP/2.0\r\nVia: ", method, TEXT_ARG(uri));
    transport_print_via(out, listener, branch);
    buffer_printf(out, "\r\nMax-Forwards: 70\r\nFrom: <%.*s>;tag=%.*s\r\nTo: <%.*s>\r\n",
                  TEXT_ARG(from), (int)sizeof tag, tag, TEXT_ARG(uri));
    buffer_printf(out, "Call-ID: %.*s\r\nCSeq: %u %s\r\nContent-Length: 0\r\n\r\n",
                  (int)sizeof call_id, call_id, ++probe->ping->cseq, method);
}

/* The first address that the gateway's socket, or one of ours, can send to. */
static bool choose_destination(struct probe *probe, const struct resolve_target *v, size_t count,
                               struct destination *destination)
{
    for (size_t i = 0; i < count; i++) {
        const struct listener *listener = choose_listener(probe, &v[i].address);
        if (!listener || listener->local.sa.sa_family != v[i].address.sa.sa_family)
            continue;
        *destination = (struct destination){.listener = listener, .address = v[i].address};
        return true;
    }
    return false;
}

static void send_probe(struct probe *probe, const struct resolve_target *v, size_t count)
{
    struct worker *worker = probe->ping->worker;
    struct transactions *transactions = proxy_transactions(worker_proxy(worker));
    struct destination destination;
    struct buffer out = {0};
    char branch_array[BRANCH_BYTES];
    if (!choose_destination(probe, v, count, &destination)) {
        fail(probe);
        return;
    }
    struct text branch = transactions_make_branch(transactions, 0, branch_array);
    print_request(probe, destination.listener, branch, &out);
    struct transaction_client_options options = {
        .method = METHOD_OPTIONS,
        .branch = branch,
        .destination = destination,
        .bytes = buffer_text(&out),
        .handlers = {on_response, on_failure, probe},
    };
    counter_count(worker_counters(worker), COUNTER_DISPATCHER_PING);
    probe->sent_us = loop_clock_us(worker_loop(worker));
    int error =
        out.error ? out.error : transaction_client_create(&probe->client, transactions, &options);
    buffer_release(&out);
    if (error)
        fail(probe);
}

static void on_resolved(void *arg, int error, const struct resolve_target *v, size_t count)
{
    struct probe *probe = arg;
    probe->query = NULL;
    if (error || count == 0)
        fail(probe);
    else
        send_probe(probe, v, count);
}

static void start_probe(struct ping *ping, struct dispatcher_destination *destination)
{
    struct worker *worker = ping->worker;
    struct resolve_targets now;
    struct uri uri;
    struct probe *probe = memory_alloc(sizeof *probe, probe_destroy);
    if (!probe) {
        memory_release(destination);
        return;
    }
    probe->ping = ping;
    probe->destination = destination;
    list_append(&ping->probes, &probe->link);
    int error = uri_parse(&uri, dispatcher_destination_uri(destination));
    if (!error)
        error = resolve_uri(worker_resolver(worker), &uri, &now, on_resolved, probe, &probe->query);
    if (error)
        fail(probe);
    else if (now.count)
        send_probe(probe, now.v, now.count);
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
    if (dispatcher_get_options(dispatcher_of(ping))->ping_interval_s == 0)
        return;
    timer_start(loop_timers(worker_loop(ping->worker)), &ping->timer, PING_TICK_MS, on_tick, ping);
}

void ping_stop(struct ping *ping)
{
    timer_stop(loop_timers(worker_loop(ping->worker)), &ping->timer);
    LIST_FOR_EACH_SAFE (link, &ping->probes)
        memory_release(CONTAINER_OF(link, struct probe, link));
}

/*
 * Responses to requests that were forwarded statelessly (RFC 3261 s16.11, s16.7 1): onreply_route
 * sees each of them, as it sees those of a relay, and then they follow the Via below ours.
 */
#include "route/context.h"

#include "base/memory.h"

/* One response while onreply_route has it. */
struct stateless_reply {
    struct proxy *proxy;      /* borrowed: it drops what waits before it ends */
    struct message *response; /* owned reference */
    struct edits *edits;      /* of the response */
    void *generation;         /* owned reference */
    bool is_dropped, is_waiting;
};

static void stateless_reply_destroy(void *arg)
{
    struct stateless_reply *reply = arg;
    memory_release(reply->response);
    memory_release(reply->generation);
}

static void send_on(struct stateless_reply *reply)
{
    struct transport *transport = reply->proxy->options.transport;
    struct destination destination = {0};
    if (transport_response_destination(message_via_second(reply->response),
                                       reply->response->source.listener, &destination))
        return;
    destination.listener =
        transport_listener_towards(transport, &destination.address, TRANSPORT_UDP);
    if (!destination.listener)
        return;
    struct buffer *out = transport_print(transport);
    edits_print(reply->edits, out);
    if (!out->error)
        transport_send(transport, &destination, transport_printed(transport));
}

static void route_done(void *arg, int error)
{
    struct stateless_reply *reply = arg;
    (void)error; /* logged by the host; a response is sent on whatever a script does */
    if (!reply->is_dropped)
        send_on(reply);
    if (reply->is_waiting)
        call_queue_free(reply->proxy->queue, reply->response->call_id);
    memory_release(reply);
}

static void begin(struct proxy *proxy, void *owner, void *object)
{
    const struct route_handlers *handlers = &proxy->options.handlers;
    struct stateless_reply *reply = memory_alloc(sizeof *reply, stateless_reply_destroy);
    (void)owner;
    if (!reply)
        return; /* as if the network had lost it */
    reply->proxy = proxy;
    reply->response = memory_ref(object);
    reply->generation = handlers->generation(handlers->arg);
    if (response_begin(&reply->edits, reply->response)) {
        memory_release(reply);
        return;
    }
    int result = handlers->run(handlers->arg, &(struct route_run){
                                                  .kind = ROUTE_REPLY,
                                                  .reply = reply->response,
                                                  .drop_reply = &reply->is_dropped,
                                                  .edits = reply->edits,
                                                  .done = route_done,
                                                  .arg = reply,
                                              });
    if (result == ROUTE_WAITING)
        reply->is_waiting = call_queue_hold(proxy->queue, reply->response->call_id) == 0;
    else
        route_done(reply, result);
}

/* Deviation: RFC 3261 s16.7 1 forwards what matches no transaction. What we did not send on ourselves
 * is late or forged, and would pass the routes and the relay by (RFC 6026 s8.9). */
void stateless_reply_receive(void *arg, struct message *response)
{
    struct proxy *proxy = arg;
    if (forward_is_own(proxy, response) && call_queue_defer(proxy->queue, response->call_id, begin,
                                                            NULL, response, false) == CALL_QUEUE_GO)
        begin(proxy, NULL, response);
}

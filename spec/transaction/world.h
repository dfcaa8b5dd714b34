/*
 * Transactions on the virtual network of spec/transport/net.h. The peer at 10.0.0.2:5060 plays the
 * other side; struct world remembers what the layer told its user.
 */
#pragma once

#include "../transport/net.h"

#include "sip/response.h"
#include "transaction/transaction.h"

#define T1 500
#define T2 4000
#define T4 5000

struct world {
    struct net net;
    struct transactions *transactions;
    uint64_t live;
    /* server side: the newest new request */
    struct transaction_server *server; /* reference */
    size_t requests, acks, cancels, stray_cancels, stray_responses, terminated;
    unsigned answer; /* each new request is answered so at once; 0: not */
    /* client side */
    struct transaction_client *client; /* reference */
    char branch[BRANCH_BYTES];
    size_t responses, failures;
    unsigned status; /* newest response */
    enum transaction_failure failure;
    uint64_t failed_at_ms;
    bool detach_in_response, release_in_response;
};

static inline void world_terminated(void *arg, struct transaction_server *txn)
{
    struct world *world = arg;
    assert_int_equal(transaction_server_state(txn), TRANSACTION_TERMINATED);
    world->terminated++;
}

static inline void world_request(void *arg, struct transaction_server *txn, struct message *request)
{
    struct world *world = arg;
    assert_ptr_equal(transaction_server_request(txn), request);
    world->requests++;
    memory_release(world->server);
    world->server = memory_ref(txn);
    transaction_server_attach(txn, world, world_terminated);
    if (world->answer)
        transaction_server_reply(txn, &(struct response_options){.status = world->answer});
}

static inline void world_ack(void *arg, struct message *ack)
{
    struct world *world = arg;
    (void)ack;
    world->acks++;
}

static inline void world_cancel(void *arg, struct transaction_server *invite,
                                struct message *cancel)
{
    struct world *world = arg;
    (void)cancel;
    world->cancels++;
    transaction_server_reply(invite, &(struct response_options){.status = 487});
}

static inline void world_stray_cancel(void *arg, struct message *cancel)
{
    struct world *world = arg;
    (void)cancel;
    world->stray_cancels++;
}

static inline void world_stray_response(void *arg, struct message *response)
{
    struct world *world = arg;
    (void)response;
    world->stray_responses++;
}

static inline void world_message(void *arg, struct message *message)
{
    struct world *world = arg;
    transactions_receive(world->transactions, message);
}

static inline void world_undeliverable(void *arg, const struct address *address, struct text bytes)
{
    struct world *world = arg;
    transactions_undeliverable(world->transactions, address, bytes);
}

/** @return 0 or ERROR_MEMORY */
static inline int world_begin(struct world *world)
{
    *world = (struct world){.live = memory_live()};
    net_begin(&world->net);
    struct transport_handlers handlers = {
        .message = world_message, .undeliverable = world_undeliverable, .arg = world};
    assert_int_equal(net_make_transport(&world->net, &handlers), 0);
    assert_int_equal(transport_start(world->net.transport), 0);
    return transactions_create(&world->transactions,
                               &(struct transactions_options){
                                   .io = world->net.io,
                                   .loop = world->net.loop,
                                   .transport = world->net.transport,
                                   .settings = &world->net.settings,
                                   .counters = &world->net.counters,
                                   .log = &world->net.log,
                                   .hash_key = {1, 2},
                                   .handlers = {world_request, world_ack, world_cancel,
                                                world_stray_cancel, world_stray_response, world},
                               });
}

static inline void world_end(struct world *world)
{
    world->server = memory_release(world->server);
    world->client = memory_release(world->client);
    if (world->transactions)
        transactions_stop(world->transactions);
    memory_release(world->transactions);
    net_end(&world->net);
    assert_int_equal(memory_live(), world->live);
}

static inline int world_setup(void **state)
{
    static struct world world;
    *state = &world;
    return world_begin(&world);
}

static inline int world_teardown(void **state)
{
    world_end(*state);
    return 0;
}

/** Send a formatted message from the peer. */
__attribute__((format(printf, 2, 3))) static inline void world_send(struct world *world,
                                                                    const char *format, ...)
{
    char text[NET_TEXT_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    net_send(&world->net, text);
}

/** A request of the peer; @p to_tag "" or ";tag=x". */
static inline void world_send_request(struct world *world, const char *method, const char *branch,
                                      const char *to_tag)
{
    world_send(world,
               "%s sip:bob@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2;branch=%s\r\n"
               "Max-Forwards: 70\r\nFrom: <sip:alice@10.0.0.2>;tag=f1\r\n"
               "To: <sip:bob@10.0.0.1>%s\r\nCall-ID: call-1\r\nCSeq: 7 %s\r\n"
               "Content-Length: 0\r\n\r\n",
               method, branch, to_tag, method);
}

/** The value of the To tag in a text, into a static array. */
static inline const char *world_to_tag(const char *text)
{
    static char tag[64];
    const char *to = strstr(text, "\r\nTo: ");
    tag[0] = '\0';
    if (to && (to = strstr(to, ";tag=")))
        sscanf(to + 5, "%63[^\r]", tag);
    return tag;
}

static inline void world_on_response(void *arg, struct transaction_client *txn,
                                     struct message *response)
{
    struct world *world = arg;
    world->responses++;
    world->status = response->status;
    if (world->detach_in_response)
        transaction_client_detach(txn);
    if (world->release_in_response)
        world->client = memory_release(world->client);
}

static inline void world_on_failure(void *arg, struct transaction_client *txn,
                                    enum transaction_failure failure)
{
    struct world *world = arg;
    assert_int_equal(transaction_client_state(txn), TRANSACTION_TERMINATED);
    world->failures++;
    world->failure = failure;
    world->failed_at_ms = lab_now_us(world->net.io) / 1000;
}

/** Bytes of a request of ours. */
static inline struct text world_print_request(struct world *world, const char *method, char *out,
                                              size_t size_bytes)
{
    struct text branch = transactions_make_branch(world->transactions, 0x1234, world->branch);
    world->branch[branch.n] = '\0';
    int n = snprintf(out, size_bytes,
                     "%s sip:carol@10.0.0.2 SIP/2.0\r\n"
                     "Via: SIP/2.0/UDP 10.0.0.1:5060;branch=%s;rport\r\n"
                     "Via: SIP/2.0/UDP 10.0.0.8;branch=z9hG4bKbelow\r\n"
                     "Max-Forwards: 69\r\nRoute: <sip:10.0.0.2;lr>,\r\n <sip:10.0.0.7;lr>\r\n"
                     "f: <sip:alice@h>;tag=f1\r\nt: <sip:carol@h>\r\nCall-ID: call-2\r\n"
                     "CSeq: 8  %s\r\nContact: <sip:alice@h>\r\nContent-Length: 2\r\n\r\nab",
                     method, world->branch, method);
    return (struct text){out, (size_t)n};
}

/** Start a client transaction towards @p host_port. @return as transaction_client_create() */
static inline int world_start_client(struct world *world, const char *method, const char *host_port,
                                     uint32_t timeout_ms)
{
    char bytes[1024];
    struct text request = world_print_request(world, method, bytes, sizeof bytes);
    struct transaction_client_options options = {
        .method = method_parse(text_of(method)),
        .destination = {&world->net.listeners[0], net_address(host_port), 0},
        .bytes = request,
        .branch = text_of(world->branch),
        .timeout_ms = timeout_ms,
        .handlers = {world_on_response, world_on_failure, world},
    };
    world->client = memory_release(world->client);
    int error = transaction_client_create(&world->client, world->transactions, &options);
    net_run(&world->net, 0);
    return error;
}

/** The peer answers the client transaction of world_start_client(). */
static inline void world_send_response(struct world *world, unsigned status, const char *method)
{
    world_send(world,
               "SIP/2.0 %u Text\r\nVia: SIP/2.0/UDP 10.0.0.1:5060;branch=%s;rport=5060\r\n"
               "Via: SIP/2.0/UDP 10.0.0.8;branch=z9hG4bKbelow\r\n"
               "From: <sip:alice@h>;tag=f1\r\nTo: <sip:carol@h>;tag=t%u\r\nCall-ID: call-2\r\n"
               "CSeq: 8 %s\r\nContent-Length: 0\r\n\r\n",
               status, world->branch, status, method);
}

static inline enum transaction_state world_client_state(const struct world *world)
{
    return transaction_client_state(world->client);
}

static inline enum transaction_state world_server_state(const struct world *world)
{
    return transaction_server_state(world->server);
}

/** How many datagrams of the peer's inbox begin so. */
static inline size_t world_got(const struct world *world, const char *beginning)
{
    size_t n = 0;
    for (size_t i = 0; i < world->net.count && i < NET_INBOX; i++)
        n += strncmp(world->net.inbox[i].text, beginning, strlen(beginning)) == 0;
    return n;
}

/** Pretend that our listener is a stream transport: only the timers look at it. */
static inline void world_make_reliable(struct world *world)
{
    world->net.listeners[0].kind = TRANSPORT_TCP;
}

/** Check the times at which the peer got its datagrams, in ms; ends with UINT64_MAX. */
static inline void world_check_times(const struct world *world, const uint64_t *times_ms)
{
    size_t n = 0;
    for (; times_ms[n] != UINT64_MAX; n++) {
        assert_true(n < world->net.count);
        assert_int_equal(world->net.inbox[n].at_ms, times_ms[n]);
    }
    assert_int_equal(world->net.count, n);
}
#define TIMES(...) ((const uint64_t[]){__VA_ARGS__, UINT64_MAX})

#define WORLD(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

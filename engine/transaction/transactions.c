/*
 * The table of one worker, and the way of a message to its transaction (RFC 3261 s17.1.3, s17.2.3,
 * s9.2). Each step is one look-up in a hash table, however many transactions live.
 */
#include "base/error.h"
#include "base/memory.h"
#include "sip/response.h"
#include "transaction/derive.h"
#include "transaction/machine.h"
#include "transaction/timers.h"

/*
 * One part of so many of limits.transactions is kept for requests within dialogs: a flood of new calls
 * must not keep those that live from ending (BYE) or being changed.
 */
#define RESERVED_PART 10

const char *transaction_state_name(enum transaction_state state)
{
    static const char *const names[] = {
        [TRANSACTION_CALLING] = "calling",       [TRANSACTION_TRYING] = "trying",
        [TRANSACTION_PROCEEDING] = "proceeding", [TRANSACTION_COMPLETED] = "completed",
        [TRANSACTION_CONFIRMED] = "confirmed",   [TRANSACTION_ACCEPTED] = "accepted",
        [TRANSACTION_TERMINATED] = "terminated",
    };
    return (unsigned)state < sizeof names / sizeof *names ? names[state] : "unknown";
}

/* ---- shared with the machines ---- */

const char *transactions_set_cause(struct transactions *transactions, const char *cause)
{
    return loop_set_cause(transactions->options.loop, cause);
}

/* Beyond what every request may use. */
static __attribute__((cold, noinline)) bool has_reserve(struct transactions *transactions,
                                                        bool is_in_dialog)
{
    if (is_in_dialog && !transactions->is_stopping &&
        transactions_count(transactions) < transactions->options.settings->limits_transactions)
        return true;
    transactions_count_up(transactions, COUNTER_TRANSACTION_LIMIT);
    return false;
}

static bool has_room(const struct transactions *transactions)
{
    uint64_t most = transactions->options.settings->limits_transactions;
    return !transactions->is_stopping &&
           transactions_count(transactions) < most - most / RESERVED_PART;
}

bool transactions_has_room_for(struct transactions *transactions, struct message *request)
{
    return has_room(transactions) ||
           has_reserve(transactions, text_is_set(message_to_tag(request)));
}

bool transactions_has_room_to_send(struct transactions *transactions, struct text bytes)
{
    return has_room(transactions) || has_reserve(transactions, derive_is_in_dialog(bytes));
}

bool transactions_keep_bytes(char **bytes, uint32_t *size_bytes, struct text t)
{
    if (*bytes)
        memory_free_raw(*bytes);
    *bytes = t.n ? memory_raw(t.n) : NULL;
    *size_bytes = *bytes ? (uint32_t)t.n : 0;
    if (*bytes)
        memcpy(*bytes, t.p, t.n);
    return *bytes != NULL;
}

/* ---- requests ---- */

static __attribute__((cold, noinline)) void refuse(struct transactions *transactions,
                                                   struct message *request)
{
    transport_reply(
        transactions->options.transport, request,
        &(struct response_options){.status = 503, .headers = TEXT("Retry-After: 5\r\n")});
}

static __attribute__((cold, noinline)) void on_retransmission(struct transaction_server *txn)
{
    if (txn->method == METHOD_INVITE)
        invite_server_request(txn);
    else
        noninvite_server_request(txn);
}

static void on_new_request(struct transactions *transactions, struct message *request,
                           const struct match_key *key)
{
    const struct transaction_handlers *handlers = &transactions->options.handlers;
    const struct transactions_options *options = &transactions->options;
    struct transaction_server *txn;
    if (options->admits && !text_is_set(message_to_tag(request)) &&
        !options->admits(options->admits_arg, request))
        return;
    if (!transactions_has_room_for(transactions, request) ||
        server_create(&txn, transactions, request, key)) {
        refuse(transactions, request);
        return;
    }
    memory_ref(txn);
    if (txn->method == METHOD_INVITE)
        invite_server_start(txn);
    else
        noninvite_server_start(txn);
    handlers->request(handlers->arg, txn, request);
    memory_release(txn);
}

static void on_ack(struct transactions *transactions, struct message *ack)
{
    const struct transactions_options *options = &transactions->options;
    struct match_key key;
    struct transaction_server *invite = NULL;
    if (match_server(&transactions->secret, ack, TEXT("INVITE"), &key))
        invite = server_find(transactions, &key);
    if (invite && invite_server_ack(invite, ack))
        return;
    if (!invite && transport_is_own_ack(options->transport, ack))
        transactions_count_up(transactions, COUNTER_TRANSACTION_ABSORBED);
    else if (!text_is_set(message_to_tag(ack)) || !options->handlers.ack)
        transactions_count_up(transactions, COUNTER_TRANSACTION_STRAY_ACK); /* answers nothing */
    else
        options->handlers.ack(options->handlers.arg, ack);
}

/* s9.2: 200 with the To tag of the INVITE's responses; statelessly when there is no room. */
static void answer_cancel(struct transactions *transactions, struct transaction_server *invite,
                          struct message *cancel, const struct match_key *key)
{
    const struct response_options ok = {.status = 200, .to_tag = transaction_server_tag(invite)};
    struct transaction_server *txn;
    if (!transactions_has_room_for(transactions, cancel) ||
        server_create(&txn, transactions, cancel, key)) {
        transport_reply(transactions->options.transport, cancel, &ok);
        return;
    }
    noninvite_server_start(txn);
    if (transaction_server_reply(txn, &ok) == ERROR_MEMORY)
        transaction_server_drop(txn); /* a retransmission finds us with memory, perhaps */
}

static __attribute__((cold, noinline)) void
on_cancel(struct transactions *transactions, struct message *cancel, const struct match_key *key)
{
    const struct transactions_options *options = &transactions->options;
    struct match_key invite_key;
    struct transaction_server *invite = NULL;
    if (match_server(&transactions->secret, cancel, TEXT("INVITE"), &invite_key))
        invite = server_find(transactions, &invite_key);
    if (!invite && options->handlers.stray_cancel) {
        options->handlers.stray_cancel(options->handlers.arg, cancel);
    } else if (!invite) {
        transport_reply(options->transport, cancel, &(struct response_options){.status = 481});
    } else {
        memory_ref(invite);
        answer_cancel(transactions, invite, cancel, key);
        if (invite->state == TRANSACTION_PROCEEDING && options->handlers.cancel)
            options->handlers.cancel(options->handlers.arg, invite, cancel);
        memory_release(invite);
    }
}

static void on_request(struct transactions *transactions, struct message *request)
{
    struct match_key key;
    if (request->method == METHOD_ACK) {
        on_ack(transactions, request);
        return;
    }
    if (!match_server(&transactions->secret, request, request->method_text, &key))
        return; /* no Via to answer by; the transport lets no such request through */
    struct transaction_server *txn = server_find(transactions, &key);
    if (txn)
        on_retransmission(txn);
    else if (request->method == METHOD_CANCEL)
        on_cancel(transactions, request, &key);
    else
        on_new_request(transactions, request, &key);
}

/* ---- responses and errors ---- */

static void on_response(struct transactions *transactions, struct message *response)
{
    const struct transaction_handlers *handlers = &transactions->options.handlers;
    const struct via *via = message_via(response);
    struct transaction_client *txn =
        via && via->branch.n ? client_find(transactions, via->branch, response->method) : NULL;
    if (!txn) {
        transactions_count_up(transactions, COUNTER_TRANSACTION_STRAY_RESPONSE);
        if (handlers->stray_response)
            handlers->stray_response(handlers->arg, response);
        return;
    }
    memory_ref(txn);
    if (txn->method == METHOD_INVITE)
        invite_client_response(txn, response);
    else
        noninvite_client_response(txn, response);
    memory_release(txn);
}

void transactions_receive(struct transactions *transactions, struct message *message)
{
    if (message->is_request)
        on_request(transactions, message);
    else
        on_response(transactions, message);
}

/*
 * An INVITE that was answered 1xx is not failed by an error of its own, since the peer lives; but
 * when its CANCEL cannot be delivered, no final response will come.
 */
static bool is_failed_by(const struct transaction_client *txn, enum method undelivered)
{
    switch ((enum transaction_state)txn->state) {
    case TRANSACTION_CALLING:
    case TRANSACTION_TRYING: return true;
    case TRANSACTION_PROCEEDING:
        return txn->method != METHOD_INVITE || undelivered == METHOD_CANCEL;
    default: return false;
    }
}

static void fail_undelivered(struct transactions *transactions, const struct address *address,
                             struct text branch, enum method method, enum method undelivered)
{
    struct transaction_client *txn = client_find(transactions, branch, method);
    if (txn && address_equal(&txn->destination.address, address) && is_failed_by(txn, undelivered))
        client_fail(txn, TRANSACTION_UNDELIVERABLE);
}

void transactions_undeliverable(struct transactions *transactions, const struct address *address,
                                struct text bytes)
{
    enum method method;
    struct text branch;
    if (!derive_branch(bytes, &method, &branch))
        return;
    fail_undelivered(transactions, address, branch, method, method);
    if (method == METHOD_CANCEL)
        fail_undelivered(transactions, address, branch, METHOD_INVITE, method);
}

/* ---- the table ---- */

size_t transactions_count(const struct transactions *transactions)
{
    return transactions->clients.count + transactions->servers.count;
}

static void stop_client(struct hash_link *link, void *arg)
{
    (void)arg;
    client_terminate(CONTAINER_OF(link, struct transaction_client, link));
}

static void stop_server(struct hash_link *link, void *arg)
{
    (void)arg;
    server_terminate(CONTAINER_OF(link, struct transaction_server, link));
}

void transactions_stop(struct transactions *transactions)
{
    transactions->is_stopping = true;
    hash_for_each(&transactions->clients, stop_client, NULL);
    hash_for_each(&transactions->servers, stop_server, NULL);
}

static void transactions_destroy(void *object)
{
    struct transactions *transactions = object;
    transactions_stop(transactions);
    hash_table_release(&transactions->clients);
    hash_table_release(&transactions->servers);
    hash_table_release(&transactions->merged);
}

/* What nearly every transaction waits for. */
static void expect_timers(struct timers *timers, const struct settings *settings)
{
    timers_expect(timers, timer_64_t1_ms(settings)); /* H, J, L, M */
    timers_expect(timers, timer_a_ms(settings));
    timers_expect(timers, timer_k_ms(settings));
    timers_expect(timers, settings->timers_trying_ms);
    timers_expect(timers, timer_noninvite_trying_ms(settings));
}

int transactions_create(struct transactions **transactionsp,
                        const struct transactions_options *options)
{
    struct transactions *transactions = memory_alloc(sizeof *transactions, transactions_destroy);
    if (!transactions)
        return ERROR_MEMORY;
    transactions->options = *options;
    transactions->secret = options->hash_key;
    transactions->timers = loop_timers(options->loop);
    io_seed_random(options->io, &transactions->random);
    expect_timers(transactions_timers(transactions), options->settings);
    *transactionsp = transactions;
    return 0;
}

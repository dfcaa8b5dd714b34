/* What both client machines share, and the client half of transaction.h. */
#include "base/error.h"
#include "base/memory.h"
#include "transaction/derive.h"
#include "transaction/machine.h"
#include "transaction/timers.h"

static void client_destroy(void *object)
{
    struct transaction_client *txn = object;
    memory_free_raw(txn->bytes);
    memory_free_raw(txn->cancel_reason);
}

/* ---- look-up ---- */

static bool is_client(const struct hash_link *link, const void *key)
{
    const struct match_key *wanted = key;
    return CONTAINER_OF(link, const struct transaction_client, link)->check == wanted->check;
}

struct transaction_client *client_find(struct transactions *transactions, struct text branch,
                                       enum method method)
{
    const struct match_key key = match_client(&transactions->secret, branch, method);
    struct hash_link *link = hash_find(&transactions->clients, key.hash, is_client, &key);
    return link ? CONTAINER_OF(link, struct transaction_client, link) : NULL;
}

/* ---- sending ---- */

int client_send(struct transaction_client *txn, struct text bytes)
{
    return transport_send(txn->owner->options.transport, &txn->destination, bytes);
}

int client_send_again(struct transaction_client *txn)
{
    return txn->bytes ? client_send(txn, (struct text){txn->bytes, txn->size_bytes}) : 0;
}

void client_retransmit(struct transaction_client *txn)
{
    struct transactions *owner = txn->owner;
    transactions_count_up(owner, COUNTER_TRANSACTION_RETRANSMITTED);
    const char *before =
        transactions_set_cause(owner, txn->method == METHOD_INVITE ? "timer A" : "timer E");
    int error = client_send_again(txn);
    transactions_set_cause(owner, before);
    if (error)
        client_fail(txn, TRANSACTION_UNDELIVERABLE);
}

void client_expire_after(struct transaction_client *txn, uint64_t delay_ms, timer_handler *handler)
{
    timer_start(transactions_timers(txn->owner), &txn->timer, delay_ms, handler, txn);
}

void client_wait(struct transaction_client *txn, timer_handler *resend)
{
    uint64_t left_ms = txn->ends_ms - transactions_timers(txn->owner)->now_ms;
    if (txn->is_reliable || txn->interval_ms >= left_ms)
        client_expire_after(txn, left_ms, client_on_timeout);
    else
        client_expire_after(txn, txn->interval_ms, resend);
}

static void on_send_failed(void *arg)
{
    client_fail(arg, TRANSACTION_UNDELIVERABLE);
}

void client_begin(struct transaction_client *txn, struct text bytes, uint64_t timeout_ms,
                  uint64_t interval_ms, timer_handler *resend)
{
    if (client_send(txn, bytes)) {
        client_expire_after(txn, TIMER_SEND_FAILED_MS, on_send_failed);
        return;
    }
    txn->ends_ms = transactions_timers(txn->owner)->now_ms + timeout_ms;
    txn->interval_ms = (uint32_t)interval_ms;
    client_wait(txn, resend);
}

/* ---- ending ---- */

void client_terminate(struct transaction_client *txn)
{
    if (txn->state == TRANSACTION_TERMINATED)
        return;
    txn->state = TRANSACTION_TERMINATED;
    timer_stop(transactions_timers(txn->owner), &txn->timer);
    hash_remove(&txn->link);
    txn->owner = NULL;
    transactions_keep_bytes(&txn->bytes, &txn->size_bytes, TEXT_NONE);
    memory_release(txn);
}

void client_on_linger_end(void *arg)
{
    client_terminate(arg);
}

void client_fail(struct transaction_client *txn, enum transaction_failure failure)
{
    const struct transactions_options *options = &txn->owner->options;
    if (failure == TRANSACTION_TIMED_OUT)
        transactions_count_up(txn->owner, COUNTER_TRANSACTION_TIMEOUT);
    char address[ADDRESS_TEXT_BYTES];
    log_debug(options->log, LOG_TRANSACTION,
              derive_header((struct text){txn->bytes, txn->size_bytes}, HEADER_CALL_ID),
              "%s to %.*s %s", method_name(txn->method),
              TEXT_ARG(address_print(&txn->destination.address, address)),
              failure == TRANSACTION_TIMED_OUT ? "timed out" : "could not be delivered");
    memory_ref(txn);
    client_terminate(txn);
    if (txn->handlers.failure)
        txn->handlers.failure(txn->handlers.arg, txn, failure);
    memory_release(txn);
}

void client_on_timeout(void *arg)
{
    client_fail(arg, TRANSACTION_TIMED_OUT);
}

void client_deliver(struct transaction_client *txn, struct message *response)
{
    if (txn->handlers.response)
        txn->handlers.response(txn->handlers.arg, txn, response);
}

/* ---- public ---- */

static int make(struct transaction_client **txnp, struct transactions *transactions,
                const struct transaction_client_options *options)
{
    struct transaction_client *txn = memory_alloc_local(sizeof *txn, 0, client_destroy);
    if (!txn)
        return ERROR_MEMORY;
    const struct match_key key =
        match_client(&transactions->secret, options->branch, options->method);
    txn->check = key.check;
    txn->owner = transactions;
    txn->destination = options->destination;
    txn->handlers = options->handlers;
    txn->method = (uint8_t)options->method;
    txn->is_reliable = transport_kind_is_reliable(options->destination.listener->kind);
    if (!transactions_keep_bytes(&txn->bytes, &txn->size_bytes, options->bytes) ||
        hash_insert(&transactions->clients, &txn->link, key.hash)) {
        memory_release(txn);
        return ERROR_MEMORY;
    }
    *txnp = txn;
    return 0;
}

int transaction_client_create(struct transaction_client **txnp, struct transactions *transactions,
                              const struct transaction_client_options *options)
{
    if (!transactions_has_room_to_send(transactions, options->bytes))
        return ERROR_LIMIT;
    struct transaction_client *txn;
    int error = make(&txn, transactions, options);
    if (error)
        return error;
    transactions_count_up(transactions, COUNTER_TRANSACTION_CREATED);
    if (options->method == METHOD_INVITE)
        invite_client_start(txn, options);
    else
        noninvite_client_start(txn, options);
    if (txnp)
        *txnp = memory_ref(txn);
    return 0;
}

enum transaction_state transaction_client_state(const struct transaction_client *txn)
{
    return (enum transaction_state)txn->state;
}

const struct destination *transaction_client_destination(const struct transaction_client *txn)
{
    return &txn->destination;
}

void transaction_client_cancel(struct transaction_client *txn, struct text reason)
{
    if (txn->method == METHOD_INVITE)
        invite_client_cancel(txn, reason);
}

void transaction_client_detach(struct transaction_client *txn)
{
    if (txn->owner) /* a terminated one tells nobody */
        txn->handlers = (struct transaction_client_handlers){0};
}

/* What both server machines share, and the server half of transaction.h. */
#include "base/error.h"
#include "base/memory.h"
#include "sip/response.h"
#include "transaction/machine.h"

static void server_destroy(void *object)
{
    struct transaction_server *txn = object;
    memory_release(txn->request);
    memory_free_raw(txn->bytes);
}

/* ---- look-up ---- */

static bool is_server(const struct hash_link *link, const void *key)
{
    const struct match_key *wanted = key;
    return CONTAINER_OF(link, const struct transaction_server, link)->check == wanted->check;
}

struct transaction_server *server_find(struct transactions *transactions,
                                       const struct match_key *key)
{
    struct hash_link *link = hash_find(&transactions->servers, key->hash, is_server, key);
    return link ? CONTAINER_OF(link, struct transaction_server, link) : NULL;
}

bool transaction_server_is_merged(const struct transaction_server *txn)
{
    return txn->is_merged;
}

/* ---- making ---- */

static int insert(struct transaction_server *txn, struct transactions *transactions,
                  const struct match_key *key)
{
    int error = hash_insert(&transactions->servers, &txn->link, key->hash);
    if (error || text_is_set(message_to_tag(txn->request)) || txn->method == METHOD_CANCEL)
        return error;
    uint64_t merged = match_merged(&transactions->secret, txn->request);
    txn->is_merged = hash_find(&transactions->merged, merged, NULL, NULL) != NULL;
    error = hash_insert(&transactions->merged, &txn->merge_link, merged);
    txn->is_in_merged = !error;
    if (error)
        hash_remove(&txn->link);
    return error;
}

int server_create(struct transaction_server **txnp, struct transactions *transactions,
                  struct message *request, const struct match_key *key)
{
    struct transaction_server *txn = memory_alloc_local(sizeof *txn, 0, server_destroy);
    if (!txn)
        return ERROR_MEMORY;
    txn->check = key->check;
    txn->owner = transactions;
    txn->request = memory_ref(request);
    txn->method = (uint8_t)request->method;
    txn->is_rfc2543 = key->is_rfc2543;
    transport_reply_destination(request, &txn->destination);
    txn->is_reliable = transport_kind_is_reliable(txn->destination.listener->kind);
    int error = insert(txn, transactions, key);
    if (error) {
        memory_release(txn);
        return error;
    }
    transactions_count_up(transactions, COUNTER_TRANSACTION_CREATED);
    *txnp = txn;
    return 0;
}

/* ---- sending ---- */

int server_send(struct transaction_server *txn, struct text bytes)
{
    return transport_send(txn->owner->options.transport, &txn->destination, bytes);
}

void server_send_again(struct transaction_server *txn, const char *cause)
{
    if (!txn->bytes)
        return;
    const char *before = transactions_set_cause(txn->owner, cause);
    server_send(txn, (struct text){txn->bytes, txn->size_bytes});
    transactions_set_cause(txn->owner, before);
}

void server_expire_after(struct transaction_server *txn, uint64_t delay_ms, timer_handler *handler)
{
    timer_start(transactions_timers(txn->owner), &txn->timer, delay_ms, handler, txn);
}

static void on_trying_due(void *arg)
{
    struct transaction_server *txn = arg;
    memory_ref(txn);
    transaction_server_reply(txn, &(struct response_options){.status = 100});
    memory_release(txn);
}

void server_try_after(struct transaction_server *txn, uint64_t delay_ms)
{
    if (delay_ms)
        server_expire_after(txn, delay_ms, on_trying_due);
    else
        on_trying_due(txn);
}

void server_forget_request(struct transaction_server *txn)
{
    txn->request = memory_release(txn->request);
}

/* ---- ending ---- */

void server_terminate(struct transaction_server *txn)
{
    if (txn->state == TRANSACTION_TERMINATED)
        return;
    bool is_stopping = txn->owner->is_stopping;
    txn->state = TRANSACTION_TERMINATED;
    timer_stop(transactions_timers(txn->owner), &txn->timer);
    hash_remove(&txn->link);
    if (txn->is_in_merged)
        hash_remove(&txn->merge_link);
    txn->owner = NULL;
    server_forget_request(txn);
    transactions_keep_bytes(&txn->bytes, &txn->size_bytes, TEXT_NONE);
    bool is_told = txn->has_user && !is_stopping;
    txn->has_user = false;
    if (is_told)
        txn->terminated(txn->user, txn);
    memory_release(txn);
}

void server_on_linger_end(void *arg)
{
    server_terminate(arg);
}

/* ---- public ---- */

struct message *transaction_server_request(const struct transaction_server *txn)
{
    return txn->request;
}

enum transaction_state transaction_server_state(const struct transaction_server *txn)
{
    return (enum transaction_state)txn->state;
}

enum method transaction_server_method(const struct transaction_server *txn)
{
    return (enum method)txn->method;
}

int transaction_server_respond(struct transaction_server *txn, unsigned status, struct text bytes)
{
    if (txn->state == TRANSACTION_TERMINATED)
        return ERROR_STATE;
    memory_ref(txn);
    int error = txn->method == METHOD_INVITE ? invite_server_respond(txn, status, bytes)
                                             : noninvite_server_respond(txn, status, bytes);
    memory_release(txn);
    return error;
}

int transaction_server_reply(struct transaction_server *txn, const struct response_options *options)
{
    if (!txn->request)
        return ERROR_STATE;
    struct response_options filled = *options;
    if (!text_is_set(filled.to_tag) && filled.status > 100)
        filled.to_tag = transaction_server_tag(txn);
    struct transport *transport = txn->owner->options.transport;
    struct buffer *print = transport_print(transport);
    response_print(print, txn->request, &filled);
    if (print->error)
        return print->error;
    return transaction_server_respond(txn, filled.status, transport_printed(transport));
}

void transaction_server_drop(struct transaction_server *txn)
{
    if (txn->state == TRANSACTION_TRYING || txn->state == TRANSACTION_PROCEEDING)
        server_terminate(txn);
}

void transaction_server_leave_unanswered(struct transaction_server *txn)
{
    bool is_open = txn->state == TRANSACTION_TRYING || txn->state == TRANSACTION_PROCEEDING;
    if (is_open && txn->method != METHOD_INVITE)
        noninvite_server_leave_unanswered(txn);
}

struct text transaction_server_tag(struct transaction_server *txn)
{
    if (!txn->tag[0] && !txn->owner)
        return TEXT_NONE;
    if (!txn->tag[0])
        random_token(&txn->owner->random, txn->tag, sizeof txn->tag);
    return (struct text){txn->tag, sizeof txn->tag};
}

void transaction_server_attach(struct transaction_server *txn, void *user,
                               transaction_terminated_handler *terminated)
{
    txn->user = user;
    txn->terminated = terminated;
    txn->has_user = terminated != NULL;
}

void *transaction_server_user(const struct transaction_server *txn)
{
    return txn->user;
}

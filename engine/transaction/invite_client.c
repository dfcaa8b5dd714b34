/*
 * INVITE client transaction (RFC 3261 s17.1.1, RFC 6026 s7.2).
 *
 *   CALLING --1xx--> PROCEEDING          A retransmits, B gives up
 *   CALLING, PROCEEDING --2xx--> ACCEPTED       M, each 2xx goes up
 *   CALLING, PROCEEDING --300-699--> COMPLETED  ACK sent, D, each retransmission is ACKed again
 *
 * CANCEL (s9.1) waits for the first provisional response, so that it cannot overtake the INVITE. It
 * is a non-INVITE client transaction of its own with the same branch.
 */
#include "base/error.h"
#include "base/memory.h"
#include "transaction/derive.h"
#include "transaction/machine.h"
#include "transaction/timers.h"

/* ---- CALLING ---- */

static void on_timer_a(void *arg)
{
    struct transaction_client *txn = arg;
    txn->interval_ms *= 2;
    client_wait(txn, on_timer_a);
    client_retransmit(txn);
}

void invite_client_start(struct transaction_client *txn,
                         const struct transaction_client_options *options)
{
    const struct settings *settings = transactions_settings(txn->owner);
    txn->state = TRANSACTION_CALLING;
    client_begin(txn, options->bytes,
                 options->timeout_ms ? options->timeout_ms : timer_b_ms(settings),
                 timer_a_ms(settings), on_timer_a);
}

/* ---- CANCEL ---- */

static void send_cancel(struct transaction_client *txn, struct text reason)
{
    struct transactions *owner = txn->owner;
    struct text sent = {txn->bytes, txn->size_bytes};
    enum method method;
    struct transaction_client_options options = {.method = METHOD_CANCEL,
                                                 .destination = txn->destination};
    txn->cancel = CANCEL_SENT;
    client_expire_after(txn, timer_cancel_ms(transactions_settings(owner)), client_on_timeout);
    struct buffer *print = transport_print(owner->options.transport);
    derive_cancel(print, sent, reason);
    if (print->error || !derive_branch(sent, &method, &options.branch))
        return; /* no memory: the wait above ends the INVITE */
    options.bytes = transport_printed(owner->options.transport);
    const char *before = transactions_set_cause(owner, NULL); /* no script asked for it */
    if (transaction_client_create(NULL, owner, &options))     /* no room: once, unretransmitted */
        transport_send(owner->options.transport, &txn->destination, options.bytes);
    transactions_set_cause(owner, before);
}

static void send_waiting_cancel(struct transaction_client *txn)
{
    send_cancel(txn, text_of(txn->cancel_reason));
    memory_free_raw(txn->cancel_reason);
    txn->cancel_reason = NULL;
}

static void keep_reason(struct transaction_client *txn, struct text reason)
{
    char *copy = reason.n ? memory_raw(reason.n + 1) : NULL;
    if (!copy)
        return; /* a CANCEL without Reason still cancels */
    memcpy(copy, reason.p, reason.n);
    copy[reason.n] = '\0';
    txn->cancel_reason = copy;
}

void invite_client_cancel(struct transaction_client *txn, struct text reason)
{
    if (txn->cancel != CANCEL_NONE)
        return;
    if (txn->state == TRANSACTION_CALLING) {
        txn->cancel = CANCEL_WANTED;
        keep_reason(txn, reason);
    } else if (txn->state == TRANSACTION_PROCEEDING) {
        send_cancel(txn, reason);
    }
}

/* ---- responses ---- */

static void proceed(struct transaction_client *txn, struct message *response)
{
    if (txn->state == TRANSACTION_CALLING) /* from now on the wait is the user's: Timer C */
        timer_stop(transactions_timers(txn->owner), &txn->timer);
    txn->state = TRANSACTION_PROCEEDING;
    if (txn->cancel == CANCEL_WANTED)
        send_waiting_cancel(txn);
    client_deliver(txn, response);
}

static void accepted(struct transaction_client *txn, struct message *response)
{
    txn->state = TRANSACTION_ACCEPTED;
    transactions_keep_bytes(&txn->bytes, &txn->size_bytes, TEXT_NONE);
    client_expire_after(txn, timer_m_ms(transactions_settings(txn->owner)), client_on_linger_end);
    client_deliver(txn, response);
}

/* Without memory the INVITE is kept in place of its ACK, which is then made anew each time. */
static void send_ack(struct transaction_client *txn, struct message *response)
{
    if (txn->is_ack) {
        client_send_again(txn);
        return;
    }
    struct buffer *print = transport_print(txn->owner->options.transport);
    derive_ack(print, (struct text){txn->bytes, txn->size_bytes}, response);
    if (print->error)
        return;
    struct text ack = transport_printed(txn->owner->options.transport);
    char *bytes = NULL;
    uint32_t size_bytes = 0;
    if (transactions_keep_bytes(&bytes, &size_bytes, ack)) {
        memory_free_raw(txn->bytes);
        txn->bytes = bytes;
        txn->size_bytes = size_bytes;
        txn->is_ack = true;
    }
    client_send(txn, ack); /* the response is here: an ACK that cannot go harms nobody but us */
}

static void complete(struct transaction_client *txn, struct message *response)
{
    txn->state = TRANSACTION_COMPLETED;
    send_ack(txn, response);
    if (txn->is_reliable) /* Timer D is 0 */
        client_terminate(txn);
    else
        client_expire_after(txn, timer_d_ms(transactions_settings(txn->owner)),
                            client_on_linger_end);
    client_deliver(txn, response);
}

/* A 2xx after another final response is from a second branch downstream: it is passed by Via. */
static void late_response(struct transaction_client *txn, struct message *response)
{
    const struct transaction_handlers *handlers = &txn->owner->options.handlers;
    bool is_success = response->status >= 200 && response->status < 300;
    if (txn->state == TRANSACTION_ACCEPTED && is_success) {
        client_deliver(txn, response);
    } else if (txn->state == TRANSACTION_COMPLETED && is_success) {
        transactions_count_up(txn->owner, COUNTER_TRANSACTION_STRAY_RESPONSE);
        if (handlers->stray_response)
            handlers->stray_response(handlers->arg, response);
    } else {
        transactions_count_up(txn->owner, COUNTER_TRANSACTION_ABSORBED);
        if (txn->state == TRANSACTION_COMPLETED && response->status >= 300)
            send_ack(txn, response);
    }
}

void invite_client_response(struct transaction_client *txn, struct message *response)
{
    if (txn->state != TRANSACTION_CALLING && txn->state != TRANSACTION_PROCEEDING)
        late_response(txn, response);
    else if (response->status < 200)
        proceed(txn, response);
    else if (response->status < 300)
        accepted(txn, response);
    else
        complete(txn, response);
}

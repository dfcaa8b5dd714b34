/*
 * Non-INVITE client transaction (RFC 3261 s17.1.2).
 *
 *   TRYING --1xx--> PROCEEDING                   E retransmits, F gives up
 *   TRYING, PROCEEDING --200-699--> COMPLETED    K absorbs retransmissions
 */
#include "base/memory.h"
#include "transaction/machine.h"
#include "transaction/timers.h"

static void on_timer_e(void *arg)
{
    struct transaction_client *txn = arg;
    const struct settings *settings = transactions_settings(txn->owner);
    txn->interval_ms = txn->state == TRANSACTION_PROCEEDING
                           ? (uint32_t)settings->timers_t2_ms
                           : (uint32_t)timer_doubled_ms(txn->interval_ms, settings);
    client_wait(txn, on_timer_e);
    client_retransmit(txn);
}

void noninvite_client_start(struct transaction_client *txn,
                            const struct transaction_client_options *options)
{
    const struct settings *settings = transactions_settings(txn->owner);
    txn->state = TRANSACTION_TRYING;
    client_begin(txn, options->bytes,
                 options->timeout_ms ? options->timeout_ms : timer_f_ms(settings),
                 timer_e_ms(settings), on_timer_e);
}

static void complete(struct transaction_client *txn, struct message *response)
{
    txn->state = TRANSACTION_COMPLETED;
    transactions_keep_bytes(&txn->bytes, &txn->size_bytes, TEXT_NONE);
    if (txn->is_reliable) /* Timer K is 0 */
        client_terminate(txn);
    else
        client_expire_after(txn, timer_k_ms(transactions_settings(txn->owner)),
                            client_on_linger_end);
    client_deliver(txn, response);
}

void noninvite_client_response(struct transaction_client *txn, struct message *response)
{
    if (txn->state == TRANSACTION_COMPLETED) {
        transactions_count_up(txn->owner, COUNTER_TRANSACTION_ABSORBED);
    } else if (response->status >= 200) {
        complete(txn, response);
    } else {
        txn->state = TRANSACTION_PROCEEDING;
        client_deliver(txn, response);
    }
}

/*
 * Non-INVITE server transaction (RFC 3261 s17.2.2, RFC 4320 s4).
 *
 *   TRYING --1xx--> PROCEEDING                  retransmissions get the last 1xx
 *   TRYING, PROCEEDING --200-699--> COMPLETED   retransmissions get the response, until J
 *   TRYING, PROCEEDING --unanswered--> COMPLETED   retransmissions are absorbed, until J
 *
 * A request that nobody has answered gets 100 when its sender has slowed down to one in T2: sooner it
 * would be one message more, later its sender might give up.
 *
 * Deviation: as in invite_server.c, an error when sending does not end the transaction (s17.2.4).
 */
#include "base/error.h"
#include "transaction/machine.h"
#include "transaction/timers.h"

void noninvite_server_start(struct transaction_server *txn)
{
    txn->state = TRANSACTION_TRYING;
    server_try_after(txn, timer_noninvite_trying_ms(transactions_settings(txn->owner)));
}

void noninvite_server_request(struct transaction_server *txn)
{
    transactions_count_up(txn->owner, COUNTER_TRANSACTION_ABSORBED);
    server_send_again(txn, CAUSE_REPEATED);
}

void noninvite_server_leave_unanswered(struct transaction_server *txn)
{
    txn->state = TRANSACTION_COMPLETED;
    transactions_keep_bytes(&txn->bytes, &txn->size_bytes, TEXT_NONE);
    server_forget_request(txn);
    if (txn->is_reliable) /* Timer J is 0 */
        server_terminate(txn);
    else
        server_expire_after(txn, timer_j_ms(transactions_settings(txn->owner)),
                            server_on_linger_end);
}

static int complete(struct transaction_server *txn, struct text bytes)
{
    txn->state = TRANSACTION_COMPLETED;
    int error = server_send(txn, bytes);
    server_forget_request(txn);
    if (txn->is_reliable) { /* Timer J is 0 */
        server_terminate(txn);
        return error;
    }
    transactions_keep_bytes(&txn->bytes, &txn->size_bytes, bytes);
    server_expire_after(txn, timer_j_ms(transactions_settings(txn->owner)), server_on_linger_end);
    return error;
}

int noninvite_server_respond(struct transaction_server *txn, unsigned status, struct text bytes)
{
    if (txn->state != TRANSACTION_TRYING && txn->state != TRANSACTION_PROCEEDING)
        return ERROR_STATE;
    if (status >= 200)
        return complete(txn, bytes);
    timer_stop(transactions_timers(txn->owner), &txn->timer); /* 100 is not due any more */
    txn->state = TRANSACTION_PROCEEDING;
    transactions_keep_bytes(&txn->bytes, &txn->size_bytes, bytes);
    return server_send(txn, bytes);
}

/*
 * INVITE server transaction (RFC 3261 s17.2.1, RFC 6026 s7.1).
 *
 *   PROCEEDING --2xx--> ACCEPTED          L absorbs INVITEs, further 2xx are sent
 *   PROCEEDING --300-699--> COMPLETED     G retransmits, H gives up
 *   COMPLETED --ACK--> CONFIRMED          I absorbs ACKs
 *
 * Deviation: an error when sending does not end the transaction (s17.2.4). The user is told by the
 * return value; the retransmissions of G, or of the client's INVITE, may still get through.
 */
#include "base/error.h"
#include "transaction/derive.h"
#include "transaction/machine.h"
#include "transaction/timers.h"

/* ---- PROCEEDING ---- */

void invite_server_start(struct transaction_server *txn)
{
    txn->state = TRANSACTION_PROCEEDING;
    server_try_after(txn, transactions_settings(txn->owner)->timers_trying_ms); /* s17.2.1 */
}

void invite_server_request(struct transaction_server *txn)
{
    transactions_count_up(txn->owner, COUNTER_TRANSACTION_ABSORBED);
    if (txn->state == TRANSACTION_PROCEEDING || txn->state == TRANSACTION_COMPLETED)
        server_send_again(txn, CAUSE_REPEATED);
}

/* ---- COMPLETED ---- */

/* Until H. */
static void start_timer_g(struct transaction_server *txn);

static void on_timer_g(void *arg)
{
    struct transaction_server *txn = arg;
    const struct settings *settings = transactions_settings(txn->owner);
    transactions_count_up(txn->owner, COUNTER_TRANSACTION_RETRANSMITTED);
    txn->interval_ms = (uint32_t)timer_doubled_ms(txn->interval_ms, settings);
    start_timer_g(txn);
    server_send_again(txn, "timer G");
}

static void start_timer_g(struct transaction_server *txn)
{
    uint64_t left_ms = txn->ends_ms - transactions_timers(txn->owner)->now_ms;
    bool is_repeated = !txn->is_reliable && txn->bytes;
    if (!is_repeated || txn->interval_ms >= left_ms)
        server_expire_after(txn, left_ms, server_on_linger_end);
    else
        server_expire_after(txn, txn->interval_ms, on_timer_g);
}

static int complete(struct transaction_server *txn, struct text bytes)
{
    const struct settings *settings = transactions_settings(txn->owner);
    txn->state = TRANSACTION_COMPLETED;
    transactions_keep_bytes(&txn->bytes, &txn->size_bytes, bytes); /* without: it is sent once */
    txn->ends_ms = transactions_timers(txn->owner)->now_ms + timer_h_ms(settings);
    txn->interval_ms = (uint32_t)timer_g_ms(settings);
    start_timer_g(txn);
    int error = server_send(txn, bytes);
    server_forget_request(txn);
    return error;
}

/* An RFC 2543 ACK was matched without To tag: it must be the one of our response (s17.2.3). */
static bool is_ack_of_response(const struct transaction_server *txn, struct message *ack)
{
    if (!txn->is_rfc2543 || !txn->bytes)
        return true;
    struct name_addr to;
    struct text value = derive_header((struct text){txn->bytes, txn->size_bytes}, HEADER_TO);
    return !name_addr_parse(&to, value) && text_equal(to.tag, message_to_tag(ack));
}

static void confirm(struct transaction_server *txn)
{
    txn->state = TRANSACTION_CONFIRMED;
    transactions_keep_bytes(&txn->bytes, &txn->size_bytes, TEXT_NONE);
    if (txn->is_reliable) /* Timer I is 0 */
        server_terminate(txn);
    else
        server_expire_after(txn, timer_i_ms(transactions_settings(txn->owner)),
                            server_on_linger_end);
}

bool invite_server_ack(struct transaction_server *txn, struct message *ack)
{
    switch ((enum transaction_state)txn->state) {
    case TRANSACTION_ACCEPTED: return false; /* an ACK to 2xx with the INVITE's branch: RFC 2543 */
    case TRANSACTION_CONFIRMED:
        transactions_count_up(txn->owner, COUNTER_TRANSACTION_ABSORBED);
        break;
    case TRANSACTION_COMPLETED:
        if (is_ack_of_response(txn, ack)) {
            confirm(txn);
            break;
        }
        /* fall through */
    default: transactions_count_up(txn->owner, COUNTER_TRANSACTION_STRAY_ACK);
    }
    return true;
}

/* ---- responses of the user ---- */

static int accepted(struct transaction_server *txn, struct text bytes)
{
    txn->state = TRANSACTION_ACCEPTED;
    transactions_keep_bytes(&txn->bytes, &txn->size_bytes, TEXT_NONE);
    server_expire_after(txn, timer_l_ms(transactions_settings(txn->owner)), server_on_linger_end);
    int error = server_send(txn, bytes);
    server_forget_request(txn);
    return error;
}

int invite_server_respond(struct transaction_server *txn, unsigned status, struct text bytes)
{
    bool is_success = status >= 200 && status < 300;
    if (txn->state == TRANSACTION_ACCEPTED && is_success)
        return server_send(txn, bytes);
    if (txn->state != TRANSACTION_PROCEEDING)
        return ERROR_STATE;
    if (is_success)
        return accepted(txn, bytes);
    if (status >= 300)
        return complete(txn, bytes);
    timer_stop(transactions_timers(txn->owner), &txn->timer); /* 100 is not due any more */
    transactions_keep_bytes(&txn->bytes, &txn->size_bytes, bytes);
    return server_send(txn, bytes);
}

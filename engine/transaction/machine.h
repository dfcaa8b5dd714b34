/*
 * Private to this folder: the two structs and what the four machines share.
 *
 * Rules for a machine: change the state first, call a handler last, and hold a reference meanwhile
 * (the callers of the events below do): a handler may end, detach or make transactions.
 */
#pragma once

#include "base/random.h"
#include "transaction/match.h"
#include "transaction/transaction.h"

/** One worker's table. */
struct transactions {
    struct transactions_options options;
    struct hash_key secret;
    struct timers *timers;              /**< of the loop */
    struct hash_table clients, servers; /**< one reference each */
    struct hash_table merged; /**< servers whose request has no To tag, by match_merged() */
    struct random random;     /**< branches and tags */
    bool is_stopping;         /**< handlers are not called any more */
};

/** Has the INVITE been cancelled? */
enum client_cancel { CANCEL_NONE, CANCEL_WANTED, CANCEL_SENT };

/*
 * Thousands linger for 32 s, and by then are in no cache: nothing is in these structs that a lingering
 * one does not need, and first what its end needs. With the count in front of it that is two cache lines.
 */
#define LINGERING_MOST_BYTES (256 - 16)

struct transaction_client {
    struct hash_link link;
    struct transactions *owner; /**< NULL once terminated */
    char *bytes;                /**< the request, later its ACK; owned, NULL when not needed */
    struct timer timer; /**< A, E before ends_ms; B, F; D, K, M; after CANCEL; after a send error */
    uint32_t size_bytes;  /**< of bytes */
    uint8_t method;       /**< enum method */
    uint8_t state;        /**< enum transaction_state */
    uint8_t cancel;       /**< enum client_cancel */
    bool is_reliable : 1; /**< stream transport */
    bool is_ack : 1;      /**< bytes is the ACK */
    char *cancel_reason;  /**< for a CANCEL that waits; owned, NUL-terminated */
    uint64_t check;       /**< second half of the key */
    uint64_t ends_ms;     /**< when B or F is due */
    struct destination destination;
    struct transaction_client_handlers handlers;
    uint32_t interval_ms; /**< of A or E */
};
_Static_assert(sizeof(struct transaction_client) <= LINGERING_MOST_BYTES, "thousands linger");

#define SERVER_TAG_BYTES 12u

struct transaction_server {
    struct hash_link link;
    struct transactions *owner;  /**< NULL once terminated */
    char *bytes;                 /**< last response; owned, NULL when not needed */
    struct timer timer;          /**< when 100 is due; G before ends_ms; H, I, J, L */
    struct message *request;     /**< reference, until a final response was sent */
    uint32_t size_bytes;         /**< of bytes */
    uint8_t method;              /**< enum method */
    uint8_t state;               /**< enum transaction_state */
    bool is_reliable : 1;        /**< stream transport */
    bool is_rfc2543 : 1;         /**< matched without branch */
    bool is_merged : 1;          /**< the same request was there under another key */
    bool is_in_merged : 1;       /**< by merge_link */
    bool has_user : 1;           /**< transaction_server_attach() named one */
    struct hash_link merge_link; /**< in the table of merged requests */
    void *user;                  /**< borrowed */
    transaction_terminated_handler *terminated;
    uint64_t check;   /**< second half of the key */
    uint64_t ends_ms; /**< when H is due */
    struct destination destination;
    uint32_t interval_ms;       /**< of Timer G */
    char tag[SERVER_TAG_BYTES]; /**< first byte 0: not made yet */
};
_Static_assert(sizeof(struct transaction_server) <= LINGERING_MOST_BYTES, "thousands linger");

/* ---- shared (transactions.c) ---- */

/** Cause of what is sent because a request came once more. */
#define CAUSE_REPEATED "repeated request"

static inline const struct settings *transactions_settings(const struct transactions *transactions)
{
    return transactions->options.settings;
}
static inline void transactions_count_up(struct transactions *transactions, enum counter counter)
{
    counter_count(transactions->options.counters, counter);
}
static inline struct timers *transactions_timers(const struct transactions *transactions)
{
    return transactions->timers;
}
/** loop_set_cause() of the worker's loop: why the next message is sent. @return what was said before */
const char *transactions_set_cause(struct transactions *transactions, const char *cause);
/** May one more server transaction be made? One with a To tag may use the reserve. Counts the refusal. */
bool transactions_has_room_for(struct transactions *transactions, struct message *request);
/** The same of a client transaction that sends @p bytes, which are looked into only where it matters. */
bool transactions_has_room_to_send(struct transactions *transactions, struct text bytes);
/** Replace *@p bytes by a copy of @p t, or by nothing without memory. @return false then */
bool transactions_keep_bytes(char **bytes, uint32_t *size_bytes, struct text t);

/* ---- client transactions (client.c) ---- */

struct transaction_client *client_find(struct transactions *transactions, struct text branch,
                                       enum method method);
/** @param bytes  as they were printed: the request, or its ACK */
int client_send(struct transaction_client *txn, struct text bytes);
/** Send again what is kept, if there is anything. */
int client_send_again(struct transaction_client *txn);
void client_retransmit(struct transaction_client *txn);
/**
 * Send the request; again each time @p resend runs, until the transaction has timed out.
 * @param bytes        as they were printed
 * @param timeout_ms   B or F
 * @param interval_ms  A or E at first; without effect on a stream
 */
void client_begin(struct transaction_client *txn, struct text bytes, uint64_t timeout_ms,
                  uint64_t interval_ms, timer_handler *resend);
/** Wait for interval_ms more, or for the time-out where that comes first. */
void client_wait(struct transaction_client *txn, timer_handler *resend);
/** Nothing is sent any more until @p handler runs. */
void client_expire_after(struct transaction_client *txn, uint64_t delay_ms, timer_handler *handler);
/** Over; releases the table's reference. */
void client_terminate(struct transaction_client *txn);
/** Timer handler of D, K and M. */
void client_on_linger_end(void *arg);
/** Timer handler of B and F, and of the wait for a final response after CANCEL. */
void client_on_timeout(void *arg);
/** Over without final response: terminate and tell. */
void client_fail(struct transaction_client *txn, enum transaction_failure failure);
void client_deliver(struct transaction_client *txn, struct message *response);

/* Machines; all borrow. */
void invite_client_start(struct transaction_client *txn,
                         const struct transaction_client_options *options);
void invite_client_response(struct transaction_client *txn, struct message *response);
void invite_client_cancel(struct transaction_client *txn, struct text reason);
void noninvite_client_start(struct transaction_client *txn,
                            const struct transaction_client_options *options);
void noninvite_client_response(struct transaction_client *txn, struct message *response);

/* ---- server transactions (server.c) ---- */

struct transaction_server *server_find(struct transactions *transactions,
                                       const struct match_key *key);
/** Make one and put it in the table. @return 0 or ERROR_MEMORY; *txnp returned borrowed */
int server_create(struct transaction_server **txnp, struct transactions *transactions,
                  struct message *request, const struct match_key *key);
int server_send(struct transaction_server *txn, struct text bytes);
/** Send the last response again, if there is one. @param cause  "timer G" */
void server_send_again(struct transaction_server *txn, const char *cause);
/** 100 Trying after so long, unless the user has answered by then; at once with 0. */
void server_try_after(struct transaction_server *txn, uint64_t delay_ms);
/** A final response was sent: the request is not needed any more. */
void server_forget_request(struct transaction_server *txn);
/** What was waited for before is not any more. */
void server_expire_after(struct transaction_server *txn, uint64_t delay_ms, timer_handler *handler);
/** Over; tells the user, releases the table's reference. */
void server_terminate(struct transaction_server *txn);
/** Timer handler of H, I, J and L. */
void server_on_linger_end(void *arg);

/* Machines; all borrow. */
void invite_server_start(struct transaction_server *txn);
void invite_server_request(struct transaction_server *txn);
/** @return true when the ACK ends here, false when it belongs to a 2xx */
bool invite_server_ack(struct transaction_server *txn, struct message *ack);
int invite_server_respond(struct transaction_server *txn, unsigned status, struct text bytes);
void noninvite_server_start(struct transaction_server *txn);
void noninvite_server_request(struct transaction_server *txn);
void noninvite_server_leave_unanswered(struct transaction_server *txn);
int noninvite_server_respond(struct transaction_server *txn, unsigned status, struct text bytes);

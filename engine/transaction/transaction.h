/*
 * The transaction layer (RFC 3261 s17 with RFC 6026) of one worker: four machines, one table.
 *
 * The layer absorbs retransmissions, answers CANCEL with 200, absorbs ACK to non-2xx, retransmits,
 * times out. What remains goes to the transaction user (the proxy core) through the handlers.
 *
 * Ownership: the table holds one reference to a transaction until it terminates; a user who keeps
 * one takes a reference and gives it back. After *_detach() no handler of that transaction runs.
 */
#pragma once

#include "transport/transport.h"

struct transactions;
struct transaction_client;
struct transaction_server;

/** Names as in RFC 3261 s17 and RFC 6026. */
enum transaction_state {
    TRANSACTION_CALLING, /**< INVITE client: sent, nothing heard */
    TRANSACTION_TRYING,  /**< non-INVITE: sent / received, nothing heard / answered */
    TRANSACTION_PROCEEDING,
    TRANSACTION_COMPLETED, /**< final response other than INVITE's 2xx */
    TRANSACTION_CONFIRMED, /**< INVITE server: ACK to non-2xx received */
    TRANSACTION_ACCEPTED,  /**< INVITE: 2xx seen (RFC 6026) */
    TRANSACTION_TERMINATED,
};
const char *transaction_state_name(enum transaction_state state);

/** What the layer tells its user. Messages are borrowed during the call. */
struct transaction_handlers {
    /** A request that began a new server transaction (never ACK or CANCEL). */
    void (*request)(void *arg, struct transaction_server *txn, struct message *request);
    /** ACK that belongs to a 2xx (s13.2.2.4): forward it statelessly. */
    void (*ack)(void *arg, struct message *ack);
    /** CANCEL of @p invite, already answered 200 (s9.2). */
    void (*cancel)(void *arg, struct transaction_server *invite, struct message *cancel);
    /** CANCEL that matches nothing: forward it statelessly (s16.10), or answer 481 as a UAS does. */
    void (*stray_cancel)(void *arg, struct message *cancel);
    /** Response that matches no client transaction (s16.7 1: forward 2xx to INVITE by Via). */
    void (*stray_response)(void *arg, struct message *response);
    void *arg;
};

struct transactions_options {
    struct io *io;
    struct loop *loop;
    struct transport *transport;     /**< borrowed */
    const struct settings *settings; /**< borrowed */
    struct counters *counters;
    struct log *log;
    struct hash_key hash_key;
    struct transaction_handlers handlers;
    /** May a request without To tag begin a transaction? Answers it if not. NULL: each one may. */
    bool (*admits)(void *arg, struct message *request);
    void *admits_arg;
};

int transactions_create(struct transactions **transactionsp,
                        const struct transactions_options *options);
/** Live transactions; those that only linger to absorb retransmissions included. */
size_t transactions_count(const struct transactions *transactions);
/**
 * A message from the transport. When limits.transactions is reached a new request gets a stateless
 * 503 and is not passed on; a tenth of it is kept for requests with a To tag, here and in
 * transaction_client_create().
 */
void transactions_receive(struct transactions *transactions, struct message *message);
/** ICMP: fail the client transaction whose request (or CANCEL, ACK) is in @p bytes, at once. */
void transactions_undeliverable(struct transactions *transactions, const struct address *address,
                                struct text bytes);
/** Terminate everything without calling handlers; before release, at shutdown. */
void transactions_stop(struct transactions *transactions);

#define BRANCH_BYTES 64
/**
 * A new branch parameter: magic cookie, @p loop_hash (RFC 5393 s4.2; 0: none) and a unique part.
 * @return text in @p out
 */
struct text transactions_make_branch(struct transactions *transactions, uint64_t loop_hash,
                                     char out[BRANCH_BYTES]);
/** The loop hash within a branch that we made; false for a foreign one. */
bool transactions_branch_loop_hash(struct text branch, uint64_t *loop_hash);

/* ---- server transactions (s17.2) ---- */

/** The request; returned borrowed. NULL once a final response was sent. */
struct message *transaction_server_request(const struct transaction_server *txn);
enum transaction_state transaction_server_state(const struct transaction_server *txn);
enum method transaction_server_method(const struct transaction_server *txn);
/**
 * Send a response: @p bytes as printed, Via already removed down to the client's.
 * 2xx to INVITE may be sent again and again while Accepted.
 * @return 0, ERROR_STATE (a final response was already sent), ERROR_TRANSPORT
 */
int transaction_server_respond(struct transaction_server *txn, unsigned status, struct text bytes);
/** Print and send a response of our own (response_print()). @p options->to_tag absent: a tag is made and kept for this transaction. */
struct response_options;
int transaction_server_reply(struct transaction_server *txn,
                             const struct response_options *options);
/**
 * End it now without a response: the request is dropped, a retransmission of it begins anew. No
 * effect once a final response was sent.
 */
void transaction_server_drop(struct transaction_server *txn);
/**
 * No final response will be sent to this non-INVITE request, since its sender has given up by now
 * (RFC 4320 s4.2): what is repeated is absorbed in silence. No effect once a final response was sent.
 */
void transaction_server_leave_unanswered(struct transaction_server *txn);
/**
 * Merged request (RFC 3261 s8.2.2.2): without To tag, and From tag, Call-ID and CSeq were those of a
 * live server transaction when it came: it came on two ways. Only for who is the UAS; the answer is 482.
 */
bool transaction_server_is_merged(const struct transaction_server *txn);
/** To tag used in our own responses; absent once terminated and never used. */
struct text transaction_server_tag(struct transaction_server *txn);
/** @p terminated runs when the transaction ends (any way); NULL removes it. */
typedef void transaction_terminated_handler(void *arg, struct transaction_server *txn);
void transaction_server_attach(struct transaction_server *txn, void *user,
                               transaction_terminated_handler *terminated);
void *transaction_server_user(const struct transaction_server *txn);

/* ---- client transactions (s17.1) ---- */

enum transaction_failure {
    TRANSACTION_TIMED_OUT,     /**< Timer B or F */
    TRANSACTION_UNDELIVERABLE, /**< transport error or ICMP */
};
struct transaction_client_handlers {
    /** Every response but retransmissions of non-2xx finals; 2xx to INVITE each time (RFC 6026). */
    void (*response)(void *arg, struct transaction_client *txn, struct message *response);
    /** No final response will come; the transaction is over. */
    void (*failure)(void *arg, struct transaction_client *txn, enum transaction_failure failure);
    void *arg;
};

struct transaction_client_options {
    enum method method;
    struct text branch; /**< of the top Via in @p bytes */
    struct destination destination;
    struct text bytes;   /**< whole request as sent; copied */
    uint32_t timeout_ms; /**< Timer B/F instead of 64*T1; 0: 64*T1 */
    struct transaction_client_handlers handlers;
};
/**
 * Send a request (not ACK). On success the table holds it; *txnp gets a reference of its own, returned owned.
 * A send error is reported later by the failure handler, never during this call.
 * @return 0, ERROR_LIMIT, ERROR_MEMORY
 */
int transaction_client_create(struct transaction_client **txnp, struct transactions *transactions,
                              const struct transaction_client_options *options);
enum transaction_state transaction_client_state(const struct transaction_client *txn);
const struct destination *transaction_client_destination(const struct transaction_client *txn);
/**
 * CANCEL an INVITE (s9.1): sent now, or after the first provisional response; no effect once final.
 * If nothing final comes within 64*T1 after it, the INVITE transaction fails with a time-out.
 * @param reason  Reason header value to carry (RFC 3326), may be absent
 */
void transaction_client_cancel(struct transaction_client *txn, struct text reason);
/** No handler runs any more; the machine goes on by itself (ACKs, absorbs). */
void transaction_client_detach(struct transaction_client *txn);

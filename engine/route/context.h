/*
 * Inside of the response context (RFC 3261 s16.7); private to engine/route.
 *
 * Life: the server transaction holds the context until it terminates; each branch's client
 * transaction is held by its branch, and a branch by its context. A waiting handler and a waiting
 * name look-up hold a reference of their own. Once the final answer is out and no branch is
 * pending, context_shrink() gives back everything that only routing needed; where no branch may have
 * more to tell, as one whose 2xx may be repeated has, the server transaction gives up the context, too.
 */
#pragma once

#include "route/proxy.h"

/** How a branch stands. */
enum branch_state {
    BRANCH_PREPARING, /**< its branch_route waits */
    BRANCH_PENDING,   /**< sent, no final response */
    BRANCH_FINAL,     /**< final response or failure */
};

/** One relay or fork call of a script: done when each of its branches was sent or could not be. */
struct relay_wait; /* relay.c */
struct hidden;     /* topology.h */

/**
 * Counted: a deferred response keeps it. What its end needs comes first, in two cache lines with the
 * count: those of thousands of answered calls linger for 32 s, and are in no cache then.
 */
struct branch {
    struct link link;                  /**< in context->branches */
    struct response_context *context;  /**< borrowed; NULL once released from its context */
    struct transaction_client *client; /**< owned reference; NULL before it is sent */
    struct edits *edits;               /**< over the context's edits; NULL after context_shrink() */
    struct relay_wait *wait;           /**< owned reference while PREPARING */
    struct resolve_query *query;       /**< name look-up under way */
    uint8_t state;                     /**< enum branch_state */
    bool is_hung_up;                   /**< its late 2xx got BYE */
    bool is_cancelled : 1;
    bool is_ringing : 1;    /**< has had a provisional response */
    bool is_rung_out : 1;   /**< Timer C or ringing time-out: counts as 408 */
    bool has_answered : 1;  /**< a final response came, and neither 408 nor 430 */
    bool is_offer_made : 1; /**< media.manage in its branch route has rewritten the SDP */
    uint16_t index;
    uint16_t status;                 /**< last response, 0 none */
    struct timer timer_c;            /**< Timer C (s16.6 11) or ringing time-out */
    const struct listener *listener; /**< asked for; NULL: chosen by address */
    struct destination destination;
    struct resolve_target *targets; /**< addresses to try in turn, in the request's arena */
    uint16_t target_count, target_at;
    unsigned breadth;     /**< Max-Breadth to send on; 0: untouched */
    struct text instance; /**< of the UA, absent when unknown; in the arena of the request */
    struct text next_hop; /**< URI; likewise */
    const char *cause;    /**< what the relay was caused by, likewise; NULL: nobody wants to know */
    const struct relay_options *options; /**< in the request's arena */
};
_Static_assert(sizeof(struct branch) <= 240, "with its count 256 bytes: thousands linger");

/** A group of branches to be tried when the ones before have failed (serial forking). */
struct target_group {
    struct fork_target *v; /**< in the request's arena */
    size_t count;
};

/** A run in progress: keeps the context alive and tells the caller when it is over. */
struct pending_run {
    struct response_context *context; /**< owned reference; NULL: no run */
    struct message *reply;            /**< owned reference; NULL: none */
    void (*done)(void *arg, int error);
    void *arg;
    bool is_waiting;
};

/** What its end needs comes first, as in a branch. */
struct response_context {
    struct proxy *proxy;               /**< borrowed */
    struct link link;                  /**< in proxy->contexts */
    struct transaction_server *server; /**< owned reference; NULL for ACK */
    struct message *request;           /**< owned reference; NULL after context_shrink() */
    struct dialog *dialog; /**< owned reference; NULL: none, or let go by context_shrink() */
    struct hidden *hidden; /**< owned; NULL: of no hidden call */
    struct list branches;
    struct accepted *accepted; /**< the 2xx as sent upstream, see accepted.c */
    uint16_t accepted_count;
    uint16_t pending;      /**< branches not final */
    bool is_attached;      /**< the server transaction holds a reference */
    bool is_dialog_making; /**< INVITE without To tag */
    bool is_final_sent;
    struct edits *edits;              /**< NULL after context_shrink() */
    struct text received_body;        /**< SDP comes from here, whatever edits say */
    void *generation;                 /**< owned reference */
    void *script_data;                /**< the script host's */
    struct dispatcher_choice *choice; /**< owned reference */
    struct text next_hop;             /**< $du, in the request's arena */
    struct fork_target *targets;      /**< for the next relay, in the request's arena */
    size_t target_count;
    const struct listener *send_listener;
    const struct listener *route_listener; /**< of our second own Route: where the request leaves */
    uint32_t flags;
    bool is_identity_changed; /**< From or To was not sent as received */
    /* what was decided */
    bool is_decided; /**< relayed, answered or dropped */
    bool is_dropped; /**< no answer of ours: the server transaction ends with the run */
    bool is_cancelled;
    bool is_looped;     /**< a target was not sent because the request has been there (RFC 5393) */
    bool is_tag_sent;   /**< by a provisional response of our own: those after it have the same */
    bool is_in_failure; /**< the failure route runs: relay is allowed again */
    bool wants_record_route;
    bool is_replied_100;
    bool has_sdp;            /**< the request carries an SDP */
    bool is_offer_made;      /**< media.manage has rewritten it already, for: */
    unsigned offer_branch;   /**< index of the branch that sends that offer */
    bool is_collecting_done; /**< the best response is being chosen or was sent */
    bool is_best_old;        /**< of branches before the last relay: any new one is better */
    bool best_is_local;
    uint16_t invite_index; /**< among the INVITEs that share the dialog */
    uint16_t running;      /**< handlers that run or wait; a branch route runs inside of relay */
    uint16_t branch_count; /**< ever made */
    uint16_t group_count, group_at;      /**< of groups, below */
    uint16_t fork_first;                 /**< index of the first branch of these groups */
    struct pending_run run;              /**< the outermost of them */
    struct target_group *groups;         /**< serial forking: groups left */
    const struct relay_options *options; /**< of the last relay; in the request's arena */
    struct message *best;                /**< best final response so far; owned */
    struct edits *best_edits;            /**< onreply's changes to it */
    struct text challenges; /**< 401/407 challenges of the other branches, whole lines (s16.7 7) */
    struct text on_failure; /**< handler that is armed, in the request's arena; absent: none */
    struct media_flags *media_flags; /**< of media.manage; owned */
};
_Static_assert(sizeof(struct response_context) <= 368,
               "with its count 384 bytes: thousands linger");

/** One worker's proxy core. */
struct proxy {
    struct proxy_options options;
    struct transactions *transactions;
    struct dialogs *dialogs;
    struct random random;
    struct call_queue *queue;
    struct list contexts;
    struct list bridges;      /**< two-leg calls, see bridge.h */
    struct hash_table legs;   /**< of them, both of each */
    struct hash_table masked; /**< hidden calls by the Call-ID that was made up, see topology.c */
    struct list requests;     /**< of our own, see uac.c */
    size_t byes_pending;      /**< of them, those of hang_up.c */
    struct buffer out;        /**< scratch for parts of messages */
    bool is_refusing;
};

/* context.c */
/** Branches of INVITEs that share a dialog are numbered apart; @return below 2^31 */
static inline uint32_t context_branch_number(const struct response_context *context,
                                             unsigned branch_index)
{
    return (uint32_t)(context->invite_index & 0x7fff) << 16 | branch_index;
}
int context_create(struct response_context **contextp, struct proxy *proxy,
                   struct transaction_server *server, struct message *request);
/**
 * Do messages of its call pass as they are, but for what every hop does? Not where a script has changed
 * names, where addresses are hidden or masked, where there is a session timer, or where we have sent
 * requests in between: then identity, asserted, session_timer, cseq, topology and replaces have their say.
 * @param message  the request or response that is about to leave, with its @p edits
 */
bool context_is_plain(const struct response_context *context, const struct message *message,
                      const struct edits *edits);
/** After the final answer: keep only what retransmissions need. Whoever goes on with @p context after it holds a reference. */
void context_shrink(struct response_context *context);
/** Run a handler; @p done as in struct route_run, also called when it did not wait. */
void context_run(struct response_context *context, const struct route_run *run);
/** Log tag. */
struct text context_call_id(const struct response_context *context);

/* request.c: server side */
void request_receive(void *arg, struct transaction_server *txn, struct message *request);
void request_receive_ack(void *arg, struct message *ack);
void request_receive_cancel(void *arg, struct transaction_server *invite, struct message *cancel);
void request_receive_stray_cancel(void *arg, struct message *cancel);
/** Print a response of ours and send it upstream as the context's final (or provisional) answer. */
int request_respond(struct response_context *context, const struct response_options *options);
/** 100 Trying once. */
void request_reply_trying(struct response_context *context);
/** What follows any final answer that went upstream: dialog, media, memory (context_shrink()). */
void request_answered(struct response_context *context, unsigned status);

/* relay.c: targets */
/** Next group of serial forking. @return true when branches were sent or are being looked up */
bool relay_next_group(struct response_context *context);
/** A branch of this relay was sent (0) or could not be (error). Gives the reference back. */
void relay_wait_outcome(struct relay_wait *wait, int error);

/* branch.c */
/**
 * Make a branch and bring it on its way: look-up, branch route, sending.
 * @param wait  told the outcome, at once or later
 */
void branch_start(struct response_context *context, const struct fork_target *target,
                  const struct relay_options *options, unsigned breadth, struct relay_wait *wait);
void branch_cancel(struct branch *branch, struct text reason);
void branch_cancel_all(struct response_context *context, const struct branch *but,
                       struct text reason);
void branch_release(struct branch *branch);
/** A provisional response: restart Timer C (s16.7 2), start the ringing time-out. */
void branch_ring(struct branch *branch, unsigned status);
/** It has its final response, or will never have one. */
void branch_finish(struct branch *branch);
/** Send the same request to the next address of its name. @return true when sent */
bool branch_next_address(struct branch *branch);

/** The loop's cause from now on: what caused the branch. @return what was said before */
const char *branch_set_cause(const struct branch *branch);

/* response.c */
void response_receive(void *arg, struct transaction_client *txn, struct message *response);
void response_failure(void *arg, struct transaction_client *txn, enum transaction_failure failure);
/**
 * Begin edits of a response that goes on: our own Via is off (s16.7 3).
 * @return 0, ERROR_MEMORY, ERROR_SYNTAX (a Via that the transport does not let in)
 */
int response_begin(struct edits **editsp, struct message *response);
/** A branch is final with a response that we make: 408, 503. */
void response_local(struct branch *branch, unsigned status) __attribute__((cold));
/** Send a response upstream. @param branch  whose 2xx it is, NULL: it is none */
void response_send_upstream(struct response_context *context, const struct branch *branch,
                            struct message *response, struct edits *edits, unsigned status);

/* best_response.c */
/** No branch pending: pick the best, run the failure route or send it (s16.7 6). */
void response_collect(struct response_context *context);
/** Keep the better of the best so far and this one. */
void response_consider(struct response_context *context, struct message *response,
                       struct edits *edits, bool is_local);
/** The same with a response that we make, in the place of one that never came. */
void response_consider_local(struct response_context *context, unsigned status);

/* hop.c */
/**
 * Max-Forwards, Max-Breadth, Record-Route, received and rport, our Via.
 * @param out      the socket it leaves from
 * @param breadth  Max-Breadth to send on; 0: untouched
 */
int hop_edit(struct response_context *context, struct edits *edits, const struct listener *out,
             struct text branch_id, unsigned breadth);

/* accepted.c */
/** Keep a 2xx to INVITE as it went upstream. */
void accepted_add(struct response_context *context, const struct branch *branch,
                  struct message *response, struct text bytes);
/** The bytes kept for this branch and To tag; absent: it is new. Borrowed. */
struct text accepted_find(const struct response_context *context, const struct branch *branch,
                          struct message *response);
void accepted_release(struct response_context *context);

/* forward.c: stateless */
/** Statelessly, to the context's next hop. */
int forward_request(struct response_context *context, const struct relay_options *options);
/** Is it the response to a request that forward_request() sent? Its branch tells. */
bool forward_is_own(const struct proxy *proxy, struct message *response);

/* stateless_reply.c */
/** A response that matches no transaction. */
void stateless_reply_receive(void *arg, struct message *response);

/* next_hop.c */
/** The Request-URI as it will be sent; the received one is parsed once. @return 0 or ERROR_SYNTAX */
int next_hop_request_uri(const struct response_context *context, const struct edits *edits,
                         struct uri *uri);
/**
 * Where a request goes, after strict-route post-processing of the edits.
 * @param to   what a script said; absent: nothing
 * @param uri  to resolve; its texts live as long as the request
 * @return 0, ERROR_ARGUMENT (no SIP or SIPS URI), ERROR_MEMORY
 */
int next_hop_choose(struct response_context *context, struct edits *edits, struct text to,
                    struct uri *uri);
/** The socket it leaves from (design: outgoing interface). NULL when there is none. */
const struct listener *next_hop_listener(struct response_context *context, struct text interface,
                                         const struct address *address);

/* loop.c (RFC 5393) */
uint64_t loop_hash(struct response_context *context, struct edits *edits, struct text next_hop);
/** Did this request pass here before with the same hash? */
bool loop_detected(struct response_context *context, uint64_t hash);
/** Did it pass here before at all? Spirals are allowed. */
bool loop_is_spiral(struct response_context *context);

/* maddr.c */
/** Take a maddr that is ours out of the Request-URI (s16.4). @return 0 also when there is none */
int maddr_strip(struct response_context *context);

/* record_route.c */
/**
 * Does this element of Route or Record-Route name us?
 * @param is_double  set when it does: it is one of two
 */
const struct listener *record_route_own(const struct proxy *proxy, struct text element,
                                        bool *is_double);
int record_route_add(struct response_context *context, struct edits *edits,
                     const struct listener *out);
/** What that would have put into a request from @p in, below what a response to it has. */
int record_route_give(struct proxy *proxy, struct edits *edits, const struct listener *in,
                      const struct listener *out);

/* identity.c */
/**
 * A request is about to leave: what a script changed of From and To is remembered, or what its
 * receiver knows is put in. Before any other edit of this hop.
 * @return 0; ERROR_SYNTAX (the script's From or To is no address), ERROR_MEMORY
 */
int identity_request(struct response_context *context, struct edits *edits);
/** A response goes upstream: From and To as its request had them. @return 0 or ERROR_MEMORY */
int identity_response(struct response_context *context, struct message *response,
                      struct edits *edits);

/**
 * Names of the two parties of a leg, without tags, as one of them knows them from the INVITE.
 * @param from, to  filled, borrowed from the dialog until its next message; absent when no script
 *                  changed them
 */
void identity_names(const struct dialog *dialog, struct text callee_tag, bool of_caller,
                    struct text *from, struct text *to);

/* asserted.c */
/**
 * A request is about to leave: what a script made of P-Asserted-Identity and Remote-Party-ID in the
 * INVITE is remembered, or made of the same values again. After the script's edits.
 * @return 0 or ERROR_MEMORY
 */
int asserted_request(struct response_context *context, struct edits *edits);
/** A response goes upstream: the same, of the callee's. @return 0 or ERROR_MEMORY */
int asserted_response(struct response_context *context, struct message *response,
                      struct edits *edits);

/* call.c */
/**
 * The media of a dialog, for an SDP.
 * @param dialog      may be NULL
 * @param is_offered  it is an offer: media that timed out begin again, with ports of their own
 * @return borrowed; NULL: there are none, or none any more
 */
struct media_call *call_media_of(struct dialog *dialog, bool is_offered);
/**
 * Rewrite the SDP of the context's request, which is about to leave (after media.manage).
 * @param branch  NULL: statelessly
 * @param edits   of what leaves
 * @return 0, or why this branch cannot be sent: there are no ports for it
 */
int call_media_request(struct response_context *context, const struct branch *branch,
                       struct edits *edits);
void call_media_response(struct branch *branch, struct message *response, struct edits *edits);
/** No answer will come from it: its ports go back. */
void call_media_branch_failed(const struct branch *branch);
/** Of INVITEs that share a dialog one is refused: the offer that media.manage made for it is void. */
void call_media_invite_failed(const struct response_context *context);
/** BYE was done: the media of that callee go, those of other forks stay. */
void call_media_bye(const struct response_context *context);
/**
 * Have the relay between the parties of a call that begins here, whose first SDP is still to come.
 * @param flags  shared, "from" is the caller's side; NULL: none
 * @return 0, ERROR_UNSUPPORTED (there is no relay), ERROR_NOT_FOUND (interface), ERROR_LIMIT, ERROR_MEMORY
 */
int call_media_begin(struct proxy *proxy, struct dialog *dialog, const struct media_flags *flags);
/** Make the dialog of an INVITE that is record-routed. */
int call_dialog(struct response_context *context);
void call_dialog_event(void *arg, struct dialog *dialog, enum dialog_event event,
                       struct message *message);

/* cseq.c */
/** A request is about to leave: CSeq and RAck as its receiver counts. @return 0, ERROR_MEMORY, ERROR_LIMIT */
int cseq_request(struct response_context *context, struct edits *edits);
/** A response goes upstream: CSeq as its request had it. @return as above */
int cseq_response(struct response_context *context, struct message *response, struct edits *edits);

/* session_timer.c (RFC 4028) */
#define SESSION_LEAST_S 90 /**< of any session interval, s4 */
#define SESSION_EXPIRED TEXT("SIP;cause=408;text=\"Session timer expired\"") /**< Reason */
/** What an INVITE or UPDATE asks for, as its script left it. */
struct session_ask {
    uint32_t asked_s;                /**< 0: it asks for none */
    uint32_t least_s;                /**< its Min-SE, or that of s4 */
    uint32_t fit_s;                  /**< what suits it and the one who wants a timer here */
    struct header_view asked, least; /**< absent names: no such header */
    bool knows_timers;               /**< Supported: timer */
};
void session_timer_read(const struct response_context *context, const struct session_timer *timer,
                        struct session_ask *ask);
/**
 * Value of Session-Expires, s4.
 * @param refresher  absent: not said
 * @return false: malformed
 */
bool session_expires_parse(struct text value, uint32_t *seconds, struct text *refresher);
/** @return true: the interval that it wants is too short, and 422 was answered (s8.1, s9) */
bool session_timer_refuse(struct response_context *context, const struct session_timer *timer);
/** Answers 422 when the request wants a session interval that is too short. @return 0 or ERROR_LIMIT */
int session_timer_check(struct response_context *context);
/** A request is about to leave: Session-Expires and Min-SE. @return 0 or ERROR_MEMORY */
int session_timer_request(struct response_context *context, struct edits *edits);
/** A 2xx goes upstream: the interval that it tells, or that it gets, begins. */
void session_timer_accepted(struct response_context *context, struct message *response,
                            struct edits *edits);

/* best_response.c */
/**
 * A request other than INVITE that timed out further down: its sender has given up by now, or will
 * before anything of ours can reach it (RFC 4320 s4.2).
 */
void response_leave_unanswered(struct response_context *context);

/* call_keepalive.c */
/** A transfer has put another in the place of that party: it is asked from now on. */
void call_keepalive_replaced(struct dialog *dialog, bool is_caller);

/* sides.c */
/**
 * Record-Route of a message as Route towards its sender, in its arena; empty: none, which is what the
 * dialog knows from then on (RFC 3261 s13.2.2.4).
 * @param proxy  NULL: we are an end of its dialog, and may be a proxy on its way, too
 */
struct text sides_route_set(const struct proxy *proxy, struct message *message);
/** The dialog was made: learn about the caller. */
void sides_begin(struct response_context *context);
/** A 2xx goes upstream: learn about whoever sent it, and whoever sent its request. */
void sides_accepted(struct response_context *context, struct message *response);

/* hang_up.c */
/**
 * A 2xx to an INVITE that the caller was already refused: nobody would ever acknowledge or end it, so
 * we do (ACK and BYE).
 */
void hang_up_late(struct response_context *context, struct branch *branch, struct message *response)
    __attribute__((cold));
/**
 * The same for a 2xx of a two-leg call.
 * @param route       to its sender
 * @param bye_cseq    of the BYE: PRACK and UPDATE of that fork had lower ones
 * @param is_hung_up  set with the BYE, of which one is enough
 */
void hang_up_accepted(struct proxy *proxy, struct message *response, struct text route,
                      uint32_t bye_cseq, bool *is_hung_up);

/* bridge*.c: two-leg calls; the rest is in bridge.h and bridge_parts.h */
/**
 * A request within a dialog: is it of a two-leg call? It is handled then.
 * @return false: it is none of ours
 */
bool bridge_take(struct response_context *context);
/** CANCEL of an INVITE. @return false: the INVITE is of no two-leg call */
bool bridge_take_cancel(struct response_context *context, struct message *cancel);
/** The dialog of the caller ended, whoever says so: both legs do. */
void bridge_dialog_ended(struct dialog *dialog);
/** Forget all; nobody is told. */
void bridge_stop_all(struct proxy *proxy);

/* uac.c */
/** Forget all requests of our own; nobody is told. */
void uac_stop_all(struct proxy *proxy);

/* lost_route.c */
/** Send an in-dialog request without Route to the other side. @return 1 when done, 0 not, or an error */
int lost_route_find(struct response_context *context);

/* call_queue.c */
struct call_queue;
/** @param owner, object  as given to call_queue_defer() */
typedef void call_queue_handler(struct proxy *proxy, void *owner, void *object);
int call_queue_create(struct call_queue **queuep, struct proxy *proxy);
/** A handler of this call waits from now on. @return 0 or ERROR_MEMORY */
int call_queue_hold(struct call_queue *queue, struct text call_id);
/** It went on; what waited is delivered now, in order, as long as no handler waits again. */
void call_queue_free(struct call_queue *queue, struct text call_id);
enum call_queue_verdict {
    CALL_QUEUE_GO,   /**< the call does not wait: go on now */
    CALL_QUEUE_KEPT, /**< @p handler runs when its turn has come */
    CALL_QUEUE_FULL, /**< limits.call_queue is reached, or no memory: nothing was kept */
};
/**
 * Does the call wait? Then keep @p owner and @p object (counted; shared) for @p handler.
 * @param is_vital  keep it beyond the limit, too: nobody would send it again
 */
enum call_queue_verdict call_queue_defer(struct call_queue *queue, struct text call_id,
                                         call_queue_handler *handler, void *owner, void *object,
                                         bool is_vital);

/*
 * Inside of a two-leg call; private to engine/route/bridge*.c.
 *
 *   leg       one side: the caller's, where we are the UAS, or the callee's, where we are the UAC
 *   fork      one callee that answered (RFC 3261 s12.1, s13.2.2.4): its dialog with us, and the
 *             dialog of ours that stands for it on the caller's leg
 *   exchange  one request of one leg and what it became on the other
 *
 * Who holds whom: the caller's dialog (DIALOG_BRIDGE) and each exchange hold the bridge, which holds
 * its forks and lists its exchanges. bridge_end() ends the dialog; the bridge goes when the last
 * exchange, a BYE of ours as a rule, is over.
 */
#pragma once

#include "route/bridge.h"
#include "route/notes.h"
#include "route/uac.h"

#include "base/memory.h"

#define BRIDGE_TAG_BYTES     12
#define BRIDGE_CALL_ID_BYTES 24

/** Texts are in the bridge's arena. */
struct bridge_leg {
    struct hash_link link; /**< in proxy->legs, by Call-ID and tag */
    struct bridge *bridge; /**< holder */
    struct text call_id;
    struct text tag;    /**< From tag of its INVITE: the caller's, or ours towards the callee */
    struct text local;  /**< our From or To value on it; caller's leg: without tag */
    struct text remote; /**< the party's; callee's leg: without tag */
    struct text contact_user;
    uint32_t cseq;                    /**< of the last request that we sent on it */
    struct bridge_leg *next_replaced; /**< in bridge->replaced */
    bool is_replaced;                 /**< its party was, by a transfer: it only says goodbye */
    bool is_stranger; /**< its party was named by another one, not by the script (bridge_auth.c) */
};

/** The last provisional response that went to the sender of an INVITE reliably (RFC 3262 s3). */
struct bridge_reliable {
    struct bridge_exchange *invite; /**< that it answers; borrowed, NULL: none */
    struct timer timer;             /**< until its PRACK comes */
    struct buffer bytes;            /**< as sent; owned, empty once acknowledged */
    struct message *waiting;        /**< the next one; owned, NULL: none */
    uint64_t interval_ms;           /**< until it is sent again */
    uint64_t waited_ms;             /**< for its PRACK */
    uint32_t rseq;                  /**< on the leg of the INVITE; 0: there was none yet */
    uint32_t callee_rseq;           /**< what it had on the other leg; 0: it was plain there */
    uint16_t status;
    bool has_sdp;
    bool is_awaited; /**< its PRACK is */
};

struct bridge_fork {
    struct link link;                 /**< in bridge->forks */
    struct bridge *bridge;            /**< holder */
    char media_tag[BRIDGE_TAG_BYTES]; /**< by which the relay knows it */
    uint32_t media_branch;            /**< ports of its own in the relay; 0: those of the INVITE */
    struct media_flags *media_flags;  /**< for its offers; owned, NULL: as before */
    char local_tag[BRIDGE_TAG_BYTES]; /**< ours, on the caller's leg */
    struct text remote_tag;           /**< the callee's; in the bridge's arena */
    struct dialog_side callee;        /**< owned */
    uint32_t remote_cseq[2]; /**< highest CSeq number that came: from the callee, from the caller */
    struct bridge_reliable reliable; /**< this and what follows: of the last INVITE */
    struct buffer answer;            /**< to it, reliable over there and not here; owned */
    struct buffer answer_type;       /**< its Content-Type; owned */
    uint32_t callee_rseq;            /**< highest that was taken of who answers it; 0: none */
    bool is_agreed;                  /**< its offer and answer went reliably */
    bool is_answered_early;          /**< the offer of who answers it was, in PRACK */
    bool is_hung_up;                 /**< a 2xx of it came too late and got BYE */
};

/** Counted; one reference is that of bridge->exchanges. */
struct bridge_exchange {
    struct link link;                   /**< in bridge->exchanges until bridge_exchange_drop() */
    struct bridge *bridge;              /**< owned reference */
    struct bridge_fork *fork;           /**< NULL: the first INVITE before its 2xx */
    struct response_context *context;   /**< the request; owned reference, NULL: a BYE of ours */
    struct uac *uac;                    /**< what it became; NULL: over */
    struct timer timer;                 /**< Timer C, then 64*T1 for the ACK */
    struct buffer accepted;             /**< 2xx to INVITE as it went back */
    struct buffer ack_body;             /**< of the ACK that followed */
    struct buffer offered;              /**< SDP of its request, where refreshes repeat it; owned */
    struct bridge_transfer *transfer;   /**< that it is part of; in the bridge's arena */
    struct arena arena;                 /**< of the next three */
    struct text ack_type;               /**< Content-Type of that body */
    struct bridge_challenge *challenge; /**< answered by it; NULL: none */
    struct text credentials;            /**< that line as sent, which the ACK repeats */
    struct text reason;                 /**< BYE: its Reason line; in the bridge's arena */
    struct message *held;               /**< 2xx that waits for a PRACK; owned, NULL: none */
    enum method method;
    uint32_t cseq_in, cseq_out;
    uint64_t interval_ms, waited_ms;  /**< repeating our 2xx until the ACK, while BYE is due */
    uint32_t rack_rseq, rack_cseq;    /**< PRACK: what it acknowledges over there */
    int why;                          /**< of uac_send() */
    bool is_from_caller;              /**< the request is */
    bool is_first;                    /**< the INVITE that made the call */
    bool is_target;                   /**< INVITE to the target of a transfer */
    bool has_sdp;                     /**< the request brought the offer */
    bool is_answer;                   /**< its SDP is one: PRACK */
    bool is_acknowledged;             /**< INVITE: ACK came and went on */
    bool is_ack_here;                 /**< INVITE: ACK to our 2xx came */
    bool is_bye_due;                  /**< its sender gets BYE as soon as that ACK comes (s15) */
    bool is_final_sent;               /**< it was answered */
    bool is_stale;                    /**< the last challenge said so */
    bool is_late_hung_up;             /**< a 2xx that nobody waits for got its BYE */
    bool has_100rel, requires_100rel; /**< INVITE: its sender says so (RFC 3262) */
    bool offers_100rel;               /**< INVITE: we do, to who answers it */
    bool is_ringing; /**< of a call that begins here: a provisional response came */
};

/** How a call that begins here is to be made; in the bridge's arena. */
struct bridge_origin {
    struct bridge_party first, second;
    const struct listener *first_listener, *second_listener; /**< borrowed; NULL: by address */
    struct bridge_exchange *calling; /**< INVITE to the first until it is answered; borrowed */
    uint32_t timeout_ms, ringing_timeout_ms;
    struct text refused; /**< "m=" lines of the first party's first offer, with port 0 */
    struct text address; /**< of o= towards it: "IN IP4 192.0.2.1" */
    unsigned version;    /**< of that o= */
    unsigned offered;    /**< streams of the last offer to it, as the other party made it */
    bool is_joined;      /**< the second has answered */
};

/** One party is being replaced; in the bridge's arena. */
struct bridge_transfer {
    struct bridge *bridge;           /**< holder */
    struct bridge_exchange *target;  /**< INVITE to the target; borrowed */
    struct bridge_exchange *stay;    /**< re-INVITE to the other party; borrowed, NULL: not yet */
    struct bridge_leg leg;           /**< the target's */
    struct bridge_leg *old_leg;      /**< room for the transferor's afterwards */
    struct bridge_fork *fork;        /**< the target that answered; NULL: none did */
    struct message *accepted;        /**< its 2xx; owned, NULL: none */
    struct text uri, route, lines;   /**< of the INVITE */
    struct text next_hop;            /**< where it goes; absent: by the two before */
    const struct listener *listener; /**< of ours; NULL: by address */
    uint64_t waited_ms;              /**< for other offers to be answered */
    uint32_t refer_cseq;
    bool of_callee;   /**< it is replaced, else the caller */
    bool is_incoming; /**< the target has sent us its INVITE, with Replaces */
    bool is_told;     /**< the transferor hears of it by NOTIFY */
    bool is_left;     /**< the transferor has hung up */
    bool is_over;     /**< nothing comes of it */
};

struct bridge {
    struct link link; /**< in proxy->bridges */
    struct proxy *proxy;
    struct dialog *dialog; /**< of the caller; owned reference */
    struct arena arena;
    struct bridge_leg caller, callee;
    struct dialog_side caller_side; /**< owned */
    struct list forks, exchanges;
    struct bridge_fork *chosen;       /**< whose 2xx was passed; NULL: not answered yet */
    struct text pass;                 /**< names of further headers that pass */
    struct text username, password;   /**< towards the callee */
    struct text realm;                /**< the only one that those are for; absent: any */
    struct bridge_options again;      /**< to send the INVITE again; absent if that never happens */
    uint32_t invite_cseq;             /**< of the caller's INVITE */
    unsigned redirects;               /**< that were followed */
    void *kept;                       /**< of the script host; owned reference, NULL: none */
    struct bridge_transfer *transfer; /**< under way; NULL: none */
    struct bridge_origin *origin;     /**< NULL: a caller has begun it */
    struct bridge_leg *replaced;      /**< by transfers of before */
    unsigned transfers;               /**< that were tried */
    struct bridge_sessions *sessions; /**< session timers (bridge_session.h); owned, NULL: none */
    enum bridge_refer refer;
    uint16_t told_status; /**< provisional one that the script heard of last */
    bool is_ended;
    bool refuses_100rel; /**< on either leg */
};

/* bridge.c */
/** It is over for both: CANCEL, ACK, BYE and answers as each needs. Idempotent.
 * @param end     why, for the dialog
 * @param status  answer to the first INVITE while it has none
 * @param skip    1: the caller needs no BYE, 0: the callee, -1: both do
 */
void bridge_end(struct bridge *bridge, enum dialog_end end, unsigned status, struct text reason,
                int skip);

/** BYE on one leg. @param reason  value of Reason; absent: none */
void bridge_say_bye(struct bridge *bridge, bool to_caller, struct text reason);
/** Send the first INVITE, or send it again with credentials. @return as uac_send() */
int bridge_invite(struct bridge_exchange *exchange, const struct bridge_options *options);
/** One that is in proxy->bridges and has nothing yet. @return NULL without memory; returned owned */
struct bridge *bridge_create(struct proxy *proxy);
/**
 * Our socket towards a party, as far as it is known before its name is looked up.
 * @param interface  absent: *listenerp stays, else it is chosen by the address in @p next_hop
 * @return 0 or ERROR_ARGUMENT (no such interface)
 */
int bridge_choose_listener(struct proxy *proxy, struct text interface, struct text next_hop,
                           const struct listener **listenerp);
/**
 * Our From value on a leg where we call, and the user of our Contact.
 * @param given   URI or name-addr; absent: name and user of @p other at @p our_host
 * @return 0, ERROR_ARGUMENT (given), ERROR_SYNTAX (other), ERROR_MEMORY
 */
int bridge_name_leg(struct bridge *bridge, struct bridge_leg *leg, struct text given,
                    struct text other, struct text our_host);
/** Draw Call-ID and our tag of a leg where we call. @return false without memory */
bool bridge_draw_leg(struct bridge *bridge, struct bridge_leg *leg);
/** Where requests to that party go; absent: it never said, or is not there yet. */
struct text bridge_target(const struct bridge *bridge, bool is_caller);

/* bridge_originate.c */
/** It began here, and there is no callee yet. */
bool bridge_is_alone(const struct bridge *bridge);
/** Wait for an answer of a party of a call that begins here. @param is_ringing  it has one, provisional */
void bridge_origin_wait(struct bridge_exchange *exchange, bool is_ringing, timer_handler *handler);
/** A provisional response of a party; the script hears of it, and may end the call. */
void bridge_origin_ringing(struct bridge *bridge, bool is_first, const struct message *response);
/** The second party has a final response, or will not have one. @param response  may be NULL */
void bridge_origin_failed(struct bridge *bridge, bool is_first, unsigned status,
                          const struct message *response);
/** The second party has answered and is in its place. @param accepted  its 2xx */
void bridge_origin_joined(struct bridge *bridge, struct message *accepted);
/** The call ends: an INVITE to the first party is cancelled. */
void bridge_origin_abandon(struct bridge *bridge, struct text reason);

/* bridge_description.c: of a call that begins here, towards the first party */
/** Its first offer came. @param host  ours, in brackets if IPv6. @return 0 or ERROR_MEMORY */
int bridge_description_begin(struct bridge *bridge, struct text offer, struct text host);
/** The first party was replaced: whoever it is now has a session of its own. */
void bridge_description_forget(struct bridge *bridge);
/** Its answer without the streams that only we have offered; part of @p answer. */
struct text bridge_description_cut(const struct bridge *bridge, struct text answer);
/** Append an SDP as one of the session that it knows. */
void bridge_description_append(struct bridge *bridge, bool is_offer, struct text sdp,
                               struct buffer *out);

/* bridge_hold.c */
/**
 * An answer that takes every stream of an offer that we could, and leads nowhere (RFC 3725 s5).
 * @param host  ours, in brackets if IPv6
 * @return 0; ERROR_SYNTAX (no stream that can be held), ERROR_MEMORY
 */
int bridge_print_hold(struct text offer, struct text host, struct buffer *out);

/* bridge_auth.c */
/**
 * Is the response a challenge that another try can answer? It is kept then.
 * @return false: it is an answer like any other
 */
bool bridge_challenged(struct bridge_exchange *exchange, const struct message *response);
/**
 * Append the line that answers the challenge kept; nothing without one.
 * @return 0, ERROR_UNSUPPORTED, ERROR_MEMORY
 */
int bridge_print_credentials(struct bridge_exchange *exchange, enum method method, struct text uri,
                             struct text body, struct buffer *out);

/** A party sends us to @p uri: is that another host than the script's, of the leg @p before? */
bool bridge_is_stranger(const struct bridge_leg *before, struct text uri);

/* bridge_legs.c */
/** Put both legs into the table. @return 0 or ERROR_MEMORY */
int bridge_legs_open(struct bridge *bridge);
void bridge_legs_close(struct bridge *bridge);
/** Whose request is it? @return returned borrowed, NULL: of no two-leg call */
struct bridge_leg *bridge_leg_of_request(struct proxy *proxy, struct message *request,
                                         bool *is_from_caller);
/** The same by the parts of a dialog's name: those of a request from the party that knows it so. */
struct bridge_leg *bridge_leg_of_names(struct proxy *proxy, struct text call_id,
                                       struct text from_tag, struct text to_tag,
                                       bool *is_from_caller);
/** Its call, unless that party was replaced. */
struct bridge *bridge_of_dialog(struct proxy *proxy, struct text call_id, struct text from_tag,
                                struct text to_tag, bool *is_from_caller);
/** Put it into the table. */
int bridge_leg_open(struct bridge *bridge, struct bridge_leg *leg);
/** @return NULL without memory; returned borrowed, in bridge->forks */
struct bridge_fork *bridge_fork_create(struct bridge *bridge, struct text remote_tag);
/** By which the relay knows it; borrowed. */
struct text bridge_media_tag(const struct bridge_fork *fork);
/** By the callee's tag, or ours on the caller's leg. NULL. Returned borrowed. */
struct bridge_fork *bridge_fork_find(const struct bridge *bridge, bool on_caller_leg,
                                     struct text tag);
/** The fork of a response to the first INVITE, made when it is new. @return NULL: limit, memory */
struct bridge_fork *bridge_fork_take(struct bridge *bridge, struct message *response);
void bridge_fork_release(struct bridge_fork *fork);
/** Learn where a party wants requests (RFC 3261 s12.2). @param fork  NULL: the caller alone */
void bridge_learn(struct bridge *bridge, struct bridge_fork *fork, bool from_caller,
                  struct message *message, struct text route);
/**
 * Send a request within the dialog. @param request  method, headers, body, early and why are given
 * @return as uac_send()
 */
int bridge_send(struct bridge *bridge, struct bridge_fork *fork, bool to_caller,
                struct uac_request *request, struct uac **uacp, uac_done_handler *done, void *arg);

/* bridge_exchange.c */
/** @return NULL without memory; returned borrowed, in bridge->exchanges */
struct bridge_exchange *bridge_exchange_create(struct bridge *bridge,
                                               struct response_context *context);
/** Nothing comes of it any more. Idempotent; accepts NULL. */
void bridge_exchange_drop(struct bridge_exchange *exchange);
/** Answer with a response of our own. */
void bridge_exchange_refuse(struct bridge_exchange *exchange, unsigned status, struct text headers);
/**
 * Answer as the other leg answered.
 * @param fork    whose tag the answer carries
 * @param status  what it becomes
 * @return 0, or why it could not be passed: its SDP, memory
 */
int bridge_exchange_answer(struct bridge_exchange *exchange, struct bridge_fork *fork,
                           struct message *response, unsigned status);
/** How an answer is made of a response. */
struct bridge_answer {
    unsigned status;
    struct text lines;   /**< further header lines */
    struct buffer *copy; /**< of what was sent; NULL: not wanted */
    bool is_bodiless;
    bool keeps_body; /**< for the 2xx of the fork, which may bring none */
};
/** The same with more to say. */
int bridge_exchange_answer_as(struct bridge_exchange *exchange, struct bridge_fork *fork,
                              struct message *response, const struct bridge_answer *answer);
/** Nothing but repetitions of its 2xx comes any more, for 64*T1. */
void bridge_exchange_linger(struct bridge_exchange *exchange);
/**
 * BYE to whoever sent it, who has not acknowledged our 2xx: not before the ACK (s15). Until then the
 * 2xx is repeated here, since nobody else does any more (s13.3.1.4).
 */
void bridge_exchange_bye_later(struct bridge_exchange *exchange, struct text reason);
/** Repeat our 2xx until the ACK comes, which nobody else does; without one the call ends (s13.3.1.4). */
void bridge_exchange_repeat(struct bridge_exchange *exchange);
/** Is its 2xx repeated here until the ACK comes? */
bool bridge_exchange_is_repeating(const struct bridge_exchange *exchange);
/** A party says BYE: its ACK is not waited for any more, and no BYE of ours waits for that. */
void bridge_exchange_bye_came(struct bridge *bridge, bool is_from_caller);
/** The ACK to our 2xx came. */
void bridge_exchange_acked(struct bridge_exchange *exchange);
/** (Re)start its timer. */
void bridge_exchange_wait(struct bridge_exchange *exchange, uint64_t delay_ms,
                          timer_handler *handler);
/** The ACK to its 2xx goes to whoever sent that. @param ack  NULL: one of ours, without body */
void bridge_exchange_acknowledge(struct bridge_exchange *exchange, struct message *ack);

/* bridge_setup.c */
/** The 2xx, provisional and final responses of an INVITE that was passed: handlers of its uac. */
void bridge_invite_early(void *arg, struct message *response);
void bridge_invite_done(void *arg, struct message *response);
/**
 * Where a 3xx leads, when the script wants to follow and limits.branches allows it; in the arena of
 * the bridge.
 * @return absent: it is a refusal like any other
 */
struct text bridge_redirection(struct bridge *bridge, const struct message *response);
/** It was answered: a 2xx that it holds is too late. */
void bridge_invite_let_go(struct bridge_exchange *exchange);
/** It is answered so, and cancelled on the other leg. @param reason  value of Reason; absent: none */
void bridge_invite_give_up(struct bridge_exchange *exchange, unsigned status, struct text reason);
/** Start Timer C (RFC 3261 s16.6 11: ours, since nobody else would end it). */
void bridge_invite_wait(struct bridge_exchange *exchange);

/* bridge_reliable.c (RFC 3262) */
#define BRIDGE_100REL "100rel"
/** An INVITE of either party is about to pass: who knows 100rel? */
void bridge_reliable_begin(struct bridge_exchange *invite);
/** A provisional response of @p fork to it on its way back. @return as bridge_exchange_answer() */
int bridge_reliable_pass(struct bridge_exchange *invite, struct bridge_fork *fork,
                         struct message *response);
/** A 2xx to it may not be sent before a PRACK came. @param fork  may be NULL */
bool bridge_reliable_holds(const struct bridge_exchange *invite, const struct bridge_fork *fork);
/** It has its final response: nothing is repeated any more. */
void bridge_reliable_stop(const struct bridge_exchange *invite);
/** It is gone. */
void bridge_reliable_forget(const struct bridge_exchange *invite);
void bridge_reliable_release(struct bridge_fork *fork);
/** What a PRACK becomes on the callee's leg. */
struct bridge_prack {
    uint32_t rseq, cseq; /**< of its RAck */
    bool is_answer;      /**< its SDP is */
};
/** PRACK of a party. @return 0: it goes on as @p what says; else its answer */
unsigned bridge_reliable_take_prack(struct bridge_fork *fork, bool is_from_caller,
                                    const struct message *prack, struct bridge_prack *what);
/** The PRACK was handled: what waited for it is sent. */
void bridge_reliable_go_on(struct bridge_fork *fork);
/** Append RAck, if it is a PRACK. */
void bridge_reliable_print_rack(const struct bridge_exchange *exchange, struct buffer *out);

/* bridge_events.c */
/** Tell the script, if it wants to hear; it may end the call. */
void bridge_tell(struct bridge *bridge, struct bridge_event event);
void bridge_tell_ringing(struct bridge *bridge, unsigned status);
/** @return false: the INFO carries no digit */
bool bridge_read_info(const struct message *info, struct bridge_event *event);

/* bridge_transfer.c */
/** Who is to take a party's place. Texts are borrowed during bridge_transfer_begin(). */
struct bridge_referral {
    struct text uri;                 /**< Request-URI and To */
    struct text route;               /**< Route to it; absent: none */
    struct text next_hop;            /**< URI that it is sent to; absent: by the two before */
    const struct listener *listener; /**< our socket; NULL: by address */
    struct text unknown; /**< value of Replaces that names no call of this worker; absent: none */
    struct text lines;   /**< further header lines of its INVITE; absent: none */
    uint32_t cseq;       /**< of the REFER */
    bool is_told;        /**< the transferor wants to hear of it (NOTIFY) */
};
/**
 * Begin to replace the callee, or the caller; or to call the callee where there is none yet.
 * @return 0; ERROR_STATE (not answered, or another one is under way), ERROR_LIMIT
 *         (limits.branches transfers of one call, transactions), errors of uac_send()
 */
int bridge_transfer_begin(struct bridge *bridge, bool of_callee,
                          const struct bridge_referral *referral);
/** 202 was answered: NOTIFY that it is being tried. */
void bridge_transfer_trying(struct bridge *bridge);
/** The call ends. @return whose BYE has come already: 1 the caller's, 0 the callee's, -1 none */
int bridge_transfer_abandon(struct bridge *bridge);
/** BYE of a party. @return true: it is the transferor, who need not wait for the outcome */
bool bridge_transfer_leave(struct bridge *bridge, bool is_caller);

/**
 * Begin to replace the callee, or the caller, by the sender of an INVITE with Replaces.
 * @return as bridge_transfer_begin()
 */
int bridge_transfer_take(struct bridge *bridge, bool of_callee, struct response_context *context);
/** CANCEL of that INVITE. */
void bridge_transfer_cancelled(struct bridge_transfer *transfer);

/* bridge_replace.c */
/** The leg of the sender of an INVITE with Replaces. @return false without memory */
bool bridge_replace_make_leg(struct bridge_transfer *transfer, struct response_context *context);
/** 200 with the answer in target->ack_body. @param tag  ours */
int bridge_replace_answer(struct bridge_exchange *target, struct text tag);

/* bridge_place.c */
/** The target, which was acknowledged by who stays, takes its place; that of nobody, too. */
void bridge_take_place(struct bridge_transfer *transfer);

/* bridge_lookup.c */
/**
 * Ask the worker of the call that @p referral names in Replaces, then begin the transfer.
 * @return 0; ERROR_STATE (no other worker's, or nothing that could be transferred), ERROR_MEMORY:
 *         nothing comes of it
 */
int bridge_lookup(struct bridge *bridge, bool of_callee, const struct bridge_referral *referral);

/* bridge_refer.c */
/**
 * What the far party of that call knows it by, and where it is; copied.
 * @return false: it is of no call here, and @p referral stays as it was
 */
bool bridge_refer_translate(struct proxy *proxy, struct text replaces, struct arena *arena,
                            struct bridge_referral *referral);
/** The status that tells a transferor of an error. */
unsigned bridge_refer_status(int error);
/** NOTIFY to the transferor, if it wants one: how the transfer stands (RFC 3515 s2.4.5). */
void bridge_refer_notify(struct bridge_transfer *transfer, unsigned status, bool is_final);
/** @return the status that answers it */
unsigned bridge_take_refer(struct bridge *bridge, struct message *refer, bool is_from_caller);

/* bridge_request.c */
/** Is an offer of either party, or of ours, not answered yet? @param except  does not count; NULL: all do */
bool bridge_is_offering(const struct bridge *bridge, const struct bridge_exchange *except);
/** Send the request of an exchange to the other leg, again when it was challenged. @return as uac_send() */
int bridge_pass_on(struct bridge_exchange *exchange);

/* bridge_headers.c */
/** Headers of a request that pass, as its edits have them. @param given  lines whose names win */
void bridge_request_headers(const struct bridge *bridge, const struct edits *edits,
                            struct text given, struct buffer *out);
void bridge_response_headers(const struct bridge *bridge, const struct message *response,
                             struct buffer *out);
/**
 * The first extension that it requires and we do not have (RFC 3261 s8.2.2.3); absent: none.
 * @param also  one more that we do have here; absent: none
 */
struct text bridge_unsupported(const struct message *request, struct text also);
/** Is @p tag in the lists of that header? */
bool bridge_lists(const struct message *message, enum header_kind kind, struct text tag);
/** Max-Forwards of what a request becomes on the other leg (RFC 7332 s3), as in struct uac_request. */
unsigned bridge_hops(const struct message *request);
/** Allow line, with its line end. */
struct text bridge_allow(const struct bridge *bridge);

/* bridge_body.c */
/**
 * The body of a message as the other leg gets it: its SDP through the relay where the call has media.
 * @param is_offer  what the SDP is
 * @param fork      NULL: none is known yet
 * @param content_type  of the body; absent with none
 * @return 0, or why there is none: ports, syntax, memory
 */
int bridge_body(struct bridge *bridge, struct bridge_fork *fork, struct message *message,
                bool from_caller, bool is_offer, struct buffer *out, struct text *content_type);
bool bridge_has_sdp(const struct message *message);

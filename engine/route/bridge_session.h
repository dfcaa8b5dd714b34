/*
 * Session timers of a two-leg call (RFC 4028); private to engine/route/bridge*.c. Each leg has one of
 * its own: towards the caller we began as UAS, towards the callee as UAC, and each may be refreshed
 * from here or from its party.
 */
#pragma once

#include "route/bridge_parts.h"
#include "route/context.h"

/** The session of one leg. Its timers run while a 2xx to INVITE or UPDATE has agreed on it. */
struct bridge_session {
    struct bridge *bridge;              /**< holder */
    struct timer refresh, expiry;       /**< ours is due; it is over */
    struct buffer sdp;                  /**< the last that we sent to its party; owned */
    const struct bridge_fork *sdp_of;   /**< in whose dialog that was */
    struct bridge_exchange *refreshing; /**< a refresh under way; NULL: none */
    uint32_t interval_s;                /**< agreed on; 0: nothing is yet */
    uint32_t least_s;                   /**< highest Min-SE that its party said; 0: none */
    unsigned raised;                    /**< 422 since the last 2xx */
    bool is_caller;                     /**< whose leg it is */
    bool is_ours;                       /**< the refresh is */
    bool has_update;                    /**< its party's Allow lists UPDATE */
};

struct bridge_sessions {
    struct session_timer wanted;
    struct bridge_session v[2]; /**< callee, caller */
};

/**
 * A call that has just been made of an INVITE is to have them.
 * @return 0 or ERROR_MEMORY
 */
int bridge_sessions_begin(struct bridge *bridge, const struct message *invite,
                          const struct session_timer *wanted);
/** The call is over: no timer runs any more. */
void bridge_sessions_stop(struct bridge *bridge);

/* What follows does nothing in a call without them. */

/** Does the request ask for less than we want (s9)? @return true: 422 was answered */
bool bridge_session_refuse(struct bridge *bridge, struct response_context *context);
/**
 * An UPDATE that only refreshes (s7.4) is answered here: the other leg has a timer of its own.
 * @return false: it is none
 */
bool bridge_session_take(struct bridge *bridge, struct bridge_fork *fork,
                         struct response_context *context, bool is_from_caller);
/** Append what an INVITE or UPDATE of the exchange leaves with (s7.1, s7.4). */
void bridge_session_print(const struct bridge_exchange *exchange, struct buffer *out);
/** It leaves with that body. Without memory its SDP is not remembered. */
void bridge_session_sent(struct bridge_exchange *exchange, struct text body, struct text type);
/** Its 2xx came (s7.2). */
void bridge_session_accepted(struct bridge_exchange *exchange, const struct message *response);
/** @return true: 422 (s7.3), and sent again it asks for enough */
bool bridge_session_raised(struct bridge_exchange *exchange, const struct message *response);
/** What a final status becomes for the sender of the request, who has no part in our 422. */
unsigned bridge_session_refusal(const struct bridge *bridge, unsigned status);
/** Append what the 2xx to the request of the exchange says (s9). */
void bridge_session_print_answer(const struct bridge_exchange *exchange, struct buffer *out);
/** An answer was sent to it. @param body  absent: none */
void bridge_session_answered(struct bridge_exchange *exchange, const struct bridge_fork *fork,
                             unsigned status, struct text body, struct text type);
/** An SDP went to that party in an ACK. */
void bridge_session_told(struct bridge *bridge, const struct bridge_fork *fork, bool to_caller,
                         struct text body, struct text type);
/** A party takes another's place by an INVITE of its own (RFC 3891), whose 2xx brings that body. */
void bridge_session_taken_over(const struct bridge_exchange *invite, bool is_caller,
                               struct text body, struct text type);
/**
 * A transfer has put another party there: its 2xx, and the body of our ACK. Nothing happens when it
 * came by an INVITE: see bridge_session_taken_over().
 */
void bridge_session_replaced(struct bridge *bridge, bool is_caller, const struct message *accepted,
                             struct text body, struct text type);

/* bridge_refresh.c */
/** Its time has come: a timer handler, whose @p arg is the session. */
void bridge_refresh(void *arg);

/*
 * Two-leg calls (back-to-back user agent, RFC 3261 s6, RFC 7092): a UAS that the caller talks to and a
 * UAC that talks to the callee, joined in the middle. Each leg has its own Call-ID, tags, CSeq, Contact
 * and route set, and what passes between them passes by an allow list (bridge_headers.c).
 */
#pragma once

#include "route/proxy.h"

struct
    bridge; /* one such call; counted, lives as long as its caller's dialog and what is under way */

/** Texts are borrowed during bridge_begin(). None may hold a line end but where it says so. */
struct bridge_options {
    struct text to;        /**< Request-URI and To of the callee's leg; absent: the request's own */
    struct text next_hop;  /**< where it is sent; absent: $du when @p to is absent, else none */
    struct text interface; /**< of ours towards the callee; absent: $fs, else chosen by address */
    struct text from;      /**< URI or name-addr; absent: the caller's name and user at our host */
    struct text headers;   /**< further lines of the callee's INVITE, each with its line end */
    struct text username, password; /**< for challenges of the callee; absent: none */
    bool follows_redirects;         /**< 3xx: to its first Contact; else the caller sees 480 */
    bool refuses_100rel;            /**< offer it to nobody; 420 to a caller that requires it */
    struct text pass; /**< names of further headers that pass, both ways; separated by commas */
};

/**
 * Join the caller of an INVITE with a callee: its INVITE is sent, and from here on everything that
 * either leg says is handled here, not by request_route.
 * @param bridgep  returned borrowed, alive until the call ends
 * @return 0; ERROR_STATE (no INVITE outside of a dialog, or answered already), ERROR_CANCELLED,
 *         ERROR_ARGUMENT (URI, from or interface), ERROR_LIMIT (Max-Forwards, dialogs, transactions),
 *         ERROR_UNSUPPORTED (it requires an extension: 420 was answered), ERROR_NOT_FOUND (name),
 *         ERROR_MEMORY: nothing was sent to the callee
 */
int bridge_begin(struct bridge **bridgep, struct response_context *context,
                 const struct bridge_options *options);
/** Call-ID and our tag of the callee's leg: what bridge_find() takes. Borrowed. */
struct text bridge_call_id(const struct bridge *bridge);
struct text bridge_tag(const struct bridge *bridge);
/** @return returned borrowed; NULL: that call is over */
struct bridge *bridge_find(struct proxy *proxy, struct text call_id, struct text tag);
/**
 * End it from here: BYE to both, or CANCEL to the callee and 503 to the caller.
 * @param end     why, for the dialog of the caller
 * @param reason  value of Reason (RFC 3326); absent: none
 */
void bridge_hang_up(struct bridge *bridge, enum dialog_end end, struct text reason);

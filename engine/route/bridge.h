/*
 * Two-leg calls (back-to-back user agent, RFC 3261 s6, RFC 7092): a UAS that the caller talks to and a
 * UAC that talks to the callee, joined in the middle. Each leg has its own Call-ID, tags, CSeq, Contact
 * and route set, and what passes between them passes by an allow list (bridge_headers.c).
 */
#pragma once

#include "dialog/track.h"
#include "route/proxy.h"

struct
    bridge; /* one such call; counted, lives as long as its caller's dialog and what is under way */

/** What becomes of a REFER (RFC 3515) of either party. */
enum bridge_refer {
    BRIDGE_REFER_REFUSE, /**< 405 */
    BRIDGE_REFER_HANDLE, /**< its sender is replaced by the target, here */
    BRIDGE_REFER_PASS,   /**< the other party hears of it, and its NOTIFYs go back */
};

/** Texts are borrowed during bridge_begin(). None may hold a line end but where it says so. */
struct bridge_options {
    struct text to;        /**< Request-URI and To of the callee's leg; absent: the request's own */
    struct text next_hop;  /**< where it is sent; absent: $du when @p to is absent, else none */
    struct text interface; /**< of ours towards the callee; absent: $fs, else chosen by address */
    struct text from;      /**< URI or name-addr; absent: the caller's name and user at our host */
    struct text headers;   /**< further lines of the callee's INVITE, each with its line end */
    struct text username, password; /**< for challenges of the callee; absent: none */
    bool follows_redirects;         /**< 3xx: to its first Contact; else the caller sees 480 */
    enum bridge_refer refer;
    bool refuses_100rel; /**< offer it to nobody; 420 to a caller that requires it */
    struct text trunk;   /**< of the configuration, that the callee is called by: for the record */
    struct session_timer
        session_timer;           /**< of each leg (RFC 4028); expires_s 0: as it is tracked */
    uint64_t keepalive_ms;       /**< as proxy_keep_alive(); 0: none */
    unsigned keepalive_failures; /**< likewise */
    struct text pass; /**< names of further headers that pass, both ways; separated by commas */
};

/**
 * Join the caller of an INVITE with a callee: its INVITE is sent, and from here on everything that
 * either leg says is handled here, not by request_route.
 * @param bridgep  returned borrowed, alive until the call ends
 * @return 0; ERROR_STATE (no INVITE outside of a dialog, or answered already), ERROR_CANCELLED,
 *         ERROR_ARGUMENT (URI, from or interface), ERROR_LIMIT (Max-Forwards, dialogs, transactions,
 *         a session interval below session_timer.least_s: 422 was answered),
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

/**
 * Replace one party of an answered call by another (RFC 5589 s6).
 * @param uri  may have Replaces among its headers (attended)
 * @return 0: it has begun; ERROR_STATE (not answered, or another transfer is under way),
 *         ERROR_ARGUMENT (URI), ERROR_LIMIT (limits.branches transfers), ERROR_NOT_FOUND, ERROR_MEMORY
 */
int bridge_transfer(struct bridge *bridge, struct text uri, bool replaces_caller);

/* ---- what a script hears of it ---- */

enum bridge_event_kind {
    BRIDGE_EVENT_RINGING, /**< a provisional response of the callee, told when its status changes */
    BRIDGE_EVENT_ANSWER,  /**< the 2xx */
    BRIDGE_EVENT_DTMF,    /**< a digit of either party, by RTP (RFC 4733) or INFO */
    BRIDGE_EVENT_TRANSFER, /**< one is over: 200, or why nothing came of it */
    BRIDGE_EVENT_END,      /**< it is over; its dialog tells why */
    BRIDGE_EVENT_COUNT
};
/** @return "ringing" and so on; NULL: there is no such event */
const char *bridge_event_name(enum bridge_event_kind kind);

/** What is told by route_handlers.call_event; borrowed. */
struct bridge_event {
    enum bridge_event_kind kind;
    struct bridge *bridge;
    unsigned status;      /**< RINGING, ANSWER: of the callee */
    char digit;           /**< DTMF: 0-9, *, #, A-D */
    uint32_t duration_ms; /**< DTMF: 0: not said */
    bool is_from_caller;  /**< DTMF */
    bool is_info;         /**< DTMF: by INFO */
};

/**
 * One object of the script host; with one, events are told. It goes with the dialog of the caller.
 * @param object  shared; NULL: none
 */
void bridge_keep(struct bridge *bridge, void *object);
void *bridge_kept(const struct bridge *bridge); /**< borrowed; NULL: none */
/** The script generation that the call belongs to; borrowed. NULL: none */
void *bridge_generation(const struct bridge *bridge);
/** Digits among the RTP are wanted, too: without media there are none. */
void bridge_watch_dtmf(struct bridge *bridge);
/** A MEDIA_EVENT_DTMF came to the worker of its call. */
void bridge_take_media_event(const struct media_event *event);

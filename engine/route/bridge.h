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
    struct text realm;              /**< the only one that those are for; absent: any */
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
/** One party that is called. Texts as in struct bridge_options. */
struct bridge_party {
    struct text uri;       /**< Request-URI and To */
    struct text next_hop;  /**< URI that its INVITE is sent to; absent: @p uri */
    struct text interface; /**< of ours towards it; absent: chosen by address */
    struct text
        shown; /**< From, URI or name-addr; absent: the user of the other party at our host */
    struct text headers; /**< further lines of its INVITE, each with its line end */
};

/** A call that begins here. Borrowed during bridge_originate(). */
struct bridge_origination {
    struct bridge_party first;      /**< is called at once, and is the caller of the call */
    struct bridge_party second;     /**< when the first has answered; the callee */
    struct text username, password; /**< for challenges of either; absent: none */
    struct text realm;              /**< the only one that those are for; absent: any */
    struct text pass;               /**< as in struct bridge_options */
    bool follows_redirects;         /**< 3xx: to its first Contact; else it has failed, 480 */
    enum bridge_refer refer;
    struct text trunk;               /**< that the second is called by: for the record */
    uint32_t timeout_ms;             /**< of either, without any response; 0: Timer B */
    uint32_t ringing_timeout_ms;     /**< of either, from its first provisional one; 0: Timer C */
    bool has_media;                  /**< SDP goes through the relay */
    struct media_flags *media_flags; /**< shared, "from" is the side of the first; NULL: none */
    void *generation;                /**< shared; of the script that wants the call */
};

/**
 * Call one party, and when it has answered another, and join them (RFC 3725 flow III,
 * bridge_originate.c). The first one's INVITE is sent; what comes of it call_event tells.
 * @param bridgep  returned borrowed, alive until the call ends
 * @return 0; ERROR_STATE (no new calls are taken), ERROR_ARGUMENT (URI, shown or interface),
 *         ERROR_LIMIT (dialogs, media, transactions), ERROR_NOT_FOUND (name, media interface),
 *         ERROR_UNSUPPORTED (no relay), ERROR_CANCELLED (its start handler ended it), ERROR_MEMORY:
 *         but for CANCELLED nothing was sent
 */
int bridge_originate(struct bridge **bridgep, struct proxy *proxy,
                     const struct bridge_origination *wanted);
/** Did it begin here? */
bool bridge_is_originated(const struct bridge *bridge);
/** The dialog that it hangs on, that of the caller; borrowed. */
struct dialog *bridge_dialog(const struct bridge *bridge);
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

/**
 * Whoever sends this INVITE takes the place of the party that its Replaces names (RFC 3891). What comes
 * of it is told by BRIDGE_EVENT_TRANSFER.
 * @param bridgep  returned borrowed: the call of which one party is replaced
 * @param status   the final response that says why not
 * @return 0: it has begun; ERROR_NOT_FOUND (400, 481, 486, 603: RFC 3891 s3), ERROR_UNSUPPORTED (420;
 *         488: it brings no offer), ERROR_STATE (491: another transfer is under way, or no INVITE that
 *         could be answered), ERROR_CANCELLED, ERROR_LIMIT, ERROR_MEMORY
 */
int bridge_replace(struct bridge **bridgep, struct response_context *context, unsigned *status);

/* ---- what a script hears of it ---- */

enum bridge_event_kind {
    BRIDGE_EVENT_RINGING, /**< a provisional response of the callee, told when its status changes */
    BRIDGE_EVENT_ANSWER, /**< the 2xx; of a call that begins here, of either party and its joining */
    BRIDGE_EVENT_DTMF,   /**< a digit of either party, by RTP (RFC 4733) or INFO */
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
    unsigned status;      /**< RINGING, ANSWER */
    char digit;           /**< DTMF: 0-9, *, #, A-D */
    uint32_t duration_ms; /**< DTMF: 0: not said */
    bool is_from_caller;  /**< RINGING, ANSWER, DTMF */
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

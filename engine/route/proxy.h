/*
 * The proxy core (RFC 3261 s16) of one worker: what happens between a server transaction and its
 * client transactions.
 *
 * GLOSSARY
 *   response context  one request and everything that becomes of it (s16.7): server transaction,
 *                     edits, branches, best response so far
 *   branch            one attempt towards one target: client transaction, its own edits, Timer C
 *   handler           a function of the user's script; run through struct route_handlers, so that
 *                     this folder knows nothing of Lua
 *
 * A handler may wait (ROUTE_WAITING): the core then does nothing for that context until the run's
 * done function is called; messages of the same Call-ID queue up meanwhile (call_queue.h).
 */
#pragma once

#include "base/error.h"
#include "dialog/track.h"
#include "dispatcher/dispatcher.h"
#include "media/media.h"
#include "sip/edit.h"
#include "sip/response.h"
#include "transaction/transaction.h"
#include "transport/resolve.h"

struct proxy;
struct response_context; /* counted */
struct branch;           /* belongs to its response context */
struct bridge_event;

/* ---- handlers: what the script host provides ---- */

enum route_kind {
    ROUTE_REQUEST, /**< request_route; context, edits of the request */
    ROUTE_BRANCH,  /**< branch_route.NAME; branch, its edits */
    ROUTE_REPLY,   /**< onreply_route (name empty) or onreply_route.NAME; reply and its edits */
    ROUTE_FAILURE, /**< failure_route.NAME; edits of the request, reply = best response */
};
enum { ROUTE_DONE = 0, ROUTE_WAITING = 1 };

/** One run of one handler. The host keeps a reference to the context while it waits. */
struct route_run {
    enum route_kind kind;
    struct text name;                 /**< empty for the two defaults; borrowed */
    struct response_context *context; /**< borrowed; NULL for a reply forwarded statelessly */
    struct branch *branch;            /**< BRANCH, REPLY */
    struct message *reply;            /**< REPLY, FAILURE; borrowed */
    bool reply_is_local;              /**< made by us: 408, 503 */
    bool *drop_reply;                 /**< REPLY: reply:drop() sets it */
    struct edits *edits;              /**< what msg:set_header and its kin change; borrowed */
    /** To be called once when run() returned ROUTE_WAITING. @p error 0 or ERROR_SCRIPT */
    void (*done)(void *arg, int error);
    void *arg;
};

struct route_handlers {
    /** @return ROUTE_DONE, ROUTE_WAITING, or ERROR_SCRIPT (the host has logged it) */
    int (*run)(void *arg, const struct route_run *run);
    /** Is there a handler of that kind and name in this generation? */
    bool (*has)(void *arg, void *generation, enum route_kind kind, struct text name);
    /** Newest generation for a new call; with a reference for the caller. */
    void *(*generation)(void *arg);
    /** The number of one, for records. NULL: nobody counts them. */
    unsigned (*generation_number)(const void *generation);
    /** The context is about to go: release what the script kept for it (context_script_data). */
    void (*context_ended)(void *arg, struct response_context *context);
    /** dialog:start, dialog:answer, dialog:end, media:timeout; @p message may be NULL */
    void (*dialog_event)(void *arg, struct dialog *dialog, enum dialog_event event,
                         struct message *message);
    /** Something happened to a two-leg call whose script keeps something with it (bridge.h). */
    void (*call_event)(void *arg, struct dialog *dialog, const struct bridge_event *event);
    void *arg;
};

/* ---- making one ---- */

/** Something that is done on the thread of a proxy core. */
typedef void proxy_task(struct proxy *proxy, void *arg);

struct proxy_options {
    struct io *io;
    struct loop *loop;
    const struct settings *settings;
    struct counters *counters;
    struct log *log;
    struct hash_key hash_key;
    struct transport *transport;
    struct resolver *resolver;
    struct media *media;           /**< NULL: no media configured */
    struct media_mailbox mailbox;  /**< where media events go (the worker posts them home) */
    struct dispatcher *dispatcher; /**< NULL: none */
    struct profiles *profiles;     /**< of all workers; NULL: none */
    struct masks *masks;           /**< of all workers; NULL: nobody translates Replaces */
    struct records *records;       /**< where records of calls go; NULL: none are made */
    struct text server;            /**< Server header of our own responses; absent: none */
    struct route_handlers handlers;
    /** Something happened to a call that its story should tell; NULL: nobody wants to know. */
    void (*note)(void *arg, struct text call_id, struct text what);
    void *note_arg;
    /**
     * Have one task run with the proxy core of the worker that a Call-ID belongs to, then another one here.
     * @return 0; ERROR_STATE (it is this worker's), ERROR_MEMORY: neither runs. NULL: there is no other
     */
    int (*consult)(void *arg, struct text call_id, proxy_task *there, proxy_task *back,
                   void *task_arg); /**< @p arg is home_arg */
    /** Would a message with that Call-ID come to this worker? For calls that begin here. */
    bool (*is_home)(void *arg, struct text call_id);
    void *home_arg;
    /** transactions_options.admits; NULL: every request may begin something. */
    bool (*admits)(void *arg, struct message *request);
    void *admits_arg;
};
int proxy_create(struct proxy **proxyp, const struct proxy_options *options);
/** Message from the transport. */
void proxy_receive(struct proxy *proxy, struct message *message);
/** ICMP from the transport. */
void proxy_undeliverable(struct proxy *proxy, const struct address *address, struct text bytes);
/** New calls are refused with 503 and Retry-After while on (drain, overload). */
void proxy_set_refusing(struct proxy *proxy, bool is_refusing);
/** Requests outside of any dialog of ours that wait for their final answer. */
size_t proxy_unanswered(const struct proxy *proxy);
/**
 * End a call from here: BYE to both parties, or CANCEL and 503 while it is not answered.
 * @param end     what is told of an answered one
 * @param reason  value of a Reason header (RFC 3326), absent: none
 */
void proxy_hang_up(struct proxy *proxy, struct dialog *dialog, enum dialog_end end,
                   struct text reason);
/** The same for every call, those without Record-Route included as long as they are unanswered. */
void proxy_hang_up_all(struct proxy *proxy, struct text reason);
/** BYEs of ours that are not answered yet. */
size_t proxy_byes_pending(const struct proxy *proxy);
/** End everything; before release. */
void proxy_stop(struct proxy *proxy);
struct transactions *proxy_transactions(struct proxy *proxy);
struct dialogs *proxy_dialogs(struct proxy *proxy);
struct profiles *proxy_profiles(struct proxy *proxy); /**< NULL: none */
/** A Call-ID of @p size_bytes letters and digits whose messages come to this worker. */
void proxy_draw_call_id(struct proxy *proxy, char *out, size_t size_bytes);
struct random *proxy_random(struct proxy *proxy);
/** Begins the note of a call that has another Call-ID, which is the rest of it. */
#define PROXY_NOTE_CALL_ID "the other side's Call-ID is "
/** Does anybody listen to proxy_note()? */
bool proxy_is_noting(const struct proxy *proxy);
/** For the story of a call: one line. */
void proxy_note(struct proxy *proxy, struct text call_id, struct text what);
/** Both are Call-IDs of one call, whose story is told by either. Longer ones than 256 bytes are left alone. */
void proxy_note_names(struct proxy *proxy, struct text one, struct text other);
struct dispatcher *proxy_dispatcher(struct proxy *proxy);
struct transport *proxy_transport(struct proxy *proxy);
const struct settings *proxy_settings(struct proxy *proxy);
struct log *proxy_log(struct proxy *proxy);

/* ---- a response context, as scripts see it ---- */

struct proxy *context_proxy(const struct response_context *context);
struct message *context_request(const struct response_context *context); /**< borrowed */
struct edits *context_edits(const struct response_context *context);     /**< the request's edits */
void *context_generation(const struct response_context *context);
/** One pointer for the script host (its $avp table). */
void *context_script_data(const struct response_context *context);
void context_set_script_data(struct response_context *context, void *data);
/** $du; absent: none. */
struct text context_next_hop(const struct response_context *context);
int context_set_next_hop(struct response_context *context, struct text uri);
/** $fs / send interface; NULL: chosen at relay. */
const struct listener *context_send_listener(const struct response_context *context);
void context_set_send_listener(struct response_context *context, const struct listener *listener);
/** $mf. */
uint32_t *context_flags(struct response_context *context);
/** The dispatcher's choice; shared, NULL clears. */
struct dispatcher_choice *context_dispatcher_choice(const struct response_context *context);
void context_set_dispatcher_choice(struct response_context *context,
                                   struct dispatcher_choice *choice);
/** The destination whose call count a coming dialog carries. Borrowed. */
bool context_is_cancelled(const struct response_context *context);
/** Has it been relayed, answered or dropped? */
bool context_is_decided(const struct response_context *context);
struct dialog *context_dialog(const struct response_context *context); /**< NULL: none */

/** Branches made so far, those of earlier relays included. */
unsigned context_branch_count(const struct response_context *context);

/* A branch. */
unsigned branch_index(const struct branch *branch);
struct edits *branch_edits(const struct branch *branch);
struct text branch_next_hop(const struct branch *branch);
const struct destination *branch_destination(const struct branch *branch);

/* ---- what a script does with a request; all return 0 or an error and have then sent nothing ---- */

/** Answer it. @return 0, ERROR_STATE (already answered), ERROR_CANCELLED, ERROR_MEMORY */
int proxy_reply(struct response_context *context, const struct response_options *options);

#define ROUTE_NAME_BYTES 64
/** req:relay{...}. Texts borrowed during the call. */
struct relay_options {
    struct text to;        /**< next hop URI; absent: $du, then top Route, then Request-URI */
    struct text interface; /**< absent: chosen, see design */
    struct text on_failure, on_reply, on_branch; /**< handler names; absent: none */
    uint32_t timeout_ms;                         /**< no answer at all; 0: Timer B */
    uint32_t ringing_timeout_ms; /**< provisional but no final response; 0: Timer C */
};
/**
 * Answer finally and keep nothing for retransmissions: they are routed, and answered, anew (RFC 3261
 * s8.2.7). For what many strangers get, like challenges. Where that is not possible (branches were
 * made, a provisional response was sent, an INVITE within a dialog), as proxy_reply(), with the same results.
 */
int proxy_reply_and_forget(struct response_context *context,
                           const struct response_options *options);
/** Told when a relay that had to wait has sent its branches, or could not. */
typedef void relay_done_handler(void *arg, int error);
/**
 * Forward statefully (s16.6). @return 0: branches sent; ROUTE_WAITING: @p done comes later (DNS);
 * ERROR_ARGUMENT (bad URI or interface), ERROR_NOT_FOUND (name), ERROR_LIMIT (branches, Max-Forwards
 * is used up: then 483 was answered), ERROR_STATE (answered already), ERROR_CANCELLED, ERROR_MEMORY
 */
int proxy_relay(struct response_context *context, const struct relay_options *options,
                relay_done_handler *done, void *arg);
/** One target of req:fork. */
struct fork_target {
    struct text uri;      /**< Request-URI of that branch */
    struct text next_hop; /**< absent: the URI */
    uint32_t q;           /**< 0-1000; equal values ring together, higher first */
    struct text route;    /**< Route values to put on top (Path, RFC 3327); absent: none */
    const struct listener *listener; /**< our socket to send from; NULL: chosen */
    /**
     * "<urn:uuid:...>" of the UA that several targets are flows to, or absent: who has answered on one, but
     * for 408 and 430, is not asked again on another (RFC 5626 s7).
     */
    struct text instance;
};
/**
 * Targets for the next relay, from the location service. The caller makes the first of them the
 * request's own (Request-URI, $du), where a script may still change it.
 * @param v  copied with its texts. @return 0, ERROR_STATE (the request is over), ERROR_MEMORY
 */
int context_set_targets(struct response_context *context, const struct fork_target *v,
                        size_t count);
/** @return those that wait for a relay, borrowed; NULL: none */
const struct fork_target *context_targets(const struct response_context *context, size_t *count);
/** req:fork{...}: parallel within one q, serial between (s16.6, RFC 5393 Max-Breadth). */
int proxy_fork(struct response_context *context, const struct fork_target *v, size_t count,
               const struct relay_options *options, relay_done_handler *done, void *arg);
/** req:forward(): stateless (s16.11). */
int proxy_forward(struct response_context *context);
/** req:drop(): no answer, the server transaction ends. */
void proxy_drop(struct response_context *context);
/** req:record_route(): Record-Route at relay; twice when the interfaces differ. */
int proxy_record_route(struct response_context *context);
/**
 * req:loose_route(): take our own Route entries off (s16.4), strict routers' too. A request of a
 * call that we know, sent to us without Route, gets the other side as its target.
 * @return 1 when one was ours and the request is routed by Route or target, 0 when not, or an error
 */
int proxy_loose_route(struct response_context *context);
/**
 * Track the call of this request (dialog/track.h); implies Record-Route.
 * @param trackp  returned borrowed
 * @return 0, ERROR_STATE (it makes no call that we are in, or that is over), ERROR_LIMIT,
 *         ERROR_CANCELLED (a handler ended it at once), ERROR_MEMORY
 */
int proxy_track(struct track **trackp, struct response_context *context);
/**
 * Hide the path of the call that this INVITE begins, after proxy_track() and before it is relayed
 * (topology.c). Done again it changes nothing.
 * @param interfaces         names joined by ",": what leaves there names only us; absent: everywhere
 * @param is_call_id_masked  callees there see another Call-ID, too
 * @return 0, ERROR_ARGUMENT (no such interface), ERROR_STATE (no INVITE that begins a tracked call),
 *         ERROR_CANCELLED (it is over), ERROR_MEMORY
 */
int proxy_hide(struct response_context *context, struct text interfaces, bool is_call_id_masked);
/**
 * Ask both parties of a tracked call every so often whether they are there, and end it when one is not
 * (call_keepalive.c). Done again it takes the place of what was.
 * @param failures  unanswered in a row, at least 1
 * @return 0, ERROR_CANCELLED (it is over), ERROR_MEMORY
 */
int proxy_keep_alive(struct response_context *context, uint64_t interval_ms, unsigned failures);
/** Max-Forwards left? @return 0, or ERROR_LIMIT (0 or malformed) */
int proxy_check_max_forwards(const struct response_context *context);

/* ---- media of a call (call.c) ---- */

/**
 * media.manage(msg, flags): from now on the engine rewrites every SDP of the call and frees the
 * media when its dialog ends. On a request with an offer ports are taken at once.
 * @param branch  whose branch route says so; NULL: any other route
 * @param flags   shared; NULL: those given before
 * @return 0, ERROR_LIMIT (no port, limits), ERROR_SYNTAX (SDP), ERROR_STATE (no INVITE dialog), ERROR_UNSUPPORTED
 */
int call_media_manage(struct response_context *context, struct branch *branch,
                      struct message *message, const struct media_flags *flags);
/** The relay ended a call's media for want of packets: the script hears of it. */
void call_media_timeout(struct proxy *proxy, const struct media_call *call);

/* ---- the record of a call (notes.c) ---- */

/** Are records made? */
bool proxy_makes_records(const struct proxy *proxy);
/**
 * Set one of the script's own fields.
 * @param value  copied; VALUE_NONE takes it out
 * @return 0, ERROR_UNSUPPORTED (no records are made), ERROR_STATE (not of this call), ERROR_LIMIT
 *         (records.fields_bytes), ERROR_MEMORY
 */
int proxy_record_set(struct proxy *proxy, struct dialog *dialog, struct text name,
                     const struct value *value);
/** @return VALUE_NONE: there is no such field; its text is borrowed until the next assignment */
struct value proxy_record_get(const struct dialog *dialog, struct text name);

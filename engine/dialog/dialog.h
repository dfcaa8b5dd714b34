/*
 * Dialogs (RFC 3261 s12) as a proxy sees them, of one worker: one struct dialog per INVITE relayed
 * with Record-Route, with one leg per To tag that answered. It is what a call's media, script
 * generation and call-load count hang on: when it ends, whichever way, its attachments are released.
 */
#pragma once

#include "base/counter.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/log.h"
#include "dialog/side.h"
#include "io/io.h"
#include "sip/message.h"

struct dialogs;
struct dialog;

enum dialog_state {
    DIALOG_STARTING,  /**< INVITE relayed, no To tag seen */
    DIALOG_EARLY,     /**< provisional response with To tag */
    DIALOG_CONFIRMED, /**< 2xx */
    DIALOG_TERMINATED,
};
const char *dialog_state_name(enum dialog_state state);

/** Why it ended. */
enum dialog_end {
    DIALOG_END_BYE,
    DIALOG_END_CANCELLED, /**< never answered: 487 */
    DIALOG_END_FAILED,    /**< never answered: any other final response or time-out */
    DIALOG_END_IDLE,      /**< limits.dialog_idle_s */
    DIALOG_END_MEDIA,     /**< media time-out, when the operator wants it to end the call */
    DIALOG_END_LOCAL,     /**< ended by us: ctl, shutdown */
    DIALOG_END_DURATION,  /**< it lasted as long as its script allows */
    DIALOG_END_SCRIPT,    /**< its script ended it */
    DIALOG_END_SESSION,   /**< nobody refreshed the session in time (RFC 4028) */
    DIALOG_END_KEEPALIVE, /**< a party is not there any more */
};
const char *dialog_end_name(enum dialog_end end);

/** Who ended it. */
enum dialog_ender {
    DIALOG_ENDER_UNKNOWN, /**< it goes on, it failed, or nobody can tell */
    DIALOG_ENDER_CALLER,
    DIALOG_ENDER_CALLEE,
    DIALOG_ENDER_ENGINE,
};
/** @return "caller", "callee" or "engine"; NULL: unknown */
const char *dialog_ender_name(enum dialog_ender ender);

enum dialog_event {
    DIALOG_EVENT_START,
    DIALOG_EVENT_ANSWER,
    DIALOG_EVENT_END,
    DIALOG_EVENT_MEDIA_TIMEOUT, /**< its media ended for want of packets; told by who ties the two */
    DIALOG_EVENT_WARNING,       /**< its longest duration is near (track.h) */
    DIALOG_EVENT_DURATION,      /**< it has lasted as long as it may (track.h): end it */
    DIALOG_EVENT_HANG_UP,       /**< its script wants it ended (track.h): end it */
    DIALOG_EVENT_SESSION,       /**< its session interval is over (track.h): end it */
};

/** @p message is what caused it, NULL for timers; borrowed. On END attachments are still there. */
typedef void dialog_event_handler(void *arg, struct dialog *dialog, enum dialog_event event,
                                  struct message *message);

struct profiles;

struct dialogs_options {
    struct loop *loop;
    const struct settings *settings;
    struct counters *counters;
    struct log *log;
    struct hash_key hash_key;
    struct profiles *profiles; /**< of all workers, borrowed; NULL: calls have none */
    dialog_event_handler *event;
    void *arg;
};

/** Counted objects that hang on a dialog; released in this order when it ends. */
enum dialog_attachment {
    DIALOG_KEEPALIVE, /**< who asks its parties whether they are there */
    DIALOG_MEDIA,
    DIALOG_BRIDGE, /**< the two-leg call whose caller's leg it is */
    DIALOG_LOAD,
    DIALOG_IDENTITY,   /**< From and To that a script changed */
    DIALOG_ASSERTED,   /**< other identities that a script changed */
    DIALOG_TOPOLOGY,   /**< how it is hidden from its parties */
    DIALOG_TRACK,      /**< what a script keeps with it: track.h */
    DIALOG_NOTES,      /**< what is noted for its record */
    DIALOG_GENERATION, /**< last, since the others may name what belongs to it */
    DIALOG_ATTACHMENT_COUNT
};

int dialogs_create(struct dialogs **dialogsp, const struct dialogs_options *options);
size_t dialogs_count(const struct dialogs *dialogs);
/** End every dialog with DIALOG_END_LOCAL; before release. */
void dialogs_stop(struct dialogs *dialogs);
/** The dialog on which @p object hangs, returned borrowed; NULL. Walks through all: for rare events. */
struct dialog *dialogs_find_attached(const struct dialogs *dialogs, enum dialog_attachment which,
                                     const void *object);
typedef void dialog_visit_handler(void *arg, struct dialog *dialog);
/** A visit may end any of them, whose handlers end others; then some may be visited again. */
void dialogs_for_each(struct dialogs *dialogs, dialog_visit_handler *visit, void *arg);

/**
 * Begin one for an out-of-dialog INVITE. An INVITE with the same Call-ID and From tag, as a proxy before us
 * forks it (s16.6), shares it: it ends when the last of them has failed. @return 0, ERROR_LIMIT, ERROR_MEMORY; *dialogp returned borrowed, alive until it ends: who keeps it longer takes a reference
 */
int dialog_create(struct dialog **dialogp, struct dialogs *dialogs, struct message *invite);
/** How many INVITEs have come to share it, the one that made it included. */
unsigned dialog_invites(const struct dialog *dialog);
/** Tell DIALOG_EVENT_START, once: what is to hang on it from the start does. @return 0 or ERROR_CANCELLED (its handler ended it) */
int dialog_start(struct dialog *dialog, struct message *invite);
/** Take back one that was made and not started: nobody is told. */
void dialog_forget(struct dialog *dialog);
/** The dialog of an in-dialog request or of a response: Call-ID and From tag, either direction. NULL. Returned borrowed. */
struct dialog *dialog_find(struct dialogs *dialogs, struct message *message);

/** A response to the dialog-making INVITE goes upstream: early, confirmed. */
void dialog_on_response(struct dialog *dialog, struct message *response);
/** The final non-2xx response to an INVITE of it was sent (or 487): ends it with the last of them. */
void dialog_on_failure(struct dialog *dialog, unsigned status);
/** Somebody gave a sign of life that it does not hear of: it is idle from now on. Not once it has ended. */
void dialog_touch(struct dialog *dialog);
/** An in-dialog request passed: keeps it alive. */
void dialog_on_request(struct dialog *dialog, struct message *request);
/**
 * A message of a call was accepted that tells where its sender wants requests: the INVITE, its 2xx,
 * those of a re-INVITE and of UPDATE (RFC 3261 s12.1, s12.2).
 * @param route  the sender's route set as in struct dialog_side; absent: as known
 */
void dialog_learn_side(struct dialog *dialog, struct message *message, struct text route);
/** BYE was answered or timed out: that leg is over; the dialog ends with its last confirmed leg. @p bye the BYE request */
void dialog_on_bye_done(struct dialog *dialog, struct message *bye);
void dialog_terminate(struct dialog *dialog, enum dialog_end end);
/** The same where no message of this dialog tells who ended it: that was on another leg of the call. */
void dialog_terminate_by(struct dialog *dialog, enum dialog_end end, enum dialog_ender ender);

/** @param object  shared (a reference is taken); the old one is released. NULL only releases */
void dialog_attach(struct dialog *dialog, enum dialog_attachment which, void *object);
void *dialog_attachment(const struct dialog *dialog, enum dialog_attachment which);

/** What a dialog has beside itself, one bit each: DIALOG_HAS() of an attachment, or one of the following. */
#define DIALOG_HAS(attachment) (1u << (attachment))
#define DIALOG_HAS_OWN_REQUESTS                                                                    \
    (1u << DIALOG_ATTACHMENT_COUNT) /**< numbers of dialog_count_own() */
/** Has it any of these? One look where most calls have none. */
bool dialog_has_any(const struct dialog *dialog, unsigned bits);

/* Reading. Texts are borrowed from the dialog. */
struct text dialog_call_id(const struct dialog *dialog);
struct text dialog_caller_tag(const struct dialog *dialog);
struct text dialog_from_uri(const struct dialog *dialog);
struct text dialog_to_uri(const struct dialog *dialog);
enum dialog_state dialog_current_state(const struct dialog *dialog);
enum dialog_end dialog_end_reason(const struct dialog *dialog);
enum dialog_ender dialog_ended_by(const struct dialog *dialog);
uint64_t dialog_started_ms(const struct dialog *dialog);
uint64_t dialog_answered_ms(const struct dialog *dialog); /**< 0: not yet */
/** Final status of the INVITE that failed; 0: it did not, or nobody sent one. */
unsigned dialog_failure_status(const struct dialog *dialog);
/** True when @p message travels from the caller to a callee. */
bool dialog_is_from_caller(const struct dialog *dialog, struct message *message);
/** Tag of the callee's side in @p message, whichever way it goes: it names the leg. Borrowed from the message; absent when there is none yet. */
struct text dialog_callee_tag(const struct dialog *dialog, struct message *message);

/* Legs: one per To tag that answered. */
/** EARLY, CONFIRMED or TERMINATED; STARTING for a tag that never answered. */
enum dialog_state dialog_leg_state(const struct dialog *dialog, struct text callee_tag);
/** How many legs are in @p state. */
size_t dialog_leg_count(const struct dialog *dialog, enum dialog_state state);
typedef void dialog_leg_handler(void *arg, struct text callee_tag, enum dialog_state state);
/** In order of their first response. */
void dialog_for_each_leg(const struct dialog *dialog, dialog_leg_handler *visit, void *arg);
/**
 * The two parties of a leg, for a request of our own. Borrowed until the dialog hears of the next
 * message.
 * @return false: there is no such leg
 */
bool dialog_sides(const struct dialog *dialog, struct text callee_tag, struct dialog_side *caller,
                  struct dialog_side *callee);
/** A request of our own, numbered side.cseq + 1, was sent to one party of a leg. */
void dialog_count_own(struct dialog *dialog, struct text callee_tag, bool to_caller);
/** The number with which a request within the dialog goes on whose sender numbers it (or names in it) @p cseq. */
uint32_t dialog_cseq_sent(const struct dialog *dialog, struct message *request, uint32_t cseq);
/** What it takes, legs and texts included, without what hangs on it. */
size_t dialog_memory_bytes(const struct dialog *dialog);

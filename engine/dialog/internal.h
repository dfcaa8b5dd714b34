/* What dialog.c and dialogs.c share; for this folder only. */
#pragma once

#include "dialog/dialog.h"
#include "dialog/leg.h"

/** The dialogs of one worker; counted. */
struct dialogs {
    struct dialogs_options options;
    struct hash_table
        by_caller;            /**< Call-ID and caller's tag -> dialog; holds one reference each */
    struct list all;          /**< the same dialogs, oldest first */
    struct hash_table tracks; /**< those that a script tracks, by number; borrowed */
    uint64_t last_track;      /**< number that was given last */
};

/** Texts kept, one after the other, in the dialog's own allocation. */
enum dialog_text {
    DIALOG_TEXT_CALL_ID,
    DIALOG_TEXT_CALLER_TAG,
    DIALOG_TEXT_FROM,
    DIALOG_TEXT_TO,
    DIALOG_TEXT_COUNT
};

/** Counted; the table's reference lives until the dialog ends. */
struct dialog {
    struct hash_link by_caller;
    struct link all;
    struct dialogs *dialogs; /**< holder, borrowed; not to be used once TERMINATED */
    struct timer idle;       /**< limits.dialog_idle_s without a message */
    uint64_t touched_ms;     /**< loop_now_ms() of the last one */
    void *attachments[DIALOG_ATTACHMENT_COUNT]; /**< counted, shared */
    uint64_t started_ms, answered_ms;           /**< loop_now_ms() */
    struct dialog_legs legs;                    /**< owned */
    struct dialog_side caller;                  /**< its cseq is per leg */
    uint32_t invite_cseq;                       /**< of the INVITE that made it */
    uint32_t text_bytes[DIALOG_TEXT_COUNT];
    uint32_t invites, failed; /**< INVITEs that share it, and of them those that were refused */
    uint16_t failure_status;  /**< of the INVITE; 0: none */
    uint16_t has;             /**< bits of dialog_has_any(), kept by attach() */
    bool is_started;          /**< its START was told */
    uint8_t state;            /**< enum dialog_state; only grows */
    uint8_t end;              /**< enum dialog_end once TERMINATED */
    uint8_t ender;            /**< enum dialog_ender, likewise */
    char texts[];
};

/** Make one that is in no table and has no timer yet. @return NULL without memory; returned owned */
struct dialog *dialog_new(struct dialogs *dialogs, struct message *invite);
/** Tell the user, if there is one. */
void dialog_tell(struct dialog *dialog, enum dialog_event event, struct message *message);

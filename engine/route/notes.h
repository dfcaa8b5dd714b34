/*
 * What is noted of a call while it lasts, so that a record can be made of it at its end. Hangs on the
 * dialog as DIALOG_NOTES where records are wanted; without it every function here does nothing.
 */
#pragma once

#include "dialog/variables.h"
#include "route/context.h"

/** One target that was tried. */
struct note_try {
    struct note_try *next;
    uint64_t at_ms;
    struct address destination; /**< AF_UNSPEC: not known */
    unsigned set;               /**< of the dispatcher, 0: none */
    uint32_t branch;            /**< context_branch_number() */
    uint16_t status;            /**< 0: no final response */
    size_t uri_bytes;
    char uri[];
};

/** A party was replaced by another, or was not. */
struct note_transfer {
    struct note_transfer *next;
    uint64_t at_ms;
    bool is_of_callee;
    uint16_t status; /**< final response of the other one, 200: it has the call */
    size_t stream_count;
    struct media_stream_statistics *streams; /**< owned: of the callee that was replaced */
    size_t uri_bytes;
    char uri[];
};

/** Where the messages of a party came from. */
struct note_source {
    struct address peer;             /**< AF_UNSPEC: not known */
    const struct listener *listener; /**< borrowed: lives as long as the transport */
};

/** Counted. Times are loop_now_ms(), 0: it did not happen. */
struct notes {
    uint64_t progress_ms, bye_ms;
    struct note_source caller, callee;
    struct note_try *tries, **last;                   /**< owned */
    struct note_transfer *transfers, **last_transfer; /**< owned */
    struct text trunk; /**< owned: name of the one that the callee was called by */
    struct variables fields;
    struct text phrase, reason; /**< owned: reason phrase, value of a Reason header */
    uint16_t status;            /**< final, of the INVITE; 0: none yet */
    bool is_local;              /**< that one was ours */
    size_t ruri_bytes;
    char ruri[];
};

/** Of that dialog; NULL: none. Returned borrowed. */
struct notes *notes_of(const struct dialog *dialog);
/** A dialog was made for this request. */
void notes_begin(struct proxy *proxy, struct dialog *dialog, const struct message *invite);
/** The INVITE was sent to a target. @param destination  NULL: not known */
void notes_try(struct response_context *context, unsigned branch, struct text uri,
               const struct address *destination);
/** Its final response came, or will not. */
void notes_tried(struct response_context *context, unsigned branch, unsigned status);
/** The same of a call that begins here. @param which  the party, in the place of a branch */
void notes_call(struct proxy *proxy, const struct dialog *dialog, unsigned which, struct text uri);
void notes_called(const struct dialog *dialog, unsigned which, unsigned status);
/** How such a call stands, as notes_response(). */
void notes_outcome(struct proxy *proxy, const struct dialog *dialog, unsigned status,
                   struct text phrase, bool is_local);
/** A response to the INVITE goes to the caller. @param is_local  it is our own */
void notes_response(struct response_context *context, unsigned status, struct text phrase,
                    struct text reason, bool is_local);
/** Somebody accepted it. */
void notes_accepted(const struct dialog *dialog, const struct message *response);
/** The first party of a call that begins here did. */
void notes_caller_accepted(const struct dialog *dialog, const struct message *response);
/** A request within the call: of a BYE, its time and reason. */
void notes_request(struct proxy *proxy, const struct dialog *dialog, const struct message *request);
/** It is called by a trunk of the configuration. */
void notes_trunk(const struct dialog *dialog, struct text name);
/**
 * A transfer is over.
 * @param status     200, or why nothing came of it
 * @param media_tag  by which the relay knows the callee that is replaced, and is still there; absent: none is
 */
void notes_transfer(struct proxy *proxy, const struct dialog *dialog, bool is_of_callee,
                    struct text uri, unsigned status, struct text media_tag);
/** Why it is ended: value of a Reason header; absent: nothing is said. */
void notes_reason(const struct dialog *dialog, struct text reason);

/* record.c */
/** It has ended: its record is made and given away. Media is still there. */
void notes_end(struct proxy *proxy, struct dialog *dialog);

/* From what both parties said to what the media thread does: the commands between the halves. */
#pragma once

#include "media/call.h"

enum agreement_kind {
    AGREEMENT_OPEN,  /**< start receiving */
    AGREEMENT_TERMS, /**< the answer's terms; packets go out of the other side */
    AGREEMENT_MUTE,  /**< packets go nowhere for now */
    AGREEMENT_CLOSE, /**< ports go back */
};

/** What happens to one side. */
struct agreement {
    enum agreement_kind kind;
    struct media_side *side;  /**< a reference */
    struct media_side *other; /**< TERMS: also in the same command; borrowed */
    struct side_terms terms;  /**< TERMS */
};

/** One offer's or answer's worth of changes: the thread sees all of them or none. */
struct agree_command {
    struct command command;
    struct media_call *call; /**< borrowed: commands run before the call's last one */
    bool is_answer;          /**< phase is to be taken */
    enum media_phase phase;
    unsigned count;
    struct agreement v[];
};

/** Runs on the thread; frees the command. */
void media_run_agreements(struct media_thread *thread, struct command *command);

/** Sides that an offer opened and the thread does not know yet. */
struct media_opening {
    struct branch_stream *slots[128]; /**< borrowed from branches */
    unsigned count;
};

/** Hand new sides over. @return 0, ERROR_MEMORY, ERROR_LIMIT; on error they are still ours */
int media_hand_over(struct media_call *call, const struct media_opening *opening);
/**
 * Let packets flow between caller and @p leg as both have said, and make @p leg the active one.
 * Streams that are rejected for good lose their ports.
 * @return 0, ERROR_MEMORY, ERROR_LIMIT; on error nothing has changed
 */
int media_agree(struct media_call *call, struct media_leg *leg);
/** Whether an m= line that @p leg rejected still has ports. */
bool media_has_rejected(const struct media_call *call, const struct media_leg *leg);
/** Close a branch's ports. Without memory for the command they stay until the call ends. */
void media_close_branch(struct media_call *call, struct media_branch *branch);

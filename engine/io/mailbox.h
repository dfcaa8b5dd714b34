/*
 * What other threads have for a loop: mail, put in by any thread and taken out by the loop's own, when
 * it is woken. A mailbox never refuses: what its owner asked for bounds what comes.
 */
#pragma once

#include "io/io.h"

#include <stdatomic.h>

/** First member of a counted object that is posted. */
struct mail {
    struct mail *next;                  /**< the mailbox's own */
    void (*deliver)(struct mail *mail); /**< on the loop's thread; borrows it */
};

/** Zero-initialised but for the loop it is empty and ready. */
struct mailbox {
    _Atomic(struct mail *) newest;
    struct loop *loop; /**< borrowed */
};

/** Any thread; wakes the loop. @param mail  given */
void mailbox_post(struct mailbox *mailbox, struct mail *mail);
/** The same without waking it: for who gathers mail and wakes the loop by himself. */
void mailbox_add(struct mailbox *mailbox, struct mail *mail);
/** Deliver what waits, oldest first, and release it; from the loop's wake handler. @return how many */
size_t mailbox_run(struct mailbox *mailbox);
/** Release what waits without delivering it: the loop ends. */
void mailbox_drop(struct mailbox *mailbox);

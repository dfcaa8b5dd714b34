/*
 * A media thread: one loop that owns the sockets of its calls. Workers reach it only by commands,
 * which are put in a lock-free queue and run on the thread in the order of each sender.
 *
 * The queue is a stack that the thread empties at once and turns around: a command is its own
 * link, so ending a call needs no memory and cannot be refused. Everything else is, beyond
 * THREAD_COMMANDS_MOST.
 */
#pragma once

#include "base/counter.h"
#include "base/list.h"
#include "io/io.h"

#include <pthread.h>

#define THREAD_COMMANDS_MOST 16384 /* waiting commands; the next offer or answer is refused */

struct media_thread;
struct command;

/** Runs on the thread; @p command is its own again. */
typedef void command_handler(struct media_thread *thread, struct command *command);

/** Embedded in what it is about. */
struct command {
    struct command *next;
    command_handler *run;
};

struct media_thread {
    struct media *media;             /**< borrowed */
    struct loop *loop;               /**< owned */
    _Atomic(struct command *) queue; /**< newest first */
    _Atomic unsigned waiting;        /**< commands in it */
    struct counters counters;        /**< written on the thread */
    pthread_mutex_t peers_lock;      /**< component.peer of this thread's calls, for statistics */
    struct list calls;               /**< struct media_call by its link; on the thread */
};

/** @return 0, ERROR_MEMORY, ERROR_TRANSPORT */
int media_thread_init(struct media_thread *thread, struct media *media, struct io *io,
                      unsigned number);
/** Give back what media_thread_init() made; the loop has ended. */
void media_thread_release(struct media_thread *thread);
/** Any thread. @return false when too many wait; the command is then still the caller's */
bool media_thread_post(struct media_thread *thread, struct command *command);
/** Like media_thread_post(), never refused: for commands that exist once a call. */
void media_thread_post_last(struct media_thread *thread, struct command *command);
/** Run what waits; on the thread, or after it has ended. */
void media_thread_run(struct media_thread *thread);

/* The command queue of a media thread. */
#include "media/thread.h"

#include "base/memory.h"

#include <stdio.h>

static void on_wake(void *arg)
{
    media_thread_run(arg);
}

int media_thread_init(struct media_thread *thread, struct media *media, struct io *io,
                      unsigned number)
{
    char name[16];
    snprintf(name, sizeof name, "media-%u", number);
    thread->media = media;
    int error = loop_create(&thread->loop, io, name);
    if (error)
        return error;
    pthread_mutex_init(&thread->peers_lock, NULL);
    loop_set_handlers(thread->loop, &(struct loop_handlers){.wake = on_wake, .arg = thread});
    return 0;
}

void media_thread_release(struct media_thread *thread)
{
    if (!thread->loop)
        return;
    thread->loop = memory_release(thread->loop);
    pthread_mutex_destroy(&thread->peers_lock);
}

static void push(struct media_thread *thread, struct command *command)
{
    command->next = atomic_load_explicit(&thread->queue, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&thread->queue, &command->next, command,
                                                  memory_order_release, memory_order_relaxed))
        ;
    loop_wake(thread->loop);
}

bool media_thread_post(struct media_thread *thread, struct command *command)
{
    if (atomic_fetch_add_explicit(&thread->waiting, 1, memory_order_relaxed) >=
        THREAD_COMMANDS_MOST) {
        atomic_fetch_sub_explicit(&thread->waiting, 1, memory_order_relaxed);
        return false;
    }
    push(thread, command);
    return true;
}

void media_thread_post_last(struct media_thread *thread, struct command *command)
{
    atomic_fetch_add_explicit(&thread->waiting, 1, memory_order_relaxed);
    push(thread, command);
}

void media_thread_run(struct media_thread *thread)
{
    struct command *newest = atomic_exchange_explicit(&thread->queue, NULL, memory_order_acquire);
    struct command *oldest = NULL;
    while (newest) { /* turn around */
        struct command *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    unsigned count = 0;
    while (oldest) {
        struct command *next = oldest->next; /* the command may be gone after it ran */
        oldest->run(thread, oldest);
        oldest = next;
        count++;
    }
    atomic_fetch_sub_explicit(&thread->waiting, count, memory_order_relaxed);
}

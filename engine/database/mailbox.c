/* Answers on their way to a loop: a stack that the loop empties at once and turns around. */
#include "database/database.h"

#include "base/memory.h"

static bool post(void *arg, struct database_answer *answer)
{
    struct database_mailbox *mailbox = arg;
    answer->next = atomic_load_explicit(&mailbox->newest, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&mailbox->newest, &answer->next, answer,
                                                  memory_order_release, memory_order_relaxed))
        ;
    loop_wake(mailbox->loop);
    return true;
}

struct database_home database_mailbox_home(struct database_mailbox *mailbox)
{
    return (struct database_home){post, mailbox};
}

/** @return what waits, oldest first */
static struct database_answer *take(struct database_mailbox *mailbox)
{
    struct database_answer *newest =
        atomic_exchange_explicit(&mailbox->newest, NULL, memory_order_acquire);
    struct database_answer *oldest = NULL;
    while (newest) {
        struct database_answer *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

size_t database_mailbox_run(struct database_mailbox *mailbox)
{
    size_t count = 0;
    for (struct database_answer *answer = take(mailbox), *next; answer; answer = next) {
        next = answer->next;
        database_answer_deliver(answer);
        count++;
    }
    return count;
}

void database_mailbox_drop(struct database_mailbox *mailbox)
{
    for (struct database_answer *answer = take(mailbox), *next; answer; answer = next) {
        next = answer->next;
        memory_release(answer);
    }
}

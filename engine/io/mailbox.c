/* Mail on their way to a loop: a stack that the loop empties at once and turns around. */
#include "io/mailbox.h"

#include "base/memory.h"

void mailbox_add(struct mailbox *mailbox, struct mail *mail)
{
    mail->next = atomic_load_explicit(&mailbox->newest, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&mailbox->newest, &mail->next, mail,
                                                  memory_order_release, memory_order_relaxed))
        ;
}

void mailbox_post(struct mailbox *mailbox, struct mail *mail)
{
    mailbox_add(mailbox, mail);
    loop_wake(mailbox->loop);
}

/** @return what waits, oldest first */
static struct mail *take(struct mailbox *mailbox)
{
    struct mail *newest = atomic_exchange_explicit(&mailbox->newest, NULL, memory_order_acquire);
    struct mail *oldest = NULL;
    while (newest) {
        struct mail *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

size_t mailbox_run(struct mailbox *mailbox)
{
    size_t count = 0;
    for (struct mail *mail = take(mailbox), *next; mail; mail = next) {
        next = mail->next;
        mail->deliver(mail);
        memory_release(mail);
        count++;
    }
    return count;
}

void mailbox_drop(struct mailbox *mailbox)
{
    for (struct mail *mail = take(mailbox), *next; mail; mail = next) {
        next = mail->next;
        memory_release(mail);
    }
}

/*
 * Hand-over between workers: one bounded lock-free ring per worker, many writers, one reader. A
 * batch of received datagrams wakes each owner once, and only when it sleeps (loop_wake()).
 */
#include "worker/handover.h"

#include "base/error.h"
#include "base/memory.h"

#include <pthread.h>

/* An entry: a task, or a datagram when task is NULL. */
struct letter {
    worker_task *task;
    void *arg;
    const struct listener *listener;
    struct address peer;
    uint64_t received_us;
    size_t size_bytes;
    char bytes[];
};

struct handover {
    struct worker *worker; /* borrowed: holds this */
    struct ring *ring;     /* owned */
    uint64_t to_wake;      /* bit per worker that got something in this batch */
};

static void destroy(void *arg)
{
    struct handover *handover = arg;
    if (handover->ring)
        for (void *letter = ring_pop(handover->ring); letter; letter = ring_pop(handover->ring))
            memory_free_raw(letter);
    memory_release(handover->ring);
}

int handover_create(struct handover **handoverp, struct worker *worker, size_t size)
{
    struct handover *handover = memory_alloc(sizeof *handover, destroy);
    if (!handover)
        return ERROR_MEMORY;
    size_t power = 2;
    while (power < size)
        power *= 2;
    handover->worker = worker;
    int error = ring_create(&handover->ring, power);
    if (error)
        memory_release(handover);
    else
        *handoverp = handover;
    return error;
}

void handover_bytes(struct handover *handover, unsigned owner, const struct listener *listener,
                    const struct address *peer, struct text bytes)
{
    const struct worker_options *options = worker_get_options(handover->worker);
    struct counters *counters = worker_counters(handover->worker);
    struct letter *letter = memory_raw(sizeof *letter + bytes.n);
    if (!letter) {
        counter_count(counters, COUNTER_SIP_MAILBOX_FULL);
        return;
    }
    *letter = (struct letter){
        .listener = listener,
        .peer = *peer,
        .received_us = loop_now_us(worker_loop(handover->worker)),
        .size_bytes = bytes.n,
    };
    memcpy(letter->bytes, bytes.p, bytes.n);
    if (!ring_push(worker_handover(options->workers[owner])->ring, letter)) {
        memory_free_raw(letter);
        counter_count(counters, COUNTER_SIP_MAILBOX_FULL);
        return;
    }
    counter_count(counters, COUNTER_SIP_HANDED_OVER);
    handover->to_wake |= (uint64_t)1 << owner % WORKERS_MAX;
}

void handover_wake(struct handover *handover)
{
    const struct worker_options *options = worker_get_options(handover->worker);
    for (unsigned i = 0; handover->to_wake && i < options->count; i++)
        if (handover->to_wake & (uint64_t)1 << i % WORKERS_MAX)
            loop_wake(worker_loop(options->workers[i]));
    handover->to_wake = 0;
}

int handover_task(struct handover *handover, worker_task *task, void *arg)
{
    struct letter *letter = memory_raw(sizeof *letter);
    if (!letter)
        return ERROR_MEMORY;
    *letter = (struct letter){.task = task, .arg = arg};
    if (ring_push(handover->ring, letter))
        return 0;
    memory_free_raw(letter);
    return ERROR_LIMIT;
}

void handover_receive(struct handover *handover)
{
    struct letter *letter;
    while ((letter = ring_pop(handover->ring))) {
        struct text bytes = {letter->bytes, letter->size_bytes};
        if (letter->task)
            letter->task(handover->worker, letter->arg);
        else if (!letter->listener)
            proxy_undeliverable(worker_proxy(handover->worker), &letter->peer, bytes);
        else
            transport_receive(worker_transport(handover->worker), letter->listener, &letter->peer,
                              bytes, letter->received_us);
        memory_free_raw(letter);
    }
}

/* ---- asking and waiting for the answer ---- */

struct question {
    worker_task *task;
    void *arg;
    pthread_mutex_t mutex;
    pthread_cond_t answered;
    bool is_done;
};

static void on_question(struct worker *worker, void *arg)
{
    struct question *question = arg;
    question->task(worker, question->arg);
    pthread_mutex_lock(&question->mutex);
    question->is_done = true;
    pthread_cond_signal(&question->answered);
    pthread_mutex_unlock(&question->mutex);
}

int worker_ask(struct worker *worker, worker_task *task, void *arg)
{
    if (io_is_virtual(worker_get_options(worker)->io)) {
        task(worker, arg);
        return 0;
    }
    struct question question = {
        .task = task,
        .arg = arg,
        .mutex = PTHREAD_MUTEX_INITIALIZER,
        .answered = PTHREAD_COND_INITIALIZER,
    };
    int error = worker_post(worker, on_question, &question);
    if (error)
        return error;
    pthread_mutex_lock(&question.mutex);
    while (!question.is_done)
        pthread_cond_wait(&question.answered, &question.mutex);
    pthread_mutex_unlock(&question.mutex);
    return 0;
}

/*
 * Hand-over between workers. Datagrams wait in one bounded lock-free ring per worker, many writers,
 * one reader; a batch of them wakes each owner once, and only when it sleeps (loop_wake()). Tasks
 * wait in a list without a bound, which a flood of datagrams cannot fill: each is its own link.
 */
#include "worker/handover.h"

#include "base/error.h"
#include "base/list.h"
#include "base/memory.h"

#include <pthread.h>
#include <stdatomic.h>

/*
 * Datagrams taken in a row. The owner's timers, sockets and flush have their turn between: were it
 * to go on until the ring is empty, it would never find out that it is behind.
 */
#define LETTERS_AT_ONCE 64

/* A datagram. */
struct letter {
    const struct listener *listener;
    struct address peer;
    uint64_t received_us;
    size_t size_bytes;
    char bytes[];
};

/* A task that waits, embedded in what it is about. */
struct errand {
    struct errand *next;
    void (*run)(struct worker *worker, struct errand *errand); /* it is its owner's again */
};

struct handover {
    struct worker *worker;            /* borrowed: holds this */
    struct ring *ring;                /* owned */
    _Atomic(struct errand *) errands; /* newest first */
    uint64_t to_wake;                 /* bit per worker that got something in this batch */
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
    if (!handover->to_wake)
        return;
    const struct worker_options *options = worker_get_options(handover->worker);
    for (unsigned i = 0; i < options->count; i++)
        if (handover->to_wake & (uint64_t)1 << i % WORKERS_MAX)
            loop_wake(worker_loop(options->workers[i]));
    handover->to_wake = 0;
}

/* ---- tasks ---- */

static void push_errand(struct handover *handover, struct errand *errand)
{
    errand->next = atomic_load_explicit(&handover->errands, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&handover->errands, &errand->next, errand,
                                                  memory_order_release, memory_order_relaxed))
        ;
    loop_wake(worker_loop(handover->worker));
}

static void run_errands(struct handover *handover)
{
    struct errand *newest =
        atomic_exchange_explicit(&handover->errands, NULL, memory_order_acquire);
    struct errand *oldest = NULL;
    while (newest) { /* turn around */
        struct errand *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest) {
        struct errand *next = oldest->next; /* the errand may be gone after it ran */
        oldest->run(handover->worker, oldest);
        oldest = next;
    }
}

struct posted {
    struct errand errand;
    worker_task *task;
    void *arg;
};

static void run_posted(struct worker *worker, struct errand *errand)
{
    struct posted *posted = CONTAINER_OF(errand, struct posted, errand);
    posted->task(worker, posted->arg);
    memory_free_raw(posted);
}

int worker_post(struct worker *worker, worker_task *task, void *arg)
{
    struct posted *posted = memory_raw(sizeof *posted);
    if (!posted)
        return ERROR_MEMORY;
    *posted = (struct posted){.errand.run = run_posted, .task = task, .arg = arg};
    push_errand(worker_handover(worker), &posted->errand);
    return 0;
}

/* ---- there and back ---- */

/* One allocation for both ways: what has gone comes back. */
struct consultation {
    struct errand errand;
    struct worker *home;
    proxy_task *there, *back;
    void *arg;
};

static void run_back(struct worker *worker, struct errand *errand)
{
    struct consultation *consultation = CONTAINER_OF(errand, struct consultation, errand);
    consultation->back(worker_proxy(worker), consultation->arg);
    memory_free_raw(consultation);
}

static void run_there(struct worker *worker, struct errand *errand)
{
    struct consultation *consultation = CONTAINER_OF(errand, struct consultation, errand);
    consultation->there(worker_proxy(worker), consultation->arg);
    errand->run = run_back;
    push_errand(worker_handover(consultation->home), errand);
}

int handover_consult(struct handover *handover, unsigned owner, proxy_task *there, proxy_task *back,
                     void *arg)
{
    struct worker *const *workers = worker_get_options(handover->worker)->workers;
    struct consultation *consultation = memory_raw(sizeof *consultation);
    if (!consultation)
        return ERROR_MEMORY;
    *consultation = (struct consultation){
        .errand.run = run_there,
        .home = handover->worker,
        .there = there,
        .back = back,
        .arg = arg,
    };
    push_errand(worker_handover(workers[owner]), &consultation->errand);
    return 0;
}

/* ---- the owner's side ---- */

static void receive_letter(struct handover *handover, const struct letter *letter)
{
    struct text bytes = {letter->bytes, letter->size_bytes};
    if (letter->listener)
        transport_receive(worker_transport(handover->worker), letter->listener, &letter->peer,
                          bytes, letter->received_us);
    else
        proxy_undeliverable(worker_proxy(handover->worker), &letter->peer, bytes);
}

void handover_receive(struct handover *handover)
{
    struct letter *letter = NULL;
    run_errands(handover);
    for (unsigned i = 0; i < LETTERS_AT_ONCE && (letter = ring_pop(handover->ring)); i++) {
        receive_letter(handover, letter);
        memory_free_raw(letter);
    }
    if (letter) /* there may be more */
        loop_wake(worker_loop(handover->worker));
}

/* ---- asking and waiting for the answer ---- */

struct question {
    struct errand errand;
    worker_task *task;
    void *arg;
    pthread_mutex_t mutex;
    pthread_cond_t answered;
    bool is_done;
};

static void run_question(struct worker *worker, struct errand *errand)
{
    struct question *question = CONTAINER_OF(errand, struct question, errand);
    question->task(worker, question->arg);
    pthread_mutex_lock(&question->mutex);
    question->is_done = true;
    pthread_cond_signal(&question->answered);
    pthread_mutex_unlock(&question->mutex);
}

void worker_ask(struct worker *worker, worker_task *task, void *arg)
{
    if (io_is_virtual(worker_get_options(worker)->io)) {
        task(worker, arg);
        return;
    }
    struct question question = {
        .errand.run = run_question,
        .task = task,
        .arg = arg,
        .mutex = PTHREAD_MUTEX_INITIALIZER,
        .answered = PTHREAD_COND_INITIALIZER,
    };
    push_errand(worker_handover(worker), &question.errand);
    pthread_mutex_lock(&question.mutex);
    while (!question.is_done)
        pthread_cond_wait(&question.answered, &question.mutex);
    pthread_mutex_unlock(&question.mutex);
}

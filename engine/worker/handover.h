/* The mailbox of a worker: datagrams that belong to it, and tasks from other threads (worker.h). */
#pragma once

#include "worker/worker.h"

struct handover; /* counted */

/** @param size  datagrams, rounded up to a power of two. @return 0 or ERROR_MEMORY */
int handover_create(struct handover **handoverp, struct worker *worker, size_t size);
/**
 * Give received bytes (copied) to worker @p owner; on this worker's thread. It is woken by
 * handover_wake().
 * @param listener  where they arrived; NULL: they could not be delivered to @p peer (ICMP)
 */
void handover_bytes(struct handover *handover, unsigned owner, const struct listener *listener,
                    const struct address *peer, struct text bytes);
/**
 * Run a task on worker @p owner, then another one on this worker.
 * @return 0 or ERROR_MEMORY: neither runs
 */
int handover_consult(struct handover *handover, unsigned owner, proxy_task *there, proxy_task *back,
                     void *arg);
/** Wake every worker that got something since the last call: once per batch. */
void handover_wake(struct handover *handover);
/**
 * Run the tasks and take some of the datagrams; on this worker's thread. It is woken again for those
 * that are left.
 */
void handover_receive(struct handover *handover);
/** The mailbox of another worker. */
struct handover *worker_handover(struct worker *worker);

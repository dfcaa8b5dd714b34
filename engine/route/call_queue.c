/*
 * Order inside a call: while a handler of a call waits, later messages of that call wait behind it.
 *
 * One entry per waiting Call-ID, with a count of the handlers that wait. When the count falls to
 * zero the queue drains in order of arrival; a drained message whose handler waits again stops the
 * drain, because it makes the count rise.
 */
#include "route/context.h"

#include "base/memory.h"

struct call_queue {
    struct proxy *proxy;     /* borrowed */
    struct hash_table calls; /* struct waiting_call */
};

struct waiting_call {
    struct hash_link link;
    unsigned holds;
    bool is_draining;
    struct list deferred;
    struct text call_id; /* owned */
};

struct deferred {
    struct link link;
    call_queue_handler *handler;
    void *owner, *object; /* owned references */
};

static void deferred_destroy(void *arg)
{
    struct deferred *deferred = arg;
    list_remove(&deferred->link);
    memory_release(deferred->owner);
    memory_release(deferred->object);
}

static void waiting_call_destroy(void *arg)
{
    struct waiting_call *call = arg;
    hash_remove(&call->link);
    LIST_FOR_EACH_SAFE (link, &call->deferred)
        memory_release(CONTAINER_OF(link, struct deferred, link));
    memory_free_raw((char *)call->call_id.p);
}

static void release_visit(struct hash_link *link, void *arg)
{
    (void)arg;
    memory_release(CONTAINER_OF(link, struct waiting_call, link));
}

static void destroy(void *arg)
{
    struct call_queue *queue = arg;
    hash_for_each(&queue->calls, release_visit, NULL);
    hash_table_release(&queue->calls);
}

int call_queue_create(struct call_queue **queuep, struct proxy *proxy)
{
    struct call_queue *queue = memory_alloc(sizeof *queue, destroy);
    if (!queue)
        return ERROR_MEMORY;
    queue->proxy = proxy;
    *queuep = queue;
    return 0;
}

static bool match(const struct hash_link *link, const void *key)
{
    const struct waiting_call *call = CONTAINER_OF(link, struct waiting_call, link);
    return text_equal(call->call_id, *(const struct text *)key);
}

static struct waiting_call *find(const struct call_queue *queue, struct text call_id)
{
    if (queue->calls.count == 0)
        return NULL;
    uint64_t hash = hash_text(&queue->proxy->options.hash_key, call_id);
    struct hash_link *link = hash_find(&queue->calls, hash, match, &call_id);
    return link ? CONTAINER_OF(link, struct waiting_call, link) : NULL;
}

int call_queue_hold(struct call_queue *queue, struct text call_id)
{
    struct waiting_call *call = find(queue, call_id);
    if (!call) {
        call = memory_alloc(sizeof *call, waiting_call_destroy);
        if (!call)
            return ERROR_MEMORY;
        call->call_id = (struct text){text_strdup(call_id), call_id.n};
        uint64_t hash = hash_text(&queue->proxy->options.hash_key, call_id);
        if (!call->call_id.p || hash_insert(&queue->calls, &call->link, hash)) {
            memory_release(call);
            return ERROR_MEMORY;
        }
    }
    call->holds++;
    return 0;
}

void call_queue_free(struct call_queue *queue, struct text call_id)
{
    struct waiting_call *call = find(queue, call_id);
    if (!call || --call->holds > 0 || call->is_draining)
        return;
    call->is_draining = true;
    while (call->holds == 0 && call->deferred.first) {
        struct deferred *deferred = CONTAINER_OF(list_pop(&call->deferred), struct deferred, link);
        deferred->handler(queue->proxy, deferred->owner, deferred->object);
        memory_release(deferred);
    }
    call->is_draining = false;
    if (call->holds == 0)
        memory_release(call);
}

static __attribute__((noinline)) enum call_queue_verdict
defer(struct call_queue *queue, struct text call_id, call_queue_handler *handler, void *owner,
      void *object, bool is_vital)
{
    struct waiting_call *call = find(queue, call_id);
    if (!call || (call->holds == 0 && !call->is_draining))
        return CALL_QUEUE_GO;
    struct deferred *deferred = NULL;
    if (is_vital || call->deferred.count < queue->proxy->options.settings->limits_call_queue)
        deferred = memory_alloc(sizeof *deferred, deferred_destroy);
    if (!deferred) {
        counter_count(queue->proxy->options.counters, COUNTER_ROUTE_QUEUE_FULL);
        return CALL_QUEUE_FULL;
    }
    deferred->handler = handler;
    deferred->owner = memory_ref(owner);
    deferred->object = memory_ref(object);
    list_append(&call->deferred, &deferred->link);
    return CALL_QUEUE_KEPT;
}

enum call_queue_verdict call_queue_defer(struct call_queue *queue, struct text call_id,
                                         call_queue_handler *handler, void *owner, void *object,
                                         bool is_vital)
{
    if (queue->calls.count == 0)
        return CALL_QUEUE_GO;
    return defer(queue, call_id, handler, owner, object, is_vital);
}
